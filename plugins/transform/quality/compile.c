/* SPDX-License-Identifier: Apache-2.0 */
/* Making rules ready: checking their options, parsing limits in the type of each column. */
#include "quality.h"

#include <dripline/text.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool quality_is_of_epoch(const struct quality_rule *rule)
{
	return rule->kind.value == QUALITY_FRESHNESS || rule->kind.value == QUALITY_ROW_COUNT;
}

enum quality_action quality_action_of(const struct quality_rule *rule)
{
	if (rule->action.value != ACTION_AUTO) {
		return (enum quality_action)rule->action.value;
	}
	return quality_is_of_epoch(rule) ? ACTION_WARN : ACTION_DEAD_LETTER;
}

static const char *const kinds[] = {"not_null", "unique",    "range",    "set",
				    "pattern",  "freshness", "row_count"};

void quality_name(const struct quality_rule *rule, char *buf, size_t size)
{
	int used;

	if (rule->name != NULL) {
		snprintf(buf, size, "%s", rule->name);
		return;
	}
	used = snprintf(buf, size, "%s", kinds[rule->kind.value]);
	for (size_t i = 0; i < rule->columns.count && (size_t)used < size; i++) {
		used += snprintf(buf + used, size - (size_t)used, "%s%s", i == 0 ? "(" : ", ",
				 rule->columns.items[i]);
	}
	if (rule->columns.count > 0 && (size_t)used < size) {
		snprintf(buf + used, size - (size_t)used, ")");
	}
}

void quality_metric(const struct quality_rule *rule, char *buf, size_t size)
{
	const char *first = rule->columns.count > 0 ? rule->columns.items[0] : "";

	if (rule->name != NULL) {
		snprintf(buf, size, "violations_%.60s_total", rule->name);
	} else {
		snprintf(buf, size, "violations_%s%s%.40s_total", kinds[rule->kind.value],
			 *first != '\0' ? "_" : "", first);
	}
	for (char *p = buf; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z') {
			*p = (char)(*p - 'A' + 'a');
		} else if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'))) {
			*p = '_';
		}
	}
}

struct checker {
	const struct quality_rule *rule;
	size_t index;
	const char *name;
	quality_report *report;
	void *data;
	int rc;
};

/* Reports one problem of a rule. */
static void refuse(struct checker *c, const char *member, const char *text)
{
	struct drip_error finding = DRIP_ERROR_INIT;

	c->rc = drip_error_set(&finding, -EINVAL, "quality.bad_rule", "rule %s: %s", c->name, text);
	drip_error_option(&finding, "rules[%zu].%s", c->index, member);
	c->report(c->data, &finding);
}

static int parse_count(const char *text, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return end == text || *end != '\0' || errno != 0 || *ret < 0 ? -EINVAL : 0;
}

static void check_limits(struct checker *c)
{
	const struct quality_rule *rule = c->rule;
	bool wanted = rule->kind.value == QUALITY_RANGE || rule->kind.value == QUALITY_ROW_COUNT;
	bool given = rule->min != NULL || rule->max != NULL;
	int64_t count;

	if (wanted != given) {
		refuse(c, rule->min == NULL && rule->max != NULL ? "max" : "min",
		       given ? "min and max are for range and row_count"
			     : "it has neither min nor max");
	}
	if (rule->kind.value != QUALITY_ROW_COUNT) {
		return;
	}
	if (rule->min != NULL && parse_count(rule->min, &count) != 0) {
		refuse(c, "min", "a count is a whole number from 0 on");
	}
	if (rule->max != NULL && parse_count(rule->max, &count) != 0) {
		refuse(c, "max", "a count is a whole number from 0 on");
	}
}

static int compile_pattern(struct quality_state *s, const struct quality_rule *rule, size_t index,
			   struct drip_error *err)
{
	PCRE2_SIZE at;
	int code;

