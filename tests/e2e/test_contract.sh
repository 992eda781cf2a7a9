#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A contract before a live source: only the promised columns are read, a restricted one does not
# reach a sink that is not cleared, offline and live, and a masked one does.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

e2e_server

pipeline() { # CLEARANCE TRANSFORM
	cat <<-YAML
		settings: {state: $dir/state}
		connections:
		  shop: {plugin: mysql, host: 127.0.0.1, port: $E2E_PORT, user: $E2E_USER, password: $E2E_PASSWORD}
		  dwh: {plugin: duckdb, path: $dir/dwh.duckdb}
		pipeline: people
		source: {plugin: mysql, connection: shop, tables: [hr.*]}
		feed:
		  plugin: contract
		  tables:
		    - match: hr.person_*
		      as: person
		      columns:
		        - {name: id, type: int32, key: true}
		        - {name: phone, type: utf8, class: restricted}
		transforms: [$2]
		sinks: [{plugin: warehouse, connection: dwh, clearance: $1}]
	YAML
}

need mariadb_sql "$db" -e "CREATE DATABASE hr;
	CREATE TABLE hr.person_a (id INT PRIMARY KEY, salary INT, phone VARCHAR(20));
	CREATE TABLE hr.person_b LIKE hr.person_a;
	INSERT INTO hr.person_a VALUES (1, 100, '604 555 0100');
	INSERT INTO hr.person_b VALUES (2, 200, '604 555 0200');"

pipeline internal "{plugin: filter, where: id > 0}" >"$dir/open.yaml"
for arguments in "validate" "validate --connect" "run --until caught-up"; do
	drip $arguments "$dir/open.yaml"
	check "$arguments is refused" "$([ $? -eq 2 ]; echo $?)"
	in_log 'open.yaml:[0-9]+:[0-9]+: error: column "phone" .*security.uncleared_column'
	check "$arguments names the place" $?
done

pipeline internal "{plugin: mask, columns: {name: phone, method: partial, keep_last: 4, class: internal}}" >"$dir/masked.yaml"
drip validate "$dir/masked.yaml"
check "masked, it validates" $?
drip run "$dir/masked.yaml" --until caught-up
check "masked, the snapshot runs" $?
need mariadb_sql "$db" hr -e "INSERT INTO person_a VALUES (3, 300, '604 555 0300');
	ALTER TABLE person_b ADD COLUMN secret TEXT FIRST;
	INSERT INTO person_b VALUES ('s', 4, 400, '604 555 0400');
	CREATE TABLE person_c LIKE person_a; INSERT INTO person_c VALUES (5, 500, '604 555 0500');
	CREATE TABLE pay (id INT PRIMARY KEY); INSERT INTO pay VALUES (6);"
drip run "$dir/masked.yaml" --until caught-up
check "and so does the stream" $?
got="$("$DUCKSQL" "$dir/dwh.duckdb" "SELECT * FROM person ORDER BY id" | cut -f1 | tr '\n' ';')"
check "all tables of the contract arrive: $got" "$([ "$got" = "1;2;3;4;5;" ]; echo $?)"
got="$("$DUCKSQL" "$dir/dwh.duckdb" "SELECT string_agg(column_name, ';' ORDER BY column_index)
	FROM duckdb_columns() WHERE table_name = 'person'")"
check "and no other column: $got" "$([ "$got" = "id;phone" ]; echo $?)"
got="$("$DUCKSQL" "$dir/dwh.duckdb" "SELECT count(*) FROM person WHERE phone LIKE '%555%'")"
check "with the phones masked" "$([ "$got" = 0 ]; echo $?)"

# A shard that is truncated: behind the contract its rows are those of all.
need mariadb_sql "$db" hr -e "TRUNCATE person_b;"
drip run "$dir/masked.yaml" --until caught-up
check "a truncated shard stops the pipeline" "$([ $? -eq 1 ] && in_log 'contract.shard_truncated'; echo $?)"
sed -i 's/^  plugin: contract/  plugin: contract\n  on_contract_break: quarantine/' "$dir/masked.yaml"
drip run "$dir/masked.yaml" --until caught-up
check "under quarantine it goes on, with an alarm" "$([ $? -eq 0 ] && in_log 'level=error.*contract.shard_truncated'; echo $?)"
got="$("$DUCKSQL" "$dir/dwh.duckdb" "SELECT count(*) FROM person")"
check "and takes no other rows away: $got" "$([ "$got" = 5 ]; echo $?)"
e2e_end
