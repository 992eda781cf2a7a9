-- SPDX-License-Identifier: Apache-2.0
-- The coffee shop's orders, for the demo, the end-to-end tests and the benchmark: monthly shards, an
-- order-items table, NZD test orders among them. Set @orders (for each of six shards) before.
-- A counter grows by one with each change, so that a lost or doubled change shows in a change log.
-- `shop_control` lies in a database that no pipeline reads.
SET SESSION sql_mode = 'STRICT_ALL_TABLES', SESSION time_zone = '+00:00';
CREATE DATABASE shop_control;
CREATE TABLE shop_control.writer (stop BOOLEAN NOT NULL, transactions BIGINT NOT NULL) ENGINE=MEMORY;
INSERT INTO shop_control.writer VALUES (FALSE, 0);
CREATE DATABASE luckyus_salesorder CHARACTER SET utf8mb4;
USE luckyus_salesorder;

DELIMITER //
CREATE PROCEDURE shop_control.make_shard(month INT, orders INT)
BEGIN
  SET @shard = CONCAT('luckyus_salesorder.t_sales_order_m_', month);
  SET @base = (month - 202600) * 10000000;
  EXECUTE IMMEDIATE CONCAT('CREATE TABLE ', @shard, ' (
    id BIGINT NOT NULL PRIMARY KEY,
    order_no VARCHAR(32) NOT NULL,
    customer_id BIGINT UNSIGNED NOT NULL,
    store_id INT NOT NULL,
    channel TINYINT NOT NULL,
    order_status SMALLINT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    gross_amount DECIMAL(12,2) NOT NULL,
    discount_amount DECIMAL(12,2) NULL,
    net_amount DECIMAL(12,2) NOT NULL,
    phone VARCHAR(20) NOT NULL,
    remark VARCHAR(200) NULL,
    rating DOUBLE NULL,
    create_time DATETIME(3) NOT NULL,
    update_time DATETIME(6) NOT NULL)');
  EXECUTE IMMEDIATE CONCAT('INSERT INTO ', @shard, '
    SELECT @base + seq, CONCAT(''LK'', @base + seq), 1000 + seq * 7919 % 50000, 1 + seq % 120,
      1 + seq % 2, IF(seq % 11 = 0, 20, 90), IF(seq % 10 = 3, ''NZD'', ''USD''),
      3 + (seq * 37 % 2000) / 100, IF(seq % 4 = 0, (seq % 300) / 100, NULL),
      3 + (seq * 37 % 2000) / 100 - IF(seq % 4 = 0, (seq % 300) / 100, 0),
      CONCAT(''+1212'', LPAD(seq * 7919 % 10000000, 7, ''0'')),
      ELT(1 + seq % 5, NULL, ''no sugar'', ''少冰'', ''tab-free, "quoted"'', ''''),
      IF(seq % 3 = 0, seq % 50 / 10, NULL),
      TIMESTAMPADD(SECOND, seq * 61 % 2419200, CONCAT(', month, ', ''01'')),
      TIMESTAMPADD(MICROSECOND, seq * 977, CONCAT(', month, ', ''01''))
    FROM seq_1_to_', orders);
END//

-- One transaction of the writer: inserts, updates, deletes, now and then a key change or a rollback.
CREATE PROCEDURE shop_control.write_once(n BIGINT)
BEGIN
  DECLARE month INT DEFAULT 202601 + n % 6;
  DECLARE base BIGINT DEFAULT (month - 202600) * 10000000;
  SET @shard = CONCAT('luckyus_salesorder.t_sales_order_m_', month);
  SET @id = base + 5000000 + n * 10;
  SET @old = base + 1 + n * 7919 % 30000;
  START TRANSACTION;
  EXECUTE IMMEDIATE CONCAT('INSERT INTO ', @shard, ' SELECT @id + seq, CONCAT(''LW'', @id + seq),
    seq, 7, 1, 20, IF(seq = 4, ''NZD'', ''USD''), seq + 0.25, NULL, seq + 0.25, ''+12125550100'',
    NULL, NULL, NOW(3), NOW(6) FROM seq_0_to_4');
  INSERT INTO luckyus_salesorder.t_sales_order_item
    SELECT @id + seq, @id, 17, 'LATTE', 1, 5.25, JSON_OBJECT('size', 'L', 'shots', seq)
    FROM seq_0_to_4;
  EXECUTE IMMEDIATE CONCAT('UPDATE ', @shard, ' SET order_status = 90, rating = 5,
    update_time = NOW(6) WHERE id BETWEEN @old AND @old + 9');
  EXECUTE IMMEDIATE CONCAT('UPDATE ', @shard, ' SET net_amount = net_amount + 1, remark = ',
    QUOTE(CONCAT('changed ', n)), ' WHERE id = @id');
  IF n % 3 = 0 THEN
    EXECUTE IMMEDIATE CONCAT('DELETE FROM ', @shard, ' WHERE id BETWEEN @old + 3 AND @old + 5');
    DELETE FROM luckyus_salesorder.t_sales_order_item WHERE id BETWEEN n AND n + 2;
  END IF;
  IF n % 7 = 0 THEN
    EXECUTE IMMEDIATE CONCAT('UPDATE ', @shard, ' SET id = id + 7 WHERE id = @id + 2');
  END IF;
  IF n % 5 = 0 THEN
    EXECUTE IMMEDIATE CONCAT('DELETE FROM ', @shard, ' WHERE id = @id + 1');
    EXECUTE IMMEDIATE CONCAT('INSERT INTO ', @shard, ' SELECT @id + 1, ''again'', 1, 1, 1, 1,
      ''USD'', 1, 1, 1, ''+12125550101'', NULL, NULL, NOW(3), NOW(6)');
  END IF;
  UPDATE luckyus_salesorder.t_counter SET value = value + 1 WHERE id = n % 10;
  IF n % 13 = 0 THEN
    ROLLBACK;
  ELSE
    COMMIT;
  END IF;
END//

-- Writes until shop_control.writer says stop, or `most` transactions (0: no limit), with `pause`
-- seconds between two.
CREATE PROCEDURE shop_control.write_on(most BIGINT, pause DOUBLE)
BEGIN
  DECLARE n BIGINT DEFAULT (SELECT transactions FROM shop_control.writer);
  DECLARE last BIGINT DEFAULT n + most;
  WHILE NOT (SELECT stop FROM shop_control.writer) AND (most = 0 OR n < last) DO
    SET n = n + 1;
    CALL shop_control.write_once(n);
    UPDATE shop_control.writer SET transactions = n;
    IF pause > 0 THEN
      DO SLEEP(pause);
    END IF;
  END WHILE;
END//
DELIMITER ;

CALL shop_control.make_shard(202601, @orders);
CALL shop_control.make_shard(202602, @orders);
CALL shop_control.make_shard(202603, @orders);
CALL shop_control.make_shard(202604, @orders);
CALL shop_control.make_shard(202605, @orders);
CALL shop_control.make_shard(202606, @orders);

CREATE TABLE t_sales_order_item (
  id BIGINT NOT NULL PRIMARY KEY,
  order_id BIGINT NOT NULL,
  product_id INT NOT NULL,
  sku VARCHAR(16) NOT NULL,
  quantity SMALLINT UNSIGNED NOT NULL,
  unit_price DECIMAL(10,2) NOT NULL,
  options TEXT NULL);
EXECUTE IMMEDIATE CONCAT('INSERT INTO t_sales_order_item
  SELECT seq, 10000000 + seq DIV 2, 1 + seq % 40, ELT(1 + seq % 3, ''LATTE'', ''MOCHA'', ''COLD''),
    1 + seq % 3, 3 + (seq % 400) / 100, IF(seq % 2, NULL, JSON_OBJECT(''shots'', seq % 4))
  FROM seq_1_to_', @orders * 2);

CREATE TABLE t_counter (id INT NOT NULL PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO t_counter SELECT seq, 0 FROM seq_0_to_9;
