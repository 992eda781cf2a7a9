/* SPDX-License-Identifier: Apache-2.0 */
/* The warehouse sink on DuckDB: each mode, evolution of tables, failures, and death at each
 * failpoint. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <dripline/text.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct drip_harness *h;
static struct drip_instance *sink;
static const struct drip_sql *sql;
static void *object;
static char db_path[256];
static struct drip_error err = DRIP_ERROR_INIT;
static uint64_t next_position; /* of the batches written; 0: they have none */
static bool at_boundary = true;

static void setup_at(const char *path, const char *const *options)
{
	snprintf(db_path, sizeof(db_path), "%s", path);
	drip_harness_add_connection(
		h, "dwh", "duckdb",
		DRIP_OPTIONS("path", db_path, "memory_limit", "256MiB", "threads", "2"));
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "warehouse", options, &sink, &err), &err);
	REQUIRE_OK(drip_harness_connection(h, "dwh", DRIP_SQL_INTERFACE, (const void **)&sql,
					   &object, &err),
		   &err);
}

static void setup(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	setup_at(":memory:", options);
}

static void teardown(void)
{
	drip_harness_connection_done(h, "dwh", DRIP_SQL_INTERFACE, object);
	drip_harness_close(sink);
	drip_harness_destroy(h);
}

/* (gives) the result as "a|b\nc|d\n". */
static char *query(const char *text)
{
	struct drip_text out = {0};
	struct drip_schema *schema;
	struct ArrowArrayStream stream;
	struct ArrowArray array;
	void *session;

	REQUIRE_OK(sql->session_open(object, &session, &err), &err);
	REQUIRE_OK(sql->query(session, text, NULL, &schema, &stream, &err), &err);
	while (stream.get_next(&stream, &array) == 0 && array.release != NULL) {
		struct drip_batch *batch;

		REQUIRE_OK(drip_batch_create(schema, &array, NULL, DRIP_OP_READ, &batch, &err),
			   &err);
		for (int64_t row = 0; row < batch->rows; row++) {
			for (uint32_t i = 0; i < schema->columns_count; i++) {
				struct drip_value value;
				char cell[256] = "NULL";

				drip_value_get(batch, i, row, &value);
				if (value.type != DRIP_TYPE_NONE) {
					drip_value_format(&value, drip_schema_column(schema, i),
							  cell, sizeof(cell));
				}
				drip_text_puts(&out, i > 0 ? "|" : "");
				drip_text_puts(&out, cell);
			}
			drip_text_puts(&out, "\n");
		}
		drip_batch_unref(batch);
	}
	stream.release(&stream);
	drip_schema_unref(schema);
	sql->session_close(session);
	drip_text_put(&out, "", 1);
	return out.data;
}

#define CHECK_QUERY(text, want)                                                                    \
	do {                                                                                       \
		char *got_ = query(text);                                                          \
		CHECK_EQ_STR(got_, want);                                                          \
		free(got_);                                                                        \
	} while (0)

static void write_rows(const struct drip_schema *schema, const char *rows, int64_t commit_time_us,
		       bool snapshot)
{
	struct drip_batch *batch = drip_test_batch(schema, rows);

	batch->commit_time_us = commit_time_us;
	batch->snapshot = snapshot;
	if (next_position != 0) {
		batch->position = drip_test_position(next_position);
	}
	batch->boundary = at_boundary;
	REQUIRE_OK(drip_harness_write(sink, batch, &err), &err);
}

static void write_control(enum drip_batch_kind kind, const struct drip_schema *schema,
			  int64_t commit_time_us)
{
	struct drip_batch *batch;

	REQUIRE_OK(drip_batch_create_control(kind, schema, &batch, &err), &err);
	batch->commit_time_us = commit_time_us;
	REQUIRE_OK(drip_harness_write(sink, batch, &err), &err);
}

static void commit(uint64_t position)
{
	struct drip_position p = drip_test_position(position);

	REQUIRE_OK(drip_harness_commit(sink, &p, &err), &err);
}

