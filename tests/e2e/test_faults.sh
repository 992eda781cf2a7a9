#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong outside: full disk, unwritable folder, corrupt store, a server that goes away or
# has purged its binlogs, files of random bytes. Each time a clear error, and nothing lost after.
. "$(dirname "$0")/lib.sh"

e2e_server
need shop_create "$db" 2000

pipeline() { e2e_pipeline "$@" >"$dir/shop.yaml"; }
in_sinks() { sed -i "s#^  - {plugin: $1#&, $2#" "$dir/shop.yaml"; }
fresh() { rm -rf "$dir/state" "$dir/lake" "$dir"/warehouse.duckdb*; }

# ---- a server that goes away and comes back
fresh
pipeline
drip run "$dir/shop.yaml" --until caught-up
check "snapshot" $?
drip_start run "$dir/shop.yaml"
shop_writer_start "$db" 500 0.001
need wait_until 60 in_log .
need wait_until 60 eval '[ "$(mariadb_sql "$db" -e "SELECT transactions FROM shop_control.writer")" -gt 100 ]'
mariadb_stop "$db" KILL
wait "$shop_writer_pid" 2>/dev/null
need wait_until 60 in_log 'retry|reconnect|could not'
kill -0 "$drip_pid"
check "the pipeline lives on while the server is gone" $?
need mariadb_start "$db"
mariadb_sql "$db" -e "INSERT INTO luckyus_salesorder.t_counter VALUES (77, 77)"
"$DRIPLINE" --version >/dev/null
kill -TERM "$drip_pid"
wait "$drip_pid"
drip run "$dir/shop.yaml" --until caught-up
check "goes on when the server is back" $?
# The server's crash may have cost it transactions that it had not synced; the copies hold no more.
check_copies "after the server's crash"

# ---- a plugin that returns errors
fresh
pipeline
sed -i 's#^sinks:#transforms: [{plugin: faulty, every: 4}]\n&#' "$dir/shop.yaml"
drip run "$dir/shop.yaml" --until caught-up
status=$?
[ "$status" -eq 1 ]
check "a transform that fails ends the run with 1 (status $status)" $?
in_log 'faulty.failed' && in_log 'as it was told'
check "and its error is told with its code" $?
pipeline "  - {plugin: faulty, every: 2, retryable: true, retry: {initial: 1ms, max: 5ms}}"
drip run "$dir/shop.yaml" --until caught-up
check "a sink that fails each second commit is retried" $?
check_copies "after the errors of plugins"

# ---- a plugin that does not return
cat >"$dir/stuck.yaml" <<-YAML
	settings: {state: $dir/stuck}
	pipeline: stuck
	drain: 10ms
	commit: {interval: 5ms}
	source: {plugin: generate, rate: 100, columns: [{name: id, kind: sequence, key: true}]}
	sinks: [{plugin: faulty, hangs: true}]
YAML
drip_start run "$dir/stuck.yaml"
need wait_until 60 in_log .
kill -TERM "$drip_pid"
wait "$drip_pid"
status=$?
[ "$status" -eq 1 ] && in_log 'does not return'
check "a sink that does not return is left behind by a stop (status $status)" $?

# ---- a full disk
fresh
mkdir -p "$dir/small"
if mount -t tmpfs -o size=48m none "$dir/small" 2>/dev/null; then
	pipeline
	sed -i -e "s#root: $dir/lake#retry: {attempts: 1, initial: 10ms}, root: $dir/small/lake#" \
		-e "s#$dir/warehouse.duckdb#$dir/small/warehouse.duckdb#" \
		-e "s#mode: mirror#retry: {attempts: 1, initial: 10ms}, mode: mirror#" "$dir/shop.yaml"
	drip run "$dir/shop.yaml" --until caught-up
	check "runs on a small disk" $?
	head -c 48M /dev/zero >"$dir/small/filler" 2>/dev/null
	mariadb_sql "$db" -e "UPDATE luckyus_salesorder.t_sales_order_m_202601 SET remark = REPEAT(UUID(), 5);
		UPDATE luckyus_salesorder.t_counter SET value = value + 1;"
	drip run "$dir/shop.yaml" --until caught-up
	status=$?
	[ "$status" -eq 1 ] || [ "$status" -eq 3 ]
	check "a full disk fails the run (status $status)" $?
	in_log 'No space left|disk (is )?full|no space'
	check "and the error says so" $?
	rm -f "$dir/small/filler"
	drip run "$dir/shop.yaml" --until caught-up
	check "goes on when there is space" $?
	for table in "${shop_tables[@]}"; do
		shop_compare "$db" "$table" "$dir/small/warehouse.duckdb" "luckyus_salesorder.$table"
		check "after the full disk: $table equals the source" $?
	done
	umount "$dir/small"
else
	skip "a full disk" "may not mount a tmpfs here"
fi

