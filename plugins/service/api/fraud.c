/* SPDX-License-Identifier: Apache-2.0 */
/* POST /ml/fraud: a body with the features of one payment, its score. Takes no lock that another
 * request holds for long, and waits for nothing. */
#include "api.h"

#include <jansson.h>
#include <math.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct http_answer *ret, unsigned status, const char *code, const char *fmt,
		  const char *name)
{
	char text[200];

	snprintf(text, sizeof(text), fmt, name);
	http_answer_problem(ret, status, code, text, "");
	return -1;
}

static int find_feature(const struct drip_model_info *info, const char *name)
{
	for (uint32_t i = 0; i < info->features_count; i++) {
		if (strcmp(info->features[i].name, name) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static int set_feature(const struct drip_model *model, const struct drip_model_version *v,
		       const struct drip_model_info *info, uint32_t i, const json_t *value,
		       double *row, struct http_answer *ret)
{
	bool category = info->features[i].category;

	if (json_is_null(value)) {
		return 0;
	}
	if (category && json_is_string(value)) {
		row[i] = model->encode(v, i, json_string_value(value), json_string_length(value));
	} else if (!category && json_is_number(value)) {
		row[i] = json_number_value(value);
	} else if (!category && json_is_boolean(value)) {
		row[i] = json_is_true(value) ? 1 : 0;
	} else {
		return refuse(ret, MHD_HTTP_UNPROCESSABLE_CONTENT, "api.bad_feature",
			      category ? "the feature \"%.60s\" wants a string"
				       : "the feature \"%.60s\" wants a number",
			      info->features[i].name);
	}
	return 0;
}

/* Fills a row; the answer is set where it fails. */
static int read_row(const struct drip_model *model, const struct drip_model_version *v,
		    const struct drip_model_info *info, json_t *body, double *row,
		    struct http_answer *ret)
{
	const char *name;
	json_t *value;

	if (json_object_size(body) == 0) {
		return refuse(ret, MHD_HTTP_UNPROCESSABLE_CONTENT, "api.bad_feature",
			      "the body holds no features%s", "");
	}
	for (uint32_t i = 0; i < info->features_count; i++) {
		row[i] = NAN;
	}
	json_object_foreach(body, name, value)
	{
		int i = find_feature(info, name);

		if (i < 0) {
			return refuse(ret, MHD_HTTP_UNPROCESSABLE_CONTENT, "api.bad_feature",
				      "the model has no feature \"%.60s\"", name);
		}
		if (set_feature(model, v, info, (uint32_t)i, value, row, ret) < 0) {
			return -1;
		}
	}
	return 0;
}

static bool answer_score(struct http_answer *ret, const struct drip_model_info *info, double score)
{
	bool positive = !isnan(info->threshold) && score >= info->threshold;
	const char *kind = DRIP_HAS(info, score_kind) ? info->score_kind : NULL;
	char text[400], threshold[40] = "null";

	if (!isnan(info->threshold)) {
		snprintf(threshold, sizeof(threshold), "%.9g", info->threshold);
	}
	snprintf(text, sizeof(text),
		 "{\"risk_score\":%.9g,\"score_kind\":\"%s\",\"threshold\":%s,\"is_fraud\":%s,"
		 "\"model\":\"%.64s\",\"version\":%lld}\n",
		 score, kind != NULL ? kind : "rank", threshold, positive ? "true" : "false",
		 info->name, (long long)info->version);
	ret->status = MHD_HTTP_OK;
	ret->type = HTTP_JSON;
	ret->body = strdup(text);
	return positive;
}

/* True where the score says fraud. */
static bool score(const struct drip_model *model, const struct drip_model_version *v, json_t *body,
		  struct http_answer *ret)
{
	const struct drip_model_info *info = model->info(v);
	struct drip_error err = DRIP_ERROR_INIT;
	double row[DRIP_MODEL_FEATURES_MAX], value = NAN;

	if (info->features_count > DRIP_MODEL_FEATURES_MAX ||
	    read_row(model, v, info, body, row, ret) < 0) {
		return false;
	}
	if (model->score(v, row, 1, &value, &err) < 0 || !isfinite(value)) {
		http_answer_problem(ret, MHD_HTTP_INTERNAL_SERVER_ERROR, "api.not_scored",
				    "the model gives no score", "");
		return false;
	}
	return answer_score(ret, info, value);
}

void api_fraud(struct api *api, const struct api_caller *caller, const struct http_request *r,
	       struct http_answer *ret)
{
	uint64_t begun = api_now_ns();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_model_version *v = NULL;
	const struct drip_model *model;
	json_t *body = json_loadb(r->body, r->body_size, JSON_REJECT_DUPLICATES, NULL);
	bool positive = false;
	void *object;

	pthread_mutex_lock(&api->lock);
	model = api->model;
	object = api->model_object;
	pthread_mutex_unlock(&api->lock);
	if (!json_is_object(body)) {
		http_answer_problem(ret, MHD_HTTP_BAD_REQUEST, "api.bad_json",
				    "the body is not a JSON object", "");
	} else if (model == NULL || model->acquire(object, &v, &err) < 0) {
		http_answer_problem(ret, MHD_HTTP_SERVICE_UNAVAILABLE, "api.no_model",
				    "no version of the model is in production", "");
	} else {
		positive = score(model, v, body, ret);
		model->release(v);
	}
	json_decref(body);
	api_tally(api, caller, ret->status != MHD_HTTP_OK, positive,
		  (double)(api_now_ns() - begun) / 1e6);
}
