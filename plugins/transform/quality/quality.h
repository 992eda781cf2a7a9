/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the transform `quality`. One thread. */
#ifndef DRIPLINE_QUALITY_H
#define DRIPLINE_QUALITY_H

#include <dripline/dripline.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define QUALITY_RULES_MAX   250
#define QUALITY_NAME_MAX    120     /* bytes of a rule's name in messages */
#define QUALITY_MATCH_LIMIT 1000000 /* steps of one pattern match */
#define QUALITY_TABLES_MAX  1000    /* whose results are told apart */

enum quality_kind {
	QUALITY_NOT_NULL,
	QUALITY_UNIQUE,
	QUALITY_RANGE,
	QUALITY_SET,
	QUALITY_PATTERN,
	QUALITY_FRESHNESS,
	QUALITY_ROW_COUNT,
};

enum quality_action { ACTION_AUTO, ACTION_WARN, ACTION_DEAD_LETTER, ACTION_STOP };

/* One entry of the option `rules`. */
struct quality_rule {
	struct drip_enum kind, action;
	const char *name;
	struct drip_columns columns;
	struct drip_strings tables;
	bool changes;
	const char *min, *max;
	struct drip_strings values;
	const char *pattern;
	struct drip_duration max_age;
	int64_t window;
};

/* One value in the type of a column, as it stands in a buffer. */
struct quality_limit {
	bool set;
	union {
		int64_t i;
		uint64_t u;
		double f;
		__int128 d;
	} v;
};

/* A rule made ready for one schema; what it remembers is in the rule's state. */
struct quality_check {
	bool applies; /* to this table */
	uint32_t *columns;
	uint32_t columns_count;
	struct quality_limit *low, *high; /* of range: one a column */
	struct drip_rowset *sets;         /* of set: one a column */
	uint64_t seed;                    /* of unique: the table */
};

/* What a rule keeps between batches. */
struct quality_state {
	struct drip_rowset seen; /* of unique */
	pcre2_code *code;        /* of pattern */
	pcre2_match_data *match;
	pcre2_match_context *context;
	int64_t rows;      /* of this epoch */
	int64_t newest_us; /* of this epoch; INT64_MIN: none */
	int64_t failed;    /* since open */
	char metric[100];
};

/* What the rules found in one table since the last epoch. */
struct quality_tally {
	struct quality_tally *next;
	char table[2 * DRIP_NAME_MAX + 2];
	struct quality_tally_rule {
		int64_t checked, failed;
	} rules[];
};

/* tally.c: (borrowed) that of a table, made where it is not there; of all tables beyond
 * QUALITY_TABLES_MAX there is one, "*". NULL: no memory. */
struct quality_tally *quality_tally_of(struct quality_tally **first, const char *database,
				       const char *table, size_t rules);
void quality_tally_finish(struct quality_tally **first);
const char *quality_action_name(const struct quality_rule *rule);
/* Tells the host one result. `at_once`: the pipeline stops for it. */
int quality_tell(struct drip_ctx *ctx, const struct quality_rule *rule, const char *table,
		 const struct quality_tally_rule *found, bool at_once,
		 struct drip_error *err) DRIP_MUST_CHECK;

bool quality_is_of_epoch(const struct quality_rule *rule); /* not of single rows */
enum quality_action quality_action_of(const struct quality_rule *rule);
/* The rule's name, or what it says: "not_null(id, day)". */
void quality_name(const struct quality_rule *rule, char *buf, size_t size);
/* The name of its metric, of the name, or of kind and first column. */
void quality_metric(const struct quality_rule *rule, char *buf, size_t size);

/* compile.c. Errors name the option. */
typedef void quality_report(void *data, const struct drip_error *finding);
/* Reports all that is wrong with a rule. 0, or a negative errno where it reported. */
int quality_check_rule(const struct quality_rule *rule, size_t index, quality_report *report,
		       void *data) DRIP_MUST_CHECK;
int quality_state_init(struct quality_state *s, const struct quality_rule *rule, size_t index,
		       struct drip_error *err) DRIP_MUST_CHECK;
void quality_state_finish(struct quality_state *s);
/* Goes on from `rc`, what the rules before came to, and reports all that is wrong with this one.
 * *ret is to be finished in any case. */
int quality_compile(const struct quality_rule *rule, size_t index, const struct drip_schema *input,
		    struct quality_check *ret, int rc, struct drip_error *err) DRIP_MUST_CHECK;
void quality_check_finish(struct quality_check *c);

/* checks.c: sets fails[row] where the row breaks the rule; rows with skip[row] are not looked at.
 * `hashes` is scratch, one a row. */
int quality_run(const struct quality_rule *rule, struct quality_state *state,
		const struct quality_check *check, const struct drip_batch *batch,
		const uint8_t *skip, struct drip_hash *hashes, uint8_t *fails,
		struct drip_error *err) DRIP_MUST_CHECK;

#endif
