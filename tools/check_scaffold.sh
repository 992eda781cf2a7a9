#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `dripline new` for every kind, out of tree, against an installed SDK: the folder builds, its test
# and the conformance suite pass, and its example runs. usage: tools/check_scaffold.sh BUILD
set -u
cd "$(dirname "$0")/.." || exit 1
. tools/installed_sdk.sh
build="$PWD/${1:?usage: tools/check_scaffold.sh BUILD}"
work="$(mktemp -d "${TMPDIR:-/tmp}/drip-scaffold.XXXXXX")"
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

installed_sdk "$build" "$work/root" || exit 1

scaffold() {
	cd "$work" || return 1
	"$dripline" new "$1" "my_$1" && cd "my_$1" && meson setup build && ninja -C build &&
		meson test -C build --print-errorlogs || return 1
	DRIPLINE_PLUGIN_PATH="$PWD/build" "$dripline" validate example.yaml &&
		DRIPLINE_PLUGIN_PATH="$PWD/build" timeout -k 5 60 "$dripline" run example.yaml --until caught-up
}

for kind in source feed transform sink model connection service; do
	if (scaffold "$kind") >"$work/log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "ok - dripline new $kind"
	else
		failed=$((failed + 1))
		echo "not ok - dripline new $kind"
		tail -n 20 "$work/log" | sed 's/^/# /'
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
