/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the transform `mask`. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY "0123456789abcdef"

static struct drip_harness *h;
static struct drip_instance *stage;
static struct drip_error err;

static void begin(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "mask", options, &stage, &err), &err);
}

static void finish(void)
{
	drip_harness_close(stage);
	drip_harness_destroy(h);
}

static void masks(const char *type, const char *value, const char *const *options,
		  const char *expect)
{
	char columns[80], rows[200], line[400];
	struct drip_schema *s;
	struct drip_batch *whole, *part;

	snprintf(columns, sizeof(columns), "id int32 key, v %s null restricted", type);
	snprintf(rows, sizeof(rows), "i|0|NULL\ni|1|%s\nd|2|NULL\n", value);
	snprintf(line, sizeof(line), "t\ni|1|%s\nd|2|NULL\n", expect);
	s = drip_test_schema("t", columns);
	begin(options);
	whole = drip_test_batch(s, rows);
	CHECK_OK(drip_batch_slice(whole, 1, 2, &part, &err), &err);
	drip_batch_unref(whole);
	CHECK_OK(drip_harness_process(stage, part, &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), line);
	finish();
	drip_schema_unref(s);
}

#define RULE(...) DRIP_OPTIONS("key", KEY, "columns[0].name", "v", __VA_ARGS__)

TEST(hashes_as_hmac_sha_256)
{
	/* printf 'Hi There' | openssl dgst -sha256 -hmac 0123456789abcdef */
	static const char hi[] = "158c003136e2dd83b253c011902a1f6403c7ac22f0292a999a60674cb59e2849";

	masks("utf8", "Hi There", RULE("columns[0].method", "hash"), hi);
	masks("utf8", " Hi There ", RULE("columns[0].normalise", "trim"), hi);
	masks("json", "\"x\"", RULE("columns[0].digits", "16"), "b9e7be4d03bee3e3");
	masks("int64", "-12", RULE("columns[0].digits", "16"), "c5e56a7a1bd3835e");
	masks("utf8", "+1 (604) 555-0100", RULE("columns[0].normalise", "digits"),
	      "b7ec8fc482b9e85dabd1efc441a1f7d16adb57973d130171ffa20bde8d5d6314");
	masks("utf8", "16045550100", RULE("columns[0].normalise", "none"),
	      "b7ec8fc482b9e85dabd1efc441a1f7d16adb57973d130171ffa20bde8d5d6314");
	masks("utf8", " A@B.c", RULE("columns[0].normalise", "lower", "columns[0].digits", "20"),
	      "c8b9adc27ca0fc812e2c");
	masks("utf8", "Hi There", RULE("columns[0].key", "another key of the one"),
	      "1750937aa413b8f06e4ca5374c9259f558319dca9a26c011ebf684ab8ebeee7b");
}

TEST(masks_text)
{
	masks("utf8", "1234567890", RULE("columns[0].method", "partial"), "******7890");
	masks("utf8", "éàüöx",
	      RULE("columns[0].method", "partial", "columns[0].keep_first", "2",
		   "columns[0].keep_last", "1", "columns[0].replacement", "#"),
	      "éà##x");
	masks("utf8", "abcd", RULE("columns[0].method", "partial"), "****");
	masks("utf8", "", RULE("columns[0].method", "partial"), "");
	masks("utf8", "éàüöx", RULE("columns[0].method", "truncate", "columns[0].length", "2"),
	      "éà");
	masks("utf8", "x", RULE("columns[0].method", "truncate"), "x");
	masks("utf8", "secret",
	      RULE("columns[0].method", "redact", "columns[0].replacement", "gone"), "gone");
	masks("json", "{\"a\":1}", RULE("columns[0].method", "redact"), "*");
	masks("decimal(9,2)", "1.50", RULE("columns[0].method", "null"), "NULL");
	masks("bool", "true", RULE("columns[0].method", "null"), "NULL");
}

