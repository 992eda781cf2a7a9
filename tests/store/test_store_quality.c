/* SPDX-License-Identifier: Apache-2.0 */
/* Results of quality rules: added up by day and run, with the checkpoint or not at all, and kept as
 * long as retention says. */
#include "lib/temp.h"
#include "lib/test.h"
#include "store/store.h"
#include "support.h"

#include "base/clock.h"

#include <sqlite3.h>

struct seen {
	int count;
	char text[2048];
};

static int see(const struct drip_store_quality *q, void *data)
{
	struct seen *s = data;
	size_t used = strlen(s->text);

	s->count++;
	snprintf(s->text + used, sizeof(s->text) - used,
		 "%s/%s/%s/%s/%s %" PRId64 " %" PRId64 " run %s %" PRId64 " %" PRId64 " %s..%s%s;",
		 q->pipeline, q->result.stage, q->result.rule, q->result.table, q->result.action,
		 q->result.checked, q->result.failed, q->run_id, q->run_checked, q->run_failed,
		 q->first_position, q->last_position, q->failed_us != 0 ? " broken" : "");
	CHECK(q->first_us <= q->last_us && q->day_us <= q->last_us);
	return 0;
}

static struct seen results(struct drip_store *store, const char *pipeline, int64_t days)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct seen s = {0};

	CHECK_OK(drip_store_visit_quality(store, pipeline, days, 0, see, &s, &err), &err);
	return s;
}

static int checkpoint(struct drip_store *store, uint64_t epoch, const char *run, int64_t checked,
		      int64_t failed)
{
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_position at = position("", epoch);
	char first[16];
	const struct drip_quality_entry entries[2] = {
		{.stage = "q",
		 .rule = "r",
		 .table = "d.t",
		 .action = "warn",
		 .checked = checked,
		 .failed = failed},
		{.stage = "q", .rule = "r", .table = "d.u", .action = "warn", .checked = 1},
	};
	struct drip_checkpoint c = {.epoch = epoch,
				    .positions = &at,
				    .positions_count = 1,
				    .quality = {.run_id = run,
						.first_position = first,
						.last_position = at.text,
						.entries = entries,
						.count = 2}};

	snprintf(first, sizeof(first), "at %" PRIu64, epoch - 1);
	return d->checkpoint_commit(d->self, "p", &c, &err);
}

TEST(adds_up_by_rule_table_and_run)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	const struct drip_durable *d = drip_store_durable(store);
	const struct drip_quality_entry stop = {
		.stage = "q", .rule = "s", .table = "", .action = "stop", .failed = 1};
	const struct drip_quality_findings at_once = {.run_id = "r2",
						      .first_position = "",
						      .last_position = "here",
						      .entries = &stop,
						      .count = 1};

	CHECK_EQ_INT(results(store, NULL, 0).count, 0);
	REQUIRE(checkpoint(store, 1, "r1", 10, 2) == 0);
	REQUIRE(checkpoint(store, 2, "r1", 5, 0) == 0);
	CHECK_EQ_STR(results(store, "p", 0).text,
		     "p/q/r/d.t/warn 15 2 run r1 15 2 at 0..at 2 broken;"
		     "p/q/r/d.u/warn 2 0 run r1 2 0 at 0..at 2;");
	REQUIRE(checkpoint(store, 3, "r2", 4, 0) == 0);
	REQUIRE_OK(d->quality_put(d->self, "o", &at_once, &err), &err);
	CHECK_EQ_STR(results(store, NULL, 3).text,
		     "o/q/s//stop 0 1 run r2 0 1 ..here broken;"
		     "p/q/r/d.t/warn 19 2 run r2 4 0 at 0..at 3 broken;"
		     "p/q/r/d.u/warn 3 0 run r2 1 0 at 0..at 3;");
	CHECK_EQ_INT(results(store, "none", 0).count, 0);
	drip_store_close(store);
}

/* As if it had been some days ago. */
static void age(const char *dir, int days)
{
	char path[160], sql[160];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/%s", dir, DRIP_STORE_FILE);
	snprintf(sql, sizeof(sql),
		 "UPDATE quality_result SET day = day - %d, first_us = first_us - %d * 86400000000,"
		 " last_us = last_us - %d * 86400000000",
		 days, days, days);
	REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
	REQUIRE(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
}

TEST(is_kept_by_days_as_retention_says)
{
	const char *dir = temp_dir();
	struct drip_store *store = open_store(dir);
	struct drip_store_retention r = {.quality_age_ms = INT64_C(86400000) * 5};

	for (uint64_t epoch = 1; epoch <= 4; epoch++) { /* 6, 4, 2 and 0 days ago */
		REQUIRE(checkpoint(store, epoch, "r", 1, epoch == 2) == 0);
		if (epoch < 4) {
			age(dir, 2);
		}
	}
	CHECK_EQ_INT(results(store, NULL, 0).count, 2); /* of each the last day */
	CHECK_EQ_INT(results(store, NULL, 4).count, 4);
	CHECK_EQ_INT(results(store, NULL, 100).count, 8);
	drip_store_set_retention(store, &r);
	REQUIRE(checkpoint(store, 5, "r", 1, 0) == 0);
	CHECK_EQ_INT(results(store, NULL, 100).count, 6);
	r = (struct drip_store_retention){.quality_rows = 3};
	drip_store_set_retention(store, &r);
	REQUIRE(checkpoint(store, 6, "r", 1, 0) == 0);
	CHECK_EQ_INT(results(store, NULL, 100).count, 3);
	CHECK_EQ_INT(results(store, NULL, 0).count, 2); /* the oldest went */
	drip_store_close(store);
}

TEST_MAIN()
