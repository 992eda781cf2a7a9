#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A daemon over a live MariaDB, from outside: its control commands, its HTTP, reloads that are good
# and broken, dead letters and their replay, and its end.
. "$(dirname "$0")/lib.sh"

e2e_server
need shop_create "$db" 2000
mkdir "$dir/conf"
http=$((E2E_PORT + 12000))

common() {
	cat <<-YAML
		settings: {state: $dir/state}
		connections:
		  shop: {plugin: mysql, host: 127.0.0.1, port: $E2E_PORT, user: $E2E_USER, password: $E2E_PASSWORD}
		  dwh: {plugin: duckdb, path: $dir/warehouse.duckdb}
		services:
		  admin: {plugin: admin, listen: "127.0.0.1:$http"}
	YAML
}

shop() {
	cat <<-YAML
		include: [common.yaml]
		pipeline: shop
		commit: {interval: 20ms}
		source: {plugin: mysql, connection: shop, tables: ["luckyus_salesorder.*"]}
		transforms:
		  - {id: usd, plugin: filter, only: ["t_sales_order_m_*"], where: "currency_code <> 'NZD'"}
		sinks:
		  - {plugin: warehouse, connection: dwh, mode: mirror, schema: luckyus_salesorder}
	YAML
	printf '%s\n' "$@"
}

ctl() { timeout 30 "$DRIPLINE" "$@" --state "$dir/state" </dev/null 2>&1; }
# A member of the pipeline's status: field NAME
field() { ctl status shop --format json | python3 -c "import json, sys
print(json.load(sys.stdin)['pipelines'][0]['$1'])"; }
is() { [ "$(field "$1")" = "$2" ]; }
get() { curl -fsS --max-time 10 "http://127.0.0.1:$http$1"; }

common >"$dir/conf/common.yaml"
shop >"$dir/conf/shop.yaml"
drip_start daemon "$dir/conf"
need wait_until 60 is caught_up True
check "the daemon catches up" $?

# ---- watching
ctl status >"$dir/out"
grep -q shop "$dir/out" && grep -q running "$dir/out"
check "status names the pipeline and its state" $? || sed 's/^/# /' "$dir/out"
ctl top --once >"$dir/out" && grep -q shop "$dir/out"
check "top shows one screen" $? || sed 's/^/# /' "$dir/out"
[ "$(get /livez >/dev/null && echo yes)" = yes ]
check "/livez answers" $?
wait_until 30 get /readyz
check "/readyz answers" $?
get /metrics >"$dir/out" && grep -q '^dripline_.*pipeline="shop"' "$dir/out"
check "/metrics has figures of the pipeline" $? || head -n 5 "$dir/out" | sed 's/^/# /'
ctl lineage luckyus_salesorder.t_sales_order_m_202601.phone >"$dir/out" && grep -q mysql "$dir/out"
check "lineage leads to the source" $? || sed 's/^/# /' "$dir/out"
ctl lineage luckyus_salesorder.t_sales_order_m_202601 --format openlineage >"$dir/out" &&
	python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$dir/out" 2>/dev/null ||
	python3 -m json.tool "$dir/out" >/dev/null
check "lineage as OpenLineage is JSON" $?

# ---- live changes, and a tap on them
ctl tap shop --limit 5 >"$dir/tap" &
tap=$!
pids+=("$tap")
shop_writer_start "$db" 0 0.002
wait "$tap"
[ "$(grep -c '^{' "$dir/tap")" -eq 5 ]
check "tap shows five rows and ends" $? || sed 's/^/# /' "$dir/tap"

# ---- pause and resume
ctl pause shop >/dev/null && is state paused # it has waited
check "pause" $?
before="$(field rows_in)"
at="$(mariadb_sql "$db" -e 'SELECT transactions FROM shop_control.writer')"
wait_until 30 eval '[ "$(mariadb_sql "$db" -e "SELECT transactions FROM shop_control.writer")" -gt "$((at + 20))" ]'
[ "$(field rows_in)" = "$before" ]
check "a paused pipeline reads nothing" $?
ctl resume shop >/dev/null
wait_until 30 eval '[ "$(field rows_in)" -gt "$before" ]'
check "resume goes on" $?

# ---- reload: broken, then good
shop "  - {plugin: blackhole, no_such_option: 1}" >"$dir/conf/shop.yaml"
kill -HUP "$drip_pid"
wait_until 30 in_log 'config.unknown_option|no_such_option'
check "a broken reload is reported" $?
commits="$(field commits)"
wait_until 30 eval '[ "$(field commits)" -gt "$commits" ]'
check "and the old configuration runs on" $?
ctl reload >"$dir/out"
[ $? -eq 2 ] && grep -q no_such_option "$dir/out"
check "reload as a command waits for the outcome, and tells it" $? || sed 's/^/# /' "$dir/out"
shop "  - {id: hole, plugin: blackhole}" >"$dir/conf/shop.yaml"
kill -HUP "$drip_pid"
wait_until 30 eval 'ctl status shop --format json | grep -q "\"hole\""'
check "a good reload is swapped in" $?
commits="$(field commits)"
wait_until 30 eval '[ "$(field commits)" -ne "$commits" ] && is state running'
check "and commits" $?

# ---- dead letters
shop >"$dir/conf/shop.yaml"
sed -i "s#^transforms:#&\n  - {id: small, plugin: quality, only: [t_counter], on_error: dead-letter, rules: [{rule: range, columns: [value], max: 1000000, action: dead-letter}]}#" "$dir/conf/shop.yaml"
if "$DRIPLINE" validate "$dir/conf/shop.yaml" >"$dir/out" 2>&1; then
	kill -HUP "$drip_pid"
	wait_until 30 eval 'ctl status shop --format json | grep -q "\"small\""'
	mariadb_sql "$db" -e "INSERT INTO luckyus_salesorder.t_counter VALUES (500, 5000000)"
	wait_until 30 eval 'ctl dlq list | grep -q small'
	check "a refused row is a dead letter" $?
	id="$(ctl dlq list --format json | python3 -c 'import json, sys
d = json.load(sys.stdin)
print((d if isinstance(d, list) else d.get("letters") or d.get("dead_letters"))[0]["id"])')"
	ctl dlq show "$id" | grep -q 5000000
	check "it can be shown" $?
	sed -i 's/max: 1000000/max: 9000000/' "$dir/conf/shop.yaml"
	ctl reload | grep -qx reloaded
	check "a good reload by command" $?
	wait_until 30 eval 'ctl dlq replay "$id"'
	check "and replayed, once the rule has changed" $?
	wait_until 30 eval '! ctl dlq list | grep -q small'
	check "then it is gone" $?
else
	check "a pipeline with a quality rule validates" 1
	sed 's/^/# /' "$dir/out"
fi

# ---- the end
shop_writer_stop "$db"
kill -TERM "$drip_pid"
wait "$drip_pid"
check "SIGTERM drains and ends with 0" $?
drip run "$dir/conf/shop.yaml" --until caught-up
check "a run goes on where the daemon ended" $?
for table in "${shop_tables[@]}"; do
	condition=TRUE
	[[ "$table" == t_sales_order_m_* ]] && condition="currency_code <> 'NZD'"
	shop_source_rows "$db" "$table" "$condition" >"$dir/source"
	shop_duck_rows "$dir/warehouse.duckdb" "$table" "luckyus_salesorder.$table" >"$dir/copy"
	cmp -s "$dir/source" "$dir/copy"
	check "the warehouse's $table equals the source" $? || diff "$dir/source" "$dir/copy" | head -n 6 | sed 's/^/# /'
done
e2e_end
