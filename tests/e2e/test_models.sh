#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Models from training to scoring: payments with planted fraud, trained, measured, promoted, refused,
# approved, scored in a batch and in a daemon that takes a promoted version without a restart.
. "$(dirname "$0")/lib.sh"

mkdir "$dir/state"
state=(--state "$dir/state")

# payments: one in a hundred is fraud, large and at night; the rest follows from the row's number.
payments="SELECT i AS id, TIMESTAMP '2026-01-01' + INTERVAL (i) MINUTE AS paid_at,
  (i % 100 = 7)::int AS fraud,
  (CASE WHEN i % 100 = 7 THEN 30 + i % 13 ELSE 3 + hash(i) % 900 / 100.0 END)::double AS amount,
  (CASE WHEN i % 100 = 7 THEN i % 4 ELSE 7 + hash(i * 3) % 14 END)::int AS local_hour,
  CASE WHEN hash(i * 7) % 50 = 0 THEN NULL WHEN i % 3 = 0 THEN 'card' ELSE 'wallet' END AS method
  FROM range(6000) t(i)"

# models OPTIONS [FEATURES]: the declaration.
models() {
	printf 'settings: {state: %s}\nconnections:\n  db: {plugin: duckdb, path: ":memory:"}\n' "$dir/state"
	printf 'models:\n  fraud: {plugin: isolation-forest, description: "fraud in payments", features: [%s], label: fraud%s}\n' \
		"${2:-amount, local_hour, method}" "$1"
}

# train OPTIONS: a pipeline that trains.
train() {
	models "$1"
	cat <<-YAML
		pipeline: train_fraud
		source: {plugin: query, connection: db, name: payments, sql: "$payments"}
		sinks:
		  - plugin: train
		    model: fraud
		    time: paid_at
		    k: 10
		    promote: true
		    baselines: [{name: amount_zscore, kind: zscore, column: amount}, {name: logistic, kind: logistic}]
	YAML
}

score() {
	models "" "${1:-}"
	cat <<-YAML
		pipeline: score_fraud
		source: {plugin: query, connection: db, name: payments, sql: "$payments"}
		transforms: [{plugin: score, model: fraud}]
		sinks: [{plugin: file, path: $dir/out/rows.jsonl}]
	YAML
}

model() {
	"$DRIPLINE" model "$@" "${state[@]}" >"$dir/log" 2>&1
}

# production VERSION: it is the one in Production.
production() {
	"$DRIPLINE" model list --format json "${state[@]}" | grep -q "\"production\":$1}"
}

models "" "amount, amount" >"$dir/bad.yaml"
! drip validate "$dir/bad.yaml" && in_log 'config.bad_features'
check "features that are named twice are refused" $?
score "" | sed 's/model: fraud/model: frau/' >"$dir/bad.yaml"
! drip validate "$dir/bad.yaml" && in_log 'config.unknown_model' && in_log 'Did you mean "fraud"'
check "a model that is not declared is refused" $?

train "" >"$dir/train.yaml"
score "" >"$dir/score.yaml"

drip run "$dir/score.yaml" "${state[@]}"
check "rows pass with nulls before there is a version" $?
grep -rq '"fraud_version":null' "$dir/out"
check "the columns are there, and null" $?
rm -rf "$dir/out"

drip run "$dir/train.yaml" "${state[@]}"
check "a run trains" $?
in_log 'model fraud version 1: auc (1\.0000|0\.9[5-9]).*in Production'
check "it finds the planted fraud, and is promoted" $?
production 1
check "version 1 is in Production" $?
"$DRIPLINE" model show fraud --format json "${state[@]}" >"$dir/show"
grep -q '"baselines":\[{"name":"amount_zscore"' "$dir/show" && grep -q '"name":"logistic"' "$dir/show" &&
	grep -q '"rows_held_out":1200' "$dir/show" && grep -q '"calibration":\[' "$dir/show" &&
	grep -q '"table":"payments"' "$dir/show" && grep -q '"kind":"category"' "$dir/show"
