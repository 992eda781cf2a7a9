/* SPDX-License-Identifier: Apache-2.0 */
/* `dripline plugins`: lists the plugins found, refused ones with the reason, or shows a component.
 */
#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/component_text.h"

#include <dripline/suggest.h>
#include <stdio.h>
#include <string.h>

static int compare_components(const void *a, const void *b)
{
	const struct drip_component *x = *(const struct drip_component *const *)a;
	const struct drip_component *y = *(const struct drip_component *const *)b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

/* Kinds in their order, names sorted. */
struct listing {
	const struct drip_component *items[1024];
	size_t count;
};

static void collect(const struct drip_plugin *plugin, const struct drip_component *component,
		    void *data)
{
	struct listing *l = (struct listing *)data;

	(void)plugin;
	if (l->count < sizeof(l->items) / sizeof(l->items[0])) {
		l->items[l->count++] = component;
	}
}

static void print_refused(const struct drip_registry *registry)
{
	for (size_t i = 0; i < drip_registry_count(registry); i++) {
		const struct drip_error *e = &drip_registry_at(registry, i)->refusal;

		if (e->rc != 0) {
			printf("refused: %s [%s]\n", e->message, e->code);
			if (e->hint[0] != '\0') {
				printf("  hint: %s\n", e->hint);
			}
		}
	}
}

static int list_text(struct drip_registry *registry)
{
	struct listing l = {.count = 0};

	drip_registry_visit(registry, collect, &l);
	qsort(l.items, l.count, sizeof(l.items[0]), compare_components);
	for (size_t i = 0; i < l.count; i++) {
		printf("%-10s  %-14s  %s\n", drip_kind_name(l.items[i]->kind), l.items[i]->name,
		       l.items[i]->summary);
	}
	if (l.count == 0) {
		printf("no plugins found\n");
	}
	print_refused(registry);
	return DRIP_EXIT_OK;
}

static void visit_json(const struct drip_plugin *plugin, const struct drip_component *component,
		       void *data)
{
	drip_component_json(plugin, component, (struct drip_json *)data);
}

static int list_json(struct drip_registry *registry)
{
	drip_autostr out = DRIP_STR_INIT;
	struct drip_json j;

	drip_json_init(&j, &out);
	drip_json_begin_object(&j);
	drip_json_key(&j, "components");
	drip_json_begin_array(&j);
	drip_registry_visit(registry, visit_json, &j);
	drip_json_end_array(&j);
	drip_json_key(&j, "refused");
	drip_json_begin_array(&j);
	for (size_t i = 0; i < drip_registry_count(registry); i++) {
		const struct drip_plugin_info *info = drip_registry_at(registry, i);

		if (info->refusal.rc != 0) {
			drip_json_begin_object(&j);
			drip_json_put_string(&j, "path", info->path);
			drip_json_key(&j, "error");
			drip_json_error(&j, &info->refusal);
			drip_json_end_object(&j);
		}
	}
	drip_json_end_array(&j);
	drip_json_end_object(&j);
	printf("%s\n", drip_str_text(&out));
	return out.rc < 0 ? DRIP_EXIT_ENVIRONMENT : DRIP_EXIT_OK;
}

/* ---- one component ---- */

struct show {
	const char *wanted; /* "mysql", "source/mysql" or the name of a plugin */
	struct drip_str *out;
	struct drip_json *json; /* NULL: text */
	struct drip_suggestion suggestion;
	char best[256]; /* what the suggestion points to: `full` below does not last */
	int found;
};

static void offer(struct show *s, const char *name)
{
	drip_suggestion_offer(&s->suggestion, name);
	if (s->suggestion.best == name) {
		snprintf(s->best, sizeof(s->best), "%s", name);
		s->suggestion.best = s->best;
	}
}

static void show_component(const struct drip_plugin *plugin, const struct drip_component *component,
			   void *data)
{
	struct show *s = (struct show *)data;
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", drip_kind_name(component->kind), component->name);
	offer(s, strchr(s->wanted, '/') != NULL ? full : component->name);
	if (strcmp(s->wanted, full) != 0 && strcmp(s->wanted, component->name) != 0 &&
	    strcmp(s->wanted, plugin->name) != 0) {
		return;
	}
	if (s->json != NULL) {
		drip_component_json(plugin, component, s->json);
	} else {
		drip_str_append(s->out, s->found > 0 ? "\n" : "");
		drip_component_text(plugin, component, s->out);
	}
	s->found++;
}

/* The refusal of a plugin whose file name holds the wanted name. */
static const struct drip_error *find_refusal(const struct drip_registry *registry,
					     const char *wanted)
{
	const char *slash = strchr(wanted, '/');

	wanted = slash != NULL ? slash + 1 : wanted;
	for (size_t i = 0; i < drip_registry_count(registry); i++) {
		const struct drip_plugin_info *info = drip_registry_at(registry, i);

		if (info->refusal.rc != 0 && strstr(info->path, wanted) != NULL) {
			return &info->refusal;
		}
	}
	return NULL;
}

static int show_one(struct drip_registry *registry, const char *wanted, bool as_json)
{
	drip_autostr out = DRIP_STR_INIT;
	struct drip_json j;
	struct show s = {.wanted = wanted, .out = &out};
	const struct drip_error *refusal;
	char hint[200];

	s.suggestion.wrong = wanted;
	if (as_json) {
		drip_json_init(&j, &out);
		drip_json_begin_array(&j);
		s.json = &j;
	}
	drip_registry_visit(registry, show_component, &s);
	if (s.found > 0) {
		if (as_json) {
			drip_json_end_array(&j);
			drip_str_append(&out, "\n");
		}
		fputs(drip_str_text(&out), stdout);
		return out.rc < 0 ? DRIP_EXIT_ENVIRONMENT : DRIP_EXIT_OK;
	}
	refusal = find_refusal(registry, wanted);
	if (refusal != NULL) {
		fprintf(stderr, "dripline: %s [%s]\n", refusal->message, refusal->code);
		return DRIP_EXIT_ENVIRONMENT;
	}
	fprintf(stderr, "dripline: no plugin or component named \"%s\"\n  hint: %s\n", wanted,
		drip_suggestion_hint(&s.suggestion, "`dripline plugins` lists all there are.", hint,
				     sizeof(hint)));
	return DRIP_EXIT_INVALID;
}

int drip_cmd_plugins(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	struct drip_arg_list dirs = {.count = 0};
	const char *format = "text", *wanted = NULL;
	const struct drip_arg args[] = {
		{.name = "format", .letter = 'f', .text = &format, .choices = formats},
		{.name = "plugin-dir", .list = &dirs},
		{.name = NULL},
	};
	struct drip_registry_options options = {.cache_read_only = true};
	struct drip_registry *registry;
	struct drip_error err = DRIP_ERROR_INIT;
	size_t count = 0;
	int status = drip_args_parse(argc, argv, args, &wanted, 0, 1, &count);
	bool as_json = strcmp(format, "json") == 0;

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	options.dirs = dirs.items;
	options.dirs_count = dirs.count;
	if (drip_registry_create(&options, &registry, &err) < 0) {
		fprintf(stderr, "dripline: %s [%s]\n", err.message, err.code);
		return DRIP_EXIT_ENVIRONMENT;
	}
	drip_registry_load_all(registry);
	if (count > 0) {
		status = show_one(registry, wanted, as_json);
	} else {
		status = as_json ? list_json(registry) : list_text(registry);
	}
	drip_registry_destroy(registry);
	return status;
}
