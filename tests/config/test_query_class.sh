#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Restricted columns of declared tables, read by the source `query`: refused before a row is moved, offline where the
# query can be typed, with a connection else, and by the run in any case.
# usage: test_query_class.sh DRIPLINE DUCKSQL
set -eu
dripline=$1 ducksql=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"$ducksql" --execute w.duckdb "CREATE SCHEMA ods; CREATE TABLE ods.users (id BIGINT, phone VARCHAR);
CREATE VIEW ods.people AS SELECT id AS person, phone AS contact FROM ods.users; INSERT INTO ods.users VALUES (1, '5550100');"

# make NAME SQL OPTIONS
make() {
	cat >"$1.yaml" <<-YAML
		settings: {state: $dir/state-$1}
		connections:
		  dwh: {plugin: duckdb, path: $dir/w.duckdb}
		tables:
		  ods.users: {columns: [{name: id, type: int64, key: true}, {name: phone, type: utf8, class: restricted, pii: phone}]}
		pipeline: $1
		source: {plugin: query, connection: dwh, name: out, sql: "$2"$3}
		sinks: [{plugin: file, path: $dir/$1.jsonl}]
	YAML
}

# refuses NAME COMMAND...: exit status 2, at the sink, and no row.
refuses() {
	name=$1 status=0
	shift
	"$dripline" "$@" "$name.yaml" >out 2>&1 || status=$?
	if [ "$status" != 2 ] || [ -e "$name.jsonl" ] ||
		! grep -qF "$name.yaml:8:9: error: column \"" out || ! grep -q 'security.uncleared_column' out; then
		echo "$* $name: exit status $status"
		cat out
		exit 1
	fi
}

make typed "SELECT id, upper(phone) AS contact FROM ods.users WHERE phone <> ''" ''
refuses typed validate
refuses typed run
make view 'SELECT contact FROM ods.people' ''
"$dripline" validate view.yaml >out 2>&1 # not known offline, and said so
grep -q 'schema.not_known' out
refuses view validate --connect
status=0
"$dripline" run view.yaml >out 2>&1 || status=$?
[ "$status" != 0 ] && [ ! -s view.jsonl ] && grep -q 'security.uncleared_column' out || {
	echo "run view: exit status $status"
	cat out
	exit 1
}

make lowered 'SELECT count(phone) AS n FROM ods.users' ', declassify: [{column: n, class: internal, reason: A count}]'
"$dripline" validate lowered.yaml
"$dripline" run lowered.yaml >out 2>&1
grep -q '"n":1' lowered.jsonl || { cat out lowered.jsonl; exit 1; }
