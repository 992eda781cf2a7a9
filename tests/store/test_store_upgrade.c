/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store of the first release (version_1.sql, the argument) is brought up to date with all that it
 * holds, also where that was interrupted; and an artifact whose row was never written is no harm.
 */
#include "lib/test.h"

#include "base/failpoint.h"
#include "lib/temp.h"
#include "store/models.h"
#include "store/store.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#define MIGRATIONS 5 /* behind the first */

static char *read_sql(void)
{
	char *text = calloc(1, 64 << 10);
	FILE *f = fopen(test_argv[1], "re");

	REQUIRE_NOT_NULL(text);
	REQUIRE_NOT_NULL(f);
	REQUIRE(fread(text, 1, (64 << 10) - 1, f) > 0);
	fclose(f);
	return text;
}

static sqlite3 *open_file(const char *dir)
{
	char path[128];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/%s", dir, DRIP_STORE_FILE);
	REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
	return db;
}

/* A new folder with a store of version 1. */
static const char *old_store(void)
{
	const char *dir = temp_dir();
	sqlite3 *db = open_file(dir);
	char *sql = read_sql(), *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
		CHECK_EQ_STR(why, "");
	}
	sqlite3_free(why);
	free(sql);
	REQUIRE(sqlite3_close(db) == SQLITE_OK);
	return dir;
}

/* All the rows of a query, each as its columns with spaces; malloc'd. */
static char *query(const char *dir, const char *sql)
{
	sqlite3 *db = open_file(dir);
	sqlite3_stmt *stmt = NULL;
	char *text = calloc(1, 64 << 10);
	size_t used = 0;

	REQUIRE_NOT_NULL(text);
	REQUIRE(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const unsigned char *value = sqlite3_column_text(stmt, i);

			used += (size_t)snprintf(text + used, (64 << 10) - used, "%s%c",
						 value != NULL ? (const char *)value : "NULL",
						 i + 1 < sqlite3_column_count(stmt) ? ' ' : '\n');
		}
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return text;
}

static void check_query(const char *dir, const char *sql, const char *want)
{
	char *got = query(dir, sql);

	CHECK_EQ_STR(got, want);
	free(got);
}

/* ---- what the store holds ---- */

static void check_checkpoint(struct drip_store *store)
{
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_position *got = NULL;
	size_t count = 0, size = 0;
	uint64_t epoch = 0, replayed = 9;
	int64_t scheduled = 0;
	void *value = NULL;

	REQUIRE_OK(d->checkpoint_load(d->self, "p", &got, &count, &epoch, &err), &err);
	REQUIRE(count == 2);
	CHECK_EQ_INT((int)epoch, 7);
	CHECK_EQ_STR(got[1].partition, "b");
	CHECK_EQ_STR(got[1].text, "at 14");
	CHECK_EQ_INT(got[1].order[7], 14);
	CHECK_EQ_INT(got[1].detail_size, 3);
	free(got);
	REQUIRE_OK(d->state_get(d->self, "p", "s", "k", &value, &size, &err), &err);
	CHECK(size == 1 && *(char *)value == '7');
	free(value);
	REQUIRE_OK(d->schedule_get(d->self, "p", &scheduled, &err), &err);
	CHECK_EQ_INT((int)scheduled, 12345);
	REQUIRE_OK(d->replayed_get(d->self, "p", &replayed, &err), &err);
	CHECK_EQ_INT((int)replayed, 0);
}

static int see_run(const struct drip_store_run *r, void *data)
{
	int *count = data;

	(*count)++;
	CHECK_EQ_STR(r->id, *count == 1 ? "r2" : "r1"); /* newest first */
	return 0;
}

static int see_letter(const struct drip_store_letter *l, void *data)
{
	int *count = data;

	(*count)++;
	CHECK_EQ_INT((int)l->id, 3 + *count);
	CHECK_EQ_INT((int)l->group, 0);
	CHECK_EQ_STR(l->letter.row_json, *count == 1 ? "{\"id\":1}" : "{\"id\":2}");
	return 0;
}

