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
e2e_end
