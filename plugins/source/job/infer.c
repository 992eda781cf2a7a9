/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the steps of a job yield, told without running them: each query is typed over the declared
 * tables that it names, over the views of changes, and over the temporary tables of the steps
 * before it. So validation finds a column that is missing, of another type, or that would give data
 * of a higher class away; and lineage knows where each column comes from, through the temporary
 * tables. What only a filter or a join looks at does not raise a class. Thread: the caller's.
 */
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENGINE      "@duckdb"
#define ORIGINS_MAX 20000 /* of one relation */

/* Where a column of a relation comes from, in declared tables. */
struct origin {
	uint32_t output;
	enum drip_lineage_kind kind;
	const struct drip_schema *table;
	uint32_t column;
};

/* What a query can read by name. */
struct relation {
	struct drip_schema *schema; /* one reference */
	struct origin *origins;     /* NULL: a declared table, its columns are origins themselves */
	size_t origins_count;
};

struct typing {
	struct drip_ctx *ctx;
	const struct job_config *config;
	const struct drip_sql *sql;
	void *object;
	struct relation *locals; /* views of changes, temporary tables */
	size_t locals_count;
	/* Names of what a step or a change would have made, were it sound. */
	const char *unknown[JOB_STEPS_MAX + 1];
	size_t unknown_count;
	size_t skipped, first_skipped; /* steps that read them */
	char *prelude[5];
};

/* ---- names in a query ---- */

struct inputs {
	const struct drip_schema *tables[JOB_TABLES_MAX];
	const struct relation *relations[JOB_TABLES_MAX]; /* NULL: declared */
	uint32_t count;
};

static void add_input(struct inputs *in, const struct drip_schema *schema,
		      const struct relation *relation)
{
	for (uint32_t i = 0; i < in->count; i++) {
		if (in->tables[i] == schema) {
			return;
		}
	}
	if (in->count < JOB_TABLES_MAX) {
		in->tables[in->count] = schema;
		in->relations[in->count++] = relation;
	}
}

/* The newest local of that name: a later temporary table may stand in for an earlier one. */
static const struct relation *find_local(const struct typing *t, const char *name)
{
	for (size_t i = t->locals_count; i-- > 0;) {
		if (strcasecmp(t->locals[i].schema->table, name) == 0) {
			return &t->locals[i];
		}
	}
	return NULL;
}

static void find_inputs(const struct typing *t, const char *sql, struct inputs *ret)
{
	const struct drip_schema *declared = NULL;
	char first[DRIP_NAME_MAX], second[DRIP_NAME_MAX];

	ret->count = 0;
	while (drip_sql_next_name(&sql, first, second)) {
		if (second[0] != '\0' &&
		    t->ctx->host->declared_table(t->ctx, first, second, &declared) == 0) {
			add_input(ret, declared, NULL);
		} else if (find_local(t, first) != NULL) {
			const struct relation *local = find_local(t, first);

			add_input(ret, local->schema, local);
		}
	}
}

static int each_of(struct job *job, const char *sql,
		   int (*each)(struct job *job, const struct drip_schema *declared,
			       struct drip_error *err),
		   struct drip_error *err)
{
	const struct typing t = {.ctx = job->ctx, .config = job->config};
	struct inputs in = {.count = 0};
	int rc = 0;

	if (sql != NULL) {
		find_inputs(&t, sql, &in);
	}
	for (uint32_t i = 0; i < in.count && rc == 0; i++) {
		rc = each(job, in.tables[i], err);
	}
	return rc;
}

int job_each_input(struct job *job,
		   int (*each)(struct job *job, const struct drip_schema *declared,
			       struct drip_error *err),
		   struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < job->config->steps.count && rc == 0; i++) {
		rc = each_of(job, job_step(job->config, i)->sql, each, err);
		rc = rc == 0 ? each_of(job, job_step(job->config, i)->replaces, each, err) : rc;
	}
	return rc;
}

/* ---- relations ---- */

static int add_local(struct typing *t, struct drip_schema *schema, struct origin *origins,
		     size_t count, struct drip_error *err)
{
	struct relation *grown = realloc(t->locals, (t->locals_count + 1) * sizeof(*t->locals));

	if (grown == NULL) {
		drip_schema_unref(schema);
		free(origins);
		return drip_error_nomem(err, (t->locals_count + 1) * sizeof(*grown));
	}
	t->locals = grown;
	grown[t->locals_count++] =
		(struct relation){.schema = schema, .origins = origins, .origins_count = count};
	return 0;
}

