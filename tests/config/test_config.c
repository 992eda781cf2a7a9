/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration inside one process: trees, hashes, places, suggestions, findings, the bound model,
 * and every allocation failing once. Arguments: the folder of the test's plugin, the folder of the
 * cases.
 */
#include "base/alloc.h"
#include "base/json.h"
#include "config/bind.h"
#include "engine/graph.h"
#include "lib/test.h"

#include <dirent.h>
#include <dripline/suggest.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- trees ---- */

struct tree {
	struct drip_arena arena;
	struct drip_findings findings;
	struct drip_node *root;
	int rc;
};

static void tree_init(struct tree *t, const char *text)
{
	drip_arena_init(&t->arena);
	drip_findings_init(&t->findings);
	t->rc = drip_yaml_parse(&t->arena, "t.yaml", text, strlen(text), &t->findings, &t->root);
}

static void tree_finish(struct tree *t)
{
	drip_findings_finish(&t->findings);
	drip_arena_finish(&t->arena);
}

static uint64_t hash_of(const char *text)
{
	struct tree t;
	uint64_t hash;

	tree_init(&t, text);
	CHECK_EQ_INT(t.rc, 0);
	hash = drip_node_hash(t.root);
	tree_finish(&t);
	return hash;
}

TEST(values_keep_place_style_and_text)
{
	struct drip_node *a, *list;
	struct drip_place place;
	struct tree t;

	tree_init(&t, "a: no\nb: \"no\"\nlist:\n  - x: [1, {y: 2}]\n  - ~\nc: |\n  text\n");
	REQUIRE_EQ_INT(t.rc, 0);
	a = drip_node_get(t.root, "a");
	CHECK_EQ_STR(a->text, "no");
	CHECK(a->plain);
	CHECK_EQ_INT(a->place.line, 1);
	CHECK_EQ_INT(a->place.column, 4);
	CHECK(!drip_node_get(t.root, "b")->plain);
	CHECK_EQ_STR(drip_node_get(t.root, "c")->text, "text\n");
	list = drip_node_get(t.root, "list");
	CHECK(list->items[1]->null);
	place = drip_node_place(t.root, "list[0].x[1].y");
	CHECK_EQ_INT(place.line, 4);
	CHECK_EQ_INT(place.column, 16);
	/* What is absent is where the value above it is. */
	place = drip_node_place(t.root, "list[7].x");
	CHECK_EQ_INT(place.line, 4);
	CHECK_EQ_INT(place.column, 3);
	place = drip_node_place(t.root, "a.b[c]...[");
	CHECK_EQ_INT(place.line, 1);
	CHECK_NULL(drip_node_get(t.root, "none"));
	CHECK_NULL(drip_node_get(NULL, "none"));
	tree_finish(&t);
}

static void check_text_place(const struct tree *t, const char *path, int line, int column,
			     int want_line, int want_column)
{
	struct drip_place place = drip_node_text_place(t->root, path, line, column);

	CHECK_EQ_INT(place.line, want_line);
	if (want_line > 0) {
		CHECK_EQ_INT(place.column, want_column);
	}
}

/* Where a line and column of a text stand in the file. */
TEST(texts_know_where_their_lines_stand)
{
	struct tree t;

	tree_init(&t, "plain: SELECT 1\n"
		      "quoted: \"SELECT 1\"\n"
		      "escaped: \"SEL\\x45CT 1\"\n"
		      "folded: >\n  SELECT\n  1\n"
		      "deep:\n"
		      "  - sql: &a |\n"
		      "\n"
		      "      SELECT '\xc3\xa9',\n"
		      "        2\n"
		      "  - sql: |1-\n"
		      "      SELECT\n"
		      "     1\n"
		      "two: a\n  b\n"
		      "last: |-\n  end");
	REQUIRE_EQ_INT(t.rc, 0);
	check_text_place(&t, "plain", 1, 8, 1, 15);
	check_text_place(&t, "plain", 1, 9, 1, 16); /* its end */
	check_text_place(&t, "plain", 1, 10, 0, 0);
	check_text_place(&t, "plain", 2, 1, 0, 0);
	check_text_place(&t, "quoted", 1, 8, 2, 17);
	check_text_place(&t, "escaped", 1, 8, 0, 0);
	check_text_place(&t, "folded", 1, 1, 0, 0);
	check_text_place(&t, "deep[0].sql", 2, 8, 10, 14);
	check_text_place(&t, "deep[0].sql", 3, 3, 11, 9);
	check_text_place(&t, "deep[1].sql", 1, 3, 13, 8);
	check_text_place(&t, "deep[1].sql", 2, 2, 14, 7);
	check_text_place(&t, "two", 1, 1, 0, 0);
	check_text_place(&t, "last", 1, 1, 18, 3);
	check_text_place(&t, "nothing", 1, 1, 0, 0);
	tree_finish(&t);
}

