-- SPDX-License-Identifier: Apache-2.0
-- The six source databases of the company in a box, as the services that own them declare them. It is
-- what the feeds of plugins/feed promise, so a change here is a change of a contract.
--
-- A table whose name ends in YYYYMM is a template: who makes the company runs its statement once a month
-- of history with the month in place (t_sales_order_m_202601). A row lies in the shard of its own
-- create_time, for items, fees and productions in that of their order.
--
-- Quirks that are meant, for they are what the sources are like:
--   * order_id is BIGINT in salesorder and opproduction and VARCHAR in salespayment;
--   * DATETIME is wall-clock time in the row's time_zone, in America/New_York where a table has no such
--     column; the hour that repeats in November is written twice, and nothing tells which one was meant;
--   * "never" is '0000-00-00 00:00:00' or '0000-00-00', not NULL;
--   * rows in NZD are test orders and test trades left in production;
--   * phone numbers come as people typed them;
--   * nothing declares foreign keys, and children may be written before their parents.
SET SESSION sql_mode = 'STRICT_ALL_TABLES', SESSION time_zone = '+00:00';

CREATE DATABASE luckyus_salesorder CHARACTER SET utf8mb4;
CREATE DATABASE luckyus_salespayment CHARACTER SET utf8mb4;
CREATE DATABASE luckyus_salescrm CHARACTER SET utf8mb4;
CREATE DATABASE luckyus_opshop CHARACTER SET utf8mb4;
CREATE DATABASE luckyus_opproduction CHARACTER SET utf8mb4;
CREATE DATABASE luckyus_pubdm CHARACTER SET utf8mb4;

CREATE TABLE luckyus_salesorder.t_sales_order_m_YYYYMM (
  order_id BIGINT NOT NULL PRIMARY KEY,
  order_no VARCHAR(32) NOT NULL,
  user_no VARCHAR(32) NULL COMMENT 'NULL for a guest',
  shop_dept_id BIGINT NOT NULL,
  channel TINYINT NOT NULL COMMENT '1 pickup, 2 delivery',
  order_source VARCHAR(16) NOT NULL COMMENT 'APP, KIOSK, DOORDASH, UBEREATS, GRUBHUB',
  order_status SMALLINT NOT NULL COMMENT '10 new, 20 paid, 30 in production, 80 cancelled, 90 completed',
  currency_code CHAR(3) NOT NULL COMMENT 'USD; NZD is a test order',
  gross_amount DECIMAL(12,2) NOT NULL,
  discount_amount DECIMAL(12,2) NULL COMMENT 'NULL where no coupon was used',
  net_amount DECIMAL(12,2) NOT NULL COMMENT 'gross less discount',
  coupon_no VARCHAR(32) NULL,
  time_zone VARCHAR(40) NOT NULL COMMENT 'zone of the store: America/New_York',
  create_time DATETIME NOT NULL,
  pay_time DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00',
  finish_time DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00',
  modify_time DATETIME(3) NOT NULL,
  KEY k_user (user_no)
);

CREATE TABLE luckyus_salesorder.t_sales_order_item_m_YYYYMM (
  item_id BIGINT NOT NULL PRIMARY KEY,
  order_id BIGINT NOT NULL,
  spu_code VARCHAR(32) NOT NULL,
  product_name VARCHAR(128) NOT NULL COMMENT 'as it was when sold',
  quantity INT NOT NULL,
  unit_price DECIMAL(10,2) NOT NULL,
  item_amount DECIMAL(10,2) NOT NULL COMMENT 'quantity times unit_price; the items of an order add up to its gross_amount',
  options JSON NULL COMMENT '{"size":"L","milk":"oat"}',
  modify_time DATETIME(3) NOT NULL,
  KEY k_order (order_id)
);

CREATE TABLE luckyus_salespayment.t_sales_trade_m_YYYYMM (
  trade_id BIGINT NOT NULL PRIMARY KEY,
  trade_no VARCHAR(40) NOT NULL,
  order_id VARCHAR(32) NOT NULL COMMENT 'salesorder has it as BIGINT',
  user_no VARCHAR(32) NULL,
  trade_type TINYINT NOT NULL COMMENT '1 payment, 2 refund',
  pay_method VARCHAR(24) NOT NULL COMMENT 'CREDIT_CARD, DEBIT_CARD, APPLE_PAY, GOOGLE_PAY, GIFT_CARD',
  trade_amount DECIMAL(12,2) NOT NULL COMMENT 'never negative, in a refund neither',
  currency_code CHAR(3) NOT NULL,
  trade_status SMALLINT NOT NULL COMMENT '10 pending, 20 success, 30 failed, 40 closed',
  card_token VARCHAR(64) NULL COMMENT 'token of the processor, the same for the same card',
  card_last4 CHAR(4) NULL,
  device_id VARCHAR(64) NULL,
  client_ip VARCHAR(45) NULL,
  create_time DATETIME NOT NULL,
  pay_time DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00',
  modify_time DATETIME(3) NOT NULL,
  KEY k_order (order_id)
);