static int renamed(const struct drip_schema *from, const char *name, struct drip_schema **ret,
		   struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_from(&b, from);
	drip_schema_builder_set_table(&b, "", name);
	return drip_schema_builder_build(&b, ret, err);
}

static int add_change(struct typing *t, const struct job_change *change, struct drip_error *err)
{
	const struct drip_schema *declared = NULL;
	struct drip_schema *schema = NULL;
	struct origin *origins;
	struct job_name name;
	int rc;

	job_split(change->table, &name);
	if (t->ctx->host->declared_table(t->ctx, name.schema, name.table, &declared) != 0) {
		rc = drip_error_set(err, -ENOENT, "job.not_declared", "table %s is not declared",
				    change->table);
		drip_error_hint(err, "Declare it under `tables`.");
		return rc;
	}
	origins = calloc(declared->columns_count + 1, sizeof(*origins));
	rc = origins == NULL ? drip_error_nomem(err, sizeof(*origins))
			     : renamed(declared, change->as, &schema, err);
	if (rc != 0) {
		free(origins);
		return rc;
	}
	for (uint32_t i = 0; i < declared->columns_count; i++) {
		origins[i] = (struct origin){i, DRIP_LINEAGE_IDENTITY, declared, i};
	}
	return add_local(t, schema, origins, declared->columns_count, err);
}

/* ---- typing one query ---- */

static enum drip_lineage_kind worse(enum drip_lineage_kind a, enum drip_lineage_kind b)
{
	return a > b ? a : b;
}

static bool add_origin(struct origin *origins, size_t *count, struct origin one)
{
	for (size_t i = 0; i < *count; i++) {
		if (origins[i].output == one.output && origins[i].table == one.table &&
		    origins[i].column == one.column) {
			if (one.kind < origins[i].kind) {
				origins[i].kind = one.kind;
			}
			return true;
		}
	}
	if (*count == ORIGINS_MAX) {
		return false;
	}
	origins[(*count)++] = one;
	return true;
}

/* Edges to what the query reads, followed to declared tables. */
static struct origin *trace(const struct inputs *in, const struct drip_sql_edge *edges,
			    uint32_t count, size_t *ret_count)
{
	struct origin *origins = calloc(ORIGINS_MAX, sizeof(*origins));

	*ret_count = 0;
	for (uint32_t i = 0; i < count && origins != NULL; i++) {
		const struct drip_sql_edge *e = &edges[i];
		const struct relation *local = in->relations[e->table];
		enum drip_lineage_kind kind = (enum drip_lineage_kind)e->kind;

		if (local == NULL) {
			add_origin(
				origins, ret_count,
				(struct origin){e->output, kind, in->tables[e->table], e->input});
			continue;
		}
		for (size_t k = 0; k < local->origins_count; k++) {
			const struct origin *o = &local->origins[k];

			if (o->output == e->input) {
				add_origin(origins, ret_count,
					   (struct origin){e->output, worse(kind, o->kind),
							   o->table, o->column});
			}
		}
	}
	return origins;
}

/* (gives) the schema that a query yields, classes by what its columns are made of, and origins. */
static int type_query(struct typing *t, const char *query, const char *name,
		      struct drip_schema **ret_schema, struct origin **ret_origins,
		      size_t *ret_count, struct drip_error *err)
{
	struct drip_schema *yielded = NULL;
	struct drip_sql_edge *edges = NULL;
	struct drip_schema_builder b;
	uint32_t count = 0;
	struct inputs in;
	int rc;

	find_inputs(t, query, &in);
	rc = t->sql->infer_tables(t->object, (const char *const *)t->prelude, query, in.tables,
				  in.count, &yielded, &edges, &count, err);
	if (rc != 0) {
		return rc;
	}
	*ret_origins = trace(&in, edges, count, ret_count);
	free(edges);
	if (*ret_origins == NULL) {
		drip_schema_unref(yielded);
		return drip_error_nomem(err, ORIGINS_MAX * sizeof(**ret_origins));
	}
	drip_schema_builder_from(&b, yielded);
	drip_schema_builder_set_table(&b, "", name);
	drip_schema_unref(yielded);
	for (uint32_t i = 0; i < b.count; i++) {
		b.columns[i].classification = DRIP_CLASS_PUBLIC;
	}
	for (size_t i = 0; i < *ret_count; i++) {
		const struct origin *o = &(*ret_origins)[i];
		enum drip_class class = drip_schema_column(o->table, o->column)->classification;

		if (o->kind != DRIP_LINEAGE_INFLUENCE &&
		    o->output<b.count &&class> b.columns[o->output].classification) {
			b.columns[o->output].classification = class;
		}
	}
	rc = drip_schema_builder_build(&b, ret_schema, err);
	if (rc != 0) {
		free(*ret_origins);
	}
	return rc;
}

