# SPDX-License-Identifier: Apache-2.0
# The DDL of the declared tables: DuckDB takes it, twice; both dialects have what they must.
# usage: test_catalog.sh DRIPLINE DUCKSQL ROOT
set -eu
dripline=$1 ducksql=$2 root=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$dripline" ddl "$root/pipelines/warehouse" >"$dir/duckdb.sql"
for round in 1 2; do
	"$ducksql" --execute "$dir/w.db" "$(cat "$dir/duckdb.sql")"
done
declared=$(grep -c '^CREATE TABLE' "$dir/duckdb.sql")
made=$("$ducksql" "$dir/w.db" "SELECT count(*) FROM duckdb_tables() WHERE comment IS NOT NULL")
[ "$declared" = "$made" ] || { echo "declared $declared tables, made $made"; exit 1; }
# the numbers of tests/sdk/test_helpers.c
keys=$("$ducksql" "$dir/w.db" "SELECT dw.surrogate_key('dim_store', '1001'), \
dw.surrogate_key('a', repeat('x', 200)), dw.surrogate_key('', '')" | tr '\t' ' ')
[ "$keys" = "441079437838845302 3460450577008286419 2642974275542489273" ] || { echo "keys: $keys"; exit 1; }

"$dripline" ddl --dialect redshift "$root/pipelines/warehouse" >"$dir/redshift.sql"
grep -q '^) DISTSTYLE KEY DISTKEY (order_key) SORTKEY (date_key);$' "$dir/redshift.sql"
grep -q 'FUNCTION dw.surrogate_key' "$dir/redshift.sql"
! grep -q 'VARCHAR,$' "$dir/redshift.sql"

status=0
"$dripline" ddl "$root/tests/config/cases/tables_bad.yaml" >"$dir/out" 2>"$dir/err" || status=$?
[ "$status" = 2 ] && [ ! -s "$dir/out" ] && grep -q 'catalog.bad_name' "$dir/err"

printf 'tables:\n  dw.a: {columns: [{name: a, type: duration}]}\n' >"$dir/a.yaml"
status=0
"$dripline" ddl --dialect redshift "$dir/a.yaml" >"$dir/out" 2>"$dir/err" || status=$?
[ "$status" = 2 ] && [ ! -s "$dir/out" ] && grep -q 'sql.no_type' "$dir/err"
