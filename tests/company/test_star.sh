#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From the company's databases to the star schema: facts equal the sources to the cent, test orders are left out, what
# changes later is followed, every change of a customer is a version, and a second run changes nothing.
# COMPANY, DRIPLINE and DUCKSQL are programs.
set -u
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../lib/mariadb.sh"
: "${COMPANY:?is the generator}" "${DRIPLINE:?}" "${DUCKSQL:?}"
root="$here/../.."
dir="$(mktemp -d "${TMPDIR:-/tmp}/drip-star.XXXXXX")"
trap 'mariadb_stop "$dir/db" KILL; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
tests=0
failures=0

# equal NAME EXPECTED ACTUAL
equal() {
	tests=$((tests + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $tests - $1"
	else
		failures=$((failures + 1))
		printf 'not ok %d - %s\n# expected: %s\n# is:       %s\n' "$tests" "$1" "$2" "$3"
	fi
}

shop() { mariadb_sql "$dir/db" -e "$1"; }
star() { "$DUCKSQL" "$COMPANY_WAREHOUSE" "$1" | tr '\t' ' '; }

# run FILE...: each once, until it has caught up
run() {
	local file
	for file in "$@"; do
		"$DRIPLINE" run "$root/pipelines/$file.yaml" --state "$dir/state" --no-progress \
			--log-level warning --until caught-up >"$dir/log" 2>&1 ||
			{ echo "Bail out! $file failed"; sed 's/^/# /' "$dir/log"; exit 1; }
	done
}

feeds() { run feeds/salesorder feeds/salespayment feeds/salescrm feeds/opshop feeds/opproduction feeds/pubdm; }

# all DATABASE TABLE COLUMNS: SQL of a monthly table's shards
all() {
	shop "SELECT GROUP_CONCAT('SELECT $3 FROM $1.', table_name ORDER BY table_name SEPARATOR ' UNION ALL ')
		FROM information_schema.tables WHERE table_schema = '$1' AND table_name REGEXP '^$2_m_[0-9]{6}\$'"
}

mariadb_create "$dir/db" && mariadb_start "$dir/db" || exit 1
"$COMPANY" load --socket "$dir/db/s" --schema "$here/schema.sql" --scale 0.01 --seed 7 --until 2026-02-14 \
	--truth "$dir" >"$dir/log" 2>&1 || { sed 's/^/# /' "$dir/log"; exit 1; }
port="$(cat "$dir/db/port")"
export COMPANY_MYSQL_HOST=127.0.0.1 COMPANY_MYSQL_PORT="$port" COMPANY_MYSQL_USER="$mariadb_user" \
	COMPANY_MYSQL_PASSWORD="$mariadb_password" COMPANY_WAREHOUSE="$dir/w.duckdb" COMPANY_LAKE="$dir/lake" \
	COMPANY_HASH_KEY=0123456789abcdef0123456789abcdef
orders="$(all luckyus_salesorder t_sales_order '*')"
trades="$(all luckyus_salespayment t_sales_trade '*')"

feeds
run jobs/calendar_etl jobs/orders_etl jobs/payments_etl jobs/production_etl jobs/customer_etl jobs/reference_etl

source_orders() { shop "SELECT COUNT(*), SUM(gross_amount), SUM(discount_amount), SUM(net_amount) FROM ($orders) t WHERE currency_code <> 'NZD'" | tr '\t' ' '; }
star_orders() { star "SELECT count(*), sum(gross_amount), sum(discount_amount), sum(net_amount) FROM dw.fact_orders"; }
equal "orders to the cent" "$(source_orders)" "$(star_orders)"
equal "payments to the cent" \
	"$(shop "SELECT COUNT(*), SUM(trade_amount) FROM ($trades) t WHERE currency_code <> 'NZD'" | tr '\t' ' ')" \
	"$(star "SELECT count(*), sum(payment_amount) FROM dw.fact_payments")"
equal "no test orders" 0 "$(star "SELECT count(*) FROM dw.fact_orders f JOIN ods.t_sales_order o USING (order_id) WHERE o.currency_code = 'NZD'")"
equal "ods has them, marked" "$(shop "SELECT COUNT(*) FROM ($orders) t WHERE currency_code = 'NZD'")" \
	"$(star "SELECT count(*) FROM ods.t_sales_order WHERE is_nzd_test")"
equal "items find their order and product" 0 "$(star "SELECT count(*) FROM dw.fact_order_items i
	WHERE i.order_key NOT IN (SELECT order_key FROM dw.fact_orders) OR i.product_key NOT IN (SELECT product_key FROM dw.dim_product)")"
equal "orders find their dimensions" 0 "$(star "SELECT count(*) FROM dw.fact_orders
	WHERE store_key NOT IN (SELECT store_key FROM dw.dim_store) OR date_key NOT IN (SELECT date_key FROM dw.dim_date)
	OR time_key NOT IN (SELECT time_key FROM dw.dim_time) OR channel_key NOT IN (SELECT channel_key FROM dw.dim_channel)
	OR customer_key NOT IN (SELECT customer_key FROM dw.dim_customer)")"
equal "all stores and products are known" "0 0" "$(star "SELECT (SELECT count(*) FROM dw.dim_store WHERE is_inferred),
	(SELECT count(*) FROM dw.dim_product WHERE is_inferred)")"
equal "no zero date and no wall clock is left" 0 "$(star "SELECT count(*) FROM dw.fact_orders
	WHERE ordered_at < '2020-01-01' OR hour(timezone('America/New_York', ordered_at)) * 100 + minute(timezone('America/New_York', ordered_at)) <> time_key")"
equal "no phone number in the clear" 0 "$(star "SELECT count(*) FROM ods.t_user WHERE phone IS NOT NULL AND length(phone) <> 64")"
equal "every customer with orders has scores and a segment" 0 "$(star "SELECT count(*) FROM dw.dim_customer WHERE is_current AND user_no <> '' AND total_orders > 0
	AND NOT (rfm_recency_score BETWEEN 1 AND 5 AND rfm_frequency_score BETWEEN 1 AND 5 AND rfm_monetary_score BETWEEN 1 AND 5
	AND segment IN ('VIP', 'Growth', 'Maintain', 'At-Risk', 'Lapsed'))")"
equal "spend is that of completed orders" "$(star "SELECT sum(net_amount) FROM dw.fact_orders WHERE order_status = 90 AND user_no IS NOT NULL")" \
	"$(star "SELECT sum(total_spend) FROM dw.dim_customer WHERE is_current")"

# ---- what changes later ----
month=202601
table="luckyus_salesorder.t_sales_order_m_$month"
set -- $(shop "SELECT order_id FROM $table WHERE currency_code = 'USD' ORDER BY order_id LIMIT 3")
shop "UPDATE $table SET net_amount = net_amount + 1.25, gross_amount = gross_amount + 1.25 WHERE order_id = $1;
	DELETE FROM $table WHERE order_id = $2;
	UPDATE $table SET currency_code = 'NZD' WHERE order_id = $3;
	INSERT INTO $table (order_id, order_no, user_no, shop_dept_id, channel, order_source, order_status, currency_code, gross_amount, net_amount, time_zone, create_time, modify_time)
		VALUES (999000000000001, 'LATE1', 'U-LATE', 777, 1, 'APP', 90, 'USD', 5.25, 5.25, 'America/New_York', '2026-02-14 12:00:00', '2026-02-14 12:00:00');"
trade="$(shop "SELECT MIN(trade_no) FROM luckyus_salespayment.t_sales_trade_m_$month WHERE currency_code = 'USD' AND trade_status = 20")"
before="$(star "SELECT fee_amount FROM dw.fact_payments WHERE trade_no = '$trade'")"
shop "INSERT INTO luckyus_salespayment.t_sales_trade_fee_m_$month VALUES (999000000000001, '$trade', 'CHARGEBACK', 15, 'USD', '2026-02-14 12:00:00', '2026-02-14 12:00:00')"
set -- $(shop "SELECT user_no FROM luckyus_salescrm.t_user ORDER BY id LIMIT 3")
shop "START TRANSACTION; UPDATE luckyus_salescrm.t_user SET user_level = 7 WHERE user_no = '$1';
	UPDATE luckyus_salescrm.t_user SET user_level = 8 WHERE user_no = '$1'; COMMIT;
	DELETE FROM luckyus_salescrm.t_user WHERE user_no = '$2';
	CREATE TEMPORARY TABLE luckyus_salescrm.kept AS SELECT * FROM luckyus_salescrm.t_user WHERE user_no = '$3';
	DELETE FROM luckyus_salescrm.t_user WHERE user_no = '$3';
	INSERT INTO luckyus_salescrm.t_user SELECT * FROM luckyus_salescrm.kept;
	UPDATE luckyus_salescrm.t_user SET last_login_time = '2026-02-14 10:00:00' WHERE user_no = '$3'"
feeds
run jobs/orders_etl jobs/payments_etl jobs/production_etl jobs/customer_etl
equal "changed, deleted and late orders to the cent" "$(source_orders)" "$(star_orders)"
equal "an order of an unknown customer and store waits for both" "true true" "$(star "SELECT c.is_inferred, s.is_inferred
	FROM dw.fact_orders f JOIN dw.dim_customer c USING (customer_key) JOIN dw.dim_store s USING (store_key) WHERE order_no = 'LATE1'")"
equal "a late fee counts" "15.00" "$(star "SELECT CAST(fee_amount - $before AS DECIMAL(10,2)) FROM dw.fact_payments WHERE trade_no = '$trade'")"
equal "two changes in one transaction are two versions" "7 8" \
	"$(star "SELECT string_agg(user_level, ' ' ORDER BY valid_from) FROM dw.dim_customer WHERE user_no = '$1' AND valid_from > '1971-01-01'")"
equal "a deletion closes" "0" "$(star "SELECT count(*) FROM dw.dim_customer WHERE user_no = '$2' AND is_current")"
equal "a new registration opens again, and a login is no version" "2 1" \
	"$(star "SELECT count(*), count(*) FILTER (is_current) FROM dw.dim_customer WHERE user_no = '$3'")"
equal "every fact points at the version of its time" 0 "$(star "SELECT count(*) FROM dw.fact_orders f JOIN dw.dim_customer c USING (customer_key)
	WHERE f.ordered_at < c.valid_from OR EXISTS (SELECT 1 FROM dw.dim_customer d WHERE d.user_no = c.user_no AND d.valid_from > c.valid_from AND d.valid_from <= f.ordered_at)")"

# the customer comes at last: the same member, completed
key="$(star "SELECT customer_key FROM dw.fact_orders WHERE order_no = 'LATE1'")"
shop "INSERT INTO luckyus_salescrm.t_user (user_no, user_status, user_level, register_channel, register_time, modify_time)
	VALUES ('U-LATE', 1, 3, 'APP', '2026-02-14 11:00:00', '2026-02-14 11:00:00')"
run feeds/salescrm jobs/customer_etl
equal "an inferred customer is completed in place" "$key 3 false" \
	"$(star "SELECT customer_key, user_level, is_inferred FROM dw.dim_customer WHERE user_no = 'U-LATE'")"

# what tables hold but for the time of writing
content() {
	for one in fact_orders fact_order_items fact_payments fact_productions dim_customer dim_date; do
		star "SELECT '$one', count(*), bit_xor(hash(CAST(t AS VARCHAR))) FROM (SELECT COLUMNS(c -> c <> 'etl_loaded_at') FROM dw.$one) t"
	done
}
before="$(content)"
run jobs/orders_etl jobs/payments_etl jobs/production_etl jobs/customer_etl jobs/calendar_etl
equal "a second run changes nothing" "$before" "$(content)"
"$DUCKSQL" --execute "$COMPANY_WAREHOUSE" "DELETE FROM dw._job_positions WHERE pipeline IN ('orders_etl', 'payments_etl', 'production_etl')"
run jobs/orders_etl jobs/payments_etl jobs/production_etl
equal "nor does a run over everything" "$before" "$(content)"
equal "checks passed, all of them" "$(star "SELECT count(*) FROM dw.quality_results WHERE severity = 'error'")" \
	"$(star "SELECT count(*) FROM dw.quality_results WHERE severity = 'error' AND passed")"

# A truncated shard takes its rows along, and no others; without its customers nobody is current.
other="$(star "SELECT count(*) FROM ods.t_sales_order WHERE NOT _deleted AND _source <> '$table'")"
shop "TRUNCATE $table; TRUNCATE luckyus_salescrm.t_user"
run feeds/salesorder feeds/salescrm jobs/orders_etl jobs/customer_etl
equal "a truncated shard takes its rows along" "0 $other" "$(star "SELECT count(*) FILTER (_source = '$table'), count(*) FILTER (_source <> '$table')
	FROM ods.t_sales_order WHERE NOT _deleted")"
equal "and the facts follow" "$(source_orders)" "$(star_orders)"
equal "the lake says so" "1 1" "$(star "SELECT (SELECT count(*) FROM read_parquet('$COMPANY_LAKE/raw/luckyus_salesorder/t_sales_order_m_$month/**/*.parquet', union_by_name=true) WHERE _op = 't'),
	(SELECT count(*) FROM read_parquet('$COMPANY_LAKE/raw/luckyus_salescrm/t_user/**/*.parquet', union_by_name=true) WHERE _op = 't')")"
equal "truncated customers are not current" 0 "$(star "SELECT count(*) FROM dw.dim_customer WHERE is_current AND NOT is_inferred AND user_no <> ''")"
equal "checks passed here too" 0 "$(star "SELECT count(*) FROM dw.quality_results WHERE severity = 'error' AND NOT passed")"

# Where a column of the warehouse comes from: all shards, through all steps that write it.
lineage() { "$DRIPLINE" lineage "$1" --state "$dir/state" | sed -n '/^comes from/,/^goes to/p'; }
equal "lineage knows all shards" "$(shop "SELECT COUNT(*) FROM information_schema.tables WHERE table_name REGEXP '^t_sales_order_m_[0-9]{6}$'")" \
	"$(lineage ods.t_sales_order.net_amount | grep -c 'mysql://')"
equal "and the changes of customers" 1 "$(lineage dw.dim_customer.user_level | grep -c ' *duckdb.* ods.t_user.user_level -> .*dw.dim_customer.user_level')"
echo "1..$tests"
[ "$failures" -eq 0 ]