/* ---- the steps ---- */

static void finish(struct typing *t)
{
	for (size_t i = 0; i < t->locals_count; i++) {
		drip_schema_unref(t->locals[i].schema);
		free(t->locals[i].origins);
	}
	free(t->locals);
	for (size_t i = 0; i < DRIP_COUNT(t->prelude); i++) {
		free(t->prelude[i]);
	}
	if (t->sql != NULL) {
		t->ctx->host->connection_put(t->ctx, ENGINE, DRIP_SQL_INTERFACE, t->object);
	}
}

static int make_prelude(struct typing *t, struct drip_error *err)
{
	static const char *const run_functions[] = {
		"CREATE OR REPLACE TEMP MACRO run_at() AS "
		"TIMESTAMP WITH TIME ZONE '1970-01-01 00:00:00+00'",
		"CREATE OR REPLACE TEMP MACRO as_of() AS DATE '1970-01-01'",
	};
	struct drip_text text = {0};
	int rc;

	drip_text_puts(&text, "CREATE SCHEMA IF NOT EXISTS ");
	drip_text_puts(&text, t->config->schema);
	drip_text_put(&text, "", 1);
	rc = drip_text_check(&text, err);
	t->prelude[0] = text.data;
	text = (struct drip_text){0};
	rc = rc == 0 ? drip_sql_put_key_function(&text, "duckdb", t->config->schema, err) : rc;
	drip_text_put(&text, "", 1);
	rc = rc == 0 ? drip_text_check(&text, err) : rc;
	t->prelude[1] = text.data;
	for (size_t i = 0; i < DRIP_COUNT(run_functions) && rc == 0; i++) {
		t->prelude[2 + i] = strdup(run_functions[i]);
		rc = t->prelude[2 + i] == NULL ? drip_error_nomem(err, 100) : 0;
	}
	return rc;
}

/* -ENOTSUP: there is no engine that could tell. */
static int begin(struct typing *t, struct drip_error *err)
{
	const struct drip_host *host = t->ctx->host;
	const void *interface = NULL;

	if (!DRIP_HAS(host, declared_table) || host->declared_table == NULL ||
	    host->connection_get(t->ctx, ENGINE, DRIP_SQL_INTERFACE, &interface, &t->object,
				 NULL) != 0) {
		return -ENOTSUP;
	}
	t->sql = interface;
	if (!DRIP_HAS(t->sql, infer_tables) || t->sql->infer_tables == NULL) {
		return -ENOTSUP;
	}
	return make_prelude(t, err);
}

static bool names(const char *sql, const char *name)
{
	char first[DRIP_NAME_MAX], second[DRIP_NAME_MAX];

	while (drip_sql_next_name(&sql, first, second)) {
		if (strcasecmp(name, first) == 0) {
			return true;
		}
	}
	return false;
}

/* A table that a later step makes is a matter of order. */
static void hint_order(const struct typing *t, struct drip_error *why, size_t index)
{
	for (size_t i = index; i < t->config->steps.count; i++) {
		const char *name = job_step(t->config, i)->temp;

		if (name != NULL && names(job_step(t->config, index)->sql, name)) {
			drip_error_hint(why, "Step %zu makes %s: put it before this one.", i + 1,
					name);
			return;
		}
	}
}

static void report_query(const struct typing *t, struct drip_report *report, struct drip_error *why,
			 size_t index, const char *option)
{
	if (strcmp(why->code, "duckdb.no_table") == 0) {
		hint_order(t, why, index);
	}
	drip_error_option(why, "steps[%zu].%s", index, option);
	report->add(report, DRIP_LOG_ERROR, why);
}

static bool names_unknown(const struct typing *t, const char *sql)
{
	for (size_t i = 0; i < t->unknown_count; i++) {
		if (names(sql, t->unknown[i])) {
			return true;
		}
	}
	return false;
}

static void forget(struct typing *t, const char *name)
{
	if (name != NULL && t->unknown_count < DRIP_COUNT(t->unknown)) {
		t->unknown[t->unknown_count++] = name;
	}
}

/* The condition of the rows that are replaced, over the table that has them. */
static int check_replaces(struct typing *t, size_t index, struct drip_report *report,
			  struct drip_error *err)
{
	const struct job_step *step = job_step(t->config, index);
	struct drip_error why = DRIP_ERROR_INIT;
	struct drip_schema *yielded = NULL;
	struct origin *origins = NULL;
	struct drip_text text = {0};
	size_t count = 0;
	int rc;