check "metrics, baselines and the training set are kept" $?

drip run "$dir/train.yaml" "${state[@]}" --state "$dir/state"
production 2
check "an equal version follows the one in Production" $?

train "" | sed 's/range(6000) t(i)/range(6000) t(i) WHERE i < 0/' >"$dir/empty.yaml"
drip run "$dir/empty.yaml" "${state[@]}"
in_log 'no rows came: model fraud is not trained' && production 2
check "a query that yields nothing trains nothing, and says so" $?
train "" | sed 's/(i % 100 = 7)::int AS fraud/i % 5 AS fraud/' >"$dir/labels.yaml"
! drip run "$dir/labels.yaml" "${state[@]}" && in_log 'model.label_value'
check "labels other than 0 and 1 are refused" $?

train ", trees: 1, subsample: 2" >"$dir/poor.yaml"
drip run "$dir/poor.yaml" "${state[@]}"
in_log 'version 3: .*not promoted: version 3 of model .*is worse than version 2'
check "a worse version is registered, but not promoted" $?
production 2
check "version 2 stays in Production" $?
! model promote fraud@3 production && in_log 'store.model_worse'
check "nor is it promoted by hand" $?
model promote fraud@3 production --force && in_log 'waits for an approval'
check "a forced promotion waits for an approval" $?
! model approve fraud@3 && in_log 'store.own_request'
check "who asked cannot approve" $?
model refuse fraud@3 -m "no" && production 2
check "a refusal leaves Production as it is" $?
! model promote fraud@1 nowhere && in_log 'control.bad_stage'
check "a stage that there is not is refused" $?
! model promote fraud@9 staging && in_log 'store.no_model'
check "a version that there is not is refused" $?

drip run "$dir/score.yaml" "${state[@]}"
check "a batch is scored" $?
found="$(cat "$dir"/out/* | grep '"fraud":1' | grep -c '"fraud_anomaly":true')"
wrong="$(cat "$dir"/out/* | grep '"fraud":0' | grep -c '"fraud_anomaly":true')"
[ "$found" -ge 45 ] && [ "$wrong" -le 20 ]
check "of 60 frauds $found are found, $wrong other rows are suspected" $?
[ "$(cat "$dir"/out/* | grep -c '"fraud_version":2')" -eq 6000 ]
check "each row says by which version" $?

train "" | sed 's/(i % 100 = 7)::int AS fraud/0 AS fraud/' >"$dir/one.yaml"
drip run "$dir/one.yaml" "${state[@]}"
in_log 'version 4: not measured, not promoted: version 4 .*could not be measured' && production 2
check "a version that rows of one class cannot measure does not follow one that was measured" $?

