#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A source that breaks the contract of a feed that ships: a column gone, renamed, of another type, a table dropped.
# Under `stop` the pipeline fails before any row; under `quarantine` one alarm is raised, rows become dead letters,
# other tables flow, and `dlq replay` puts them back in their order, exactly once, with kill -9 in between.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

e2e_server
schema="$(sed -n '/^CREATE TABLE luckyus_salesorder.t_sales_order_m_/,/^);/p; /^CREATE TABLE luckyus_salescrm/,/^);/p
	/^CREATE TABLE luckyus_salesorder.t_sales_order_item/,/^);/p' "$e2e_lib/../company/schema.sql" | sed 's/YYYYMM/202601/')"
orders=luckyus_salesorder.t_sales_order_m_202601
items=luckyus_salesorder.t_sales_order_item_m_202601
need mariadb_sql "$db" -e "CREATE DATABASE luckyus_salesorder CHARACTER SET utf8mb4;
	CREATE DATABASE luckyus_salescrm CHARACTER SET utf8mb4; $schema"

sql() { need mariadb_sql "$db" -e "SET SESSION sql_mode = ''; $1"; }
ods() { "$DUCKSQL" "$dir/dwh.duckdb" "$1" | tr '\t\n' ' ;'; }

# order ID NET [STATUS]: a row of the orders, without naming the columns that tests take away
order() { echo "INSERT INTO $orders SET order_id = $1, order_no = 'SO$1', shop_dept_id = 7, channel = 1, order_source = 'APP',
	order_status = ${3:-20}, currency_code = 'USD', gross_amount = $2, net_amount = $2, time_zone = 'America/New_York',
	create_time = '2026-01-15 12:00:00', modify_time = NOW(3);"; }
item() { echo "INSERT INTO $items VALUES ($1, $1, 'SPU', 'Latte', 1, 5.00, 5.00, NULL, NOW(3));"; }

# pipeline POLICY FEED TABLES
pipeline() {
	cat <<-YAML
		settings: {state: $dir/state}
		connections:
		  shop: {plugin: mysql, host: 127.0.0.1, port: $E2E_PORT, user: $E2E_USER, password: $E2E_PASSWORD}
		  dwh: {plugin: duckdb, path: $dir/dwh.duckdb}
		pipeline: orders
		commit: {interval: 20ms}
		source: {plugin: mysql, connection: shop, tables: [$3]}
		feed: {plugin: $2, on_contract_break: $1}
		sinks:
		  - {plugin: warehouse, connection: dwh, schema: ods, deletes: soft, metadata: true, clearance: restricted,
		     tables: [{match: t_sales_order_m_*, as: t_sales_order}]}
	YAML
}

alarms() { grep -c 'level=error.*breaks its contract' "$dir/log"; }
run() { drip run "$dir/p.yaml" --until caught-up; }
letters() { "$DRIPLINE" dlq list --state "$dir/state" --limit 1000 | tail -n +2 | wc -l; }

more_letters() { [ "$(letters)" -ge "$1" ]; }
# With an empty log: that of the program before would be taken for its own.
start_daemon() { : >"$dir/log"; drip_start daemon "$dir/p.yaml"; }
stop_daemon() { kill -TERM "$drip_pid"; wait "$drip_pid"; }

# Puts all back, by a daemon of its own where none runs.
replay() {
	local own=
	if ! kill -0 "${drip_pid:-0}" 2>"$dir/null" || [ -z "${drip_pid:-}" ]; then
		own=1
		start_daemon
		wait_until 60 in_log 'pipeline is running'
	fi
	"$DRIPLINE" dlq replay --pipeline orders --stage feed --state "$dir/state" >"$dir/replay" 2>&1
	local status=$?
	[ -z "$own" ] || stop_daemon
	return $status
}

# The mirror is what the source is; a column that came with a default is not compared.
same() {
	local of="order_id, order_no, order_status, net_amount, order_source" got want
	got="$(ods "SELECT $of FROM ods.t_sales_order ORDER BY order_id::INT")"
	want="$(mariadb_sql "$db" --skip-column-names -e "SELECT $of FROM $orders ORDER BY order_id" | tr '\t\n' ' ;')"
	check "$1, the warehouse is what the source is" "$([ "$got" = "$want" ]; echo $?)" || printf '# got  %s\n# want %s\n' "$got" "$want"
}

# ---- stop
pipeline stop salesorder 'luckyus_salesorder.*' >"$dir/p.yaml"
sql "$(order 1 5) $(item 1)"
run
check "the snapshot runs" $?
sql "$(order 2 6) ALTER TABLE $orders DROP COLUMN coupon_no; $(order 3 7) $(item 2)"
run
check "stop: a column that is gone fails the run" "$([ $? -eq 1 ]; echo $?)"
check "it says so once: $(grep -c 'contract.missing_column' "$dir/log")" \
	"$([ "$(grep -c 'level=error.*contract.missing_column' "$dir/log")" = 1 ]; echo $?)"
drip validate "$dir/p.yaml" --connect
check "validate --connect finds it" "$([ $? -eq 2 ] && in_log 'error: table .*lacks the column "coupon_no"'; echo $?)"

# ---- quarantine
pipeline quarantine salesorder 'luckyus_salesorder.*' >"$dir/p.yaml"
drip validate "$dir/p.yaml" --connect
check "under quarantine it is a warning" "$([ $? -eq 0 ] && in_log 'warning: table .*lacks the column "coupon_no"'; echo $?)"
run
check "quarantine: the run goes on" $?
check "with one alarm: $(alarms)" "$([ "$(alarms)" = 1 ]; echo $?)"
check "the row is a dead letter: $(letters)" "$([ "$(letters)" = 1 ]; echo $?)"
check "the items flow" "$([ "$(ods "SELECT count(*) FROM ods.t_sales_order_item_m_202601")" = "2;" ]; echo $?)"
sql "UPDATE $orders SET net_amount = 8 WHERE order_id = 2; $(order 4 9)"
run
check "another run gives no alarm: $(alarms)" "$([ "$(alarms)" = 0 ] && [ "$(letters)" = 3 ]; echo $?)"
sql "ALTER TABLE $orders ADD COLUMN coupon_no VARCHAR(32) NOT NULL DEFAULT 'none' AFTER net_amount;
	UPDATE $orders SET net_amount = 10 WHERE order_id = 2; $(order 5 11)"
start_daemon
check "mended, its rows wait" "$(wait_until 60 in_log 'follows its contract again; its rows wait'; echo $?)"
check "behind the others: $(letters)" "$(wait_until 60 more_letters 5; echo $?)"
check "and say why" "$("$DRIPLINE" dlq list --state "$dir/state" | grep -q 'contract.waits'; echo $?)"
replay
check "they are put back: $(cat "$dir/replay")" $?
check "none is left: $(letters)" "$([ "$(letters)" = 0 ]; echo $?)"
sql "$(order 6 12)"
check "the table flows again, and says so" "$(wait_until 60 in_log 'it flows again'; echo $?)"
stop_daemon
run
same "in the end"
check "rows that were put back have the column's default" \
	"$([ "$(ods "SELECT DISTINCT coupon_no FROM ods.t_sales_order WHERE order_id > '1'")" = "none;" ]; echo $?)"

# ---- another type: values that are of the promised one go back, others stay
sql "ALTER TABLE $orders MODIFY order_status VARCHAR(8) NOT NULL, ADD COLUMN note TEXT NULL; $(order 7 13 30) $(order 8 14 "'late'")"
run
check "another type is an alarm, another column none: $(alarms)" "$([ "$(alarms)" = 1 ] && in_log 'contract.type_conflict'; echo $?)"
sql "UPDATE $orders SET order_status = '90' WHERE order_id = 8; ALTER TABLE $orders MODIFY order_status SMALLINT NOT NULL"
run
replay
# as its INSERT, and as the source read it anew after the ALTER
check "a value that does not fit stays in quarantine: $(letters)" "$([ "$(letters)" = 2 ]; echo $?)"
"$DRIPLINE" dlq drop --pipeline orders --yes --state "$dir/state" >"$dir/replay" 2>&1
sql "$(order 9 15)"
run
same "after another type"

# ---- a wider type is another type: a contract that follows it lets the rows in
sql "ALTER TABLE $orders MODIFY order_no VARCHAR(64) NOT NULL; $(order 10 16)"
run
same "a longer text is no break"

# ---- a renamed column: what the rows had in it was not read, and nothing is made up
sql "ALTER TABLE $orders RENAME COLUMN order_source TO came_by; $(order 11 17 | sed 's/order_source/came_by/')"
run
check "a renamed column is an alarm: $(alarms)" "$([ "$(alarms)" = 1 ]; echo $?)"
sql "ALTER TABLE $orders RENAME COLUMN came_by TO order_source;"
run
replay
check "named as before, the row is not made up: $(letters)" "$([ "$(letters)" = 1 ]; echo $?)"
"$DRIPLINE" dlq drop --pipeline orders --yes --state "$dir/state" >"$dir/replay" 2>&1
sql "UPDATE $orders SET modify_time = NOW(3) WHERE order_id = 11"
run
same "the changed row is there"

# ---- kill -9 while rows go into quarantine, and while they are put back
sql "ALTER TABLE $orders DROP COLUMN coupon_no"
id=20
for point in engine.before_flush engine.before_checkpoint engine.after_checkpoint engine.after_acknowledge; do
	sql "$(order $id 1) $(order $((id + 1)) 2) UPDATE $orders SET net_amount = net_amount + 1 WHERE order_id = 2;"
	DRIPLINE_FAILPOINTS="$point=kill" drip run "$dir/p.yaml" --until caught-up
	echo "# $point: $?"
	id=$((id + 2))
done
run
check "each row is in quarantine once: $(letters)" "$([ "$(letters)" = 12 ]; echo $?)"
sql "ALTER TABLE $orders ADD COLUMN coupon_no VARCHAR(32) NULL AFTER net_amount; $(order $id 3)"
run
start_daemon
wait_until 60 in_log 'pipeline is running'
"$DRIPLINE" dlq replay --pipeline orders --state "$dir/state" >"$dir/replay" 2>&1 &
replaying=$!
kill -KILL "$drip_pid"; wait "$drip_pid" "$replaying" 2>"$dir/null"
replay
run
same "after kill -9"
check "none is left: $(letters)" "$([ "$(letters)" = 0 ]; echo $?)"

# ---- rows that are read again after kill -9 come in other batches; an append must not get them twice
logged() { "$DUCKSQL" "$dir/log.duckdb" "SELECT string_agg(id || ':' || what, ' ' ORDER BY id, what) FROM main.note"; }
seen() { [ "$("$DRIPLINE" status notes --format json --state "$dir/state" | python3 -c 'import json, sys
print(json.load(sys.stdin)["pipelines"][0]["stages"][1]["rows_in"])')" -ge "$1" ]; }
cp "$dir/p.yaml" "$dir/orders.yaml"
cat >"$dir/p.yaml" <<-YAML
	settings: {state: $dir/state}
	connections:
	  shop: {plugin: mysql, host: 127.0.0.1, port: $E2E_PORT, user: $E2E_USER, password: $E2E_PASSWORD}
	  dwh: {plugin: duckdb, path: $dir/log.duckdb}
	pipeline: notes
	commit: {interval: 1h}
	source: {plugin: mysql, connection: shop, tables: [log.note]}
	feed:
	  plugin: contract
	  on_contract_break: quarantine
	  tables: [{match: log.note, columns: [{name: id, type: int32}, {name: what, type: utf8}]}]
	sinks: [{plugin: warehouse, connection: dwh, mode: append}]
YAML
sql "CREATE DATABASE log; CREATE TABLE log.note (id INT, what VARCHAR(20)); INSERT INTO log.note VALUES (1, 'a');"
run
sql "ALTER TABLE log.note DROP COLUMN what;"
run
: >"$dir/log"
DRIPLINE_FAILPOINTS=engine.before_checkpoint=kill drip_start daemon "$dir/p.yaml"
wait_until 60 in_log 'pipeline is running'
rows=0
for values in '(2)' '(3), (3)' '(4)'; do
	sql "INSERT INTO log.note VALUES $values;"
	rows=$((rows + $(echo "$values" | grep -o '(' | wc -l)))
	check "rows come one transaction at a time" "$(wait_until 60 seen $rows; echo $?)"
done
"$DRIPLINE" pause notes --state "$dir/state" >"$dir/replay" 2>&1
wait "$drip_pid"
check "killed with the rows in quarantine, before the checkpoint: $(letters)" "$([ "$(letters)" = 4 ]; echo $?)"
run
check "read again, they are there once, equal ones each: $(letters)" "$([ "$(letters)" = 4 ]; echo $?)"
sql "ALTER TABLE log.note ADD COLUMN what VARCHAR(20) DEFAULT 'b'; INSERT INTO log.note VALUES (5, 'c');"
run
start_daemon
wait_until 60 in_log 'pipeline is running'
"$DRIPLINE" dlq replay --pipeline notes --state "$dir/state" >"$dir/replay" 2>&1
stop_daemon
check "put back, an append has each once: $(logged)" "$([ "$(logged)" = "1:a 2:b 3:b 3:b 4:b 5:c" ]; echo $?)"
cp "$dir/orders.yaml" "$dir/p.yaml"

# ---- a table that the contract names is dropped, and made again
user() { echo "INSERT INTO luckyus_salescrm.t_user SET id = $1, user_no = 'U$1', phone = '2125550142', user_status = 1,
	register_channel = 'APP', register_time = '2026-01-01', modify_time = NOW(3);"; }
definition="$(echo "$schema" | sed -n '/luckyus_salescrm/,/;/p')"
pipeline quarantine salescrm 'luckyus_salescrm.*' | sed 's/^pipeline: .*/pipeline: users/' >"$dir/p.yaml"
sql "$(user 1)"
run
sql "DROP TABLE luckyus_salescrm.t_user;"
run
check "a table that is gone is an alarm: $(alarms)" "$([ "$(alarms)" = 1 ] && in_log 'contract.missing_table'; echo $?)"
sql "$definition $(user 2)"
run
check "made again, it flows" "$(in_log 'it flows again'; echo $?)"
check "its rows are there" "$([ "$(ods "SELECT count(*) FROM ods.t_user WHERE id = '2'")" = "1;" ]; echo $?)"
sql "ALTER TABLE luckyus_salescrm.t_user MODIFY user_level INT NOT NULL; $(user 3)"
run
"$DRIPLINE" dlq list --state "$dir/state" >"$dir/list"
id="$(awk '$4 == "users" || $3 == "users" {print $1}' "$dir/list" | tail -n 1)"
shown="$("$DRIPLINE" dlq show "$id" --state "$dir/state")"
check "values of persons are not shown" "$(echo "$shown" | grep -q '"phone": *"\*\*\*"'; echo $?)"
echo "# $shown" | head -n 3 | cut -c1-600
pipeline stop salescrm 'luckyus_salescrm.*' | sed 's/^pipeline: .*/pipeline: strict/' >"$dir/p.yaml"
sql "ALTER TABLE luckyus_salescrm.t_user MODIFY user_level TINYINT NOT NULL;"
run
sql "DROP TABLE luckyus_salescrm.t_user;"
run
check "under stop it fails" "$([ $? -eq 1 ] && in_log 'contract.missing_table'; echo $?)"

# ---- quality rules among the feed's facts: they warn, or keep rows out, as the pipeline says
pipeline stop salesorder 'luckyus_salesorder.*' | sed 's/^pipeline: .*/pipeline: rules/; s/dwh.duckdb/rules.duckdb/' >"$dir/p.yaml"
run
sql "$(order 90 -5) $(order 91 5 77)"
run
check "a rule warns" "$(in_log "level=warning.*rule 't_sales_order_m.range.gross_amount, net_amount': 1 of"; echo $?)"
check "of each that is broken" "$(in_log "level=warning.*rule 't_sales_order_m.set.order_status': 1 of"; echo $?)"
got="$("$DUCKSQL" "$dir/rules.duckdb" "SELECT count(*) FROM ods.t_sales_order WHERE order_id IN ('90', '91')")"
check "and the rows pass: $got" "$([ "$got" = 2 ]; echo $?)"
# found RULE: action, checked and failed of the day, failed of the last run
found() { "$DRIPLINE" quality rules --state "$dir/state" --format json | python3 -c 'import json, sys
for r in json.load(sys.stdin):
    if r["rule"] == sys.argv[1]: print(r["table"], r["action"], r["checked"], r["failed"], r["last_run"]["failed"])' "$1"; }
status='t_sales_order_m.set.order_status'
total="$(mariadb_sql "$db" --skip-column-names -e "SELECT count(*) FROM $orders")"
check "results are kept: $(found "$status")" "$([ "$(found "$status")" = "$orders warn $total 1 1" ]; echo $?)"
"$DRIPLINE" quality --state "$dir/state" >"$dir/list"
check "and printed" "$(grep -q "^broken *rules *feed_quality *$status .* $total *1  20" "$dir/list" && grep -q '^holds ' "$dir/list"; echo $?)"
"$DRIPLINE" quality nothing --state "$dir/state" >"$dir/list" 2>&1
check "an unknown pipeline is an error" "$([ $? -eq 2 ] && grep -q 'no rule of pipeline "nothing" has a result' "$dir/list"; echo $?)"
sql "$(order 96 5 77)"
DRIPLINE_FAILPOINTS=engine.before_checkpoint=kill drip run "$dir/p.yaml" --until caught-up
run
check "what is read again after kill -9 counts once: $(found "$status")" \
	"$([ "$(found "$status")" = "$orders warn $((total + 1)) 2 1" ]; echo $?)"
sed -i 's/on_contract_break: stop/quality: dead-letter/' "$dir/p.yaml"
sql "$(order 92 -5) $(order 93 5)"
run
check "the run with dead letters ends well" $?
got="$("$DUCKSQL" "$dir/rules.duckdb" "SELECT string_agg(order_id, ' ') FROM ods.t_sales_order WHERE order_id IN ('92', '93')")"
check "quality: dead-letter keeps them out: $got" "$([ "$got" = 93 ]; echo $?)"
"$DRIPLINE" dlq list --pipeline rules --stage feed_quality --state "$dir/state" >"$dir/list"
check "as dead letters of the rules" "$(grep -q 'quality.violated' "$dir/list"; echo $?)"
sed -i 's/quality: dead-letter/quality: stop/' "$dir/p.yaml"
sql "$(order 94 -5)"
run
check "quality: stop stops" "$([ $? -eq 1 ] && in_log 'quality.violated'; echo $?)"
got="$(found 't_sales_order_m.range.gross_amount, net_amount')"
check "and its result is kept: $got" "$([ "${got#"$orders stop "}" != "$got" ] && [ "${got##* }" = 1 ]; echo $?)"
sed -i 's/quality: stop/quality: off/' "$dir/p.yaml"
run
check "quality: off lets all pass" "$([ $? -eq 0 ] && ! in_log 'feed_quality'; echo $?)"

e2e_end