	drip_text_puts(&text, "SELECT 1 AS one FROM ");
	drip_text_puts(&text, step->table);
	drip_text_puts(&text, " WHERE (\n");
	drip_text_puts(&text, step->replaces);
	drip_text_put(&text, "\n)", 3);
	rc = drip_text_check(&text, err);
	if (rc == 0) {
		rc = type_query(t, text.data, JOB_ROWS, &yielded, &origins, &count, &why);
		if (rc != 0 && rc != -ENOMEM) {
			drip_sql_place_shift(&why, 1);
			report_query(t, report, &why, index, "replaces");
			rc = 0;
		}
	}
	drip_schema_unref(yielded);
	free(origins);
	drip_text_finish(&text);
	return rc;
}

static int check_table(struct typing *t, size_t index, struct drip_report *report,
		       const struct drip_schema *yielded, struct drip_error *err)
{
	const struct job_step *step = job_step(t->config, index);
	struct drip_error finding = DRIP_ERROR_INIT;
	const struct drip_schema *declared = NULL;
	struct job_name name;

	job_split(step->table, &name);
	if (t->ctx->host->declared_table(t->ctx, name.schema, name.table, &declared) != 0) {
		drip_error_set(&finding, -ENOENT, "job.not_declared", "table %s is not declared",
			       step->table);
		drip_error_hint(&finding, "Declare it under `tables`.");
		drip_error_option(&finding, "steps[%zu].table", index);
		report->add(report, DRIP_LOG_ERROR, &finding);
		return 0;
	}
	if (yielded != NULL) {
		job_compare(report, index, step, declared, yielded);
	}
	return step->replaces != NULL && !names_unknown(t, step->replaces)
		       ? check_replaces(t, index, report, err)
		       : 0;
}

/* A finding where the query cannot be typed. What reads its table then is not asked: it would be
 * found missing. */
static int check_step(struct typing *t, size_t index, struct drip_report *report,
		      struct drip_error *err)
{
	const struct job_step *step = job_step(t->config, index);
	struct drip_error why = DRIP_ERROR_INIT;
	struct drip_schema *yielded = NULL;
	struct origin *origins = NULL;
	size_t count = 0;
	int rc = -ESTALE;

	if (names_unknown(t, step->sql)) {
		t->first_skipped = t->skipped++ == 0 ? index : t->first_skipped;
	} else {
		rc = type_query(t, step->sql, step->temp != NULL ? step->temp : JOB_ROWS, &yielded,
				&origins, &count, &why);
		if (rc == -ENOMEM) {
			return drip_error_nomem(err, 0);
		}
		if (rc != 0) {
			report_query(t, report, &why, index, "sql");
		}
	}
	if (rc == 0 && step->temp != NULL) {
		return add_local(t, yielded, origins, count, err);
	}
	if (step->temp != NULL) {
		forget(t, step->temp);
		return 0;
	}
	rc = step->table != NULL ? check_table(t, index, report, yielded, err) : 0;
	drip_schema_unref(yielded);
	free(origins);
	return rc;
}

static int check_change(struct typing *t, size_t index, struct drip_report *report,
			struct drip_error *err)
{
	const struct job_change *change = job_change(t->config, index);
	struct drip_error why = DRIP_ERROR_INIT;
	int rc = add_change(t, change, &why);

	if (rc == -ENOENT) {
		drip_error_option(&why, "changes[%zu].table", index);
	} else if (rc == 0 &&
		   drip_schema_find(t->locals[t->locals_count - 1].schema, change->sequence) < 0) {
		rc = drip_error_set(&why, -EINVAL, "job.no_sequence", "table %s has no column %s",
				    change->table, change->sequence);
		drip_error_hint(&why, "Declare it, as an integer that grows with each change, or "
				      "name another in `sequence`.");
		drip_error_option(&why, "changes[%zu].%s", index,
				  strcmp(change->sequence, "_sequence") == 0 ? "table"
									     : "sequence");
	} else if (rc != 0) {
		*err = why;
		return rc;
	}
	if (rc != 0) {
		report->add(report, DRIP_LOG_ERROR, &why);
		forget(t, rc == -ENOENT ? change->as : NULL);
	}
	return 0;
}

static void note_skipped(const struct typing *t, struct drip_report *report)
{
	struct drip_error note = DRIP_ERROR_INIT;

	if (t->skipped > 0) {
		drip_error_set(&note, -EINVAL, "job.not_checked",
			       "%zu step%s not checked: what %s is at fault", t->skipped,
			       t->skipped == 1 ? " was" : "s were",
			       t->skipped == 1 ? "it reads" : "they read");
		drip_error_option(&note, "steps[%zu].sql", t->first_skipped);
		report->add(report, DRIP_LOG_INFO, &note);
	}
}

