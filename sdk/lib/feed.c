/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds from tables of facts: the contract, and the cleansing of batches, column by column. What is
 * kept as it is shares its buffers. A feed's zones are loaded once. Thread: the source's.
 */
#include <dripline/dripline.h>
#include <dripline/feed.h>
#include <dripline/tz.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONES_MAX  64
#define QUARTER_S  900 /* offsets change at full quarters of an hour */
#define SECOND_US  INT64_C(1000000)
#define TYPE_BYTES 64

const struct drip_option drip_feed_options[1] = {
	DRIP_OPTION(struct drip_feed_config, time_zone, .default_text = "America/New_York",
		    .help = "Zone of wall-clock times of tables that do not name one."),
};

struct zone {
	char name[64];
	struct drip_tz *tz;
};

struct feed {
	struct drip_ctx *ctx;
	const struct drip_feed_facts *facts;
	struct zone zones[ZONES_MAX]; /* [0]: the feed's own */
	uint32_t zones_count;
	/* the last lookup */
	const struct drip_tz *tz;
	int64_t quarter;
	int64_t offset_s;
};

/* ---- contract ---- */

/* The schemas of a table, with what belongs to them. */
struct promise {
	uint32_t from[DRIP_FEED_COLUMNS_MAX];
	const char *pii[DRIP_FEED_COLUMNS_MAX];
};

struct contract {
	struct drip_contract base;
	struct drip_contract_table tables[DRIP_FEED_TABLES_MAX];
	struct promise promises[DRIP_FEED_TABLES_MAX];
};

static enum drip_class class_of(enum drip_feed_class class)
{
	static const enum drip_class classes[] = {
		[DRIP_FEED_INTERNAL] = DRIP_CLASS_INTERNAL,
		[DRIP_FEED_PUBLIC] = DRIP_CLASS_PUBLIC,
		[DRIP_FEED_CONFIDENTIAL] = DRIP_CLASS_CONFIDENTIAL,
		[DRIP_FEED_RESTRICTED] = DRIP_CLASS_RESTRICTED,
	};

	return classes[class];
}

static bool is_time(enum drip_type type)
{
	return type == DRIP_TYPE_DATE || type == DRIP_TYPE_TIMESTAMP ||
	       type == DRIP_TYPE_TIMESTAMP_UTC;
}

/* The column at the source, and what becomes of it. */
static int parse(const struct drip_feed_column *fact, struct drip_column *source,
		 struct drip_column *target, struct drip_error *err)
{
	struct drip_column column = {.struct_size = sizeof(column), .name = fact->name};
	int rc = drip_type_parse(fact->type, &column, err);

	if (rc < 0) {
		return rc;
	}
	column.classification = class_of(fact->classification);
	column.flags = fact->flags | (is_time(column.type) ? DRIP_COLUMN_NULLABLE : 0);
	*source = *target = column;
	if (fact->clean == DRIP_FEED_TEXT) {
		target->type = DRIP_TYPE_UTF8;
	} else if (fact->clean == DRIP_FEED_UTC) {
		target->type = DRIP_TYPE_TIMESTAMP_UTC;
	} else if (fact->clean == DRIP_FEED_EQUALS) {
		target->type = DRIP_TYPE_BOOL;
	}
	return 0;
}

static uint32_t index_of(const struct drip_feed_table *table, const char *name)
{
	uint32_t index = 0;

	for (uint32_t i = 0; i < table->columns_count; i++) {
		if (table->columns[i].clean == DRIP_FEED_EQUALS) {
			continue;
		}
		if (strcmp(table->columns[i].name, name) == 0) {
			return index;
		}
		index++;
	}
	return UINT32_MAX;
}

static int promise_table(const struct drip_feed_table *table, struct drip_contract_table *ret,
			 struct promise *promise, struct drip_error *err)
{
	struct drip_schema_builder source, target;
	struct drip_schema *schemas[2] = {NULL, NULL};
	int rc = 0;

