/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of test_mysql.c: random tables, rows and statements. What a sink makes of the stream must be
 * what a snapshot reads. DRIPLINE_TEST_ROUNDS: how many tables (4); DRIPLINE_TEST_SEED: of the
 * first one (1); each round has its own seed, which is printed where it fails.
 */
#include "test_support.h"

/* ---- a sink that keeps rows by key, and follows schemas ---- */

#define RANDOM_ROWS 400

struct copy {
	struct drip_schema *schema;
	char **rows[RANDOM_ROWS]; /* texts of the columns */
	size_t count;
};

static void row_free(char **row, uint32_t columns)
{
	for (uint32_t i = 0; i < columns; i++) {
		free(row[i]);
	}
	free(row);
}

static void copy_clear(struct copy *c)
{
	while (c->count > 0) {
		row_free(c->rows[--c->count], c->schema->columns_count);
	}
}

static void copy_finish(struct copy *c)
{
	copy_clear(c);
	drip_schema_unref(c->schema);
	c->schema = NULL;
}

static char *cell_text(const struct drip_batch *b, uint32_t column, int64_t row)
{
	const struct drip_column *c = drip_schema_column(b->schema, column);
	struct drip_value v;
	char *text;
	int n;

	drip_value_get(b, column, row, &v);
	if (v.type == DRIP_TYPE_NONE) {
		return strdup("(null)");
	}
	n = drip_value_format(&v, c, NULL, 0);
	text = malloc((size_t)n + 1);
	drip_value_format(&v, c, text, (size_t)n + 1);
	return text;
}

/* (gives) what `text` is as a value of `to`: a wider type may be written in another way. */
static char *as_type(const char *text, const struct drip_column *to)
{
	struct drip_schema_builder sb;
	struct drip_schema *s = NULL;
	struct drip_builder b = {0};
	struct drip_batch *batch = NULL;
	char *result = NULL;

	if (strcmp(text, "(null)") == 0) {
		return strdup(text);
	}
	drip_schema_builder_init(&sb, "", "");
	drip_schema_builder_add(&sb, to);
	if (drip_schema_builder_build(&sb, &s, NULL) == 0 && drip_builder_init(&b, s, NULL) == 0 &&
	    drip_append_text(&b.columns[0], to, text, (int64_t)strlen(text), NULL) == 0) {
		drip_builder_row(&b, DRIP_OP_READ);
		if (drip_builder_build(&b, &batch, NULL) == 0) {
			result = cell_text(batch, 0, 0);
			drip_batch_unref(batch);
		}
	}
	drip_builder_finish(&b);
	drip_schema_unref(s);
	return result != NULL ? result : strdup(text);
}

static void copy_migrate(struct copy *c, const struct drip_schema *to)
{
	for (size_t r = 0; r < c->count; r++) {
		char **row = calloc(to->columns_count, sizeof(*row));

		for (uint32_t i = 0; i < to->columns_count; i++) {
			const struct drip_column *n = drip_schema_column(to, i);
			int was = drip_schema_find(
				c->schema, n->renamed_from != NULL ? n->renamed_from : n->name);

			row[i] = was >= 0 ? as_type(c->rows[r][was], n)
					  : strdup(n->fill != NULL ? n->fill : "(null)");
		}
		row_free(c->rows[r], c->schema->columns_count);
		c->rows[r] = row;
	}
	drip_schema_unref(c->schema);
	c->schema = drip_schema_ref(to);
}

static bool same_key(const struct drip_schema *s, char **a, char **b)
{
	for (uint32_t i = 0; i < s->columns_count; i++) {
		if ((drip_schema_column(s, i)->flags & DRIP_COLUMN_KEY) != 0 &&
		    strcmp(a[i], b[i]) != 0) {
			return false;
		}
	}
	return true;
}

static void copy_row(struct copy *c, const struct drip_batch *b, int64_t row)
{
	uint32_t columns = b->schema->columns_count;
	char **texts = calloc(columns, sizeof(*texts));

	for (uint32_t i = 0; i < columns; i++) {
		texts[i] = cell_text(b, i, row);
	}
	for (size_t r = c->count; r-- > 0;) {
		if (same_key(c->schema, c->rows[r], texts)) {
			row_free(c->rows[r], columns);
			c->rows[r] = c->rows[--c->count];
		}
	}
	if (drip_batch_op(b, row) != DRIP_OP_DELETE && c->count < RANDOM_ROWS) {
		c->rows[c->count++] = texts;
	} else {
		row_free(texts, columns);
	}
}

