#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 at each failpoint of the commit protocol, under a live writer; afterwards warehouse and lake
# equal the source, nothing is lost and nothing twice. E2E_KILL_SNAPSHOT=1: from the first moment of
# the snapshot on, a few kills; otherwise at least 30 after it.
. "$(dirname "$0")/lib.sh"

all_points="engine.before_flush engine.before_sink_commit sink.before_commit sink.after_commit
	engine.before_checkpoint engine.after_checkpoint engine.before_acknowledge
	engine.after_acknowledge lake.before_publish lake.after_manifest lake.mid_rename"
# shellcheck disable=SC2206
points=(${E2E_KILL_POINTS:-$all_points})
rounds="${E2E_KILL_ROUNDS:-3}" # 33 kills
least=30
if [ -n "${E2E_KILL_SNAPSHOT:-}" ]; then
	rounds="${E2E_KILL_ROUNDS:-1}"
	least="${#points[@]}"
fi

e2e_server
need shop_create "$db" 5000
e2e_pipeline >"$dir/shop.yaml"
if [ -z "${E2E_KILL_SNAPSHOT:-}" ]; then
	drip run "$dir/shop.yaml" --until caught-up
	check "snapshot" $?
fi
shop_writer_start "$db"
pids+=("$shop_writer_pid")

kills=0
for round in $(seq "$rounds"); do
	for point in "${points[@]}"; do
		DRIPLINE_FAILPOINTS="$point=kill@$round" E2E_TIMEOUT=60 drip run "$dir/shop.yaml"
		status=$?
		[ "$status" -eq 137 ]
		check "killed at $point, hit $round (status $status)" $? && kills=$((kills + 1))
	done
	# A kill from outside, at a time that nobody chose.
	drip_start run "$dir/shop.yaml"
	wait_until 60 in_log . && kill -KILL "$drip_pid"
	wait "$drip_pid"
	# Twice SIGTERM ends it at once.
	drip_start run "$dir/shop.yaml"
	wait_until 60 in_log .
	kill -TERM "$drip_pid"
	kill -TERM "$drip_pid" 2>/dev/null || :
	wait_until 30 eval '! kill -0 "$drip_pid"'
	check "two signals end the program" $?
done
[ "$kills" -ge "$least" ]
check "at least $least kills ($kills)" $?

shop_writer_stop "$db"
check "the writer wrote until the end ($(mariadb_sql "$db" -e 'SELECT transactions FROM shop_control.writer') transactions)" $?
drip run "$dir/shop.yaml" --until caught-up
check "catches up after all" $?
check_copies "after $kills kills"

# Each counter went up by one at each change: a change log without gap and without double.
"$DUCKSQL" :memory: "SELECT id, count(*), max(value) - min(value) + 1, count(DISTINCT value)
	FROM $(lake_files t_counter) WHERE _op <> 'r' OR _op IS NULL GROUP BY id
	HAVING count(*) <> max(value) - min(value) + 1 OR count(*) <> count(DISTINCT value)" >"$dir/doubles"
[ $? -eq 0 ] && [ ! -s "$dir/doubles" ]
check "no change of a counter is lost or doubled in the lake" $? || sed 's/^/# /' "$dir/doubles"
[ -z "$(find "$dir/lake" -path "$dir/lake/.dripline" -prune -o -type f ! -name '*.parquet' -print)" ]
check "the lake's folders hold whole files only" $?
e2e_end