static uint64_t stored_position(void)
{
	const struct drip_sink_ops *ops = sink->component->ops;
	struct drip_position *positions;
	uint64_t value = 0;
	size_t count;

	REQUIRE_OK(ops->positions(sink->self, &positions, &count, &err), &err);
	if (count > 0) {
		CHECK_EQ_INT(count, 1);
		value = strtoull(positions[0].text, NULL, 10);
		CHECK_EQ_INT(drip_position_compare(&positions[0], &(struct drip_position){0}) > 0,
			     1);
	}
	free(positions);
	return value;
}

#define ORDERS "id int64 key, status utf8 null, amount decimal(9,2) null"

TEST(mirror_follows_every_change)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);

	setup(DRIP_OPTIONS("connection", "dwh"));
	CHECK_EQ_INT(stored_position(), 0);
	write_rows(s, "r|1|new|1.00\nr|2|new|2.00\nr|3|new|3.00\n", 0, true);
	commit(1);
	CHECK_QUERY("FROM orders ORDER BY id", "1|new|1.00\n2|new|2.00\n3|new|3.00\n");
	/* Several changes of one key in one epoch: the last counts. */
	write_rows(s, "u|1|paid|1.00\nu|1|sent|1.50\nd|2|new|2.00\ni|4|new|4.00\nd|4|new|4.00\n", 5,
		   false);
	write_rows(s, "i|2|again|2.50\ni|5|new|NULL\n", 6, false);
	commit(2);
	CHECK_QUERY("FROM orders ORDER BY id",
		    "1|sent|1.50\n2|again|2.50\n3|new|3.00\n5|new|NULL\n");
	CHECK_EQ_INT(stored_position(), 2);
	/* Snapshot rows that come again replace, they do not double. */
	write_rows(s, "r|1|sent|1.50\nr|6|new|6.00\n", 0, true);
	commit(3);
	CHECK_QUERY("SELECT count(*), count(DISTINCT id) FROM orders", "5|5\n");
	write_control(DRIP_BATCH_TRUNCATE, s, 7);
	write_rows(s, "i|9|new|9.00\n", 8, false);
	commit(4);
	CHECK_QUERY("FROM orders", "9|new|9.00\n");
	write_control(DRIP_BATCH_DROP, s, 9);
	commit(5);
	CHECK_QUERY("FROM orders", "9|new|9.00\n");
	teardown();
	drip_schema_unref(s);
}

TEST(mirror_marks_soft_deletes)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);

	setup(DRIP_OPTIONS("connection", "dwh", "deletes", "soft", "metadata", "true", "schema",
			   "raw", "table", "{database}_{table}"));
	write_rows(s, "i|1|new|1.00\ni|2|new|2.00\n", 1000000, false);
	write_rows(s, "d|1|new|1.00\n", 2000000, false);
	commit(1);
	CHECK_QUERY("SELECT id, _deleted, _commit_time FROM raw.shop_orders ORDER BY id",
		    "1|true|1970-01-01T00:00:02Z\n2|false|1970-01-01T00:00:01Z\n");
	write_rows(s, "i|1|back|1.00\n", 3000000, false);
	commit(2);
	CHECK_QUERY("SELECT id, status, _deleted FROM raw.shop_orders ORDER BY id",
		    "1|back|false\n2|new|false\n");
	write_control(DRIP_BATCH_TRUNCATE, s, 7);
	commit(3);
	CHECK_QUERY("SELECT count(*) FROM raw.shop_orders WHERE _deleted", "2\n");
	teardown();
	drip_schema_unref(s);
}

TEST(mirror_numbers_changes)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);

	setup(DRIP_OPTIONS("connection", "dwh", "deletes", "soft", "sequence", "true"));
	write_rows(s, "i|1|new|1.00\ni|2|new|2.00\n", 1000000, false);
	commit(1);
	write_rows(s, "u|1|paid|1.00\nd|2|new|2.00\nu|1|done|1.00\n", 2000000, false);
	commit(2);
	CHECK_QUERY("SELECT id, status, _deleted, _sequence FROM orders ORDER BY id",
		    "1|done|false|5\n2|new|true|4\n");
	write_control(DRIP_BATCH_TRUNCATE, s, 7);
	commit(3);
	CHECK_QUERY("SELECT id, _deleted, _sequence FROM orders ORDER BY id",
		    "1|true|6\n2|true|4\n");
	teardown();
	drip_schema_unref(s);
}

