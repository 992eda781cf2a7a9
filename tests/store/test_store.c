/* SPDX-License-Identifier: Apache-2.0 */
/* The store: what is put in comes out, once, and bad files are refused and left as they are. */
#include "lib/test.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "lib/temp.h"
#include "store/store.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>

static int commit(struct drip_store *store, uint64_t epoch, struct drip_error *err)
{
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_position positions[2] = {position("", epoch), position("b", epoch * 2)};
	char value[16];
	struct drip_state_entry state = {.stage = "s", .key = "k", .value = value};
	struct drip_checkpoint c = {.epoch = epoch,
				    .positions = positions,
				    .positions_count = 2,
				    .states = &state,
				    .states_count = 1,
				    .rows_in = 10};

	state.size = (size_t)snprintf(value, sizeof(value), "%" PRIu64, epoch);
	return d->checkpoint_commit(d->self, "p", &c, err);
}

TEST(commits_and_loads)
{
	const char *dir = temp_dir();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(dir);
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_position *got = NULL;
	size_t count = 99, size;
	uint64_t epoch = 99;
	void *value;

	CHECK_EQ_INT(d->checkpoint_load(d->self, "p", &got, &count, &epoch, &err), 0);
	CHECK_EQ_INT((int)count, 0);
	CHECK_EQ_INT((int)epoch, 0);
	free(got);
	CHECK_EQ_INT(d->state_get(d->self, "p", "s", "k", &value, &size, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "store.no_state");
	CHECK_EQ_INT(commit(store, 1, &err), 0);
	CHECK_EQ_INT(commit(store, 7, &err), 0);
	drip_store_close(store);

	store = open_store(dir);
	d = drip_store_durable(store);
	CHECK_EQ_INT(d->checkpoint_load(d->self, "p", &got, &count, &epoch, &err), 0);
	REQUIRE(count == 2);
	CHECK_EQ_INT((int)epoch, 7);
	CHECK_EQ_STR(got[0].partition, "");
	CHECK_EQ_STR(got[0].text, "at 7");
	CHECK_EQ_STR(got[1].partition, "b");
	CHECK_EQ_INT(got[1].order[7], 14);
	CHECK_EQ_INT(got[0].detail_size, 3);
	CHECK_EQ_INT(memcmp(got[0].detail, "a\0b", 3), 0);
	free(got);
	REQUIRE(d->state_get(d->self, "p", "s", "k", &value, &size, &err) == 0);
	CHECK_EQ_INT((int)size, 1);
	CHECK_EQ_INT(*(char *)value, '7');
	free(value);
	CHECK_EQ_INT(drip_store_reset_checkpoint(store, "p", "test", &err), 0);
	CHECK_EQ_INT(drip_store_reset_checkpoint(store, "p", "test", &err), -ENOENT);
	CHECK_EQ_STR(err.code, "store.no_checkpoint");
	CHECK_EQ_INT(d->checkpoint_load(d->self, "p", &got, &count, &epoch, &err), 0);
	CHECK_EQ_INT((int)count, 0);
	CHECK_EQ_INT((int)epoch, 7); /* epochs go on growing */
	free(got);
	CHECK_EQ_INT(d->state_get(d->self, "p", "s", "k", &value, &size, &err), -ENOENT);
	drip_store_close(store);
}

TEST(state_is_deleted_by_null)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_state_entry state = {.stage = "s", .key = "k", .value = "", .size = 0};
	struct drip_checkpoint c = {.epoch = 1, .states = &state, .states_count = 1};
	size_t size = 9;
	void *value = NULL;

	CHECK_EQ_INT(d->checkpoint_commit(d->self, "p", &c, &err), 0);
	CHECK_EQ_INT(d->state_get(d->self, "p", "s", "k", &value, &size, &err), 0);
	CHECK_EQ_INT((int)size, 0);
	free(value);
	state.value = NULL;
	CHECK_EQ_INT(d->checkpoint_commit(d->self, "p", &c, &err), 0);
	CHECK_EQ_INT(d->state_get(d->self, "p", "s", "k", &value, &size, &err), -ENOENT);
	drip_store_close(store);
}