static int copy_emit(const struct drip_batch *b, struct drip_error *err, void *data)
{
	struct copy *c = data;

	if (b->schema == NULL) {
		return 0;
	}
	if (c->schema == NULL) {
		c->schema = drip_schema_ref(b->schema);
	} else if (c->schema->version != b->schema->version) {
		copy_migrate(c, b->schema);
	}
	if (b->kind == DRIP_BATCH_TRUNCATE || b->kind == DRIP_BATCH_DROP) {
		copy_clear(c);
	}
	for (int64_t row = 0; b->kind == DRIP_BATCH_ROWS && row < b->rows; row++) {
		copy_row(c, b, row);
	}
	return 0;
}

/* ---- random statements ---- */

static uint64_t any_state;

static uint32_t any(uint32_t below)
{
	any_state ^= any_state << 13;
	any_state ^= any_state >> 7;
	any_state ^= any_state << 17;
	return (uint32_t)(any_state >> 20) % below;
}

/* A type and literals of values that may or may not fit. */
static const struct random_type {
	const char *type;
	const char *values[8];
} random_types[] = {
	{"TINYINT", {"-128", "127", "0", "1"}},
	{"TINYINT UNSIGNED", {"255", "0", "128"}},
	{"SMALLINT", {"-32768", "32767", "7"}},
	{"SMALLINT UNSIGNED ZEROFILL", {"65535", "0", "12"}},
	{"MEDIUMINT", {"-8388608", "8388607", "-1"}},
	{"MEDIUMINT UNSIGNED", {"16777215", "8388608", "0"}},
	{"INT", {"-2147483648", "2147483647", "5"}},
	{"INT UNSIGNED", {"4294967295", "2147483648", "0"}},
	{"BIGINT", {"-9223372036854775808", "9223372036854775807", "-1"}},
	{"BIGINT UNSIGNED", {"18446744073709551615", "9223372036854775808", "0"}},
	{"DECIMAL(65,30)", {"99999999999999999999999999999999999.999", "-1e-30", "0"}},
	{"DECIMAL(38,0)", {"99999999999999999999999999999999999999", "-1", "0"}},
	{"DECIMAL(12,4)", {"-0.0001", "99999999.9999", "1.5"}},
	{"DECIMAL(7,7) UNSIGNED", {"0.9999999", "0.0000001", "0"}},
	{"FLOAT", {"-1.5e-5", "3.4e38", "0.1", "-0.0"}},
	{"FLOAT(7,2)", {"12345.678", "-0.005"}},
	{"DOUBLE", {"1e300", "-2.2250738585072014e-308", "0.1", "123456789.123456789"}},
	{"BIT(1)", {"0", "1"}},
	{"BIT(17)", {"0", "131071", "65536"}},
	{"BIT(64)", {"18446744073709551615", "1"}},
	{"YEAR", {"0", "1901", "2155", "2024"}},
	{"DATE", {"'0000-00-00'", "'2024-02-31'", "'9999-12-31'", "'0001-01-01'", "'2024-00-05'"}},
	{"TIME", {"'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"}},
	{"TIME(1)", {"'-838:59:59.9'", "'-00:00:00.1'", "'12:34:56.7'"}},
	{"TIME(4)", {"'-00:00:00.0001'", "'-100:00:00.9999'", "'01:02:03.4567'"}},
	{"TIME(6)", {"'-838:59:59.999999'", "'-00:00:00.000001'", "'12:00:00.5'"}},
	{"DATETIME", {"'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'", "'2024-00-15 01:02:03'"}},
	{"DATETIME(2)", {"'1000-01-01 00:00:00.01'", "'9999-12-31 23:59:59.99'"}},
	{"DATETIME(5)", {"'0001-01-01 00:00:00.00001'", "'2024-02-29 23:59:59.99999'"}},
	{"DATETIME(6)", {"'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'"}},
	{"TIMESTAMP NULL",
	 {"'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"}},
	{"TIMESTAMP(3) NULL", {"'2038-01-19 03:14:07.999'", "'2024-03-31 02:30:00.001'"}},
	{"TIMESTAMP(6) NULL", {"'1970-01-01 00:00:00.000001'", "'2001-09-09 01:46:40'"}},
	{"CHAR(10) CHARACTER SET latin1", {"'\xc3\xa9 '", "x'80818d8f909d'", "' a'", "''"}},
	{"CHAR(10) CHARACTER SET utf8mb4", {"'\xf0\x9f\x98\x80  '", "''", "'abc'"}},
	{"VARCHAR(30) CHARACTER SET cp1251", {"'\xd0\xb6\xd1\x8f'", "x'98a0ff'", "'x  '"}},
	{"VARCHAR(30) CHARACTER SET utf8mb3",
	 {"'\xe2\x82\xac'", "'\xf0\x9f\x98\x80'", "x'61ff62'"}},
	{"VARCHAR(300) CHARACTER SET utf8mb4", {"REPEAT('\xc3\xa9', 300)", "x'f09f98'", "'|'"}},
	{"VARCHAR(20) CHARACTER SET ucs2", {"'\xd0\xb6'", "'abc'", "''"}},
	{"TINYTEXT CHARACTER SET latin1", {"x'a4e9'", "'t'"}},
	{"TEXT CHARACTER SET utf8mb4", {"REPEAT('long ', 900)", "'line\\n\\ttab'", "''"}},
	{"LONGTEXT CHARACTER SET koi8r", {"'\xd1\x91'", "x'a3b3'"}},
	{"BINARY(6)", {"x'000000'", "x'610000000000'", "'ab '", "x'ffffffffffff'"}},
	{"VARBINARY(20)", {"x'00ff00'", "''", "'ab  '"}},
	{"BLOB", {"x'0001fe'", "REPEAT(x'ff', 3000)", "''"}},
	{"ENUM('a','b','\xc3\xa9')", {"'a'", "'\xc3\xa9'", "'nothing'", "3"}},
	{"ENUM('b','new','a','\xc3\xa9')", {"'b'", "'new'"}},
	{"SET('x','y','z')", {"'z,x'", "''", "'x,y,z'", "5"}},
	{"SET('z','y','x','w')", {"'w,z'", "'x'"}},
	{"JSON", {"'{\"a\": [1, null]}'", "'[]'", "'\"\xf0\x9f\x98\x80\"'"}},
	{"UUID", {"UUID()", "'ffffffff-ffff-ffff-ffff-fffffffffff0'"}},
	{"INET4", {"'1.2.3.0'", "'255.255.255.255'", "'0.0.0.0'"}},
	{"INET6", {"'::'", "'1::'", "'::ffff:192.0.2.128'", "'2001:db8::ff00:42:8329'"}},
	{"GEOMETRY", {"POINT(1, 2)", "ST_GeomFromText('LINESTRING(0 0, 1 1, 2 5)', 4326)"}},
	{"POINT", {"POINT(-0.5, 1e10)"}},
	{"VARCHAR(200) COMPRESSED", {"REPEAT('z', 190)", "'short'", "''"}},
	{"BLOB COMPRESSED", {"REPEAT('z', 9000)", "x'00'"}},
};

