/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that break a feed's contract. Under `on_contract_break: quarantine` one alarm is raised,
 * and the rows of the table become dead letters of the feed, in the schema of the source, while
 * other tables flow on. Once the contract holds again, rows of the table wait behind those that are
 * in quarantine, so that the order of changes is kept; when none is left, the table flows again.
 * What a table is at is state of the feed's stage: a restart neither forgets nor repeats it.
 *
 * A TRUNCATE takes its place among them. Under `stop` the pipeline fails instead, unless the
 * operator lets what was written until now go to quarantine once.
 *
 * Thread: the source's.
 */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <dripline/text.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES   (2 * DRIP_NAME_MAX + 2)
#define KEY_PREFIX   "contract/"
#define GAUGE        "contract_broken_tables"
#define CODE_WAITS   "contract.waits"
#define CODE_GONE    "contract.missing_table"
#define ALARMS_BYTES 8192 /* of one table, beyond which no more are raised */

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_schema, drip_schema_unref);

struct drip_quarantined {
	struct drip_quarantined *next;
	char table[NAME_BYTES];
	struct drip_str alarms;    /* ways in which it is broken that were told, a line each */
	bool broken;               /* otherwise rows wait until those before them are put back */
	struct drip_schema *whole; /* what the source has since it is mended; NULL: not known */
};

static void name_of(const struct drip_schema *schema, char buf[NAME_BYTES])
{
	snprintf(buf, NAME_BYTES, "%s%s%s", schema->database,
		 schema->database[0] != '\0' ? "." : "", schema->table);
}

static struct drip_quarantined *find(const struct drip_instance *feed, const char *table)
{
	struct drip_quarantined *q = feed->quarantine;

	while (q != NULL && strcmp(q->table, table) != 0) {
		q = q->next;
	}
	return q;
}

static void show(struct drip_instance *feed)
{
	double count = 0;

	for (const struct drip_quarantined *q = feed->quarantine; q != NULL; q = q->next) {
		count++;
	}
	drip_meters_set(feed->meters, GAUGE, false, count);
}

static struct drip_quarantined *add(struct drip_instance *feed, const char *table)
{
	struct drip_quarantined *q = drip_calloc(1, sizeof(*q));

	if (q != NULL) {
		snprintf(q->table, sizeof(q->table), "%s", table);
		q->next = feed->quarantine;
		feed->quarantine = q;
		show(feed);
	}
	return q;
}

static void forget(struct drip_instance *feed, struct drip_quarantined *gone)
{
	struct drip_quarantined **at = &feed->quarantine;

	while (*at != gone) {
		at = &(*at)->next;
	}
	*at = gone->next;
	drip_schema_unref(gone->whole);
	drip_str_finish(&gone->alarms);
	free(gone);
	show(feed);
}

void drip_quarantine_finish(struct drip_instance *feed)
{
	while (feed->quarantine != NULL) {
		struct drip_quarantined *q = feed->quarantine;

		feed->quarantine = q->next;
		drip_schema_unref(q->whole);
		drip_str_finish(&q->alarms);
		free(q);
	}
}

/* `value` NULL: the table is as it should be. */
static int remember(struct drip_instance *feed, const char *table, const char *value,
		    struct drip_error *err)
{
	char key[sizeof(KEY_PREFIX) + NAME_BYTES];

	snprintf(key, sizeof(key), KEY_PREFIX "%s", table);
	return drip_state_put(feed, key, value, value != NULL ? strlen(value) : 0, err);
}

/* (gives) what is kept of a table whose contract holds again: its schema as an object, with what
 * makes older rows fit it. NULL: no memory. */
static char *write_whole(const struct drip_schema *whole)
{
	drip_autostr text = DRIP_STR_INIT;
	struct drip_error why = DRIP_ERROR_INIT;
	char *schema = NULL, *taken = NULL;
	struct drip_json j;

	if (drip_schema_to_json(whole, &schema, &why) < 0) {
		return NULL;
	}
	drip_json_init(&j, &text);
	drip_json_begin_object(&j);
	drip_json_put_string(&j, "schema", schema);
	free(schema);
	drip_json_key(&j, "fill");
	drip_json_begin_object(&j);
	for (uint32_t i = 0; i < whole->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(whole, i);

		if (c->fill != NULL && c->renamed_from == NULL) {
			drip_json_put_string(&j, c->name, c->fill);
		}
	}
	drip_json_end_object(&j);
	drip_json_key(&j, "renamed");
	drip_json_begin_object(&j);
	for (uint32_t i = 0; i < whole->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(whole, i);

		if (c->renamed_from != NULL) {
			drip_json_put_string(&j, c->name, c->renamed_from);
		}
	}
	drip_json_end_object(&j);
	drip_json_end_object(&j);
	return drip_str_steal(&text, &taken, &why) < 0 ? NULL : taken;
}

