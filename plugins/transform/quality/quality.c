/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transform `quality`: checks rows and epochs against rules, and warns, hands rows to the on_error
 * policy, or stops. DELETE and BEFORE rows are not checked: a mirror needs them. One thread.
 */
#include "quality.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct quality_config {
	struct drip_objects rules;
};

struct quality {
	struct drip_ctx *ctx;
	const struct quality_config *config;
	struct quality_state *states; /* one a rule */
	struct drip_plans plans;
	struct quality_tally *tallies;
	/* scratch, one a row */
	int64_t room;
	uint8_t *skip, *fails, *broken; /* broken: number of the rule + 1 */
	struct drip_hash *hashes;
	int64_t *rows;
};

struct plan {
	struct quality_tally *tally;
	size_t count;
	struct quality_check checks[];
};

static const struct drip_enum_value kinds[] = {
	{"not_null", QUALITY_NOT_NULL, "None of `columns` is null."},
	{"unique", QUALITY_UNIQUE,
	 "No two of the latest `window` rows that were read or inserted agree in all of `columns`; "
	 "rows with a null among them do not count."},
	{"range", QUALITY_RANGE, "Each of `columns` lies between `min` and `max`."},
	{"set", QUALITY_SET, "Each of `columns` is one of `values`."},
	{"pattern", QUALITY_PATTERN, "Each of `columns` matches `pattern`."},
	{"freshness", QUALITY_FRESHNESS,
	 "The newest time in `columns` of the rows of an epoch is no older than `max_age`."},
	{"row_count", QUALITY_ROW_COUNT, "An epoch has `min` to `max` rows."},
	{NULL, 0, NULL},
};

static const struct drip_enum_value actions[] = {
	{"auto", ACTION_AUTO, "dead-letter for rules of rows, warn for freshness and row_count."},
	{"warn", ACTION_WARN, "Log it and count it; the rows pass."},
	{"dead-letter", ACTION_DEAD_LETTER,
	 "Hand the row to the stage's on_error policy: set on_error: dead-letter to keep it."},
	{"stop", ACTION_STOP, "Stop the pipeline before the rows are committed."},
	{NULL, 0, NULL},
};

#define RULE(member, ...) DRIP_OPTION(struct quality_rule, member, __VA_ARGS__)
static const struct drip_option rule_options[] = {
	{.struct_size = sizeof(struct drip_option),
	 .name = "rule",
	 .type = DRIP_OPTION_ENUM,
	 .offset = offsetof(struct quality_rule, kind),
	 .flags = DRIP_OPTION_REQUIRED,
	 .help = "What is checked. Nulls pass every rule but not_null.",
	 .values = kinds},
	RULE(columns, .help = "Columns that are checked."),
	RULE(tables, .help = "Tables that it is for, as patterns; without it, all of the stage."),
	RULE(action, .help = "What a violation does.", .default_text = "auto", .values = actions),
	RULE(name,
	     .help = "Name in messages, and in the metric dripline_quality_violations_NAME_total. "
		     "Default: what it says, as not_null(id); in the metric rule and first "
		     "column."),
	RULE(min, .help = "Smallest value, in the type of the column; of row_count, fewest rows."),
	RULE(max, .help = "Largest value; of row_count, most rows."),
	RULE(values, .help = "Values of set.", .example = "[paid, refunded]"),
	RULE(pattern,
	     .help = "Perl-compatible regular expression. It matches anywhere: anchor it with ^ "
		     "and $.",
	     .example = "^SO[0-9]+$"),
	RULE(max_age, .help = "Oldest that the newest row may be."),
	RULE(changes,
	     .help = "Of freshness and row_count: only changes count, not the rows of a snapshot.",
	     .default_text = "false"),
	RULE(window, .help = "Rows that unique looks back over, about 36 bytes each.",
	     .default_text = "1000000", .unit = "rows", .min = 1, .max = (double)DRIP_ROWSET_MAX),
};

#define OPT(member, ...) DRIP_OPTION(struct quality_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(rules, .help = "The rules.", .flags = DRIP_OPTION_REQUIRED, .children = rule_options,
	    .children_count = DRIP_COUNT(rule_options), .child_size = sizeof(struct quality_rule)),
};

static const struct quality_rule *rule_at(const struct quality_config *config, size_t index)
{
	return (const struct quality_rule *)config->rules.items + index;
}

