#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The company's models on a live MariaDB: trained, better than their baselines by what really happened, in Production;
# then payments are written, and each has one score, also over kill -9: the one that POST /ml/fraud and a batch give
# for it. A version that is promoted takes over. Training and scoring again change nothing.
# COMPANY, DRIPLINE and DUCKSQL are programs.
. "$(dirname "$0")/../e2e/lib.sh"
: "${COMPANY:?is the generator}" "${DUCKSQL:?}"
here="$(cd "$(dirname "$0")" && pwd)"
pipelines="$here/../../pipelines"
e2e_server --default-time-zone=+00:00
"$COMPANY" load --socket "$db/s" --schema "$here/schema.sql" --scale 0.05 --seed 7 --truth "$dir" >"$dir/log" 2>&1
check "the company is there" $? || e2e_end
export COMPANY_MYSQL_HOST=127.0.0.1 COMPANY_MYSQL_PORT="$E2E_PORT" COMPANY_MYSQL_USER="$E2E_USER" \
	COMPANY_MYSQL_PASSWORD="$E2E_PASSWORD" COMPANY_WAREHOUSE="$dir/w.duckdb" COMPANY_LAKE="$dir/lake" \
	COMPANY_HASH_KEY=0123456789abcdef0123456789abcdef
state=(--state "$dir/state")

# run FILE...: each once, until it has caught up
run() {
	local file
	for file; do
		drip run "$file" "${state[@]}" --no-progress --log-level warning --until caught-up || return 1
	done
}

# ours NAME...: the same of the company's
ours() {
	local name
	for name; do
		run "$pipelines/$name.yaml" || return 1
	done
}

w() { "$DUCKSQL" "$COMPANY_WAREHOUSE" "$1" | tr '\t' ' '; }

# is NAME EXPECTED ACTUAL
is() {
	[ "$2" = "$3" ]
	check "$1 (is $3)" $? || echo "# expected: $2"
}

# measures MODEL CONDITION: holds of `m`, the model's figures on the hold-out, and `b`, those of its baselines by name
measures() {
	"$DRIPLINE" model show "$1" --format json "${state[@]}" | python3 -c "
import json, sys
v = [v for v in json.load(sys.stdin)['versions'] if v['stage'] == 'Production'][0]
m, b = v['metrics']['hold_out'], {b['name']: b['hold_out'] for b in v['metrics']['baselines']}
for name, h in [('$1', m)] + list(b.items()):
    print('#', name, {k: h[k] for k in ('rows', 'positives', 'auc', 'pr_auc', 'precision_at_k', 'ece')})
sys.exit(not ($2))"
}

# auc SCORE TRUE FROM: area under the curve, from the sum of ranks
auc() {
	w "SELECT round((sum(r) FILTER (y) - p * (p + 1) / 2) / (p * (count(*) - p)), 4) FROM (SELECT y, count(*) FILTER (y) OVER () AS p,
		rank() OVER (ORDER BY s) + (count(*) OVER (PARTITION BY s) - 1) / 2 AS r
		FROM (SELECT coalesce(CAST($1 AS DOUBLE), 0) AS s, ($2) AS y FROM $3)) GROUP BY p"
}

above() { python3 -c "import sys; sys.exit(not $1 > $2)"; }

# ---- trained, and better than the baselines ----
ours feeds/salesorder feeds/salespayment feeds/salescrm feeds/opshop feeds/pubdm jobs/calendar_etl jobs/orders_etl jobs/payments_etl jobs/customer_etl
check "the star schema is there" $?
ours models/fraud_scores && in_log 'has no version in Production: rows pass with nulls'
check "payments pass before there is a version, and a warning says so" $?
is "each payment has a row, with features and no score" "0 0" "$(w "SELECT count(*) FILTER (s.amount IS NULL), count(s.fraud_score)
	FROM ods.t_sales_trade t LEFT JOIN ml.fraud_scores s USING (trade_no) WHERE NOT is_nzd_test")"