/* Columns c0, c1, ... with the type of each; -1: not there. */
#define RANDOM_COLUMNS 24

static struct {
	int types[RANDOM_COLUMNS];
	int count;
	char *log; /* statements, for who looks for the cause */
	size_t log_size, log_capacity;
} shape;

static void random_note(const char *text)
{
	size_t size = strlen(text);

	if (shape.log_size + size + 3 > shape.log_capacity) {
		shape.log_capacity = (shape.log_size + size + 3) * 2;
		shape.log = realloc(shape.log, shape.log_capacity);
	}
	shape.log_size += (size_t)snprintf(shape.log + shape.log_size, size + 3, "%s;\n", text);
}

/* Runs a statement; one that the server refuses is left out. */
static bool attempt(const char *text)
{
	if (mysql_query(admin, text) != 0) {
		return false;
	}
	random_note(text);
	return true;
}

static int any_column(void)
{
	for (int tries = 0; tries < 50 && shape.count > 0; tries++) {
		int c = (int)any((uint32_t)shape.count);

		if (shape.types[c] >= 0) {
			return c;
		}
	}
	return -1;
}

static const char *any_value(int type)
{
	const struct random_type *t = &random_types[type];
	uint32_t count = 0;

	while (count < DRIP_COUNT(t->values) && t->values[count] != NULL) {
		count++;
	}
	return any(6) == 0 ? "NULL" : t->values[any(count)];
}

