#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`, small: it ends well with its summary, runs on with KEEP=1 and live orders, tells what differs, ends in
# order, and leaves no process. ROOT is the source tree, BUILD the build folder below it or an absolute path.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${ROOT:?}" "${BUILD:?}"
export DRIPLINE_DEMO_DIR="$dir/demo" DRIPLINE_DEMO_ORDERS=500 DRIPLINE_DEMO_TRANSACTIONS=50 DRIPLINE_DEMO_LIVE=20 \
	SCALE=0.01 TMPDIR="$dir"
unset DRIPLINE_PLUGIN_PATH
work="$DRIPLINE_DEMO_DIR/company"

# says FILE TEXT: waits for it, while the demo runs
says() {
	until grep -q "$2" "$1" 2>/dev/null; do
		kill -0 "$demo" 2>/dev/null || return 1
		read -r -t 0.1 <> <(:) || :
	done
}

# Processes of this demo: all know its folder from their arguments or environment.
left() {
	local one
	for one in /proc/[0-9]*; do
		[ "${one#/proc/}" = $$ ] || [ "${one#/proc/}" = "$BASHPID" ] || { tr '\0' '\n' <"$one/cmdline" | grep -q "$dir/" &&
			tr '\0' ' ' <"$one/cmdline"; }
	done 2>/dev/null
}

KEEP=1 setsid env --default-signal=INT "$ROOT/tools/demo.sh" "$BUILD" </dev/null >"$dir/log" 2>&1 &
demo=$!
pids+=("$demo")
says "$dir/log" 'Ctrl-C ends it'
check "the demo runs through to its end, and on" $?
grep -q 'All of it is as it must be' "$dir/log"
check "and all of it is as it must be" $?
! grep 'DIFFERENT\|BAD\|STALE\|FAILED\|BROKEN' "$dir/log" | sed 's/^/# /' | grep .
check "no line says otherwise" $?
grep -q '^  fact_orders .*equal$' "$dir/log" && grep -q 'in NZD: .*: excluded$' "$dir/log" &&
	grep -q 'baseline logistic' "$dir/log" && grep -q 'http://127.0.0.1' "$dir/log"
check "the summary has facts, test orders, models and addresses" $?

daemon="$(pgrep -f -- "dripline daemon" | while read -r pid; do
	tr '\0' '\n' <"/proc/$pid/environ" | grep -q "^DRIPLINE_STATE=$work/state" && echo "$pid"
done 2>/dev/null | tail -n 1)"
orders() {
	"$DRIPLINE" status salesorder_feed --state "$work/state" --format json |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["pipelines"][0]["rows_in"])'
}
before="$(orders)"
until [ "$(orders)" -gt "$before" ]; do
	kill -0 "$demo" 2>/dev/null || break
done
check "orders keep flowing" $?

# One cent at the source that the warehouse does not have.
sed -i 's/^\(fact_payments\t[0-9]*\t[0-9]*\)\.[0-9]*/\1.999/' "$work/source.tsv"
env -i PATH="$PATH" $(tr '\0' '\n' <"/proc/$daemon/environ" | grep '^COMPANY_.*=\|^DRIPLINE.*=') \
	"$ROOT/tools/demo_company.py" summary "$work" >"$dir/again" 2>&1
status=$?
[ "$status" -eq 1 ] && [ "$(grep -c DIFFERENT "$dir/again")" -eq 1 ]
check "a summary in which something differs says so, and fails" $?

kill -INT "$demo"
wait "$demo"
check "Ctrl-C ends it well" $?
[ -z "$(left)" ]
check "no process is left" $?
left | sed 's/^/# /'
[ ! -e "$work/analyst.key" ] && [ -z "$(find "$dir" -maxdepth 1 -name 'drip-demo.*')" ]
check "nor a key, nor the server's folder" $?
e2e_end
