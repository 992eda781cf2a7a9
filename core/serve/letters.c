/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters: list, show, replay, drop. Values of columns that are confidential or restricted are
 * shown as "***" unless asked for. A replay hands rows back in groups; a letter is dropped with the
 * checkpoint of the epoch that holds its row (engine/letters.c).
 */
#include "serve/methods.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "engine/commit.h"

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
	drip_json_put_string(j, "op",
			     l->op == DRIP_LETTER_TRUNCATE ? "truncate"
							   : drip_op_name((enum drip_op)l->op));
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
	const char *order = drip_json_get_string(call->arguments, "order", "oldest");
	struct drip_store_letters which;

	read_which(call, &which);
	which.newest_first = strcmp(order, "newest") == 0;
	if (!which.newest_first && strcmp(order, "oldest") != 0) {
		return drip_error_set(err, -EINVAL, "control.bad_request",
				      "there is no order \"%.40s\"", order);
	}
	which.limit = drip_json_get_int(call->arguments, "limit", LIST_LIMIT);
	which.limit =
		which.limit < 1 || which.limit > LIST_LIMIT_MAX ? LIST_LIMIT_MAX : which.limit;
	return drip_letters_render(call->app->store, &which, false, false, &call->json, err);
}

static int put_count(const char *pipeline, const char *stage, int64_t count, void *data)
{
	struct drip_json *j = data;

	drip_json_begin_object(j);
	drip_json_put_string(j, "pipeline", pipeline);
	drip_json_put_string(j, "stage", stage);
	drip_json_put_int(j, "count", count);
	drip_json_end_object(j);
	return 0;
}

int drip_method_dlq_count(struct drip_call *call, struct drip_error *err)
{
	int rc;

	drip_json_begin_array(&call->json);
	rc = drip_store_count_letters(call->app->store, put_count, &call->json, err);
	drip_json_end_array(&call->json);
	return rc;
}

