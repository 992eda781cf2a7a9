/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of dead letters that go back: made, dropped with a checkpoint, settled after a crash. */
#include "engine/commit.h"
#include "lib/temp.h"
#include "lib/test.h"
#include "store/store.h"
#include "support.h"

#include "base/clock.h"

#include <errno.h>
#include <sqlite3.h>

struct seen_letters {
	int count;
	int64_t ids[8];
	uint64_t groups[8];
};

static int see_letter(const struct drip_store_letter *l, void *data)
{
	struct seen_letters *s = data;

	s->ids[s->count] = l->id;
	s->groups[s->count++] = l->group;
	return 0;
}

static struct seen_letters letters_of(struct drip_store *store, uint64_t first_group)
{
	struct drip_store_letters which = {.pipeline = "p", .first_group = first_group};
	struct drip_error err = DRIP_ERROR_INIT;
	struct seen_letters s = {0};

	CHECK_OK(drip_store_visit_letters(store, &which, see_letter, &s, &err), &err);
	return s;
}

static int settle(struct drip_store *store, uint64_t all, uint64_t some)
{
	const struct drip_durable *d = drip_store_durable(store);
	const struct drip_letters_settled what = {.epoch = 1, .all = all, .some = some};
	struct drip_error err = DRIP_ERROR_INIT;

	return d->letters_settle(d->self, "p", &what, &err);
}

TEST(letters_come_in_either_order)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	struct drip_store_letters which = {.limit = 2};
	struct seen_letters s = {0};

	put_letters(store, 1, 5, 5);
	REQUIRE_OK(drip_store_visit_letters(store, &which, see_letter, &s, &err), &err);
	CHECK_EQ_INT(s.count, 2);
	CHECK_EQ_INT(s.ids[0], 1);
	which.newest_first = true;
	s.count = 0;
	REQUIRE_OK(drip_store_visit_letters(store, &which, see_letter, &s, &err), &err);
	CHECK_EQ_INT(s.count, 2);
	CHECK_EQ_INT(s.ids[0], 5);
	CHECK_EQ_INT(s.ids[1], 4);
	drip_store_close(store);
}

/* A group falls with the checkpoint that has it; one that no sink holds is none any more. */
TEST(groups_of_letters)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_position at = position("", 1);
	struct drip_checkpoint c = {
		.epoch = 1, .replayed = 1, .positions = &at, .positions_count = 1};
	struct drip_dead_letter again = {.pipeline = "p",
					 .stage = "s",
					 .table = "t",
					 .code = "c.d",
					 .reason = "r",
					 .row_json = "{}",
					 .schema_json = "{}",
					 .op = 'i',
					 .wall_us = 5};
	const int64_t first[2] = {1, 2}, both[2] = {3, 1}, second[2] = {3, 4};
	uint64_t replayed = 9;
	struct seen_letters s;

	put_letters(store, 1, 5, 5);
	REQUIRE_OK(d->replayed_get(d->self, "p", &replayed, &err), &err);
	CHECK_EQ_INT(replayed, 0);
	REQUIRE_OK(d->letters_group(d->self, "p", 1, first, 2, &err), &err);
	CHECK_EQ_INT(letters_of(store, 1).count, 2);
	CHECK_EQ_INT(d->letters_group(d->self, "p", 2, second, 2, &err), -EAGAIN);
	CHECK_EQ_STR(err.code, "dlq.replay_pending");
	REQUIRE_OK(d->checkpoint_commit(d->self, "p", &c, &err), &err);
	REQUIRE_OK(d->replayed_get(d->self, "p", &replayed, &err), &err);
	CHECK_EQ_INT(replayed, 1);
	CHECK_EQ_INT(letters_of(store, 0).count, 3);
	CHECK_EQ_INT(d->letters_group(d->self, "p", 2, both, 2, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "dlq.unknown_letter");
	CHECK_EQ_INT(letters_of(store, 1).count, 0);

	/* Rejected anew in a group that no sink holds: it is there as it was before. */
	REQUIRE_OK(d->letters_group(d->self, "p", 2, second, 2, &err), &err);
	again.position = drip_commit_group_position(2);
	drip_position_add_u64(&again.position, 0);
	REQUIRE_OK(d->dead_letter_put(d->self, &again, 1, &err), &err);
	REQUIRE(settle(store, 1, 2) == 0);
	s = letters_of(store, 0);
	CHECK_EQ_INT(s.count, 4);
	CHECK_EQ_INT(s.groups[0], 2);
	REQUIRE(settle(store, 1, 1) == 0);
	s = letters_of(store, 0);
	CHECK_EQ_INT(s.count, 3);
	CHECK_EQ_INT(s.ids[0], 3);
	CHECK_EQ_INT(s.groups[0], 0);
	REQUIRE_OK(d->letters_group(d->self, "p", 2, second, 2, &err), &err);
	REQUIRE(settle(store, 2, 2) == 0);
	CHECK_EQ_INT(letters_of(store, 0).count, 1);
	/* What sinks hold of letters outlives a reset. */
	REQUIRE_OK(drip_store_reset_checkpoint(store, "p", "test", &err), &err);
	REQUIRE_OK(d->replayed_get(d->self, "p", &replayed, &err), &err);
	CHECK_EQ_INT(replayed, 1);
	drip_store_close(store);
}

