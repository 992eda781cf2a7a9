#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of a clang build (-Dfuzz=true) for some seconds, each from its seeds alone
# and with the same random numbers every time; another SEED tries others. A target `fuzz_NAME` takes
# the seeds of tests/fuzz/seeds/NAME, or of the folder its name is registered for in
# tests/fuzz/seeds.txt. What a target fails with is printed, with its input, which is kept as
# BUILD/crash-TARGET, too. usage: tools/fuzz.sh BUILD SECONDS [SEED]
set -u
cd "$(dirname "$0")/.." || exit 1
build="${1:?usage: tools/fuzz.sh BUILD SECONDS [SEED]}"
seconds="${2:?usage: tools/fuzz.sh BUILD SECONDS [SEED]}"
seed="${3:-1}"
work="$(mktemp -d "${TMPDIR:-/tmp}/drip-fuzz.XXXXXX")"
trap 'rm -rf "$work"' EXIT
mapfile -t targets < <(find "$build" -type f -name 'fuzz_*' -perm -u+x | sort)
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:print_summary=1
# The same addresses each time, where that is allowed: coverage is told apart by them.
fixed=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
	fixed=(setarch "$(uname -m)" -R)
fi
ARTIFACT_SHOWN=1500 # bytes of an input

fuzz() {
	local name seeds=()
	name="$(basename "$1")"
	mkdir -p "$work/$name"
	rm -f "$build/crash-$name"
	while read -r target folder; do
		if [ "$target" = "$name" ] && [ -d "$folder" ]; then
			seeds+=("$folder")
		fi
	done <tests/fuzz/seeds.txt
	"${fixed[@]}" "$1" -seed="$seed" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
		-print_final_stats=1 -print_funcs=0 -exact_artifact_path="$build/crash-$name" \
		"$work/$name" "${seeds[@]}" >"$work/$name.log" 2>&1
	echo $? >"$work/$name.status"
}

# Why a target failed: its reports with the start of their stacks, and the input.
show() {
	local name="$1" crash="$build/crash-$1" size
	tools/causes.py "$work/$name.log" 20 | sed 's/^/    /'
	if [ -s "$crash" ]; then
		size="$(stat -c %s "$crash")"
		echo "    input of $size bytes, in base64, to be run by $name FILE:"
		head -c "$ARTIFACT_SHOWN" "$crash" | base64 -w 100 | sed 's/^/    /'
		if [ "$size" -gt "$ARTIFACT_SHOWN" ]; then
			echo "    ... the rest is in $crash"
		fi
	fi
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
broken=()
for target in "${targets[@]}"; do
	name="$(basename "$target")"
	runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log")"
	if [ "$(cat "$work/$name.status")" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok - $name ($runs runs)"
	else
		broken+=("$name")
	fi
done
failed="${#broken[@]}"
if [ "$failed" -ne 0 ]; then
	echo "failures:"
fi
for name in "${broken[@]}"; do
	echo "$name: status $(cat "$work/$name.status")"
	show "$name"
done
if [ "${#targets[@]}" -eq 0 ]; then
	printf 'failures:\nno fuzz target in %s\n' "$build"
	failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