/* What cannot be parsed is taken apart at the keys of its first map: that map is no whole. */
TEST(a_map_that_is_taken_apart_cannot_be_merged)
{
	struct tree t;

	tree_init(&t, "&base {a: 1}\nuse: {<<: *base}\nlist: [*base]\n");
	CHECK_EQ_INT(t.rc, -EINVAL);
	REQUIRE_NOT_NULL(t.root);
	CHECK(t.root->incomplete);
	CHECK(drip_node_is_broken(drip_node_get(t.root, "use")));
	CHECK(drip_node_is_broken(drip_node_get(t.root, "list")));
	tree_finish(&t);
}

TEST(aliases_share_and_merges_give_way)
{
	struct drip_node *b;
	struct tree t;

	tree_init(&t, "a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a, z: 4}\nc: *a\n");
	REQUIRE_EQ_INT(t.rc, 0);
	CHECK_EQ_PTR(drip_node_get(t.root, "a"), drip_node_get(t.root, "c"));
	b = drip_node_get(t.root, "b");
	CHECK_EQ_INT(b->count, 3);
	CHECK_EQ_STR(drip_node_get(b, "x")->text, "1");
	CHECK_EQ_STR(drip_node_get(b, "y")->text, "3");
	CHECK_EQ_INT(drip_node_get(b, "x")->place.line, 1);
	tree_finish(&t);
}

TEST(hashes_see_values_only)
{
	uint64_t hash = hash_of("{a: 1, b: [2, 3], c: {d: x}}");

	CHECK(hash == hash_of("b:\n- 2\n- 3\nc: {x-note: y, d: x}\na: 1 # one\n"));
	CHECK(hash != hash_of("{a: 1, b: [3, 2], c: {d: x}}"));
	CHECK(hash != hash_of("{a: 1, b: [2, 3], c: {d: y}}"));
	CHECK(hash != hash_of("{a: 1, b: [2, 3], d: {c: x}}"));
	CHECK(hash_of("{a: ~}") != hash_of("{a: \"~\"}"));
	CHECK(hash_of("[a, bc]") != hash_of("[ab, c]"));
}

TEST(suggestions_are_near)
{
	struct drip_suggestion s = {.wrong = "tabels"};
	char hint[100];

	CHECK_EQ_INT(drip_edit_distance("tabels", "tables"), 1);
	CHECK_EQ_INT(drip_edit_distance("", "abc"), 3);
	CHECK_EQ_INT(drip_edit_distance("Mode", "mode"), 0);
	CHECK_EQ_INT(drip_edit_distance("kitten", "sitting"), 3);
	drip_suggestion_offer(&s, "columns");
	drip_suggestion_offer(&s, "table");
	drip_suggestion_offer(&s, "tables");
	CHECK_EQ_STR(s.best, "tables");
	CHECK_EQ_STR(drip_suggestion_hint(&s, NULL, hint, sizeof(hint)),
		     "Did you mean \"tables\"?");
	s = (struct drip_suggestion){.wrong = "x"};
	drip_suggestion_offer(&s, "y");
	CHECK_NULL(s.best);
}

/* ---- findings ---- */