TEST(append_takes_rows_as_they_come)
{
	struct drip_schema *s = drip_test_schema("shop.orders", "id int64, status utf8 null");

	setup(DRIP_OPTIONS("connection", "dwh", "mode", "append"));
	write_rows(s, "i|1|new\nu|1|paid\nd|1|paid\n", 5, false);
	commit(1);
	CHECK_QUERY("FROM orders ORDER BY status", "1|new\n1|paid\n");
	CHECK_EQ_INT(drip_harness_filtered(h), 1);
	teardown();
	drip_schema_unref(s);
}

TEST(changelog_keeps_op_order_and_time)
{
	struct drip_schema *s = drip_test_schema("shop.orders", "id int64 key, status utf8 null");

	setup(DRIP_OPTIONS("connection", "dwh", "mode", "changelog"));
	write_rows(s, "i|1|new\nb|1|new\nu|1|paid\n", 1000000, false);
	commit(1);
	write_rows(s, "d|1|paid\n", 2000000, false);
	write_control(DRIP_BATCH_TRUNCATE, s, INT64_C(1770000003000000));
	commit(2);
	CHECK_QUERY(
		"SELECT _sequence, _op, id, status, _commit_time FROM orders ORDER BY _sequence",
		"1|i|1|new|1970-01-01T00:00:01Z\n2|b|1|new|1970-01-01T00:00:01Z\n"
		"3|u|1|paid|1970-01-01T00:00:01Z\n4|d|1|paid|1970-01-01T00:00:02Z\n"
		"5|t|NULL|NULL|2026-02-02T02:40:03Z\n");
	/* The sequence goes on after a failure. */
	write_rows(s, "i|7|lost\n", 4000000, false);
	REQUIRE_OK(drip_harness_abort(sink, &err), &err);
	write_rows(s, "i|8|new\n", 4000000, false);
	commit(3);
	CHECK_QUERY("SELECT _sequence, id FROM orders WHERE id > 6", "6|8\n");
	teardown();
	drip_schema_unref(s);
}

TEST(merge_keeps_what_the_source_lacks)
{
	struct drip_schema *a = drip_test_schema("crm.customer", "id int64 key, name utf8 null");
	void *session;

	setup(DRIP_OPTIONS("connection", "dwh", "mode", "merge"));
	REQUIRE_OK(sql->session_open(object, &session, &err), &err);
	REQUIRE_OK(sql->execute(session,
				"CREATE TABLE customer(id BIGINT, name VARCHAR, score INTEGER)",
				NULL, &err),
		   &err);
	REQUIRE_OK(sql->execute(session, "INSERT INTO customer VALUES (1, 'x', 10), (2, 'y', 20)",
				NULL, &err),
		   &err);
	sql->session_close(session);
	write_rows(a, "u|1|ann\ni|3|cy\nd|2|y\n", 5, false);
	commit(1);
	CHECK_QUERY("FROM customer ORDER BY id", "1|ann|10\n2|y|20\n3|cy|NULL\n");
	CHECK_EQ_INT(drip_harness_filtered(h), 1);
	teardown();
	drip_schema_unref(a);
}

#define VERSIONS                                                                                   \
	"SELECT id, city, epoch_us(valid_from), CASE WHEN is_current THEN NULL ELSE "              \
	"epoch_us(valid_to) END, is_current FROM customer ORDER BY id, valid_from"

