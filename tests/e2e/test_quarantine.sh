#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an operator does about a broken contract: goes on over it once where the policy is `stop`, gets one alarm for each
# way in which a table is broken, and may TRUNCATE a table while its rows are in quarantine.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

e2e_server
sql() { need mariadb_sql "$db" -e "SET SESSION sql_mode = ''; $1"; }
held() { "$DUCKSQL" "$dir/$1.duckdb" "SELECT string_agg(x, ' ' ORDER BY x) FROM (SELECT $2 AS x FROM main.$3)"; }
letters() { "$DRIPLINE" dlq list --pipeline "$1" --state "$dir/state" --limit 1000 | tail -n +2 | wc -l; }
has_letters() { [ "$(letters "$1")" = "$2" ]; }
in_state() { "$DRIPLINE" status "$1" --state "$dir/state" --format json | grep -q "\"state\": *\"$2\""; }
logged() { [ "$(grep -Ec -- "$2" "$dir/log")" = "$1" ]; }
start_daemon() { : >"$dir/log"; drip_start daemon "$dir/p.yaml"; }
stop_daemon() { kill -TERM "$drip_pid"; wait "$drip_pid"; }
command_is() { "$DRIPLINE" "$@" --state "$dir/state" >"$dir/out" 2>&1; }

# pipeline NAME POLICY MODE: the tables `one` and `two` of the database `shop`
pipeline() {
	cat <<-YAML
		settings: {state: $dir/state}
		connections:
		  shop: {plugin: mysql, host: 127.0.0.1, port: $E2E_PORT, user: $E2E_USER, password: $E2E_PASSWORD}
		  dwh: {plugin: duckdb, path: $dir/$1.duckdb}
		pipeline: $1
		commit: {interval: 20ms}
		source: {plugin: mysql, connection: shop, tables: [shop.*]}
		feed:
		  plugin: contract
		  on_contract_break: $2
		  tables:
		    - match: shop.one
		      columns: [{name: id, type: int32, key: true}, {name: what, type: utf8}, {name: n, type: int32}]
		    - match: shop.two
		      columns: [{name: id, type: int32, key: true}]
		sinks: [{plugin: warehouse, connection: dwh, mode: $3}]
	YAML
}

tables="DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;
	CREATE TABLE shop.one (id INT PRIMARY KEY, what VARCHAR(20), n INT); CREATE TABLE shop.two (id INT PRIMARY KEY);
	INSERT INTO shop.one VALUES (1, 'a', 1); INSERT INTO shop.two VALUES (1);"

# ---- stop: mended, the rows written meanwhile lie ahead
sql "$tables"
pipeline strict stop mirror >"$dir/p.yaml"
drip run "$dir/p.yaml" --until caught-up
check "the snapshot runs" $?
sql "ALTER TABLE shop.one DROP COLUMN what; INSERT INTO shop.one VALUES (2, 2); INSERT INTO shop.two VALUES (2);
	ALTER TABLE shop.one ADD COLUMN what VARCHAR(20) DEFAULT 'b' AFTER id; INSERT INTO shop.one VALUES (3, 'c', 3);"
start_daemon
check "the break stops the pipeline, though it is mended" "$(wait_until 60 in_state strict failed; echo $?)"
in_log 'level=error.*lacks the column \\"what\\".*dripline resume strict --quarantine-break'
check "it says what, where and what to do" $?
command_is resume strict
check "resumed as it is, it fails again" "$(wait_until 60 logged 2 'level=error.*contract.missing_column'; echo $?)"
wait_until 60 in_state strict failed
command_is resume strict --quarantine-break
check "it goes on over the break: $(cat "$dir/out")" $?
check "rows of the table are in quarantine" "$(wait_until 60 has_letters strict 2; echo $?)"
check "with one alarm, that names the way back" \
	"$(wait_until 60 logged 1 'level=error.*breaks its contract.*contract.missing_column.*dlq replay --pipeline strict --stage feed'; echo $?)"