TEST(second_writer_is_refused_with_the_pid)
{
	const char *dir = temp_dir();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store, *second = NULL, *reader = NULL;
	char pid[32];

	CHECK_EQ_INT((int)drip_store_writer(dir), 0);
	store = open_store(dir);
	CHECK_EQ_INT(drip_store_open(dir, DRIP_STORE_WRITE, &second, &err), -EBUSY);
	CHECK_EQ_STR(err.code, "store.locked");
	snprintf(pid, sizeof(pid), "process %ld ", (long)getpid());
	CHECK(strstr(err.message, pid) != NULL);
	CHECK_EQ_INT((int)drip_store_writer(dir), (int)getpid());
	CHECK_EQ_INT(drip_store_open(dir, DRIP_STORE_READ, &reader, &err), 0);
	CHECK_EQ_INT(drip_store_reset_checkpoint(reader, "p", "test", &err), -EROFS);
	CHECK_EQ_STR(err.code, "store.read_only");
	drip_store_close(reader);
	drip_store_close(store);
	CHECK_EQ_INT((int)drip_store_writer(dir), 0);
	store = open_store(dir);
	drip_store_close(store);
}

TEST(reader_of_nothing_makes_nothing)
{
	const char *dir = temp_dir();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;

	CHECK_EQ_INT(drip_store_open(dir, DRIP_STORE_READ, &store, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "store.missing");
	CHECK_EQ_INT(rmdir(dir), 0);
	CHECK_EQ_INT(mkdir(dir, 0700), 0);
}

/* Overwrites part of the closed store, and checks that the open is refused and writes nothing. */
static void check_damage(off_t at, const char *bytes, size_t size, off_t truncate_to,
			 const char *code)
{
	const char *dir = temp_dir();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(dir);
	char path[128], *before, *after;
	struct stat st, st_after;
	int fd, rc;

	for (uint64_t i = 1; i < 30; i++) {
		CHECK_EQ_INT(commit(store, i, &err), 0);
	}
	drip_store_close(store);
	snprintf(path, sizeof(path), "%s/%s", dir, DRIP_STORE_FILE);
	fd = open(path, O_RDWR);
	REQUIRE(fd >= 0);
	REQUIRE(pwrite(fd, bytes, size, at) == (ssize_t)size);
	if (truncate_to >= 0) {
		REQUIRE(ftruncate(fd, truncate_to) == 0);
	}
	REQUIRE(fstat(fd, &st) == 0);
	before = calloc(1, (size_t)st.st_size + 1);
	after = calloc(1, (size_t)st.st_size + 1);
	REQUIRE(before != NULL && after != NULL);
	CHECK_EQ_INT(pread(fd, before, (size_t)st.st_size, 0), st.st_size);
	rc = drip_store_open(dir, DRIP_STORE_WRITE, &store, &err);
	CHECK(rc < 0);
	if (rc == 0) {
		drip_store_close(store);
	}
	CHECK_EQ_STR(err.code, code);
	CHECK(err.hint[0] != '\0');
	CHECK_EQ_INT(fstat(fd, &st_after), 0);
	CHECK_EQ_INT(st_after.st_size, st.st_size);
	CHECK_EQ_INT(pread(fd, after, (size_t)st.st_size, 0), st.st_size);
	CHECK_EQ_INT(memcmp(before, after, (size_t)st.st_size), 0);
	free(before);
	free(after);
	close(fd);
}

TEST(damaged_files_are_refused_and_kept)
{
	static const char garbage[4096] = "not a page of a database at all";
	static const char newer[4] = {0, 0, 1, 0}, other[4] = {0, 0, 0, 1};

	check_damage(0, "X", 1, -1, "store.corrupt");                      /* header */
	check_damage(0, "", 0, 0, "store.corrupt");                        /* empty */
	check_damage(0, "", 0, 50, "store.corrupt");                       /* cut in the header */
	check_damage(0, "", 0, 4096 * 3, "store.corrupt");                 /* cut */
	check_damage(100, garbage, 512, -1, "store.corrupt");              /* schema page */
	check_damage(4096, garbage, sizeof(garbage), -1, "store.corrupt"); /* another page */
	check_damage(60, newer, 4, -1, "store.newer");                     /* user_version */
	check_damage(68, other, 4, -1, "store.foreign");                   /* application_id */
}

TEST(an_old_file_is_not_read)
{
	const char *dir = temp_dir();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(dir);
	char path[128];
	int fd;

	drip_store_close(store);
	snprintf(path, sizeof(path), "%s/%s", dir, DRIP_STORE_FILE);
	fd = open(path, O_RDWR);
	REQUIRE(fd >= 0);
	REQUIRE(pwrite(fd, "\0\0\0\0", 4, 60) == 4); /* user_version */
	close(fd);
	CHECK_EQ_INT(drip_store_open(dir, DRIP_STORE_READ, &store, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "store.older");
}

TEST(a_bad_path_is_refused)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;

	CHECK_EQ_INT(drip_store_open("", DRIP_STORE_WRITE, &store, &err), -ENAMETOOLONG);
	CHECK_EQ_STR(err.code, "store.bad_path");
}

TEST(log_without_its_file_is_refused)
{
	const char *dir = temp_dir();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s-wal", dir, DRIP_STORE_FILE);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	REQUIRE(fd >= 0);
	close(fd);
	CHECK_EQ_INT(drip_store_open(dir, DRIP_STORE_WRITE, &store, &err), -EUCLEAN);
	CHECK_EQ_STR(err.code, "store.corrupt");
}

TEST(unwritable_directory)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/file", temp_dir());
	fd = open(path, O_CREAT | O_RDWR, 0600);
	REQUIRE(fd >= 0);
	close(fd);
	CHECK_EQ_INT(drip_store_open(path, DRIP_STORE_WRITE, &store, &err), -ENOTDIR);
	CHECK_EQ_STR(err.code, "store.unwritable");
	CHECK(strstr(err.message, path) != NULL);
}