TEST(scd2_keeps_every_version)
{
	struct drip_schema *s = drip_test_schema("crm.customer", "id int64 key, city utf8 null, "
								 "seen int64 null");

	setup(DRIP_OPTIONS("connection", "dwh", "mode", "scd2", "track", "city"));
	write_rows(s, "i|1|Rome|1\ni|2|Oslo|1\n", 100, false);
	commit(1);
	/* Two changes in one batch are two versions; a change of an untracked column is none. */
	write_rows(s, "u|1|Pisa|1\nu|1|Bari|1\nu|2|Oslo|2\n", 200, false);
	commit(2);
	CHECK_QUERY(VERSIONS, "1|Rome|100|200|false\n1|Pisa|200|201|false\n1|Bari|201|NULL|true\n"
			      "2|Oslo|100|NULL|true\n");
	/* A delete closes, an insert opens again; time does not run backwards. */
	write_rows(s, "d|1|Bari|1\n", 300, false);
	write_rows(s, "i|1|Bonn|1\n", 400, false);
	write_rows(s, "u|2|Bern|2\n", 50, false);
	commit(3);
	CHECK_QUERY(VERSIONS, "1|Rome|100|200|false\n1|Pisa|200|201|false\n1|Bari|201|300|false\n"
			      "1|Bonn|400|NULL|true\n2|Oslo|100|101|false\n2|Bern|101|NULL|true\n");
	/* The same state again, as after a new snapshot, is no version. */
	write_rows(s, "r|1|Bonn|5\nr|2|Bern|6\n", 500, true);
	commit(4);
	CHECK_QUERY("SELECT count(*), count(DISTINCT _version_id), count(*) FILTER (is_current) "
		    "FROM customer",
		    "6|6|2\n");
	CHECK_QUERY("SELECT DISTINCT valid_to FROM customer WHERE is_current",
		    "9999-12-31T00:00:00Z\n");
	write_control(DRIP_BATCH_TRUNCATE, s, 600);
	commit(5);
	CHECK_QUERY("SELECT count(*) FILTER (is_current), max(epoch_us(valid_to)) FROM customer",
		    "0|600\n");
	write_rows(s, "i|1|Rome|1\n", 700, false);
	commit(6);
	CHECK_QUERY("SELECT city, epoch_us(valid_from) FROM customer WHERE is_current",
		    "Rome|700\n");
	teardown();
	drip_schema_unref(s);
}

/* (gives) `from` with what an ALTER did to one of its columns; (takes) `from`. */
static struct drip_schema *altered(struct drip_schema *from, uint32_t index, const char *fill,
				   const char *renamed_from)
{
	struct drip_schema_builder b;
	struct drip_schema *s;

	drip_schema_builder_init(&b, from->database, from->table);
	for (uint32_t i = 0; i < from->columns_count; i++) {
		struct drip_column column = drip_schema_column_get(from, i);

		column.fill = i == index ? fill : NULL;
		column.renamed_from = i == index ? renamed_from : NULL;
		drip_schema_builder_add(&b, &column);
	}
	REQUIRE_OK(drip_schema_builder_build(&b, &s, &err), &err);
	drip_schema_unref(from);
	return s;
}

#define SHOP(columns) drip_test_schema("shop.orders", columns)

static void fill_and_rename(const char *mode, const char *want)
{
	struct drip_schema *one = SHOP("id int64 key, a utf8 null");
	struct drip_schema *two = altered(SHOP("id int64 key, a utf8 null, n int32"), 2, "5", NULL);
	struct drip_schema *three =
		altered(SHOP("id int64 key, a utf8 null, n int32, q utf8, x binary, bad int8"), 3,
			"it's", NULL);
	struct drip_schema *four = SHOP("id int64 key, b utf8 null, n int32, q utf8, x binary, "
					"bad int8");

	four = altered(four, 1, NULL, "a");
	setup(DRIP_OPTIONS("connection", "dwh", "mode", mode));
	write_rows(one, "i|1|one\n", 5, false);
	commit(1);
	next_position = 5;
	write_rows(one, "i|2|two\n", 5, false);
	write_control(DRIP_BATCH_SCHEMA, two, 5);
	next_position = 6;
	write_rows(two, "i|3|three|7\n", 5, false);
	write_control(DRIP_BATCH_SCHEMA, three, 5);
	next_position = 7;
	write_control(DRIP_BATCH_SCHEMA, four, 5);
	write_rows(four, "i|4|four|8|q|00|1\n", 5, false);
	commit(8);
	next_position = 0;
	CHECK_QUERY("SELECT id, coalesce(COLUMNS('^b$'), 'none'), n, q FROM orders ORDER BY id",
		    want);
	/* Defaults were for what was there: they do not stay. */
	CHECK_QUERY("SELECT count(column_default) FROM duckdb_columns() WHERE table_name = "
		    "'orders'",
		    "0\n");
	teardown();
	drip_schema_unref(one);
	drip_schema_unref(two);
	drip_schema_unref(three);
	drip_schema_unref(four);
}

