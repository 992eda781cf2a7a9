/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model registry, but for promotions: registering versions and reading them. An artifact's file
 * is whole and synced before the row that names it is committed; a file without a row is
 * overwritten by the next version of that number.
 */
#include "store/models.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "store/promotion.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

const char *drip_store_stage(const char *name)
{
	static const char *const stages[] = {DRIP_STAGE_NONE, DRIP_STAGE_STAGING,
					     DRIP_STAGE_PRODUCTION, DRIP_STAGE_ARCHIVED};

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		if (strcasecmp(stages[i], name) == 0) {
			return stages[i];
		}
	}
	return NULL;
}

int drip_store_unknown_model(const char *model, int64_t version, struct drip_error *err)
{
	if (version == 0) {
		drip_error_set(err, -ENOENT, "store.no_model", "there is no model \"%s\"", model);
	} else {
		drip_error_set(err, -ENOENT, "store.no_model",
			       "there is no version %" PRId64 " of model \"%s\"", version, model);
	}
	drip_error_hint(err, "`dripline model list` shows the models, `model show` the versions.");
	return -ENOENT;
}

/* ---- files ---- */

/* `relative` below the folder of the store. */
static void full_path(const struct drip_store *store, const char *relative, char *buf, size_t size)
{
	const char *slash = strrchr(store->path, '/');

	snprintf(buf, size, "%.*s/%s", (int)(slash - store->path), store->path, relative);
}

static int file_failed(const char *what, const char *path, struct drip_error *err)
{
	int saved = errno != 0 ? errno : EIO;

	return drip_error_set_retryable(err, -saved, "store.model_file",
					"could not %s the artifact \"%s\": %s", what, path,
					strerror(saved));
}

static int write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return -1;
		}
		at += n;
		size -= (size_t)n;
	}
	return fsync(fd);
}

/* The entry of `path` in its folder. */
static int sync_entry(const char *path)
{
	char folder[PATH_MAX];
	drip_autoclose int fd = -1;

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

/* A folder that is made is synced into its own, so that no row outlives what it names. */
static int make_folder(const struct drip_store *store, const char *relative, struct drip_error *err)
{
	char path[PATH_MAX];
	int rc;

	full_path(store, relative, path, sizeof(path));
	rc = mkdir(path, 0700);
	if (rc < 0 && errno == EEXIST) {
		return 0;
	}
	return rc < 0 || sync_entry(path) < 0 ? file_failed("make the folder of", path, err) : 0;
}

static int make_folders(const struct drip_store *store, const char *model, struct drip_error *err)
{
	char relative[NAME_MAX];
	int rc = make_folder(store, "models", err);

	snprintf(relative, sizeof(relative), "models/%s", model);
	return rc == 0 ? make_folder(store, relative, err) : rc;
}

static int write_artifact(const struct drip_store *store, const struct drip_model_record *r,
			  const char *relative, struct drip_error *err)
{
	char path[PATH_MAX], part[PATH_MAX + 8];
	drip_autoclose int fd = -1;
	int rc = make_folders(store, r->name, err);

	if (rc < 0) {
		return rc;
	}
	full_path(store, relative, path, sizeof(path));
	snprintf(part, sizeof(part), "%s.part", path);
	errno = 0;
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, r->artifact, r->size) < 0 || rename(part, path) < 0 ||
	    sync_entry(path) < 0) {
		rc = file_failed("write", path, err);
		unlink(part);
	}
	return rc;
}

static int read_file(const char *path, size_t size, void **ret, struct drip_error *err)
{
	drip_autoclose int fd = -1;
	drip_autofree char *data = NULL;
	struct stat st;
	size_t done = 0;

	errno = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return file_failed("read", path, err);
	}
	if ((uint64_t)st.st_size != size || size > DRIP_MODEL_ARTIFACT_MAX) {
		return drip_error_set(err, -EUCLEAN, "store.model_artifact",
				      "the artifact \"%s\" has %lld bytes, not %zu", path,
				      (long long)st.st_size, size);
	}
	data = drip_malloc(size + 1);
	if (data == NULL) {
		return drip_error_nomem(err, size);
	}
	while (done < size) {
		ssize_t n = read(fd, data + done, size - done);

		if (n <= 0) {
			return file_failed("read", path, err);
		}
		done += (size_t)n;
	}
	*ret = drip_steal(data);
	return 0;
}

