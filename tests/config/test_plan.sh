#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `dripline plan` of one case against what is kept. Arguments: the program, the plugin's folder, the folder of this script.
# DRIPLINE_UPDATE=1 writes it anew.
cd "$3/cases" || exit 1
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
CONFIG_TEST_SECRET=hunter2 "$1" plan --plugin-dir "$2" contract.yaml > "$out/text" 2>> "$out/errors" || echo "exit $?"
CONFIG_TEST_SECRET=hunter2 "$1" plan --plugin-dir "$2" good_everything.yaml >> "$out/text" 2>> "$out/errors" || echo "exit $?"
if [ -n "$DRIPLINE_UPDATE" ]; then
	cp "$out/text" ../plan.expect
fi
echo "1..3"
failed=0
if diff -u ../plan.expect "$out/text" > "$out/diff"; then
	echo "ok 1 - the text is as kept"
else
	sed 's/^/# /' "$out/diff"
	echo "not ok 1 - the text is as kept"
	failed=1
fi
if CONFIG_TEST_SECRET=hunter2 "$1" plan --format json --plugin-dir "$2" good_everything.yaml | python3 -c '
import json, sys
p = json.load(sys.stdin)["pipelines"][0]
assert [s["id"] for s in p["stages"]] == ["shop", "pick", "second", "store"], p["stages"]
assert p["stages"][3]["guarantee"] == "exactly once"
assert [t["stage"] for t in p["tables"]] == ["shop", "pick", "second", "store"]
phone = [c for c in p["tables"][1]["columns"] if c["name"] == "phone"][0]
assert phone["masked"] and phone["class"] == "internal", phone
assert p["tables"][3]["action"] == "create table t"
'; then
	echo "ok 2 - the JSON holds the graph"
else
	echo "not ok 2 - the JSON holds the graph"
	failed=1
fi
"$1" plan --plugin-dir "$2" uncleared.yaml > "$out/none" 2> "$out/errors"
if [ $? -eq 2 ] && [ ! -s "$out/none" ] && grep -q security.uncleared_column "$out/errors"; then
	echo "ok 3 - no plan of what does not validate"
else
	echo "not ok 3 - no plan of what does not validate"
	failed=1
fi
exit $failed
