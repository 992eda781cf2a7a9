/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the source `generate`. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *source;
static struct drip_error err;

static void start(const char *const *options, const struct drip_position *from)
{
	if (h == NULL) {
		h = drip_harness_create(test_argv[1]);
	}
	drip_harness_close(source);
	drip_harness_clear(h);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "generate", options, &source, &err),
		   &err);
	REQUIRE_OK(drip_harness_start(source, from, &err), &err);
}

static void read_all(void)
{
	int rc = drip_harness_poll(source, DRIP_POLL_END, &err);

	if (rc != DRIP_POLL_END) {
		CHECK_OK(rc, &err);
	}
}

static void finish(void)
{
	drip_harness_close(source);
	drip_harness_destroy(h);
	h = NULL;
	source = NULL;
}

/* All rows, one after the other, without what separates batches. */
static char *rows_of_run(size_t from_batch)
{
	struct drip_text t = {0};

	for (size_t i = from_batch; i < drip_harness_batches_count(h); i++) {
		char *text = drip_test_batch_text(drip_harness_batch(h, i));

		drip_text_puts(&t, strchr(text, '\n') + 1);
		free(text);
	}
	drip_text_put(&t, "", 1);
	REQUIRE(t.rc == 0);
	return t.data;
}

TEST(needs_no_options)
{
	const struct drip_batch *b;

	start(DRIP_OPTIONS("rows", "1000"), NULL);
	read_all();
	REQUIRE(drip_harness_batches_count(h) == 1);
	b = drip_harness_batch(h, 0);
	CHECK_EQ_STR(b->schema->table, "orders");
	CHECK_EQ_INT(b->rows, 1000);
	CHECK_EQ_INT(b->schema->keys_count, 1);
	CHECK_EQ_INT(drip_batch_op(b, 5), DRIP_OP_READ);
	CHECK(b->boundary);
	CHECK_OK(drip_batch_validate(b, &err), &err);
	finish();
}

#define CHANGES                                                                                    \
	"rows", "20000", "updates", "0.55", "deletes", "0.15", "columns[0].name", "id",            \
		"columns[0].kind", "sequence", "columns[0].key", "true", "columns[1].name", "n",   \
		"columns[1].kind", "int", "columns[1].max", "1000000", "columns[2].name", "made",  \
		"columns[2].kind", "timestamp", "columns[3].name", "changed", "columns[3].kind",   \
		"timestamp", "columns[3].on_update", "change", "columns[4].name", "text",          \
		"columns[4].kind", "text", "columns[4].nulls", "0.2"

TEST(replays_the_same_from_any_position)
{
	char *whole, *rest;
	const char *at;
	struct drip_position middle;

	start(DRIP_OPTIONS(CHANGES, "batch_rows", "777"), NULL);
	read_all();
	whole = rows_of_run(0);
	middle = drip_harness_batch(h, 9)->position;
	start(DRIP_OPTIONS(CHANGES, "batch_rows", "1500"), &middle);
	read_all();
	rest = rows_of_run(0);
	at = whole;
	for (int i = 0; i < 7770; i++) {
		at = strchr(at, '\n') + 1;
	}
	CHECK(strcmp(at, rest) == 0);
	free(whole);
	free(rest);
	start(DRIP_OPTIONS(CHANGES, "seed", "2", "batch_rows", "777"), NULL);
	read_all();
	finish();
}

/* What a mirror would hold of one key. */
struct mirrored {
	bool alive;
	int64_t n, made, changed;
	uint64_t text;
};

static struct mirrored row_at(const struct drip_batch *b, int64_t row)
{
	struct mirrored m = {.alive = true};
	struct drip_value v;

	drip_value_get(b, 1, row, &v);
	m.n = v.i;
	drip_value_get(b, 2, row, &v);
	m.made = v.i;
	drip_value_get(b, 3, row, &v);
	m.changed = v.i;
	drip_value_get(b, 4, row, &v);
	m.text = v.type == DRIP_TYPE_NONE ? 0 : drip_hash_bytes(v.data, (size_t)v.size, 1);
	return m;
}

