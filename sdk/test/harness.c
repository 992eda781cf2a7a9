/* SPDX-License-Identifier: Apache-2.0 */
/* The harness itself: plugins, instances, connections, and what tests read of the outcome. */
#include "harness.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void harness_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("Bail out! harness: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	exit(1);
}

void harness_violation(struct drip_harness *h, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# harness: contract broken: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	h->violations++;
}

void *harness_realloc(void *block, size_t size)
{
	void *grown = realloc(block, size > 0 ? size : 1);

	if (grown == NULL) {
		harness_die("could not allocate %zu bytes", size);
	}
	return grown;
}

char *harness_copy(const char *text)
{
	size_t size = strlen(text) + 1;

	return (char *)memcpy(harness_realloc(NULL, size), text, size);
}

void *harness_alloc(void **arena, size_t size)
{
	struct arena_block *block =
		(struct arena_block *)harness_realloc(NULL, sizeof(*block) + size);

	memset(block->data, 0, size);
	block->next = (struct arena_block *)*arena;
	*arena = block;
	return block->data;
}

char *harness_strdup(void **arena, const char *text)
{
	size_t size = strlen(text) + 1;

	return (char *)memcpy(harness_alloc(arena, size), text, size);
}

void harness_arena_free(void *arena)
{
	struct arena_block *block = (struct arena_block *)arena;

	while (block != NULL) {
		struct arena_block *next = block->next;

		free(block);
		block = next;
	}
}

/* ---- plugins ---- */

struct harness_plugin *harness_load(struct drip_harness *h, const char *path,
				    struct drip_error *err)
{
	const struct drip_plugin *(*entry)(void);
	struct harness_plugin *p, **last;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	void *symbol = handle != NULL ? dlsym(handle, DRIP_ENTRY_SYMBOL) : NULL;

	if (symbol == NULL) {
		drip_error_set(err, -ENOENT, "plugin.load", "cannot load %s: %s", path, dlerror());
		return NULL;
	}
	memcpy(&entry, &symbol, sizeof(entry));
	p = (struct harness_plugin *)harness_realloc(NULL, sizeof(*p));
	p->path = harness_copy(path);
	p->plugin = entry();
	p->next = NULL;
	for (last = &h->plugins; *last != NULL; last = &(*last)->next) {
	}
	*last = p;
	if (p->plugin == NULL || p->plugin->abi_major != DRIP_ABI_MAJOR) {
		harness_die("%s is of another ABI", path);
	}
	return p;
}

static const struct drip_component *find_in(const struct harness_plugin *p, enum drip_kind kind,
					    const char *name)
{
	for (uint32_t i = 0; i < p->plugin->components_count; i++) {
		const struct drip_component *c = p->plugin->components[i];

		if (c->kind == kind && strcmp(c->name, name) == 0) {
			return c;
		}
	}
	return NULL;
}

static bool is_loaded(const struct drip_harness *h, const char *path)
{
	for (const struct harness_plugin *p = h->plugins; p != NULL; p = p->next) {
		if (strcmp(p->path, path) == 0) {
			return true;
		}
	}
	return false;
}

static const struct drip_component *find_loaded(const struct drip_harness *h, enum drip_kind kind,
						const char *name)
{
	const struct drip_component *c = NULL;

	for (const struct harness_plugin *p = h->plugins; p != NULL && c == NULL; p = p->next) {
		c = find_in(p, kind, name);
	}
	return c;
}