TEST(findings_sort_and_print)
{
	struct drip_place b2 = {"b.yaml", 2, 1}, a9 = {"a.yaml", 9, 1}, a3 = {"a.yaml", 3, 7};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_json_tree *tree = NULL;
	struct drip_findings f;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	drip_findings_init(&f);
	drip_findings_add(&f, DRIP_SEVERITY_ERROR, &b2, "x.one", NULL, "one");
	drip_findings_add(&f, DRIP_SEVERITY_WARNING, &a9, "x.two", "Mend \"it\".", "two\x1b[31m");
	drip_error_set(&err, -EINVAL, "x.three", "three");
	drip_error_place(&err, "a.yaml:3:8");
	drip_findings_add_error(&f, DRIP_SEVERITY_ERROR, &a3, &err);
	drip_error_set_retryable(&err, -EIO, "x.four", "four \xff");
	drip_findings_add_error(&f, DRIP_SEVERITY_ERROR, NULL, &err);
	CHECK(f.environment);
	drip_findings_sort(&f);
	out = open_memstream(&text, &size);
	drip_findings_print_text(&f, out);
	fclose(out);
	CHECK_EQ_STR(text, "error: four \xff [x.four]\n"
			   "a.yaml:3:8: error: three [x.three]\n"
			   "a.yaml:9:1: warning: two\\x1b[31m [x.two]\n  hint: Mend \"it\".\n"
			   "b.yaml:2:1: error: one [x.one]\n");
	free(text);
	out = open_memstream(&text, &size);
	drip_findings_print_json(&f, out);
	fclose(out);
	REQUIRE_OK(drip_json_parse(text, size, &tree, &err), &err);
	CHECK_EQ_INT(drip_json_get_int(drip_json_root(tree), "errors", -1), 3);
	CHECK_EQ_INT(drip_json_get_int(drip_json_root(tree), "warnings", -1), 1);
	drip_json_tree_destroy(tree);
	free(text);
	drip_findings_finish(&f);
}

TEST(findings_are_bounded_but_counted)
{
	struct drip_findings f;

	drip_findings_init(&f);
	for (int i = 0; i < DRIP_FINDINGS_MAX + 5; i++) {
		drip_findings_add(&f, DRIP_SEVERITY_ERROR, NULL, "x.one", NULL, "%d", i);
	}
	CHECK_EQ_INT(f.count, DRIP_FINDINGS_MAX);
	CHECK_EQ_INT(f.dropped, 5);
	CHECK_EQ_INT(f.errors, DRIP_FINDINGS_MAX + 5);
	drip_findings_finish(&f);
}

/* ---- documents ---- */

static struct drip_registry *make_registry(void)
{
	struct drip_registry_options options = {.dirs = (const char *const *)&test_argv[1],
						.dirs_count = 1};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_registry *registry = NULL;

	REQUIRE_OK(drip_registry_create(&options, &registry, &err), &err);
	return registry;
}

static int load_case(struct drip_registry *registry, const char *name, struct drip_findings *f,
		     struct drip_document **ret)
{
	char path[4096];
	const char *paths[] = {path};

	snprintf(path, sizeof(path), "%s/%s", test_argv[2], name);
	return drip_document_load(registry, paths, 1, NULL, f, ret);
}

TEST(a_document_holds_what_the_file_says)
{
	struct drip_registry *registry = make_registry();
	struct drip_document *d = NULL;
	const struct drip_pipeline_spec *p;
	struct drip_findings f;

	setenv("CONFIG_TEST_SECRET", "hunter2", 1);
	drip_findings_init(&f);
	REQUIRE(load_case(registry, "good_everything.yaml", &f, &d) == 0);
	CHECK_EQ_INT(d->settings.memory_bytes, 256 << 20);
	CHECK_EQ_INT(d->settings.log_level, DRIP_LOG_DEBUG);
	CHECK(d->settings.log_json);
	CHECK_EQ_STR(d->settings.lineage_namespace, "coffee");
	CHECK_CONTAINS(d->settings.state_dir, "/cases/./state");
	CHECK_EQ_INT(d->settings.dead_letters_age_ms, INT64_C(30) * 86400 * 1000);
	CHECK_EQ_INT(d->settings.dead_letters_max, 1000000);
	CHECK_EQ_INT(d->settings.audit_age_ms, 0); /* for ever */
	CHECK_EQ_INT(d->settings.audit_max, 5);
	CHECK_EQ_INT(d->connections_count, 1);
	CHECK_EQ_INT(d->services_count, 1);
	REQUIRE_EQ_INT(d->pipelines_count, 1);
	p = &d->pipelines[0];
	CHECK_EQ_STR(p->name, "p");
	CHECK_EQ_STR(p->cron, "0 6 * * *");
	CHECK_EQ_STR(p->timezone, "America/New_York");
	CHECK_EQ_INT(p->commit.interval_ms, 5000);
	CHECK_EQ_INT(p->commit.rows, 1000);
	CHECK_EQ_INT(p->queue_bytes, 1 << 20);
	CHECK_EQ_INT(p->drain_ms, 10000);
	REQUIRE_EQ_INT(p->stages_count, 4);
	CHECK_EQ_STR(p->stages[0].id, "shop");
	CHECK_EQ_INT(p->stages[0].retry.attempts, 3);
	CHECK_EQ_INT(p->stages[0].retry.max_ms, 60000);
	CHECK_EQ_INT(p->stages[1].on_error, DRIP_ON_ERROR_DEAD_LETTER);
	CHECK_EQ_STR(p->stages[1].only[0], "t_order*");
	CHECK_EQ_STR(p->stages[2].id, "second");
	CHECK_EQ_INT(p->stages[2].input, 1);
	CHECK_EQ_INT(p->stages[3].input, 2);
	CHECK_EQ_INT(p->stages[3].retry.attempts, -1);
	CHECK_EQ_INT(p->stages[3].clearance, DRIP_CLASS_INTERNAL);
	CHECK_EQ_INT(p->edges_count, 4);
	CHECK_EQ_INT(p->edges[3].from, 2);
	CHECK_EQ_STR(p->edges[3].dataset, "t");
	CHECK_EQ_INT(p->edges[3].lineage_count, 4);
	drip_document_destroy(d);
	drip_findings_finish(&f);
	drip_registry_destroy(registry);
}