	drip_schema_builder_init(&source, "", "");
	drip_schema_builder_init(&target, "", "");
	for (uint32_t i = 0; i < table->columns_count && rc == 0; i++) {
		const struct drip_feed_column *fact = &table->columns[i];
		struct drip_column from, to;

		rc = parse(fact, &from, &to, err);
		promise->pii[i] = fact->pii;
		promise->from[i] =
			index_of(table, fact->clean == DRIP_FEED_EQUALS ? fact->from : fact->name);
		if (rc == 0 && promise->from[i] == UINT32_MAX) {
			rc = drip_error_set(
				err, -EINVAL, "feed.bad_facts",
				"column %s of %s is made of a column that is not listed",
				fact->name, table->match);
		}
		if (rc == 0 && fact->clean != DRIP_FEED_EQUALS) {
			drip_schema_builder_add(&source, &from);
		}
		if (rc == 0) {
			drip_schema_builder_add(&target, &to);
		}
	}
	if (rc < 0) {
		drip_schema_builder_finish(&source);
		drip_schema_builder_finish(&target);
		return rc;
	}
	rc = drip_schema_builder_build(&source, &schemas[0], err);
	if (rc < 0) {
		drip_schema_builder_finish(&target);
		return rc;
	}
	rc = drip_schema_builder_build(&target, &schemas[1], err);
	if (rc < 0) {
		drip_schema_unref(schemas[0]);
		return rc;
	}
	*ret = (struct drip_contract_table){.struct_size = sizeof(*ret),
					    .match = table->match,
					    .schema = schemas[1],
					    .source = schemas[0],
					    .from = promise->from,
					    .rules = table->rules,
					    .rules_count = table->rules_count,
					    .rule_size = sizeof(*table->rules),
					    .pii = promise->pii};
	return 0;
}

static void release(const struct drip_contract *contract)
{
	struct contract *own = contract->private_data;

	for (size_t i = 0; i < own->base.tables_count; i++) {
		drip_schema_unref(own->tables[i].schema);
		drip_schema_unref(own->tables[i].source);
	}
	free(own);
}

int drip_feed_contract(const struct drip_feed_facts *facts, const struct drip_contract **ret,
		       struct drip_error *err)
{
	struct contract *own = calloc(1, sizeof(*own));

	if (own == NULL) {
		return drip_error_nomem(err, sizeof(*own));
	}
	own->base = (struct drip_contract){.struct_size = sizeof(own->base),
					   .tables = own->tables,
					   .release = release,
					   .private_data = own};
	for (uint32_t i = 0; i < facts->tables_count; i++) {
		const struct drip_feed_table *table = &facts->tables[i];
		int rc;

		if (i == DRIP_FEED_TABLES_MAX || table->columns_count > DRIP_FEED_COLUMNS_MAX) {
			rc = drip_error_set(err, -E2BIG, "feed.bad_facts",
					    "a feed has %d tables of %d columns at most",
					    DRIP_FEED_TABLES_MAX, DRIP_FEED_COLUMNS_MAX);
		} else {
			rc = promise_table(table, &own->tables[i], &own->promises[i], err);
		}
		if (rc < 0) {
			release(&own->base);
			return rc;
		}
		own->base.tables_count = i + 1;
	}
	*ret = &own->base;
	return 0;
}

/* ---- life ---- */

static int add_zone(struct feed *feed, const char *name, struct drip_error *err)
{
	struct zone *zone = &feed->zones[feed->zones_count];
	int rc;

	if (feed->zones_count == ZONES_MAX || strlen(name) >= sizeof(zone->name)) {
		return drip_error_set(
			err, -EINVAL, "feed.bad_zone",
			"more than %d time zones in one feed, or a name that is too long",
			ZONES_MAX);
	}
	rc = drip_tz_load(name, &zone->tz, err);
	if (rc < 0) {
		return rc;
	}
	snprintf(zone->name, sizeof(zone->name), "%s", name);
	feed->zones_count++;
	return 0;
}

