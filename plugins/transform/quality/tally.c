/* SPDX-License-Identifier: Apache-2.0 */
/* What rules found, by table, until the host is told at the end of the epoch. One thread. */
#include "quality.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct quality_tally *quality_tally_of(struct quality_tally **first, const char *database,
				       const char *table, size_t rules)
{
	char name[sizeof((*first)->table)];
	struct quality_tally *t;
	size_t count = 0;

	snprintf(name, sizeof(name), "%s%s%s", database, database[0] != '\0' ? "." : "", table);
	for (t = *first; t != NULL && strcmp(t->table, name) != 0; t = t->next) {
		count++;
	}
	if (t != NULL) {
		return t;
	}
	if (count >= QUALITY_TABLES_MAX && strcmp(name, "*") != 0) {
		return quality_tally_of(first, "", "*", rules);
	}
	t = calloc(1, sizeof(*t) + rules * sizeof(t->rules[0]));
	if (t != NULL) {
		memcpy(t->table, name, sizeof(name));
		t->next = *first;
		*first = t;
	}
	return t;
}

void quality_tally_finish(struct quality_tally **first)
{
	while (*first != NULL) {
		struct quality_tally *t = *first;

		*first = t->next;
		free(t);
	}
}

const char *quality_action_name(const struct quality_rule *rule)
{
	switch (quality_action_of(rule)) {
	case ACTION_DEAD_LETTER:
		return "dead-letter";
	case ACTION_STOP:
		return "stop";
	default:
		return "warn";
	}
}

int quality_tell(struct drip_ctx *ctx, const struct quality_rule *rule, const char *table,
		 const struct quality_tally_rule *found, bool at_once, struct drip_error *err)
{
	char name[QUALITY_NAME_MAX];
	struct drip_quality_result result = {.struct_size = sizeof(result),
					     .rule = name,
					     .table = table,
					     .action = quality_action_name(rule),
					     .checked = found->checked,
					     .failed = found->failed};

	if (!DRIP_HAS(ctx->host, quality) || ctx->host->quality == NULL) {
		return 0; /* of an older release */
	}
	quality_name(rule, name, sizeof(name));
	return ctx->host->quality(ctx, &result, 1, at_once, err);
}