static int check_rules(const struct quality_config *config, quality_report *report, void *data)
{
	struct drip_error finding = DRIP_ERROR_INIT;
	int rc = 0;

	for (size_t i = 0; i < config->rules.count && i < QUALITY_RULES_MAX; i++) {
		int one = quality_check_rule(rule_at(config, i), i, report, data);

		rc = rc < 0 ? rc : one;
	}
	if (config->rules.count > QUALITY_RULES_MAX) {
		rc = drip_error_set(&finding, -EINVAL, "quality.bad_rule", "more than %d rules",
				    QUALITY_RULES_MAX);
		drip_error_option(&finding, "rules");
		report(data, &finding);
	}
	return rc;
}

static void report_finding(void *data, const struct drip_error *finding)
{
	struct drip_report *report = data;

	report->add(report, DRIP_LOG_ERROR, finding);
}

static void keep_first(void *data, const struct drip_error *finding)
{
	struct drip_error *err = data;

	if (err != NULL && err->rc == 0) {
		*err = *finding;
	}
}

static int quality_check(struct drip_ctx *ctx, const void *config, bool connect,
			 struct drip_report *report, struct drip_error *err)
{
	(void)!check_rules(config, report_finding, report); /* all of it is in the report */
	return 0;
}

static void destroy_plan(void *plan)
{
	struct plan *p = plan;

	for (size_t i = 0; i < p->count; i++) {
		quality_check_finish(&p->checks[i]);
	}
	free(p);
}

static int make_plan(const struct quality_config *config, const struct drip_schema *input,
		     struct plan **ret, struct drip_error *err)
{
	struct plan *plan =
		calloc(1, sizeof(*plan) + config->rules.count * sizeof(plan->checks[0]));
	int rc = 0;

	if (plan == NULL) {
		return drip_error_nomem(err, sizeof(*plan));
	}
	for (; rc != -ENOMEM && plan->count < config->rules.count; plan->count++) {
		size_t i = plan->count;

		rc = quality_compile(rule_at(config, i), i, input, &plan->checks[i], rc, err);
	}
	if (rc != 0) {
		destroy_plan(plan);
		return rc;
	}
	*ret = plan;
	return 0;
}

static void free_scratch(struct quality *q)
{
	free(q->skip);
	free(q->fails);
	free(q->broken);
	free(q->hashes);
	free(q->rows);
	q->skip = q->fails = q->broken = NULL;
	q->hashes = NULL;
	q->rows = NULL;
	q->room = 0;
}

static int make_room(struct quality *q, int64_t rows, struct drip_error *err)
{
	size_t n = (size_t)rows;

	if (rows <= q->room) {
		return 0;
	}
	free_scratch(q);
	q->skip = malloc(n);
	q->fails = malloc(n);
	q->broken = malloc(n);
	q->hashes = malloc(n * sizeof(*q->hashes));
	q->rows = malloc(n * sizeof(*q->rows));
	if (q->skip == NULL || q->fails == NULL || q->broken == NULL || q->hashes == NULL ||
	    q->rows == NULL) {
		free_scratch(q);
		return drip_error_nomem(err, n * sizeof(*q->hashes));
	}
	q->room = rows;
	return 0;
}

static void quality_close(void *self)
{
	struct quality *q = self;

	for (size_t i = 0; q->states != NULL && i < q->config->rules.count; i++) {
		quality_state_finish(&q->states[i]);
	}
	free(q->states);
	quality_tally_finish(&q->tallies);
	drip_plans_finish(&q->plans);
	free_scratch(q);
	free(q);
}

static int quality_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			struct drip_error *err)
{
	struct quality *q = calloc(1, sizeof(*q));
	int rc = 0;

	if (q == NULL) {
		return drip_error_nomem(err, sizeof(*q));
	}
	q->ctx = ctx;
	q->config = config;
	q->plans.destroy = destroy_plan;
	q->states = calloc(q->config->rules.count + 1, sizeof(*q->states));
	if (q->states == NULL) {
		rc = drip_error_nomem(err, (q->config->rules.count + 1) * sizeof(*q->states));
	}
	rc = rc == 0 ? check_rules(q->config, keep_first, err) : rc;
	for (size_t i = 0; rc == 0 && i < q->config->rules.count; i++) {
		rc = quality_state_init(&q->states[i], rule_at(q->config, i), i, err);
		if (rc == 0) { /* a rule that holds is seen too */
			ctx->host->counter_add(ctx, q->states[i].metric, 0);
		}
	}
	if (rc != 0) {
		quality_close(q);
		return rc;
	}
	*ret_self = q;
	return 0;
}

static int quality_negotiate(struct drip_ctx *ctx, const void *config,
			     const struct drip_schema *input, struct drip_negotiated *ret,
			     struct drip_error *err)
{
	struct plan *plan;
	int rc = make_plan(config, input, &plan, err);

	if (rc == 0) {
		destroy_plan(plan);
		ret->output = drip_schema_ref(input);
	}
	return rc;
}