int drip_feed_open(struct drip_ctx *ctx, const struct drip_feed_facts *facts, const void *config,
		   void **ret_self, struct drip_error *err)
{
	const struct drip_feed_config *c = config;
	struct feed *feed = calloc(1, sizeof(*feed));
	int rc;

	if (feed == NULL) {
		return drip_error_nomem(err, sizeof(*feed));
	}
	feed->ctx = ctx;
	feed->facts = facts;
	rc = add_zone(feed, c->time_zone, err);
	if (rc < 0) {
		drip_error_option(err, "time_zone");
		free(feed);
		return rc;
	}
	*ret_self = feed;
	return 0;
}

void drip_feed_close(void *self)
{
	struct feed *feed = self;

	for (uint32_t i = 0; i < feed->zones_count; i++) {
		drip_tz_destroy(feed->zones[i].tz);
	}
	free(feed);
}

/* ---- cleansing ---- */

static const struct drip_tz *find_zone(struct feed *feed, const char *name, size_t size)
{
	struct drip_error why = DRIP_ERROR_INIT;
	char text[sizeof(feed->zones[0].name)];

	for (uint32_t i = 0; i < feed->zones_count; i++) {
		if (strncmp(feed->zones[i].name, name, size) == 0 &&
		    feed->zones[i].name[size] == '\0') {
			return feed->zones[i].tz;
		}
	}
	snprintf(text, sizeof(text), "%.*s", (int)(size < sizeof(text) ? size : 0), name);
	if (add_zone(feed, text, &why) < 0) {
		drip_log_warning(feed->ctx, "times are taken for those of %s: %s",
				 feed->zones[0].name, why.message);
		feed->ctx->host->counter_add(feed->ctx, "unknown_zones", 1);
		return feed->zones[0].tz;
	}
	return feed->zones[feed->zones_count - 1].tz;
}

/* Seconds from wall-clock time to the instant; known for a quarter of an hour. */
static int64_t offset_at(struct feed *feed, const struct drip_tz *tz, int64_t local_s)
{
	int64_t quarter = local_s / QUARTER_S, instants[2], gap = 0;

	if (feed->tz != tz || feed->quarter != quarter) {
		feed->tz = tz;
		feed->quarter = quarter;
		feed->offset_s = drip_tz_resolve(tz, local_s, instants, &gap) > 0
					 ? instants[0] - local_s
					 : INT64_MIN;
	}
	return feed->offset_s != INT64_MIN
		       ? feed->offset_s
		       : (drip_tz_resolve(tz, local_s, instants, &gap), gap - local_s);
}

static int64_t to_utc(struct feed *feed, const struct drip_tz *tz, int64_t local_us)
{
	int64_t seconds = local_us / SECOND_US - (local_us % SECOND_US < 0);

	return local_us + offset_at(feed, tz, seconds) * SECOND_US;
}

static int utc_column(struct feed *feed, const struct drip_batch *batch, uint32_t index, int zone,
		      struct ArrowArray *ret, struct drip_error *err)
{
	struct drip_column_builder b;
	int rc = drip_column_builder_init(&b, DRIP_TYPE_TIMESTAMP_UTC, batch->rows, err);

	if (rc < 0) {
		return rc;
	}
	for (int64_t row = 0; row < batch->rows; row++) {
		const struct drip_tz *tz = feed->zones[0].tz;
		struct drip_value v, name;

		drip_value_get(batch, index, row, &v);
		if (v.type == DRIP_TYPE_NONE) {
			drip_append_null(&b);
			continue;
		}
		if (zone >= 0) {
			drip_value_get(batch, (uint32_t)zone, row, &name);
			tz = name.type == DRIP_TYPE_UTF8
				     ? find_zone(feed, name.data, (size_t)name.size)
				     : tz;
		}
		drip_append_i64(&b, to_utc(feed, tz, v.i));
	}
	rc = drip_column_builder_build(&b, ret, err);
	drip_column_builder_finish(&b);
	return rc;
}

