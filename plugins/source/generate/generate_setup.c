/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of the source `generate` from its options: types, ranges, weights, and the schema. Pure.
 */
#include "generate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct drip_enum_value kinds[] = {
	{"sequence", GENERATE_SEQUENCE, "`start` and every `step` after it; unique."},
	{"int", GENERATE_INT, "Uniform integers from `min` to `max`."},
	{"float", GENERATE_FLOAT, "Uniform from `min` up to `max`."},
	{"decimal", GENERATE_DECIMAL, "Uniform from `min` to `max`, exact."},
	{"bool", GENERATE_BOOL, "True in a share of `max`, where that is at most 1; else in half."},
	{"choice", GENERATE_CHOICE, "One of `values`, by weight."},
	{"text", GENERATE_TEXT, "Letters, `min_length` to `max_length` of them."},
	{"template", GENERATE_TEMPLATE, "`template`, its {} replaced by a sequence; unique."},
	{"timestamp", GENERATE_TIMESTAMP, "From `from` on, one `every` later each row."},
	{"uuid", GENERATE_UUID, "Random UUIDs of version 4."},
	{"binary", GENERATE_BINARY, "Bytes, `min_length` to `max_length` of them."},
	{NULL, 0, NULL},
};

static const struct drip_enum_value on_updates[] = {
	{"auto", GENERATE_ON_UPDATE_AUTO,
	 "keep for keys, sequence, template, uuid and timestamp; change for all others."},
	{"keep", GENERATE_ON_UPDATE_KEEP, "An update leaves the value alone."},
	{"change", GENERATE_ON_UPDATE_CHANGE, "An update draws the value anew."},
	{NULL, 0, NULL},
};

#define OPT(member, ...) DRIP_OPTION(struct generate_column_config, member, __VA_ARGS__)
const struct drip_option generate_column_options[GENERATE_COLUMN_OPTIONS] = {
	OPT(name, .help = "Name of the column.", .flags = DRIP_OPTION_REQUIRED),
	OPT(kind, .help = "How values are made.", .default_text = "int", .values = kinds),
	OPT(type,
	    .help = "Type of the column. Default: what fits the kind: int64, float64, "
		    "decimal(12,2), "
		    "utf8, timestamp_utc, ...",
	    .example = "int32"),
	OPT(key, .help = "Part of the primary key.", .default_text = "false"),
	{.struct_size = sizeof(struct drip_option),
	 .name = "class",
	 .type = DRIP_OPTION_STRING,
	 .offset = offsetof(struct generate_column_config, classification),
	 .help = "public, internal, confidential or restricted.",
	 .default_text = "internal"},
	OPT(nulls, .help = "Share of nulls.", .default_text = "0", .max = 1),
	OPT(min, .help = "Smallest value of int, float and decimal.", .default_text = "0"),
	OPT(max, .help = "Largest value of int, float and decimal.", .default_text = "1000"),
	OPT(start, .help = "First value of sequence and template.", .default_text = "1"),
	OPT(step, .help = "Distance between values of sequence and template.", .default_text = "1"),
	OPT(values, .help = "Values of a choice, each with its weight.",
	    .example = "{paid: 8, refunded: 1}"),
	OPT(min_length, .help = "Shortest text or binary.", .default_text = "8", .unit = "bytes",
	    .max = GENERATE_TEXT_MAX),
	OPT(max_length, .help = "Longest text or binary.", .default_text = "24", .unit = "bytes",
	    .max = GENERATE_TEXT_MAX),
	{.struct_size = sizeof(struct drip_option),
	 .name = "template",
	 .type = DRIP_OPTION_STRING,
	 .offset = offsetof(struct generate_column_config, template_text),
	 .help = "Text with one {} for the number.",
	 .example = "\"SO{}\""},
	OPT(from, .help = "First timestamp.", .default_text = "2024-01-01T00:00:00"),
	OPT(every, .help = "Time between one row's timestamp and the next.", .default_text = "1s"),
	OPT(jitter, .help = "Random time, up to this, added to each timestamp.",
	    .default_text = "0ms"),
	OPT(on_update, .help = "What an update does to the column.", .default_text = "auto",
	    .values = on_updates),
};

