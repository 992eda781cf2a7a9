#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of a build folder and ends with "N passed, N failed" alone on the last line, where
# N counts test cases. usage: tools/run_tests.sh BUILD [meson test option...]
set -u
cd "$(dirname "$0")/.." || exit 1
build="${1:?usage: tools/run_tests.sh BUILD [meson test option...]}"
shift
export DRIPLINE_TEST_CACHE="${DRIPLINE_TEST_CACHE:-$PWD/$build/test-cache}"
log="$build/meson-logs/testlog.json"
rm -f "$log"
meson test -C "$build" --no-rebuild --print-errorlogs "$@" </dev/null
status=$?
exec tools/count_tests.py "$log" "$status"
