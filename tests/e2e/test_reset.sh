#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A warehouse that lost what it had is noticed, and `checkpoint reset` loads it anew; the lake beside
# it, which lost nothing, still equals the source.
. "$(dirname "$0")/lib.sh"

e2e_server
need shop_create "$db" 500
e2e_pipeline >"$dir/p.yaml"
need drip run "$dir/p.yaml" --until caught-up
drip run "$dir/p.yaml" --until caught-up
check "a second run has nothing to do" $?
rm -f "$dir"/warehouse.duckdb*
mariadb_sql "$db" -e "UPDATE luckyus_salesorder.t_counter SET value = value + 1"
need drip run "$dir/p.yaml" --until caught-up
in_log 'the sink is new'
check "a lost warehouse is noticed" $?
drip checkpoint reset shop --yes --state "$dir/state"
check "reset" $?
drip run "$dir/p.yaml" --until caught-up
check "the run after it begins anew" $?
in_log 'the checkpoint was reset'
check "and says so" $?
check_copies "after the reset"
rm -rf "$dir/state"
mariadb_sql "$db" -e "UPDATE luckyus_salesorder.t_counter SET value = value + 1"
drip run "$dir/p.yaml" --until caught-up
[ $? -ne 0 ] && in_log 'mysql.checkpoint_lost'
check "a lost state is noticed" $?
drip checkpoint reset other --yes --state "$dir/state"
[ $? -eq 2 ] && in_log 'store.no_checkpoint'
check "what has not run cannot be reset" $?
drip checkpoint reset shop --yes --state "$dir/state"
check "what has run can, without a checkpoint" $?
need drip run "$dir/p.yaml" --until caught-up
check_copies "after the state was lost"

# a query that is read whole: a state that was lost after one run, and one that was not
"$DUCKSQL" --execute "$dir/from.duckdb" "CREATE TABLE t AS SELECT 1 AS id, 1 AS v"
whole() {
	cat <<-YAML
		connections:
		  from: {plugin: duckdb, path: $dir/from.duckdb}
		  to: {plugin: duckdb, path: $dir/to.duckdb}
		pipeline: whole
		source: {plugin: query, connection: from, table: t, keys: [id]}
		sinks: [{plugin: warehouse, connection: to, mode: $1, schema: test}]
	YAML
}
whole mirror >"$dir/w.yaml"
need drip run "$dir/w.yaml" --state "$dir/whole"
for n in 2 3; do
	"$DUCKSQL" --execute "$dir/from.duckdb" "UPDATE t SET v = $n"
	rm -rf "$dir/whole"
	drip run "$dir/w.yaml" --state "$dir/whole"
	[ $? -eq 0 ] && [ "$("$DUCKSQL" "$dir/to.duckdb" "SELECT v FROM test.t")" = "$n" ]
	check "run $n, with a new state, is not taken for one that the sink has" $?
done
rm -rf "$dir/whole" "$dir"/to.duckdb*
whole append >"$dir/w.yaml"
DRIPLINE_FAILPOINTS=engine.before_checkpoint=kill@1 drip run "$dir/w.yaml" --state "$dir/whole"
[ $? -eq 137 ]
check "killed between the sink's commit and the checkpoint" $?
need drip run "$dir/w.yaml" --state "$dir/whole"
[ "$("$DUCKSQL" "$dir/to.duckdb" "SELECT count(*) FROM test.t")" = 1 ]
check "the run that the sink has is not doubled" $?
e2e_end