CREATE TABLE luckyus_salespayment.t_sales_trade_fee_m_YYYYMM (
  fee_id BIGINT NOT NULL PRIMARY KEY,
  trade_no VARCHAR(40) NOT NULL,
  fee_type VARCHAR(24) NOT NULL COMMENT 'PROCESSING, INTERCHANGE, CHARGEBACK',
  fee_amount DECIMAL(10,4) NOT NULL,
  currency_code CHAR(3) NOT NULL,
  create_time DATETIME NOT NULL,
  modify_time DATETIME(3) NOT NULL,
  KEY k_trade (trade_no)
);

CREATE TABLE luckyus_salescrm.t_user (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_no VARCHAR(32) NOT NULL UNIQUE,
  phone VARCHAR(32) NULL COMMENT 'as typed: +1 212 555 0142, (212) 555-0142, 2125550142',
  email VARCHAR(128) NULL,
  nick_name VARCHAR(64) NULL,
  gender TINYINT NOT NULL DEFAULT 0 COMMENT '0 unknown, 1 male, 2 female',
  birthday DATE NOT NULL DEFAULT '0000-00-00',
  user_status TINYINT NOT NULL COMMENT '1 active, 2 frozen',
  user_level TINYINT NOT NULL DEFAULT 1,
  register_channel VARCHAR(16) NOT NULL,
  register_time DATETIME NOT NULL,
  last_login_time DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00',
  city VARCHAR(64) NULL,
  favorite_shop BIGINT NULL,
  push_allowed BOOLEAN NOT NULL DEFAULT TRUE,
  modify_time DATETIME(3) NOT NULL
);

CREATE TABLE luckyus_opshop.t_shop_info (
  dept_id BIGINT NOT NULL PRIMARY KEY COMMENT 'shop_dept_id elsewhere',
  shop_no VARCHAR(16) NOT NULL,
  shop_name VARCHAR(128) NOT NULL,
  address VARCHAR(200) NOT NULL,
  city VARCHAR(64) NOT NULL,
  state CHAR(2) NOT NULL,
  zip_code VARCHAR(10) NOT NULL,
  latitude DECIMAL(10,7) NULL,
  longitude DECIMAL(10,7) NULL,
  shop_type TINYINT NOT NULL COMMENT '1 retail, 2 kiosk',
  shop_status TINYINT NOT NULL COMMENT '1 planned, 2 open, 3 closed',
  time_zone VARCHAR(40) NOT NULL,
  open_date DATE NOT NULL DEFAULT '0000-00-00',
  close_date DATE NOT NULL DEFAULT '0000-00-00',
  modify_time DATETIME(3) NOT NULL
);

CREATE TABLE luckyus_opproduction.t_production_m_YYYYMM (
  production_id BIGINT NOT NULL PRIMARY KEY,
  order_id BIGINT NOT NULL,
  item_id BIGINT NOT NULL,
  shop_dept_id BIGINT NOT NULL,
  spu_code VARCHAR(32) NOT NULL,
  barista_no VARCHAR(32) NULL COMMENT 'number of the employee',
  production_status TINYINT NOT NULL COMMENT '1 queued, 2 started, 3 done, 4 cancelled',
  time_zone VARCHAR(40) NOT NULL,
  start_time DATETIME(3) NOT NULL DEFAULT '0000-00-00 00:00:00.000',
  end_time DATETIME(3) NOT NULL DEFAULT '0000-00-00 00:00:00.000',
  modify_time DATETIME(3) NOT NULL,
  KEY k_order (order_id)
);

CREATE TABLE luckyus_opproduction.t_production_formula (
  spu_code VARCHAR(32) NOT NULL PRIMARY KEY,
  recipe_cost DECIMAL(10,4) NOT NULL,
  modify_time DATETIME(3) NOT NULL
);

CREATE TABLE luckyus_pubdm.t_product (
  spu_code VARCHAR(32) NOT NULL PRIMARY KEY,
  product_name VARCHAR(128) NOT NULL,
  category VARCHAR(64) NOT NULL COMMENT 'Coffee, Tea, Refresher, Food',
  subcategory VARCHAR(64) NOT NULL COMMENT 'Latte, Cold Brew, Matcha, Pastry',
  temperature TINYINT NOT NULL COMMENT '0 neither, 1 hot, 2 iced',
  milk TINYINT NOT NULL COMMENT '0 none, 1 dairy, 2 plant',
  base_price DECIMAL(10,2) NOT NULL,
  product_status TINYINT NOT NULL COMMENT '1 on sale, 2 off sale',
  launch_date DATE NOT NULL DEFAULT '0000-00-00',
  modify_time DATETIME(3) NOT NULL
);
