/* SPDX-License-Identifier: Apache-2.0 */
/* Lineage: records are edges between columns of datasets; a walk is a breadth-first search by one
 * recursive query a direction, bounded by DRIP_STORE_LINEAGE_DEPTH_MAX. */
#include "store/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool same_target(const struct drip_lineage_record *a, const struct drip_lineage_record *b)
{
	return strcmp(a->pipeline, b->pipeline) == 0 && strcmp(a->stage, b->stage) == 0 &&
	       strcmp(a->output_namespace, b->output_namespace) == 0 &&
	       strcmp(a->output_dataset, b->output_dataset) == 0 && a->one_input == b->one_input &&
	       (!a->one_input || (strcmp(a->input_namespace, b->input_namespace) == 0 &&
				  strcmp(a->input_dataset, b->input_dataset) == 0));
}

static int forget_target(sqlite3 *db, const struct drip_lineage_record *r, struct drip_error *err)
{
	return drip_store_run(db, err,
			      "DELETE FROM lineage WHERE pipeline = ?1 AND stage = ?2 AND"
			      " output_namespace = ?3 AND output_dataset = ?4 AND (?5 IS NULL OR"
			      " (input_namespace = ?5 AND input_dataset = ?6))",
			      "tttttt", r->pipeline, r->stage, r->output_namespace,
			      r->output_dataset, r->one_input ? r->input_namespace : NULL,
			      r->input_dataset);
}

static const char *or_empty(const char *text)
{
	return text != NULL ? text : "";
}

static int insert_record(sqlite3 *db, const struct drip_lineage_record *r, int64_t now,
			 struct drip_error *err)
{
	return drip_store_run(
		db, err, "INSERT OR REPLACE INTO lineage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"ttttttttiii", r->pipeline, r->stage, or_empty(r->input_namespace),
		or_empty(r->input_dataset), or_empty(r->input_column),
		or_empty(r->output_namespace), or_empty(r->output_dataset),
		or_empty(r->output_column), (int64_t)r->kind, (int64_t)r->classification, now);
}

int drip_store_replace_lineage(sqlite3 *db, const struct drip_lineage_record *records, size_t count,
			       struct drip_error *err)
{
	int64_t now = drip_clock_wall_us();
	int rc = 0;

	/* All targets are forgotten before the first insert: records of one may be apart. */
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (i == 0 || !same_target(&records[i], &records[i - 1])) {
			rc = forget_target(db, &records[i], err);
		}
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = insert_record(db, &records[i], now, err);
	}
	return rc;
}

#define RECORD_COLUMNS                                                                             \
	"l.pipeline, l.stage, l.input_namespace, l.input_dataset, l.input_column, "                \
	"l.output_namespace, l.output_dataset, l.output_column, l.kind, l.classification"

/* ?1 the dataset, ?2 the column or NULL, ?3 "%." and the dataset with LIKE's signs escaped. A walk
 * that begins at all columns does not mix them up. */
#define STARTS(side)                                                                               \
	"SELECT " side "_namespace, " side "_dataset, " side                                       \
	"_column, 0 FROM lineage WHERE (" side "_dataset = ?1 OR " side                            \
	"_dataset LIKE ?3 ESCAPE '\\') AND (?2 IS NULL OR " side "_column = ?2)"

#define WALK(near, far)                                                                            \
	"WITH RECURSIVE reached (namespace, dataset, name, distance) AS (" STARTS(                 \
		near) " UNION SELECT l." far "_namespace, l." far "_dataset, l." far "_column,"    \
		      " r.distance + 1 FROM reached r JOIN lineage l ON l." near                   \
		      "_dataset = r.dataset"                                                       \
		      " AND l." near "_column = r.name AND l." near "_namespace = r.namespace"     \
		      " WHERE r.distance < ?4) "                                                   \
		      "SELECT " RECORD_COLUMNS                                                     \
		      ", min(r.distance) + 1 AS d FROM reached r JOIN lineage l ON"                \
		      " l." near "_dataset = r.dataset AND l." near "_column = r.name"             \
		      " AND l." near "_namespace = r.namespace"                                    \
		      " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"                                        \
		      " ORDER BY d, 6, 7, 8, 3, 4, 5"