TEST(truncates_times)
{
	masks("date", "2024-02-29", RULE("columns[0].method", "truncate"), "2024-02-01");
	masks("date", "2024-12-31", RULE("columns[0].method", "truncate"), "2024-12-01");
	masks("date", "2024-02-29",
	      RULE("columns[0].method", "truncate", "columns[0].unit", "year"), "2024-01-01");
	masks("date", "1900-03-01", RULE("columns[0].method", "truncate"), "1900-03-01");
	masks("date", "1899-12-31",
	      RULE("columns[0].method", "truncate", "columns[0].unit", "year"), "1899-01-01");
	masks("timestamp", "1969-12-31T23:59:59",
	      RULE("columns[0].method", "truncate", "columns[0].unit", "hour"),
	      "1969-12-31T23:00:00");
	masks("timestamp_utc", "2000-02-29T13:00:00Z",
	      RULE("columns[0].method", "truncate", "columns[0].unit", "day"),
	      "2000-02-29T00:00:00Z");
	masks("timestamp", "0001-01-31T10:00:00", RULE("columns[0].method", "truncate"),
	      "0001-01-01T00:00:00");
}

/* Every day of 800 years against counting them. */
TEST(finds_the_first_of_each_month)
{
	struct drip_schema *s = drip_test_schema("t", "v date");
	struct drip_builder b;
	struct drip_batch *batch;
	const struct drip_batch *out;
	const int from = -135140, days = 292194; /* 1600-01-01, two cycles of the calendar */
	int64_t wrong = 0, first = from;
	int year = 1600, month = 1, day = 1;

	begin(RULE("columns[0].method", "truncate"));
	REQUIRE_OK(drip_builder_init(&b, s, &err), &err);
	for (int i = 0; i < days; i++) {
		drip_append_i32(&b.columns[0], from + i);
		drip_builder_row(&b, DRIP_OP_READ);
	}
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	drip_builder_finish(&b);
	CHECK_OK(drip_harness_process(stage, batch, &err), &err);
	out = drip_harness_batch(h, 0);
	for (int i = 0; i < days; i++) {
		static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
		bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
		struct drip_value v;

		drip_value_get(out, 0, i, &v);
		wrong += v.i != first;
		if (++day > lengths[month - 1] + (leap && month == 2)) {
			day = 1;
			month = month % 12 + 1;
			year += month == 1;
			first = from + i + 1;
		}
	}
	CHECK_EQ_INT(wrong, 0);
	CHECK_EQ_INT(year, 2400);
	finish();
	drip_schema_unref(s);
}

static enum drip_class class_of(const char *before, const char *const *options)
{
	char columns[80];
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	struct drip_schema *s;
	enum drip_class after = DRIP_CLASS_PUBLIC;

	snprintf(columns, sizeof(columns), "id int32, v utf8 %s", before);
	s = drip_test_schema("t", columns);
	begin(options);
	CHECK_OK(drip_harness_negotiate(stage, s, &n, &err), &err);
	if (n.output != NULL) {
		after = drip_schema_column(n.output, 1)->classification;
		CHECK(drip_schema_column(n.output, 1)->flags & DRIP_COLUMN_MASKED);
		CHECK(!(drip_schema_column(n.output, 0)->flags & DRIP_COLUMN_MASKED));
		REQUIRE(n.edges_count == 2);
		CHECK_EQ_INT(n.edges[0].kind, DRIP_LINEAGE_IDENTITY);
		CHECK_EQ_INT(n.edges[1].kind, DRIP_LINEAGE_MASK);
	}
	drip_harness_negotiated_finish(&n);
	finish();
	drip_schema_unref(s);
	return after;
}

TEST(lowers_classes_and_never_raises_them)
{
	CHECK_EQ_INT(class_of("restricted", RULE("columns[0].method", "hash")),
		     DRIP_CLASS_INTERNAL);
	CHECK_EQ_INT(class_of("restricted", RULE("columns[0].method", "partial")),
		     DRIP_CLASS_CONFIDENTIAL);
	CHECK_EQ_INT(class_of("internal", RULE("columns[0].method", "truncate")),
		     DRIP_CLASS_INTERNAL);
	CHECK_EQ_INT(class_of("restricted",
			      RULE("columns[0].method", "null", "columns[0].class", "public")),
		     DRIP_CLASS_PUBLIC);
	CHECK_EQ_INT(class_of("internal",
			      RULE("columns[0].method", "hash", "columns[0].class", "restricted")),
		     DRIP_CLASS_INTERNAL);
}

