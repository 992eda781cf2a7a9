#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Changes of tables and of rows mixed in one epoch: the warehouse follows in every mode, in one run,
# without an attempt that fails; and a truncate that comes right behind a kill is not lost.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

e2e_server
modes=(mirror append changelog merge scd2)

pipeline() {
	cat >"$dir/$1.yaml" <<-YAML
		settings: {state: $dir/state-$1}
		connections:
		  shop: {plugin: mysql, host: 127.0.0.1, port: $E2E_PORT, user: $E2E_USER, password: $E2E_PASSWORD}
		  dwh: {plugin: duckdb, path: $dir/$1.duckdb}
		pipeline: $1
		commit: {interval: 1m}
		source: {plugin: mysql, connection: shop, tables: [ddl.*]}
		sinks: [{plugin: warehouse, connection: dwh, mode: $1}]
	YAML
}

same() { # NAME EXPECTED MODE SQL
	local got
	got="$("$DUCKSQL" "$dir/$3.duckdb" "$4" | tr '\t\n' '|;')"
	[ "$got" = "$2" ] || echo "# expected $2, got $got"
	check "$1" "$([ "$got" = "$2" ]; echo $?)"
}

need mariadb_sql "$db" -e "CREATE DATABASE ddl;
	CREATE TABLE ddl.c (id INT PRIMARY KEY, city VARCHAR(10), amount DECIMAL(10,2));
	INSERT INTO ddl.c VALUES (1, 'X', 1.5), (2, 'Y', 2.5);"
for mode in "${modes[@]}"; do
	pipeline "$mode"
	drip run "$dir/$mode.yaml" --until caught-up
	check "$mode: the snapshot" $?
done
need mariadb_sql "$db" ddl -e "UPDATE c SET city = 'W' WHERE id = 1;
	ALTER TABLE c ADD COLUMN extra INT AFTER id;
	INSERT INTO c VALUES (3, 77, 'Q', 3);
	ALTER TABLE c MODIFY amount DECIMAL(14,4), DROP COLUMN extra;
	INSERT INTO c VALUES (4, 'P', 1.2345);
	DELETE FROM c WHERE id = 2;
	CREATE TABLE d (id BIGINT UNSIGNED PRIMARY KEY);
	INSERT INTO d VALUES (18446744073709551615);"
for mode in "${modes[@]}"; do
	drip run "$dir/$mode.yaml" --until caught-up
	check "$mode: rows and DDL in one epoch" $?
	in_log alter_after_rows
	check "$mode: no attempt fails" "$((! $?))"
	same "$mode: a new table" "18446744073709551615;" "$mode" "SELECT id FROM d"
done
same "mirror: rows" "1|W|1.5000|NULL;3|Q|3.0000|77;4|P|1.2345|NULL;" mirror \
	"SELECT id, city, amount, extra FROM c ORDER BY id"
same "append: rows" "5;" append "SELECT count(*) FROM c"
same "changelog: ops" "r2;u1;i2;d1;" changelog \
	"SELECT _op || count(*) FROM c GROUP BY _op ORDER BY min(_sequence)"
same "merge: rows" "1;2;3;4;" merge "SELECT id FROM c ORDER BY id"
same "scd2: current rows" "1;3;4;" scd2 "SELECT id FROM c WHERE is_current ORDER BY id"

# Rows that were there before have values that the log does not say: defaults, and renamed columns.
need mariadb_sql "$db" ddl -e "CREATE TABLE f (id INT PRIMARY KEY, a VARCHAR(10), b INT);
	INSERT INTO f VALUES (1, 'one', 1), (2, 'it''s', 2);"
for mode in mirror merge append; do
	drip run "$dir/$mode.yaml" --until caught-up
	check "$mode: rows before the columns" $?
done
need mariadb_sql "$db" ddl -e "ALTER TABLE f ADD COLUMN five INT NOT NULL DEFAULT 5, ADD COLUMN nil INT;
	ALTER TABLE f ADD COLUMN (z BIGINT NOT NULL, e ENUM('x', 'y') NOT NULL, s VARCHAR(5) NOT NULL);
	INSERT INTO f (id, a, b, five, z, e, s) VALUES (3, 'three', 3, 7, 8, 'y', 's3');
	ALTER TABLE f ADD q VARCHAR(9) DEFAULT 'it''s', ADD m DECIMAL(8,3) NOT NULL DEFAULT -1.5,
		ADD d DATE DEFAULT '2024-02-29', ADD t DATETIME(3) DEFAULT '2024-01-02 03:04:05', ADD w TIME NOT NULL;
	ALTER TABLE f RENAME COLUMN a TO name;
	ALTER TABLE f CHANGE b num BIGINT NOT NULL DEFAULT 0;
	UPDATE f SET num = 9 WHERE id = 2;
	ALTER TABLE f ADD made DATETIME DEFAULT CURRENT_TIMESTAMP;"
columns="id, name, num, five, nil, z, e, s, q, m, d, w"
for mode in mirror merge; do
	drip run "$dir/$mode.yaml" --until caught-up
	check "$mode: columns are added and renamed" $?
	in_log "ddl.f was altered: reading it again"
	check "$mode: an expression makes it read the table again" $?
	same "$mode: older rows are as in the source" \
		"$(mariadb_sql "$db" ddl -N -e "SELECT $columns, t, made FROM f ORDER BY id" | tr '\t\n' '|;')" "$mode" \
		"SELECT $columns, strftime(t, '%Y-%m-%d %H:%M:%S.%g'), strftime(made, '%Y-%m-%d %H:%M:%S') FROM f ORDER BY id"
	same "$mode: no column is left" "14;" "$mode" \
		"SELECT count(*) FROM information_schema.columns WHERE table_name = 'f'"
done
drip run "$dir/append.yaml" --until caught-up
same "append: older rows are as they were" "1|one|NULL;2|it's|NULL;" append "SELECT id, a, five FROM f WHERE id < 3 AND name IS NULL ORDER BY id"

need mariadb_sql "$db" ddl -e "INSERT INTO c VALUES (5, 'K', 5)"
DRIPLINE_FAILPOINTS="engine.before_checkpoint=kill@1" drip run "$dir/mirror.yaml" --until caught-up
check "killed between sink and checkpoint" "$([ $? -eq 137 ]; echo $?)"
need mariadb_sql "$db" ddl -e "TRUNCATE c; INSERT INTO c VALUES (6, 'L', 6)"
drip run "$dir/mirror.yaml" --until caught-up
same "a truncate behind the kill" "6;" mirror "SELECT id FROM c"
e2e_end
