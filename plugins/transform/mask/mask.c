/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transform `mask`: hides the values of sensitive columns and lowers their class. Masked columns
 * carry DRIP_COLUMN_MASKED and lineage of kind MASK. One thread.
 */
#include "mask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mask_config {
	struct drip_objects columns;
	struct drip_secret key;
	const char *key_file, *keyring;
};

struct mask {
	struct drip_ctx *ctx;
	const struct mask_config *config;
	struct mask_key *keys;  /* one a rule, in locked memory; NULL: nothing is hashed */
	struct mask_ring *ring; /* NULL: nothing is encrypted or decrypted */
	struct drip_plans plans;
};

struct plan {
	struct drip_schema *output;
	int *rules; /* index of the rule of each column, or -1 */
};

static const struct drip_enum_value methods[] = {
	{"hash", MASK_HASH, "HMAC-SHA-256 under `key`, in hex. Equal values stay equal; any type."},
	{"truncate", MASK_TRUNCATE,
	 "The first `length` characters of text; dates and timestamps down to `unit`."},
	{"redact", MASK_REDACT, "`replacement` in place of any text."},
	{"partial", MASK_PARTIAL,
	 "Text whose first `keep_first` and last `keep_last` characters stay; each other becomes "
	 "`replacement`. Shorter text is hidden whole."},
	{"null", MASK_NULL, "Nothing is left; any type."},
	{"encrypt", MASK_ENCRYPT,
	 "XChaCha20-Poly1305 under the newest key of `keyring`. Equal values differ; `decrypt` "
	 "gives "
	 "text back."},
	{"decrypt", MASK_DECRYPT,
	 "What `encrypt` made, under whichever key of the ring. The column is restricted then."},
	{NULL, 0, NULL},
};

static const struct drip_enum_value normalisations[] = {
	{"none", MASK_AS_IS, "Hash the bytes as they are."},
	{"trim", MASK_TRIM, "Without white space around it."},
	{"lower", MASK_LOWER, "Trimmed, ASCII letters in lower case: e-mail addresses."},
	{"digits", MASK_DIGITS, "Only its digits."},
	{"phone", MASK_PHONE,
	 "As E.164, +12125550100: without punctuation and extension; a number without a country is "
	 "one of +1."},
	{NULL, 0, NULL},
};

static const struct drip_enum_value units[] = {
	{"year", MASK_UNIT_YEAR, "1 January."},
	{"month", MASK_UNIT_MONTH, "The first of the month."},
	{"day", MASK_UNIT_DAY, "Midnight."},
	{"hour", MASK_UNIT_HOUR, "The full hour; a date stays."},
	{NULL, 0, NULL},
};

#define RULE(member, ...) DRIP_OPTION(struct mask_rule, member, __VA_ARGS__)
static const struct drip_option rule_options[] = {
	RULE(name,
	     .help = "Column, or a pattern with * and ?. The first entry that matches counts.",
	     .example = "\"*phone*\"", .flags = DRIP_OPTION_REQUIRED),
	RULE(method, .help = "How values are hidden.", .default_text = "hash", .values = methods),
	{.struct_size = sizeof(struct drip_option),
	 .name = "class",
	 .type = DRIP_OPTION_STRING,
	 .offset = offsetof(struct mask_rule, classification),
	 .help = "Class of what comes out, where that is lower than the column's: public, "
		 "internal, "
		 "confidential or restricted. Default: internal for hash, redact and null, "
		 "confidential for truncate, partial and encrypt."},
	RULE(key, .help = "Key of this column's hash, in place of the stage's."),
	RULE(normalise, .help = "What is done to a value before it is hashed.",
	     .default_text = "none", .values = normalisations),
	RULE(digits, .help = "Hex digits of a hash that are kept; fewer collide more.",
	     .default_text = "64", .min = 16, .max = MASK_HASH_DIGITS),
	RULE(length, .help = "Characters that truncate leaves.", .default_text = "3",
	     .unit = "characters", .max = MASK_CHARS_MAX),
	RULE(unit, .help = "What truncate rounds times down to.", .default_text = "month",
	     .values = units),
	RULE(keep_first, .help = "Characters that partial leaves at the front.",
	     .default_text = "0", .unit = "characters", .max = MASK_CHARS_MAX),
	RULE(keep_last, .help = "Characters that partial leaves at the end.", .default_text = "4",
	     .unit = "characters", .max = MASK_CHARS_MAX),
	RULE(replacement, .help = "Text of redact; of partial, what each hidden character becomes.",
	     .default_text = "*"),
	RULE(context,
	     .help = "What an encrypted value belongs to; decrypt must say the same. Default: the "
		     "name of the column."),
};