check "that is in the audit" "$("$DRIPLINE" audit list --state "$dir/state" | grep -q 'resume over a contract break  strict'; echo $?)"
command_is dlq replay --pipeline strict
check "they are put back: $(cat "$dir/out")" $?
sql "INSERT INTO shop.one VALUES (4, 'd', 4);"
check "the table flows again" "$(wait_until 60 in_log 'it flows again'; echo $?)"
sql "ALTER TABLE shop.one DROP COLUMN what;"
check "once is once: the next break stops" "$(wait_until 60 in_state strict failed; echo $?)"
stop_daemon
sql "INSERT INTO shop.one VALUES (5, 5);"
drip run "$dir/p.yaml" --until caught-up --quarantine-break
check "run goes over a break that is not mended too" "$([ $? -eq 0 ] && has_letters strict 1; echo $?)"
sql "INSERT INTO shop.one VALUES (6, 6);"
drip run "$dir/p.yaml" --until caught-up
check "the table stays in quarantine until it is mended, without another alarm" \
	"$([ $? -eq 0 ] && has_letters strict 2 && ! in_log 'level=error'; echo $?)"
got="$(held strict "id || what || n" one) / $(held strict id two)"
check "the others are there, once: $got" "$([ "$got" = "1a1 2b2 3c3 4d4 / 1 2" ]; echo $?)"

# ---- one alarm for each way, however often the table goes from one to the other
sql "$tables"
pipeline flips quarantine mirror >"$dir/p.yaml"
drip run "$dir/p.yaml" --until caught-up
start_daemon
wait_until 60 in_log 'pipeline is running'
for round in 1 2 3; do
	sql "ALTER TABLE shop.one DROP COLUMN what; INSERT INTO shop.one VALUES ($round + 10, $round);
		ALTER TABLE shop.one MODIFY n VARCHAR(9); ALTER TABLE shop.one ADD COLUMN what VARCHAR(20) DEFAULT 'x' AFTER id;
		INSERT INTO shop.one VALUES ($round + 20, 'y', '$round'); ALTER TABLE shop.one MODIFY n BIGINT;
		INSERT INTO shop.one VALUES ($round + 30, 'y', '$round'); ALTER TABLE shop.one DROP COLUMN n, ADD COLUMN n VARCHAR(9);
		INSERT INTO shop.two VALUES ($round + 10);"
done
last_flows() { [ "$("$DRIPLINE" status flips --format json --state "$dir/state" |
	python3 -c 'import json, sys; print(json.load(sys.stdin)["pipelines"][0]["stages"][-1]["rows_in"])')" -ge 3 ]; }
check "the other table flows" "$(wait_until 60 last_flows; echo $?)"
stop_daemon
missing="$(grep -c 'level=error.*breaks its contract.*lacks the column' "$dir/log")"
conflict="$(grep -c 'level=error.*breaks its contract.*contract.type_conflict' "$dir/log")"
check "of each column and kind there is one alarm: $missing lacks, $conflict has another type" "$([ "$missing $conflict" = "1 1" ]; echo $?)"
drip run "$dir/p.yaml" --until caught-up
check "and another run says nothing" "$([ $? -eq 0 ] && ! in_log 'level=error'; echo $?)"
got="$(held flips id two)"
check "its rows are there: $got" "$([ "$got" = "1 11 12 13" ]; echo $?)"
sql "ALTER TABLE shop.one MODIFY n INT; INSERT INTO shop.one VALUES (50, 'z', 1);"
drip run "$dir/p.yaml" --until caught-up
check "mended, it waits" "$(in_log 'follows its contract again; its rows wait'; echo $?)"
sql "ALTER TABLE shop.one DROP COLUMN what, DROP COLUMN n; INSERT INTO shop.one VALUES (60);"
drip run "$dir/p.yaml" --until caught-up
check "broken anew in two ways there are two alarms" "$([ "$(grep -c 'level=error.*breaks its contract' "$dir/log")" = 2 ]; echo $?)"

# ---- a table that the contract names is renamed; the swap of an online schema change is no such thing
sql "$tables"
pipeline renames quarantine mirror >"$dir/p.yaml"
drip run "$dir/p.yaml" --until caught-up
sql "CREATE TABLE shop._one_gho LIKE shop.one; INSERT INTO shop._one_gho SELECT * FROM shop.one; INSERT INTO shop.one VALUES (2, 'b', 2);
	RENAME TABLE shop.one TO shop._one_del, shop._one_gho TO shop.one; INSERT INTO shop.one VALUES (3, 'c', 3);"
drip run "$dir/p.yaml" --until caught-up
check "a swap is no alarm" "$([ $? -eq 0 ] && ! in_log 'level=(error|warning)'; echo $?)"
sql "ALTER TABLE shop.one ADD COLUMN more TEXT; INSERT INTO shop.two VALUES (3);"
drip run "$dir/p.yaml" --until caught-up
check "a new column is told, and is no break" "$([ $? -eq 0 ] && logged 1 'level=(error|warning)' &&
	in_log 'level=warning.*shop.one has a new column \\"more\\", which nothing asks for'; echo $?)"
