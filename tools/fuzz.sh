#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of a clang build (-Dfuzz=true) for some seconds, from its seeds; a target
# `fuzz_NAME` takes those of tests/fuzz/seeds/NAME, or of the folder its name is registered for in
# tests/fuzz/seeds.txt. usage: tools/fuzz.sh BUILD SECONDS
set -u
cd "$(dirname "$0")/.." || exit 1
build="${1:?usage: tools/fuzz.sh BUILD SECONDS}"
seconds="${2:?usage: tools/fuzz.sh BUILD SECONDS}"
work="$(mktemp -d "${TMPDIR:-/tmp}/drip-fuzz.XXXXXX")"
trap 'rm -rf "$work"' EXIT
mapfile -t targets < <(find "$build" -type f -name 'fuzz_*' -perm -u+x | sort)

fuzz() {
	local name seeds=()
	name="$(basename "$1")"
	mkdir -p "$work/$name"
	while read -r target folder; do
		if [ "$target" = "$name" ] && [ -d "$folder" ]; then
			seeds+=("$folder")
		fi
	done <tests/fuzz/seeds.txt
	"$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/crash-$name-" "$work/$name" "${seeds[@]}" >"$work/$name.log" 2>&1
	echo $? >"$work/$name.status"
}

running=0
for target in "${targets[@]}"; do
	fuzz "$target" &
	running=$((running + 1))
	if [ "$running" -ge "$(nproc)" ]; then
		wait -n
		running=$((running - 1))
	fi
done
wait

passed=0
failed=0
for target in "${targets[@]}"; do
	name="$(basename "$target")"
	runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log")"
	if [ "$(cat "$work/$name.status")" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok - $name ($runs runs)"
	else
		failed=$((failed + 1))
		echo "not ok - $name"
		grep -vE '^#[0-9]' "$work/$name.log" | tail -n 40 | sed 's/^/# /'
	fi
done
if [ "${#targets[@]}" -eq 0 ]; then
	echo "not ok - no fuzz target in $build"
	failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