static int read_whole(const char *text, struct drip_schema **ret, struct drip_error *err)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	drip_autoptr(drip_schema) plain = NULL;
	struct drip_schema_builder b;
	int rc = drip_json_parse(text, strlen(text), &tree, err);

	rc = rc == 0 ? drip_schema_from_json(
			       drip_json_get_string(drip_json_root(tree), "schema", ""), &plain,
			       err)
		     : rc;
	if (rc < 0) {
		return rc;
	}
	drip_schema_builder_init(&b, plain->database, plain->table);
	b.version = plain->version;
	for (uint32_t i = 0; i < plain->columns_count; i++) {
		struct drip_column c = drip_schema_column_get(plain, i);

		c.fill = drip_json_get_string(drip_json_get(drip_json_root(tree), "fill"), c.name,
					      NULL);
		c.renamed_from = drip_json_get_string(
			drip_json_get(drip_json_root(tree), "renamed"), c.name, NULL);
		drip_schema_builder_add(&b, &c);
	}
	return drip_schema_builder_build(&b, ret, err);
}

/* A value begins with "{" where the table waits; otherwise it is the alarms that were raised. */
static int fill_in(struct drip_quarantined *q, const char *value, struct drip_error *err)
{
	q->broken = value[0] != '{';
	if (!q->broken) {
		return read_whole(value, &q->whole, err);
	}
	drip_str_append(&q->alarms, value);
	return q->alarms.rc < 0 ? drip_error_nomem(err, strlen(value)) : 0;
}

/* What an earlier run knew of the table. */
static int recall(struct drip_instance *feed, const struct drip_schema *schema,
		  struct drip_error *err)
{
	char table[NAME_BYTES], key[sizeof(KEY_PREFIX) + NAME_BYTES];
	drip_autofree void *value = NULL;
	drip_autofree char *text = NULL;
	struct drip_error why = DRIP_ERROR_INIT;
	struct drip_quarantined *q;
	size_t size = 0;
	int rc;

	name_of(schema, table);
	if (find(feed, table) != NULL) {
		return 0;
	}
	snprintf(key, sizeof(key), KEY_PREFIX "%s", table);
	rc = drip_state_get(feed, key, &value, &size, &why);
	if (rc == -ENOENT) {
		return 0;
	}
	if (rc < 0) {
		*err = why;
		return rc;
	}
	text = drip_calloc(1, size + 1);
	q = text != NULL ? add(feed, table) : NULL;
	if (q == NULL) {
		return drip_error_nomem(err, size);
	}
	memcpy(text, value, size);
	return fill_in(q, text, err);
}

/* ---- negotiation ---- */

static bool is_break(const struct drip_error *err)
{
	return strncmp(err->code, "contract.", 9) == 0;
}

/* The schema of the source with the classes of the contract: what the contract does not know is
 * restricted. */
static int mark(const struct drip_schema *input, const struct drip_contract_table *table,
		struct drip_schema **ret, struct drip_error *err)
{
	const struct drip_schema *promise =
		DRIP_HAS(table, source) && table->source != NULL ? table->source : table->schema;
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, input->database, input->table);
	b.version = input->version;
	for (uint32_t i = 0; i < input->columns_count; i++) {
		struct drip_column column = drip_schema_column_get(input, i);
		int index = drip_schema_find(promise, column.name);

		column.classification =
			index < 0 ? DRIP_CLASS_RESTRICTED
				  : drip_schema_column(promise, (uint32_t)index)->classification;
		drip_schema_builder_add(&b, &column);
	}
	return drip_schema_builder_build(&b, ret, err);
}

/* Gathers the ways in which a table breaks its contract. */
struct gatherer {
	struct drip_error first; /* what negotiations report goes here, then to `more` */
	struct drip_negotiation *n;
};