static int count_letter(const struct drip_store_letter *l, void *data)
{
	(void)l;
	++*(int *)data;
	return 0;
}

static int keep_last_id(const struct drip_store_letter *l, void *data)
{
	*(int64_t *)data = l->id;
	CHECK_EQ_STR(l->letter.row_json, "{\"id\":2}");
	CHECK_EQ_INT(l->letter.op, 'u');
	CHECK_EQ_STR(l->letter.position.partition, "b");
	CHECK_EQ_INT(l->letter.position.order_size, 8);
	return 0;
}

TEST(dead_letters_are_kept_once)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_dead_letter letters[2] = {
		{.pipeline = "p",
		 .stage = "s",
		 .table = "t",
		 .code = "c.d",
		 .reason = "r",
		 .row_json = "{\"id\":1}",
		 .schema_json = "{}",
		 .op = 'i',
		 .wall_us = 5},
	};
	struct drip_store_letters all = {0}, one = {.limit = 1, .stage = "s2"};
	int64_t id = 0, dropped = 0;
	int count = 0;

	letters[0].position = position("b", 3);
	letters[1] = letters[0];
	letters[1].row_json = "{\"id\":2}";
	letters[1].stage = "s2";
	letters[1].op = 'u';
	CHECK_EQ_INT(d->dead_letter_put(d->self, letters, 2, &err), 0);
	CHECK_EQ_INT(d->dead_letter_put(d->self, letters, 2, &err), 0);
	CHECK_EQ_INT(drip_store_visit_letters(store, &all, count_letter, &count, &err), 0);
	CHECK_EQ_INT(count, 2);
	CHECK_EQ_INT(drip_store_visit_letters(store, &one, keep_last_id, &id, &err), 0);
	CHECK_EQ_INT((int)id, 4); /* the later one replaced the earlier */
	CHECK_EQ_INT(drip_store_drop_letters(
			     store, &(struct drip_store_letters){.ids = &id, .ids_count = 1},
			     &dropped, &err),
		     0);
	CHECK_EQ_INT((int)dropped, 1);
	count = 0;
	CHECK_EQ_INT(drip_store_visit_letters(store, &all, count_letter, &count, &err), 0);
	CHECK_EQ_INT(count, 1);
	drip_store_close(store);
}

