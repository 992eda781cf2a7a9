#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Generated docs are fresh: the reference and option tables come from the code, the figures of
# docs/benchmarks.md from one run, and links between pages lead somewhere.
# usage: tools/check_docs.sh BUILD
set -u
cd "$(dirname "$0")/.." || exit 1
build="${1:?usage: tools/check_docs.sh BUILD}"
passed=0
failed=0

verdict() {
	if [ "$2" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok - $1"
	else
		failed=$((failed + 1))
		echo "not ok - $1"
	fi
}

DRIPLINE_PLUGIN_PATH="$PWD/$build/plugins" "$build/core/dripline" docs --check
verdict "the reference is what the code says" $?
tools/bench_docs.py --check docs/bench.json docs/benchmarks.md
verdict "docs/benchmarks.md is what docs/bench.json says" $?

broken=0
while IFS=: read -r page link; do
	target="${link%%#*}"
	if [ -n "$target" ] && [ ! -e "$(dirname "$page")/$target" ]; then
		echo "# $page links to $link"
		broken=1
	fi
done < <(git ls-files '*.md' | xargs grep -oHE '\]\([^)]+\)' | grep -vE '\]\((https?:|mailto:)' |
	sed -E 's/\]\(([^) ]+).*/\1/')
verdict "links between pages lead somewhere" "$broken"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
