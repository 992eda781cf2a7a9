#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Validates and runs the example.yaml of every plugin that was built; those that say
# `x-needs: mariadb` get a server of their own. usage: tools/run_examples.sh BUILD
set -u
cd "$(dirname "$0")/.." || exit 1
build="$PWD/${1:?usage: tools/run_examples.sh BUILD}"
dripline="$build/core/dripline"
export DRIPLINE_PLUGIN_PATH="$build/plugins"
passed=0
failed=0

# One example in a folder of its own, so that relative paths stay in it.
run_example() {
	local example="$1" needs=()
	if grep -q '^x-needs: *mariadb' "$example"; then
		needs=(tests/lib/mariadb.sh run --)
	fi
	"${needs[@]}" bash -c '
		set -e
		cd "$2"
		"$1" validate example.yaml
		timeout -k 5 "${EXAMPLE_TIMEOUT:-60}" "$1" run example.yaml --until caught-up
	' bash "$dripline" "$2" </dev/null
}

for example in plugins/*/*/example.yaml; do
	folder="$(dirname "$example")"
	name="$(basename "$folder")"
	kind="$(basename "$(dirname "$folder")")"
	if [ ! -f "$build/plugins/drip-$name.so" ] && [ ! -f "$build/plugins/drip-$name-$kind.so" ]; then
		echo "# $folder is not part of this build"
		continue
	fi
	work="$(mktemp -d "${TMPDIR:-/tmp}/drip-example.XXXXXX")"
	cp -r "$folder"/. "$work"
	if run_example "$example" "$work" >"$work/log" 2>&1; then
		passed=$((passed + 1))
		echo "ok - $example"
	else
		failed=$((failed + 1))
		echo "not ok - $example"
		tail -n 20 "$work/log" | sed 's/^/# /'
	fi
	rm -rf "$work"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