TEST(older_rows_follow_added_and_renamed_columns)
{
	fill_and_rename("mirror", "1|one|5|it's\n2|two|5|it's\n3|three|7|it's\n4|four|8|q\n");
	fill_and_rename("merge", "1|one|5|it's\n2|two|5|it's\n3|three|7|it's\n4|four|8|q\n");
	fill_and_rename("append",
			"1|none|NULL|NULL\n2|none|NULL|NULL\n3|none|7|NULL\n4|four|8|q\n");
}

TEST(fills_of_any_type_are_cast)
{
	struct drip_schema *one = SHOP("id int64 key");
	struct drip_schema *x = altered(SHOP("id int64 key, x binary"), 1, "00ff", NULL);
	struct drip_schema *t =
		altered(SHOP("id int64 key, x binary, t duration"), 2, "-01:02:03", NULL);
	struct drip_schema *bad =
		altered(SHOP("id int64 key, x binary, t duration, bad int8"), 3, "no number", NULL);

	setup(DRIP_OPTIONS("connection", "dwh"));
	write_rows(one, "i|1\n", 5, false);
	commit(1);
	write_control(DRIP_BATCH_SCHEMA, x, 5);
	write_control(DRIP_BATCH_SCHEMA, t, 5);
	write_control(DRIP_BATCH_SCHEMA, bad, 5);
	commit(2);
	CHECK_QUERY("SELECT hex(x), t, bad FROM orders", "00FF|-01:02:03|NULL\n");
	teardown();
	drip_schema_unref(one);
	drip_schema_unref(x);
	drip_schema_unref(t);
	drip_schema_unref(bad);
}

TEST(tables_evolve_with_the_source)
{
	struct drip_schema *one = drip_test_schema("shop.orders", "id int64 key, n int16 null");
	struct drip_schema *two = drip_test_schema("shop.orders", "id int64 key, n int64 null, "
								  "note utf8 null");
	struct drip_schema *three = drip_test_schema("shop.orders", "id int64 key, note utf8 null");

	setup(DRIP_OPTIONS("connection", "dwh"));
	write_rows(one, "i|1|10\n", 5, false);
	commit(1);
	/* In the middle of an epoch, with rows of the old shape under way: these are committed
	 * early, with the position reached. */
	next_position = 5;
	write_rows(one, "i|2|20\nu|1|11\n", 5, false);
	write_control(DRIP_BATCH_SCHEMA, two, 5);
	CHECK_EQ_INT(stored_position(), 5);
	next_position = 6;
	write_rows(two, "i|3|3000000000|hi\nu|2|21|ho\n", 5, false);
	commit(7);
	next_position = 0;
	CHECK_QUERY("FROM orders ORDER BY id", "1|11|NULL\n2|21|ho\n3|3000000000|hi\n");
	write_rows(three, "u|3|bye\n", 5, false);
	commit(3);
	CHECK_QUERY("FROM orders ORDER BY id", "1|11|NULL\n2|21|ho\n3|NULL|bye\n");
	teardown();
	drip_schema_unref(one);
	drip_schema_unref(two);
	drip_schema_unref(three);
}