#define OPT(member, ...) DRIP_OPTION(struct mask_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(columns, .help = "Columns to mask.", .flags = DRIP_OPTION_REQUIRED,
	    .children = rule_options, .children_count = DRIP_COUNT(rule_options),
	    .child_size = sizeof(struct mask_rule)),
	OPT(key,
	    .help = "Key of hashes, 16 bytes or more. Tables whose hashes should join share it. "
		    "Whoever has it can find values by trying; whoever changes it breaks joins.",
	    .example = "${file:/run/credentials/mask.key}"),
	OPT(key_file,
	    .help = "File whose first line is the key of hashes, in place of `key`; only its owner "
		    "may read it. It is read into locked memory, and is in no configuration.",
	    .flags = DRIP_OPTION_PATH, .example = "/run/credentials/dripline.service/join.key"),
	OPT(keyring,
	    .help = "File of the keys that encrypt and decrypt take, made and rotated by `dripline "
		    "keyring`; only its owner may read it. It is read into locked memory.",
	    .flags = DRIP_OPTION_PATH, .example = "/run/credentials/dripline.service/pii.ring"),
};

static const struct mask_rule *rule_at(const struct mask_config *config, size_t index)
{
	return (const struct mask_rule *)config->columns.items + index;
}

static int refuse(struct drip_error *err, size_t index, const char *member, const char *code,
		  const char *text, const char *name)
{
	drip_error_set(err, -EINVAL, code, text, name);
	drip_error_option(err, "columns[%zu].%s", index, member);
	return -EINVAL;
}

static bool is_crypt(const struct mask_rule *rule)
{
	return rule->method.value == MASK_ENCRYPT || rule->method.value == MASK_DECRYPT;
}

static int check_rule(const struct mask_config *config, size_t index, struct drip_error *err)
{
	const struct mask_rule *rule = rule_at(config, index);
	enum drip_class classification;

	if (rule->classification != NULL &&
	    drip_class_parse(rule->classification, &classification) != 0) {
		return refuse(err, index, "class", "mask.bad_class", "no such class: '%s'",
			      rule->classification);
	}
	if (strlen(rule->replacement) > MASK_CHARS_MAX) {
		return refuse(err, index, "replacement", "mask.bad_replacement",
			      "the replacement of '%s' is too long", rule->name);
	}
	if (config->keyring == NULL && is_crypt(rule)) {
		return refuse(err, index, "method", "mask.needs_keyring",
			      "column '%s' is to be encrypted or decrypted without a keyring",
			      rule->name);
	}
	if (rule->method.value == MASK_HASH) {
		bool own = rule->key.value != NULL;
		const char *key = own ? rule->key.value : config->key.value;

		if (key == NULL && config->key_file != NULL) {
			return 0;
		}
		if (key == NULL || strlen(key) < MASK_KEY_MIN) {
			refuse(err, index, own ? "key" : "method", "mask.weak_key",
			       "column '%s' is hashed without a key of 16 bytes or more",
			       rule->name);
			drip_error_hint(err, "Make a key with `openssl rand -hex 32` and name its "
					     "file in key_file.");
			return -EINVAL;
		}
	}
	return 0;
}

static int mask_check(struct drip_ctx *ctx, const void *config, bool connect,
		      struct drip_report *report, struct drip_error *err)
{
	const struct mask_config *c = config;

	if (c->key.value != NULL && c->key_file != NULL) {
		struct drip_error two = DRIP_ERROR_INIT;

		drip_error_set(&two, -EINVAL, "mask.two_keys", "both key and key_file are set");
		drip_error_option(&two, "key_file");
		report->add(report, DRIP_LOG_ERROR, &two);
	}
	for (size_t i = 0; i < c->columns.count; i++) {
		struct drip_error finding = DRIP_ERROR_INIT;

		if (check_rule(c, i, &finding) != 0) {
			report->add(report, DRIP_LOG_ERROR, &finding);
		}
	}
	return 0;
}

static void destroy_plan(void *plan)
{
	struct plan *p = plan;

	drip_schema_unref(p->output);
	free(p->rules);
	free(p);
}

static enum drip_class class_after(const struct mask_rule *rule, enum drip_class before)
{
	enum drip_class after = DRIP_CLASS_INTERNAL;

	if (rule->method.value == MASK_DECRYPT) {
		return DRIP_CLASS_RESTRICTED;
	}
	if (rule->classification != NULL) {
		if (drip_class_parse(rule->classification, &after) != 0) {
			return before;
		}
	} else if (rule->method.value == MASK_TRUNCATE || rule->method.value == MASK_PARTIAL ||
		   rule->method.value == MASK_ENCRYPT) {
		after = DRIP_CLASS_CONFIDENTIAL;
	}
	return after < before ? after : before;
}

