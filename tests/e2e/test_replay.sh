#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Dead letters go back exactly once: kill -9 at each failpoint while letters are put back into a
# warehouse and a lake, again and again; afterwards every row is in both once, and those that are
# rejected anew are still letters, once.
. "$(dirname "$0")/lib.sh"

all_points="engine.before_flush engine.before_sink_commit sink.before_commit sink.after_commit
	engine.before_checkpoint engine.after_checkpoint lake.before_publish lake.after_manifest lake.mid_rename"
# shellcheck disable=SC2206
points=(${E2E_KILL_POINTS:-$all_points})
rounds="${E2E_KILL_ROUNDS:-3}"
rows=400
passed=100 # rows that the first rule lets through
allowed=390

ctl() {
	timeout -k 5 60 "$DRIPLINE" "$@" --state "$dir/state" 2>&1
}

# rule MAX: rows of larger ids are letters.
rule() {
	cat >"$dir/conf/p.yaml" <<-YAML
		connections:
		  dwh: {plugin: duckdb, path: $dir/warehouse.duckdb}
		pipeline: p
		commit: {interval: 20ms}
		source: {plugin: generate, rows: $rows, columns: [{name: id, kind: sequence, key: true}, {name: price, kind: decimal}]}
		transforms:
		  - {id: small, plugin: quality, on_error: dead-letter, rules: [{rule: range, columns: [id], max: $1, action: dead-letter}]}
		sinks:
		  - {plugin: warehouse, connection: dwh, mode: append, schema: w}
		  - {plugin: lake, root: $dir/lake}
	YAML
}

# Once the pipeline has finished, or the daemon has died.
settled() {
	! kill -0 "$drip_pid" 2>/dev/null || ctl status p | grep -q finished
}

ids() {
	ctl dlq list --format json --limit 1000 |
		python3 -c 'import json, sys; print(*[l["id"] for l in json.load(sys.stdin)])' 2>/dev/null
}

daemon_end() {
	kill "-$1" "$drip_pid" 2>/dev/null
	wait "$drip_pid" 2>/dev/null
}

mkdir "$dir/conf"
rule "$passed"
drip_start daemon "$dir/conf" --state "$dir/state"
wait_until 60 settled
daemon_end TERM
left="$(ids)"
# shellcheck disable=SC2086
set -- $left
[ $# -eq $((rows - passed)) ]
check "$((rows - passed)) rows are letters ($#)" $?

rule "$allowed"
kills=0
for round in $(seq 2 $((rounds + 1))); do
	for point in "${points[@]}"; do
		export DRIPLINE_FAILPOINTS="$point=kill@$round"
		drip_start daemon "$dir/conf" --state "$dir/state"
		unset DRIPLINE_FAILPOINTS
		wait_until 60 settled
		# shellcheck disable=SC2046
		set -- $(ids)
		ctl dlq replay "$1" "$2" "$3" "$4" "$5" "${@: -1}" >"$dir/out"
		ctl dlq replay "$1" "$2" "$3" "$6" >>"$dir/out"
		daemon_end KILL
		[ $? -eq 137 ] && ! grep -q replayed "$dir/out" && kills=$((kills + 1))
	done
done
[ "$kills" -ge $((rounds * ${#points[@]} / 3)) ]
check "was killed while letters went back ($kills times)" $?

drip_start daemon "$dir/conf" --state "$dir/state"
wait_until 60 settled
ctl dlq replay --pipeline p | grep -q replayed
check "all the rest is replayed" $?
ctl dlq replay --pipeline p | grep -q replayed
check "and what was rejected anew once more" $?
ctl dlq list --format json --limit 1000 >"$dir/out"
daemon_end TERM
python3 - "$dir/out" $((rows - allowed)) <<'P'
import json, sys
letters = json.load(open(sys.argv[1]))
print(f"# {len(letters)} letters are left")
sys.exit(len(letters) != int(sys.argv[2]))
P
check "those that are rejected again are letters, once" $?
for target in "w.orders" "lake"; do
	if [ "$target" = lake ]; then
		from="read_parquet('$dir/lake/raw/**/*.parquet', union_by_name=true, hive_partitioning=false)"
		file=:memory:
	else
		from="$target"
		file="$dir/warehouse.duckdb"
	fi
	"$DUCKSQL" "$file" "SELECT count(*), count(DISTINCT id), max(id) FROM $from" >"$dir/sums"
	cut -c1-200 "$dir/sums" | sed 's/^/# /'
	tr -s '|,\t ' ' ' <"$dir/sums" | grep -Eq "^ ?$allowed $allowed $allowed ?$"
	check "each row is in the $target once, none is lost" $?
done
e2e_end
