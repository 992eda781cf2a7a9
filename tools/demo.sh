#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demo, in two parts. A shop: a private MariaDB with 210,000 orders, pipelines/demo.yaml through snapshot and live
# changes, and a comparison of source and warehouse, row by row. Then the company: its databases at SCALE of the
# blueprint's row counts, `dripline daemon pipelines/` with feeds, star schema, models, API and console, under live
# orders. It ends with one summary, leaves no process behind, and exits 1 where anything differs from its source.
# usage: tools/demo.sh [BUILD]; SCALE=0.05 is the company's size, KEEP=1 leaves it running until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."
build="${1:-build}"
[ "${build#/}" != "$build" ] || build="$PWD/$build"
dripline="$build/dripline"
[ -x "$dripline" ] || dripline="$build/core/dripline"
DUCKSQL="$build/tests/lib/ducksql"
company="$build/tests/company/company"
scale="${SCALE:-0.05}"
orders_of_a_shard="${DRIPLINE_DEMO_ORDERS:-35000}"
live_transactions="${DRIPLINE_DEMO_TRANSACTIONS:-2000}"
export DRIPLINE_DEMO_DIR="${DRIPLINE_DEMO_DIR:-$build/demo}" DRIPLINE_TEST_CACHE="$build/test-cache"
work="$DRIPLINE_DEMO_DIR/company"
. tests/lib/mariadb.sh
. tests/lib/shop.sh

for program in "$dripline" "$DUCKSQL" "$company"; do
	if [ ! -x "$program" ]; then
		echo "demo: cannot run without $program: it was not built, for want of libduckdb, libmariadb or libgsl" >&2
		exit 3
	fi
done

steps=11
step_number=0
step() {
	step_number=$((step_number + 1))
	printf '\n\033[1m== %d of %d, %d s: %s\033[0m\n' "$step_number" "$steps" "$SECONDS" "$*"
}

server="$(mktemp -d "${TMPDIR:-/tmp}/drip-demo.XXXXXX")"
background=() # what must not outlive this
cleanup() {
	local status=$?
	trap '' INT TERM HUP
	if [ "$status" -ne 0 ] && [ "$step_number" -lt "$steps" ]; then
		printf '\ndemo: ended in step %d of %d, status %d\n' "$step_number" "$steps" "$status" >&2
	fi
	if [ ${#background[@]} -gt 0 ]; then
		kill -KILL "${background[@]}" 2>/dev/null || :
	fi
	mariadb_stop "$server" KILL
	rm -rf "$server"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# The server of one part; the first one's data goes.
start_server() {
	mariadb_stop "$server" KILL
	rm -f "$server/started"
	mariadb_create "$server" "$@"
	mariadb_start "$server"
	echo "listening on 127.0.0.1:$(cat "$server/port")"
}

# fill TOTAL COMMAND...: shows the rows that the server takes meanwhile, as a bar on a terminal.
fill() {
	local total="$1" pid rows full spoke="$SECONDS" bar='##############################'
	shift
	"$@" &
	pid=$!
	background=("$pid")
	while kill -0 "$pid" 2>/dev/null; do
		rows="$(mariadb_sql "$server" -e "SHOW GLOBAL STATUS LIKE 'Handler_write'" | cut -f2)"
		full=$((rows < total ? 30 * rows / total : 30))
		if [ -t 1 ]; then
			printf '\r\033[K  [%-30s] %d of about %d rows' "${bar:0:full}" "$rows" "$total"
		elif [ $((SECONDS - spoke)) -ge 5 ]; then
			spoke="$SECONDS"
			printf '  %d of about %d rows\n' "$rows" "$total"
		fi
		read -r -t 0.2 <> <(:) || :
	done
	[ ! -t 1 ] || printf '\r\033[K'
	background=()
	wait "$pid"
}

. tools/demo_shop.sh
. tools/demo_company.sh

rm -rf "$DRIPLINE_DEMO_DIR"
mkdir -p "$work/truth"
shop_part
company_part
differ=0
step "Summary"
tools/demo_company.py summary "$work" || differ=1
if [ "${KEEP:-0}" = 1 ]; then
	company_keep
fi
company_stop || differ=1
rm -f "$work"/*.key
if [ "$differ" -ne 0 ]; then
	echo "demo: something is not as it must be; see above" >&2
	exit 1
fi
