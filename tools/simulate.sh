#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The simulation of the commit protocol over COUNT seeds beyond those that `make test` runs. A seed
# that fails is printed, and replays with a trace: sim_commit --seed N.
# usage: tools/simulate.sh BUILD COUNT
set -u
cd "$(dirname "$0")/.." || exit 1
build="${1:?usage: tools/simulate.sh BUILD COUNT}"
count="${2:?usage: tools/simulate.sh BUILD COUNT}"
first=100001
half=$((first + count / 2))
# Two halves at once; both have to pass.
"$build/tests/engine/sim_commit" --seeds "$first-$((half - 1))" &
other=$!
"$build/tests/engine/sim_commit" --seeds "$half-$((first + count - 1))"
status=$?
wait "$other" && exit "$status"