static void gather(struct drip_error *err, const struct drip_error *finding)
{
	struct drip_negotiation *n = ((struct gatherer *)(void *)err)->n;

	if (n->broken_count + 1 < ENGINE_BREAKS_MAX) { /* the first one is not here yet */
		n->broken[++n->broken_count] = *finding;
	}
}

/* `first` goes in front of those that were gathered. */
static void take_breaks(struct drip_instance *feed, struct drip_negotiation *n,
			const struct drip_error *first)
{
	n->broken[0] = *first;
	n->broken[0].more = NULL;
	n->broken_count++;
	for (uint32_t i = 0; i < n->broken_count; i++) {
		drip_error_place(&n->broken[i], "%s.%s at stage %s", n->input->database,
				 n->input->table, feed->ctx.stage);
	}
}

static int find_promise(struct drip_instance *feed, struct drip_negotiation *n,
			struct drip_error *err)
{
	const struct drip_feed_ops *ops = drip_instance_ops(feed);
	const struct drip_contract *contract = NULL;
	int rc = ops->contract(&feed->ctx, feed->config, &contract, err);

	for (size_t i = 0; rc == 0 && i < contract->tables_count && n->marked == NULL; i++) {
		const struct drip_contract_table *table = drip_contract_table_at(contract, i);

		if (drip_glob_table(table->match, n->input->database, n->input->table)) {
			n->exact = strpbrk(table->match, "*?") == NULL;
			n->merged = !n->exact && table->schema->table[0] != '\0';
			rc = mark(n->input, table, &n->marked, err);
		}
	}
	if (contract != NULL && DRIP_OP_OF(contract, release) != NULL) {
		contract->release(contract);
	}
	return rc;
}

int drip_quarantine_negotiate(struct drip_instance *feed, struct drip_negotiation *n,
			      struct drip_error *err)
{
	struct gatherer g = {.first = DRIP_ERROR_INIT, .n = n};
	int rc;

	n->broken = drip_calloc(ENGINE_BREAKS_MAX, sizeof(*n->broken));
	if (n->broken == NULL) {
		return drip_error_nomem(err, ENGINE_BREAKS_MAX * sizeof(*n->broken));
	}
	g.first.more = gather;
	rc = drip_stage_negotiate(feed->stage, &feed->ctx, n->input, &n->result, &g.first);
	if (rc < 0 && is_break(&g.first)) {
		take_breaks(feed, n, &g.first);
		rc = 0;
	} else {
		free(n->broken);
		n->broken = NULL;
		n->broken_count = 0;
	}
	if (rc < 0) {
		g.first.more = NULL;
		*err = g.first;
		return rc;
	}
	rc = find_promise(feed, n, err);
	return rc == 0 ? recall(feed, n->input, err) : rc;
}

/* ---- rows into quarantine ---- */

/* The batch under the schema that says what is sensitive in it. */
static int with_marks(const struct drip_negotiation *n, const struct drip_batch *batch,
		      struct drip_batch **ret, struct drip_error *err)
{
	uint32_t count = n->marked->columns_count, made = 0;
	struct ArrowArray *columns = drip_calloc((size_t)count + 1, sizeof(*columns));
	int rc = 0;

	if (columns == NULL) {
		return drip_error_nomem(err, count * sizeof(*columns));
	}
	while (made < count && rc == 0) {
		rc = drip_column_share(batch, made, &columns[made], err);
		made += rc == 0;
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, n->marked, columns, ret, err);
	} else {
		while (made-- > 0) {
			columns[made].release(&columns[made]);
		}
	}
	free(columns);
	if (rc == 0) {
		(*ret)->position = batch->position;
	}
	return rc;
}

/* Rows, or a TRUNCATE: what was in quarantine before it must not come back after it. */
static int keep_batch(struct drip_instance *feed, const struct drip_negotiation *n,
		      const struct drip_batch *batch, const struct drip_error *reason,
		      struct drip_error *err)
{
	struct drip_batch *marked = NULL;
	int rc;

	if (batch->kind == DRIP_BATCH_TRUNCATE) {
		return drip_letters_keep(feed, batch, -1, reason, err);
	}
	rc = batch->rows > 0 ? with_marks(n, batch, &marked, err) : 0;

