/* SPDX-License-Identifier: Apache-2.0 */
/* Private to dripline-conformance: the state of a run, and its parts. */
#ifndef DRIPLINE_CONFORMANCE_H
#define DRIPLINE_CONFORMANCE_H

#include <dripline/test.h>
#include <stdio.h>

#define CONF_PAIRS_MAX 128

struct conf {
	struct drip_harness *harness;
	const char *path;
	FILE *tap; /* the true standard output; plugins write to /dev/null */
	int number, failed;
	/* option pairs of the command line: "kind/name.option", "value", ... */
	const char *pairs[2 * CONF_PAIRS_MAX + 1];
	size_t pairs_count;
	/* under test */
	const struct drip_component *component;
	char name[128];                              /* "sink/file" */
	const char *options[2 * CONF_PAIRS_MAX + 1]; /* bound to it */
	char values[CONF_PAIRS_MAX][256];            /* what was made up for options */
};

/* One TAP line: "<component>: <what>". Returns `ok`. */
bool conf_ok(struct conf *c, bool ok, const char *fmt, ...) DRIP_PRINTF(3, 4);
/* A line of explanation. */
void conf_note(struct conf *c, const char *fmt, ...) DRIP_PRINTF(2, 3);
/* True where rc is 0 or more, or a failure with a proper error: code, message, matching rc. */
bool conf_clean(struct conf *c, int rc, const struct drip_error *err, const char *what);

/* Makes up values of required options, so that the component opens where it can. */
void conf_make_options(struct conf *c);
/* NULL where it does not open, which is fine where the error is proper. */
struct drip_instance *conf_open(struct conf *c);

/* Schemas of many kinds; NULL behind the last. (gives) */
struct drip_schema *conf_schema(int index);
/* Rows for any schema: values and nulls of each type, ops of each kind where `changes`. (gives) */
struct drip_batch *conf_batch(const struct drip_schema *schema, int rows, bool changes,
			      uint64_t position);

void conf_elf(struct conf *c);
void conf_descriptor(struct conf *c);
void conf_life(struct conf *c);
void conf_source(struct conf *c);
void conf_transform(struct conf *c);
void conf_sink(struct conf *c);
void conf_feed(struct conf *c);
void conf_connection(struct conf *c);
void conf_service(struct conf *c);
void conf_model(struct conf *c);
void conf_model_fit(struct conf *c); /* trains, loads, predicts */
/* Negotiates all schemas; used for transforms, sinks and models. */
void conf_negotiate(struct conf *c, struct drip_instance *i);

/* Allocation failures: the n-th allocation by the plugin's own code fails, once. */
bool conf_alloc_init(const char *path); /* false: not possible in this build */
void conf_alloc_arm(long nth);          /* 0: none */
bool conf_alloc_failed(void);           /* since armed */
void conf_alloc_open(struct conf *c);

#endif