static int see_edge(const struct drip_store_edge *e, void *data)
{
	int *count = data;

	(*count)++;
	CHECK_EQ_STR(e->record.input_dataset, "d.t");
	CHECK_EQ_STR(e->record.input_column, "a");
	return 0;
}

static void check_rows(struct drip_store *store)
{
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store_letters all = {0};
	int64_t ids[2] = {4, 5};
	bool found = false;
	int count = 0;

	REQUIRE_OK(drip_store_visit_runs(store, "p", 10, see_run, &count, &err), &err);
	CHECK_EQ_INT(count, 2);
	count = 0;
	REQUIRE_OK(drip_store_visit_lineage(store, "w.t", "b", see_edge, &count, &found, &err),
		   &err);
	CHECK(found && count == 1);
	count = 0;
	REQUIRE_OK(drip_store_visit_letters(store, &all, see_letter, &count, &err), &err);
	CHECK_EQ_INT(count, 2);
	REQUIRE_OK(d->letters_group(d->self, "p", 1, ids, 2, &err), &err);
	REQUIRE_OK(d->letters_settle(d->self, "p",
				     &(struct drip_letters_settled){.all = 1, .some = 1}, &err),
		   &err);
	count = 0;
	REQUIRE_OK(drip_store_visit_letters(store, &all, see_letter, &count, &err), &err);
	CHECK_EQ_INT(count, 0);
}

static int see_record(const struct drip_store_record *r, void *data)
{
	int *count = data;

	(*count)++;
	if (r->id == 1) {
		CHECK_EQ_STR(r->action, "checkpoint reset");
	}
	return 0;
}

/* Records from before there were hashes stay, and the chain begins behind them. */
static void check_audit(struct drip_store *store)
{
	struct drip_store_audit_head head;
	struct drip_error err = DRIP_ERROR_INIT;
	int count = 0;

	REQUIRE_OK(drip_store_audit(store, "uid 1", "pause", "p", "", &err), &err);
	REQUIRE_OK(drip_store_visit_audit(store, 100, see_record, &count, &err), &err);
	CHECK_EQ_INT(count, 3);
	REQUIRE_OK(drip_store_verify_audit(store, NULL, &head, &err), &err);
	CHECK_EQ_INT((int)head.records, 1);
	CHECK_EQ_INT((int)head.first, 2);
	CHECK_EQ_INT((int)head.id, 3);
}

static int see_version(const struct drip_store_version *v, void *data)
{
	int *count = data;

	(*count)++;
	CHECK_EQ_STR(v->stage, "Production");
	CHECK_EQ_STR(v->metrics_json, "{\"auc\":0.8}");
	CHECK_EQ_STR(v->features_json, "[]");
	CHECK_EQ_INT((int)v->deleted_us, 0);
	return 0;
}

static int see_transition(const struct drip_store_transition *t, void *data)
{
	int *count = data;

	(*count)++;
	CHECK(t->approved && !t->forced);
	CHECK_EQ_STR(t->decided_by, "uid 1");
	return 0;
}

static void check_models(struct drip_store *store)
{
	struct drip_error err = DRIP_ERROR_INIT;
	int count = 0;

	REQUIRE_OK(drip_store_visit_versions(store, "fraud", 0, see_version, &count, &err), &err);
	REQUIRE_OK(drip_store_visit_transitions(store, "fraud", 0, see_transition, &count, &err),
		   &err);
	CHECK_EQ_INT(count, 2);
}

static void check_all(const char *dir)
{
	struct drip_store *store = open_store(dir);

	check_checkpoint(store);
	check_models(store);
	check_audit(store);
	check_rows(store);
	drip_store_close(store);
	check_query(dir, "SELECT rows_in, rows_out, rows_filtered, rows_dead FROM pipeline",
		    "70 60 8 2\n3 3 0 0\n");
	check_query(dir, "SELECT stage, table_name, ordinal FROM schema_version", "s t 1\n");
	check_query(dir, "PRAGMA integrity_check", "ok\n");
	check_query(dir, "SELECT count(*) FROM pragma_foreign_key_check", "0\n");
}