static void put_one(struct drip_store *store, const char *stage, uint64_t epoch, uint64_t at,
		    uint32_t nth)
{
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_dead_letter l = {.pipeline = "p",
					   .stage = stage,
					   .table = "t",
					   .code = "c.d",
					   .reason = "r",
					   .row_json = "{}",
					   .schema_json = "{}",
					   .op = 'i',
					   .nth = nth,
					   .epoch = epoch,
					   .position = position("", at)};

	REQUIRE_OK(d->dead_letter_put(d->self, &l, 1, &err), &err);
}

/* Rows that are the same are each there, and written again they replace themselves. */
TEST(equal_rows_are_told_apart)
{
	struct drip_store *store = open_store(temp_dir());
	struct seen_letters s;

	for (int round = 0; round < 2; round++) {
		for (uint32_t nth = 0; nth < 3; nth++) {
			put_one(store, "s", 1, 5, nth);
		}
	}
	s = letters_of(store, 0);
	CHECK_EQ_INT(s.count, 3);
	CHECK_EQ_INT(s.ids[0], 4);
	drip_store_close(store);
}

/* Letters of an epoch without a checkpoint go, since its rows are read again, wherever their
 * batches end then; but not those of rows that a sink holds, nor of groups. */
TEST(letters_without_a_checkpoint_are_dropped)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_position at = position("", 20), other = position("o", 90);
	const struct drip_letters_held held[2] = {{"sink", &at}, {"sink", &other}};
	const struct drip_letters_settled what = {.epoch = 2, .held = held, .held_count = 2};
	const int64_t group[1] = {1};
	struct seen_letters s;

	put_one(store, "s", 2, 9, 0); /* 1, being put back */
	put_one(store, "s", 2, 10, 0);
	put_one(store, "s", 3, 15, 0);    /* 3 goes */
	put_one(store, "sink", 3, 15, 0); /* 4 is held */
	put_one(store, "sink", 4, 20, 0); /* 5 too */
	put_one(store, "sink", 4, 21, 0); /* 6 goes */
	put_one(store, "s", 0, 30, 0);    /* 7, of an older release */
	REQUIRE_OK(d->letters_group(d->self, "p", 1, group, 1, &err), &err);
	REQUIRE_OK(d->letters_settle(d->self, "other", &what, &err), &err);
	CHECK_EQ_INT(letters_of(store, 0).count, 7);
	for (int i = 0; i < 2; i++) {
		struct drip_letters_settled now = what;

		now.some = 1;
		now.held_count = i == 0 ? 2 : 0; /* what was held is so for good */
		REQUIRE_OK(d->letters_settle(d->self, "p", &now, &err), &err);
		s = letters_of(store, 0);
		REQUIRE(s.count == 5);
		CHECK_EQ_INT(s.ids[0], 1);
		CHECK_EQ_INT(s.ids[1], 2);
		CHECK_EQ_INT(s.ids[2], 4);
		CHECK_EQ_INT(s.ids[3], 5);
		CHECK_EQ_INT(s.ids[4], 7);
	}
	drip_store_close(store);
}

/* Retention takes no letter that is being put back. */
TEST(retention_leaves_groups)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = open_store(temp_dir());
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_store_retention r = {.letters_age_ms = 3600000, .letters_rows = 1};
	const int64_t group[2] = {1, 3};
	struct seen_letters s;

	put_letters(store, 1, 4, 5);
	REQUIRE_OK(d->letters_group(d->self, "p", 1, group, 2, &err), &err);
	for (int i = 0; i < 2; i++) { /* by age, then by rows */
		drip_store_set_retention(store, &r);
		put_letters(store, 5 + i, 1, drip_clock_wall_us());
	}
	s = letters_of(store, 1);
	CHECK_EQ_INT(s.count, 2);
	CHECK_EQ_INT(s.ids[0], 1);
	CHECK_EQ_INT(s.ids[1], 3);
	CHECK_EQ_INT(letters_of(store, 0).count, 3); /* and the newest of the others */
	drip_store_close(store);
}

TEST_MAIN()