int drip_method_dlq_show(struct drip_call *call, struct drip_error *err)
{
	int64_t id = drip_json_get_int(call->arguments, "id", -1);
	bool reveal = drip_json_get_bool(call->arguments, "reveal", false);
	struct drip_store_letters which = {.ids = &id, .ids_count = 1};
	char target[48];
	int rc = 0;

	if (reveal) { /* recorded first: what is not is not shown */
		snprintf(target, sizeof(target), "letter %" PRId64, id);
		rc = drip_store_audit(call->app->store, call->actor, "dlq reveal", target, "", err);
	}
	return rc == 0 ? drip_letters_render(call->app->store, &which, true, reveal, &call->json,
					     err)
		       : rc;
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

/*
 * A replay of letters of one pipeline, which the engine takes group by group: first those that did
 * not get to their end in a crash, as they were, then the chosen ones. A letter that is gone by
 * then, or under way, is passed over. On a thread of the engine once it is handed over.
 */
struct replay {
	struct drip_app *app;
	struct drip_app_job *job;
	char *pipeline;
	int64_t *ids; /* chosen */
	size_t ids_count, next;
	uint64_t pending; /* the next group that may be pending */
	int64_t replayed;
	/* All of the pipeline's are chosen: those that came since, until none is left that waits.
	 */
	bool follow;
	char *follow_stage; /* NULL: any */
	int64_t last;       /* the latest letter that was chosen */

	/* the group that is being made */
	struct drip_builder builder;
	char *stage, *schema_json;
	uint64_t number;
	int64_t group[REPLAY_ROWS];
	size_t count;
	bool full;     /* the next letter does not belong to it */
	bool truncate; /* its only letter is no row, but that the table was truncated */
	struct drip_error *err;
};

static void forget_group(struct replay *r)
{
	drip_builder_finish(&r->builder);
	memset(&r->builder, 0, sizeof(r->builder));
	free(r->stage);
	free(r->schema_json);
	r->stage = r->schema_json = NULL;
	r->count = 0;
	r->full = r->truncate = false;
}

static void release_replay(void *data)
{
	struct replay *r = data;

	forget_group(r);
	free(r->pipeline);
	free(r->follow_stage);
	free(r->ids);
	free(r);
}

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

static int begin_group(struct replay *r, const struct drip_store_letter *l)
{
	drip_autoptr(drip_schema) schema = NULL;
	int rc;

	r->stage = drip_strdup(l->letter.stage);
	r->schema_json = drip_strdup(l->letter.schema_json);
	r->number = l->group;
	if (r->stage == NULL || r->schema_json == NULL) {
		return drip_error_nomem(r->err, strlen(l->letter.schema_json));
	}
	rc = drip_schema_from_json(l->letter.schema_json, &schema, r->err);
	return rc == 0 ? drip_builder_init(&r->builder, schema, r->err) : rc;
}

/* Adds the letter, if it is of the group. */
static int add_letter(struct replay *r, const struct drip_store_letter *l)
{
	int rc = r->stage == NULL ? begin_group(r, l) : 0;

	if (rc < 0) {
		return rc;
	}
	r->full = r->count == REPLAY_ROWS || r->number != l->group ||
		  strcmp(r->stage, l->letter.stage) != 0 ||
		  strcmp(r->schema_json, l->letter.schema_json) != 0 || r->truncate ||
		  (r->count > 0 && l->letter.op == DRIP_LETTER_TRUNCATE);
	if (!r->full && l->letter.op == DRIP_LETTER_TRUNCATE) {
		r->truncate = true;
	} else {
		rc = r->full ? 1 : append_row(r, &l->letter);
	}
	if (rc == 0) {
		r->group[r->count++] = l->id;
	}
	return rc;
}

static int visit_pending(const struct drip_store_letter *l, void *data)
{
	return add_letter(data, l);
}

static int visit_chosen(const struct drip_store_letter *l, void *data)
{
	struct replay *r = data;

	return l->group != 0 || strcmp(l->letter.pipeline, r->pipeline) != 0 ? 0 : add_letter(r, l);
}

/* What was put back and refused again is left alone. */
static int visit_later(const struct drip_store_letter *l, void *data)
{
	struct replay *r = data;

	if (l->id > r->last && l->group == 0 && r->ids_count < IDS_MAX &&
	    drip_commit_position_group(&l->letter.position) == 0) {
		r->ids[r->ids_count++] = l->id;
	}
	return 0;
}

/* Chooses letters that came after the others: the source stands still meanwhile. */
static int choose_later(struct replay *r)
{
	struct drip_store_letters which = {.pipeline = r->pipeline, .stage = r->follow_stage};

	r->last = r->ids_count > 0 ? r->ids[r->ids_count - 1] : r->last;
	r->next = r->ids_count = 0;
	return r->follow ? drip_store_visit_letters(r->app->store, &which, visit_later, r, r->err)
			 : 0;
}

/* Fills the group; none where no letter is left. */
static int next_group(struct replay *r)
{
	struct drip_store_letters pending = {.pipeline = r->pipeline, .first_group = r->pending};
	int rc = drip_store_visit_letters(r->app->store, &pending, visit_pending, r, r->err);

	if (rc >= 0 && r->count != 0) {
		r->pending = r->number + 1;
		return 0;
	}
	if (rc >= 0 && r->next == r->ids_count) {
		rc = choose_later(r);
	}
	while (rc >= 0 && !r->full && r->next < r->ids_count) {
		struct drip_store_letters one = {.ids = &r->ids[r->next], .ids_count = 1};

		rc = drip_store_visit_letters(r->app->store, &one, visit_chosen, r, r->err);
		r->next += rc >= 0 && !r->full;
	}
	return rc < 0 ? rc : 0;
}

static int take_group(struct drip_replay_group *ret, void *data, struct drip_error *err)
{
	struct replay *r = data;
	int rc;

	forget_group(r);
	r->err = err;
	rc = next_group(r);
	if (rc < 0 || r->count == 0) {
		return rc;
	}
	*ret = (struct drip_replay_group){
		.stage = r->stage,
		.ids = r->group,
		.ids_count = r->count,
		.number = r->number,
	};
	rc = r->truncate ? drip_batch_create_control(DRIP_BATCH_TRUNCATE, r->builder.schema,
						     &ret->batch, err)
			 : drip_builder_build(&r->builder, &ret->batch, err);
	r->replayed += (int64_t)r->count;
	return rc < 0 ? rc : 1;
}

static void on_replayed(const struct drip_error *error, void *data)
{
	struct replay *r = data;

	drip_app_job_finish(r->app, r->job, error);
}

static int do_replay(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	struct replay *r = job->data;

	return drip_engine_replay(app->engine, r->pipeline, take_group, on_replayed, r, err);
}

/* Replays the letters (takes the array), all of one pipeline. Returns when they are durable. */
static int replay(struct drip_call *call, const char *pipeline, int64_t *ids, size_t count,
		  int64_t *replayed, struct drip_error *err)
{
	struct drip_app *app = call->app;
	struct drip_app_job *job = drip_app_job_new();
	struct replay *r = drip_calloc(1, sizeof(*r));
	char *name = drip_strdup(pipeline);
	struct drip_store_letters which;
	int rc;

	if (job == NULL || r == NULL || name == NULL) {
		free(job);
		free(r);
		free(name);
		free(ids);
		return drip_error_nomem(err, sizeof(*r));
	}
	*r = (struct replay){.app = app, .job = job, .pipeline = name, .ids = ids, .pending = 1};
	r->ids_count = count;
	read_which(call, &which);
	r->follow = drip_json_get(call->arguments, "ids") == NULL;
	r->follow_stage = which.stage != NULL ? drip_strdup(which.stage) : NULL;
	if (which.stage != NULL && r->follow_stage == NULL) {
		r->follow = false;
	}
	job->data = r;
	job->release = release_replay;
	job->run = do_replay;
	job->asynchronous = true;
	rc = drip_app_call(app, job,
			   REPLAY_TIMEOUT_MS *
				   (1 + (int64_t)(r->follow ? IDS_MAX : count) / REPLAY_ROWS),
			   err);
	*replayed += rc == 0 ? r->replayed : 0;
	drip_app_job_unref(app, job);
	return rc;
}

/* The chosen letters, with their pipelines: as many at once as follow one another in one. */
struct chosen {
	struct drip_call *call;
	char *pipeline;
	int64_t *ids;
	size_t count;
	int64_t replayed;
	struct drip_error *err;
};

static int end_chosen(struct chosen *c)
{
	int rc = 0;

	if (c->count != 0) {
		rc = replay(c->call, c->pipeline, drip_steal(c->ids), c->count, &c->replayed,
			    c->err);
	}
	free(c->ids);
	free(c->pipeline);
	c->ids = NULL;
	c->pipeline = NULL;
	c->count = 0;
	return rc;
}

static int note_pipeline(const struct drip_store_letter *l, void *data)
{
	char **ret = data;

	*ret = drip_strdup(l->letter.pipeline);
	return *ret == NULL ? -ENOMEM : 0;
}

static int add_chosen(struct chosen *c, int64_t id)
{
	struct drip_store_letters which = {.ids = &id, .ids_count = 1};
	drip_autofree char *pipeline = NULL;
	int rc = drip_store_visit_letters(c->call->app->store, &which, note_pipeline, &pipeline,
					  c->err);

	if (rc < 0) {
		return rc == -ENOMEM ? drip_error_nomem(c->err, sizeof(id)) : rc;
	}
	if (pipeline == NULL) {
		return drip_error_set(c->err, -ENOENT, "dlq.unknown_letter",
				      "there is no dead letter %" PRId64, id);
	}
	if (c->pipeline != NULL && strcmp(c->pipeline, pipeline) != 0) {
		rc = end_chosen(c);
	}
	if (rc == 0 && c->pipeline == NULL) {
		c->pipeline = drip_steal(pipeline);
		c->ids = drip_calloc(IDS_MAX, sizeof(*c->ids));
		rc = c->ids != NULL ? 0 : drip_error_nomem(c->err, IDS_MAX * sizeof(*c->ids));
	}
	if (rc == 0) {
		c->ids[c->count++] = id;
	}
	return rc;
}

static int compare_ids(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int drip_method_dlq_replay(struct drip_call *call, struct drip_error *err)
{
	struct chosen chosen = {.call = call, .err = err};
	struct ids ids = {0};
	char detail[64];
	int rc = choose(call, &ids, err);

	if (ids.count > 1) { /* oldest first, and each once */
		qsort(ids.items, ids.count, sizeof(*ids.items), compare_ids);
	}
	for (size_t i = 0; rc == 0 && i < ids.count; i++) {
		if (i == 0 || ids.items[i] != ids.items[i - 1]) {
			rc = add_chosen(&chosen, ids.items[i]);
		}
	}
	if (rc == 0) {
		rc = end_chosen(&chosen);
	}
	free(ids.items);
	free(chosen.ids);
	free(chosen.pipeline);
	snprintf(detail, sizeof(detail), "%" PRId64 " letters", chosen.replayed);
	rc = rc == 0 ? drip_store_audit(call->app->store, call->actor, "dlq replay",
					drip_json_get_string(call->arguments, "pipeline", ""),
					detail, err)
		     : rc;
	drip_json_begin_object(&call->json);
	drip_json_put_int(&call->json, "replayed", chosen.replayed);
	drip_json_end_object(&call->json);
	return rc;
}