static const struct drip_pair default_statuses[] = {
	{"paid", "70"}, {"made", "20"}, {"cancelled", "6"}, {"refunded", "4"}};
static const struct drip_pair default_currencies[] = {{"USD", "80"}, {"CAD", "15"}, {"NZD", "5"}};

#define COMMON                                                                                     \
	.classification = "internal", .max = 1000, .start = 1, .step = 1, .min_length = 8,         \
	.max_length = 24, .from = "2024-01-01T00:00:00", .every = {.ms = 1000}
static const struct generate_column_config default_columns[] = {
	{COMMON, .name = "id", .kind = {GENERATE_SEQUENCE}, .key = true},
	{.classification = "internal",
	 .name = "order_no",
	 .kind = {GENERATE_TEMPLATE},
	 .template_text = "SO{}",
	 .start = 100000001,
	 .step = 1},
	{.classification = "internal",
	 .name = "shop_id",
	 .type = "int32",
	 .kind = {GENERATE_INT},
	 .min = 1,
	 .max = 2000},
	{.classification = "internal",
	 .name = "user_id",
	 .kind = {GENERATE_INT},
	 .nulls = 0.05,
	 .min = 1,
	 .max = 5000000},
	{COMMON, .name = "status", .kind = {GENERATE_CHOICE},
	 .values = {default_statuses, DRIP_COUNT(default_statuses)}},
	{.classification = "internal",
	 .name = "amount",
	 .type = "decimal(12,2)",
	 .kind = {GENERATE_DECIMAL},
	 .min = 1,
	 .max = 40},
	{COMMON, .name = "currency", .kind = {GENERATE_CHOICE},
	 .values = {default_currencies, DRIP_COUNT(default_currencies)}},
	{COMMON, .name = "created_at", .kind = {GENERATE_TIMESTAMP}},
	{COMMON, .name = "updated_at", .kind = {GENERATE_TIMESTAMP},
	 .on_update = {GENERATE_ON_UPDATE_CHANGE}},
};

struct place {
	size_t index;
	const struct generate_column_config *config;
	struct drip_error *err;
};

DRIP_PRINTF(3, 4)
static int refuse(const struct place *at, const char *member, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	drip_error_set(at->err, -EINVAL, "generate.bad_column", "column '%s': %s", at->config->name,
		       text);
	drip_error_option(at->err, "columns[%zu].%s", at->index, member);
	return -EINVAL;
}

static const char *default_type(enum generate_kind kind)
{
	switch (kind) {
	case GENERATE_SEQUENCE:
	case GENERATE_INT:
		return "int64";
	case GENERATE_FLOAT:
		return "float64";
	case GENERATE_DECIMAL:
		return "decimal(12,2)";
	case GENERATE_BOOL:
		return "bool";
	case GENERATE_TIMESTAMP:
		return "timestamp_utc";
	case GENERATE_UUID:
		return "uuid";
	case GENERATE_BINARY:
		return "binary";
	default:
		return "utf8";
	}
}

static bool type_fits(enum generate_kind kind, enum drip_type type)
{
	switch (kind) {
	case GENERATE_SEQUENCE:
	case GENERATE_INT:
		return type >= DRIP_TYPE_INT8 && type <= DRIP_TYPE_UINT64;
	case GENERATE_FLOAT:
		return type == DRIP_TYPE_FLOAT32 || type == DRIP_TYPE_FLOAT64;
	case GENERATE_DECIMAL:
		return type == DRIP_TYPE_DECIMAL;
	case GENERATE_BOOL:
		return type == DRIP_TYPE_BOOL;
	case GENERATE_TIMESTAMP:
		return type == DRIP_TYPE_TIMESTAMP || type == DRIP_TYPE_TIMESTAMP_UTC ||
		       type == DRIP_TYPE_DATE;
	case GENERATE_UUID:
		return type == DRIP_TYPE_UUID || type == DRIP_TYPE_UTF8;
	case GENERATE_BINARY:
		return type == DRIP_TYPE_BINARY;
	case GENERATE_CHOICE:
		return type != DRIP_TYPE_NONE;
	default:
		return type == DRIP_TYPE_UTF8;
	}
}

