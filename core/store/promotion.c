/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promotions: gates, requests, approvals and the history of stages. Every move is a row of
 * model_transition that is never changed once it is decided, written in the transaction of the
 * move, as is its row of the audit.
 */
#include "store/promotion.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the gates look at. */
struct standing {
	char stage[16];
	bool approval, was_in_production;
	double tolerance, quality, compared_quality; /* NAN: none */
	bool production_measured;
	int64_t compared_version, production; /* 0: none */
};

static int read_standing(sqlite3 *db, const char *model, int64_t version, struct standing *ret,
			 struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(
		db, &stmt, err,
		"SELECT v.stage, m.approval, m.tolerance, v.quality, v.compared_version, "
		"v.compared_quality,"
		" (SELECT version FROM model_version WHERE model = ?1 AND stage = 'Production'),"
		" EXISTS (SELECT 1 FROM model_transition t WHERE t.model = ?1 AND t.version = ?2 "
		"AND to_stage = 'Production' AND approved = 1),"
		" EXISTS (SELECT 1 FROM model_version WHERE model = ?1 AND stage = 'Production' "
		"AND quality IS NOT NULL)"
		" FROM model_version v JOIN model m ON m.name = v.model"
		" WHERE v.model = ?1 AND v.version = ?2 AND v.deleted_us IS NULL",
		"ti", model, version);

	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	if (rc == 0) {
		return drip_store_unknown_model(model, version, err);
	}
	if (rc == 1) {
		snprintf(ret->stage, sizeof(ret->stage), "%s", drip_store_text(stmt, 0));
		ret->approval = sqlite3_column_int(stmt, 1) != 0;
		ret->tolerance = sqlite3_column_double(stmt, 2);
		ret->quality = drip_store_number(stmt, 3);
		ret->compared_version = sqlite3_column_int64(stmt, 4);
		ret->compared_quality = drip_store_number(stmt, 5);
		ret->production = sqlite3_column_int64(stmt, 6);
		ret->was_in_production = sqlite3_column_int(stmt, 7) != 0;
		ret->production_measured = sqlite3_column_int(stmt, 8) != 0;
	}
	return rc < 0 ? rc : 0;
}

/* 0, or -EPERM with the reason why the version may not follow the one in Production. */
static int check_quality(const struct standing *s, const struct drip_store_promotion *p,
			 struct drip_error *err)
{
	if (p->force || s->production == 0 || s->production == p->version || s->was_in_production ||
	    (isnan(s->quality) && !s->production_measured)) {
		return 0;
	}
	if (isnan(s->quality)) {
		drip_error_set(err, -EPERM, "store.model_not_compared",
			       "version %" PRId64 " of model \"%s\" could not be measured, but "
			       "version %" PRId64 " was, which is in Production",
			       p->version, p->model, s->production);
		drip_error_hint(err,
				"Train it on rows with labels of both classes, or promote with "
				"--force and have it approved.");
		return -EPERM;
	}
	if (s->compared_version != s->production || isnan(s->compared_quality)) {
		drip_error_set(err, -EPERM, "store.model_not_compared",
			       "version %" PRId64
			       " of model \"%s\" was not measured beside version "
			       "%" PRId64 ", which is in Production",
			       p->version, p->model, s->production);
		drip_error_hint(err,
				"Train it anew, or promote with --force and have it approved.");
		return -EPERM;
	}
	if (s->quality < s->compared_quality - s->tolerance) {
		drip_error_set(err, -EPERM, "store.model_worse",
			       "version %" PRId64 " of model \"%s\" is worse than version %" PRId64
			       " on the same rows: %.4f, not %.4f",
			       p->version, p->model, s->production, s->quality,
			       s->compared_quality);
		drip_error_hint(err, "Promote with --force, and have it approved, to do it still.");
		return -EPERM;
	}
	return 0;
}

static int audit(sqlite3 *db, const char *actor, const char *action, const char *model,
		 int64_t version, const char *detail, struct drip_error *err)
{
	char target[160];

	snprintf(target, sizeof(target), "%s@%" PRId64, model, version);
	return drip_store_put_audit(db, actor, action, target, detail, err);
}