TEST(a_table_is_altered_before_the_epoch_is_replayed)
{
	struct drip_schema *one = drip_test_schema("shop.orders", "id int64 key, n int16 null");
	struct drip_schema *two = drip_test_schema("shop.orders", "id int64 key, n int64 null, "
								  "note utf8 null");

	setup(DRIP_OPTIONS("connection", "dwh", "mode", "append"));
	write_rows(one, "i|1|10\n", 5, false);
	commit(1);
	for (int attempt = 0; attempt < 2; attempt++) {
		int rc;

		next_position = 5;
		at_boundary = false;
		write_rows(one, "i|2|20\n", 5, false);
		rc = drip_harness_write(sink, drip_test_batch(two, "i|3|30|x\n"), &err);
		CHECK_EQ_INT(rc, attempt == 0 ? -EAGAIN : 0);
		if (rc != 0) {
			CHECK_EQ_STR(err.code, "warehouse.alter_after_rows");
			CHECK(err.retryable);
			REQUIRE_OK(drip_harness_abort(sink, &err), &err);
			CHECK_EQ_INT(stored_position(), 1);
			/* as the engine does: the next attempt is another instance */
			drip_harness_close(sink);
			REQUIRE_OK(drip_harness_open(
					   h, DRIP_KIND_SINK, "warehouse",
					   DRIP_OPTIONS("connection", "dwh", "mode", "append"),
					   &sink, &err),
				   &err);
		}
	}
	commit(2);
	next_position = 0;
	at_boundary = true;
	CHECK_QUERY("FROM orders ORDER BY id", "1|10|NULL\n2|20|NULL\n3|30|x\n");
	teardown();
	drip_schema_unref(one);
	drip_schema_unref(two);
}

TEST(evolution_can_be_refused)
{
	struct drip_schema *one = drip_test_schema("shop.orders", "id int64 key, n int16 null");
	struct drip_schema *two = drip_test_schema("shop.orders", "id int64 key, n int64 null");
	struct drip_schema *blob = drip_test_schema("shop.orders", "id int64 key, n binary null");

	setup(DRIP_OPTIONS("connection", "dwh", "evolve", "add"));
	write_rows(one, "i|1|10\n", 5, false);
	commit(1);
	CHECK_EQ_INT(drip_harness_write(sink, drip_test_batch(two, "i|2|5\n"), &err), -EINVAL);
	CHECK_EQ_STR(err.code, "warehouse.schema_changed");
	REQUIRE_OK(drip_harness_abort(sink, &err), &err);
	CHECK_EQ_INT(drip_harness_write(sink, drip_test_batch(blob, "i|2|ff\n"), &err), -EINVAL);
	REQUIRE_OK(drip_harness_abort(sink, &err), &err);
	write_rows(one, "i|2|20\n", 5, false);
	commit(2);
	CHECK_QUERY("FROM orders ORDER BY id", "1|10\n2|20\n");
	teardown();
	drip_schema_unref(one);
	drip_schema_unref(two);
	drip_schema_unref(blob);
}

#include "test_shards.h"

TEST(negotiation_is_offline_and_exact)
{
	struct drip_schema *s =
		drip_test_schema("shop.orders", "id int64 key, phone utf8 null restricted");
	struct drip_schema *bare = drip_test_schema("shop.log", "line utf8");
	struct drip_schema *taken = drip_test_schema("shop.t", "id int64 key, valid_from utf8");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_bind(h, DRIP_KIND_SINK, "warehouse",
				     DRIP_OPTIONS("connection", "dwh", "mode", "scd2"), &sink,
				     &err),
		   &err);
	REQUIRE_OK(drip_harness_negotiate(sink, s, &n, &err), &err);
	CHECK_EQ_INT(n.output->columns_count, 7);
	CHECK_EQ_INT(drip_schema_column(n.output, 1)->classification, DRIP_CLASS_RESTRICTED);
	CHECK_EQ_STR(n.dataset, "main.orders");
	CHECK(strstr(n.action, "scd2") != NULL);
	drip_harness_negotiated_finish(&n);
	CHECK_EQ_INT(drip_harness_negotiate(sink, bare, &n, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "warehouse.no_key");
	CHECK(err.hint[0] != '\0');
	CHECK_EQ_INT(drip_harness_negotiate(sink, taken, &n, &err), -EINVAL);
	drip_harness_close(sink);
	drip_harness_destroy(h);
	drip_schema_unref(s);
	drip_schema_unref(bare);
	drip_schema_unref(taken);
}