static int violated(struct drip_error *err, const struct quality_rule *rule, const char *table)
{
	char name[QUALITY_NAME_MAX];

	quality_name(rule, name, sizeof(name));
	return drip_error_set(err, -EINVAL, "quality.violated",
			      "a row of table '%s' breaks the rule '%s'", table, name);
}

/* Acts on the fails of one rule: counts them, and stops, warns or marks the rows as broken. */
static int act(struct quality *q, size_t index, struct quality_tally *tally, int64_t checked,
	       const struct drip_batch *batch, struct drip_error *err)
{
	const struct quality_rule *rule = rule_at(q->config, index);
	struct quality_tally_rule *found = &tally->rules[index];
	char name[QUALITY_NAME_MAX];
	int64_t count = 0;
	int rc;

	for (int64_t i = 0; i < batch->rows; i++) {
		count += q->fails[i];
	}
	found->checked += checked;
	found->failed += count;
	if (count == 0) {
		return 0;
	}
	q->states[index].failed += count;
	q->ctx->host->counter_add(q->ctx, q->states[index].metric, (double)count);
	switch (quality_action_of(rule)) {
	case ACTION_STOP:
		rc = quality_tell(q->ctx, rule, tally->table, found, true, err);
		return rc < 0 ? rc : violated(err, rule, batch->schema->table);
	case ACTION_WARN:
		quality_name(rule, name, sizeof(name));
		drip_log_warning(q->ctx,
				 "rule '%s': %" PRId64 " of %" PRId64 " rows of table '%s' "
				 "break it",
				 name, count, batch->rows, batch->schema->table);
		return 0;
	default:
		for (int64_t i = 0; i < batch->rows; i++) {
			if (q->fails[i] && q->broken[i] == 0) {
				q->broken[i] = (uint8_t)(index + 1);
			}
		}
		return 0;
	}
}

static int run_rules(struct quality *q, const struct plan *plan, const struct drip_batch *batch,
		     struct drip_error *err)
{
	size_t rows = (size_t)batch->rows;
	int64_t checked = 0;
	int rc = 0;

	for (int64_t i = 0; i < batch->rows; i++) {
		enum drip_op op = drip_batch_op(batch, i);

		q->skip[i] = op == DRIP_OP_DELETE || op == DRIP_OP_BEFORE;
		checked += !q->skip[i];
	}
	memset(q->broken, 0, rows);
	for (size_t r = 0; rc == 0 && r < plan->count; r++) {
		if (!plan->checks[r].applies) {
			continue;
		}
		memset(q->fails, 0, rows);
		rc = quality_run(rule_at(q->config, r), &q->states[r], &plan->checks[r], batch,
				 q->skip, q->hashes, q->fails, err);
		if (rc == 0 && !quality_is_of_epoch(rule_at(q->config, r))) {
			rc = act(q, r, plan->tally, checked, batch, err);
		}
	}
	return rc;
}

/* Rejects broken rows, and fills q->rows with the others. A BEFORE goes with its UPDATE. */
static int reject_broken(struct quality *q, const struct drip_batch *batch, int64_t *ret_count,
			 struct drip_error *err)
{
	int64_t count = 0, befores = 0;
	int rc = 0;

	for (int64_t i = 0; rc == 0 && i < batch->rows; i++) {
		if (q->broken[i] != 0) {
			struct drip_error reason = DRIP_ERROR_INIT;

			violated(&reason, rule_at(q->config, q->broken[i] - 1u),
				 batch->schema->table);
			rc = drip_reject(q->ctx, batch, i, &reason, err);
		} else if (i + 1 < batch->rows && q->broken[i + 1] != 0 &&
			   drip_batch_op(batch, i) == DRIP_OP_BEFORE) {
			befores++;
		} else {
			q->rows[count++] = i;
		}
	}
	if (befores != 0) {
		q->ctx->host->filtered(q->ctx, befores);
	}
	*ret_count = count;
	return rc;
}

static int add_plan(struct quality *q, const struct drip_schema *schema, struct plan **ret,
		    struct drip_error *err)
{
	struct quality_tally *tally = quality_tally_of(&q->tallies, schema->database, schema->table,
						       q->config->rules.count);
	int rc = tally != NULL ? make_plan(q->config, schema, ret, err)
			       : drip_error_nomem(err, sizeof(*tally));

	if (rc == 0) {
		(*ret)->tally = tally;
		rc = drip_plans_put(&q->plans, schema, *ret, err);
	}
	return rc;
}

