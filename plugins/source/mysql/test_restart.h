/* SPDX-License-Identifier: Apache-2.0 */
/* Part of test_mysql.c: restarts at every place, with changes in between. */
#include "test_support.h"

/* ---- restarts ---- */

/* Two tables that only XA transactions change, so that no other statement waits for one. */
static bool xa_prepared;

static void xa_step(unsigned dice, int fresh)
{
	MYSQL *mine = admin;

	if (xa_prepared) {
		sql(dice % 3 == 0 ? "XA ROLLBACK 'r'" : "XA COMMIT 'r'");
		xa_prepared = false;
		return;
	}
	admin = connect_admin();
	sql("XA START 'r'; INSERT INTO t.x VALUES (%d,'x'); UPDATE t.x SET v=CONCAT('u',%d) WHERE "
	    "id=%u; DELETE FROM t.x WHERE id=%u; INSERT INTO t.y VALUES (%u),(%u); DELETE FROM t.y "
	    "WHERE v=%u LIMIT 1; XA END 'r'; XA PREPARE 'r'",
	    fresh, fresh, dice % 20, dice % 20 + 1, dice % 4, dice % 4, dice / 4 % 4);
	mysql_close(admin);
	admin = mine;
	xa_prepared = true;
}

static void xa_end(void)
{
	if (xa_prepared) {
		xa_step(0, 0);
	}
}

static void make_restart_tables(void)
{
	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t; USE t;"
	    "CREATE TABLE t.a (id INT PRIMARY KEY, v VARCHAR(20));"
	    "CREATE TABLE t.b (x SMALLINT, y BIGINT UNSIGNED, v INT, PRIMARY KEY (x, y));"
	    "CREATE TABLE t.c (k VARCHAR(10) CHARACTER SET latin1 PRIMARY KEY, v INT);"
	    "CREATE TABLE t.d (v INT, w VARCHAR(10));"
	    "CREATE TABLE t.x (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE t.y (v INT);"
	    "INSERT INTO t.x SELECT seq, 'x' FROM seq_0_to_20;"
	    "INSERT INTO t.y SELECT seq MOD 4 FROM seq_0_to_12;"
	    "CREATE TABLE t.e (id BIGINT UNSIGNED PRIMARY KEY, v DOUBLE);"
	    "INSERT INTO t.a SELECT CAST(seq AS SIGNED) - 10, CONCAT('a', seq) FROM seq_0_to_30;"
	    "INSERT INTO t.b SELECT CAST(seq MOD 5 AS SIGNED) - 2, seq, seq FROM seq_0_to_30;"
	    "INSERT INTO t.c SELECT CONCAT('\xc3\xa9', seq), seq FROM seq_0_to_20;"
	    "INSERT INTO t.d SELECT seq MOD 4, 'w' FROM seq_0_to_20;"
	    "INSERT INTO t.e SELECT seq * 3, seq FROM seq_0_to_20");
}

static unsigned random_state;

static unsigned roll(unsigned n)
{
	random_state = random_state * 1103515245u + 12345u;
	return (random_state >> 16) % n;
}

static void change_something(void)
{
	static int fresh = 1000;

	fresh++;
	switch (roll(10)) {
	case 0:
		sql("INSERT INTO t.a VALUES (%d,'new')", (int)roll(2) ? fresh : -fresh);
		break;
	case 1:
		sql("UPDATE t.a SET v=CONCAT('u',%d) WHERE id=%d", fresh, (int)roll(31) - 10);
		break;
	case 2:
		sql("DELETE FROM t.a WHERE id=%d; DELETE FROM t.e WHERE id=%d", (int)roll(31) - 10,
		    (int)roll(21) * 3);
		break;
	case 3:
		sql("UPDATE t.b SET y=%d, v=v+1 WHERE y=%u; REPLACE INTO t.e VALUES (%u,1.5)",
		    fresh, roll(31), roll(63));
		break;
	case 4:
		sql("DELETE FROM t.b WHERE y=%u; REPLACE INTO t.c VALUES ('n%u',%d)", roll(31),
		    roll(5), fresh);
		break;
	case 5:
		sql("UPDATE t.c SET v=%d WHERE v MOD 7=%u; DELETE FROM t.c WHERE v=%u", fresh,
		    roll(7), roll(20));
		break;
	case 6:
		sql("INSERT INTO t.d VALUES (%u,'w'),(%u,'w')", roll(4), roll(4));
		break;
	case 7:
	case 8:
		xa_step(roll(60), fresh);
		break;
	default:
		sql("DELETE FROM t.d WHERE v=%u LIMIT 1; UPDATE t.a SET id=id+%d WHERE id=%d",
		    roll(4), fresh, (int)roll(31) - 10);
		break;
	}
}