static void checksum_of(const void *data, size_t size, char ret[DRIP_CHECKSUM_SIZE])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, data, size);
	sodium_bin2hex(ret, DRIP_CHECKSUM_SIZE, hash, sizeof(hash));
}

int drip_store_read_artifact(const struct drip_store *store, const char *relative, size_t size,
			     const char *checksum, void **ret, struct drip_error *err)
{
	char path[PATH_MAX], text[DRIP_CHECKSUM_SIZE];
	drip_autofree void *data = NULL;
	int rc;

	full_path(store, relative, path, sizeof(path));
	rc = read_file(path, size, &data, err);
	if (rc < 0) {
		return rc;
	}
	checksum_of(data, size, text);
	if (strcmp(text, checksum) != 0) {
		drip_error_set(err, -EUCLEAN, "store.model_artifact",
			       "the artifact \"%s\" is not what was registered: its SHA-256 is "
			       "%.16s..., not %.16s...",
			       path, text, checksum);
		drip_error_hint(err, "Restore the file, or train the model anew.");
		return -EUCLEAN;
	}
	*ret = drip_steal(data);
	return 0;
}

int drip_store_remove_artifact(const struct drip_store *store, const char *relative,
			       struct drip_error *err)
{
	char path[PATH_MAX];

	full_path(store, relative, path, sizeof(path));
	if (unlink(path) < 0 && errno != ENOENT) {
		return file_failed("delete", path, err);
	}
	return 0;
}

/* ---- registering ---- */

static const char *or_empty(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

/* The text of a number, or NULL for none; `buf` of 32 bytes. */
static const char *number_text(double value, char *buf)
{
	if (isnan(value)) {
		return NULL;
	}
	snprintf(buf, 32, "%.17g", value);
	return buf;
}

static int put_model(sqlite3 *db, const struct drip_model_record *r, struct drip_error *err)
{
	char tolerance[32];

	return drip_store_run(db, err,
			      "INSERT INTO model (name, description, created_us, approval, "
			      "tolerance) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
			      "description = excluded.description, approval = excluded.approval, "
			      "tolerance = excluded.tolerance",
			      "ttiit", r->name, or_empty(r->description, ""), drip_clock_wall_us(),
			      (int64_t)r->approval, number_text(r->tolerance, tolerance));
}

static int next_version(sqlite3 *db, const char *model, int64_t *ret, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(
		db, &stmt, err,
		"SELECT coalesce(max(version), 0) + 1 FROM model_version WHERE model = ?", "t",
		model);

	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	if (rc == 1) {
		*ret = sqlite3_column_int64(stmt, 0);
	}
	return rc < 0 ? rc : 0;
}

static int put_version(sqlite3 *db, const struct drip_model_record *r, int64_t version,
		       const char *path, struct drip_error *err)
{
	const struct drip_model_facts *f = r->facts;
	char quality[32], compared[32];
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, r->artifact, r->size);
	return drip_store_run(
		db, err,
		"INSERT INTO model_version (model, version, stage, artifact_path, artifact_hash, "
		"artifact_size, parameters_json, metrics_json, training_json, features_json, "
		"created_us, created_by, component, measure, quality, compared_version, "
		"compared_quality)"
		" VALUES (?, ?, 'None', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?)",
		"titbittttittttit", r->name, version, path, (const void *)hash, sizeof(hash),
		(int64_t)r->size, or_empty(r->parameters_json, "{}"),
		or_empty(f->metrics_json, "{}"), or_empty(f->training_json, "{}"),
		or_empty(r->features_json, "[]"), drip_clock_wall_us(), r->actor, r->component,
		or_empty(f->measure, ""), number_text(f->quality, quality), f->compared_version,
		number_text(f->compared_quality, compared));
}

static int add(struct drip_store *store, const struct drip_model_record *r,
	       struct drip_model_added *ret, struct drip_error *err)
{
	sqlite3 *db = store->writer.handle;
	char path[NAME_MAX], target[128];
	int rc = put_model(db, r, err);