static int quality_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct quality *q = self;
	struct plan *plan;
	int64_t count = 0;
	int rc = 0;

	if (batch->kind != DRIP_BATCH_ROWS || batch->rows == 0) {
		return drip_emit(q->ctx, batch, err);
	}
	plan = drip_plans_find(&q->plans, batch->schema);
	if (plan == NULL) {
		rc = add_plan(q, batch->schema, &plan, err);
	}
	if (rc == 0) {
		rc = make_room(q, batch->rows, err);
	}
	if (rc == 0) {
		rc = run_rules(q, plan, batch, err);
	}
	if (rc == 0) {
		rc = reject_broken(q, batch, &count, err);
	}
	if (rc != 0) {
		drip_batch_unref(batch);
		return rc;
	}
	return drip_emit_rows(q->ctx, batch, q->rows, count, err);
}

/* Empty where the rule holds for the epoch, otherwise why not. */
static void judge_epoch(struct quality *q, size_t index, char *why, size_t size)
{
	const struct quality_rule *rule = rule_at(q->config, index);
	const struct quality_state *s = &q->states[index];
	int64_t age_ms;

	*why = '\0';
	if (rule->kind.value == QUALITY_ROW_COUNT) {
		if ((rule->min != NULL && s->rows < strtoll(rule->min, NULL, 10)) ||
		    (rule->max != NULL && s->rows > strtoll(rule->max, NULL, 10))) {
			snprintf(why, size, "the epoch has %" PRId64 " rows", s->rows);
		}
	} else if (rule->kind.value == QUALITY_FRESHNESS && s->newest_us != INT64_MIN) {
		age_ms = (q->ctx->host->wall_us(q->ctx) - s->newest_us) / 1000;
		if (age_ms > rule->max_age.ms) {
			snprintf(why, size, "the newest row is %" PRId64 " s old", age_ms / 1000);
		}
	}
}

/* A rule that is not of rows, at the end of the epoch. */
static int flush_rule(struct quality *q, size_t index, struct drip_error *err)
{
	const struct quality_rule *rule = rule_at(q->config, index);
	struct quality_state *s = &q->states[index];
	struct quality_tally_rule found = {.checked = s->rows};
	char why[120], name[QUALITY_NAME_MAX];
	bool stop = quality_action_of(rule) == ACTION_STOP;
	int rc = 0;

	judge_epoch(q, index, why, sizeof(why));
	found.failed = *why != '\0';
	s->rows = 0;
	s->newest_us = INT64_MIN;
	if (found.checked > 0 || found.failed > 0) {
		rc = quality_tell(q->ctx, rule, "", &found, found.failed > 0 && stop, err);
	}
	if (rc < 0 || found.failed == 0) {
		return rc;
	}
	q->ctx->host->counter_add(q->ctx, s->metric, 1);
	quality_name(rule, name, sizeof(name));
	if (stop) {
		return drip_error_set(err, -EINVAL, "quality.violated", "rule '%s' is broken: %s",
				      name, why);
	}
	drip_log_warning(q->ctx, "rule '%s' is broken: %s", name, why);
	return 0;
}

/* Tells what the rules of rows found in one table. */
static int flush_tally(struct quality *q, struct quality_tally *tally, struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < q->config->rules.count && rc == 0; i++) {
		struct quality_tally_rule *found = &tally->rules[i];

		if (found->checked > 0) {
			rc = quality_tell(q->ctx, rule_at(q->config, i), tally->table, found, false,
					  err);
		}
		*found = (struct quality_tally_rule){0};
	}
	return rc;
}

static int quality_flush(void *self, struct drip_error *err)
{
	struct quality *q = self;
	int rc = 0;

	for (struct quality_tally *t = q->tallies; t != NULL && rc == 0; t = t->next) {
		rc = flush_tally(q, t, err);
	}
	for (size_t i = 0; i < q->config->rules.count && rc == 0; i++) {
		if (quality_is_of_epoch(rule_at(q->config, i))) {
			rc = flush_rule(q, i, err);
		}
	}
	return rc;
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.check = quality_check,
	.open = quality_open,
	.close = quality_close,
	.negotiate = quality_negotiate,
	.process = quality_process,
	.flush = quality_flush,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "quality",
	.summary = "Checks rows and epochs against rules",
	.description = "Each rule has its own action and its own metric.",
	.schema_notes = "Schemas pass as they are.",
	.guarantees = "In order. A row that breaks several rules is rejected once, for the first. "
		      "DELETE and BEFORE rows are not checked, since a mirror needs them; a BEFORE "
		      "row goes with its UPDATE. What unique remembers does not outlive a restart.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_STATEFUL | DRIP_CAP_SAME_SCHEMA,
	.config_size = sizeof(struct quality_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("quality", DRIP_SDK_VERSION, "Transform that checks data quality", &component);
