#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite finds what it looks for: each flawed plugin fails, on the line that names the flaw. Prints TAP.
#   usage: test_conformance.sh CONFORMANCE DIR [no-alloc]
set -u
conformance=$1 dir=$2 alloc=${3:-}
number=0 failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		grep -v '^ok' "$log" | sed 's/^/# /'
		failed=$((failed + 1))
	fi
}

# flaw NAME TEXT: exit status 1 (or worse), and a line with the text that is not ok.
flaw()
{
	"$conformance" "$dir/flawed-$1.so" >"$log" 2>&1
	status=$?
	[ "$status" != 0 ] && grep -E '^(not ok|Bail out!|#)' "$log" | grep -qF -e "$2"
	result $? "flaw: $1"
}

"$conformance" "$dir/flawed-none.so" >"$log" 2>&1
result $? "a plugin without a flaw passes"
flaw export "it exports one function (2)"
flaw texts "it says what it does to schemas"
flaw silent "it opens, or says why not"
flaw class "loses its class without a mask"
flaw swallows "control batches pass"
flaw loses "each is accounted for"
flaw forgets "keeps the committed position"
if [ "$alloc" != no-alloc ]; then
	"$conformance" "$dir/flawed-alloc.so" >"$log" 2>&1
	[ $? -gt 127 ] # it dies where its allocation fails
	result $? "flaw: alloc"
fi
echo "1..$number"
exit $((failed > 0))