	rc = rc == 0 ? next_version(db, r->name, &ret->version, err) : rc;
	if (rc < 0) {
		return rc;
	}
	snprintf(path, sizeof(path), "models/%s/%" PRId64 ".model", r->name, ret->version);
	snprintf(target, sizeof(target), "%s@%" PRId64, r->name, ret->version);
	rc = write_artifact(store, r, path, err);
	rc = rc == 0 ? drip_failpoint_hit("store.after_artifact", err) : rc;
	rc = rc == 0 ? put_version(db, r, ret->version, path, err) : rc;
	rc = rc == 0 ? drip_store_put_audit(db, r->actor, "model register", target, "", err) : rc;
	if (rc == 0 && r->facts->promote) {
		const struct drip_store_promotion p = {.model = r->name,
						       .version = ret->version,
						       .stage = DRIP_STAGE_PRODUCTION,
						       .actor = r->actor,
						       .comment = "after training"};

		rc = drip_store_try_promotion(db, &p, ret, err);
	}
	return rc;
}

int drip_store_add_model(void *self, const struct drip_model_record *record,
			 struct drip_model_added *ret, struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	*ret = (struct drip_model_added){.struct_size = sizeof(*ret)};
	rc = add(store, record, ret, err);
	return drip_store_end(store, rc, err);
}

/* ---- reading ---- */

static void hash_text(sqlite3_stmt *stmt, int column, char ret[DRIP_CHECKSUM_SIZE])
{
	const uint8_t *hash = sqlite3_column_blob(stmt, column);
	int size = sqlite3_column_bytes(stmt, column);

	ret[0] = '\0';
	for (int i = 0; i < size && i < (int)crypto_hash_sha256_BYTES; i++) {
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
	}
}

static int read_row(sqlite3_stmt *stmt, struct drip_model_artifact *a, struct drip_error *err)
{
	a->version = sqlite3_column_int64(stmt, 0);
	a->created_us = sqlite3_column_int64(stmt, 1);
	hash_text(stmt, 2, a->checksum);
	a->size = (size_t)sqlite3_column_int64(stmt, 3);
	snprintf(a->component, sizeof(a->component), "%s", drip_store_text(stmt, 4));
	a->metrics_json = drip_strdup(drip_store_text(stmt, 5));
	a->parameters_json = drip_strdup(drip_store_text(stmt, 6));
	return a->metrics_json != NULL && a->parameters_json != NULL ? 0 : drip_error_nomem(err, 0);
}

static int find_version(struct drip_store *store, const char *name, int64_t version, char *path,
			size_t path_size, struct drip_model_artifact *a, struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(store, &rows, err,
				  "SELECT version, created_us, artifact_hash, artifact_size, "
				  "component, metrics_json, parameters_json, artifact_path FROM "
				  "model_version WHERE model = ?1 AND deleted_us IS NULL AND CASE "
				  "?2 WHEN 0 THEN stage = 'Production' ELSE version = ?2 END",
				  "ti", name, version);

	rc = rc == 0 ? drip_store_step(rows.stmt, err) : rc;
	if (rc == 1) {
		snprintf(path, path_size, "%s", drip_store_text(rows.stmt, 7));
		rc = read_row(rows.stmt, a, err);
	} else if (rc == 0 && version == 0) {
		rc = drip_error_set_retryable(err, -ENOENT, "model.no_production",
					      "model \"%s\" has no version in Production", name);
		drip_error_hint(err,
				"Train it, then `dripline model promote %s@VERSION "
				"production`.",
				name);
	} else if (rc == 0) {
		rc = drip_store_unknown_model(name, version, err);
	}
	return rc;
}

int drip_store_read_model(void *self, const char *name, int64_t version,
			  struct drip_model_artifact *ret, struct drip_error *err)
{
	struct drip_store *store = self;
	char path[PATH_MAX];
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = find_version(store, name, version, path, sizeof(path), ret, err);
	rc = rc == 0 ? drip_store_read_artifact(store, path, ret->size, ret->checksum, &ret->data,
						err)
		     : rc;
	if (rc == -ENOENT && strcmp(err != NULL ? err->code : "", "store.model_file") == 0) {
		rc = drip_error_set(err, -EUCLEAN, "store.model_artifact",
				    "the artifact of version %" PRId64 " of model \"%s\" is gone",
				    ret->version, name);
	}
	if (rc < 0) {
		drip_model_artifact_finish(ret);
	}
	return rc;
}

/* ---- visiting ---- */