/* One life after another, each ended after a few boundaries, with changes before, within, after. */
static void restart_lives(unsigned seed)
{
	struct model *m = calloc(1, sizeof(*m)), *begin, *end;
	struct drip_harness *h = harness();
	int lives = 0;
	int rc = 0;

	random_state = seed;
	make_restart_tables();
	begin = truth("t.*");
	drip_harness_set_on_emit(h, model_emit, m);
	do {
		struct drip_error err = DRIP_ERROR_INIT;
		struct drip_instance *i = open_source(
			h, DRIP_OPTIONS("connection", "db", "tables", "t.*", "batch_rows", "4"));

		m->boundaries = 0;
		m->stop_after = lives < 16 ? 1 + roll(6) : 0;
		m->has_last = false;
		start(i, m->placed ? &m->at : NULL);
		change_something();
		rc = drip_harness_poll(i, DRIP_POLL_CAUGHT_UP, &err);
		if (rc < 0 && strcmp(err.code, "test.died") != 0) {
			printf("# seed %u life %d: %s: %s %s\n", seed, lives, err.code, err.message,
			       err.place);
			CHECK_EQ_STR(err.code, "test.died");
			lives = 1000;
		}
		model_drop_pending(m);
		drip_harness_close(i);
		drip_harness_clear(h);
		if (rc < 0) {
			change_something();
		}
	} while (rc < 0 && ++lives < 100);
	end = truth("t.*");
	check_rows(m->reads, m->reads_count, begin->reads, begin->reads_count, "snapshot");
	check_rows(m->rows, m->count, end->rows, end->count, "at the end");
	CHECK_EQ_INT(m->violations, 0);
	if (test_failures_ != 0) {
		printf("# seed %u\n", seed);
	}
	drip_harness_destroy(h);
	xa_end();
	model_free(m);
	model_free(begin);
	model_free(end);
}

TEST(restarts_lose_nothing_and_give_nothing_twice)
{
	for (unsigned seed = 1; seed <= 6; seed++) {
		restart_lives(seed);
	}
}

/* Two sinks, of which one may be an epoch ahead when both die. */
struct pair {
	struct model *ahead, *behind;
	struct drip_position ahead_at; /* when this life began */
	bool ahead_placed;
	size_t boundaries, stop_after;
	bool only_ahead; /* commits the last epoch of this life */
	size_t straddles;
};

static int pair_emit(const struct drip_batch *b, struct drip_error *err, void *data)
{
	struct pair *p = data;
	bool last = b->boundary && p->stop_after != 0 && p->boundaries + 1 >= p->stop_after;
	int rc = 0;

	if (!p->ahead_placed || drip_position_compare(&b->position, &p->ahead_at) > 0) {
		rc = model_emit(b, err, p->ahead);
	}
	if (rc == 0 && !(last && p->only_ahead)) {
		rc = model_emit(b, err, p->behind);
	}
	p->boundaries += b->boundary;
	return rc == 0 && last ? drip_error_set(err, -ECANCELED, "test.died", "they died") : rc;
}

static void start_pair(struct drip_instance *i, struct pair *p)
{
	const struct drip_source_ops *ops = (const struct drip_source_ops *)(const void *)i->common;
	struct drip_start s = {.struct_size = sizeof(s)};
	struct drip_error err = DRIP_ERROR_INIT;

	p->ahead_placed = p->ahead->placed;
	p->ahead_at = p->ahead->at;
	s.from = &p->behind->at;
	s.from_count = p->behind->placed;
	s.cuts = &p->ahead_at;
	s.cuts_count = p->ahead->placed;
	CHECK_OK(ops->start(i->self, &s, &err), &err);
	i->started = true;
}