/* Decimal digits of `v` at the end of `buf`; returns where they begin. */
static char *digits(int64_t v, char buf[24])
{
	uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char *p = buf + 24;

	do {
		*--p = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (v < 0) {
		*--p = '-';
	}
	return p;
}

static int text_column(const struct drip_batch *batch, uint32_t index, struct ArrowArray *ret,
		       struct drip_error *err)
{
	struct drip_column_builder b;
	int rc = drip_column_builder_init(&b, DRIP_TYPE_UTF8, batch->rows, err);

	if (rc < 0) {
		return rc;
	}
	for (int64_t row = 0; row < batch->rows; row++) {
		struct drip_value v;
		char buf[24], *text;

		drip_value_get(batch, index, row, &v);
		if (v.type == DRIP_TYPE_NONE) {
			drip_append_null(&b);
			continue;
		}
		text = digits(v.i, buf);
		drip_append_bytes(&b, text, buf + sizeof(buf) - text);
	}
	rc = drip_column_builder_build(&b, ret, err);
	drip_column_builder_finish(&b);
	return rc;
}

static int equals_column(const struct drip_batch *batch, uint32_t index, const char *text,
			 struct ArrowArray *ret, struct drip_error *err)
{
	struct drip_column_builder b;
	int64_t size = (int64_t)strlen(text);
	int rc = drip_column_builder_init(&b, DRIP_TYPE_BOOL, batch->rows, err);

	if (rc < 0) {
		return rc;
	}
	for (int64_t row = 0; row < batch->rows; row++) {
		struct drip_value v;

		drip_value_get(batch, index, row, &v);
		if (v.type == DRIP_TYPE_NONE) {
			drip_append_null(&b);
		} else {
			drip_append_bool(&b,
					 v.size == size && memcmp(v.data, text, (size_t)size) == 0);
		}
	}
	rc = drip_column_builder_build(&b, ret, err);
	drip_column_builder_finish(&b);
	return rc;
}

static int clean_column(struct feed *feed, const struct drip_feed_column *fact,
			const struct drip_batch *batch, struct ArrowArray *ret,
			struct drip_error *err)
{
	int index = drip_schema_find(batch->schema,
				     fact->clean == DRIP_FEED_EQUALS ? fact->from : fact->name);

	if (index < 0) {
		return drip_error_set(err, -EINVAL, "feed.bad_facts", "column %s has no source",
				      fact->name); /* negotiation has seen to it */
	}
	switch (fact->clean) {
	case DRIP_FEED_TEXT:
		return text_column(batch, (uint32_t)index, ret, err);
	case DRIP_FEED_UTC:
		return utc_column(feed, batch, (uint32_t)index,
				  fact->arg != NULL ? drip_schema_find(batch->schema, fact->arg)
						    : -1,
				  ret, err);
	case DRIP_FEED_EQUALS:
		return equals_column(batch, (uint32_t)index, fact->arg, ret, err);
	default:
		return drip_column_share(batch, (uint32_t)index, ret, err);
	}
}

static const struct drip_feed_table *find_table(const struct feed *feed,
						const struct drip_schema *schema)
{
	for (uint32_t i = 0; i < feed->facts->tables_count; i++) {
		if (drip_glob_table(feed->facts->tables[i].match, schema->database,
				    schema->table)) {
			return &feed->facts->tables[i];
		}
	}
	return NULL;
}

int drip_feed_cleanse(void *self, const struct drip_batch *batch, const struct drip_schema *output,
		      struct drip_batch **ret, struct drip_error *err)
{
	struct feed *feed = self;
	const struct drip_feed_table *table = find_table(feed, batch->schema);
	uint32_t made = 0, count = table != NULL ? table->columns_count : 0;
	struct ArrowArray *columns = calloc((size_t)count + 1, sizeof(*columns));
	int rc = 0;

	if (columns == NULL) {
		return drip_error_nomem(err, count * sizeof(*columns));
	}
	if (count != output->columns_count) {
		free(columns);
		return drip_error_set(err, -EINVAL, "feed.bad_facts", "table %s is not as promised",
				      batch->schema->table);
	}
	while (made < count && rc == 0) {
		rc = clean_column(feed, &table->columns[made], batch, &columns[made], err);
		made += rc == 0;
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, output, columns, ret, err);
	} else {
		while (made-- > 0) {
			columns[made].release(&columns[made]);
		}
	}
	free(columns);
	return rc;
}