/* Loads the plugins of a folder whose file name holds `part`, until the component is there. */
static const struct drip_component *find_in_folder(struct drip_harness *h, const char *folder,
						   const char *part, enum drip_kind kind,
						   const char *name)
{
	const struct drip_component *c = NULL;
	DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir != NULL && c == NULL && (e = readdir(dir)) != NULL) {
		size_t size = strlen(e->d_name);
		char path[1024];

		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (strncmp(e->d_name, "drip-", 5) != 0 || strstr(e->d_name, part) == NULL ||
		    size < 3 || strcmp(e->d_name + size - 3, ".so") != 0 || is_loaded(h, path)) {
			continue;
		}
		if (harness_load(h, path, NULL) != NULL) {
			c = find_loaded(h, kind, name);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
	return c;
}

const struct drip_component *drip_harness_component(struct drip_harness *h, enum drip_kind kind,
						    const char *name)
{
	const struct drip_component *c = find_loaded(h, kind, name);
	const char *env = getenv("DRIPLINE_PLUGIN_DIR");
	char *folders, *folder, *save = NULL;
	const char *parts[] = {name, ""}; /* the likely file first */
	size_t size;

	if (c != NULL) {
		return c;
	}
	size = strlen(h->folder) + strlen(env != NULL ? env : "") + 2;
	folders = (char *)harness_realloc(NULL, size);
	snprintf(folders, size, "%s:%s", h->folder, env != NULL ? env : "");
	for (int i = 0; i < 2 && c == NULL; i++) {
		char *copy = harness_copy(folders);

		for (folder = strtok_r(copy, ":", &save); folder != NULL && c == NULL;
		     folder = strtok_r(NULL, ":", &save)) {
			c = find_in_folder(h, folder, parts[i], kind, name);
		}
		free(copy);
	}
	free(folders);
	return c;
}

const struct drip_plugin *drip_harness_plugin(const struct drip_harness *h)
{
	return h->plugins->plugin;
}

/* ---- life ---- */

struct drip_harness *drip_harness_create(const char *path)
{
	struct drip_harness *h = (struct drip_harness *)calloc(1, sizeof(*h));
	struct drip_error err = DRIP_ERROR_INIT;
	const char *slash;

	if (h == NULL || path == NULL) {
		harness_die("no path of a plugin was given");
	}
	pthread_mutex_init(&h->lock, NULL);
	harness_host_init(h);
	slash = strrchr(path, '/');
	h->folder = harness_copy(slash != NULL ? path : ".");
	if (slash != NULL) {
		h->folder[slash - path] = '\0';
	}
	/* dlopen takes a name without a slash for one to search for. */
	if (slash == NULL || harness_load(h, path, &err) == NULL) {
		harness_die("%s",
			    slash != NULL ? err.message : "the path of a plugin needs a slash");
	}
	return h;
}

static void free_entries(struct harness_entry *e)
{
	while (e != NULL) {
		struct harness_entry *next = e->next;

		free(e->key);
		free(e->value);
		free(e);
		e = next;
	}
}

static void free_connections(struct drip_harness *h)
{
	struct harness_connection *c = h->connections;

	while (c != NULL) {
		struct harness_connection *next = c->next;

		if (c->gets != 0) {
			harness_violation(h, "connection %s was got %d times more than put",
					  c->name, c->gets);
		}
		drip_harness_close(c->instance);
		for (char **p = c->options; p != NULL && *p != NULL; p++) {
			free(*p);
		}
		free(c->options);
		free(c->component);
		free(c->name);
		free(c);
		c = next;
	}
	h->connections = NULL;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void drip_harness_destroy(struct drip_harness *h)
{
	int violations;

	if (h == NULL) {
		return;
	}
	for (struct drip_instance *i = h->instances; i != NULL;) {
		struct drip_instance *next = i->next;

		if (i->component->kind != DRIP_KIND_CONNECTION) {
			drip_harness_close(i);
		}
		i = next;
	}
	free_connections(h);
	while (h->instances != NULL) {
		drip_harness_close(h->instances);
	}
	drip_harness_clear(h);
	free(h->batches);
	free(h->rejects);
	free_entries(h->metrics);
	free_entries(h->states);
	for (size_t i = 0; i < h->declared_count; i++) {
		drip_schema_unref(h->declared[i]);
	}
	drip_text_finish(&h->logs);
	drip_text_finish(&h->findings);
	drip_text_finish(&h->output);
	if (h->dir != NULL) {
		nftw(h->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	}
	while (h->plugins != NULL) {
		struct harness_plugin *next = h->plugins->next;

		free(h->plugins->path);
		free(h->plugins);
		h->plugins = next;
	}
	violations = h->violations;
	pthread_mutex_destroy(&h->lock);
	free(h->dir);
	free(h->armed);
	free(h->folder);
	free(h);
	if (violations > 0) {
		harness_die("the plugin broke the contract %d times", violations);
	}
}

/* ---- instances ---- */

struct check_report {
	struct drip_report report;
	struct drip_harness *harness;
	struct drip_error first; /* error; rc 0: none */
};

static void add_finding(struct drip_report *report, enum drip_log_level severity,
			const struct drip_error *finding)
{
	struct check_report *r = (struct check_report *)report->private_data;
	struct drip_text *t = &r->harness->findings;

	drip_text_puts(t, severity == DRIP_LOG_ERROR ? "error: " : "warning: ");
	drip_text_puts(t, finding->code);
	drip_text_puts(t, ": ");
	drip_text_puts(t, finding->message);
	if (finding->option[0] != '\0') {
		drip_text_puts(t, " [");
		drip_text_puts(t, finding->option);
		drip_text_puts(t, "]");
	}
	drip_text_puts(t, "\n");
	if (severity == DRIP_LOG_ERROR && r->first.rc == 0) {
		r->first = *finding;
		r->first.rc = finding->rc < 0 ? finding->rc : -EINVAL;
	}
}

static int run_check(struct drip_instance *i, struct drip_error *err)
{
	struct check_report r = {
		.report = {.struct_size = sizeof(r.report), .add = add_finding},
		.harness = i->harness,
	};
	int rc;

	drip_text_clear(&i->harness->findings);
	r.report.private_data = &r;
	if (i->common->check == NULL) {
		return 0;
	}
	rc = i->common->check(&i->ctx, i->config, false, &r.report, err);
	if (rc == 0 && r.first.rc != 0) {
		if (err != NULL) {
			*err = r.first;
		}
		rc = r.first.rc;
	}
	return rc;
}

static void free_instance(struct drip_instance *i)
{
	struct drip_instance **p = &i->harness->instances;

	while (*p != NULL && *p != i) {
		p = &(*p)->next;
	}
	if (*p == i) {
		*p = i->next;
	}
	harness_arena_free(i->arena);
	free(i);
}

int drip_harness_bind(struct drip_harness *h, enum drip_kind kind, const char *name,
		      const char *const *options, struct drip_instance **ret,
		      struct drip_error *err)
{
	const struct drip_component *component = drip_harness_component(h, kind, name);
	struct drip_instance *i;
	int rc;

	if (component == NULL) {
		return drip_error_set(err, -ENOENT, "plugin.unknown_component",
				      "no plugin found has the component %s", name);
	}
	i = (struct drip_instance *)harness_realloc(NULL, sizeof(*i));
	*i = (struct drip_instance){
		.harness = h,
		.component = component,
		.ctx = {.host = &h->host, .pipeline = "test", .stage = component->name},
		.common = (const struct drip_common_ops *)component->ops,
		.next = h->instances,
	};
	h->instances = i;
	rc = harness_bind(&i->arena, component, options, &i->config, err);
	if (rc < 0) {
		free_instance(i);
		return rc;
	}
	*ret = i;
	return 0;
}

int drip_harness_open(struct drip_harness *h, enum drip_kind kind, const char *name,
		      const char *const *options, struct drip_instance **ret,
		      struct drip_error *err)
{
	struct drip_instance *i = NULL;
	int rc = drip_harness_bind(h, kind, name, options, &i, err);

	if (rc < 0) {
		return rc;
	}
	rc = run_check(i, err);
	if (rc == 0) {
		rc = i->common->open(&i->ctx, i->config, &i->self, err);
		if (rc == 0 && i->self == NULL) {
			harness_violation(h, "%s: open returned 0 and no object", name);
		}
	}
	if (rc < 0) {
		if (err != NULL && err->rc >= 0) {
			harness_violation(h, "%s: open failed with %d without an error", name, rc);
		}
		free_instance(i);
		return rc;
	}
	*ret = i;
	return 0;
}

void drip_harness_close(struct drip_instance *i)
{
	if (i == NULL) {
		return;
	}
	if (i->started && i->component->kind == DRIP_KIND_SOURCE) {
		((const struct drip_source_ops *)i->component->ops)->stop(i->self);
	}
	if (i->started && i->component->kind == DRIP_KIND_SERVICE) {
		((const struct drip_service_ops *)i->component->ops)->stop(i->self);
	}
	if (i->self != NULL) {
		i->common->close(i->self);
	}
	free_instance(i);
}

/* ---- connections ---- */

void drip_harness_add_connection(struct drip_harness *h, const char *name, const char *component,
				 const char *const *options)
{
	struct harness_connection *c =
		(struct harness_connection *)harness_realloc(NULL, sizeof(*c));
	size_t count = 0;

	while (options != NULL && options[count] != NULL) {
		count++;
	}
	memset(c, 0, sizeof(*c));
	c->name = harness_copy(name);
	c->component = harness_copy(component);
	c->options = (char **)harness_realloc(NULL, (count + 1) * sizeof(char *));
	for (size_t i = 0; i < count; i++) {
		c->options[i] = harness_copy(options[i]);
	}
	c->options[count] = NULL;
	c->next = h->connections;
	h->connections = c;
}

void drip_harness_add_interface(struct drip_harness *h, const char *name, const void *interface,
				void *object)
{
	drip_harness_add_connection(h, name, "", NULL);
	h->connections->interface = interface;
	h->connections->object = object;
}

static struct harness_connection *find_connection(struct drip_harness *h, const char *name)
{
	struct harness_connection *c = h->connections;

	if (name == NULL) {
		return NULL;
	}
	while (c != NULL && strcmp(c->name, name) != 0) {
		c = c->next;
	}
	if (c == NULL && name[0] == '@') {
		drip_harness_add_connection(h, name, name + 1, NULL);
		c = h->connections;
	}
	return c;
}

int harness_connection_get(struct drip_harness *h, const char *name, const char *interface_name,
			   const void **ret_interface, void **ret_object, struct drip_error *err)
{
	struct harness_connection *c = find_connection(h, name);
	const struct drip_connection_ops *ops;
	const void *interface;
	int rc;

	if (c == NULL) {
		return drip_error_set(err, -ENOENT, "config.unknown_connection",
				      "no connection %s is declared",
				      name != NULL ? name : "(NULL)");
	}
	if (c->interface != NULL) {
		c->gets++;
		*ret_interface = c->interface;
		*ret_object = c->object;
		return 0;
	}
	if (c->instance == NULL) {
		rc = drip_harness_open(h, DRIP_KIND_CONNECTION, c->component,
				       (const char *const *)c->options, &c->instance, err);
		if (rc < 0) {
			return rc;
		}
	}
	ops = (const struct drip_connection_ops *)c->instance->component->ops;
	interface = ops->interface(c->instance->self, interface_name);
	if (interface == NULL) {
		return drip_error_set(err, -ENOTSUP, "config.wrong_connection",
				      "connection %s does not offer %s", name, interface_name);
	}
	c->gets++;
	*ret_interface = interface;
	*ret_object = c->instance->self;
	return 0;
}

void harness_connection_put(struct drip_harness *h, const char *name, void *object)
{
	struct harness_connection *c = find_connection(h, name);

	if (c == NULL || c->gets == 0 ||
	    object != (c->interface != NULL  ? c->object
		       : c->instance != NULL ? c->instance->self
					     : NULL)) {
		harness_violation(h, "connection %s was put back but not got", name);
		return;
	}
	c->gets--;
}

int drip_harness_connection(struct drip_harness *h, const char *name, const char *interface_name,
			    const void **ret_interface, void **ret_object, struct drip_error *err)
{
	return harness_connection_get(h, name, interface_name, ret_interface, ret_object, err);
}

void drip_harness_connection_done(struct drip_harness *h, const char *name,
				  const char *interface_name, void *object)
{
	(void)interface_name;
	harness_connection_put(h, name, object);
}
