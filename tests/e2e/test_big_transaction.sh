#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One transaction of 5 million rows, with the whole program held to 512 MiB of memory. Where this
# process may make a memory cgroup the kernel enforces it; in any case the peak resident size of the
# program, VmHWM, is read when it ends and must be below. E2E_BIG_MODE is the warehouse's mode.
. "$(dirname "$0")/lib.sh"
rows="${E2E_BIG_ROWS:-5000000}"
mode="${E2E_BIG_MODE:-mirror}"
limit_kib=$((512 * 1024))

e2e_server --innodb-log-file-size=256M
need mariadb_sql "$db" -e "CREATE DATABASE big; CREATE TABLE big.t (
	id BIGINT NOT NULL PRIMARY KEY, a INT NOT NULL, b VARCHAR(40) NOT NULL, c DECIMAL(12,2) NULL)"
cat >"$dir/big.yaml" <<YAML
settings: {state: $dir/state, memory: 64MiB}
connections:
  shop: {plugin: mysql, host: 127.0.0.1, port: $E2E_PORT, user: $E2E_USER, password: $E2E_PASSWORD}
  dwh: {plugin: duckdb, path: $dir/warehouse.duckdb, memory_limit: 128MiB, threads: 1}
pipeline: big
source: {plugin: mysql, connection: shop, tables: ["big.t"]}
sinks:
  - {plugin: warehouse, connection: dwh, mode: $mode, schema: big}
  - {plugin: lake, root: $dir/lake}
YAML
drip run "$dir/big.yaml" --until caught-up
check "snapshot of the empty table" $?

need mariadb_sql "$db" big -e "INSERT INTO big.t SELECT seq, seq % 1000, CONCAT('row number ', seq),
	IF(seq % 5 = 0, NULL, seq / 100) FROM seq_1_to_$rows"

# A memory cgroup, of version 2 or 1, if this process may make one.
group=
for try in /sys/fs/cgroup /sys/fs/cgroup/memory; do
	name="$try/dripline-test-$$"
	[ -n "$group" ] && break
	mkdir "$name" 2>/dev/null || continue
	if [ ! -e "$name/cgroup.procs" ]; then # no cgroup file system
		rmdir "$name"
		continue
	fi
	if { echo $((limit_kib * 1024)) >"$name/memory.max"; } 2>/dev/null ||
		{ echo $((limit_kib * 1024)) >"$name/memory.limit_in_bytes"; } 2>/dev/null; then
		group="$name"
	else
		rmdir "$name"
	fi
done
echo "# limit: ${group:-no cgroup may be made here, peak resident size only}"

# The program reports its own peak: the shell that waits reads it from the dead child's rusage.
cat >"$dir/measure.py" <<'PY'
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL).returncode
with open(sys.argv[1], "w") as out:
    out.write("%d\n" % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status if status >= 0 else 128 - status)
PY
(
	[ -z "$group" ] || echo "$BASHPID" >"$group/cgroup.procs"
	exec timeout -k 5 600 python3 "$dir/measure.py" "$dir/peak" setpriv --pdeathsig KILL \
		"$DRIPLINE" run "$dir/big.yaml" --until caught-up
) </dev/null >"$dir/log" 2>&1
check "one transaction of $rows rows passes" $?
[ -z "$group" ] || rmdir "$group" 2>/dev/null
peak="$(cat "$dir/peak" 2>/dev/null || echo 999999999)"
[ "$peak" -lt "$limit_kib" ]
check "the peak resident size stays below 512 MiB ($((peak / 1024)) MiB)" $?

if [ "$mode" = scd2 ]; then # the versions that changes of a part of them close, and open
	need mariadb_sql "$db" big -e "UPDATE big.t SET a = a + 1 WHERE id % 50 = 0;
		DELETE FROM big.t WHERE id % 100 = 1"
	drip run "$dir/big.yaml" --until caught-up
	check "changes of some of them" $?
	want="$(mariadb_sql "$db" -e "SELECT count(*), sum(id), sum(a) FROM big.t")"
	got="$("$DUCKSQL" "$dir/warehouse.duckdb" "SELECT count(*), sum(id), sum(a) FROM big.t WHERE is_current")"
	[ "$want" = "$got" ]
	check "the current versions are the source's rows ($got)" $? || echo "# source: $want"
	got="$("$DUCKSQL" "$dir/warehouse.duckdb" "SELECT count(*) - $rows FROM big.t")"
	[ "$got" = $((rows / 50)) ]
	check "each update made one version ($got)" $?
	e2e_end
fi
query="SELECT count(*), sum(id), sum(a), sum(length(b)), sum(c), count(c)"
want="$(mariadb_sql "$db" -e "$query FROM big.t")"
got="$("$DUCKSQL" "$dir/warehouse.duckdb" "$query FROM big.t")"
[ "$want" = "$got" ]
check "the warehouse holds them all ($got)" $? || echo "# source: $want"
got="$("$DUCKSQL" :memory: "$query FROM $(lake_files t)")"
[ "$want" = "$got" ]
check "the lake holds them all ($got)" $? || echo "# source: $want"
e2e_end