TEST(changes_touch_rows_that_exist_as_they_are)
{
	static struct mirrored mirror[30000];
	int64_t counts[3] = {0, 0, 0}, wrong = 0, kept = 0;

	memset(mirror, 0, sizeof(mirror));
	start(DRIP_OPTIONS(CHANGES), NULL);
	read_all();
	for (size_t i = 0; i < drip_harness_batches_count(h); i++) {
		const struct drip_batch *b = drip_harness_batch(h, i);

		for (int64_t row = 0; row < b->rows; row++) {
			struct mirrored now = row_at(b, row), *was;
			struct drip_value id;

			drip_value_get(b, 0, row, &id);
			REQUIRE(id.i >= 1 && id.i < 30000);
			was = &mirror[id.i];
			switch (drip_batch_op(b, row)) {
			case DRIP_OP_INSERT:
				counts[0]++;
				wrong += was->alive;
				*was = now;
				break;
			case DRIP_OP_UPDATE:
				counts[1]++;
				wrong += !was->alive || was->made != now.made ||
					 was->changed >= now.changed;
				kept += was->n == now.n;
				*was = now;
				break;
			default:
				counts[2]++;
				wrong += !was->alive || was->n != now.n || was->made != now.made ||
					 was->changed != now.changed || was->text != now.text;
				was->alive = false;
				break;
			}
		}
	}
	CHECK_EQ_INT(wrong, 0);
	CHECK_LT_INT(kept, 5); /* updates draw anew */
	CHECK_EQ_INT(counts[0] + counts[1] + counts[2], 20000);
	CHECK_GT_INT(counts[1], 10000);
	CHECK_GT_INT(counts[2], 2000);
	finish();
}

TEST(ends_a_batch_at_each_cut_and_transaction)
{
	struct drip_start s = {.struct_size = sizeof(s)};
	struct drip_position cuts[2];
	const int64_t expect[] = {70, 30, 1, 99, 100};
	int64_t at = 0;

	start(DRIP_OPTIONS("rows", "300", "batch_rows", "70"), NULL);
	read_all();
	cuts[0] = drip_harness_batch(h, 0)->position;
	cuts[1] = drip_harness_batch(h, 0)->position;
	cuts[1].order[7] = 101;
	drip_harness_close(source);
	source = NULL;
	drip_harness_clear(h);
	REQUIRE_OK(drip_harness_open(
			   h, DRIP_KIND_SOURCE, "generate",
			   DRIP_OPTIONS("rows", "300", "batch_rows", "150", "transaction", "100"),
			   &source, &err),
		   &err);
	s.cuts = cuts;
	s.cuts_count = 2;
	REQUIRE_OK(((const struct drip_source_ops *)source->component->ops)
			   ->start(source->self, &s, &err),
		   &err);
	source->started = true;
	read_all();
	REQUIRE(drip_harness_batches_count(h) == 5);
	for (size_t i = 0; i < 5; i++) {
		CHECK_EQ_INT(drip_harness_batch(h, i)->rows, expect[i]);
		at += expect[i];
		CHECK_EQ_INT(drip_harness_batch(h, i)->boundary, at % 100 == 0);
	}
	finish();
}

TEST(keeps_the_rate)
{
	start(DRIP_OPTIONS("rows", "0", "rate", "1000", "batch_rows", "100000"), NULL);
	CHECK_EQ_INT(drip_harness_poll(source, DRIP_POLL_CAUGHT_UP, &err), DRIP_POLL_CAUGHT_UP);
	drip_harness_clear(h);
	drip_harness_advance(h, 2000);
	CHECK_EQ_INT(drip_harness_poll(source, DRIP_POLL_CAUGHT_UP, &err), DRIP_POLL_CAUGHT_UP);
	CHECK_GE_INT(drip_harness_rows(h), 1998);
	CHECK_LE_INT(drip_harness_rows(h), 2002);
	finish();
}

TEST(stops_while_it_waits)
{
	start(DRIP_OPTIONS("rows", "0", "rate", "1"), NULL);
	drip_harness_stop(h, true);
	CHECK_EQ_INT(drip_harness_poll(source, DRIP_POLL_CAUGHT_UP, &err), -ECANCELED);
	CHECK_EQ_STR(err.code, "generate.stopped");
	finish();
}