static int count_letters(struct drip_store *store)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store_letters all = {0};
	int count = 0;

	CHECK_EQ_INT(drip_store_visit_letters(store, &all, count_letter, &count, &err), 0);
	return count;
}

TEST(retention_drops_the_old_and_the_many)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	struct drip_store_retention r = {0};
	int64_t now = drip_clock_wall_us();

	put_letters(store, 0, 10, 5);
	CHECK_EQ_INT(count_letters(store), 10); /* no limit */
	put_letters(store, 10, 10, now);
	r.letters_age_ms = 3600000;
	drip_store_set_retention(store, &r);
	put_letters(store, 20, 1, now);
	CHECK_EQ_INT(count_letters(store), 11);
	r = (struct drip_store_retention){.letters_rows = 4, .audit_rows = 2};
	drip_store_set_retention(store, &r);
	put_letters(store, 21, 1, now);
	CHECK_EQ_INT(count_letters(store), 4);
	for (int i = 0; i < 5; i++) {
		drip_store_set_retention(store, &r);
		REQUIRE_OK(drip_store_audit(store, "a", "b", "c", "", &err), &err);
	}
	CHECK_EQ_INT(count_letters(store), 4);
	drip_store_close(store);
}

struct edges {
	int up, down, farthest;
};

static int count_edge(const struct drip_store_edge *e, void *data)
{
	struct edges *edges = data;

	*(e->upstream ? &edges->up : &edges->down) += 1;
	edges->farthest = e->distance > edges->farthest ? e->distance : edges->farthest;
	return 0;
}

static struct drip_lineage_record edge(const char *in, const char *in_col, const char *out,
				       const char *out_col)
{
	return (struct drip_lineage_record){.pipeline = "p",
					    .stage = out,
					    .input_namespace = "mysql://h:1",
					    .input_dataset = in,
					    .input_column = in_col,
					    .output_namespace = "mysql://h:1",
					    .output_dataset = out,
					    .output_column = out_col,
					    .kind = DRIP_LINEAGE_IDENTITY};
}

TEST(lineage_is_walked_both_ways)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_lineage_record r[] = {
		edge("shop.a_b", "x", "dwh.b", "y"), edge("shop.a_b", "z", "dwh.b", "z"),
		edge("dwh.b", "y", "lake.c", "y"),
		edge("lake.c", "y", "shop.a_b", "x"), /* a cycle */
	};
	struct edges e = {0};
	char long_name[DRIP_NAME_MAX + 10] = "";
	bool found = false;

	CHECK_EQ_INT(d->lineage_put(d->self, r, 4, &err), 0);
	CHECK_EQ_INT(d->lineage_put(d->self, r, 4, &err), 0);
	CHECK_EQ_INT(drip_store_visit_lineage(store, "b", "z", count_edge, &e, &found, &err), 0);
	CHECK(found);
	CHECK_EQ_INT(e.up, 1);
	CHECK_EQ_INT(e.down, 0);
	e = (struct edges){0};
	CHECK_EQ_INT(drip_store_visit_lineage(store, "dwh.b", "y", count_edge, &e, &found, &err),
		     0);
	CHECK_EQ_INT(e.up, 3);
	CHECK_EQ_INT(e.down, 3);
	e = (struct edges){0};
	CHECK_EQ_INT(drip_store_visit_lineage(store, "aXb", NULL, count_edge, &e, &found, &err), 0);
	CHECK(!found); /* "_" is no wildcard */
	memset(long_name, 'a', sizeof(long_name) - 1);
	CHECK_EQ_INT(drip_store_visit_lineage(store, long_name, NULL, count_edge, &e, &found, &err),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "lineage.name_too_long");
	/* A new declaration of one target replaces the old one. */
	CHECK_EQ_INT(d->lineage_put(d->self, &r[1], 1, &err), 0);
	e = (struct edges){0};
	CHECK_EQ_INT(drip_store_visit_lineage(store, "dwh.b", NULL, count_edge, &e, &found, &err),
		     0);
	CHECK_EQ_INT(e.up, 1);
	drip_store_close(store);
}

