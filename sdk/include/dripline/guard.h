/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drip_guard: queries of people and programs that are not trusted with the database. What a query
 * may read is the views of its role, made here and nowhere else; what it may do is SELECT, with
 * functions from a list. Everything that the guard does not know is refused. An object (from the
 * host's connection_get) may be used from any thread; calls may block.
 */
#ifndef DRIPLINE_GUARD_H
#define DRIPLINE_GUARD_H

#include <dripline/batch.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_GUARD_INTERFACE   "drip_guard"
#define DRIP_GUARD_SQL_MAX     65536 /* bytes of a query */
#define DRIP_GUARD_ROLE_MAX    48    /* bytes of a role's name: a-z, 0-9 and _ */
#define DRIP_GUARD_ROLES_MAX   64
#define DRIP_GUARD_VIEWS_MAX   2000 /* of a role */
#define DRIP_GUARD_RUNNING_MAX 16   /* queries of one object at once */
#define DRIP_GUARD_ROWS_MAX    ((int64_t)1000000)
#define DRIP_GUARD_BYTES_MAX   (UINT64_C(256) << 20)
#define DRIP_GUARD_TIMEOUT_MAX ((int64_t)600000) /* ms */

/* A table as a role sees it, under the same name. */
struct drip_guard_view {
	uint32_t struct_size;
	const char *schema, *table; /* of the database; plain names, not quoted */
	/* SQL, trusted: what stands between SELECT and FROM, and after WHERE (NULL: all rows). */
	const char *columns, *filter;
};

struct drip_guard_query {
	uint32_t struct_size;
	const char *role;
	const char *sql;
	size_t sql_size;
	const struct drip_batch *bind; /* one row, values of ? parameters; may be NULL */
	/* Limits, 1 at least: the result is cut at the first that is reached, the time is not
	 * exceeded by much. */
	int64_t rows;
	uint64_t bytes;
	int64_t timeout_ms;
	/* Get the result: its schema once, then batches (borrowed). A negative return ends the
	 * query with that. */
	int (*on_schema)(const struct drip_schema *schema, void *data, struct drip_error *err);
	int (*on_batch)(const struct drip_batch *batch, void *data, struct drip_error *err);
	void *data;
};

struct drip_guard_result {
	uint32_t struct_size;
	int64_t rows;
	uint64_t bytes;
	bool truncated; /* there was more than `rows` or `bytes` */
	int64_t check_us, run_us;
};

struct drip_guard {
	uint32_t struct_size;
	/*
	 * Sets what a role sees, in place of what it saw; all texts are copied. Views of tables
	 * that do not exist yet are made when they do. -EINVAL, and nothing changed, for bad names.
	 */
	int (*define)(void *object, const char *role, const struct drip_guard_view *views,
		      size_t count, struct drip_error *err);
	/* -EACCES: refused, with the reason; -EINVAL: not a query; -E2BIG: too long; -ENOENT: the
	 * role is not defined. Nothing is run. */
	int (*check)(void *object, const char *role, const char *sql, size_t sql_size,
		     struct drip_error *err);
	/* Checks, then runs in a read-only transaction of a session of its own, which is given up
	 * at the end. -ETIMEDOUT, -EBUSY where too many run. `ret` is filled in any case. */
	int (*query)(void *object, const struct drip_guard_query *query,
		     struct drip_guard_result *ret, struct drip_error *err);
};

#ifdef __cplusplus
}
#endif

#endif