	s->code = pcre2_compile((PCRE2_SPTR)rule->pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code,
				&at, NULL);
	if (s->code == NULL) {
		char text[200] = "", name[QUALITY_NAME_MAX];

		quality_name(rule, name, sizeof(name));
		pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
		drip_error_set(err, -EINVAL, "quality.bad_pattern",
			       "pattern of rule %s, at byte %zu: %s", name, (size_t)at, text);
		drip_error_option(err, "rules[%zu].pattern", index);
		return -EINVAL;
	}
	(void)pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE); /* without it matches are slower */
	s->match = pcre2_match_data_create(1, NULL);
	s->context = pcre2_match_context_create(NULL);
	if (s->match == NULL || s->context == NULL) {
		return drip_error_nomem(err, 0);
	}
	pcre2_set_match_limit(s->context, QUALITY_MATCH_LIMIT);
	return 0;
}

static void check_pattern(struct checker *c)
{
	struct drip_error finding = DRIP_ERROR_INIT;
	struct quality_state state = {0};

	if (compile_pattern(&state, c->rule, c->index, &finding) != 0) {
		c->rc = finding.rc;
		c->report(c->data, &finding);
	}
	quality_state_finish(&state);
}

int quality_check_rule(const struct quality_rule *rule, size_t index, quality_report *report,
		       void *data)
{
	enum quality_kind kind = (enum quality_kind)rule->kind.value;
	char name[QUALITY_NAME_MAX];
	struct checker c = {
		.rule = rule, .index = index, .name = name, .report = report, .data = data};

	quality_name(rule, name, sizeof(name));
	if (kind == QUALITY_ROW_COUNT ? rule->columns.count != 0 : rule->columns.count == 0) {
		refuse(&c, "columns",
		       kind == QUALITY_ROW_COUNT ? "row_count takes no columns"
						 : "it names no columns");
	}
	check_limits(&c);
	if ((kind == QUALITY_SET) != (rule->values.count != 0)) {
		refuse(&c, "values",
		       kind == QUALITY_SET ? "it has no values" : "values are for set");
	}
	if ((kind == QUALITY_PATTERN) != (rule->pattern != NULL)) {
		refuse(&c, "pattern",
		       kind == QUALITY_PATTERN ? "it has no pattern"
					       : "pattern is for the rule pattern");
	} else if (kind == QUALITY_PATTERN) {
		check_pattern(&c);
	}
	if ((kind == QUALITY_FRESHNESS) != (rule->max_age.ms != 0)) {
		refuse(&c, "max_age",
		       kind == QUALITY_FRESHNESS ? "it has no max_age"
						 : "max_age is for freshness");
	}
	if (rule->changes && !quality_is_of_epoch(rule)) {
		refuse(&c, "changes", "changes is for freshness and row_count");
	}
	if (quality_is_of_epoch(rule) && rule->action.value == ACTION_DEAD_LETTER) {
		refuse(&c, "action", "it is about an epoch, not about rows: warn or stop");
	}
	return c.rc;
}

int quality_state_init(struct quality_state *s, const struct quality_rule *rule, size_t index,
		       struct drip_error *err)
{
	int rc = 0;

	memset(s, 0, sizeof(*s));
	s->newest_us = INT64_MIN;
	quality_metric(rule, s->metric, sizeof(s->metric));
	if (rule->kind.value == QUALITY_PATTERN) {
		rc = compile_pattern(s, rule, index, err);
	}
	if (rc == 0 && rule->kind.value == QUALITY_UNIQUE) {
		rc = drip_rowset_init(&s->seen, (uint64_t)rule->window, err);
	}
	if (rc != 0) {
		quality_state_finish(s);
	}
	return rc;
}

void quality_state_finish(struct quality_state *s)
{
	drip_rowset_finish(&s->seen);
	pcre2_code_free(s->code);
	pcre2_match_data_free(s->match);
	pcre2_match_context_free(s->context);
	memset(s, 0, sizeof(*s));
}

/* A batch of one column that holds `texts` in the column's type. */
static int parse_values(const struct drip_column *column, const char *const *texts, size_t count,
			struct drip_batch **ret, struct drip_error *err)
{
	struct drip_schema_builder sb;
	struct drip_schema *schema;
	struct drip_builder b;
	int rc;