static int make_range(struct generate_column *c, const struct place *at)
{
	static const double lowest[] = {-128, -32768, -2147483648.0, -0x1p53, 0, 0, 0, 0};
	static const double highest[] = {127, 32767, 2147483647,   0x1p53,
					 255, 65535, 4294967295.0, 0x1p53};
	double min = at->config->min, max = at->config->max, scale = 1;

	if (!(min <= max)) {
		return refuse(at, "min", "min is greater than max");
	}
	if (c->kind == GENERATE_INT) {
		int i = (int)c->column.type - DRIP_TYPE_INT8;

		if (min < lowest[i] || max > highest[i]) {
			return refuse(at, min < lowest[i] ? "min" : "max",
				      "the type cannot hold this value");
		}
	} else if (c->kind == GENERATE_DECIMAL) {
		scale = pow(10, c->column.scale);
		if (fabs(min) * scale > 0x1p62 || fabs(max) * scale > 0x1p62 ||
		    fmax(fabs(min), fabs(max)) >= pow(10, c->column.precision - c->column.scale)) {
			return refuse(at, "max", "the type cannot hold this range");
		}
	} else {
		c->flow = min;
		c->fspan = max - min;
		return 0;
	}
	c->low = (int64_t)ceil(min * scale);
	c->range = (uint64_t)((int64_t)floor(max * scale) - c->low) + 1;
	if ((int64_t)floor(max * scale) < c->low) {
		return refuse(at, "min", "no value of the type lies between min and max");
	}
	return 0;
}

/* Walker's alias method (A. J. Walker, ACM TOMS 3 (1977) 253): a draw in constant time. */
static void make_alias(struct generate_column *c, double *weights, double total)
{
	uint32_t n = c->values_count;

	for (uint32_t i = 0; i < n; i++) {
		weights[i] = weights[i] / total * n;
		c->alias[i] = i;
		c->alias_below[i] = UINT64_MAX;
	}
	for (uint32_t round = 0; round < n; round++) {
		uint32_t small = n, large = n;

		for (uint32_t i = 0; i < n; i++) {
			if (weights[i] >= 0 && weights[i] < 1 && small == n) {
				small = i;
			} else if (weights[i] > 1 && large == n) {
				large = i;
			}
		}
		if (small == n || large == n) {
			return;
		}
		c->alias_below[small] = (uint64_t)(weights[small] * 0x1p63) << 1;
		c->alias[small] = large;
		weights[large] -= 1 - weights[small];
		weights[small] = -1; /* settled */
	}
}

static int make_values(struct generate_column *c, const struct place *at)
{
	const struct drip_pairs *values = &at->config->values;
	double *weights, total = 0;
	int rc;

	if (values->count == 0 || values->count > GENERATE_VALUES_MAX) {
		return refuse(at, "values", "a choice needs 1 to %d values", GENERATE_VALUES_MAX);
	}
	c->values_count = (uint32_t)values->count;
	c->alias = calloc(values->count, sizeof(*c->alias));
	c->alias_below = calloc(values->count, sizeof(*c->alias_below));
	weights = calloc(values->count, sizeof(*weights));
	if (c->alias == NULL || c->alias_below == NULL || weights == NULL) {
		free(weights);
		return drip_error_nomem(at->err, values->count * sizeof(*weights));
	}
	rc = drip_column_builder_init(&c->values, c->column.type, (int64_t)values->count, at->err);
	for (size_t i = 0; rc == 0 && i < values->count; i++) {
		const struct drip_pair *pair = &values->items[i];
		char *end;

		weights[i] = strtod(pair->value != NULL ? pair->value : "", &end);
		if (end == pair->value || *end != '\0' || !(weights[i] >= 0) || weights[i] > 1e12) {
			rc = refuse(at, "values", "weight of '%s' is not a number from 0 on",
				    pair->key);
			break;
		}
		total += weights[i];
		rc = drip_append_text(&c->values, &c->column, pair->key, (int64_t)strlen(pair->key),
				      at->err);
		if (rc != 0) {
			drip_error_option(at->err, "columns[%zu].values", at->index);
		}
	}
	if (rc == 0 && total <= 0) {
		rc = refuse(at, "values", "the weights add up to nothing");
	}
	if (rc == 0) {
		make_alias(c, weights, total);
	}
	free(weights);
	return rc;
}