/* One life after another; what comes after the last is seen by a life that nothing ends. */
static void live_on(struct drip_harness *h, struct pair *p, unsigned seed)
{
	int lives = 0, rc;

	do {
		struct drip_error err = DRIP_ERROR_INIT;
		struct drip_instance *i = open_source(
			h, DRIP_OPTIONS("connection", "db", "tables", "t.*", "batch_rows", "4"));

		p->boundaries = 0;
		p->stop_after = lives < 16 ? 1 + roll(6) : 0;
		p->only_ahead = roll(2) == 0;
		p->ahead->has_last = p->behind->has_last = false;
		start_pair(i, p);
		change_something();
		rc = drip_harness_poll(i, DRIP_POLL_CAUGHT_UP, &err);
		if (rc < 0 && strcmp(err.code, "test.died") != 0) {
			printf("# seed %u life %d: %s: %s %s\n", seed, lives, err.code, err.message,
			       err.place);
			CHECK_EQ_STR(err.code, "test.died");
			lives = 1000;
		}
		model_drop_pending(p->ahead);
		model_drop_pending(p->behind);
		drip_harness_close(i);
		drip_harness_clear(h);
		change_something();
		if (rc >= 0) {
			rc = lives < 1000 && lives++ < 12 ? -1 : rc;
		}
	} while (rc < 0 && ++lives < 60);
}

static void last_life(struct drip_harness *h, struct pair *p)
{
	struct drip_instance *i = open_source(
		h, DRIP_OPTIONS("connection", "db", "tables", "t.*", "batch_rows", "4"));

	p->stop_after = 0;
	p->boundaries = 0;
	p->only_ahead = false;
	p->ahead->has_last = p->behind->has_last = false;
	start_pair(i, p);
	run(i, DRIP_POLL_CAUGHT_UP);
	drip_harness_close(i);
}

static void check_model(struct model *m, struct model *begin, struct model *end, const char *what)
{
	check_rows(m->reads, m->reads_count, begin->reads, begin->reads_count, what);
	check_rows(m->rows, m->count, end->rows, end->count, what);
	CHECK_EQ_INT(m->violations, 0);
}

static void pair_lives(unsigned seed)
{
	struct pair p = {.ahead = calloc(1, sizeof(struct model)),
			 .behind = calloc(1, sizeof(struct model))};
	struct drip_harness *h = harness();
	struct model *begin, *end;

	random_state = seed;
	make_restart_tables();
	begin = truth("t.*");
	drip_harness_set_on_emit(h, pair_emit, &p);
	live_on(h, &p, seed);
	last_life(h, &p);
	end = truth("t.*");
	check_model(p.ahead, begin, end, "the one ahead");
	check_model(p.behind, begin, end, "the one behind");
	if (test_failures_ != 0) {
		printf("# seed %u\n", seed);
	}
	drip_harness_destroy(h);
	xa_end();
	model_free(p.ahead);
	model_free(p.behind);
	model_free(begin);
	model_free(end);
}

TEST(sinks_that_died_apart_come_to_the_same)
{
	for (unsigned seed = 1; seed <= 6 && test_failures_ == 0; seed++) {
		pair_lives(seed);
	}
}

/* The state was lost, a sink holds changes from the log: a new snapshot would lie behind them. */
TEST(refuses_to_begin_behind_what_a_sink_holds)
{
	struct model *m = calloc(1, sizeof(*m));
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = harness();
	const struct drip_source_ops *ops;
	struct drip_instance *i;
	struct drip_start s = {.struct_size = sizeof(s)};

	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t;"
	    "CREATE TABLE t.a (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO t.a VALUES (1,'a')");
	drip_harness_set_on_emit(h, model_emit, m);
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	sql("INSERT INTO t.a VALUES (2,'b')");
	run(i, DRIP_POLL_CAUGHT_UP);
	drip_harness_close(i);

	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	ops = (const struct drip_source_ops *)(const void *)i->common;
	s.cuts = &m->at;
	s.cuts_count = 1;
	CHECK_EQ_INT(ops->start(i->self, &s, &err), -EUCLEAN);
	CHECK_EQ_STR(err.code, "mysql.checkpoint_lost");
	CHECK_CONTAINS(err.message, m->at.text);
	CHECK_CONTAINS(err.hint, "checkpoint reset");
	/* With its checkpoint it goes on. */
	s.from = &m->at;
	s.from_count = 1;
	CHECK_OK(ops->start(i->self, &s, &err), &err);
	i->started = true;
	run(i, DRIP_POLL_CAUGHT_UP);
	drip_harness_close(i);
	drip_harness_destroy(h);
	model_free(m);
}
