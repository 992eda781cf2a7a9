#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The simulation of the commit protocol over many seeds. A failing seed is printed, and replays with
# DRIPLINE_SIM_SEED. usage: tools/simulate.sh BUILD SCHEDULES
set -u
cd "$(dirname "$0")/.." || exit 1
build="${1:?usage: tools/simulate.sh BUILD SCHEDULES}"
export DRIPLINE_SIM_SCHEDULES="${2:?usage: tools/simulate.sh BUILD SCHEDULES}"
simulation="$build/tests/engine/test_engine_simulation"
if [ ! -x "$simulation" ]; then
	echo "simulate: $simulation was not built" >&2
	exit 1
fi
exec "$simulation"