/* Writes that a version moved; not decided: that it waits. */
static int put_transition(sqlite3 *db, const struct drip_store_promotion *p, const char *from,
			  int decided, struct drip_error *err)
{
	int64_t now = drip_clock_wall_us();

	return drip_store_run(db, err,
			      "INSERT INTO model_transition (model, version, from_stage, to_stage, "
			      "requested_by, requested_us, decided_us, approved, comment, forced) "
			      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, iif(?7, ?6, NULL), iif(?7, 1, "
			      "NULL), ?8, ?9)",
			      "titttitti", p->model, p->version, from, p->stage, p->actor, now,
			      decided ? "1" : NULL, p->comment != NULL ? p->comment : "",
			      (int64_t)p->force);
}

static int set_stage(sqlite3 *db, const char *model, int64_t version, const char *stage,
		     struct drip_error *err)
{
	return drip_store_run(db, err,
			      "UPDATE model_version SET stage = ? WHERE model = ? AND version = ?",
			      "tti", stage, model, version);
}

/* Moves the version, and the one in Production out of its way. Its own transition is written. */
static int apply(sqlite3 *db, const struct drip_store_promotion *p, const struct standing *s,
		 struct drip_error *err)
{
	char detail[64];
	int rc = 0;

	if (strcmp(p->stage, DRIP_STAGE_PRODUCTION) == 0 && s->production != 0 &&
	    s->production != p->version) {
		struct drip_store_promotion old = *p;

		old.version = s->production;
		old.stage = DRIP_STAGE_ARCHIVED;
		old.force = false;
		rc = put_transition(db, &old, DRIP_STAGE_PRODUCTION, 1, err);
		rc = rc == 0 ? set_stage(db, p->model, s->production, DRIP_STAGE_ARCHIVED, err)
			     : rc;
	}
	rc = rc == 0 ? set_stage(db, p->model, p->version, p->stage, err) : rc;
	snprintf(detail, sizeof(detail), "%s -> %s%s", s->stage, p->stage,
		 p->force ? " (forced)" : "");
	return rc == 0 ? audit(db, p->actor, "model promote", p->model, p->version, detail, err)
		       : rc;
}

static int put_request(sqlite3 *db, const struct drip_store_promotion *p, const struct standing *s,
		       struct drip_error *err)
{
	int rc =
		drip_store_run(db, err,
			       "UPDATE model_transition SET decided_us = ?, approved = 0, decision "
			       "= 'another request took its place' WHERE model = ? AND version = ? "
			       "AND decided_us IS NULL",
			       "iti", drip_clock_wall_us(), p->model, p->version);

	rc = rc == 0 ? put_transition(db, p, s->stage, 0, err) : rc;
	return rc == 0 ? audit(db, p->actor, "model request", p->model, p->version,
			       p->force ? "Production (forced)" : "Production", err)
		       : rc;
}

/* The gates, then the move or the request. */
static int promote(sqlite3 *db, const struct drip_store_promotion *p, struct drip_model_added *ret,
		   struct drip_error *err)
{
	bool production = strcmp(p->stage, DRIP_STAGE_PRODUCTION) == 0;
	struct standing s;
	int rc = read_standing(db, p->model, p->version, &s, err);

	ret->version = p->version;
	if (rc < 0) {
		return rc;
	}
	if (strcmp(s.stage, p->stage) == 0) {
		return drip_error_set(err, -EALREADY, "store.model_stage",
				      "version %" PRId64 " of model \"%s\" is in %s already",
				      p->version, p->model, s.stage);
	}
	rc = production ? check_quality(&s, p, err) : 0;
	if (rc < 0) {
		return rc;
	}
	if (production && (s.approval || p->force)) {
		ret->pending = true;
		snprintf(ret->reason, sizeof(ret->reason), "it waits for an approval");
		return put_request(db, p, &s, err);
	}
	rc = put_transition(db, p, s.stage, 1, err);
	rc = rc == 0 ? apply(db, p, &s, err) : rc;
	ret->promoted = rc == 0;
	return rc;
}

int drip_store_try_promotion(sqlite3 *db, const struct drip_store_promotion *p,
			     struct drip_model_added *ret, struct drip_error *err)
{
	struct drip_error why = DRIP_ERROR_INIT;
	int rc = promote(db, p, ret, &why);

	if (rc == -EPERM) {
		snprintf(ret->reason, sizeof(ret->reason), "%.255s", why.message);
		return 0;
	}
	if (rc < 0 && err != NULL) {
		*err = why;
	}
	return rc;
}

/* That the file is what was registered. */
static int check_artifact(struct drip_store *store, const char *model, int64_t version,
			  struct drip_error *err)
{
	struct drip_model_artifact a;
	int rc = drip_store_read_model(store, model, version, &a, err);

	if (rc == 0) {
		drip_model_artifact_finish(&a);
	}
	return rc;
}

int drip_store_promote_model(struct drip_store *store, const struct drip_store_promotion *p,
			     struct drip_model_added *ret, struct drip_error *err)
{
	int rc = strcmp(p->stage, DRIP_STAGE_PRODUCTION) == 0 ||
				 strcmp(p->stage, DRIP_STAGE_STAGING) == 0
			 ? check_artifact(store, p->model, p->version, err)
			 : 0;

	*ret = (struct drip_model_added){.struct_size = sizeof(*ret)};
	rc = rc == 0 ? drip_store_begin(store, err) : rc;
	if (rc < 0) {
		return rc;
	}
	rc = promote(store->writer.handle, p, ret, err);
	return drip_store_end(store, rc, err);
}

/* ---- decisions ---- */

struct request {
	int64_t id;
	char to[16], by[128];
	bool forced;
};

static int find_request(sqlite3 *db, const char *model, int64_t version, struct request *ret,
			struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(db, &stmt, err,
				    "SELECT id, to_stage, requested_by, forced FROM "
				    "model_transition WHERE model = ? AND version = ? AND "
				    "decided_us IS NULL ORDER BY id DESC LIMIT 1",
				    "ti", model, version);

	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	if (rc == 0) {
		return drip_error_set(err, -ENOENT, "store.no_request",
				      "nothing waits for an approval of version %" PRId64
				      " of model \"%s\"",
				      version, model);
	}
	if (rc == 1) {
		ret->id = sqlite3_column_int64(stmt, 0);
		snprintf(ret->to, sizeof(ret->to), "%s", drip_store_text(stmt, 1));
		snprintf(ret->by, sizeof(ret->by), "%s", drip_store_text(stmt, 2));
		ret->forced = sqlite3_column_int(stmt, 3) != 0;
	}
	return rc < 0 ? rc : 0;
}

static int decide(sqlite3 *db, const char *model, int64_t version, const char *actor, bool approve,
		  const char *comment, struct drip_model_added *ret, struct drip_error *err)
{
	struct drip_store_promotion p = {
		.model = model, .version = version, .actor = actor, .comment = comment};
	struct request request = {0};
	struct standing s;
	int rc = find_request(db, model, version, &request, err);

	rc = rc == 0 ? read_standing(db, model, version, &s, err) : rc;
	if (rc < 0) {
		return rc;
	}
	if (approve && strcmp(request.by, actor) == 0) {
		drip_error_set(err, -EPERM, "store.own_request",
			       "%s asked for this and cannot approve it", actor);
		drip_error_hint(err, "Somebody else must approve it.");
		return -EPERM;
	}
	p.stage = drip_store_stage(request.to);
	p.force = request.forced;
	rc = approve ? check_quality(&s, &p, err) : 0;
	rc = rc == 0 ? drip_store_run(db, err,
				      "UPDATE model_transition SET decided_by = ?, decided_us = ?, "
				      "approved = ?, decision = ? WHERE id = ?",
				      "tiiti", actor, drip_clock_wall_us(), (int64_t)approve,
				      comment != NULL ? comment : "", request.id)
		     : rc;
	rc = rc == 0 ? audit(db, actor, approve ? "model approve" : "model refuse", model, version,
			     comment != NULL ? comment : "", err)
		     : rc;
	if (rc == 0 && approve) {
		rc = apply(db, &p, &s, err);
		ret->promoted = rc == 0;
	}
	return rc;
}

int drip_store_decide_model(struct drip_store *store, const char *model, int64_t version,
			    const char *actor, bool approve, const char *comment,
			    struct drip_model_added *ret, struct drip_error *err)
{
	int rc = approve ? check_artifact(store, model, version, err) : 0;

	*ret = (struct drip_model_added){.struct_size = sizeof(*ret), .version = version};
	rc = rc == 0 ? drip_store_begin(store, err) : rc;
	if (rc < 0) {
		return rc;
	}
	rc = decide(store->writer.handle, model, version, actor, approve, comment, ret, err);
	return drip_store_end(store, rc, err);
}

/* ---- deleting ---- */

static int delete_version(sqlite3 *db, const char *model, int64_t version, const char *actor,
			  char *path, size_t size, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	struct standing s;
	int rc = read_standing(db, model, version, &s, err);

	if (rc == 0 && s.production == version) {
		rc = drip_error_set(err, -EBUSY, "store.model_in_production",
				    "version %" PRId64 " of model \"%s\" is in Production", version,
				    model);
		drip_error_hint(err, "Promote another version, or archive this one, first.");
	}
	rc = rc == 0 ? drip_store_prepare(db, &stmt, err,
					  "UPDATE model_version SET deleted_us = ?, stage = "
					  "'Archived' WHERE model = ? AND version = ? RETURNING "
					  "artifact_path",
					  "iti", drip_clock_wall_us(), model, version)
		     : rc;
	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	if (rc == 1) {
		snprintf(path, size, "%s", drip_store_text(stmt, 0));
		rc = drip_store_step(stmt, err);
	}
	return rc == 0 ? audit(db, actor, "model delete", model, version, "", err) : rc;
}

int drip_store_delete_version(struct drip_store *store, const char *model, int64_t version,
			      const char *actor, struct drip_error *err)
{
	char path[256] = "";
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = delete_version(store->writer.handle, model, version, actor, path, sizeof(path), err);
	rc = drip_store_end(store, rc, err);
	return rc == 0 ? drip_store_remove_artifact(store, path, err) : rc;
}