score "amount, local_hour" >"$dir/other.yaml"
! drip run "$dir/other.yaml" "${state[@]}" && in_log 'model.signature'
check "a version that was trained on other features is refused" $?
drip validate --connect "$dir/other.yaml" "${state[@]}"
[ $? -eq 2 ] && in_log 'other.yaml:13:[0-9]+: error: .*trained on 3 features, not on 2 .model.signature'
check "validate tells so, with the place" $?
# the column that was a text is a number
score "" | sed "s/ELSE 'wallet' END AS method/ELSE 'wallet' END AS was, 5 AS method/" >"$dir/kind.yaml"
drip validate --connect "$dir/kind.yaml" "${state[@]}"
[ $? -eq 2 ] && in_log 'kind.yaml:13:[0-9]+: error: feature method is int32 in table payments: version 2 .*trained on a text'
check "a feature of another kind is found by validate" $?
rm -rf "$dir/out"
! drip run "$dir/kind.yaml" "${state[@]}" && in_log 'model.signature' && [ -z "$(cat "$dir"/out/* 2>/dev/null)" ]
check "and by a run, before a row is scored" $?
live() {
	models ""
	cat <<-YAML
		pipeline: live
		commit: {interval: 20ms}
		source:
		  plugin: generate
		  rate: 500
		  columns:
		    - {name: id, kind: sequence, key: true}
		    - {name: amount, kind: float, max: 40}
		    - {name: local_hour, type: int32, max: 23}
		    - {name: method, $1}
		transforms: [{plugin: score, model: fraud}]
		sinks: [{plugin: file, path: $dir/live/rows.jsonl}]
	YAML
}
live "type: int32, max: 5" >"$dir/live.yaml"
! drip run "$dir/live.yaml" "${state[@]}" && in_log 'model.signature' && in_log 'at: .*live.yaml:16:[0-9]+'
check "a stream whose tables are known does not start, and says where" $?
cp "$dir/state/models/fraud/2.model" "$dir/2.model"
truncate -s 1000 "$dir/state/models/fraud/2.model"
! drip run "$dir/score.yaml" "${state[@]}" && in_log 'store.model_artifact'
check "an artifact that was cut off is refused" $?
cp "$dir/2.model" "$dir/state/models/fraud/2.model"
cp "$dir/state/models/fraud/3.model" "$dir/state/models/fraud/2.model"
! drip run "$dir/score.yaml" "${state[@]}" && in_log 'store.model_artifact'
check "so is the artifact of another version" $?
cp "$dir/2.model" "$dir/state/models/fraud/2.model"
for wrong in nothing "show fraud@x" "show ../fraud" "show fraud@9" "promote fraud" "promote fraud@2" "export fraud" "export fraud x -o $dir/none" "list x" \
	"delete fraud --yes" "show $(printf 'x%.0s' {1..200})"; do
	# shellcheck disable=SC2086
	"$DRIPLINE" model $wrong "${state[@]}" >"$dir/log" 2>&1
	[ $? -eq 2 ]
	check "model ${wrong:0:40}: refused" $?
done
"$DRIPLINE" model show fraud "${state[@]}" | grep -Eq 'baseline amount_zscore +auc [01]\.[0-9]{4}'
check "figures stand beside the baselines" $?
model export fraud -o "$dir/exported" && cmp -s "$dir/exported" "$dir/2.model"
check "the artifact in Production is exported" $?
! model export fraud -o "$dir/exported" && in_log 'model.export'
check "an export overwrites nothing" $?

# A stream that is scored while the model changes.
live "kind: choice, values: {card: 1, wallet: 2}" >"$dir/live.yaml"
drip_start daemon "$dir/live.yaml" "${state[@]}"
wait_until 60 grep -rq '"fraud_version":2' "$dir/live"
check "a daemon scores a stream" $?
"$DRIPLINE" model promote fraud@1 production "${state[@]}" >"$dir/promoted" 2>&1
check "a version that was in Production returns, through the daemon" $?
wait_until 60 grep -rq '"fraud_version":1[,}]' "$dir/live"
check "the stream is scored by it, without a restart" $?
printf 'x' >>"$dir/state/models/fraud/2.model"
! "$DRIPLINE" model promote fraud@2 production "${state[@]}" >"$dir/promoted" 2>&1 &&
	grep -q 'store.model_artifact' "$dir/promoted" && production 1
check "a damaged version does not get into Production" $?
kill -TERM "$drip_pid"
wait "$drip_pid"
check "the daemon ends" $?

! model delete fraud@1 --yes && in_log 'store.model_in_production'
check "the version in Production is not deleted" $?
model delete fraud@3 --yes && [ ! -e "$dir/state/models/fraud/3.model" ]
check "another is" $?
[ "$("$DRIPLINE" audit list "${state[@]}" --format json | grep -o '"model [a-z]*"' | sort -u | wc -l)" -ge 5 ]
check "every change is in the audit" $?
e2e_end