static void create_random(void)
{
	static const char *const keys[] = {"id INT", "id BIGINT UNSIGNED", "id VARBINARY(8)",
					   "id CHAR(12) CHARACTER SET latin1", "id DECIMAL(20,0)"};
	char text[8192];
	size_t n = (size_t)snprintf(text, sizeof(text), "CREATE TABLE t.r (%s", keys[any(5)]);

	shape.count = 2 + (int)any(8);
	for (int i = 0; i < shape.count; i++) {
		shape.types[i] = (int)any(DRIP_COUNT(random_types));
		n += (size_t)snprintf(text + n, sizeof(text) - n, ", c%d %s%s", i,
				      random_types[shape.types[i]].type,
				      any(8) == 0 ? " INVISIBLE" : "");
	}
	snprintf(text + n, sizeof(text) - n, ", PRIMARY KEY (id))%s",
		 any(6) == 0 ? " WITH SYSTEM VERSIONING" : "");
	if (!attempt(text)) {
		printf("# %s: %s\n", mysql_error(admin), text);
		CHECK(false);
	}
}

static void random_insert(void)
{
	char text[8192];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s INTO t.r SET id = %u",
				    any(2) == 0 ? "REPLACE" : "INSERT IGNORE", any(40));

	for (int i = 0; i < shape.count; i++) {
		if (shape.types[i] >= 0 && any(5) != 0) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, ", c%d = %s", i,
					      any_value(shape.types[i]));
		}
	}
	attempt(text);
}

static void random_alter(void)
{
	int c = any_column(), type = (int)any(DRIP_COUNT(random_types));
	const char *t = random_types[type].type;
	char text[1024];

	switch (any(7)) {
	case 0:
	case 1:
		if (shape.count == RANDOM_COLUMNS) {
			return;
		}
		snprintf(text, sizeof(text), "ALTER TABLE t.r ADD c%d %s%s%s%s", shape.count, t,
			 any(3) == 0 ? " NOT NULL" : "", any(3) == 0 ? " INVISIBLE" : "",
			 any(2) == 0 ? " FIRST" : "");
		if (attempt(text)) {
			shape.types[shape.count++] = type;
		}
		return;
	case 2:
		snprintf(text, sizeof(text), "ALTER TABLE t.r DROP c%d", c);
		if (c >= 0 && attempt(text)) {
			shape.types[c] = -1;
		}
		return;
	case 3:
		if (c < 0 || shape.count == RANDOM_COLUMNS) {
			return;
		}
		snprintf(text, sizeof(text), "ALTER TABLE t.r CHANGE c%d c%d %s AFTER id", c,
			 shape.count, random_types[shape.types[c]].type);
		if (attempt(text)) {
			shape.types[shape.count++] = shape.types[c];
			shape.types[c] = -1;
		}
		return;
	case 4:
		attempt("ALTER TABLE t.r FORCE");
		return;
	default:
		snprintf(text, sizeof(text), "ALTER %sTABLE t.r MODIFY c%d %s%s",
			 any(4) == 0 ? "IGNORE " : "", c, t, any(6) == 0 ? " NOT NULL" : "");
		if (c >= 0 && attempt(text)) {
			shape.types[c] = type;
		}
		return;
	}
}

static void random_step(void)
{
	static const char *const others[] = {"BEGIN",
					     "COMMIT",
					     "ROLLBACK",
					     "SET sql_mode = ''",
					     "SET sql_mode = 'STRICT_ALL_TABLES'",
					     "SET sql_mode = 'NO_ZERO_DATE'",
					     "SET time_zone = '+05:30'",
					     "SET time_zone = '-11:00'"};
	int c = any_column();
	char text[8192];

	switch (any(12)) {
	case 0:
	case 1:
		random_alter();
		return;
	case 2:
		attempt(others[any(DRIP_COUNT(others))]);
		return;
	case 3:
		snprintf(text, sizeof(text), "DELETE FROM t.r WHERE id = %u", any(40));
		break;
	case 4:
		snprintf(text, sizeof(text), "UPDATE IGNORE t.r SET id = %u WHERE id = %u", any(40),
			 any(40));
		break;
	case 5:
		snprintf(text, sizeof(text),
			 any(8) == 0 ? "TRUNCATE t.r" : "DELETE FROM t.r LIMIT 2");
		break;
	case 6:
	case 7:
		if (c < 0) {
			return;
		}
		snprintf(text, sizeof(text), "UPDATE IGNORE t.r SET c%d = %s WHERE id < %u", c,
			 any_value(shape.types[c]), any(40));
		break;
	default:
		random_insert();
		return;
	}
	attempt(text);
}

