/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the harness: its state, and what its files share. */
#ifndef DRIPLINE_SDK_HARNESS_H
#define DRIPLINE_SDK_HARNESS_H

#include <dripline/test.h>
#include <dripline/text.h>
#include <pthread.h>

/* Zeroed blocks that are freed together. */
struct arena_block {
	struct arena_block *next;
	_Alignas(16) char data[];
};

struct harness_plugin {
	char *path;
	const struct drip_plugin *plugin;
	struct harness_plugin *next;
};

struct harness_connection {
	char *name;
	struct drip_instance *instance; /* NULL until first used */
	char *component;
	char **options;        /* copies, ended by NULL */
	const void *interface; /* of a test's own; NULL: it is a component's */
	void *object;
	int gets; /* without their put */
	struct harness_connection *next;
};

struct harness_entry { /* metric or state */
	char *key;
	void *value;
	size_t size;
	double number;
	struct harness_entry *next;
};

struct harness_reject {
	struct drip_error reason;
	struct drip_batch *row;
};

struct drip_harness {
	struct drip_host host;
	pthread_mutex_t lock;
	char *folder;                   /* of the plugin under test */
	struct harness_plugin *plugins; /* first: the one under test */
	struct harness_connection *connections;
	struct drip_instance *instances;
	struct drip_batch **batches;
	size_t batches_count, batches_capacity;
	struct harness_reject *rejects;
	size_t rejects_count, rejects_capacity;
	struct harness_entry *metrics, *states;
	struct drip_schema *declared[32]; /* tables, as of the host's declared_table */
	size_t declared_count;
	struct drip_text logs, findings, output;
	uint64_t now_ns;
	int64_t wall_us;
	int64_t filtered;
	uint64_t sequence, memory;
	bool stopping, reject_stops;
	char *armed;
	int armed_hits;
	char *dir;
	int violations; /* of the contract, by plugins */
	int (*control)(const char *method, const char *arguments_json, char **ret_text,
		       struct drip_error *err, void *data);
	void *control_data;
	int (*on_emit)(const struct drip_batch *batch, struct drip_error *err, void *data);
	void *on_emit_data;
	void (*on_failpoint)(const char *name, void *data);
	void *on_failpoint_data;
};

/* Prints and ends the process: the test itself is wrong, or memory is out. */
DRIP_PRINTF(1, 2) void harness_die(const char *fmt, ...) __attribute__((noreturn));
/* Notes that a plugin broke the contract. */
DRIP_PRINTF(2, 3) void harness_violation(struct drip_harness *h, const char *fmt, ...);
void *harness_alloc(void **arena, size_t size);
char *harness_strdup(void **arena, const char *text);
void harness_arena_free(void *arena);
/* malloc, realloc and strdup that do not fail. */
void *harness_realloc(void *block, size_t size);
char *harness_copy(const char *text);

/* Loads `path`, or returns NULL with err set. */
struct harness_plugin *harness_load(struct drip_harness *h, const char *path,
				    struct drip_error *err);
void harness_host_init(struct drip_harness *h);
int harness_connection_get(struct drip_harness *h, const char *name, const char *interface_name,
			   const void **ret_interface, void **ret_object, struct drip_error *err);
void harness_connection_put(struct drip_harness *h, const char *name, void *object);
/* Binds `options` into a new config struct of `arena`. */
int harness_bind(void **arena, const struct drip_component *component, const char *const *options,
		 const void **ret_config, struct drip_error *err);

#endif
