/* SPDX-License-Identifier: Apache-2.0 */
/* Service api: what its files share. Thread: any, but for those said otherwise. */
#ifndef DRIPLINE_PLUGIN_API_H
#define DRIPLINE_PLUGIN_API_H

#include "../http.h"

#include <dripline/guard.h>
#include <dripline/model.h>
#include <pthread.h>

#define API_CHURN_URL   "/ml/churn/"
#define API_PAYMENT_URL "/ml/fraud/"

struct api_config {
	HTTP_CONFIG;
	struct drip_secret tls_certificate, tls_key;
	struct drip_connection_ref warehouse;
	const char *fraud_model;
	double rate;
	struct drip_duration request_timeout, query_timeout;
	int64_t query_rows;
	struct drip_size query_bytes;
};

enum api_route {
	API_QUERY = 1 << 0,
	API_DASHBOARD = 1 << 1,
	API_CHURN = 1 << 2,
	API_FRAUD = 1 << 3
};

#define API_KEY_ID_MAX 16
#define API_NAME_MAX   72

/* Who asks, as its key says. */
struct api_caller {
	char id[API_KEY_ID_MAX], name[API_NAME_MAX];
	char role[API_NAME_MAX];  /* as the policy calls it */
	char guard[API_NAME_MAX]; /* as the guard does: of named people another one */
	unsigned routes;          /* enum api_route */
};

struct api_access; /* access.c */

/* What was asked since the last record, of routes that are not recorded one by one. */
struct api_tally {
	char id[API_KEY_ID_MAX], name[API_NAME_MAX], role[API_NAME_MAX];
	uint64_t asked, refused, positive;
	uint64_t limited; /* of any route, turned away for the rate */
	double ms_max;
};

#define API_TALLIES_MAX 256

struct api {
	struct drip_ctx *ctx;
	const struct api_config *config;
	struct http_server *server;
	struct api_access *access;
	const struct drip_guard *guard;
	void *warehouse;
	pthread_t refresher;
	bool refreshes;
	bool model_told;      /* its lineage; of the refresher, and of the start before it */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool ends;
	const struct drip_model *model; /* NULL: there is none yet */
	void *model_object;
	struct api_tally tallies[API_TALLIES_MAX];
	size_t tallies_count;
	uint64_t unknown_keys;
};

/* access.c */
struct api_access *api_access_create(double rate); /* NULL: no memory */
void api_access_destroy(struct api_access *access);
/* Asks the host what has changed, and defines the roles in the guard. */
int api_access_refresh(struct api *api, struct drip_error *err) DRIP_MUST_CHECK;
/* API_UNHEARD: unknown, and so is its id; it may be a new one. */
enum api_verdict { API_KNOWN = 0, API_UNKNOWN, API_UNHEARD, API_TOO_MANY };
/* Looks a key up, and where `takes` takes a request off its rate. */
enum api_verdict api_access_find(struct api_access *access, const char *key, bool takes,
				 struct api_caller *ret);
/* The same for a key that was unheard of: refreshes first, at most some times a second. */
enum api_verdict api_access_find_new(struct api *api, const char *key, bool takes,
				     struct api_caller *ret);

/* audit.c: one record, durable on return; 0, or the answer says that it could not be written. */
int api_record(struct api *api, const struct api_caller *caller, const char *action,
	       const char *target, const char *decision, const char *code, int64_t rows, int64_t us,
	       struct http_answer *ret);
void api_tally(struct api *api, const struct api_caller *caller, bool refused, bool positive,
	       double ms);
void api_tally_limited(struct api *api, const struct api_caller *caller);
/* Writes what the tallies hold. Thread: one. */
void api_flush(struct api *api);

/* The queries of the routes: what they answer, and where it comes from, is told by these alone. A
 * field is an output column; in the dashboard, of a section. */
struct api_statement {
	const char *route;   /* as openapi.json has it: "GET /ml/churn/{user_no}" */
	const char *section; /* NULL: the answer itself */
	const char *sql;
};
enum { API_CHURN_ROW, API_PAYMENT_ROW, API_TOTALS, API_BY_DAY, API_BY_STORE, API_BY_CHANNEL };
#define API_STATEMENTS 6
extern const struct api_statement api_statements[API_STATEMENTS];

/* Routes: each answers in every case. */
void api_query(struct api *api, const struct api_caller *caller, const struct http_request *r,
	       struct http_answer *ret);
void api_churn(struct api *api, const struct api_caller *caller, const struct http_request *r,
	       struct http_answer *ret);
void api_payment(struct api *api, const struct api_caller *caller, const struct http_request *r,
		 struct http_answer *ret);
void api_dashboard(struct api *api, const struct api_caller *caller, const struct http_request *r,
		   struct http_answer *ret);
void api_fraud(struct api *api, const struct api_caller *caller, const struct http_request *r,
	       struct http_answer *ret);
/* lineage.c: records where the answers come from, as far as the catalog declares it; where there is
 * a model, its features too. */
void api_lineage(struct api *api);
bool api_lineage_of_model(struct api *api); /* false: there is no version yet */
extern const char api_openapi[];            /* of openapi.json, the OpenAPI 3.1 document */

uint64_t api_now_ns(void);
/* The status of an error of the guard or the host. */
unsigned api_status_of(const struct drip_error *err);

#endif