	drip_schema_builder_init(&sb, "", "values");
	drip_schema_builder_add(&sb, column);
	rc = drip_schema_builder_build(&sb, &schema, err);
	if (rc != 0) {
		return rc;
	}
	rc = drip_builder_init(&b, schema, err);
	drip_schema_unref(schema);
	if (rc != 0) {
		return rc;
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = drip_append_text(&b.columns[0], column, texts[i], (int64_t)strlen(texts[i]),
				      err);
		drip_builder_row(&b, DRIP_OP_READ);
	}
	if (rc == 0) {
		rc = drip_builder_build(&b, ret, err);
	}
	drip_builder_finish(&b);
	return rc;
}

static int bad_limit(struct drip_error *err, const struct quality_rule *rule, size_t index,
		     const char *member, const char *column)
{
	char reason[300], name[QUALITY_NAME_MAX];

	quality_name(rule, name, sizeof(name));
	snprintf(reason, sizeof(reason), "%.280s", err != NULL ? err->message : "");
	drip_error_set(err, -EINVAL, "quality.bad_limit", "rule %s, column '%s': %s", name, column,
		       reason);
	drip_error_option(err, "rules[%zu].%s", index, member);
	return -EINVAL;
}

static int parse_limit(const struct drip_column *column, const char *text,
		       struct quality_limit *ret, struct drip_error *err)
{
	struct drip_batch *batch;
	struct drip_value v;
	int rc;

	if (text == NULL) {
		return 0;
	}
	rc = parse_values(column, &text, 1, &batch, err);
	if (rc != 0) {
		return rc;
	}
	drip_value_get(batch, 0, 0, &v);
	ret->set = true;
	if (v.type == DRIP_TYPE_DECIMAL) {
		memcpy(&ret->v.d, v.data, 16);
	} else if (v.type == DRIP_TYPE_FLOAT32 || v.type == DRIP_TYPE_FLOAT64) {
		ret->v.f = v.f;
	} else if (v.type >= DRIP_TYPE_UINT8 && v.type <= DRIP_TYPE_UINT64) {
		ret->v.u = v.u;
	} else {
		ret->v.i = v.i;
	}
	drip_batch_unref(batch);
	return 0;
}

static int compile_set(const struct drip_column *column, const struct quality_rule *rule,
		       struct drip_rowset *set, struct drip_error *err)
{
	struct drip_hash *hashes = calloc(rule->values.count, sizeof(*hashes));
	struct drip_batch *batch;
	uint32_t first = 0;
	int rc;

	if (hashes == NULL) {
		return drip_error_nomem(err, rule->values.count * sizeof(*hashes));
	}
	rc = parse_values(column, rule->values.items, rule->values.count, &batch, err);
	if (rc == 0) {
		rc = drip_rowset_init(set, rule->values.count, err);
		drip_hash_rows(batch, &first, 1, 0, hashes);
		drip_batch_unref(batch);
	}
	for (size_t i = 0; rc == 0 && i < rule->values.count; i++) {
		if (drip_rowset_find(set, &hashes[i]) == NULL) {
			rc = drip_rowset_add(set, &hashes[i], 0, err);
		}
	}
	free(hashes);
	return rc;
}

static bool type_fits(enum quality_kind kind, enum drip_type type)
{
	switch (kind) {
	case QUALITY_RANGE:
		return (type >= DRIP_TYPE_INT8 && type <= DRIP_TYPE_DECIMAL) ||
		       (type >= DRIP_TYPE_DATE && type <= DRIP_TYPE_DURATION);
	case QUALITY_PATTERN:
		return type == DRIP_TYPE_UTF8 || type == DRIP_TYPE_JSON || type == DRIP_TYPE_UUID;
	case QUALITY_FRESHNESS:
		return type == DRIP_TYPE_DATE || type == DRIP_TYPE_TIMESTAMP ||
		       type == DRIP_TYPE_TIMESTAMP_UTC;
	default:
		return true;
	}
}

