/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters: list, show, replay, drop. Values of columns that are confidential or restricted are
 * shown as "***" unless asked for. A replay hands rows back in batches; a letter is dropped only
 * after the epoch that holds its row is durable, so a crash in between replays it again.
 */
#include "serve/methods.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT        100
#define LIST_LIMIT_MAX    10000
#define IDS_MAX           10000
#define REPLAY_ROWS       1000 /* in one batch */
#define REPLAY_TIMEOUT_MS 60000

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_schema, drip_schema_unref);

/* ---- showing ---- */

/* Class of a column by the JSON of its schema; a column that is not there counts as restricted. */
static bool is_sensitive(const struct drip_json_node *schema, const char *column)
{
	const struct drip_json_node *columns = drip_json_get(schema, "columns");

	for (const struct drip_json_node *c = columns != NULL ? columns->first : NULL; c != NULL;
	     c = c->next) {
		enum drip_class class = DRIP_CLASS_RESTRICTED;

		if (strcmp(drip_json_get_string(c, "name", ""), column) == 0) {
			return drip_class_parse(drip_json_get_string(c, "class", ""), &class) < 0 ||
			       class >= DRIP_CLASS_CONFIDENTIAL;
		}
	}
	return true;
}

static void put_row(struct drip_json *j, const struct drip_dead_letter *l, bool reveal)
{
	drip_autoptr(drip_json_tree) row = NULL;
	drip_autoptr(drip_json_tree) schema = NULL;

	drip_json_key(j, "row");
	if (drip_json_parse(l->row_json, strlen(l->row_json), &row, NULL) < 0 ||
	    drip_json_parse(l->schema_json, strlen(l->schema_json), &schema, NULL) < 0) {
		drip_json_null(j);
		return;
	}
	drip_json_begin_object(j);
	for (const struct drip_json_node *n = drip_json_root(row)->first; n != NULL; n = n->next) {
		if (n->key == NULL) {
			continue;
		}
		drip_json_key(j, n->key);
		if (!reveal && n->type != DRIP_JSON_NULL &&
		    is_sensitive(drip_json_root(schema), n->key)) {
			drip_json_string(j, "***");
		} else {
			drip_json_node(j, n);
		}
	}
	drip_json_end_object(j);
}

struct rendering {
	struct drip_json *json;
	bool with_rows, reveal;
	int64_t count;
};

static int put_letter(const struct drip_store_letter *s, void *data)
{
	struct rendering *r = data;
	struct drip_json *j = r->json;
	const struct drip_dead_letter *l = &s->letter;
	char when[DRIP_CLOCK_TEXT_MAX];

	drip_clock_format(l->wall_us, when, sizeof(when));
	drip_json_begin_object(j);
	drip_json_put_int(j, "id", s->id);
	drip_json_put_string(j, "time", when);
	drip_json_put_string(j, "pipeline", l->pipeline);
	drip_json_put_string(j, "stage", l->stage);
	drip_json_put_string(j, "table", l->table);
	drip_json_put_string(j, "op", drip_op_name((enum drip_op)l->op));
	drip_json_put_string(j, "code", l->code);
	drip_json_put_string(j, "reason", l->reason);
	drip_json_put_string(j, "position", l->position.text);
	if (r->with_rows) {
		put_row(j, l, r->reveal);
	}
	drip_json_end_object(j);
	r->count++;
	return 0;
}

int drip_letters_render(struct drip_store *store, const struct drip_store_letters *which,
			bool with_rows, bool reveal, struct drip_json *json, struct drip_error *err)
{
	struct rendering r = {.json = json, .with_rows = with_rows, .reveal = reveal};
	int rc;

	drip_json_begin_array(json);
	rc = drip_store_visit_letters(store, which, put_letter, &r, err);
	drip_json_end_array(json);
	if (rc == 0 && r.count == 0 && which->ids_count != 0) {
		drip_error_set(err, -ENOENT, "dlq.unknown_letter",
			       "there is no dead letter %" PRId64, which->ids[0]);
		drip_error_hint(err, "`dripline dlq list` shows those that there are.");
		return -ENOENT;
	}
	return rc;
}

