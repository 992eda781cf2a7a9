#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `validate --connect` and `plan --connect` against a MariaDB: run by mariadb.sh. Arguments: the program.
program=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
mariadb --socket "$DRIPLINE_TEST_MYSQL_SOCKET" -uroot <<'SQL' || exit 1
CREATE DATABASE shop;
CREATE TABLE shop.t_order_1 (id BIGINT PRIMARY KEY, phone VARCHAR(20), amount DECIMAL(12,2));
CREATE TABLE shop.t_order_2 LIKE shop.t_order_1;
SQL

# make NAME TRANSFORMS-AND-FEED: a pipeline over the two tables.
make() {
	cat > "$1" <<YAML
connections:
  shop:
    plugin: mysql
    host: ${3:-127.0.0.1}
    port: ${4:-$DRIPLINE_TEST_MYSQL_PORT}
    user: $DRIPLINE_TEST_MYSQL_USER
    password: \${env:DRIPLINE_TEST_MYSQL_PASSWORD}
pipeline: p
source: {plugin: mysql, connection: shop, tables: [shop.t_order_*]}
sinks: [{plugin: blackhole, clearance: internal}]
$2
YAML
}

number=0 failed=0
# check NAME STATUS COMMAND FILE PATTERN...: runs it, and looks for each pattern in what it prints.
check() {
	local name=$1 want=$2 command=$3 file=$4 good=1 status pattern
	shift 4
	"$program" "$command" --connect "$file" > out 2>&1
	status=$?
	[ "$status" -eq "$want" ] || good=0
	for pattern; do
		grep -qF -- "$pattern" out || good=0
	done
	number=$((number + 1))
	if [ "$good" -eq 1 ]; then
		echo "ok $number - $name"
	else
		echo "# exit $status, not $want"
		sed 's/^/# /' out
		echo "not ok $number - $name"
		failed=1
	fi
}

make good.yaml ''
check "takes what fits" 0 validate good.yaml "1 file, 0 errors"
check "plans the tables of the server" 0 plan good.yaml "shop.t_order_1, shop.t_order_2: 3 columns" \
	"amount  decimal(12,2)    null     internal"
make where.yaml 'transforms: [{plugin: filter, where: amont > 5}]'
check "finds a column that is not there" 2 validate where.yaml "where.yaml:11:38: error: " "amont"
make columns.yaml 'transforms: [{plugin: mask, key: 0123456789abcdef0123456789abcdef, columns: [{name: phnoe}]}]'
check "finds a column to mask that is not there" 2 validate columns.yaml "columns.yaml:11:" "phnoe"
make contract.yaml 'feed: {plugin: contract, tables: [{match: shop.t_order_*, as: orders, columns: [{name: id, type: int32}]}]}'
check "finds a type that the contract does not promise" 2 validate contract.yaml \
	"contract.yaml:11:81: error: column \"id\" of table t_order_1 is int64, but its contract says int32 [contract.type_conflict]"
make class.yaml 'feed: {plugin: contract, tables: [{match: "*", columns: [{name: id, type: int64}, {name: phone, type: utf8, class: restricted}]}]}'
check "finds a restricted column on its way to a sink" 2 validate class.yaml \
	"class.yaml:10:40: error: column \"phone\" of table t_order_1 is restricted" "[security.uncleared_column]"
make down.yaml '' 127.0.0.1 1
check "says that a server is not there, once" 3 validate down.yaml "error: " "1 error,"
sed "s/password: .*/password: wrong}/" good.yaml > denied.yaml
check "says that the password is wrong" 3 validate denied.yaml "[mysql.access_denied]" "1 error,"

# The checkpoint against what the server keeps. The first run takes the snapshot.
sql() {
	mariadb --socket "$DRIPLINE_TEST_MYSQL_SOCKET" -uroot -e "$1" || exit 1
}
cat > kept.yaml <<YAML
settings: {state: state}
connections:
  shop: {plugin: mysql, host: 127.0.0.1, port: $DRIPLINE_TEST_MYSQL_PORT, user: $DRIPLINE_TEST_MYSQL_USER, password: "\${env:DRIPLINE_TEST_MYSQL_PASSWORD}"}
  dwh: {plugin: duckdb, path: dwh.duckdb}
pipeline: kept
source: {plugin: mysql, connection: shop, tables: [shop.t_order_*]}
sinks:
  - {plugin: warehouse, connection: dwh, mode: append}
  - {plugin: lake, root: lake/deep, clearance: internal}
  - {plugin: file, path: "files/{table}.jsonl", clearance: internal}
YAML
# left NAME: whether the last check left a file behind.
before() {
	find . ! -name out ! -name before ! -name after | sort > before
}
left() {
	find . ! -name out ! -name before ! -name after | sort > after
	number=$((number + 1))
	if cmp -s before after; then
		echo "ok $number - $1"
	else
		diff before after | sed 's/^/# /'
		echo "not ok $number - $1"
		failed=1
	fi
}
before
check "checks sinks that are not there yet" 0 validate kept.yaml "1 file, 0 errors"
left "leaves neither database nor folder behind"
sql "SET GLOBAL binlog_row_metadata = FULL, binlog_expire_logs_seconds = 172800; INSERT INTO shop.t_order_1 VALUES (1, '1', 1)"
"$program" run kept.yaml --until caught-up > run.log 2>&1 || { cat run.log; exit 1; }
before
check "finds the log of the checkpoint" 0 validate kept.yaml "1 file, 0 errors, 0 warnings"
left "leaves state, database and lake as they are"
sql "SET timestamp = UNIX_TIMESTAMP() - 100000; INSERT INTO shop.t_order_1 VALUES (2, '2', 2)"
check "warns before the log is removed" 0 validate kept.yaml "kept.yaml:6:9: warning: the pipeline is 1000" \
	"seconds behind, and the server removes its logs after 172800 seconds [mysql.retention_near]"
cp -r state other
python3 - other/dripline.db <<'PY' || exit 1
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
(detail,) = db.execute('SELECT position_detail FROM checkpoint').fetchone()
size = detail[2] | detail[3] << 8  # of the server's identity, behind version and phase
db.execute('UPDATE checkpoint SET position_detail = ?', (detail[:4] + b'x' * size + detail[4 + size:],))
db.commit()
PY
sed 's/state: state/state: other/' kept.yaml > other.yaml
check "finds the place by GTID on another server" 0 validate other.yaml "[mysql.retention_near]" "0 errors"
sql "FLUSH BINARY LOGS; INSERT INTO shop.t_order_1 VALUES (3, '3', 3); FLUSH BINARY LOGS"
last=$(mariadb --socket "$DRIPLINE_TEST_MYSQL_SOCKET" -uroot -N -e 'SHOW MASTER STATUS' | cut -f1)
# A log is kept while a reader's thread, which notices late that its client has gone, stands in it.
for ((i = 0; i < 3000; i++)); do
	sql "PURGE BINARY LOGS TO '$last'"
	mariadb --socket "$DRIPLINE_TEST_MYSQL_SOCKET" -uroot -N -e 'SHOW BINARY LOGS' | head -n 1 | grep -q "^$last" && break
done
check "finds that the log of the checkpoint is gone" 2 validate kept.yaml "kept.yaml:6:9: error: cannot go on at " \
	": the server has removed its log [mysql.binlog_purged]" "dripline checkpoint reset kept"
check "finds that the log of a GTID is gone" 2 validate other.yaml "[mysql.binlog_purged]"
"$program" checkpoint reset kept --yes --state state > /dev/null || exit 1
check "is content after a reset" 0 validate kept.yaml "0 errors, 0 warnings"
echo "1..$number"
exit $failed