/* As the caller's `rc`, or where it is 0 what is wrong with one of the limits. */
static int compile_range(const struct quality_rule *rule, size_t index, uint32_t at,
			 const struct drip_column *column, struct quality_check *c, int rc,
			 struct drip_error *err)
{
	const char *const texts[] = {rule->min, rule->max};
	struct quality_limit *const limits[] = {&c->low[at], &c->high[at]};

	for (int i = 0; i < 2; i++) {
		struct drip_error one = DRIP_ERROR_INIT;

		if (parse_limit(column, texts[i], limits[i], &one) != 0) {
			bad_limit(&one, rule, index, i == 0 ? "min" : "max", column->name);
			rc = drip_error_also(err, rc, &one);
		}
	}
	return rc;
}

/* As above, for all that may be wrong with a column. */
static int compile_column(const struct quality_rule *rule, size_t index, uint32_t at,
			  const struct drip_schema *input, struct quality_check *c, int rc,
			  struct drip_error *err)
{
	struct drip_error one = DRIP_ERROR_INIT;
	const char *name = rule->columns.items[at];
	int found = drip_schema_require(input, name, "quality.no_column", &one);
	char label[QUALITY_NAME_MAX];
	const struct drip_column *column;

	if (found < 0) {
		drip_error_option(&one, "rules[%zu].columns[%u]", index, at);
		return drip_error_also(err, rc, &one);
	}
	column = drip_schema_column(input, (uint32_t)found);
	c->columns[at] = (uint32_t)found;
	if (!type_fits((enum quality_kind)rule->kind.value, column->type)) {
		quality_name(rule, label, sizeof(label));
		drip_error_set(&one, -EINVAL, "quality.bad_type",
			       "rule %s cannot check column '%s' for its type", label, name);
		drip_error_option(&one, "rules[%zu].columns[%u]", index, at);
	} else if (rule->kind.value == QUALITY_RANGE) {
		return compile_range(rule, index, at, column, c, rc, err);
	} else if (rule->kind.value == QUALITY_SET &&
		   compile_set(column, rule, &c->sets[at], &one) == -EINVAL) {
		bad_limit(&one, rule, index, "values", name);
	}
	return one.rc != 0 ? drip_error_also(err, rc, &one) : rc;
}

static bool applies_to(const struct quality_rule *rule, const struct drip_schema *input)
{
	for (size_t i = 0; i < rule->tables.count; i++) {
		if (drip_glob_table(rule->tables.items[i], input->database, input->table)) {
			return true;
		}
	}
	return rule->tables.count == 0;
}

int quality_compile(const struct quality_rule *rule, size_t index, const struct drip_schema *input,
		    struct quality_check *ret, int rc, struct drip_error *err)
{
	size_t count = rule->columns.count;

	memset(ret, 0, sizeof(*ret));
	ret->applies = applies_to(rule, input);
	if (!ret->applies) {
		return rc;
	}
	ret->columns_count = (uint32_t)count;
	ret->columns = calloc(count + 1, sizeof(*ret->columns));
	ret->low = calloc(count + 1, sizeof(*ret->low));
	ret->high = calloc(count + 1, sizeof(*ret->high));
	ret->sets = calloc(count + 1, sizeof(*ret->sets));
	ret->seed = drip_hash_bytes(input->table, strlen(input->table),
				    drip_hash_bytes(input->database, strlen(input->database), 0));
	if (ret->columns == NULL || ret->low == NULL || ret->high == NULL || ret->sets == NULL) {
		return drip_error_nomem(err, count * sizeof(*ret->sets));
	}
	for (uint32_t i = 0; i < count; i++) {
		rc = compile_column(rule, index, i, input, ret, rc, err);
	}
	return rc;
}

void quality_check_finish(struct quality_check *c)
{
	for (uint32_t i = 0; c->sets != NULL && i < c->columns_count; i++) {
		drip_rowset_finish(&c->sets[i]);
	}
	free(c->columns);
	free(c->low);
	free(c->high);
	free(c->sets);
	memset(c, 0, sizeof(*c));
}