static void read_which(const struct drip_call *call, struct drip_store_letters *which)
{
	*which = (struct drip_store_letters){
		.pipeline = drip_json_get_string(call->arguments, "pipeline", NULL),
		.stage = drip_json_get_string(call->arguments, "stage", NULL),
	};
}

int drip_method_dlq_list(struct drip_call *call, struct drip_error *err)
{
	struct drip_store_letters which;

	read_which(call, &which);
	which.limit = drip_json_get_int(call->arguments, "limit", LIST_LIMIT);
	which.limit =
		which.limit < 1 || which.limit > LIST_LIMIT_MAX ? LIST_LIMIT_MAX : which.limit;
	return drip_letters_render(call->app->store, &which, false, false, &call->json, err);
}

int drip_method_dlq_show(struct drip_call *call, struct drip_error *err)
{
	int64_t id = drip_json_get_int(call->arguments, "id", -1);
	struct drip_store_letters which = {.ids = &id, .ids_count = 1};

	return drip_letters_render(call->app->store, &which, true,
				   drip_json_get_bool(call->arguments, "reveal", false),
				   &call->json, err);
}

/* ---- choosing ---- */

/* (gives) The ids to work on, from `ids`, or from all letters of `pipeline` and `stage`. */
struct ids {
	int64_t *items;
	size_t count, capacity;
	int rc;
};

static int add_id(int64_t id, struct ids *ids)
{
	void *grown = ids->items;

	if (ids->count >= IDS_MAX) {
		return ids->rc = -E2BIG;
	}
	if (!drip_grow(&grown, &ids->capacity, ids->count + 1, sizeof(id))) {
		return ids->rc = -ENOMEM;
	}
	ids->items = grown;
	ids->items[ids->count++] = id;
	return 0;
}

static int add_letter_id(const struct drip_store_letter *l, void *data)
{
	return add_id(l->id, data);
}

static int choose(struct drip_call *call, struct ids *ret, struct drip_error *err)
{
	const struct drip_json_node *list = drip_json_get(call->arguments, "ids");
	struct drip_store_letters which;
	int rc = 0;

	read_which(call, &which);
	which.limit = IDS_MAX;
	if (list != NULL && list->type == DRIP_JSON_ARRAY) {
		for (const struct drip_json_node *n = list->first; rc == 0 && n != NULL;
		     n = n->next) {
			rc = add_id(n->is_integer ? n->integer : -1, ret);
		}
	} else if (which.pipeline != NULL) {
		rc = drip_store_visit_letters(call->app->store, &which, add_letter_id, ret, err);
	} else {
		return drip_error_set(err, -EINVAL, "control.missing_argument",
				      "either \"ids\" or \"pipeline\" is needed");
	}
	if (ret->rc == -E2BIG) {
		return drip_error_set(err, -E2BIG, "dlq.too_many",
				      "cannot take more than %d dead letters at once", IDS_MAX);
	}
	return ret->rc == -ENOMEM ? drip_error_nomem(err, ret->count * sizeof(int64_t)) : rc;
}

int drip_method_dlq_drop(struct drip_call *call, struct drip_error *err)
{
	struct ids ids = {0};
	int64_t dropped = 0;
	char detail[64];
	int rc = choose(call, &ids, err);

	if (rc == 0 && ids.count != 0) {
		struct drip_store_letters which = {.ids = ids.items, .ids_count = ids.count};

		rc = drip_store_drop_letters(call->app->store, &which, &dropped, err);
	}
	free(ids.items);
	snprintf(detail, sizeof(detail), "%" PRId64 " letters", dropped);
	rc = rc == 0 ? drip_store_audit(call->app->store, call->actor, "dlq drop",
					drip_json_get_string(call->arguments, "pipeline", ""),
					detail, err)
		     : rc;
	drip_json_begin_object(&call->json);
	drip_json_put_int(&call->json, "dropped", dropped);
	drip_json_end_object(&call->json);
	return rc;
}

/* ---- replay ---- */

/* Letters that go into one batch: same pipeline, stage and schema. */
struct replay {
	struct drip_call *call;
	struct drip_builder builder;
	char *pipeline, *stage, *schema_json;
	int64_t ids[REPLAY_ROWS];
	size_t count;
	int64_t replayed;
	struct drip_error *err;
};