	for (int64_t row = 0; rc == 0 && row < batch->rows; row++) {
		rc = drip_letters_keep(feed, marked, row, reason, err);
	}
	drip_batch_unref(marked);
	return rc;
}

/* What tells one way of breaking a contract from another: the kind and the column. Another wrong
 * type of the same column is no other way. */
static void write_key(const struct drip_error *why, struct drip_str *ret)
{
	bool by_place = strcmp(why->code, "contract.unknown_column") != 0 && why->option[0] != '\0';

	drip_str_appendf(ret, "%s %s\n", why->code, by_place ? why->option : why->message);
}

static bool is_told(const struct drip_quarantined *q, const char *key)
{
	const char *at = drip_str_text(&q->alarms);
	size_t size = strlen(key);

	while ((at = strstr(at, key)) != NULL) {
		if (at == drip_str_text(&q->alarms) || at[-1] == '\n') {
			return true;
		}
		at += size;
	}
	return false;
}

static void log_alarm(struct drip_instance *feed, const char *table, const struct drip_error *why)
{
	struct drip_error alarm = *why;

	if (strcmp(why->code, CODE_GONE) == 0) {
		drip_logger_event(DRIP_LOG_ERROR, feed->ctx.pipeline, feed->ctx.stage, why,
				  "table %s breaks its contract: no row of it comes, other tables "
				  "flow on",
				  table);
		return;
	}
	drip_error_hint(&alarm,
			"Mend the table at the source, or the contract; then `dripline dlq replay "
			"--pipeline %s --stage %s` puts the rows back.",
			feed->ctx.pipeline, feed->ctx.stage);
	drip_logger_event(DRIP_LOG_ERROR, feed->ctx.pipeline, feed->ctx.stage, &alarm,
			  "table %s breaks its contract: its rows are kept as dead letters until "
			  "it is mended, other tables flow on",
			  table);
}

/* One alarm for each way in which a table breaks its contract, until it holds again as a whole. */
static int raise_alarms(struct drip_instance *feed, const char *table, const struct drip_error *why,
			uint32_t count, struct drip_error *err)
{
	struct drip_quarantined *q = find(feed, table);
	bool news = q == NULL || !q->broken;

	q = q != NULL ? q : add(feed, table);
	if (q == NULL) {
		return drip_error_nomem(err, sizeof(*q));
	}
	if (!q->broken) {
		drip_str_finish(&q->alarms);
		drip_schema_unref(q->whole);
		q->whole = NULL;
		q->broken = true;
	}
	for (uint32_t i = 0; i < count; i++) {
		drip_autostr key = DRIP_STR_INIT;

		write_key(&why[i], &key);
		if (!is_told(q, drip_str_text(&key)) && q->alarms.length < ALARMS_BYTES) {
			log_alarm(feed, table, &why[i]);
			drip_str_append(&q->alarms, drip_str_text(&key));
			news = true;
		}
	}
	if (q->alarms.rc < 0) {
		return drip_error_nomem(err, q->alarms.length);
	}
	return news ? remember(feed, table, drip_str_text(&q->alarms), err) : 0;
}

/* Whether what breaks a contract becomes dead letters: by the policy, because the operator said so
 * of what lies ahead, or because the table is in quarantine already. */
static bool accepts(const struct drip_instance *feed, const struct drip_batch *batch)
{
	const struct drip_quarantined *q;
	char table[NAME_BYTES];

	if (feed->stage->on_contract_break == DRIP_ON_BREAK_QUARANTINE ||
	    __atomic_load_n(&feed->run->quarantine_break, __ATOMIC_ACQUIRE)) {
		return true;
	}
	name_of(batch->schema, table);
	q = find(feed, table);
	return q != NULL && q->broken;
}

static int refuse(const struct drip_instance *feed, const struct drip_error *why,
		  struct drip_error *err)
{
	*err = *why;
	drip_error_hint(err,
			"Mend the table at the source, or the contract; then `dripline resume %s "
			"--quarantine-break`, or `dripline run` with it, goes on, and keeps rows "
			"that were written meanwhile as dead letters.",
			feed->ctx.pipeline);
	return why->rc;
}

static int shard_emptied(struct drip_instance *feed, const struct drip_batch *batch,
			 struct drip_error *err);