# naive KEY SPAN COMPARISON WHAT: of the payments of one KEY that were tried within SPAN before
naive() {
	echo "(SELECT $4 FROM trades h WHERE h.$1 = t.$1 AND h.tried_at > t.tried_at - INTERVAL $2 AND (h.tried_at < t.tried_at
		OR h.tried_at = t.tried_at AND h.trade_no $3 t.trade_no))"
}
is "features are what a plain look at the payments before gives" 0 "$(w "WITH trades AS MATERIALIZED (
		SELECT *, coalesce(create_time, modify_time) AS tried_at FROM ods.t_sales_trade WHERE is_nzd_test IS NOT TRUE)
	SELECT count(*) FROM ml.fraud_scores s JOIN trades t USING (trade_no)
	WHERE s.amount_ratio IS DISTINCT FROM CAST(t.trade_amount AS DOUBLE) / nullif($(naive user_no '90 DAY' '<' 'avg(h.trade_amount)'), 0)
	OR t.user_no IS NOT NULL AND s.payer_failed_24h IS DISTINCT FROM $(naive user_no '24 HOUR' '<' 'count(*) FILTER (h.trade_status = 30)')
	OR t.user_no IS NOT NULL AND s.payer_refunds_30d IS DISTINCT FROM $(naive user_no '30 DAY' '<' 'count(*) FILTER (h.trade_type = 2)')
	OR t.device_id IS NOT NULL AND s.device_cards_24h IS DISTINCT FROM $(naive device_id '24 HOUR' '<=' 'count(DISTINCT h.card_token)')
	OR t.device_id IS NOT NULL AND s.device_is_new IS DISTINCT FROM $(naive device_id '90 DAY' '<=' 'CAST(count(*) = 1 AS INTEGER)')
	OR s.device_payments_1h IS DISTINCT FROM nullif($(naive device_id '1 HOUR' '<=' 'count(*)'), 0)
	OR s.network_payments_1h IS DISTINCT FROM nullif($(naive client_ip '1 HOUR' '<=' 'count(*)'), 0)")"
ours models/fraud models/churn_features models/churn models/churn_scores jobs/churn_etl
check "both models are trained, customers are scored" $?
measures fraud "m['positives'] >= 10 and all(m[f] > max(b['amount_zscore'][f], b['device_payments'][f]) for f in ('auc', 'pr_auc', 'precision_at_k')) and m['auc'] > 0.95"
check "fraud is better than its baselines by the chargebacks of the hold-out" $?
measures fraud "v['parameters']['score'] == 'probability' and m['ece'] < 0.02 and v['metrics']['uncalibrated']['ece'] > 0.2 and abs(m['auc'] - v['metrics']['uncalibrated']['auc']) < 1e-6"
check "and its score is a probability, in the same order" $?
measures churn "m['positives'] >= 100 and m['auc'] > b['recency']['auc'] + 0.01 and m['precision_at_k'] > b['recency']['precision_at_k'] and m['ece'] < 0.1"
check "churn is better than its baselines on the hold-out, and calibrated" $?

# what really happened: the generator's truth
cat >"$dir/batch.yaml" <<-YAML
	include: [$pipelines/connections/dwh.yaml, $pipelines/models/models.yaml]
	pipeline: fraud_batch
	source: {plugin: query, connection: dwh, name: fraud_batch, keys: [trade_no],
	  sql: "SELECT * EXCLUDE (fraud_score, fraud_anomaly, fraud_version) FROM ml.fraud_scores"}
	transforms: [{plugin: score, model: fraud}]
	sinks: [{plugin: warehouse, connection: dwh, schema: test}]
YAML
run "$dir/batch.yaml"
check "all payments are scored in a batch" $?
young="test.fraud_batch WHERE tried_at > (SELECT max(tried_at) FROM test.fraud_batch) - INTERVAL 90 DAY"
true="trade_no IN (SELECT trade_no FROM read_csv('$dir/fraud.csv') WHERE kind <> 'refund_abuse')"
model="$(auc fraud_score "$true" "$young")"
amount="$(auc "amount" "$true" "$young")"
above "$model" 0.95 && above "$model" "$amount"
check "fraud finds the true frauds of the last 90 days: auc $model, the amount $amount" $?
# the true chance to stay away for four weeks: from the rate of the habit, until it ends
ranks="$(w "SELECT corr(a, t), corr(b, t) FROM (SELECT rank() OVER (ORDER BY churn_score) AS a, rank() OVER (ORDER BY recency_days) AS b, rank() OVER (ORDER BY
	exp(-c.orders_a_week * least(28, greatest(0, coalesce(date_diff('day', CAST(s.as_of AS DATE), c.drops_on), 28))) / 7)) AS t
	FROM ml.churn_scores s JOIN ml.churn_features f USING (user_no, as_of) JOIN read_csv('$dir/customers.csv') c USING (user_no))")"
above ${ranks% *} "${ranks#* } + 0.1"
check "churn ranks customers as their hidden habits do: $ranks by recency" $?
is "the scores are in the dimension" "0" "$(w "SELECT count(*) FROM ml.churn_scores s LEFT JOIN dw.dim_customer c ON c.user_no = s.user_no AND c.is_current
	WHERE c.churn_risk_score IS DISTINCT FROM s.churn_risk_score")"

