#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demo: a private MariaDB with a coffee shop's orders, pipelines/demo.yaml through snapshot and
# live changes, and then a comparison of source and warehouse, row by row. It ends by itself, leaves
# no process behind, and exits 1 where the two differ. usage: tools/demo.sh [BUILD]
set -euo pipefail
cd "$(dirname "$0")/.."
build="${1:-build}"
dripline="$PWD/$build/dripline"
[ -x "$dripline" ] || dripline="$PWD/$build/core/dripline"
DUCKSQL="$PWD/$build/tests/lib/ducksql"
orders_of_a_shard="${DRIPLINE_DEMO_ORDERS:-35000}"
live_transactions="${DRIPLINE_DEMO_TRANSACTIONS:-2000}"
export DRIPLINE_DEMO_DIR="$PWD/$build/demo"
export DRIPLINE_TEST_CACHE="$PWD/$build/test-cache"
. tests/lib/mariadb.sh
. tests/lib/shop.sh

if [ ! -x "$DUCKSQL" ]; then
	echo "demo: cannot run without DuckDB, which was not found when this was built" >&2
	exit 3
fi

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

server="$(mktemp -d "${TMPDIR:-/tmp}/drip-demo.XXXXXX")"
live=
cleanup() {
	if [ -n "$live" ]; then
		kill -KILL "$live" 2>/dev/null || :
	fi
	mariadb_stop "$server" KILL
	rm -rf "$server"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

step "A private MariaDB with $((orders_of_a_shard * 6)) orders in six monthly shards"
rm -rf "$DRIPLINE_DEMO_DIR"
mkdir -p "$DRIPLINE_DEMO_DIR"
mariadb_create "$server"
mariadb_start "$server"
shop_create "$server" "$orders_of_a_shard"
export DRIPLINE_DEMO_PORT="$(cat "$server/port")" DRIPLINE_DEMO_USER="$mariadb_user" \
	DRIPLINE_DEMO_PASSWORD="$mariadb_password"
echo "listening on 127.0.0.1:$DRIPLINE_DEMO_PORT"

step "dripline validate pipelines/demo.yaml"
"$dripline" validate pipelines/demo.yaml

step "Snapshot: dripline run pipelines/demo.yaml --until caught-up"
"$dripline" run pipelines/demo.yaml --until caught-up

step "Live: a writer inserts, updates and deletes in $live_transactions transactions while it runs"
shop_writer_start "$server" "$live_transactions" 0.002
setpriv --pdeathsig KILL "$dripline" run pipelines/demo.yaml &
live=$!
wait "$shop_writer_pid"
echo "the writer is done; stopping the pipeline in the middle of its work (SIGTERM)"
kill -TERM "$live"
wait "$live"
live=
echo "and going on from its checkpoint"
"$dripline" run pipelines/demo.yaml --until caught-up

step "Source and warehouse, row by row (orders without the NZD test orders)"
differ=0
printf '%-24s %9s %9s  %-16s %-16s\n' table source warehouse 'sha256 source' 'sha256 warehouse'
for table in "${shop_shards[@]}" t_sales_order_item; do
	condition="currency_code <> 'NZD'"
	phone="CONCAT(LEFT(phone, 2), REPEAT('*', CHAR_LENGTH(phone) - 6), RIGHT(phone, 4))"
	if [ "$table" = t_sales_order_item ]; then
		condition=TRUE
	fi
	SHOP_PHONE="$phone" shop_source_rows "$server" "$table" "$condition" >"$server/source.tsv"
	shop_duck_rows "$DRIPLINE_DEMO_DIR/warehouse.duckdb" "$table" "luckyus_salesorder.$table" \
		>"$server/warehouse.tsv"
	verdict=equal
	if ! cmp -s "$server/source.tsv" "$server/warehouse.tsv"; then
		verdict=DIFFERENT
		differ=1
		diff "$server/source.tsv" "$server/warehouse.tsv" | head -n 6 || :
	fi
	printf '%-24s %9d %9d  %.16s %.16s %s\n' "$table" "$(wc -l <"$server/source.tsv")" \
		"$(wc -l <"$server/warehouse.tsv")" "$(sha256sum <"$server/source.tsv")" \
		"$(sha256sum <"$server/warehouse.tsv")" "$verdict"
done

step "The lake: every change, test orders too, as Parquet in $build/demo/lake"
find "$DRIPLINE_DEMO_DIR/lake" -name '*.parquet' -printf '%p %k\n' | awk '
	{ sub(/[^\/]*$/, "", $1); files[$1]++; kib[$1] += $2 }
	END { for (d in files) printf "%-70s %4d files %8d KiB\n", d, files[d], kib[d] }' |
	sed "s#$PWD/##" | sort

step "Where the warehouse column t_sales_order_m_202601.phone comes from"
"$dripline" lineage luckyus_salesorder.t_sales_order_m_202601.phone \
	--state "$DRIPLINE_DEMO_DIR/state"

if [ "$differ" -ne 0 ]; then
	echo "demo: source and warehouse differ" >&2
	exit 1
fi
step "Source and warehouse are equal"