struct walk {
	const char *dataset, *column, *pattern;
	int (*visit)(const struct drip_store_edge *e, void *data);
	void *data;
	bool found;
};

static int run_walk(sqlite3 *db, struct walk *w, bool upstream, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(db, &stmt, err,
				    upstream ? WALK("output", "input") : WALK("input", "output"),
				    "ttti", w->dataset, w->column, w->pattern,
				    (int64_t)DRIP_STORE_LINEAGE_DEPTH_MAX - 1);

	while (rc == 0 && (rc = drip_store_step(stmt, err)) == 1) {
		struct drip_store_edge e = {
			.record = {.pipeline = drip_store_text(stmt, 0),
				   .stage = drip_store_text(stmt, 1),
				   .input_namespace = drip_store_text(stmt, 2),
				   .input_dataset = drip_store_text(stmt, 3),
				   .input_column = drip_store_text(stmt, 4),
				   .output_namespace = drip_store_text(stmt, 5),
				   .output_dataset = drip_store_text(stmt, 6),
				   .output_column = drip_store_text(stmt, 7),
				   .kind = (enum drip_lineage_kind)sqlite3_column_int(stmt, 8),
				   .classification = (enum drip_class)sqlite3_column_int(stmt, 9)},
			.upstream = upstream,
			.distance = sqlite3_column_int(stmt, 10),
		};

		w->found = true;
		rc = w->visit(&e, w->data);
	}
	return rc;
}

int drip_store_visit_lineage(struct drip_store *store, const char *dataset, const char *column,
			     int (*visit)(const struct drip_store_edge *e, void *data), void *data,
			     bool *ret_found, struct drip_error *err)
{
	char pattern[2 * DRIP_NAME_MAX + 8] = "%.";
	struct walk w = {.dataset = dataset,
			 .column = column,
			 .pattern = pattern,
			 .visit = visit,
			 .data = data};
	size_t n = strlen(pattern);
	int rc;

	if (strlen(dataset) >= DRIP_NAME_MAX) {
		return drip_error_set(err, -EINVAL, "lineage.name_too_long",
				      "cannot look for a table whose name is longer than %d bytes",
				      DRIP_NAME_MAX);
	}
	for (const char *p = dataset; *p != '\0'; p++) {
		if (*p == '%' || *p == '_' || *p == '\\') {
			pattern[n++] = '\\';
		}
		pattern[n++] = *p;
	}
	pattern[n] = '\0';
	rc = drip_store_lock_reader(store, err);
	if (rc < 0) {
		return rc;
	}
	rc = run_walk(store->reader.handle, &w, true, err);
	rc = rc == 0 ? run_walk(store->reader.handle, &w, false, err) : rc;
	pthread_mutex_unlock(&store->reader.lock);
	*ret_found = w.found;
	return rc;
}

#define SIDE(side, classification, written)                                                        \
	"SELECT " side "_namespace AS namespace, " side "_dataset AS name, " side                  \
	"_column AS field, " classification " AS class, " written " AS written, recorded_us"       \
	" FROM lineage"

int drip_store_visit_datasets(struct drip_store *store,
			      int (*visit)(const struct drip_store_dataset *d, void *data),
			      void *data, struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(
		store, &rows, err,
		"SELECT namespace, name, count(DISTINCT nullif(field, '')),"
		" max(class), max(written), min(written), max(recorded_us) FROM (" SIDE(
			"output", "classification",
			"1") " UNION ALL " SIDE("input", "-1",
						"0") ") WHERE name <> ''"
						     " GROUP BY 1, 2 ORDER BY 2, 1 LIMIT ?",
		"i", (int64_t)DRIP_STORE_DATASETS_MAX);

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		struct drip_store_dataset d = {
			.namespace = drip_store_text(rows.stmt, 0),
			.name = drip_store_text(rows.stmt, 1),
			.columns = sqlite3_column_int64(rows.stmt, 2),
			.classification = sqlite3_column_int(rows.stmt, 3),
			.written = sqlite3_column_int(rows.stmt, 4) != 0,
			.read = sqlite3_column_int(rows.stmt, 5) == 0,
			.recorded_us = sqlite3_column_int64(rows.stmt, 6),
		};

		rc = visit(&d, data);
	}
	return rc;
}