int job_check_steps(struct drip_ctx *ctx, const struct job_config *config,
		    struct drip_report *report, struct drip_error *err)
{
	struct typing t = {.ctx = ctx, .config = config};
	int rc = begin(&t, err);

	for (size_t i = 0; i < config->changes.count && rc == 0; i++) {
		rc = check_change(&t, i, report, err);
	}
	for (size_t i = 0; i < config->steps.count && rc == 0; i++) {
		rc = check_step(&t, i, report, err);
	}
	if (rc == 0) {
		note_skipped(&t, report);
	}
	finish(&t);
	return rc == -ENOTSUP ? 0 : rc;
}

/* ---- lineage ---- */

/* What a step writes into a declared table. */
struct written {
	const char *table;
	struct drip_schema *schema;
	struct origin *origins;
	size_t count;
};

static void fill_facts(const struct written *w, const char *space, struct drip_lineage_fact *facts,
		       char (*names)[2 * DRIP_NAME_MAX])
{
	for (size_t i = 0; i < w->count; i++) {
		const struct origin *from = &w->origins[i];
		const struct drip_column *out = drip_schema_column(w->schema, from->output);

		snprintf(names[i], sizeof(names[i]), "%s.%s", from->table->database,
			 from->table->table);
		facts[i] = (struct drip_lineage_fact){
			.struct_size = sizeof(facts[i]),
			.kind = from->kind,
			.input_namespace = space,
			.input_dataset = names[i],
			.input_column = drip_schema_column(from->table, from->column)->name,
			.output_namespace = space,
			.output_dataset = w->table,
			.output_column = out->name,
			.classification = out->classification};
	}
}

/* All at once: the host replaces what it knew of a table, and several steps may write one. */
static int record(struct job *job, const char *space, const struct written *list, size_t count,
		  struct drip_error *err)
{
	struct drip_lineage_fact *facts;
	char(*names)[2 * DRIP_NAME_MAX];
	size_t all = 0, at = 0;
	int rc;

	for (size_t i = 0; i < count; i++) {
		all += list[i].count;
	}
	facts = calloc(all + 1, sizeof(*facts));
	names = calloc(all + 1, sizeof(*names));
	if (facts == NULL || names == NULL) {
		free(facts);
		free(names);
		return drip_error_nomem(err, all * sizeof(*names));
	}
	for (size_t i = 0; i < count; i++) {
		fill_facts(&list[i], space, &facts[at], &names[at]);
		at += list[i].count;
	}
	rc = job->ctx->host->lineage(job->ctx, facts, all, err);
	free(facts);
	free(names);
	return rc;
}

/* Types the steps in their order: those of temporary tables become known to later ones. */
static int trace_steps(struct typing *t, struct written *list, size_t *count,
		       struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < t->config->changes.count && rc == 0; i++) {
		rc = add_change(t, job_change(t->config, i), err);
	}
	for (size_t i = 0; i < t->config->steps.count && rc == 0; i++) {
		const struct job_step *step = job_step(t->config, i);
		struct written w = {.table = step->table};

		if (step->check != NULL) {
			continue;
		}
		rc = type_query(t, step->sql, step->temp != NULL ? step->temp : JOB_ROWS, &w.schema,
				&w.origins, &w.count, err);
		if (rc == 0 && step->temp != NULL) {
			rc = add_local(t, w.schema, w.origins, w.count, err);
		} else if (rc == 0) {
			list[(*count)++] = w;
		}
	}
	return rc;
}

int job_record_lineage(struct job *job, struct drip_error *err)
{
	struct typing t = {.ctx = job->ctx, .config = job->config};
	struct written *list = calloc(job->config->steps.count + 1, sizeof(*list));
	char space[DRIP_NAME_MAX] = "";
	size_t count = 0;
	int rc;

	if (list == NULL) {
		return drip_error_nomem(err, job->config->steps.count * sizeof(*list));
	}
	rc = begin(&t, err);
	if (rc == 0 && (!DRIP_HAS(job->ctx->host, lineage) || job->ctx->host->lineage == NULL ||
			job->sql->dataset_namespace(job->object, space, sizeof(space)) < 0)) {
		rc = -ENOTSUP;
	}
	rc = rc == 0 ? trace_steps(&t, list, &count, err) : rc;
	rc = rc == 0 ? record(job, space, list, count, err) : rc;
	while (count-- > 0) {
		drip_schema_unref(list[count].schema);
		free(list[count].origins);
	}
	free(list);
	finish(&t);
	return rc == -ENOTSUP ? 0 : rc;
}
