#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The company in a box, from its source databases to the people who use the platform: capture, star schema, models,
# then a daemon with API and console under live orders, and a summary that a person can check. It ends by itself and
# leaves no process behind, and exits 1 where warehouse and source differ. COMPANY_SCALE=0.05 is the size (1 is the
# row counts of the blueprint); KEEP=1 leaves it running until Ctrl-C. usage: tools/company.sh [BUILD]
set -euo pipefail
cd "$(dirname "$0")/.."
build="${1:-build}"
dripline="$PWD/$build/core/dripline"
company="$PWD/$build/tests/company/company"
ducksql="$PWD/$build/tests/lib/ducksql"
scale="${COMPANY_SCALE:-0.05}"
work="$PWD/$build/company"
export DRIPLINE_TEST_CACHE="$PWD/$build/test-cache" DRIPLINE_STATE="$work/state"
. tests/lib/mariadb.sh

for program in "$dripline" "$company" "$ducksql"; do
	if [ ! -x "$program" ]; then
		echo "company: $program was not built: make, with libduckdb, libmariadb and libgsl here" >&2
		exit 3
	fi
done

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

server="$(mktemp -d "${TMPDIR:-/tmp}/drip-company.XXXXXX")"
daemon=
cleanup() {
	if [ -n "$daemon" ]; then
		kill -KILL "$daemon" 2>/dev/null || :
	fi
	mariadb_stop "$server" KILL
	rm -rf "$server"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# run NAME...: each pipeline once, until it has caught up.
run() {
	local name
	for name; do
		if ! "$dripline" run "pipelines/$name.yaml" --no-progress --log-level warning --until caught-up \
			>"$work/log" 2>&1; then
			echo "company: pipelines/$name.yaml failed" >&2
			cat "$work/log" >&2
			exit 1
		fi
		sed -n 's/^pipeline /  /p' "$work/log"
	done
}

warehouse() { "$ducksql" "$COMPANY_WAREHOUSE" "$1"; }

# source_sums DATABASE TABLE EXPRESSIONS CONDITION: over all shards.
source_sums() {
	local shards
	shards="$(mariadb_sql "$server" --skip-column-names -e "SET SESSION group_concat_max_len = 65536;
		SELECT GROUP_CONCAT('SELECT * FROM $1.', table_name SEPARATOR ' UNION ALL ') FROM information_schema.tables
		WHERE table_schema = '$1' AND table_name REGEXP '^$2_m_[0-9]{6}\$'")"
	mariadb_sql "$server" --skip-column-names -e "SELECT $3 FROM ($shards) t WHERE $4"
}

differ=0
# same NAME SOURCE WAREHOUSE
same() {
	local verdict=equal
	if [ "$2" != "$3" ]; then
		verdict="DIFFERENT: source $2"
		differ=1
	fi
	printf '  %-44s %-36s %s\n' "$1" "$(echo "$3" | tr '\t' ' ')" "$verdict"
}

compare() {
	same "fact_orders: rows, gross, net" \
		"$(source_sums luckyus_salesorder t_sales_order 'COUNT(*), SUM(gross_amount), SUM(net_amount)' "currency_code <> 'NZD'")" \
		"$(warehouse "SELECT count(*), sum(gross_amount), sum(net_amount) FROM dw.fact_orders")"
	same "fact_payments: rows, amount" \
		"$(source_sums luckyus_salespayment t_sales_trade 'COUNT(*), SUM(trade_amount)' "currency_code <> 'NZD'")" \
		"$(warehouse "SELECT count(*), sum(payment_amount) FROM dw.fact_payments")"
	same "test orders in NZD among the facts" 0 "$(warehouse "SELECT count(*) FROM dw.fact_orders f
		JOIN ods.t_sales_order o USING (order_id) WHERE o.currency_code = 'NZD'")"
	same "gaps or overlaps of customers' versions" 0 "$(warehouse "SELECT count(*) FROM (SELECT valid_to, lead(valid_from)
		OVER (PARTITION BY user_no ORDER BY valid_from) AS next FROM dw.dim_customer) WHERE next < valid_to")"
}

# call KEY METHOD PATH [BODY]: the API's answer.
call() {
	curl --silent --show-error --max-time 60 -X "$2" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \
		${4:+--data "$4"} "http://127.0.0.1:$api_port$3"
	echo
}

# port SERVICE: where it listens, once it does.
port() {
	local found=
	until [ -n "$found" ]; do
		kill -0 "$daemon" || { cat "$work/daemon.log" >&2; exit 1; }
		found="$(sed -n "s/.*listening at 127.0.0.1:0, port \([0-9]*\).*stage=$1.*/\1/p" "$work/daemon.log" | tail -n 1)"
	done
	echo "$found"
}

# wait_for STATE PIPELINE...: as `status` says it.
wait_for() {
	local state="$1" name
	shift
	for name; do
		until "$dripline" status "$name" --format json >"$work/status" &&
			python3 -c "import json, sys; p = json.load(open('$work/status'))['pipelines'][0]
sys.exit(0 if $state else 4 if p['state'] == 'failed' else 1)"; do
			if [ $? -eq 4 ] || [ ! -s "$work/status" ]; then
				echo "company: pipeline $name has failed" >&2
				grep -E 'level=(warning|error)' "$work/daemon.log" | tail -n 5 >&2
				exit 1
			fi
		done
	done
}

step "The company's databases, at scale $scale of the blueprint's row counts"
rm -rf "$work"
mkdir -p "$work/truth"
mariadb_create "$server" --default-time-zone=+00:00
mariadb_start "$server"
"$company" load --socket "$server/s" --schema tests/company/schema.sql --scale "$scale" --truth "$work/truth"
export COMPANY_MYSQL_HOST=127.0.0.1 COMPANY_MYSQL_PORT="$(cat "$server/port")" COMPANY_MYSQL_USER="$mariadb_user" \
	COMPANY_MYSQL_PASSWORD="$mariadb_password" COMPANY_WAREHOUSE="$work/warehouse.duckdb" \
	COMPANY_LAKE="$work/lake" COMPANY_HASH_KEY="$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"

feeds="salesorder salespayment salescrm opshop opproduction pubdm"
step "dripline validate: feeds, jobs and models"
"$dripline" validate pipelines/feeds pipelines/jobs pipelines/models pipelines/warehouse/policy.yaml

step "Capture: snapshots into the warehouse's ods schema"
# shellcheck disable=SC2046,SC2086
run $(printf 'feeds/%s ' $feeds)

step "Jobs: the star schema"
run jobs/calendar_etl jobs/orders_etl jobs/payments_etl jobs/production_etl jobs/customer_etl jobs/reference_etl

step "Models: trained, measured on the newest part against their baselines, scored"
run models/fraud_scores models/fraud models/churn_features models/churn models/churn_scores jobs/churn_etl
for model in fraud churn; do
	"$dripline" model show "$model@1"
done

step "Warehouse and source, to the cent"
compare

step "The daemon: feeds, schedules, API and console, while the shops take orders"
mkdir "$work/conf"
{
	echo "include:"
	printf '  - %s\n' "$PWD"/pipelines/{feeds,jobs,models}/*.yaml "$PWD/pipelines/warehouse/policy.yaml"
	cat <<-YAML
		services:
		  admin: {plugin: admin, listen: "127.0.0.1:0"}
		  api: {plugin: api, listen: "127.0.0.1:0", warehouse: dwh}
		  console: {plugin: console, listen: "127.0.0.1:0"}
	YAML
} >"$work/conf/company.yaml"
analyst="$("$dripline" key create --role analyst --name ana 2>"$work/log")"
engineer="$("$dripline" key create --role data_engineer --name eli 2>"$work/log")"
setpriv --pdeathsig KILL "$dripline" daemon "$work/conf" >"$work/daemon.log" 2>&1 &
daemon=$!
api_port="$(port api)"
console_port="$(port console)"
"$company" live --socket "$server/s" --rate 50 --orders "${COMPANY_ORDERS:-200}" --truth "$work/truth"
# shellcheck disable=SC2046,SC2086
wait_for "p['caught_up'] and p['lag_seconds'] == 0" $(printf '%s_feed ' $feeds)
step "Fraud: the live payments, scored as they arrived"
waiting='{"sql": "SELECT count(*) FROM ods.t_sales_trade t WHERE NOT is_nzd_test AND NOT EXISTS (SELECT 1 FROM ml.fraud_scores s WHERE s.change >= t._sequence AND s.trade_no = t.trade_no)"}'
until call "$engineer" POST /query "$waiting" | grep -q '"rows":\[\[0\]\]'; do
	kill -0 "$daemon"
done
call "$engineer" POST /query '{"sql": "SELECT trade_no, amount, guest, device_payments_1h, round(fraud_score, 3) AS score FROM ml.fraud_scores WHERE fraud_score IS NOT NULL ORDER BY fraud_score DESC LIMIT 5"}'
for job in orders_etl payments_etl production_etl customer_etl; do
	"$dripline" trigger "$job"
	wait_for "p['state'] == 'waiting' and p['commits'] > 0" "$job"
done
"$dripline" status

step "The API: one question, by what the role may see"
question='{"sql": "SELECT user_no, phone_hash, segment FROM dw.dim_customer WHERE is_current AND phone_hash IS NOT NULL ORDER BY user_no LIMIT 2"}'
printf 'analyst:       '
call "$analyst" POST /query "$question"
printf 'data engineer: '
call "$engineer" POST /query "$question"
printf 'refused:       '
call "$analyst" POST /query "{\"sql\": \"SELECT * FROM read_csv('/etc/passwd')\"}"
printf 'fraud score:   '
call "$engineer" POST /ml/fraud '{"amount": 480.0, "amount_ratio": 60, "local_hour": 4, "failed": 0, "refund": 0, "device_payments_1h": 9}'
user="$(call "$engineer" POST /query '{"sql": "SELECT user_no FROM dw.dim_customer WHERE is_current AND churn_risk_score IS NOT NULL LIMIT 1"}' |
	python3 -c 'import json, sys; rows = json.load(sys.stdin).get("rows") or [["U0"]]; print(rows[0][0])')"
printf 'churn of %s: ' "$user"
call "$analyst" GET "/ml/churn/$user"
"$dripline" audit verify

step "The console: http://127.0.0.1:$console_port/"
if [ "${KEEP:-0}" = 1 ]; then
	echo "Ctrl-C ends it; the API is at http://127.0.0.1:$api_port/openapi.json"
	"$company" live --socket "$server/s" --rate 2 &
	trap 'echo' INT
	wait "$daemon" || :
	trap 'exit 130' INT
else
	curl --silent --show-error --fail --compressed --output /dev/null "http://127.0.0.1:$console_port/"
	kill -TERM "$daemon"
	wait "$daemon"
	step "After the live orders: warehouse and source, to the cent"
	compare
fi
daemon=
if [ "$differ" -ne 0 ]; then
	echo "company: warehouse and source differ" >&2
	exit 1
fi
step "All of it is equal"