static int take_broken(struct drip_instance *feed, const struct drip_negotiation *n,
		       const struct drip_batch *batch, struct drip_error *err)
{
	char table[NAME_BYTES];
	int rc;

	if (!accepts(feed, batch)) {
		return refuse(feed, n->broken, err);
	}
	name_of(batch->schema, table);
	rc = raise_alarms(feed, table, n->broken, n->broken_count, err);
	if (rc == 0 && n->merged && batch->kind == DRIP_BATCH_TRUNCATE) {
		return shard_emptied(feed, batch, err);
	}
	return rc == 0 ? keep_batch(feed, n, batch, n->broken, err) : rc;
}

/* ---- a contract that holds again ---- */

/* Whether rows of the table are still in quarantine, in the store or on their way to it. */
static int any_left(struct drip_instance *feed, const char *table, bool *ret,
		    struct drip_error *err)
{
	const struct drip_durable *d = feed->engine->options.durable;

	*ret = false;
	for (size_t i = 0; i < feed->letters.count && !*ret; i++) {
		*ret = strcmp(feed->letters.items[i].table, table) == 0;
	}
	if (*ret || d->letters_left == NULL) {
		return 0;
	}
	return d->letters_left(d->self, feed->ctx.pipeline, feed->ctx.stage, table, ret, err);
}

static int let_wait(struct drip_instance *feed, const struct drip_negotiation *n,
		    struct drip_quarantined *q, const struct drip_batch *batch,
		    struct drip_error *err)
{
	struct drip_error reason = DRIP_ERROR_INIT;

	drip_error_set(&reason, -EINVAL, CODE_WAITS,
		       "rows of table %s wait behind those that are in quarantine", q->table);
	if (q->broken) {
		q->broken = false;
		drip_logger_event(DRIP_LOG_WARNING, feed->ctx.pipeline, feed->ctx.stage, NULL,
				  "table %s follows its contract again; its rows wait behind those "
				  "in quarantine until `dripline dlq replay --pipeline %s --stage "
				  "%s`",
				  q->table, feed->ctx.pipeline, feed->ctx.stage);
	}
	return keep_batch(feed, n, batch, &reason, err);
}

/* Keeps what the source has since it is mended, for rows that are put back, in a later run too. */
static int learn_whole(struct drip_instance *feed, struct drip_quarantined *q,
		       const struct drip_schema *whole, struct drip_error *err)
{
	drip_autofree char *text = NULL;

	/* the first one knows what older rows have in new columns */
	if (q->whole != NULL && drip_schema_equal(q->whole, whole)) {
		return 0;
	}
	text = write_whole(whole);
	if (text == NULL) {
		return drip_error_nomem(err, sizeof(*whole));
	}
	drip_schema_unref(q->whole);
	q->whole = drip_schema_ref(whole);
	return remember(feed, q->table, text, err);
}

static int take_mended(struct drip_instance *feed, const struct drip_negotiation *n,
		       struct drip_quarantined *q, const struct drip_batch *batch, bool *ret_taken,
		       struct drip_error *err)
{
	bool left = false;
	int rc = learn_whole(feed, q, n->input, err);

	if (rc < 0) {
		return rc;
	}
	rc = any_left(feed, q->table, &left, err);
	if (rc < 0) {
		return rc;
	}
	if (left) {
		*ret_taken = batch->kind == DRIP_BATCH_ROWS || batch->kind == DRIP_BATCH_TRUNCATE;
		return let_wait(feed, n, q, batch, err);
	}
	drip_logger_event(DRIP_LOG_WARNING, feed->ctx.pipeline, feed->ctx.stage, NULL,
			  "table %s follows its contract again, and none of its rows is in "
			  "quarantine: it flows again",
			  q->table);
	rc = remember(feed, q->table, NULL, err);
	forget(feed, q);
	return rc;
}

/* ---- rows that are put back ---- */

static int take_back(struct drip_instance *feed, const struct drip_negotiation *n,
		     const struct drip_batch *batch, struct drip_batch **ret,
		     struct drip_error *err)
{
	char table[NAME_BYTES];
	const struct drip_quarantined *q;

	struct drip_batch *marked = NULL;
	int rc;

