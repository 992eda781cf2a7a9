#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `dripline plugins` and `dripline docs`, on the plugins of the build and on broken ones. Prints TAP.
#   usage: test_commands.sh DRIPLINE SAMPLES_DIR
set -u
dripline=$1 samples=$2
number=0 failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/dripline-commands-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
out=$work/out

# expect NAME STATUS TEXT COMMAND...: the exit status, and a text in what is printed.
expect()
{
	name=$1 status=$2 text=$3
	shift 3
	number=$((number + 1))
	"$@" >"$out" 2>&1
	got=$?
	if [ "$got" = "$status" ] && { [ -z "$text" ] || grep -qF -e "$text" "$out"; }; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		echo "# exit status $got, $status expected; looking for: $text"
		head -n 20 "$out" | sed 's/^/# /'
		failed=$((failed + 1))
	fi
}

mkdir "$work/bad" "$work/good" "$work/tree" "$work/tree/docs" "$work/tree/docs/reference"
chmod 755 "$work/bad" "$work/good"
cp "$samples/sample-abort.so" "$work/bad/drip-crash.so"
cp "$samples/sample-good.so" "$work/good/drip-sample.so"

expect "the list has all kinds" 0 "source      generate" "$dripline" plugins
expect "a component of a kind" 0 "source/generate: " "$dripline" plugins source/generate
expect "options with types and defaults" 0 "rows: integer, default 1000000" "$dripline" plugins generate
expect "JSON of one" 0 '"kind":"source"' "$dripline" plugins generate --format json
expect "JSON of what an option may be" 0 '"values":[{"name":"delete","help":"Turn it into a DELETE' "$dripline" plugins filter --format json
expect "JSON of all" 0 '"refused":[' "$dripline" plugins --format json
expect "a refused plugin is listed with the reason" 0 "died of SIGABRT" "$dripline" plugins --plugin-dir "$work/bad"
expect "a refused plugin asked for" 3 "plugin.crashed" "$dripline" plugins crash --plugin-dir "$work/bad"
expect "a plugin of another folder" 0 "sink        sample" "$dripline" plugins --plugin-dir "$work/good"
expect "a slip of the pen" 2 'Did you mean "generate"?' "$dripline" plugins genrate
expect "an unknown option" 2 "colour" "$dripline" plugins --colour

# A small tree: one plugin with a README, and a list of codes.
mkdir -p "$work/tree/plugins/sink/sample"
printf '# Sink\n\n<!-- options -->\nold\n<!-- /options -->\n\nend\n' >"$work/tree/plugins/sink/sample/README.md"
printf 'a.b\tmeaning\taction\n' >"$work/tree/docs/reference/error_codes.tsv"
docs="$dripline docs $work/tree --plugin-dir $work/good"
expect "check names what is stale" 1 "stale: $work/tree/plugins/sink/sample/README.md" $docs --check
expect "check has written nothing" 1 "old" sh -c "cat '$work/tree/plugins/sink/sample/README.md'; exit 1"
expect "docs writes" 0 "wrote $work/tree/docs/reference/errors.md" $docs
expect "the table stands between the markers" 0 '| `limit` | integer | `5` | Rows. |' cat "$work/tree/plugins/sink/sample/README.md"
expect "the rest of the page stays" 0 "end" tail -n 1 "$work/tree/plugins/sink/sample/README.md"
expect "codes become a table" 0 '| `a.b` | meaning | action |' cat "$work/tree/docs/reference/errors.md"
expect "plugins by kind" 0 '### sink `sample`' cat "$work/tree/docs/reference/plugins.md"
expect "commands" 0 "## dripline plugins" cat "$work/tree/docs/reference/cli.md"
expect "nothing is stale now" 0 "" $docs --check
printf 'only one column\n' >>"$work/tree/docs/reference/error_codes.tsv"
expect "a broken list of codes" 3 "not three columns" $docs
echo "1..$number"
exit $((failed > 0))