static int plan_column(const struct mask_config *config, size_t index,
		       const struct drip_schema *input, struct drip_column *column,
		       struct drip_error *err)
{
	const struct mask_rule *rule = rule_at(config, index);
	enum drip_type type = mask_output_type(rule, column->type);

	if (type == DRIP_TYPE_NONE) {
		refuse(err, index, "method", "mask.bad_type",
		       "column '%s' is of a type that this method cannot mask", column->name);
		drip_error_hint(err, "hash and null take any type.");
		return -EINVAL;
	}
	if ((column->flags & DRIP_COLUMN_KEY) && rule->method.value != MASK_HASH) {
		refuse(err, index, "method", "mask.key",
		       "column '%s' is a key, and rows would fall together", column->name);
		drip_error_hint(err, "Hash it, or drop it.");
		return -EINVAL;
	}
	if (type != column->type) {
		column->type = type;
		column->precision = column->scale = 0;
	}
	column->length = 0;
	column->classification = class_after(rule, column->classification);
	column->flags |= DRIP_COLUMN_MASKED; /* which drops its fill */
	if (rule->method.value == MASK_DECRYPT) {
		column->flags &= ~(uint32_t)DRIP_COLUMN_MASKED;
	}
	if (rule->method.value == MASK_NULL) {
		column->flags |= DRIP_COLUMN_NULLABLE;
	}
	return 0;
}

static int find_rules(const struct mask_config *config, const struct drip_schema *input,
		      struct plan *plan, struct drip_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < input->columns_count; i++) {
		plan->rules[i] = -1;
	}
	for (size_t r = 0; r < config->columns.count; r++) {
		const char *name = rule_at(config, r)->name;
		struct drip_error one = DRIP_ERROR_INIT;

		for (uint32_t i = 0; i < input->columns_count; i++) {
			if (plan->rules[i] < 0 &&
			    drip_glob_match(name, drip_schema_column(input, i)->name, NULL, NULL)) {
				plan->rules[i] = (int)r;
			}
		}
		if (strpbrk(name, "*?") == NULL &&
		    drip_schema_require(input, name, "mask.no_column", &one) < 0) {
			drip_error_option(&one, "columns[%zu].name", r);
			rc = drip_error_also(err, rc, &one);
		}
	}
	return rc;
}

static int make_plan(const struct mask_config *config, const struct drip_schema *input,
		     struct plan **ret, struct drip_error *err)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	struct drip_schema_builder b;
	int rc;

	if (plan == NULL) {
		return drip_error_nomem(err, sizeof(*plan));
	}
	plan->rules = calloc(input->columns_count + 1, sizeof(*plan->rules));
	drip_schema_builder_from(&b, input);
	rc = plan->rules == NULL || b.rc != 0
		     ? drip_error_nomem(err, (input->columns_count + 1) * sizeof(*plan->rules))
		     : find_rules(config, input, plan, err);
	for (uint32_t i = 0; rc != -ENOMEM && i < input->columns_count; i++) {
		struct drip_error one = DRIP_ERROR_INIT;

		if (plan->rules[i] < 0) {
			continue;
		}
		if (plan_column(config, (size_t)plan->rules[i], input, &b.columns[i], &one) != 0) {
			rc = drip_error_also(err, rc, &one);
		}
		drip_schema_builder_clear_fill(&b, i);
	}
	if (rc == 0) {
		rc = drip_schema_builder_build(&b, &plan->output, err);
	} else {
		drip_schema_builder_finish(&b);
	}
	if (rc != 0) {
		destroy_plan(plan);
		return rc;
	}
	*ret = plan;
	return 0;
}

static void mask_close(void *self)
{
	struct mask *m = self;

	drip_plans_finish(&m->plans);
	mask_ring_destroy(m->ring);
	mask_unlock(m->keys);
	free(m);
}

static int set_keys(struct mask *m, struct drip_error *err)
{
	const struct mask_config *c = m->config;
	void *memory = NULL;
	int rc = 0;

	for (size_t i = 0; rc == 0 && memory == NULL && i < c->columns.count; i++) {
		if (rule_at(c, i)->method.value == MASK_HASH) {
			rc = mask_locked(c->columns.count * sizeof(*m->keys), &memory, err);
		}
	}
	m->keys = memory;
	for (size_t i = 0; rc == 0 && i < c->columns.count; i++) {
		const struct mask_rule *rule = rule_at(c, i);
		const char *key = rule->key.value != NULL ? rule->key.value : c->key.value;

		if (rule->method.value == MASK_HASH && key != NULL) {
			mask_key_set(&m->keys[i], key);
		} else if (rule->method.value == MASK_HASH) {
			rc = mask_key_read(c->key_file, &m->keys[i], err);
		} else if (is_crypt(rule) && m->ring == NULL) {
			rc = mask_ring_open(c->keyring, &m->ring, err);
		}
	}
	return rc;
}