# ---- payments come ----
mkdir "$dir/conf"
cat >"$dir/conf/company.yaml" <<-YAML
	include: [$pipelines/feeds/salespayment.yaml, $pipelines/jobs/churn_etl.yaml, $pipelines/models, $pipelines/warehouse/policy.yaml]
	services:
	  admin: {plugin: admin, listen: "127.0.0.1:0"}
	  api: {plugin: api, listen: "127.0.0.1:0", warehouse: dwh}
YAML
key="$("$DRIPLINE" key create --role data_engineer --name eli "${state[@]}" 2>"$dir/log")"
start() {
	: >"$dir/log" # the last one's port is not waited for
	drip_start daemon "$dir/conf" "${state[@]}" --log-level info
	wait_until 60 in_log 'listening at 127.0.0.1:0, port [0-9]+.*stage=api'
	port="$(sed -n 's/.*listening at 127.0.0.1:0, port \([0-9]*\).*stage=api.*/\1/p' "$dir/log")"
}

# ask SQL: the rows of the answer, as JSON
ask() {
	python3 - "$port" "$key" "$1" <<-'PY'
		import json, sys, urllib.request
		port, key, sql = sys.argv[1:]
		r = urllib.request.Request(f"http://127.0.0.1:{port}/query", json.dumps({"sql": sql, "limit": 1000}).encode(),
		    {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
		print(json.dumps(json.load(urllib.request.urlopen(r, timeout=60))["rows"]))
	PY
}

all_scored() {
	[ "$(ask "SELECT count(*) FROM ods.t_sales_trade t WHERE NOT is_nzd_test AND NOT EXISTS (SELECT 1 FROM ml.fraud_scores s
		WHERE s.trade_no = t.trade_no AND s.change >= t._sequence)")" = '[[0]]' ]
}

# live ORDERS: all of their payments have come to ods, and are scored
live() {
	local trades
	"$COMPANY" live --socket "$db/s" --rate 100 --orders "$1" >"$dir/live.log" 2>&1 || return 1
	trades="$(mariadb_sql "$db" -e "SET SESSION group_concat_max_len = 65536; SELECT GROUP_CONCAT('SELECT trade_id FROM luckyus_salespayment.', table_name
		SEPARATOR ' UNION ALL ') INTO @q FROM information_schema.tables WHERE table_name LIKE 't\\_sales\\_trade\\_m\\_%';
		SET @q = CONCAT('SELECT COUNT(*) FROM (', @q, ') t'); EXECUTE IMMEDIATE @q")"
	wait_until 120 eval '[ "$(ask "SELECT count(*) FROM ods.t_sales_trade")" = "[['"$trades"']]" ]' &&
		wait_until 120 all_scored
}

start
history="$(ask "SELECT max(change) FROM ml.fraud_scores" | tr -dc 0-9)"
"$COMPANY" live --socket "$db/s" --rate 20 >"$dir/live.log" 2>&1 &
writer=$!
pids+=("$writer")
for _ in 1 2 3; do
	wait_until 60 eval '[ "$(ask "SELECT count(*) > ${seen:-0} FROM ml.fraud_scores WHERE fraud_score IS NOT NULL")" = "[[true]]" ]'
	check "payments are scored as they are written" $?
	seen="$(ask "SELECT count(*) FROM ml.fraud_scores WHERE fraud_score IS NOT NULL" | tr -dc 0-9)"
	kill -KILL "$drip_pid"
	wait "$drip_pid" 2>/dev/null
	start
done
kill -TERM "$writer"
wait "$writer"
live 20
check "after three times kill -9 all payments are scored" $?

python3 - "$port" "$key" "$history" <<'PY'
import json, sys, urllib.request
port, key, history = sys.argv[1:]
def call(path, body=None):
    r = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body and json.dumps(body).encode(),
        {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(r, timeout=60))
a = call("/query", {"sql": f"SELECT * FROM ml.fraud_scores WHERE change > {history} ORDER BY change", "limit": 200})
names = [c["name"] for c in a["columns"]]
features = [n for n in names if n not in ("trade_no", "change", "tried_at", "fraud_score", "fraud_anomaly", "fraud_version")]
wrong = 0
for row in (dict(zip(names, r)) for r in a["rows"]):
    b = call("/ml/fraud", {f: row[f] for f in features})
    if row["fraud_score"] is None or abs(b["risk_score"] - row["fraud_score"]) > 1e-8 or b["is_fraud"] != row["fraud_anomaly"] or b["version"] != row["fraud_version"] or b["score_kind"] != "probability":
        wrong += 1
        print("#", row, b)
last = dict(zip(names, a["rows"][-1]))
stored = call("/ml/fraud/" + last["trade_no"])
wrong += stored["risk_score"] != last["fraud_score"] or stored["version"] != last["fraud_version"]
print("#", len(a["rows"]), "payments,", wrong, "differ")
sys.exit(wrong > 0 or len(a["rows"]) < 50)
PY
check "POST /ml/fraud gives the scores of the stream" $?

# ---- trained again by its trigger: the new version takes over ----
runs() { "$DRIPLINE" status "$1" --format json "${state[@]}" | grep -Eq "\"state\":\"waiting\".*\"commits\":$2[,}]"; }
# again NAME COUNT: triggered, and done for the COUNT-th time since the daemon began
again() {
	"$DRIPLINE" trigger "$1" "${state[@]}" >"$dir/triggered" 2>&1 && wait_until 60 runs "$1" "$2"
}
again fraud_train 1 && wait_until 30 eval '"$DRIPLINE" model list --format json "${state[@]}" | grep -q "\"production\":2"'
check "fraud is trained by its trigger, and promoted" $?
artifacts() { "$DRIPLINE" model show "$1" --format json "${state[@]}" | grep -o '"sha256":"[0-9a-f]*"' | sort -u | wc -l; }
is "the same payments give the same model" 1 "$(artifacts fraud)"
live 20
[ "$(ask "SELECT count(*) > 0 FROM ml.fraud_scores WHERE fraud_version = 2")" = '[[true]]' ]
check "the new version scores what comes, without a restart" $?
churn="SELECT count(*), sum(hash(user_no, churn_risk_score)) FROM dw.dim_customer WHERE churn_risk_score IS NOT NULL"
before="$(ask "$churn")"
for n in 1 2; do
	again churn_features "$n" && again churn_scores "$n" && again churn_etl "$n"
	check "customers are scored by triggers, time $n" $?
	is "and their scores are the same" "$before" "$(ask "$churn")"
done
again churn_train 1 && "$DRIPLINE" model list --format json "${state[@]}" | grep -q '"name":"churn".*"versions":2'
check "churn is trained by its trigger" $?
is "the same customers give the same model" 1 "$(artifacts churn)"
kill -TERM "$drip_pid"
wait "$drip_pid"
check "the daemon ends" $?

# ---- one definition of the features ----
is "one row a payment" "0 0" "$(w "SELECT count(*) - count(DISTINCT trade_no),
	(SELECT count(*) FROM ods.t_sales_trade WHERE NOT is_nzd_test) - count(*) FROM ml.fraud_scores")"
is "all that came are scored" 0 "$(w "SELECT count(*) FROM ml.fraud_scores WHERE change > $history AND fraud_score IS NULL")"
run "$dir/batch.yaml"
is "a batch gives the scores of the stream" "0" "$(w "SELECT count(*) FROM ml.fraud_scores s JOIN test.fraud_batch b USING (trade_no)
	WHERE s.fraud_version = b.fraud_version AND s.fraud_score <> b.fraud_score")"
sed -e "s,\.\./,$pipelines/,; s,- models.yaml,- $pipelines/models/models.yaml," -e 's/^pipeline: .*/pipeline: again/' \
	-e '/^  watermark/d; /^  interval/d; /^transforms/,/score/d' -e 's/name: fraud_scores/name: again/; s/schema: ml/schema: test/' \
	"$pipelines/models/fraud_scores.yaml" >"$dir/again.yaml"
run "$dir/again.yaml"
check "features are computed anew over all history" $?
differ="SELECT * EXCLUDE (fraud_score, fraud_anomaly, fraud_version) FROM ml.fraud_scores EXCEPT SELECT * FROM test.again"
# history holds refunds of the days to come: what comes live is before those
is "those of history are the same" 0 "$(w "SELECT count(*) FROM ($differ) WHERE change <= $history
	AND tried_at < (SELECT min(tried_at) FROM ml.fraud_scores WHERE change > $history)")"
late="$(w "SELECT count(*) FROM ($differ)")"
[ "$late" -le 20 ]
check "and of what came, but where an earlier payment came late ($late)" $?

# ---- killed while training and scoring ----
for point in engine.before_flush engine.before_sink_commit engine.before_checkpoint engine.after_checkpoint; do
	for name in fraud churn_scores; do
		DRIPLINE_FAILPOINTS="$point=kill@1" drip run "$pipelines/models/$name.yaml" "${state[@]}" --until caught-up
		[ $? -eq 137 ] && ours "models/$name"
		check "$name goes on after kill -9 at $point" $?
	done
done
ours jobs/churn_etl
is "and gives the same scores" "$before" "$(w "$churn" | sed 's/ /, /; s/.*/[[&]]/')"
e2e_end