static int make_template(struct generate_column *c, const struct place *at)
{
	const char *text = at->config->template_text, *hole;

	hole = text != NULL ? strstr(text, "{}") : NULL;
	if (hole == NULL || strlen(text) > GENERATE_TEMPLATE_MAX) {
		return refuse(at, "template",
			      "a template is a text with {} in it, %d bytes at most",
			      GENERATE_TEMPLATE_MAX);
	}
	c->prefix = text;
	c->prefix_size = hole - text;
	c->suffix = hole + 2;
	c->suffix_size = (int64_t)strlen(c->suffix);
	if (at->config->start < 0 || at->config->step < 0) {
		return refuse(at, "start", "the numbers of a template cannot be negative");
	}
	c->low = at->config->start;
	c->step = at->config->step;
	return 0;
}

static int make_times(struct generate_column *c, const struct place *at)
{
	struct drip_column column = {.struct_size = sizeof(column), .type = DRIP_TYPE_TIMESTAMP};
	struct drip_column_builder b;
	int rc = drip_column_builder_init(&b, DRIP_TYPE_TIMESTAMP, 1, at->err);

	if (rc != 0) {
		return rc;
	}
	rc = drip_append_text(&b, &column, at->config->from, (int64_t)strlen(at->config->from),
			      at->err);
	if (rc != 0) {
		drip_error_option(at->err, "columns[%zu].from", at->index);
	} else if (b.rc != 0) { /* an append that cannot allocate says so only here */
		rc = drip_error_nomem(at->err, sizeof(int64_t));
	} else {
		c->low = *(const int64_t *)(const void *)b.values;
		c->step = at->config->every.ms * 1000;
		c->range = (uint64_t)at->config->jitter.ms * 1000 + 1;
	}
	drip_column_builder_finish(&b);
	return rc;
}

static int make_kind(struct generate_column *c, const struct place *at)
{
	const struct generate_column_config *config = at->config;

	switch (c->kind) {
	case GENERATE_SEQUENCE:
		c->low = config->start;
		c->step = config->step;
		return 0;
	case GENERATE_INT:
	case GENERATE_FLOAT:
	case GENERATE_DECIMAL:
		return make_range(c, at);
	case GENERATE_BOOL:
		c->fspan = config->max >= 0 && config->max <= 1 ? config->max : 0.5;
		return 0;
	case GENERATE_CHOICE:
		return make_values(c, at);
	case GENERATE_TEMPLATE:
		return make_template(c, at);
	case GENERATE_TIMESTAMP:
		return make_times(c, at);
	case GENERATE_TEXT:
	case GENERATE_BINARY:
		if (config->min_length < 0 || config->min_length > config->max_length ||
		    config->max_length > GENERATE_TEXT_MAX) {
			return refuse(at, "min_length",
				      "lengths are 0 to %d, min_length at most max_length",
				      GENERATE_TEXT_MAX);
		}
		c->min_size = config->min_length;
		c->size_range = (uint64_t)(config->max_length - config->min_length) + 1;
		return 0;
	default:
		return 0;
	}
}

static bool keeps_by_default(enum generate_kind kind)
{
	return kind == GENERATE_SEQUENCE || kind == GENERATE_TEMPLATE || kind == GENERATE_UUID ||
	       kind == GENERATE_TIMESTAMP;
}