/* Each shard's records come by themselves, whenever its rows do. */
TEST(lineage_of_shards_is_put_together)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_lineage_record r[] = {edge("shop.t_1", "x", "dwh.t", "x"),
					  edge("shop.t_2", "x", "dwh.t", "x"),
					  edge("shop.t_1", "x", "dwh.t", "z")};
	struct edges e = {0};
	bool found = false;

	for (size_t i = 0; i < DRIP_COUNT(r); i++) {
		r[i].one_input = true;
		CHECK_EQ_INT(d->lineage_put(d->self, &r[i], 1, &err), 0);
	}
	CHECK_EQ_INT(drip_store_visit_lineage(store, "dwh.t", NULL, count_edge, &e, &found, &err),
		     0);
	CHECK_EQ_INT(e.up, 2); /* t_2 gives x; t_1 gives z now */
	r[2].one_input = false;
	CHECK_EQ_INT(d->lineage_put(d->self, &r[2], 1, &err), 0);
	e = (struct edges){0};
	CHECK_EQ_INT(drip_store_visit_lineage(store, "dwh.t", NULL, count_edge, &e, &found, &err),
		     0);
	CHECK_EQ_INT(e.up, 1);
	drip_store_close(store);
}

static int one_run(const struct drip_store_run *r, void *data)
{
	CHECK_EQ_INT(r->state, DRIP_RUN_FAILED);
	CHECK_EQ_STR(r->code, "a.b");
	CHECK(r->ended_us >= r->begun_us);
	++*(int *)data;
	return 0;
}

TEST(runs_and_schedules)
{
	struct drip_error err = DRIP_ERROR_INIT, reason = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	const struct drip_durable *d = drip_store_durable(store);
	char id[37] = "";
	int64_t us = -1;
	int count = 0;

	CHECK_EQ_INT(d->schedule_get(d->self, "p", &us, &err), 0);
	CHECK_EQ_INT((int)us, 0);
	CHECK_EQ_INT(d->schedule_put(d->self, "p", 5, &err), 0);
	CHECK_EQ_INT(d->schedule_get(d->self, "p", &us, &err), 0);
	CHECK_EQ_INT((int)us, 5);
	CHECK_EQ_INT(d->run_begin(d->self, "p", id, &err), 0);
	CHECK_EQ_INT((int)strlen(id), 36);
	CHECK_EQ_INT(id[14], '7');
	drip_error_set(&reason, -EIO, "a.b", "broken");
	CHECK_EQ_INT(d->run_end(d->self, id, DRIP_RUN_FAILED, &reason, &err), 0);
	CHECK_EQ_INT(drip_store_visit_runs(store, "p", 10, one_run, &count, &err), 0);
	CHECK_EQ_INT(count, 1);
	drip_store_close(store);
}