sql "ALTER TABLE shop.one DROP COLUMN more; RENAME TABLE shop.one TO shop.uno; INSERT INTO shop.uno VALUES (4, 'd', 4); INSERT INTO shop.two VALUES (2);"
drip run "$dir/p.yaml" --until caught-up
check "a rename is one alarm, and other tables flow" "$([ $? -eq 0 ] && logged 1 'level=error' &&
	in_log 'level=error.*table shop.one breaks its contract: no row of it comes.*contract.missing_table.*was renamed.*give it its name back'; echo $?)"
sql "ALTER TABLE shop.uno RENAME TO shop.one; UPDATE shop.one SET n = 5 WHERE id = 4;"
drip run "$dir/p.yaml" --until caught-up
check "named as before, it flows again" "$([ $? -eq 0 ] && in_log 'it flows again'; echo $?)"
got="$(held renames "id || what || n" one) / $(held renames id two)"
check "and a changed row comes: $got" "$([ "$got" = "1a1 2b2 3c3 4d5 / 1 2 3" ]; echo $?)"
pipeline renamed stop mirror >"$dir/p.yaml"
drip run "$dir/p.yaml" --until caught-up
sql "ALTER TABLE shop.one RENAME shop.uno;"
drip run "$dir/p.yaml" --until caught-up
check "under stop it fails" "$([ $? -eq 1 ] && in_log 'contract.missing_table.*was renamed'; echo $?)"

# ---- TRUNCATE while rows are in quarantine: it takes its place among them
truncated() { # MODE WANT
	sql "$tables"
	pipeline "$1" quarantine "$1" >"$dir/p.yaml"
	drip run "$dir/p.yaml" --until caught-up
	sql "ALTER TABLE shop.one DROP COLUMN what; INSERT INTO shop.one VALUES (2, 2); TRUNCATE shop.one; INSERT INTO shop.one VALUES (3, 3);
		ALTER TABLE shop.one ADD COLUMN what VARCHAR(20) DEFAULT 'b' AFTER id; INSERT INTO shop.one VALUES (4, 'c', 4);
		TRUNCATE shop.one; INSERT INTO shop.one VALUES (5, 'd', 5);"
	DRIPLINE_FAILPOINTS=engine.before_checkpoint=kill drip run "$dir/p.yaml" --until caught-up
	drip run "$dir/p.yaml" --until caught-up
	"$DRIPLINE" dlq list --pipeline "$1" --state "$dir/state" >"$dir/list"
	got="$(awk 'NR > 1 {print $6}' "$dir/list" | tr '\n' ' ')"
	check "$1: it is a letter in its place: $got" "$([ "$got" = "insert truncate insert insert truncate insert " ]; echo $?)"
	start_daemon
	wait_until 60 in_log 'pipeline is running'
	command_is dlq replay --pipeline "$1"
	check "$1: all are put back: $(cat "$dir/out")" "$([ $? -eq 0 ] && has_letters "$1" 0; echo $?)"
	sql "INSERT INTO shop.one VALUES (6, 'e', 6);"
	check "$1: the table flows again" "$(wait_until 60 in_log 'it flows again'; echo $?)"
	stop_daemon
	drip run "$dir/p.yaml" --until caught-up
	got="$(held "$1" "$([ "$1" = changelog ] && echo "row_number() OVER (ORDER BY _sequence) || _op || coalesce(id::VARCHAR, '')" || echo id)" one)"
	check "$1: what it holds: $got" "$([ "$got" = "$2" ]; echo $?)"
}
truncated mirror "5 6"
truncated append "1 2 3 4 5 6"
truncated changelog "1r1 2i2 3t 4i3 5i4 6t 7i5 8i6"
e2e_end
