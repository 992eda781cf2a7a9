/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that break a feed's contract. Under `on_contract_break: quarantine` one alarm is raised,
 * and the rows of the table become dead letters of the feed, in the schema of the source, while
 * other tables flow on. Once the contract holds again, rows of the table wait behind those that are
 * in quarantine, so that the order of changes is kept; when none is left, the table flows again.
 * What a table is at is state of the feed's stage: a restart neither forgets nor repeats it.
 *
 * A row that is put back is made to fit: a column that it lacks gets what the source says that
 * older rows have in it, a value of another type is converted where it is one of the promised type.
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

#define NAME_BYTES (2 * DRIP_NAME_MAX + 2)
#define KEY_PREFIX "contract/"
#define GAUGE      "contract_broken_tables"
#define CODE_WAITS "contract.waits"

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_schema, drip_schema_unref);

struct drip_quarantined {
	struct drip_quarantined *next;
	char table[NAME_BYTES];
	char reason[sizeof(((struct drip_error *)NULL)->message)]; /* of the alarm */
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
	free(gone);
	show(feed);
}

void drip_quarantine_finish(struct drip_instance *feed)
{
	while (feed->quarantine != NULL) {
		struct drip_quarantined *q = feed->quarantine;

		feed->quarantine = q->next;
		drip_schema_unref(q->whole);
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

/* A value begins with "{" where the table waits; otherwise it is the reason of its alarm. */
static int fill_in(struct drip_quarantined *q, const char *value, struct drip_error *err)
{
	q->broken = value[0] != '{';
	if (!q->broken) {
		return read_whole(value, &q->whole, err);
	}
	snprintf(q->reason, sizeof(q->reason), "%s", value);
	return 0;
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

int drip_quarantine_negotiated(struct drip_instance *feed, struct drip_negotiation *n, int rc,
			       struct drip_error *err)
{
	const struct drip_feed_ops *ops = drip_instance_ops(feed);
	const struct drip_contract *contract = NULL;
	struct drip_error broken = DRIP_ERROR_INIT;
	bool quarantine = rc < 0 && is_break(err) &&
			  feed->stage->on_contract_break == DRIP_ON_BREAK_QUARANTINE;

	if (rc < 0 && !quarantine) {
		return rc;
	}
	if (quarantine) {
		broken = *err;
		n->broken = drip_calloc(1, sizeof(*n->broken));
		if (n->broken == NULL) {
			return drip_error_nomem(err, sizeof(*n->broken));
		}
		*n->broken = broken;
		*err = (struct drip_error)DRIP_ERROR_INIT;
	}
	rc = ops->contract(&feed->ctx, feed->config, &contract, err);
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

static int keep_rows(struct drip_instance *feed, const struct drip_negotiation *n,
		     const struct drip_batch *batch, const struct drip_error *reason,
		     struct drip_error *err)
{
	struct drip_batch *marked = NULL;
	int rc = batch->rows > 0 ? with_marks(n, batch, &marked, err) : 0;

	for (int64_t row = 0; rc == 0 && row < batch->rows; row++) {
		rc = drip_letters_keep(feed, marked, row, reason, err);
	}
	drip_batch_unref(marked);
	return rc;
}

/* One alarm for each way in which a table breaks its contract. */
static int raise_alarm(struct drip_instance *feed, const char *table, const struct drip_error *why,
		       struct drip_error *err)
{
	struct drip_quarantined *q = find(feed, table);

	if (q != NULL && q->broken && strcmp(q->reason, why->message) == 0) {
		return 0;
	}
	q = q != NULL ? q : add(feed, table);
	if (q == NULL) {
		return drip_error_nomem(err, sizeof(*q));
	}
	q->broken = true;
	snprintf(q->reason, sizeof(q->reason), "%s", why->message);
	drip_schema_unref(q->whole);
	q->whole = NULL;
	drip_logger_event(DRIP_LOG_ERROR, feed->ctx.pipeline, feed->ctx.stage, why,
			  "table %s breaks its contract: its rows are kept as dead letters until "
			  "it is mended, other tables flow on",
			  table);
	return remember(feed, table, q->reason, err);
}

/* A control batch of a table that breaks its contract has no form behind the feed. */
static void pass_over(struct drip_instance *feed, const struct drip_batch *batch, const char *table)
{
	if (batch->kind == DRIP_BATCH_TRUNCATE) {
		drip_logger_event(DRIP_LOG_WARNING, feed->ctx.pipeline, feed->ctx.stage, NULL,
				  "table %s was truncated while it is in quarantine: rows that "
				  "were taken before stay; empty it by hand, and drop its dead "
				  "letters",
				  table);
	}
}

static int take_broken(struct drip_instance *feed, const struct drip_negotiation *n,
		       const struct drip_batch *batch, struct drip_error *err)
{
	char table[NAME_BYTES];
	int rc;

	name_of(batch->schema, table);
	rc = raise_alarm(feed, table, n->broken, err);
	if (rc == 0 && batch->kind != DRIP_BATCH_ROWS) {
		pass_over(feed, batch, table);
		return 0;
	}
	return rc == 0 ? keep_rows(feed, n, batch, n->broken, err) : rc;
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
	return keep_rows(feed, n, batch, &reason, err);
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
		*ret_taken = batch->kind == DRIP_BATCH_ROWS;
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

/* The value of a column that the row has; -EINVAL where it is none of the promised type. */
static int append_converted(struct drip_column_builder *b, const struct drip_column *to,
			    const struct drip_batch *batch, uint32_t from, int64_t row,
			    struct drip_error *err)
{
	char buf[128];
	struct drip_value v;
	int size;

	drip_value_get(batch, from, row, &v);
	if (v.type == DRIP_TYPE_NONE) {
		drip_append_null(b);
		return 0;
	}
	if (drip_type_is_variable(v.type)) {
		return drip_append_text(b, to, v.data, v.size, err);
	}
	size = drip_value_format(&v, drip_schema_column(batch->schema, from), buf, sizeof(buf));
	if (size < 0 || (size_t)size >= sizeof(buf)) {
		return drip_error_set(err, -EINVAL, "contract.type_conflict",
				      "a value of column \"%s\" has no text", to->name);
	}
	return drip_append_text(b, to, buf, size, err);
}

/* The value of a column that the row lacks: what the source says that it has by now. */
static int append_missing(struct drip_column_builder *b, const struct drip_column *to,
			  struct drip_error *err)
{
	if (to->renamed_from == NULL && to->fill != NULL) {
		return drip_append_text(b, to, to->fill, (int64_t)strlen(to->fill), err);
	}
	if (to->renamed_from == NULL && (to->flags & DRIP_COLUMN_NULLABLE) != 0) {
		drip_append_null(b);
		return 0;
	}
	drip_error_set(err, -EINVAL, "contract.missing_column",
		       "the row was written without the column \"%s\", and the source does not say "
		       "what it has in it",
		       to->name);
	drip_error_hint(err, "Change the row at the source, so that it comes again, and drop the "
			     "dead letter.");
	return -EINVAL;
}

static int append_row(struct drip_builder *b, const struct drip_schema *to,
		      const struct drip_batch *batch, int64_t row, struct drip_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < to->columns_count && rc == 0; i++) {
		const struct drip_column *column = drip_schema_column(to, i);
		int from = drip_schema_find(batch->schema, column->name);

		rc = from < 0 ? append_missing(&b->columns[i], column, err)
			      : append_converted(&b->columns[i], column, batch, (uint32_t)from, row,
						 err);
	}
	return rc;
}

/* Rows that were put back, in the schema that the source has since it is mended; those that do not
 * fit are dead letters again. *ret NULL: none fits. */
static int fit(struct drip_instance *feed, const struct drip_negotiation *n,
	       const struct drip_schema *whole, const struct drip_batch *batch,
	       struct drip_batch **ret, struct drip_error *err)
{
	struct drip_batch *marked = NULL;
	struct drip_builder b;
	int rc = drip_builder_init(&b, whole, err);

	if (rc < 0) {
		return rc;
	}
	rc = with_marks(n, batch, &marked, err);
	for (int64_t row = 0; rc == 0 && row < batch->rows; row++) {
		struct drip_error why = DRIP_ERROR_INIT;

		rc = append_row(&b, whole, batch, row, &why);
		if (rc == 0) {
			drip_builder_row(&b, drip_batch_op(batch, row));
			continue;
		}
		drip_builder_rewind(&b);
		rc = rc == -EINVAL ? drip_letters_keep(feed, marked, row, &why, err) : rc;
	}
	*ret = NULL;
	if (rc == 0 && b.rows > 0) {
		rc = drip_builder_build(&b, ret, err);
	}
	drip_builder_finish(&b);
	drip_batch_unref(marked);
	if (rc == 0 && *ret != NULL) {
		(*ret)->position = batch->position;
		(*ret)->boundary = batch->boundary;
		(*ret)->sequence = batch->sequence;
		(*ret)->commit_time_us = batch->commit_time_us;
	}
	return rc;
}

static int take_back(struct drip_instance *feed, const struct drip_negotiation *n,
		     const struct drip_batch *batch, struct drip_batch **ret,
		     struct drip_error *err)
{
	char table[NAME_BYTES];
	const struct drip_quarantined *q;

	name_of(batch->schema, table);
	q = find(feed, table);
	if (q == NULL || q->whole == NULL) {
		return keep_rows(feed, n, batch, n->broken, err);
	}
	return fit(feed, n, q->whole, batch, ret, err);
}

/* ---- the whole ---- */

static int table_gone(struct drip_instance *feed, const struct drip_batch *batch,
		      struct drip_error *err)
{
	struct drip_error why = DRIP_ERROR_INIT;
	char table[NAME_BYTES];

	name_of(batch->schema, table);
	drip_error_set(&why, -EINVAL, "contract.missing_table",
		       "table %s, which the contract promises, was dropped", table);
	drip_error_hint(&why, "Make it again, or take it out of the contract.");
	drip_error_place(&why, "%s at stage %s", table, feed->ctx.stage);
	if (feed->stage->on_contract_break == DRIP_ON_BREAK_QUARANTINE) {
		return raise_alarm(feed, table, &why, err);
	}
	*err = why;
	return why.rc;
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
	if (feed->stage->on_contract_break == DRIP_ON_BREAK_QUARANTINE) {
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
	*ret_taken = n->broken != NULL;
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