static int mask_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	const struct mask_config *c = config;
	struct mask *m;
	int rc;

	for (size_t i = 0; i < c->columns.count; i++) {
		rc = check_rule(c, i, err);

		if (rc != 0) {
			return rc;
		}
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL) {
		return drip_error_nomem(err, sizeof(*m));
	}
	m->ctx = ctx;
	m->config = c;
	m->plans.destroy = destroy_plan;
	rc = set_keys(m, err);
	if (rc != 0) {
		mask_close(m);
		return rc;
	}
	*ret_self = m;
	return 0;
}

static int mask_negotiate(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			  struct drip_negotiated *ret, struct drip_error *err)
{
	uint32_t count = input->columns_count;
	struct plan *plan;
	int rc = make_plan(config, input, &plan, err);

	if (rc != 0) {
		return rc;
	}
	ret->edges = calloc(count + 1, sizeof(*ret->edges));
	if (ret->edges == NULL) {
		destroy_plan(plan);
		return drip_error_nomem(err, (count + 1) * sizeof(*ret->edges));
	}
	for (uint32_t i = 0; i < count; i++) {
		ret->edges[i] = (struct drip_lineage_edge){i, i, DRIP_LINEAGE_IDENTITY};
		if (plan->rules[i] >= 0) {
			const struct mask_rule *rule = rule_at(config, (size_t)plan->rules[i]);

			ret->edges[i].kind = rule->method.value == MASK_DECRYPT
						     ? DRIP_LINEAGE_TRANSFORMATION
						     : DRIP_LINEAGE_MASK;
		}
	}
	ret->edges_count = count;
	ret->output = drip_schema_ref(plan->output);
	destroy_plan(plan);
	return 0;
}

/* (gives) the masked batch. */
static int mask_rows(struct mask *m, const struct drip_batch *batch, const struct plan *plan,
		     struct drip_batch **ret, struct drip_error *err)
{
	uint32_t count = plan->output->columns_count, done = 0;
	struct ArrowArray *columns = calloc(count + 1, sizeof(*columns));
	int rc = columns == NULL ? drip_error_nomem(err, (count + 1) * sizeof(*columns)) : 0;

	while (rc == 0 && done < count) {
		int rule = plan->rules[done];

		if (rule < 0) {
			rc = drip_column_share(batch, done, &columns[done], err);
		} else {
			rc = mask_column(rule_at(m->config, (size_t)rule),
					 m->keys != NULL ? &m->keys[rule] : NULL, m->ring, batch,
					 done, &columns[done], err);
		}
		done += rc == 0;
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, plan->output, columns, ret, err);
	} else {
		while (done-- > 0) {
			columns[done].release(&columns[done]);
		}
	}
	free(columns);
	return rc;
}

static int mask_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct mask *m = self;
	struct drip_batch *masked = NULL;
	struct plan *plan;
	int rc = 0;

	if (batch->schema == NULL) {
		return drip_emit(m->ctx, batch, err);
	}
	plan = drip_plans_find(&m->plans, batch->schema);
	if (plan == NULL) {
		rc = make_plan(m->config, batch->schema, &plan, err);
		if (rc == 0) {
			rc = drip_plans_put(&m->plans, batch->schema, plan, err);
		}
	}
	if (rc == 0 && batch->kind == DRIP_BATCH_ROWS) {
		rc = mask_rows(m, batch, plan, &masked, err);
	} else if (rc == 0) {
		rc = drip_batch_with_schema(batch, plan->output, &masked, err);
	}
	drip_batch_unref(batch);
	return rc != 0 ? rc : drip_emit(m->ctx, masked, err);
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.check = mask_check,
	.open = mask_open,
	.close = mask_close,
	.negotiate = mask_negotiate,
	.process = mask_process,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "mask",
	.summary = "Hides sensitive values and lowers the class of their columns",
	.description =
		"A pipeline in which an unmasked restricted column would reach a sink that is "
		"not cleared for it does not validate; this is the stage that masks it.",
	.schema_notes = "Masked columns get the class of their rule, where that is lower, and the "
			"mark `masked`; hash, redact and partial make them text.",
	.guarantees =
		"Row for row, in order, the same for the same value and key. Nulls stay null. "
		"Keys are wiped from memory when the stage closes.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct mask_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("mask", DRIP_SDK_VERSION, "Transform that hides sensitive values", &component);