TEST(every_allocation_may_fail)
{
	struct drip_error err = DRIP_ERROR_INIT;
	bool finished = false;

	/* SQLite does many; later ones are sampled. */
	for (long n = 1; n < 60000 && !finished; n += n < 60 ? 1 : n / 12) {
		const char *dir = "/tmp";
		struct drip_store *store = NULL;
		char path[64];
		int rc;

		snprintf(path, sizeof(path), "%s/dripline-oom-%ld", dir, (long)getpid());
		drip_alloc_fail_at(n);
		rc = drip_store_open(path, DRIP_STORE_WRITE, &store, &err);
		if (rc == 0) {
			const struct drip_durable *d = drip_store_durable(store);
			struct drip_position *got = NULL;
			size_t count;
			uint64_t epoch;
			bool found;

			rc = commit(store, (uint64_t)n, &err);
			if (rc == 0) {
				rc = d->checkpoint_load(d->self, "p", &got, &count, &epoch, &err);
				free(got);
			}
			if (rc == 0) {
				rc = drip_store_visit_lineage(store, "x", NULL, count_edge,
							      &(struct edges){0}, &found, &err);
			}
		}
		finished = !drip_alloc_failed();
		drip_alloc_fail_at(0);
		/* SQLite does without some, such as its page cache. */
		CHECK(rc == 0 || (!finished && rc == -ENOMEM));
		if (rc < 0) {
			CHECK_EQ_STR(err.code, "system.out_of_memory");
		}
		drip_store_close(store);
		nftw(path, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
	CHECK(finished);
}

/* SQLite's own allocations count too. */
static void *counted_malloc(int size)
{
	size_t *memory = drip_malloc((size_t)size + 16);

	if (memory != NULL) {
		memory[0] = (size_t)size;
	}
	return memory != NULL ? memory + 2 : NULL;
}

static void counted_free(void *memory)
{
	if (memory != NULL) {
		free((size_t *)memory - 2);
	}
}

static void *counted_realloc(void *memory, int size)
{
	size_t *grown = drip_realloc((size_t *)memory - 2, (size_t)size + 16);

	if (grown != NULL) {
		grown[0] = (size_t)size;
	}
	return grown != NULL ? grown + 2 : NULL;
}

static int counted_size(void *memory)
{
	return memory != NULL ? (int)((size_t *)memory)[-2] : 0;
}

static int counted_round(int size)
{
	return (size + 7) & ~7;
}

static int counted_init(void *data)
{
	(void)data;
	return SQLITE_OK;
}

static void counted_end(void *data)
{
	(void)data;
}

__attribute__((constructor)) static void count_sqlite(void)
{
	static const sqlite3_mem_methods methods = {counted_malloc, counted_free,  counted_realloc,
						    counted_size,   counted_round, counted_init,
						    counted_end,    NULL};

	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK) {
		abort();
	}
}

/* ---- audit and keys ---- */

static void tamper(const char *dir, const char *sql)
{
	char path[600];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/dripline.db", dir);
	REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
	REQUIRE(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
}

static void fill_audit(const char *dir, struct drip_store_audit_head *ret_head)
{
	struct drip_store *store = open_store(dir);
	struct drip_error err = DRIP_ERROR_INIT;

	for (int i = 0; i < 10; i++) {
		REQUIRE_OK(drip_store_audit(store, "key 1", "POST /query", "SELECT 1", "{}", &err),
			   &err);
	}
	REQUIRE_OK(drip_store_verify_audit(store, NULL, ret_head, &err), &err);
	CHECK_EQ_INT(ret_head->records, 10);
	drip_store_close(store);
}

static int verify_audit(const char *dir, const struct drip_store_audit_head *noted,
			struct drip_error *err)
{
	struct drip_store_audit_head head;
	struct drip_store *store = open_store(dir);
	int rc = drip_store_verify_audit(store, noted, &head, err);

	drip_store_close(store);
	return rc;
}

TEST(finds_every_change_of_the_audit)
{
	static const struct {
		const char *sql, *message;
	} changes[] = {
		{"UPDATE audit SET target = 'SELECT 2' WHERE id = 4", "record 4:"},
		{"UPDATE audit SET wall_us = wall_us + 1 WHERE id = 1", "record 1:"},
		{"UPDATE audit SET actor = 'key 1P', action = 'OST /query' WHERE id = 2",
		 "record 2:"},
		{"DELETE FROM audit WHERE id = 5", "record 5: it is missing"},
		{"DELETE FROM audit WHERE id = 10", "record 10:"},
		{"DELETE FROM audit WHERE id > 3", "record 4:"},
		{"DELETE FROM audit", "record 1:"},
		{"DELETE FROM audit WHERE id = 1", "record 1: it is missing"},
		{"UPDATE audit SET id = 99 WHERE id = 3; UPDATE audit SET id = 3 WHERE id = 4;"
		 "UPDATE audit SET id = 4 WHERE id = 99",
		 "record 3:"},
		{"INSERT INTO audit SELECT 11, wall_us, actor, action, target, detail, hash FROM "
		 "audit WHERE id = 10",
		 "record 11:"},
		{"UPDATE audit_head SET hash = zeroblob(32)", "record 10:"},
		{"DELETE FROM audit_head", "no head"},
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct drip_error err = DRIP_ERROR_INIT;
		struct drip_store_audit_head head;
		const char *dir;

		dir = temp_dir();
		fill_audit(dir, &head);
		CHECK_EQ_INT(verify_audit(dir, &head, &err), 0);
		tamper(dir, changes[i].sql);
		CHECK(verify_audit(dir, NULL, &err) < 0);
		CHECK_EQ_STR(err.code, "audit.broken");
		CHECK_CONTAINS(err.message, changes[i].message);
	}
}

/* Who may write the whole file can make a chain that is whole: the noted head tells. */
TEST(finds_a_cut_audit_by_its_noted_head)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store_audit_head head;
	const char *dir;

	dir = temp_dir();
	fill_audit(dir, &head);
	tamper(dir, "DELETE FROM audit WHERE id > 6; UPDATE audit_head SET id = 6, hash = (SELECT "
		    "hash FROM audit WHERE id = 6)");
	CHECK_EQ_INT(verify_audit(dir, NULL, &err), 0);
	CHECK(verify_audit(dir, &head, &err) < 0);
	CHECK_EQ_STR(err.code, "audit.broken");
}

TEST(keeps_the_chain_through_retention)
{
	struct drip_store_retention r = {.audit_rows = 4};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store_audit_head head, early;
	struct drip_store *store;
	const char *dir;

	dir = temp_dir();
	fill_audit(dir, &early);
	store = open_store(dir);
	drip_store_set_retention(store, &r);
	REQUIRE_OK(drip_store_audit(store, "a", "b", "c", "", &err), &err);
	REQUIRE_OK(drip_store_verify_audit(store, NULL, &head, &err), &err);
	CHECK_EQ_INT(head.id, 11);
	CHECK_EQ_INT(head.records, 4);
	early.id = 3;
	CHECK_EQ_INT(drip_store_verify_audit(store, &early, &head, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "audit.noted_pruned");
	drip_store_close(store);
}

static void *write_records(void *data)
{
	struct drip_error err = DRIP_ERROR_INIT;

	for (int i = 0; i < 50; i++) {
		REQUIRE_OK(drip_store_audit(data, "a", "b", "c", "", &err), &err);
	}
	return NULL;
}

TEST(commits_records_of_many_threads)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store_audit_head head;
	struct drip_store *store;
	pthread_t threads[8];
	const char *dir;

	dir = temp_dir();
	store = open_store(dir);
	for (int i = 0; i < 8; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, write_records, store) == 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
	}
	REQUIRE_OK(drip_store_verify_audit(store, NULL, &head, &err), &err);
	CHECK_EQ_INT(head.records, 400);
	drip_store_close(store);
}

