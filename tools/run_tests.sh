#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of a build folder and ends with why any failed, and with "N passed, N failed" alone
# on the last line, where N counts test cases; all that they printed is in meson-logs/testlog.txt of
# the folder. usage: tools/run_tests.sh BUILD [meson test option...]
set -u
cd "$(dirname "$0")/.." || exit 1
build="${1:?usage: tools/run_tests.sh BUILD [meson test option...]}"
shift
export DRIPLINE_TEST_CACHE="${DRIPLINE_TEST_CACHE:-$PWD/$build/test-cache}"
log="$build/meson-logs/testlog.json"
rm -f "$log"
meson test -C "$build" --no-rebuild "$@" </dev/null
status=$?
exec tools/count_tests.py "$log" "$status"