# ---- an unwritable folder; a plain file in the way, since root may write anywhere
fresh
pipeline
sed -i "s#root: $dir/lake#retry: {attempts: 1, initial: 10ms}, &#" "$dir/shop.yaml"
touch "$dir/lake"
drip run "$dir/shop.yaml" --until caught-up
status=$?
[ "$status" -eq 1 ] || [ "$status" -eq 3 ]
check "a lake folder that cannot be made fails the run (status $status)" $?
in_log "$dir/lake"
check "and the error names it" $?
fresh
sed -i "s#state: $dir/state#state: /proc/dripline#" "$dir/shop.yaml"
drip run "$dir/shop.yaml" --until caught-up
status=$?
[ "$status" -eq 3 ]
check "a state folder that cannot be made is exit code 3 (status $status)" $?
in_log "/proc/dripline"
check "and the error names it" $?

# ---- a corrupt store
fresh
pipeline
drip run "$dir/shop.yaml" --until caught-up
check "snapshot before the store is damaged" $?
cp "$dir/state/dripline.db" "$dir/good.db"
rm -f "$dir/state/dripline.db-wal" "$dir/state/dripline.db-shm"
head -c 65536 /dev/urandom >"$dir/state/dripline.db"
sum="$(sha256sum <"$dir/state/dripline.db")"
drip run "$dir/shop.yaml" --until caught-up
status=$?
[ "$status" -eq 3 ]
check "a store of random bytes is exit code 3 (status $status)" $?
in_log "dripline.db"
check "and the error names the file" $?
[ "$(sha256sum <"$dir/state/dripline.db")" = "$sum" ]
check "and the file is left as it is" $?
cp "$dir/good.db" "$dir/state/dripline.db"
drip run "$dir/shop.yaml" --until caught-up
check "goes on with the store restored" $?

# ---- a store that is lost altogether: the warehouse knows its position, nothing doubles
mariadb_sql "$db" -e "UPDATE luckyus_salesorder.t_counter SET value = value + 1"
drip run "$dir/shop.yaml" --until caught-up
check_copies "after the store was damaged and restored"

# ---- purged binlogs
mariadb_sql "$db" -e "UPDATE luckyus_salesorder.t_counter SET value = value + 1; FLUSH BINARY LOGS;
	FLUSH BINARY LOGS; UPDATE luckyus_salesorder.t_counter SET value = value + 1;
	FLUSH BINARY LOGS"
last="$(mariadb_sql "$db" -e 'SHOW BINARY LOGS' | tail -n 1 | cut -f1)"
# A log that a reader's old connection still holds is not purged: end those, and wait.
purge() {
	local id
	for id in $(mariadb_sql "$db" -e "SELECT id FROM information_schema.processlist
		WHERE command = 'Binlog Dump'"); do
		mariadb_sql "$db" -e "KILL $id"
	done
	mariadb_sql "$db" -e "PURGE BINARY LOGS TO '$last'"
	[ "$(mariadb_sql "$db" -e 'SHOW BINARY LOGS' | wc -l)" -eq 1 ]
}
need wait_until 30 purge
E2E_TIMEOUT=60 drip run "$dir/shop.yaml" --until caught-up
status=$?
[ "$status" -eq 1 ] || [ "$status" -eq 3 ]
check "purged binlogs fail the run (status $status)" $?
in_log 'purged'
check "and the error says that they are purged" $?
"$DRIPLINE" checkpoint reset shop --state "$dir/state" --yes >"$dir/log" 2>&1
check "the checkpoint can be reset" $?

# ---- option files of random bytes, and every kind of cut
good="$dir/good.yaml"
e2e_pipeline >"$good"
bad=0
for seed in $(seq 40); do
	head -c $((seed * 97)) /dev/urandom >"$dir/random.yaml"
	E2E_TIMEOUT=20 drip validate "$dir/random.yaml"
	status=$?
	if [ "$status" -ne 2 ] || ! in_log 'random.yaml(:[0-9]+:[0-9]+)?: error'; then
		bad=$((bad + 1))
		cp "$dir/random.yaml" "$dir/random-$seed.yaml"
		echo "# seed $seed: status $status: $(head -c 300 "$dir/log" | head -n 1)"
	fi
done
check "40 files of random bytes are exit code 2 with a place" "$bad"
bad=0
size="$(wc -c <"$good")"
for cut in $(seq 1 13 "$size"); do
	head -c "$cut" "$good" >"$dir/cut.yaml"
	E2E_TIMEOUT=20 drip validate "$dir/cut.yaml"
	status=$?
	if [ "$status" -ne 2 ] && [ "$status" -ne 0 ]; then
		bad=$((bad + 1))
		echo "# cut at $cut: status $status: $(head -c 300 "$dir/log" | head -n 1)"
	fi
done
check "a file cut anywhere validates or is exit code 2" "$bad"
e2e_end