int drip_store_visit_models(struct drip_store *store, const char *model,
			    int (*visit)(const struct drip_store_model *m, void *data), void *data,
			    struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(
		store, &rows, err,
		"SELECT name, description, created_us, approval, tolerance,"
		" (SELECT count(*) FROM model_version WHERE model = name AND deleted_us IS NULL),"
		" (SELECT version FROM model_version WHERE model = name AND stage = 'Production'),"
		" (SELECT max(version) FROM model_version WHERE model = name AND deleted_us IS "
		"NULL)"
		" FROM model WHERE ?1 IS NULL OR name = ?1 ORDER BY name",
		"t", model);

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		const struct drip_store_model m = {.name = drip_store_text(rows.stmt, 0),
						   .description = drip_store_text(rows.stmt, 1),
						   .created_us = sqlite3_column_int64(rows.stmt, 2),
						   .approval =
							   sqlite3_column_int(rows.stmt, 3) != 0,
						   .tolerance = sqlite3_column_double(rows.stmt, 4),
						   .versions = sqlite3_column_int64(rows.stmt, 5),
						   .production = sqlite3_column_int64(rows.stmt, 6),
						   .latest = sqlite3_column_int64(rows.stmt, 7)};

		rc = visit(&m, data);
	}
	return rc;
}

static void fill_version(sqlite3_stmt *stmt, struct drip_store_version *v)
{
	*v = (struct drip_store_version){.model = drip_store_text(stmt, 0),
					 .version = sqlite3_column_int64(stmt, 1),
					 .stage = drip_store_text(stmt, 2),
					 .component = drip_store_text(stmt, 3),
					 .created_by = drip_store_text(stmt, 4),
					 .created_us = sqlite3_column_int64(stmt, 5),
					 .deleted_us = sqlite3_column_int64(stmt, 6),
					 .artifact_path = drip_store_text(stmt, 7),
					 .artifact_size = sqlite3_column_int64(stmt, 9),
					 .features_json = drip_store_text(stmt, 10),
					 .parameters_json = drip_store_text(stmt, 11),
					 .metrics_json = drip_store_text(stmt, 12),
					 .training_json = drip_store_text(stmt, 13),
					 .measure = drip_store_text(stmt, 14),
					 .quality = drip_store_number(stmt, 15),
					 .compared_version = sqlite3_column_int64(stmt, 16),
					 .compared_quality = drip_store_number(stmt, 17)};
	hash_text(stmt, 8, v->checksum);
}

int drip_store_visit_versions(struct drip_store *store, const char *model, int64_t version,
			      int (*visit)(const struct drip_store_version *v, void *data),
			      void *data, struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	struct drip_store_version v;
	int rc =
		drip_store_query(store, &rows, err,
				 "SELECT model, version, stage, component, created_by, created_us, "
				 "deleted_us, artifact_path, artifact_hash, artifact_size, "
				 "features_json, parameters_json, metrics_json, training_json, "
				 "measure, quality, compared_version, compared_quality FROM "
				 "model_version WHERE (?1 IS NULL OR model = ?1) AND ?2 IN (0, "
				 "version) ORDER BY model, version",
				 "ti", model, version);

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		fill_version(rows.stmt, &v);
		rc = visit(&v, data);
	}
	return rc;
}

int drip_store_visit_transitions(struct drip_store *store, const char *model, int64_t version,
				 int (*visit)(const struct drip_store_transition *t, void *data),
				 void *data, struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(
		store, &rows, err,
		"SELECT model, version, from_stage, to_stage, requested_by, "
		"decided_by, comment, decision, requested_us, decided_us, "
		"approved, forced FROM model_transition WHERE (?1 IS NULL OR model "
		"= ?1) AND ?2 IN (0, version) ORDER BY id",
		"ti", model, version);

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		const struct drip_store_transition t = {
			.model = drip_store_text(rows.stmt, 0),
			.version = sqlite3_column_int64(rows.stmt, 1),
			.from = drip_store_text(rows.stmt, 2),
			.to = drip_store_text(rows.stmt, 3),
			.requested_by = drip_store_text(rows.stmt, 4),
			.decided_by = drip_store_text(rows.stmt, 5),
			.comment = drip_store_text(rows.stmt, 6),
			.decision = drip_store_text(rows.stmt, 7),
			.requested_us = sqlite3_column_int64(rows.stmt, 8),
			.decided_us = sqlite3_column_int64(rows.stmt, 9),
			.approved = sqlite3_column_int(rows.stmt, 10) != 0,
			.forced = sqlite3_column_int(rows.stmt, 11) != 0};

		rc = visit(&t, data);
	}
	return rc;
}
