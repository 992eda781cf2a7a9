#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The benchmark: builds optimised in BUILD-release, starts a private MariaDB, prints figures and
# writes BUILD/bench.json. usage: tools/bench.sh [BUILD]
set -euo pipefail
cd "$(dirname "$0")/.."
build="${1:-build}"
mkdir -p "$build"
if [ ! -f "$build-release/build.ninja" ]; then
	meson setup "$build-release" --buildtype=release -Ddebug=true >/dev/null
fi
ninja -C "$build-release" --quiet
export DRIPLINE_TEST_CACHE="$PWD/$build/test-cache"
exec tests/lib/mariadb.sh run --innodb-buffer-pool-size=512M --innodb-log-file-size=256M \
	--max-binlog-size=1G --binlog-cache-size=4M -- \
	python3 tests/bench/bench.py "$build-release" "$build/bench.json" </dev/null