TEST(takes_patterns_and_the_first_rule)
{
	struct drip_schema *s = drip_test_schema("t", "home_phone utf8, phone utf8, other utf8");

	begin(DRIP_OPTIONS("columns[0].name", "phone", "columns[0].method", "redact",
			   "columns[1].name", "*PHONE*", "columns[1].method", "null"));
	CHECK_OK(drip_harness_process(stage, drip_test_batch(s, "i|1|2|3\n"), &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|NULL|*|3\n");
	finish();
	drip_schema_unref(s);
}

static void refuses_options(const char *const *options, const char *code, const char *option)
{
	h = drip_harness_create(test_argv[1]);
	CHECK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "mask", options, &stage, &err) < 0);
	CHECK_CONTAINS(drip_harness_findings(h), code);
	CHECK_CONTAINS(drip_harness_findings(h), option);
	drip_harness_destroy(h);
}

static void refuses_table(const char *const *options, const char *code, const char *option)
{
	struct drip_schema *s = drip_test_schema("t", "id int32 key, v int32, w utf8");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	begin(options);
	CHECK(drip_harness_negotiate(stage, s, &n, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	CHECK_EQ_STR(err.option, option);
	finish();
	drip_schema_unref(s);
}

TEST(refuses_masks_that_do_not_hide)
{
	char *longest = calloc(1, 6000);

	REQUIRE_NOT_NULL(longest);
	memset(longest, 'x', 5000);
	refuses_options(DRIP_OPTIONS("columns[0].name", "v"), "mask.weak_key", "columns[0].method");
	refuses_options(DRIP_OPTIONS("columns[0].name", "v", "columns[0].key", "short"),
			"mask.weak_key", "columns[0].key");
	refuses_options(RULE("columns[0].class", "nosuch"), "mask.bad_class", "columns[0].class");
	refuses_options(RULE("columns[0].method", "redact", "columns[0].replacement", longest),
			"mask.bad_replacement", "columns[0].replacement");
	refuses_table(RULE("columns[0].method", "redact"), "mask.bad_type", "columns[0].method");
	refuses_table(DRIP_OPTIONS("columns[0].name", "id", "columns[0].method", "null"),
		      "mask.key", "columns[0].method");
	refuses_table(DRIP_OPTIONS("columns[0].name", "x", "columns[0].method", "null"),
		      "mask.no_column", "columns[0].name");
	free(longest);
}

/* ---- encryption ---- */

#define RING_1 "# keys\n1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
#define RING_2 RING_1 "2 Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA\n"

static const char *write_ring(const char *text, mode_t mode)
{
	static char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/drip-ring.XXXXXX");
	fd = mkstemp(path);
	REQUIRE(fd >= 0);
	REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	REQUIRE(fchmod(fd, mode) == 0);
	close(fd);
	return path;
}

/* What one value becomes; "" with `err`. */
static const char *run_one(const char *ring, const char *method, const char *context,
			   const char *value)
{
	static char out[1024];
	struct drip_schema *s = drip_test_schema("t", "id int32 key, v utf8 null restricted");
	const char *path = write_ring(ring, 0600);
	char rows[1024], *newline;
	int rc;

	snprintf(rows, sizeof(rows), "i|1|%s\n", value);
	begin(DRIP_OPTIONS("keyring", path, "columns[0].name", "v", "columns[0].method", method,
			   "columns[0].context", context));
	err = (struct drip_error)DRIP_ERROR_INIT;
	rc = drip_harness_process(stage, drip_test_batch(s, rows), &err);
	out[0] = '\0';
	if (rc == 0) {
		snprintf(out, sizeof(out), "%s", strrchr(drip_harness_output(h), '|') + 1);
		newline = strchr(out, '\n');
		if (newline != NULL) {
			*newline = '\0';
		}
	}
	finish();
	unlink(path);
	drip_schema_unref(s);
	return out;
}

TEST(encrypts_and_decrypts_through_a_rotation)
{
	char first[1024], second[1024], cut[1024];

	snprintf(first, sizeof(first), "%s", run_one(RING_1, "encrypt", "phone", "+12125550100"));
	CHECK_EQ_INT(strncmp(first, "v1.1.", 5), 0);
	CHECK(strstr(first, "5550100") == NULL);
	snprintf(second, sizeof(second), "%s", run_one(RING_2, "encrypt", "phone", "+12125550100"));
	CHECK_EQ_INT(strncmp(second, "v1.2.", 5), 0);
	CHECK(strcmp(first, run_one(RING_1, "encrypt", "phone", "+12125550100")) != 0);
	CHECK_EQ_STR(run_one(RING_2, "decrypt", "phone", first), "+12125550100");
	CHECK_EQ_STR(run_one(RING_2, "decrypt", "phone", second), "+12125550100");
	CHECK_EQ_STR(run_one(RING_1, "decrypt", "phone", second), "");
	CHECK_EQ_STR(err.code, "mask.cannot_decrypt");
	CHECK_EQ_INT(err.rc, -ENOKEY);
	CHECK_CONTAINS(err.message, "the ring has no key 2");
	CHECK_EQ_STR(run_one(RING_2, "decrypt", "email", first), "");
	CHECK_EQ_INT(err.rc, -EBADMSG);
	first[3] = '2'; /* another key's number is authenticated too */
	CHECK_EQ_STR(run_one(RING_2, "decrypt", "phone", first), "");
	for (size_t i = 0; i < strlen(second); i += 7) {
		snprintf(cut, sizeof(cut), "%.*s", (int)i, second);
		CHECK_EQ_STR(run_one(RING_2, "decrypt", "phone", i == 0 ? "x" : cut), "");
		CHECK_EQ_STR(err.code, "mask.cannot_decrypt");
		snprintf(cut, sizeof(cut), "%s", second);
		cut[i] = cut[i] == 'A' ? 'B' : 'A';
		CHECK_EQ_STR(run_one(RING_2, "decrypt", "phone", cut), "");
	}
	CHECK(strstr(err.message, "2125550100") == NULL);
}

static void check_ring(const char *text, mode_t mode, const char *code)
{
	const char *path = write_ring(text, mode);

	h = drip_harness_create(test_argv[1]);
	err = (struct drip_error)DRIP_ERROR_INIT;
	CHECK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "mask",
				DRIP_OPTIONS("keyring", path, "columns[0].name", "v",
					     "columns[0].method", "encrypt"),
				&stage, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	CHECK(strstr(err.message, "AAEC") == NULL);
	drip_harness_destroy(h);
	unlink(path);
}

TEST(refuses_bad_rings)
{
	check_ring("", 0600, "mask.bad_keyring");
	check_ring("1 AAEC\n", 0600, "mask.bad_keyring");
	check_ring("x AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n", 0600, "mask.bad_keyring");
	check_ring(RING_2 RING_1, 0600, "mask.bad_keyring");
	check_ring(RING_1, 0644, "mask.open_keyring");
	h = drip_harness_create(test_argv[1]);
	CHECK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "mask",
				DRIP_OPTIONS("keyring", "/nonexistent/ring", "columns[0].name", "v",
					     "columns[0].method", "decrypt"),
				&stage, &err) < 0);
	CHECK_EQ_STR(err.code, "mask.no_keyring");
	CHECK(drip_harness_open(
		      h, DRIP_KIND_TRANSFORM, "mask",
		      DRIP_OPTIONS("columns[0].name", "v", "columns[0].method", "decrypt"), &stage,
		      &err) < 0);
	CHECK(strstr(drip_harness_findings(h), "mask.needs_keyring") != NULL ||
	      strcmp(err.code, "mask.needs_keyring") == 0);
	drip_harness_destroy(h);
}

