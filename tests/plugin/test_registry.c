/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry finds, refuses and says; each kind of broken plugin is a real .so. */
#include "lib/test.h"

#include "plugin/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[PATH_MAX]; /* of the test under way */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/dripline-registry-XXXXXX");
	REQUIRE_NOT_NULL(mkdtemp(dir));
}

static void end(void)
{
	nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Copies the variant of the sample plugin into the test's folder, under the name. */
static void install(const char *variant, const char *name)
{
	char from[PATH_MAX], to[PATH_MAX], buf[65536];
	int in, out;
	ssize_t n;

	snprintf(from, sizeof(from), "%s/sample-%s.so", test_argv[1], variant);
	snprintf(to, sizeof(to), "%.3000s/%s", dir, name);
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	REQUIRE(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		REQUIRE_EQ_INT(write(out, buf, (size_t)n), n);
	}
	close(in);
	close(out);
}

static struct drip_registry *open_registry(const char *cache, bool read_only)
{
	const char *dirs[] = {dir};
	const struct drip_registry_options options = {
		.dirs = dirs,
		.dirs_count = 1,
		.cache_path = cache,
		.cache_read_only = read_only,
		.probe_timeout_ms = 300,
		.only_dirs = true,
	};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_registry *r = NULL;

	REQUIRE_OK(drip_registry_create(&options, &r, &err), &err);
	return r;
}

TEST(finds_and_loads)
{
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_component *c = NULL;
	const struct drip_plugin_info *info;
	struct drip_registry *r;

	begin();
	install("good", "drip-sample.so");
	install("other", "not-a-plugin.so");
	r = open_registry(NULL, false);
	CHECK_EQ_UINT(drip_registry_count(r), 1);
	info = drip_registry_at(r, 0);
	REQUIRE_OK(info->refusal.rc, &info->refusal);
	CHECK_EQ_STR(info->name, "sample");
	CHECK_EQ_STR(info->components[0], "sink/sample");
	CHECK_NULL(info->components[1]);
	CHECK_NULL(info->plugin);
	REQUIRE_OK(drip_registry_find(r, DRIP_KIND_SINK, "sample", &c, &err), &err);
	CHECK_EQ_STR(c->summary, "A sink for tests");
	CHECK_NOT_NULL(info->plugin);
	CHECK_EQ_INT(drip_registry_find(r, DRIP_KIND_SINK, "sampel", &c, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "plugin.unknown_component");
	CHECK_EQ_STR(err.hint, "Did you mean \"sample\"?");
	CHECK_EQ_INT(drip_registry_find(r, DRIP_KIND_SOURCE, "sample", &c, &err), -ENOENT);
	CHECK_EQ_STR(err.hint, "sample exists as sink, not as source.");
	drip_registry_destroy(r);
	end();
}

static const struct {
	const char *variant, *code;
	const char *parts[3]; /* of the message */
} refusals[] = {
	{"abi", "plugin.abi_mismatch", {"abi_major", "ABI 9.0", "ABI 1.1"}},
	{"host", "plugin.host_too_old", {"host_minor_min", "ABI 1.77", "ABI 1.1"}},
	{"small", "plugin.abi_mismatch", {"struct_size is 12", "ABI 1.1"}},
	{"noentry", "plugin.missing_entry", {"drip_plugin_entry_v1"}},
	{"entry2", "plugin.abi_mismatch", {"drip_plugin_entry_v2", "ABI 2", "ABI 1.1"}},
	{"null", "plugin.invalid_descriptor", {"returned NULL"}},
	{"abort", "plugin.crashed", {"SIGABRT"}},
	{"exit", "plugin.exited", {"status 7"}},
	{"hang", "plugin.hung", {"300 ms"}},
	{"missing", "plugin.load_failed", {"libdripline_test_missing.so"}},
	{"default", "plugin.invalid_descriptor", {"sink/sample.limit", "\"many\""}},
	{"reserved", "plugin.invalid_descriptor", {"sink/sample.retry", "reserves"}},
	{"badname", "plugin.invalid_descriptor", {"components[0]", "name"}},
	{"noop", "plugin.invalid_descriptor", {"sink/sample", "lacks commit"}},
	{"rule", "plugin.invalid_descriptor", {"sink/sample", "paths"}},
};

TEST(refuses_with_the_reason)
{
	for (size_t i = 0; i < DRIP_COUNT(refusals); i++) {
		struct drip_error err = DRIP_ERROR_INIT;
		const struct drip_component *c = NULL;
		const struct drip_error *refusal;
		struct drip_registry *r;

		begin();
		install(refusals[i].variant, "drip-sample.so");
		r = open_registry(NULL, false);
		REQUIRE_EQ_INT(drip_registry_count(r), 1);
		refusal = &drip_registry_at(r, 0)->refusal;
		CHECK_NE_INT(refusal->rc, 0);
		CHECK_EQ_STR(refusal->code, refusals[i].code);
		CHECK_CONTAINS(refusal->message, dir);
		CHECK_CONTAINS(refusal->message, "drip-sample.so: ");
		for (int j = 0; j < 3 && refusals[i].parts[j] != NULL; j++) {
			CHECK_CONTAINS(refusal->message, refusals[i].parts[j]);
		}
		CHECK(refusal->hint[0] != '\0' || strcmp(refusals[i].variant, "null") == 0);
		/* Who asks for the component is told why it is not there. */
		CHECK_EQ_INT(drip_registry_find(r, DRIP_KIND_SINK, "sample", &c, &err),
			     refusal->rc);
		CHECK_EQ_STR(err.code, refusals[i].code);
		drip_registry_load_all(r);
		CHECK_NULL(drip_registry_at(r, 0)->plugin);
		drip_registry_destroy(r);
		end();
	}
}

TEST(refuses_what_everybody_may_write)
{
	char path[PATH_MAX];
	struct drip_registry *r;

	begin();
	install("good", "drip-sample.so");
	snprintf(path, sizeof(path), "%.3000s/drip-sample.so", dir);
	REQUIRE_EQ_INT(chmod(path, 0777), 0);
	r = open_registry(NULL, false);
	CHECK_EQ_STR(drip_registry_at(r, 0)->refusal.code, "plugin.world_writable");
	drip_registry_destroy(r);
	REQUIRE_EQ_INT(chmod(path, 0755), 0);
	REQUIRE_EQ_INT(chmod(dir, 0777), 0);
	r = open_registry(NULL, false);
	CHECK_EQ_STR(drip_registry_at(r, 0)->refusal.code, "plugin.world_writable");
	CHECK_CONTAINS(drip_registry_at(r, 0)->refusal.message, "folder");
	drip_registry_destroy(r);
	REQUIRE_EQ_INT(chmod(dir, 0755), 0);
	r = open_registry(NULL, false);
	CHECK_EQ_INT(drip_registry_at(r, 0)->refusal.rc, 0);
	drip_registry_destroy(r);
	end();
}

TEST(refuses_a_second_component_of_one_name)
{
	const struct drip_component *c = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_registry *r;

	begin();
	install("good", "drip-a.so");
	install("good", "drip-b.so");
	install("other", "drip-c.so");
	r = open_registry(NULL, false);
	CHECK_EQ_UINT(drip_registry_count(r), 3);
	CHECK_EQ_INT(drip_registry_at(r, 0)->refusal.rc, 0);
	CHECK_EQ_STR(drip_registry_at(r, 1)->refusal.code, "plugin.duplicate_component");
	CHECK_CONTAINS(drip_registry_at(r, 1)->refusal.message, "drip-b.so: component sink/sample");
	CHECK_CONTAINS(drip_registry_at(r, 1)->refusal.message, "drip-a.so");
	CHECK_EQ_INT(drip_registry_at(r, 2)->refusal.rc, 0);
	CHECK_OK(drip_registry_find(r, DRIP_KIND_SINK, "sample", &c, &err), &err);
	CHECK_OK(drip_registry_find(r, DRIP_KIND_SINK, "other", &c, &err), &err);
	drip_registry_destroy(r);
	end();
}

TEST(crashing_plugin_leaves_the_others)
{
	const struct drip_component *c = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_registry *r;

	begin();
	install("abort", "drip-a.so");
	install("other", "drip-b.so");
	r = open_registry(NULL, false);
	CHECK_EQ_STR(drip_registry_at(r, 0)->refusal.code, "plugin.crashed");
	CHECK_OK(drip_registry_find(r, DRIP_KIND_SINK, "other", &c, &err), &err);
	drip_registry_destroy(r);
	end();
}

static char *read_cache(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *file = fopen(path, "re");

	REQUIRE_NOT_NULL(text);
	if (file != NULL) {
		size_t n = fread(text, 1, 65535, file);

		text[n] = '\0';
		fclose(file);
	}
	return text;
}

/* A cached plugin is not probed: shown with one that would hang the probe if it were. */
TEST(cache_spares_the_probe)
{
	char cache[PATH_MAX], path[PATH_MAX];
	const struct drip_component *c = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct timespec times[2];
	struct drip_registry *r;
	struct stat before;
	char *text;

	begin();
	snprintf(cache, sizeof(cache), "%.3000s/cache", dir);
	snprintf(path, sizeof(path), "%.3000s/drip-sample.so", dir);
	install("good", "drip-sample.so");
	r = open_registry(cache, true);
	CHECK_EQ_INT(access(cache, F_OK), -1); /* read-only: nothing is written */
	drip_registry_destroy(r);
	r = open_registry(cache, false);
	drip_registry_destroy(r);
	text = read_cache(cache);
	CHECK_CONTAINS(text, "drip-sample.so\t");
	CHECK_CONTAINS(text, "\tsample\tsink/sample\n");
	free(text);

	/* Same inode, size and time, but a cache that says otherwise: the cache is believed. */
	text = read_cache(cache);
	memcpy(strstr(text, "sink/sample"), "sink/cached", 11);
	FILE *file = fopen(cache, "we");
	REQUIRE_NOT_NULL(file);
	fputs(text, file);
	fclose(file);
	free(text);
	r = open_registry(cache, false);
	CHECK_EQ_STR(drip_registry_at(r, 0)->components[0], "sink/cached");
	CHECK_EQ_INT(drip_registry_find(r, DRIP_KIND_SINK, "cached", &c, &err), -ESTALE);
	CHECK_EQ_STR(err.code, "plugin.changed");
	drip_registry_destroy(r);

	/* A touched file is probed again. */
	REQUIRE_EQ_INT(stat(path, &before), 0);
	times[0] = times[1] = before.st_mtim;
	times[1].tv_sec += 1;
	REQUIRE_EQ_INT(utimensat(AT_FDCWD, path, times, 0), 0);
	r = open_registry(cache, false);
	CHECK_EQ_STR(drip_registry_at(r, 0)->components[0], "sink/sample");
	CHECK_OK(drip_registry_find(r, DRIP_KIND_SINK, "sample", &c, &err), &err);
	drip_registry_destroy(r);
	end();
}

TEST(broken_cache_is_ignored)
{
	static const char *const texts[] = {"", "x", "dripline-plugins-1 0.0.0\n", "\n\n\t\t\n"};
	char cache[PATH_MAX];

	begin();
	snprintf(cache, sizeof(cache), "%.3000s/cache", dir);
	install("good", "drip-sample.so");
	for (size_t i = 0; i < DRIP_COUNT(texts); i++) {
		FILE *file = fopen(cache, "we");
		struct drip_registry *r;

		REQUIRE_NOT_NULL(file);
		fputs(texts[i], file);
		fclose(file);
		r = open_registry(cache, false);
		CHECK_EQ_STR(drip_registry_at(r, 0)->name, "sample");
		drip_registry_destroy(r);
	}
	end();
}

TEST(environment_and_order_of_folders)
{
	const char *dirs[] = {"/nonexistent"};
	struct drip_registry_options options = {.dirs = dirs, .dirs_count = 1};
	char list[PATH_MAX * 3];
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_component *c = NULL;
	struct drip_registry *r = NULL;

	begin();
	install("other", "drip-other.so");
	snprintf(list, sizeof(list), "/nonexistent2:%s:%s", dir, dir);
	REQUIRE_EQ_INT(setenv("DRIPLINE_PLUGIN_PATH", list, 1), 0);
	CHECK_EQ_INT(drip_registry_create(&options, &r, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "plugin.no_folder");
	CHECK(strstr(err.message, "/nonexistent:") != NULL);
	options.dirs_count = 0;
	REQUIRE_OK(drip_registry_create(&options, &r, &err), &err);
	unsetenv("DRIPLINE_PLUGIN_PATH");
	CHECK_OK(drip_registry_find(r, DRIP_KIND_SINK, "other", &c, &err), &err);
	drip_registry_destroy(r);
	end();
}

/* One descriptor is left: the folder can be read, the pipe to the child cannot be made. */
TEST(says_where_it_could_not_probe)
{
	struct rlimit before, low;
	struct drip_registry *r;
	int next;

	begin();
	install("good", "drip-sample.so");
	next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	REQUIRE(next >= 0);
	close(next);
	REQUIRE_EQ_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)next + 1;
	REQUIRE_EQ_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
	r = open_registry(NULL, false);
	REQUIRE_EQ_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
	CHECK_EQ_STR(drip_registry_at(r, 0)->refusal.code, "plugin.probe_failed");
	CHECK(drip_registry_at(r, 0)->refusal.retryable);
	drip_registry_destroy(r);
	end();
}

TEST(names_of_kinds)
{
	enum drip_kind kind = DRIP_KIND_SOURCE;

	for (int i = DRIP_KIND_SOURCE; i <= DRIP_KIND_SERVICE; i++) {
		CHECK_EQ_INT(drip_kind_parse(drip_kind_name((enum drip_kind)i), &kind), 0);
		CHECK_EQ_INT(kind, i);
	}
	CHECK_EQ_INT(drip_kind_parse("pipe", &kind), -EINVAL);
	CHECK_EQ_STR(drip_kind_name((enum drip_kind)99), "unknown");
}

TEST_MAIN()
