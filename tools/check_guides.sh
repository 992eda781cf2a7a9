#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds and tests the code of the guides: every block that names a file ("```c file=a/b.c") is
# written out, each folder is built against the installed SDK, tested, and its example.yaml
# validated and run. The YAML of the configuration guide is not a file and is not run.
# usage: tools/check_guides.sh BUILD
set -u
cd "$(dirname "$0")/.." || exit 1
. tools/installed_sdk.sh
build="$PWD/${1:?usage: tools/check_guides.sh BUILD}"
work="$(mktemp -d "${TMPDIR:-/tmp}/drip-guides.XXXXXX")"
trap 'rm -rf "$work"' EXIT
installed_sdk "$build" "$work/root" || exit 1

mkdir "$work/code"
awk -v out="$work/code" '
	/^```[a-z]+ file=/ { file = $2; sub("file=", "", file); file = out "/" file
		folder = file; sub("/[^/]*$", "", folder); system("mkdir -p \"" folder "\""); next }
	/^```/ { if (file != "") close(file); file = ""; next }
	file != "" { print > file }' docs/guide/*.md

one() {
	cd "$1" && meson setup build --werror && ninja -C build && meson test -C build --print-errorlogs &&
		if [ -f example.yaml ]; then
			export DRIPLINE_PLUGIN_PATH="$PWD/build"
			"$dripline" validate example.yaml && timeout -k 5 60 "$dripline" run example.yaml
		fi
}

passed=0
failed=0
for folder in "$work"/code/*/; do
	name="$(basename "$folder")"
	if (one "$folder") >"$work/log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "ok - the guide's $name"
	else
		failed=$((failed + 1))
		echo "not ok - the guide's $name"
		tail -n 25 "$work/log" | sed 's/^/# /'
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