static int append_value(struct drip_column_builder *c, const struct drip_column *column,
			const struct drip_json_node *n, struct drip_error *err)
{
	drip_autostr text = DRIP_STR_INIT;
	struct drip_json j;

	if (n == NULL || n->type == DRIP_JSON_NULL) {
		drip_append_null(c);
		return 0;
	}
	if (n->type == DRIP_JSON_STRING && column->type != DRIP_TYPE_JSON) {
		return drip_append_text(c, column, n->text, (int64_t)n->text_size, err);
	}
	drip_json_init(&j, &text);
	drip_json_node(&j, n);
	if (text.rc != 0) {
		return drip_error_nomem(err, text.length);
	}
	return drip_append_text(c, column, text.data, (int64_t)text.length, err);
}

static int append_row(struct replay *r, const struct drip_dead_letter *l)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_schema *schema = r->builder.schema;
	int rc = drip_json_parse(l->row_json, strlen(l->row_json), &tree, r->err);

	for (uint32_t i = 0; rc == 0 && i < schema->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(schema, i);

		rc = append_value(&r->builder.columns[i], column,
				  drip_json_get(drip_json_root(tree), column->name), r->err);
	}
	if (rc < 0) {
		drip_builder_rewind(&r->builder);
		return rc;
	}
	drip_builder_row(&r->builder, (enum drip_op)l->op);
	return 0;
}

struct replay_job {
	struct drip_app *app;
	struct drip_app_job *job;
	struct drip_batch *batch;
	char pipeline[256], stage[256];
};

static void release_replay(void *data)
{
	struct replay_job *rj = data;

	drip_batch_unref(rj->batch);
	free(rj);
}

static void on_replayed(const struct drip_error *error, void *data)
{
	struct replay_job *rj = data;

	drip_app_job_finish(rj->app, rj->job, error != NULL && error->rc != 0 ? error : NULL);
}

static int do_replay(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	struct replay_job *rj = job->data;

	return drip_engine_replay(app->engine, rj->pipeline, rj->stage, drip_steal(rj->batch),
				  on_replayed, rj, err);
}

/* Takes the batch. Returns after it is durable. */
static int hand_back(struct replay *r, struct drip_batch *batch)
{
	struct drip_app *app = r->call->app;
	struct drip_app_job *job = drip_app_job_new();
	struct replay_job *rj = drip_calloc(1, sizeof(*rj));
	int rc;

	if (job == NULL || rj == NULL) {
		drip_batch_unref(batch);
		free(job);
		free(rj);
		return drip_error_nomem(r->err, sizeof(*rj));
	}
	rj->app = app;
	rj->job = job;
	rj->batch = batch;
	snprintf(rj->pipeline, sizeof(rj->pipeline), "%s", r->pipeline);
	snprintf(rj->stage, sizeof(rj->stage), "%s", r->stage);
	job->data = rj;
	job->release = release_replay;
	job->run = do_replay;
	job->asynchronous = true;
	rc = drip_app_call(app, job, REPLAY_TIMEOUT_MS, r->err);
	drip_app_job_unref(app, job);
	return rc;
}

static int flush_replay(struct replay *r)
{
	struct drip_store_letters which = {.ids = r->ids, .ids_count = r->count};
	struct drip_batch *batch = NULL;
	int64_t dropped;
	int rc;

	if (r->count == 0) {
		return 0;
	}
	rc = drip_builder_build(&r->builder, &batch, r->err);
	rc = rc == 0 ? hand_back(r, batch) : rc;
	rc = rc == 0 ? drip_store_drop_letters(r->call->app->store, &which, &dropped, r->err) : rc;
	if (rc == 0) {
		r->replayed += (int64_t)r->count;
	}
	r->count = 0;
	return rc;
}

static void forget_group(struct replay *r)
{
	drip_builder_finish(&r->builder);
	memset(&r->builder, 0, sizeof(r->builder));
	free(r->pipeline);
	free(r->stage);
	free(r->schema_json);
	r->pipeline = r->stage = r->schema_json = NULL;
}