TEST(draws_what_is_asked_for)
{
	int64_t nulls = 0, a = 0, trues = 0, wrong = 0;

	start(DRIP_OPTIONS("rows", "20000", "columns[0].name", "i", "columns[0].kind", "int",
			   "columns[0].type", "int8", "columns[0].min", "-5", "columns[0].max", "5",
			   "columns[0].nulls", "0.25", "columns[1].name", "c", "columns[1].kind",
			   "choice", "columns[1].values.a", "3", "columns[1].values.b", "1",
			   "columns[2].name", "b", "columns[2].kind", "bool", "columns[2].max",
			   "0.9", "columns[3].name", "d", "columns[3].kind", "decimal",
			   "columns[3].min", "-1", "columns[3].max", "1", "columns[4].name", "t",
			   "columns[4].kind", "text", "columns[4].min_length", "2",
			   "columns[4].max_length", "4", "columns[5].name", "u", "columns[5].kind",
			   "uuid", "columns[6].name", "f", "columns[6].kind", "float"),
	      NULL);
	read_all();
	for (size_t k = 0; k < drip_harness_batches_count(h); k++) {
		const struct drip_batch *batch = drip_harness_batch(h, k);

		CHECK_OK(drip_batch_validate(batch, &err), &err);
		for (int64_t row = 0; row < batch->rows; row++) {
			struct drip_value v;
			char text[64];

			drip_value_get(batch, 0, row, &v);
			nulls += v.type == DRIP_TYPE_NONE;
			wrong += v.type != DRIP_TYPE_NONE && (v.i < -5 || v.i > 5);
			drip_value_get(batch, 1, row, &v);
			a += *v.data == 'a';
			drip_value_get(batch, 2, row, &v);
			trues += v.i;
			drip_value_get(batch, 3, row, &v);
			drip_value_format(&v, drip_schema_column(batch->schema, 3), text,
					  sizeof(text));
			wrong += strtod(text, NULL) < -1 || strtod(text, NULL) > 1;
			drip_value_get(batch, 4, row, &v);
			wrong += v.size < 2 || v.size > 4;
			drip_value_get(batch, 5, row, &v);
			wrong += v.size != 36 || v.data[14] != '4';
			drip_value_get(batch, 6, row, &v);
			wrong += v.f < 0 || v.f >= 1000;
		}
	}
	CHECK_EQ_INT(wrong, 0);
	CHECK(nulls > 4700 && nulls < 5300);
	CHECK(a > 14700 && a < 15300);
	CHECK(trues > 17800 && trues < 18200);
	finish();
}

static void refuses(const char *const *options, const char *code, const char *option)
{
	h = drip_harness_create(test_argv[1]);
	CHECK(drip_harness_open(h, DRIP_KIND_SOURCE, "generate", options, &source, &err) < 0);
	CHECK_CONTAINS(drip_harness_findings(h), code);
	CHECK_CONTAINS(drip_harness_findings(h), option);
	drip_harness_destroy(h);
	h = NULL;
}

TEST(refuses_options_that_make_no_sense)
{
	refuses(DRIP_OPTIONS("updates", "0.9", "deletes", "0.09"), "generate.bad_shares",
		"updates");
	refuses(DRIP_OPTIONS("updates", "0.1", "columns[0].name", "a"), "generate.no_key",
		"columns");
	refuses(DRIP_OPTIONS("batch_rows", "1000000", "columns[0].name", "a", "columns[0].kind",
			     "text", "columns[0].max_length", "4096"),
		"generate.batch_too_large", "batch_rows");
	refuses(DRIP_OPTIONS("columns[0].name", "a", "columns[1].name", "b", "columns[1].type",
			     "utf8"),
		"generate.bad_column", "columns[1].type");
	refuses(DRIP_OPTIONS("columns[0].name", "a", "columns[0].kind", "template"),
		"generate.bad_column", "columns[0].template");
	refuses(DRIP_OPTIONS("columns[0].name", "a", "columns[0].kind", "choice"),
		"generate.bad_column", "columns[0].values");
	refuses(DRIP_OPTIONS("columns[0].name", "a", "columns[0].min", "5", "columns[0].max", "4"),
		"generate.bad_column", "columns[0].min");
	refuses(DRIP_OPTIONS("columns[0].name", "a", "columns[0].type", "int8"),
		"generate.bad_column", "columns[0].max");
	refuses(DRIP_OPTIONS("columns[0].name", "a", "columns[0].class", "x"),
		"generate.bad_column", "columns[0].class");
}

TEST(refuses_positions_of_others)
{
	struct drip_position p = drip_test_position(1);

	p.order_size = 3;
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "generate", NULL, &source, &err), &err);
	CHECK(drip_harness_start(source, &p, &err) < 0);
	CHECK_EQ_STR(err.code, "generate.bad_position");
	finish();
}

TEST_MAIN()