static int count_key(const struct drip_store_key *k, void *data)
{
	*(int *)data += k->revoked_us == 0;
	return 0;
}

TEST(keeps_hashes_of_keys)
{
	char id[DRIP_STORE_KEY_ID_MAX], key[DRIP_STORE_KEY_MAX], other[DRIP_STORE_KEY_MAX];
	const char *dir;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store;
	int count = 0;

	dir = temp_dir();
	store = open_store(dir);
	REQUIRE_OK(drip_store_create_key(store, "alice", "analyst", 0, "uid 0", id, key, &err),
		   &err);
	CHECK_EQ_INT(strncmp(key, "drip_", 5), 0);
	CHECK_EQ_INT(strlen(key), 57);
	CHECK(drip_store_create_key(store, "A'; --", "analyst", 0, "uid 0", id, other, &err) < 0);
	CHECK_EQ_STR(err.code, "key.bad_name");
	REQUIRE_OK(drip_store_visit_keys(store, count_key, &count, &err), &err);
	CHECK_EQ_INT(count, 1);
	REQUIRE_OK(drip_store_revoke_key(store, id, "uid 0", &err), &err);
	CHECK_EQ_INT(drip_store_revoke_key(store, id, "uid 0", &err), -ENOENT);
	CHECK_EQ_STR(err.code, "key.unknown");
	count = 0;
	REQUIRE_OK(drip_store_visit_keys(store, count_key, &count, &err), &err);
	CHECK_EQ_INT(count, 0);
	drip_store_close(store);
}

TEST_MAIN()