	name_of(batch->schema, table);
	q = find(feed, table);
	if (q == NULL || q->whole == NULL) {
		return keep_batch(feed, n, batch, n->broken, err);
	}
	if (batch->kind != DRIP_BATCH_ROWS) {
		rc = drip_batch_create_control(batch->kind, q->whole, ret, err);
	} else {
		rc = with_marks(n, batch, &marked, err);
		rc = rc == 0 ? drip_fit_rows(feed, q->whole, marked, ret, err) : rc;
		drip_batch_unref(marked);
	}
	if (rc == 0 && *ret != NULL) {
		(*ret)->position = batch->position;
		(*ret)->boundary = batch->boundary;
		(*ret)->sequence = batch->sequence;
		(*ret)->commit_time_us = batch->commit_time_us;
	}
	return rc;
}

/* ---- the whole ---- */

static int table_gone(struct drip_instance *feed, const struct drip_batch *batch,
		      struct drip_error *err)
{
	struct drip_error why = DRIP_ERROR_INIT;
	char table[NAME_BYTES];

	name_of(batch->schema, table);
	drip_error_set(&why, -EINVAL, CODE_GONE, "table %s, which the contract promises, was %s",
		       table, batch->kind == DRIP_BATCH_GONE ? "renamed" : "dropped");
	drip_error_hint(&why, "Make it again or give it its name back, or take it out of the "
			      "contract. Rows that were written under another name come once they "
			      "are changed.");
	drip_error_place(&why, "%s at stage %s", table, feed->ctx.stage);
	return accepts(feed, batch) ? raise_alarms(feed, table, &why, 1, err)
				    : refuse(feed, &why, err);
}

/* Behind the feed nothing tells the rows of one shard from those of the others: they stay, and not
 * in silence. */
static int shard_emptied(struct drip_instance *feed, const struct drip_batch *batch,
			 struct drip_error *err)
{
	struct drip_error why = DRIP_ERROR_INIT;
	char table[NAME_BYTES];

	name_of(batch->schema, table);
	if (batch->kind == DRIP_BATCH_DROP) {
		drip_logger_event(DRIP_LOG_WARNING, feed->ctx.pipeline, feed->ctx.stage, NULL,
				  "shard %s was dropped: its rows stay", table);
		return 0;
	}
	drip_error_set(
		&why, -EINVAL, "contract.shard_truncated",
		"shard %s was truncated, and the contract gives its rows the name of all shards",
		table);
	drip_error_hint(&why, "Leave `as` out of the contract, and let the sink put the shards "
			      "together, with `source_column`; or set `on_contract_break: "
			      "quarantine` to leave the rows.");
	drip_error_place(&why, "%s at stage %s", table, feed->ctx.stage);
	if (accepts(feed, batch)) {
		drip_logger_event(DRIP_LOG_ERROR, feed->ctx.pipeline, feed->ctx.stage, &why,
				  "the rows of shard %s stay", table);
		return 0;
	}
	*err = why;
	return why.rc;
}

int drip_quarantine_take(struct drip_instance *feed, const struct drip_negotiation *n,
			 const struct drip_batch *batch, bool *ret_taken, struct drip_batch **ret,
			 struct drip_error *err)
{
	bool back = drip_commit_position_group(&batch->position) != 0;
	struct drip_quarantined *q;
	char table[NAME_BYTES];

	*ret = NULL;
	*ret_taken = n->broken != NULL || batch->kind == DRIP_BATCH_GONE;
	if (batch->kind == DRIP_BATCH_GONE) { /* its columns say nothing */
		return n->exact ? table_gone(feed, batch, err) : 0;
	}
	if (n->broken != NULL) {
		return back ? take_back(feed, n, batch, ret, err)
			    : take_broken(feed, n, batch, err);
	}
	if (batch->kind == DRIP_BATCH_DROP && n->exact) {
		return table_gone(feed, batch, err);
	}
	if (n->merged && (batch->kind == DRIP_BATCH_DROP || batch->kind == DRIP_BATCH_TRUNCATE)) {
		*ret_taken = true;
		return shard_emptied(feed, batch, err);
	}
	if (feed->quarantine == NULL || back) {
		return 0;
	}
	name_of(batch->schema, table);
	q = find(feed, table);
	return q != NULL ? take_mended(feed, n, q, batch, ret_taken, err) : 0;
}