static int begin_group(struct replay *r, const struct drip_dead_letter *l)
{
	drip_autoptr(drip_schema) schema = NULL;
	int rc;

	forget_group(r);
	r->pipeline = drip_strdup(l->pipeline);
	r->stage = drip_strdup(l->stage);
	r->schema_json = drip_strdup(l->schema_json);
	if (r->pipeline == NULL || r->stage == NULL || r->schema_json == NULL) {
		return drip_error_nomem(r->err, strlen(l->schema_json));
	}
	rc = drip_schema_from_json(l->schema_json, &schema, r->err);
	return rc == 0 ? drip_builder_init(&r->builder, schema, r->err) : rc;
}

static int add_to_replay(struct replay *r, const struct drip_store_letter *s)
{
	const struct drip_dead_letter *l = &s->letter;
	int rc = 0;

	if (r->pipeline == NULL || strcmp(r->pipeline, l->pipeline) != 0 ||
	    strcmp(r->stage, l->stage) != 0 || strcmp(r->schema_json, l->schema_json) != 0) {
		rc = flush_replay(r);
		rc = rc == 0 ? begin_group(r, l) : rc;
	}
	rc = rc == 0 ? append_row(r, l) : rc;
	if (rc == 0) {
		r->ids[r->count++] = s->id;
		rc = r->count == REPLAY_ROWS ? flush_replay(r) : 0;
	}
	return rc;
}

/* Copies what the visitor lends: a replay must not run inside a visit, which holds the store. */
struct kept {
	struct drip_store_letter letter;
	char *texts[5];
};

static int keep_letter(const struct drip_store_letter *l, void *data)
{
	struct kept *k = data;
	const char *from[5] = {l->letter.pipeline, l->letter.stage, l->letter.row_json,
			       l->letter.schema_json, l->letter.table};

	k->letter = *l;
	for (size_t i = 0; i < 5; i++) {
		k->texts[i] = drip_strdup(from[i]);
		if (k->texts[i] == NULL) {
			return -ENOMEM;
		}
	}
	k->letter.letter.pipeline = k->texts[0];
	k->letter.letter.stage = k->texts[1];
	k->letter.letter.row_json = k->texts[2];
	k->letter.letter.schema_json = k->texts[3];
	k->letter.letter.table = k->texts[4];
	return 0;
}

static int replay_one(struct replay *r, int64_t id)
{
	struct drip_store_letters which = {.ids = &id, .ids_count = 1};
	struct kept kept = {0};
	int rc = drip_store_visit_letters(r->call->app->store, &which, keep_letter, &kept, r->err);

	if (rc == -ENOMEM) {
		drip_error_nomem(r->err, 0);
	}
	if (rc == 0 && kept.letter.id == 0) {
		rc = drip_error_set(r->err, -ENOENT, "dlq.unknown_letter",
				    "there is no dead letter %" PRId64, id);
	}
	rc = rc == 0 ? add_to_replay(r, &kept.letter) : rc;
	for (size_t i = 0; i < 5; i++) {
		free(kept.texts[i]);
	}
	return rc;
}

int drip_method_dlq_replay(struct drip_call *call, struct drip_error *err)
{
	struct ids ids = {0};
	struct replay *r = drip_calloc(1, sizeof(*r));
	char detail[64];
	int rc;

	if (r == NULL) {
		return drip_error_nomem(err, sizeof(*r));
	}
	r->call = call;
	r->err = err;
	rc = choose(call, &ids, err);
	for (size_t i = 0; rc == 0 && i < ids.count; i++) {
		rc = replay_one(r, ids.items[i]);
	}
	rc = rc == 0 ? flush_replay(r) : rc;
	snprintf(detail, sizeof(detail), "%" PRId64 " letters", r->replayed);
	rc = rc == 0 ? drip_store_audit(call->app->store, call->actor, "dlq replay",
					drip_json_get_string(call->arguments, "pipeline", ""),
					detail, err)
		     : rc;
	drip_json_begin_object(&call->json);
	drip_json_put_int(&call->json, "replayed", r->replayed);
	drip_json_end_object(&call->json);
	forget_group(r);
	free(r);
	free(ids.items);
	return rc;
}