/* Mappings of this process that are locked, and in no core dump: those of keys. */
static int locked_mappings(void)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[512];
	int count = 0;

	REQUIRE(maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		count += strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " lo ") != NULL &&
			 strstr(line, " dd ") != NULL;
	}
	fclose(maps);
	return count;
}

/* The sanitizers' mlock does nothing and says that it did. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LOCKS 0
#elif defined(__has_feature)
#define LOCKS (!__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer))
#else
#define LOCKS 1
#endif

static int open_with_key_file(const char *path, const char *key)
{
	h = drip_harness_create(test_argv[1]);
	err = (struct drip_error)DRIP_ERROR_INIT;
	return drip_harness_open(h, DRIP_KIND_TRANSFORM, "mask",
				 DRIP_OPTIONS("key_file", path, "columns[0].name", "v",
					      "columns[0].normalise", "phone",
					      key != NULL ? "key" : "columns[0].digits",
					      key != NULL ? key : "64"),
				 &stage, &err);
}

TEST(reads_the_key_of_hashes_from_a_file)
{
	/* printf +12125550100 | openssl dgst -sha256 -hmac 0123456789abcdef */
	static const char want[] =
		"|eb0009e3407c6cc7c471d4aa921ec9555128fb4524ea9005aaa5c22c8acb8d87";
	struct drip_schema *s = drip_test_schema("t", "id int32 key, v utf8 null restricted");
	const char *path = write_ring("0123456789abcdef\n", 0600);
	int before = locked_mappings();

	REQUIRE_OK(open_with_key_file(path, NULL), &err);
	CHECK(!LOCKS || locked_mappings() > before);
	REQUIRE_OK(drip_harness_process(stage, drip_test_batch(s, "i|1|212 555 0100\n"), &err),
		   &err);
	CHECK_CONTAINS(drip_harness_output(h), want);
	finish();
	CHECK_EQ_INT(locked_mappings(), before);
	CHECK(open_with_key_file(path, "0123456789abcdef") < 0);
	CHECK(strstr(drip_harness_findings(h), "mask.two_keys") != NULL ||
	      strcmp(err.code, "mask.two_keys") == 0);
	drip_harness_destroy(h);
	unlink(path);
	path = write_ring("short\n", 0600);
	CHECK(open_with_key_file(path, NULL) < 0);
	CHECK_EQ_STR(err.code, "mask.weak_key");
	drip_harness_destroy(h);
	unlink(path);
	drip_schema_unref(s);
}

