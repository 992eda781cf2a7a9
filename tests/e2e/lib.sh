# SPDX-License-Identifier: Apache-2.0
# What the end-to-end tests share. Run by meson, which sets DRIPLINE (the program), DUCKSQL and
# DRIPLINE_PLUGIN_PATH. Each test works in $dir, its own, removed at the end; children die with it.
# Output is TAP. Nothing sleeps: what takes time is waited for.
set -u
e2e_lib="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$e2e_lib/../lib/mariadb.sh"
. "$e2e_lib/../lib/shop.sh"

: "${DRIPLINE:?is the program to test}"
dir="$(mktemp -d "${TMPDIR:-/tmp}/drip-e2e.XXXXXX")"
db="$dir/db"
tests=0
failures=0
pids=()

e2e_cleanup() {
	local pid
	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null || :
	done
	[ -d "$db" ] && mariadb_stop "$db" KILL
	[ ! -d "$dir/small" ] || umount "$dir/small" 2>/dev/null || :
	if [ -n "${E2E_KEEP:-}" ]; then
		echo "# kept $dir"
	else
		rm -rf "$dir"
	fi
}
trap e2e_cleanup EXIT
trap 'exit 130' INT TERM HUP

# check NAME STATUS: one test case. On failure the last lines of $dir/log are shown.
check() {
	tests=$((tests + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $tests - $1"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $1"
	if [ -f "$dir/log" ]; then
		tail -n "${E2E_LOG_LINES:-15}" "$dir/log" | cut -c1-400 | sed 's/^/# /'
	fi
	return 1
}

skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

e2e_end() {
	echo "1..$tests"
	[ "$failures" -eq 0 ]
	exit
}

# Leaves the test where what follows needs this.
need() {
	"$@" && return 0
	echo "Bail out! failed: $*"
	exit 1
}

# The variables of pipelines; the server of the test.
e2e_server() {
	need mariadb_create "$db" "$@"
	need mariadb_start "$db"
	E2E_PORT="$(cat "$db/port")"
	export E2E_PORT E2E_USER="$mariadb_user" E2E_PASSWORD="$mariadb_password"
}

# drip ARGUMENT...: the program with its log in $dir/log; dies with this shell. A deadline catches
# what hangs; 124 is its status then.
drip() {
	timeout -k 5 "${E2E_TIMEOUT:-120}" setpriv --pdeathsig KILL "$DRIPLINE" "$@" </dev/null >"$dir/log" 2>&1
}

# The same in the background; its pid in $drip_pid.
drip_start() {
	setpriv --pdeathsig KILL "$DRIPLINE" "$@" </dev/null >"$dir/log" 2>&1 &
	drip_pid=$!
	pids+=("$drip_pid")
}

# wait_until SECONDS COMMAND...: until it succeeds. SECONDS only bounds a hang.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "# waited in vain for: $*"
			return 1
		fi
		read -r -t 0.05 <> <(:) || :
	done
}

in_log() {
	grep -Eq -- "$1" "$dir/log"
}

# The pipeline of most tests: the shop into a mirror and a lake. Arguments: lines for the pipeline.
e2e_pipeline() {
	cat <<-YAML
		settings: {state: $dir/state}
		connections:
		  shop: {plugin: mysql, host: 127.0.0.1, port: $E2E_PORT, user: $E2E_USER, password: $E2E_PASSWORD}
		  dwh: {plugin: duckdb, path: $dir/warehouse.duckdb}
		pipeline: shop
		commit: {interval: 20ms}
		source: {plugin: mysql, connection: shop, tables: ["luckyus_salesorder.*"]}
		sinks:
		  - {plugin: warehouse, connection: dwh, mode: mirror, schema: luckyus_salesorder}
		  - {plugin: lake, root: $dir/lake, roll_interval: 200ms}
	YAML
	printf '%s\n' "$@"
}

# One check a table: warehouse and lake hold what the source holds.
check_copies() {
	local table
	for table in "${shop_tables[@]}"; do
		shop_compare "$db" "$table" "$dir/warehouse.duckdb" "luckyus_salesorder.$table"
		check "$1: the warehouse's $table equals the source" $?
		shop_compare "$db" "$table" :memory: "$(lake_latest "$table")"
		check "$1: the lake's $table equals the source" $?
	done
}

# The rows of a table's Parquet files as they stand now: the last change of each key that is no
# delete. lake_files TABLE, lake_latest TABLE: for a FROM clause.
lake_files() {
	echo "read_parquet('$dir/lake/raw/$1/**/*.parquet', union_by_name=true, hive_partitioning=false)"
}

lake_latest() {
	echo "(SELECT * FROM (SELECT * FROM $(lake_files "$1")
		QUALIFY row_number() OVER (PARTITION BY id ORDER BY _sequence DESC) = 1)
		WHERE _op <> 'd')"
}
