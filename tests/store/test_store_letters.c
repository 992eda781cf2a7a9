/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of dead letters that go back: made, dropped with a checkpoint, settled after a crash. */
#include "engine/commit.h"
#include "lib/temp.h"
#include "lib/test.h"
#include "store/store.h"

#include <errno.h>

static struct drip_store *open_store(const char *dir)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;
	int rc = drip_store_open(dir, DRIP_STORE_WRITE, &store, &err);

	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", err.code, err.message);
	}
	REQUIRE(rc == 0);
	return store;
}

static struct drip_position position(const char *partition, uint64_t n)
{
	struct drip_position p = {.struct_size = sizeof(p), .detail_size = 3};

	snprintf(p.partition, sizeof(p.partition), "%s", partition);
	memcpy(p.detail, "a\0b", 3);
	snprintf(p.text, sizeof(p.text), "at %" PRIu64, n);
	for (int i = 0; i < 8; i++) {
		p.order[i] = (uint8_t)(n >> (56 - 8 * i));
	}
	p.order_size = 8;
	return p;
}

static void put_letters(struct drip_store *store, int first, int count, int64_t wall_us)
{
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_durable *d = drip_store_durable(store);

	for (int i = first; i < first + count; i++) {
		char row[32];
		struct drip_dead_letter l = {.pipeline = "p",
					     .stage = "s",
					     .table = "t",
					     .code = "c.d",
					     .reason = "r",
					     .row_json = row,
					     .schema_json = "{}",
					     .op = 'i',
					     .wall_us = wall_us};

		snprintf(row, sizeof(row), "{\"id\":%d}", i);
		REQUIRE_OK(d->dead_letter_put(d->self, &l, 1, &err), &err);
	}
}

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
	REQUIRE_OK(d->letters_settle(d->self, "p", 1, 2, &err), &err);
	s = letters_of(store, 0);
	CHECK_EQ_INT(s.count, 4);
	CHECK_EQ_INT(s.groups[0], 2);
	REQUIRE_OK(d->letters_settle(d->self, "p", 1, 1, &err), &err);
	s = letters_of(store, 0);
	CHECK_EQ_INT(s.count, 3);
	CHECK_EQ_INT(s.ids[0], 3);
	CHECK_EQ_INT(s.groups[0], 0);
	REQUIRE_OK(d->letters_group(d->self, "p", 2, second, 2, &err), &err);
	REQUIRE_OK(d->letters_settle(d->self, "p", 2, 2, &err), &err);
	CHECK_EQ_INT(letters_of(store, 0).count, 1);
	/* What sinks hold of letters outlives a reset. */
	REQUIRE_OK(drip_store_reset_checkpoint(store, "p", "test", &err), &err);
	REQUIRE_OK(d->replayed_get(d->self, "p", &replayed, &err), &err);
	CHECK_EQ_INT(replayed, 1);
	drip_store_close(store);
}

TEST_MAIN()