/* ---- tests ---- */

TEST(finds_all_that_the_first_release_wrote)
{
	check_all(old_store());
}

/* What is compared is only of use while version_1.sql is what 001_initial.sql makes. */
TEST(old_and_new_stores_have_one_schema)
{
	static const char sql[] = "SELECT m.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk"
				  " FROM sqlite_master m LEFT JOIN pragma_table_info(m.name) c"
				  " WHERE m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid";
	const char *old = old_store(), *new = temp_dir();
	char *a, *b;

	drip_store_close(open_store(old));
	drip_store_close(open_store(new));
	a = query(old, sql);
	b = query(new, sql);
	CHECK_EQ_STR(a, b);
	CHECK(strlen(a) > 1000);
	free(a);
	free(b);
}

static void kill_at(const char *spec, void (*act)(const char *dir), const char *dir)
{
	struct drip_error err = DRIP_ERROR_INIT;
	int status;
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		if (drip_failpoint_arm(spec, &err) == 0) {
			act(dir);
		}
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void open_and_close(const char *dir)
{
	drip_store_close(open_store(dir));
}

/* Each migration is whole or was never there, and the next start goes on behind it. */
TEST(an_interrupted_migration_is_taken_up_again)
{
	for (int i = 1; i <= MIGRATIONS; i++) {
		const char *dir = old_store();
		char spec[64], version[16];

		snprintf(spec, sizeof(spec), "store.before_migration=kill@%d", i);
		kill_at(spec, open_and_close, dir);
		snprintf(version, sizeof(version), "%d\n", i);
		check_query(dir, "PRAGMA user_version", version);
		check_all(dir);
	}
}

/* It fails like a disk that is full: an error, and the store stays of its version. */
TEST(a_failed_migration_changes_nothing)
{
	const char *dir = old_store();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;

	REQUIRE_OK(drip_failpoint_arm("store.before_migration=error@2", &err), &err);
	CHECK_EQ_INT(drip_store_open(dir, DRIP_STORE_WRITE, &store, &err), -EIO);
	CHECK_EQ_STR(err.code, "failpoint.hit");
	REQUIRE_OK(drip_failpoint_arm(NULL, &err), &err);
	check_query(dir, "PRAGMA user_version", "2\n");
	check_all(dir);
}

static void add_version(const char *dir)
{
	struct drip_store *store = open_store(dir);
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_model_facts facts = {.struct_size = sizeof(facts), .quality = 0.9};
	const struct drip_model_record record = {.name = "churn",
						 .component = "xgboost",
						 .actor = "uid 0",
						 .artifact = "artifact",
						 .size = 8,
						 .facts = &facts};
	struct drip_model_added added;

	REQUIRE_OK(d->model_add(d->self, &record, &added, &err), &err);
	CHECK_EQ_INT((int)added.version, 1);
	drip_store_close(store);
}

/* Killed between file and row: the file belongs to nobody, and the next version takes its name. */
TEST(an_artifact_without_its_row_is_replaced)
{
	const char *dir = temp_dir();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_model_artifact a = {0};
	struct drip_store *store;
	char path[128];
	FILE *f;

	kill_at("store.after_artifact=kill", add_version, dir);
	snprintf(path, sizeof(path), "%s/models/churn/1.model", dir);
	f = fopen(path, "we"); /* as if another version's */
	REQUIRE_NOT_NULL(f);
	fputs("something else", f);
	fclose(f);
	check_query(dir, "SELECT count(*) FROM model_version", "0\n");
	check_query(dir, "SELECT count(*) FROM model", "0\n");
	add_version(dir);
	store = open_store(dir);
	REQUIRE_OK(drip_store_read_model(store, "churn", 1, &a, &err), &err);
	CHECK_EQ_INT((int)a.size, 8);
	CHECK(memcmp(a.data, "artifact", 8) == 0);
	drip_model_artifact_finish(&a);
	drip_store_close(store);
}

TEST_MAIN()