/* ---- the comparison ---- */

static void compare_copies(const struct copy *a, const struct copy *b, uint64_t seed)
{
	bool same = a->count == b->count &&
		    (a->count == 0 || a->schema->columns_count == b->schema->columns_count);
	char where[512] = "";

	if (!same) {
		snprintf(where, sizeof(where), "%zu and %zu rows", a->count, b->count);
	}
	for (size_t r = 0; r < a->count && same; r++) {
		size_t k = 0;

		while (k < b->count && !same_key(b->schema, a->rows[r], b->rows[k])) {
			k++;
		}
		same = k < b->count;
		if (!same) {
			snprintf(where, sizeof(where), "no row %.40s", a->rows[r][0]);
		}
		for (uint32_t i = 0; same && i < b->schema->columns_count; i++) {
			same = strcmp(a->rows[r][i], b->rows[k][i]) == 0;
			if (!same) {
				const struct drip_column *c = drip_schema_column(b->schema, i);

				snprintf(where, sizeof(where), "%s %.60s: %.100s and %.100s",
					 c->name, c->source_type, a->rows[r][i], b->rows[k][i]);
			}
		}
	}
	if (!same) {
		printf("# seed %llu: %s\n", (unsigned long long)seed, where);
		for (char *line = shape.log, *end; *line != '\0'; line = end + 1) {
			end = strchr(line, '\n');
			printf("#   %.*s\n", (int)(end - line), line);
		}
	}
	CHECK(same);
}

static void random_round(uint64_t seed, int steps)
{
	struct copy followed = {0}, read = {0};
	struct drip_harness *h = harness(), *g = harness();
	struct drip_instance *i;

	any_state = seed * 0x9e3779b97f4a7c15u + 1;
	any(2);
	any(2);
	memset(&shape, 0, sizeof(shape));
	sql("SET NAMES utf8mb4; SET sql_mode = ''; SET time_zone = '+00:00'; DROP DATABASE IF "
	    "EXISTS t; CREATE DATABASE t; USE t; SET system_versioning_alter_history = KEEP");
	create_random();
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.r"));
	drip_harness_set_on_emit(h, copy_emit, &followed);
	for (int n = 0; n < 10; n++) {
		random_insert();
	}
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	for (int n = 0; n < steps; n++) {
		random_step();
		if (any(6) == 0) {
			attempt("COMMIT");
			run(i, DRIP_POLL_CAUGHT_UP);
		}
	}
	sql("COMMIT; SET sql_mode = ''; SET time_zone = '+00:00'");
	run(i, DRIP_POLL_CAUGHT_UP);
	drip_harness_close(i);
	i = open_source(g, DRIP_OPTIONS("connection", "db", "tables", "t.r", "mode", "snapshot"));
	drip_harness_set_on_emit(g, copy_emit, &read);
	start(i, NULL);
	run(i, DRIP_POLL_END);
	drip_harness_close(i);
	compare_copies(&followed, &read, seed);
	copy_finish(&followed);
	copy_finish(&read);
	drip_harness_destroy(h);
	drip_harness_destroy(g);
	free(shape.log);
}

TEST(random_tables_are_followed)
{
	const char *rounds = getenv("DRIPLINE_TEST_ROUNDS"), *seed = getenv("DRIPLINE_TEST_SEED");
	uint64_t first = seed != NULL ? strtoull(seed, NULL, 10) : 1;
	uint64_t count = rounds != NULL ? strtoull(rounds, NULL, 10) : 4;

	for (uint64_t n = first; n < first + count && test_failures_ == 0; n++) {
		random_round(n, 60);
	}
}