/* As systemd makes one: its ACL shows as rights of the group. */
TEST(takes_a_credential_of_systemd)
{
	const char *path = write_ring("0123456789abcdef\n", 0440);

	CHECK(open_with_key_file(path, NULL) < 0);
	CHECK_EQ_STR(err.code, "mask.open_keyring");
	drip_harness_destroy(h);
	setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
	REQUIRE_OK(open_with_key_file(path, NULL), &err);
	finish();
	chmod(path, 0444);
	CHECK(open_with_key_file(path, NULL) < 0);
	CHECK_EQ_STR(err.code, "mask.open_keyring");
	drip_harness_destroy(h);
	unsetenv("CREDENTIALS_DIRECTORY");
	unlink(path);
}

/* As a user that may lock nothing: no key is read. */
static int open_unlocked(const char *path)
{
	struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 ||
	    (geteuid() == 0 &&
	     (chown(path, 65534, 65534) != 0 || setresuid(65534, 65534, 65534)))) {
		return 2;
	}
	return open_with_key_file(path, NULL) < 0 && strcmp(err.code, "mask.sodium") == 0 ? 0 : 1;
}

TEST(refuses_memory_that_is_not_locked)
{
	const char *path = write_ring("0123456789abcdef\n", 0600);
	pid_t child = fork();
	int status = 0;

	REQUIRE(child >= 0);
	if (child == 0) {
		_exit(open_unlocked(path));
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK(!LOCKS || status == 0);
	unlink(path);
}

TEST(hashes_phone_numbers_as_e_164)
{
	static const char *const same[] = {
		"+12125550100",        "(212) 555-0100", "212.555.0100",      "1 212 555 0100",
		"+1-212-555-0100 x12", "0012125550100",  "011 1 212 555 0100"};
	/* printf +12125550100 | openssl dgst -sha256 -hmac 0123456789abcdef */
	static const char want[] =
		"eb0009e3407c6cc7c471d4aa921ec9555128fb4524ea9005aaa5c22c8acb8d87";

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		masks("utf8", same[i],
		      RULE("columns[0].method", "hash", "columns[0].normalise", "phone"), want);
	}
}

TEST_MAIN()
