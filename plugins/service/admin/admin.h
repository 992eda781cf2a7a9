/* SPDX-License-Identifier: Apache-2.0 */
/* Service admin: what its files share. */
#ifndef DRIPLINE_PLUGIN_ADMIN_H
#define DRIPLINE_PLUGIN_ADMIN_H

#include <dripline/dripline.h>
#include <stdatomic.h>

struct admin_config {
	const char *listen;
	bool allow_remote;
	struct drip_secret token;
	int64_t max_connections;
	struct drip_duration timeout;
};

struct admin {
	struct drip_ctx *ctx;
	const struct admin_config *config;
	struct MHD_Daemon *daemon;
	atomic_bool was_ready; /* for /startupz */
	bool loopback;         /* `listen` is */
};

#define ADMIN_URL_MAX 1024

/* A request as routes see it. */
struct admin_request {
	struct admin *admin;
	const char *method, *url;
	/* (borrowed) A query argument, NULL where absent. */
	const char *(*query)(const struct admin_request *r, const char *name);
	void *connection;
};

struct admin_answer {
	unsigned status;
	const char *type; /* static */
	char *body;       /* malloc'd; NULL: no memory */
};

/* Answers what is authorized already. Thread: any. */
void admin_route(const struct admin_request *r, struct admin_answer *ret);
void admin_answer_error(struct admin_answer *a, unsigned status, const char *code,
			const char *message, const char *hint);

#endif
