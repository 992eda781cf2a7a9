#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The company in a box keeps its promises: exact row counts, rows that agree with one another, the
# same rows from the same seed, and a live mode that goes on where it stopped. COMPANY is the program.
set -u
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../lib/mariadb.sh"
: "${COMPANY:?is the generator}"
dir="$(mktemp -d "${TMPDIR:-/tmp}/drip-company.XXXXXX")"
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

query() { mariadb_sql "$dir/db" --skip-column-names -e "$1"; }

# all DATABASE TABLE: SQL of all shards of a monthly table.
all() {
	query "SELECT CONCAT('(', GROUP_CONCAT('SELECT * FROM $1.', table_name ORDER BY table_name
		SEPARATOR ' UNION ALL '), ') t') FROM information_schema.tables
		WHERE table_schema = '$1' AND table_name REGEXP '^$2_m_[0-9]{6}\$'"
}

load() {
	"$COMPANY" load --socket "$dir/db/s" --schema "$here/schema.sql" --scale 0.01 --seed "$1" \
		--until 2026-02-14 --truth "$dir" >"$dir/log" 2>&1 || sed 's/^/# /' "$dir/log"
}

drop() {
	for name in salesorder salespayment salescrm opshop opproduction pubdm; do
		query "DROP DATABASE luckyus_$name"
	done
	query "DROP DATABASE company"
}

checksum() {
	for table in "$orders" "$items" "$trades" "$fees" "$made"; do
		query "SELECT * FROM $table" | sha256sum
	done
	query "SELECT * FROM luckyus_salescrm.t_user" | sha256sum
	sha256sum <"$dir/fraud.csv"
	sha256sum <"$dir/customers.csv"
}

mariadb_create "$dir/db" && mariadb_start "$dir/db" || exit 1
load 7
orders="$(all luckyus_salesorder t_sales_order)"
items="$(all luckyus_salesorder t_sales_order_item)"
trades="$(all luckyus_salespayment t_sales_trade)"
fees="$(all luckyus_salespayment t_sales_trade_fee)"
made="$(all luckyus_opproduction t_production)"

equal "orders are those of the scale" 4660 "$(query "SELECT COUNT(*) FROM $orders")"
equal "items" 6020 "$(query "SELECT COUNT(*) FROM $items")"
equal "trades" 5180 "$(query "SELECT COUNT(*) FROM $trades")"
equal "fees" 5020 "$(query "SELECT COUNT(*) FROM $fees")"
equal "productions" 5020 "$(query "SELECT COUNT(*) FROM $made")"
equal "test orders" 212 "$(query "SELECT COUNT(*) FROM $orders WHERE currency_code = 'NZD'")"
equal "shops" 11 "$(query "SELECT COUNT(*) FROM luckyus_opshop.t_shop_info")"
equal "items add up to their orders" 0 "$(query "SELECT COUNT(*) FROM (SELECT order_id, SUM(item_amount) AS s
	FROM $items GROUP BY order_id) i RIGHT JOIN $orders USING (order_id) WHERE s IS NULL OR s <> gross_amount")"
equal "net is gross less discount, and never negative" 0 "$(query "SELECT COUNT(*) FROM $orders
	WHERE net_amount <> gross_amount - COALESCE(discount_amount, 0) OR net_amount < 0")"
equal "every order is paid once, with what it costs" 0 "$(query "SELECT COUNT(*) FROM (SELECT order_id, COUNT(*) AS n,
	SUM(trade_amount) AS s FROM $trades WHERE trade_type = 1 AND trade_status = 20 GROUP BY order_id) p
	RIGHT JOIN $orders ON p.order_id = CAST(t.order_id AS CHAR) WHERE n IS NULL OR n <> 1 OR s <> net_amount")"
equal "nobody gets back more than was paid" 0 "$(query "SELECT COUNT(*) FROM (SELECT order_id, SUM(trade_amount) AS s
	FROM $trades WHERE trade_type = 2 GROUP BY order_id) r JOIN $orders ON r.order_id = CAST(t.order_id AS CHAR)
	WHERE s > net_amount")"
equal "a shard holds its month only" 0 "$(query "SELECT COUNT(*) FROM luckyus_salesorder.t_sales_order_m_202511
	WHERE create_time < '2025-11-01' OR create_time >= '2025-12-01'")"
equal "shops sell while they are open" 0 "$(query "SELECT COUNT(*) FROM $orders
	WHERE TIME(create_time) < '06:30' OR TIME(create_time) >= '21:00'")"
equal "customers are known" 0 "$(query "SELECT COUNT(*) FROM $orders LEFT JOIN luckyus_salescrm.t_user u
	USING (user_no) WHERE t.user_no IS NOT NULL AND u.user_no IS NULL")"
equal "frauds are trades" "$(tail -n +2 "$dir/fraud.csv" | wc -l)" "$(query "SELECT COUNT(*) FROM $trades
	WHERE trade_no IN ($(tail -n +2 "$dir/fraud.csv" | sed "s/,.*/'/; s/^/'/" | paste -sd,))")"

before="$(checksum)"
drop
load 7
equal "the same seed gives the same company" "$before" "$(checksum)"
drop
load 8
equal "another seed gives another one" different "$([ "$before" = "$(checksum)" ] && echo same || echo different)"

live() {
	"$COMPANY" live --socket "$dir/db/s" --rate 2000 --orders "$1" >"$dir/log" 2>&1 || sed 's/^/# /' "$dir/log"
}
live 150
live 150
orders="$(all luckyus_salesorder t_sales_order)"
trades="$(all luckyus_salespayment t_sales_trade)"
equal "live orders come on top, after a second start too" 4960 "$(query "SELECT COUNT(*) FROM $orders")"
equal "no number is given twice" 4960 "$(query "SELECT COUNT(DISTINCT order_id) FROM $orders")"
equal "all orders have ended" 0 "$(query "SELECT COUNT(*) FROM $orders WHERE order_status NOT IN (80, 90)")"
equal "and are paid" 4960 "$(query "SELECT COUNT(*) FROM $trades WHERE trade_type = 1 AND trade_status = 20")"
equal "an unknown option is refused" 2 "$("$COMPANY" load --nonsense >/dev/null 2>&1; echo $?)"
echo "1..$tests"
[ "$failures" -eq 0 ]