TEST(a_failed_commit_leaves_nothing)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	struct drip_position p = drip_test_position(2);

	setup(DRIP_OPTIONS("connection", "dwh"));
	write_rows(s, "i|1|new|1.00\n", 5, false);
	commit(1);
	write_rows(s, "i|2|new|2.00\n", 5, false);
	drip_harness_arm(h, "sink.before_commit", 1);
	CHECK(drip_harness_commit(sink, &p, &err) < 0);
	CHECK_EQ_INT(stored_position(), 1);
	CHECK_QUERY("SELECT count(*) FROM orders", "1\n");
	/* After the commit the failure comes too late: the position says so. */
	write_rows(s, "i|2|new|2.00\n", 5, false);
	drip_harness_arm(h, "sink.after_commit", 1);
	CHECK(drip_harness_commit(sink, &p, &err) < 0);
	CHECK_EQ_INT(stored_position(), 2);
	CHECK_QUERY("SELECT count(*) FROM orders", "2\n");
	write_rows(s, "i|3|new|3.00\n", 5, false);
	commit(3);
	CHECK_QUERY("SELECT count(*) FROM orders", "3\n");
	teardown();
	drip_schema_unref(s);
}

TEST(a_table_of_another_mode_is_refused)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);

	setup(DRIP_OPTIONS("connection", "dwh", "mode", "append"));
	write_rows(s, "i|1|new|1.00\n", 5, false);
	commit(1);
	drip_harness_close(sink);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "warehouse",
				     DRIP_OPTIONS("connection", "dwh", "mode", "scd2"), &sink,
				     &err),
		   &err);
	CHECK_EQ_INT(drip_harness_write(sink, drip_test_batch(s, "i|1|new|1.00\n"), &err), -EINVAL);
	CHECK_EQ_STR(err.code, "warehouse.other_mode");
	teardown();
	drip_schema_unref(s);
}

static int try_negotiate(const struct drip_schema *s, const char *const *options)
{
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	int rc;

	REQUIRE_OK(drip_harness_bind(h, DRIP_KIND_SINK, "warehouse", options, &sink, &err), &err);
	rc = drip_harness_negotiate(sink, s, &n, &err);
	if (rc == 0) {
		drip_harness_negotiated_finish(&n);
	}
	drip_harness_close(sink);
	return rc;
}

TEST(options_that_do_not_fit_the_table_are_refused)
{
	struct drip_schema *s = drip_test_schema("orders", ORDERS);

	h = drip_harness_create(test_argv[1]);
	CHECK_EQ_INT(try_negotiate(s, DRIP_OPTIONS("connection", "dwh", "table", "{database}")),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "warehouse.bad_table_name");
	CHECK_EQ_INT(try_negotiate(s, DRIP_OPTIONS("connection", "dwh", "key", "nothing")),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "warehouse.no_such_key");
	drip_harness_destroy(h);
	drip_schema_unref(s);
}

TEST(tables_are_neither_made_nor_shared_by_mistake)
{
	struct drip_schema *a = drip_test_schema("shop.a", ORDERS);
	struct drip_schema *b = drip_test_schema("shop.b", "id int64, status utf8 key");

	setup(DRIP_OPTIONS("connection", "dwh", "create", "false"));
	CHECK_EQ_INT(drip_harness_write(sink, drip_test_batch(a, "i|1|x|1.00\n"), &err), -ENOENT);
	CHECK_EQ_STR(err.code, "warehouse.no_table");
	teardown();
	setup(DRIP_OPTIONS("connection", "dwh", "table", "all"));
	write_rows(a, "i|1|x|1.00\n", 5, false);
	CHECK_EQ_INT(drip_harness_write(sink, drip_test_batch(b, "i|1|x\n"), &err), -EINVAL);
	CHECK_EQ_STR(err.code, "warehouse.shards_differ");
	teardown();
	drip_schema_unref(a);
	drip_schema_unref(b);
}

