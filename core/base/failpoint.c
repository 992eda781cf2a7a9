/* SPDX-License-Identifier: Apache-2.0 */
/* Failpoints. The table is written once, before the first hit reads it, or by a test. */
#include "base/failpoint.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct point {
	char name[64];
	bool kill;
	long at;
	atomic_long hits;
};

static struct point points[DRIP_FAILPOINTS_MAX];
static atomic_size_t points_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* "name=kill@3" */
static bool parse_one(const char *text, size_t size, struct point *p)
{
	const char *equals = memchr(text, '=', size);
	const char *at = memchr(text, '@', size);
	const char *end = text + size;
	size_t action_size;

	if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof(p->name)) {
		return false;
	}
	snprintf(p->name, sizeof(p->name), "%.*s", (int)(equals - text), text);
	equals++;
	action_size = (size_t)((at != NULL ? at : end) - equals);
	p->kill = action_size == 4 && memcmp(equals, "kill", 4) == 0;
	if (!p->kill && !(action_size == 5 && memcmp(equals, "error", 5) == 0)) {
		return false;
	}
	p->at = 1;
	if (at != NULL) {
		char *rest;

		p->at = strtol(at + 1, &rest, 10);
		if (rest != end || p->at < 1) {
			return false;
		}
	}
	atomic_store(&p->hits, 0);
	return true;
}

int drip_failpoint_arm(const char *spec, struct drip_error *err)
{
	size_t count = 0;

	atomic_store(&points_count, 0);
	while (spec != NULL && *spec != '\0') {
		size_t size = strcspn(spec, ",");

		if (count == DRIP_FAILPOINTS_MAX || !parse_one(spec, size, &points[count])) {
			return drip_error_set(err, -EINVAL, "failpoint.bad_spec",
					      "cannot read failpoint \"%.*s\"", (int)size, spec);
		}
		count++;
		spec += size + (spec[size] == ',');
	}
	atomic_store(&points_count, count);
	return 0;
}

static void arm_from_environment(void)
{
	struct drip_error err = DRIP_ERROR_INIT;
	const char *spec = getenv("DRIPLINE_FAILPOINTS");

	if (spec != NULL && drip_failpoint_arm(spec, &err) < 0) {
		/* A test that believes to have armed something must not pass. */
		fprintf(stderr, "DRIPLINE_FAILPOINTS: %s\n", err.message);
		abort();
	}
}

int drip_failpoint_hit(const char *name, struct drip_error *err)
{
	size_t count;

	pthread_once(&once, arm_from_environment);
	count = atomic_load_explicit(&points_count, memory_order_acquire);
	for (size_t i = 0; i < count; i++) {
		struct point *p = &points[i];

		if (strcmp(p->name, name) != 0 || atomic_fetch_add(&p->hits, 1) + 1 != p->at) {
			continue;
		}
		if (p->kill) {
			kill(getpid(), SIGKILL);
			for (;;) {
				pause();
			}
		}
		return drip_error_set_retryable(err, -EIO, "failpoint.hit", "failpoint %s was hit",
						name);
	}
	return 0;
}