static int make_column(struct generate_column *c, const struct place *at, int64_t seed)
{
	const struct generate_column_config *config = at->config;
	const char *type = config->type;
	int rc;

	c->kind = (enum generate_kind)config->kind.value;
	if (type == NULL) {
		type = default_type(c->kind);
	}
	c->column.struct_size = sizeof(c->column);
	rc = drip_type_parse(type, &c->column, at->err);
	if (rc != 0) {
		drip_error_option(at->err, "columns[%zu].type", at->index);
		return rc;
	}
	c->column.name = config->name;
	if (!type_fits(c->kind, c->column.type)) {
		return refuse(at, "type", "type %s does not fit the kind", type);
	}
	if (drip_class_parse(config->classification, &c->column.classification) != 0) {
		return refuse(at, "class", "no such class: '%s'", config->classification);
	}
	if (config->key && config->nulls > 0) {
		return refuse(at, "nulls", "a key cannot be null");
	}
	if (!(config->nulls >= 0 && config->nulls <= 1)) {
		return refuse(at, "nulls", "a share is a number from 0 to 1");
	}
	c->column.flags = (config->key ? DRIP_COLUMN_KEY : 0) |
			  (config->nulls > 0 ? DRIP_COLUMN_NULLABLE : 0);
	c->null_below = config->nulls >= 1 ? UINT64_MAX : (uint64_t)(config->nulls * 0x1p63) << 1;
	c->changes = config->on_update.value == GENERATE_ON_UPDATE_CHANGE ||
		     (config->on_update.value == GENERATE_ON_UPDATE_AUTO && !config->key &&
		      !keeps_by_default(c->kind));
	if (config->key && c->changes) {
		return refuse(at, "on_update", "an update cannot change a key");
	}
	c->seed =
		generate_mix(generate_mix((uint64_t)seed) + 0x9e3779b97f4a7c15u * (at->index + 1));
	return make_kind(c, at);
}

int generate_columns_make(const struct generate_config *config, struct generate_column **ret,
			  uint32_t *ret_count, struct drip_error *err)
{
	struct place at = {.config = config->columns.items, .err = err};
	size_t count = config->columns.count;
	struct generate_column *columns;
	int rc = 0;

	if (count == 0) {
		at.config = default_columns;
		count = DRIP_COUNT(default_columns);
	}
	if (count > GENERATE_COLUMNS_MAX) {
		drip_error_set(err, -EINVAL, "generate.bad_column", "%zu columns, the limit is %d",
			       count, GENERATE_COLUMNS_MAX);
		drip_error_option(err, "columns");
		return -EINVAL;
	}
	columns = calloc(count, sizeof(*columns));
	if (columns == NULL) {
		return drip_error_nomem(err, count * sizeof(*columns));
	}
	for (; rc == 0 && at.index < count; at.index++, at.config++) {
		rc = make_column(&columns[at.index], &at, config->seed);
	}
	if (rc != 0) {
		generate_columns_free(columns, (uint32_t)count);
		return rc;
	}
	*ret = columns;
	*ret_count = (uint32_t)count;
	return 0;
}

void generate_columns_free(struct generate_column *columns, uint32_t count)
{
	if (columns == NULL) {
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		drip_column_builder_finish(&columns[i].values);
		free(columns[i].alias);
		free(columns[i].alias_below);
	}
	free(columns);
}

int generate_schema_make(const struct generate_config *config, struct drip_schema **ret,
			 struct drip_error *err)
{
	struct generate_column *columns;
	struct drip_schema_builder b;
	uint32_t count;
	int rc = generate_columns_make(config, &columns, &count, err);

	if (rc != 0) {
		return rc;
	}
	drip_schema_builder_init(&b, config->database, config->table);
	for (uint32_t i = 0; i < count; i++) {
		drip_schema_builder_add(&b, &columns[i].column);
	}
	rc = drip_schema_builder_build(&b, ret, err);
	generate_columns_free(columns, count);
	return rc;
}
