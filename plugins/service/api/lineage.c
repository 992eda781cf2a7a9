/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lineage of what the routes answer: each field as a column of the dataset "METHOD /path" in the
 * namespace "api", so that a source's column can be followed to who reads it. Recorded at the
 * start, and of the model when there is one. Thread: the caller's.
 */
#include "api.h"

#include <dripline/sql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE "api"
#define CHURN "GET /ml/churn/{user_no}"
#define PAID  "GET /ml/fraud/{trade_no}"
#define BOARD "GET /analytics/dashboard"

/* As the queries of routes.c have them. */
static const struct {
	const char *route, *field, *table, *column;
	enum drip_lineage_kind kind;
} fields[] = {
	{CHURN, "user_no", "dw.dim_customer", "user_no", DRIP_LINEAGE_IDENTITY},
	{CHURN, "churn_risk_score", "dw.dim_customer", "churn_risk_score", DRIP_LINEAGE_IDENTITY},
	{CHURN, "segment", "dw.dim_customer", "segment", DRIP_LINEAGE_IDENTITY},
	{CHURN, "last_order_date", "dw.dim_customer", "last_order_date", DRIP_LINEAGE_IDENTITY},
	{CHURN, "total_orders", "dw.dim_customer", "total_orders", DRIP_LINEAGE_IDENTITY},
	{PAID, "trade_no", "ml.fraud_scores", "trade_no", DRIP_LINEAGE_IDENTITY},
	{PAID, "risk_score", "ml.fraud_scores", "fraud_score", DRIP_LINEAGE_IDENTITY},
	{PAID, "is_fraud", "ml.fraud_scores", "fraud_anomaly", DRIP_LINEAGE_IDENTITY},
	{PAID, "version", "ml.fraud_scores", "fraud_version", DRIP_LINEAGE_IDENTITY},
	{PAID, "tried_at", "ml.fraud_scores", "tried_at", DRIP_LINEAGE_IDENTITY},
	{BOARD, "revenue", "dw.fact_orders", "net_amount", DRIP_LINEAGE_AGGREGATION},
	{BOARD, "average_order", "dw.fact_orders", "net_amount", DRIP_LINEAGE_AGGREGATION},
	{BOARD, "customers", "dw.fact_orders", "customer_key", DRIP_LINEAGE_AGGREGATION},
	{BOARD, "day", "dw.fact_orders", "ordered_at", DRIP_LINEAGE_TRANSFORMATION},
	{BOARD, "store", "dw.dim_store", "store_name", DRIP_LINEAGE_IDENTITY},
	{BOARD, "channel", "dw.dim_channel", "channel_name", DRIP_LINEAGE_IDENTITY},
};

static bool can_record(const struct api *api)
{
	return DRIP_HAS(api->ctx->host, lineage) && api->ctx->host->lineage != NULL;
}

/* That it could not be recorded takes nothing from who asks. */
static void put(struct api *api, const struct drip_lineage_fact *facts, size_t count)
{
	struct drip_error err = DRIP_ERROR_INIT;

	if (api->ctx->host->lineage(api->ctx, facts, count, &err) < 0) {
		drip_log_warning(api->ctx, "the lineage of the answers could not be recorded: %s",
				 err.message);
	}
}

void api_lineage(struct api *api)
{
	const struct drip_host *host = api->ctx->host;
	const char *name = api->config->warehouse.name;
	struct drip_lineage_fact facts[DRIP_COUNT(fields)];
	char space[DRIP_NAME_MAX] = "";
	const void *interface = NULL;
	void *object = NULL;

	if (!can_record(api) || host->connection_get(api->ctx, name, DRIP_SQL_INTERFACE, &interface,
						     &object, NULL) != 0) {
		return;
	}
	if (((const struct drip_sql *)interface)->dataset_namespace(object, space, sizeof(space)) <
	    0) {
		space[0] = '\0';
	}
	host->connection_put(api->ctx, name, DRIP_SQL_INTERFACE, object);
	for (size_t i = 0; i < DRIP_COUNT(fields); i++) {
		facts[i] = (struct drip_lineage_fact){.struct_size = sizeof(facts[i]),
						      .kind = fields[i].kind,
						      .input_namespace = space,
						      .input_dataset = fields[i].table,
						      .input_column = fields[i].column,
						      .output_namespace = SPACE,
						      .output_dataset = fields[i].route,
						      .output_column = fields[i].field,
						      .classification = DRIP_CLASS_INTERNAL};
	}
	put(api, facts, DRIP_COUNT(facts));
}

bool api_lineage_of_model(struct api *api)
{
	const struct drip_model *model = api->model;
	struct drip_model_version *v = NULL;
	struct drip_lineage_fact *facts;
	const struct drip_model_info *info;
	char name[DRIP_NAME_MAX];

	if (!can_record(api) || model->acquire(api->model_object, &v, NULL) < 0) {
		return false;
	}
	info = model->info(v);
	snprintf(name, sizeof(name), "model.%s", info->name);
	facts = calloc(info->features_count + 1, sizeof(*facts));
	for (uint32_t i = 0; facts != NULL && i < info->features_count; i++) {
		facts[i] = (struct drip_lineage_fact){.struct_size = sizeof(facts[i]),
						      .kind = DRIP_LINEAGE_TRANSFORMATION,
						      .input_namespace = "",
						      .input_dataset = name,
						      .input_column = info->features[i].name,
						      .output_namespace = SPACE,
						      .output_dataset = "POST /ml/fraud",
						      .output_column = "risk_score",
						      .classification = DRIP_CLASS_INTERNAL};
	}
	if (facts != NULL) {
		put(api, facts, info->features_count);
	}
	free(facts);
	model->release(v);
	return true;
}