TEST(hashes_follow_secrets_and_connections)
{
	struct drip_registry *registry = make_registry();
	struct drip_document *a = NULL, *b = NULL, *c = NULL;
	struct drip_findings f;

	drip_findings_init(&f);
	setenv("CONFIG_TEST_SECRET", "one", 1);
	REQUIRE(load_case(registry, "good_everything.yaml", &f, &a) == 0);
	REQUIRE(load_case(registry, "good_everything.yaml", &f, &b) == 0);
	setenv("CONFIG_TEST_SECRET", "two", 1);
	REQUIRE(load_case(registry, "good_everything.yaml", &f, &c) == 0);
	CHECK(a->pipelines[0].config_hash == b->pipelines[0].config_hash);
	CHECK(a->pipelines[0].config_hash != c->pipelines[0].config_hash);
	CHECK(a->pipelines[0].stages[0].config_hash != c->pipelines[0].stages[0].config_hash);
	CHECK(a->pipelines[0].stages[3].config_hash == c->pipelines[0].stages[3].config_hash);
	drip_document_destroy(a);
	drip_document_destroy(b);
	drip_document_destroy(c);
	drip_findings_finish(&f);
	drip_registry_destroy(registry);
}

TEST(inputs_come_before_their_users)
{
	struct drip_registry *registry = make_registry();
	struct drip_document *d = NULL;
	const struct drip_pipeline_spec *p;
	struct drip_findings f;

	drip_findings_init(&f);
	REQUIRE(load_case(registry, "input_order.yaml", &f, &d) == 0);
	p = &d->pipelines[0];
	CHECK_EQ_STR(p->stages[1].id, "b");
	CHECK_EQ_STR(p->stages[2].id, "a");
	CHECK_EQ_INT(p->stages[1].input, 0);
	CHECK_EQ_INT(p->stages[2].input, 1);
	CHECK_EQ_INT(p->stages[3].input, 2);
	drip_document_destroy(d);
	drip_findings_finish(&f);
	drip_registry_destroy(registry);
}

/* Each allocation fails once: never a crash or a leak, never success without the document. */
static void torture(struct drip_registry *registry, const char *name, int expected)
{
	for (long nth = 1;; nth++) {
		struct drip_document *d = NULL;
		struct drip_findings f;
		bool failed;
		int rc;

		drip_findings_init(&f);
		drip_alloc_fail_at(nth);
		rc = load_case(registry, name, &f, &d);
		failed = drip_alloc_failed();
		drip_alloc_fail_at(0);
		if (rc == 0) {
			CHECK_NOT_NULL(d);
		} else if (rc != -ENOMEM) {
			CHECK(f.errors > 0);
		}
		drip_document_destroy(d);
		drip_findings_finish(&f);
		if (!failed) {
			CHECK_EQ_INT(rc, expected);
			printf("# %s: %ld allocations\n", name, nth - 1);
			return;
		}
	}
}