TEST(damaged_positions_are_refused)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	const struct drip_sink_ops *ops;
	struct drip_position *positions;
	size_t count;
	void *session;

	setup(DRIP_OPTIONS("connection", "dwh"));
	write_rows(s, "i|1|x|1.00\n", 5, false);
	commit(1);
	REQUIRE_OK(sql->session_open(object, &session, &err), &err);
	REQUIRE_OK(sql->execute(session, "UPDATE _dripline_positions SET position_order = 'zz'",
				NULL, &err),
		   &err);
	sql->session_close(session);
	ops = sink->component->ops;
	CHECK_EQ_INT(ops->positions(sink->self, &positions, &count, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "warehouse.positions_damaged");
	teardown();
	drip_schema_unref(s);
}

/* Each table has a column that clashes with one of the sink's, which is found before the database
 * is asked for the table. */
TEST(tables_are_limited)
{
	struct drip_schema *s;
	char name[32];
	int rc = 0;

	setup(DRIP_OPTIONS("connection", "dwh", "deletes", "soft"));
	for (int i = 0; i <= 4096; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		s = drip_test_schema(name, "id int64 key, _deleted bool");
		rc = drip_harness_write(sink, drip_test_batch(s, "i|1|true\n"), &err);
		drip_schema_unref(s);
	}
	CHECK_EQ_INT(rc, -E2BIG);
	CHECK_EQ_STR(err.code, "warehouse.too_many_tables");
	teardown();
}

/* ---- death ---- */

/* One epoch of the child's: changes 10 keys, so that lost and doubled changes both show. */
static void write_epoch(const struct drip_schema *s, uint64_t epoch)
{
	struct drip_text rows = {0};
	char line[64];

	for (uint64_t i = 0; i < 10; i++) {
		snprintf(line, sizeof(line), "%s|%llu|e%llu|1.00\n", epoch == 1 ? "i" : "u",
			 (unsigned long long)i, (unsigned long long)epoch);
		drip_text_puts(&rows, line);
	}
	snprintf(line, sizeof(line), "i|%llu|new|1.00\n", (unsigned long long)(1000 + epoch));
	drip_text_puts(&rows, line);
	drip_text_put(&rows, "", 1);
	write_rows(s, rows.data, 5, false);
	drip_text_finish(&rows);
}

/* Runs epochs from the stored position on until the failpoint, and dies there. */
static void child(const char *path, const char *failpoint, int hit)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	const struct drip_sink_ops *ops;
	uint64_t epoch;

	h = drip_harness_create(test_argv[1]);
	setup_at(path, DRIP_OPTIONS("connection", "dwh"));
	ops = sink->component->ops;
	epoch = stored_position();
	drip_harness_arm(h, failpoint, hit);
	for (;;) {
		struct drip_position p = drip_test_position(++epoch);
		struct drip_epoch e = {.struct_size = sizeof(e),
				       .number = epoch,
				       .positions = &p,
				       .positions_count = 1};

		write_epoch(s, epoch);
		if (ops->commit(sink->self, &e, &err) < 0) {
			kill(getpid(), SIGKILL);
		}
	}
}

TEST(death_at_a_failpoint_loses_and_doubles_nothing)
{
	static const char *const failpoints[] = {"sink.before_commit", "sink.after_commit"};
	char folder[] = "/tmp/drip-warehouse-XXXXXX", path[64], wal[80];
	char want[128];

	REQUIRE(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/dwh.duckdb", folder);
	snprintf(wal, sizeof(wal), "%s.wal", path);
	for (int round = 0; round < 6; round++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			child(path, failpoints[round % 2], 1 + round / 2);
		}
		REQUIRE(waitpid(pid, &status, 0) == pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	h = drip_harness_create(test_argv[1]);
	setup_at(path, DRIP_OPTIONS("connection", "dwh"));
	/* before: n - 1 epochs each round, after: n. */
	CHECK_EQ_INT(stored_position(), 0 + 1 + 1 + 2 + 2 + 3);
	snprintf(want, sizeof(want), "19|19|10|10\n");
	CHECK_QUERY("SELECT count(*), count(DISTINCT id), count(*) FILTER (status = 'e9'), "
		    "count(*) FILTER "
		    "(id < 10) FROM orders",
		    want);
	teardown();
	unlink(path);
	unlink(wal);
	CHECK_EQ_INT(rmdir(folder), 0);
}

TEST_MAIN()