TEST(survives_every_failing_allocation)
{
	struct drip_registry *registry = make_registry();
	static const char *const bad[] = {"many_errors.yaml",      "references.yaml",
					  "contract_types.yaml",   "uncleared.yaml",
					  "connection_cycle.yaml", "merge.yaml"};

	torture(registry, "good_everything.yaml", 0);
	torture(registry, "input_order.yaml", 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		torture(registry, bad[i], -EINVAL);
	}
	drip_registry_destroy(registry);
}

/* ---- mutations ---- */

static uint64_t seed = 0x2545f4914f6cdd1d;

static size_t draw(size_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return below > 0 ? (size_t)(seed % below) : 0;
}

/* A byte changed, a piece cut out, or a piece copied elsewhere. */
static void mutate(char *text, size_t *size, size_t room)
{
	static const char bytes[] = " \n:-[]{}&*!|>'\"%@`#,?~0x${<";
	size_t at = draw(*size), from = draw(*size), length = draw(40);

	switch (draw(4)) {
	case 0:
		text[at] = bytes[draw(sizeof(bytes) - 1)];
		break;
	case 1:
		length = at + length < *size ? length : *size - at;
		memmove(text + at, text + at + length, *size - at - length);
		*size -= length;
		break;
	default:
		length = from + length < *size ? length : *size - from;
		if (*size + length < room) {
			char piece[40];

			memcpy(piece, text + from, length);
			memmove(text + at + length, text + at, *size - at);
			memcpy(text + at, piece, length);
			*size += length;
		}
		break;
	}
}

static void load_mutant(struct drip_registry *registry, const char *path, const char *original,
			size_t size)
{
	char text[16384];
	const char *paths[] = {path};
	struct drip_document *d = NULL;
	struct drip_findings f;
	FILE *file;
	int rc;

	memcpy(text, original, size);
	for (size_t i = draw(3) + 1; i > 0 && size > 0; i--) {
		mutate(text, &size, sizeof(text));
	}
	file = fopen(path, "we");
	REQUIRE_NOT_NULL(file);
	fwrite(text, 1, size, file);
	fclose(file);
	drip_findings_init(&f);
	rc = drip_document_load(registry, paths, 1, NULL, &f, &d);
	if ((rc == 0) != (f.errors == 0)) {
		CHECK(!"status and findings agree");
		printf("# kept as %s\n", path);
	}
	drip_document_destroy(d);
	drip_findings_finish(&f);
}

static int is_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot != NULL && strcmp(dot, ".yaml") == 0;
}

TEST(mutated_files_never_crash)
{
	struct drip_registry *registry = make_registry();
	char folder[] = "/tmp/dripline-config-XXXXXX", path[64];
	struct dirent **entries = NULL;
	int count = scandir(test_argv[2], &entries, is_file, alphasort);

	REQUIRE(count > 50);
	REQUIRE_NOT_NULL(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/m.yaml", folder);
	for (int i = 0; i < count; i++) {
		char text[8192], name[4096];
		FILE *file;
		size_t size;

		snprintf(name, sizeof(name), "%s/%s", test_argv[2], entries[i]->d_name);
		file = fopen(name, "re");
		REQUIRE_NOT_NULL(file);
		size = fread(text, 1, sizeof(text), file);
		fclose(file);
		for (int round = 0; round < 60; round++) {
			load_mutant(registry, path, text, size);
		}
		free(entries[i]);
	}
	free(entries);
	unlink(path);
	rmdir(folder);
	drip_registry_destroy(registry);
}

/* ---- patterns ---- */

TEST(patterns_and_only)
{
	const char *const only[] = {"shop.t_order*", "users"};
	struct drip_stage stage = {.only = only, .only_count = 2};
	struct drip_schema schema = {.database = "shop", .table = "t_order_m_1"};

	CHECK(drip_pattern_match("t_*_1", "T_order_1"));
	CHECK(!drip_pattern_match("t_?", "t_12"));
	CHECK(drip_stage_handles(&stage, &schema));
	schema.database = "other";
	CHECK(!drip_stage_handles(&stage, &schema));
	schema.table = "Users";
	CHECK(drip_stage_handles(&stage, &schema));
	stage.only_count = 0;
	schema.table = "anything";
	CHECK(drip_stage_handles(&stage, &schema));
}

TEST_MAIN()
