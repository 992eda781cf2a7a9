/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database handle: settings, and the guard that keeps a process at one handle a file, since
 * DuckDB lets a second one in and then loses committed rows in silence. Thread: any; the list of
 * open files has its own lock, taken before a handle's.
 */
#include "private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_MIN      (UINT64_C(64) << 20)
#define MEMORY_MIN_FILE (UINT64_C(96) << 20) /* below, applying a million rows may fail */
#define MEMORY_DEFAULT  (UINT64_C(256) << 20)

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct drip_duck *open_list;

static bool is_memory(const struct drip_duck_config *config)
{
	return config->path == NULL || config->path[0] == '\0' ||
	       strcmp(config->path, ":memory:") == 0;
}

static bool is_dry(const struct drip_duck *duck)
{
	return DRIP_HAS(duck->ctx->host, dry_run) && duck->ctx->host->dry_run;
}

/* The file to open; NULL: in memory. A dry run makes none: one that is to come is empty. */
static const char *file_of(const struct drip_duck *duck)
{
	if (duck->real_path != NULL && is_dry(duck) && !duck->config->read_only &&
	    access(duck->real_path, F_OK) != 0) {
		return NULL;
	}
	return duck->real_path;
}

/* (gives) the path with its folder resolved, whether or not the file exists; NULL with errno. */
static char *resolve(const char *path)
{
	char *copy = strdup(path), *slash, *folder, *real = NULL;

	if (copy == NULL) {
		return NULL;
	}
	real = realpath(path, NULL);
	if (real != NULL) {
		free(copy);
		return real;
	}
	slash = strrchr(copy, '/');
	if (slash != NULL) {
		*slash = '\0';
	}
	folder = realpath(slash == NULL ? "." : slash == copy ? "/" : copy, NULL);
	if (folder != NULL) {
		const char *base = slash == NULL ? copy : slash + 1;
		size_t size = strlen(folder) + strlen(base) + 2;

		real = malloc(size);
		if (real != NULL) {
			snprintf(real, size, "%s/%s", folder, base);
		}
		free(folder);
	}
	free(copy);
	return real;
}

static bool same_file(const struct drip_duck *a, const struct drip_duck *b)
{
	return strcmp(a->real_path, b->real_path) == 0 ||
	       (a->inode != 0 && a->inode == b->inode && a->device == b->device);
}

/* Notes the file as open in this process, or refuses. */
static int claim(struct drip_duck *duck, struct drip_error *err)
{
	struct stat st;
	int rc = 0;

	if (is_memory(duck->config)) {
		return 0;
	}
	duck->real_path = resolve(duck->config->path);
	if (duck->real_path == NULL) {
		rc = -errno;
		drip_error_set_retryable(err, rc, "duckdb.open_failed", "could not open %s: %s",
					 duck->config->path, strerror(-rc));
		drip_error_hint(err, "Make the folder, or correct the path.");
		return rc;
	}
	if (stat(duck->real_path, &st) == 0) {
		duck->device = st.st_dev;
		duck->inode = st.st_ino;
	}
	pthread_mutex_lock(&open_lock);
	for (const struct drip_duck *other = open_list; other != NULL; other = other->next_open) {
		if (same_file(duck, other)) {
			rc = -EBUSY;
		}
	}
	if (rc == 0) {
		duck->next_open = open_list;
		open_list = duck;
	}
	pthread_mutex_unlock(&open_lock);
	if (rc != 0) {
		drip_error_set_retryable(
			err, rc, "duckdb.already_open",
			"could not open %s: another connection of this process has it open",
			duck->config->path);
		drip_error_hint(
			err, "Declare the database once and let all stages use that connection.");
	}
	return rc;
}

static void unclaim(struct drip_duck *duck)
{
	pthread_mutex_lock(&open_lock);
	for (struct drip_duck **p = &open_list; *p != NULL; p = &(*p)->next_open) {
		if (*p == duck) {
			*p = duck->next_open;
			break;
		}
	}
	pthread_mutex_unlock(&open_lock);
}

/* A file made by opening it now has an inode; learn it, for hard links and renamed folders. */
static void learn_inode(struct drip_duck *duck)
{
	struct stat st;

	if (duck->real_path == NULL || stat(duck->real_path, &st) != 0) {
		return;
	}
	pthread_mutex_lock(&open_lock);
	duck->device = st.st_dev;
	duck->inode = st.st_ino;
	pthread_mutex_unlock(&open_lock);
}

static int set(duckdb_config settings, const char *name, const char *value, struct drip_error *err)
{
	if (duckdb_set_config(settings, name, value) == DuckDBSuccess) {
		return 0;
	}
	drip_error_set(err, -EINVAL, "duckdb.bad_setting", "cannot set %s of DuckDB to %s", name,
		       value);
	drip_error_option(err, "settings.%s", name);
	return -EINVAL;
}

static int set_bytes(duckdb_config settings, const char *name, uint64_t bytes,
		     struct drip_error *err)
{
	char text[32];

	if (bytes == 0) {
		return 0;
	}
	snprintf(text, sizeof(text), "%lluB", (unsigned long long)bytes);
	return set(settings, name, text, err);
}

/* Where queries larger than memory spill: beside the file, or in the instance's folder. */
static int set_temp(struct drip_duck *duck, duckdb_config settings, struct drip_error *err)
{
	char path[PATH_MAX];
	const char *folder = duck->config->temp_directory;
	struct drip_ctx *ctx = duck->ctx;

	if (folder == NULL && duck->real_path != NULL) {
		snprintf(path, sizeof(path), "%s.tmp", duck->real_path);
		folder = path;
	} else if (folder == NULL && ctx->host->data_dir != NULL) {
		const char *data = ctx->host->data_dir(ctx, NULL);

		snprintf(path, sizeof(path), "%s/duckdb.tmp", data != NULL ? data : "");
		folder = data != NULL ? path : "";
	}
	return set(settings, "temp_directory", folder != NULL ? folder : "", err);
}

static uint64_t memory_limit(struct drip_duck *duck)
{
	uint64_t budget = 0;
	uint64_t least = is_memory(duck->config) ? MEMORY_MIN : MEMORY_MIN_FILE;

	if (duck->config->memory_limit.bytes != 0) {
		return duck->config->memory_limit.bytes;
	}
	if (duck->ctx->host->memory_budget != NULL) {
		budget = duck->ctx->host->memory_budget(duck->ctx);
	}
	if (budget == 0) {
		return MEMORY_DEFAULT;
	}
	return budget < least ? least : budget;
}

static int fill_settings(struct drip_duck *duck, duckdb_config settings, struct drip_error *err)
{
	static const char *const off[] = {"autoinstall_known_extensions",
					  "autoload_known_extensions",
					  "allow_community_extensions"};
	const struct drip_duck_config *c = duck->config;
	char text[32];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < DRIP_COUNT(off); i++) {
		rc = set(settings, off[i], "false", err);
	}
	if (rc == 0) {
		/* An idle database gives back what its allocator has cached. */
		rc = set(settings, "allocator_background_threads", "true", err);
	}
	for (size_t i = 0; rc == 0 && i < c->settings.count; i++) {
		rc = set(settings, c->settings.items[i].key, c->settings.items[i].value, err);
	}
	if (rc == 0) {
		rc = set_bytes(settings, "memory_limit", memory_limit(duck), err);
	}
	if (rc == 0) {
		rc = set_bytes(settings, "checkpoint_threshold", c->checkpoint_threshold.bytes,
			       err);
	}
	if (rc == 0) {
		rc = set_bytes(settings, "max_temp_directory_size", c->temp_limit.bytes, err);
	}
	if (rc == 0) {
		rc = set_temp(duck, settings, err);
	}
	if (rc == 0 && c->threads > 0) {
		snprintf(text, sizeof(text), "%lld", (long long)c->threads);
		rc = set(settings, "threads", text, err);
	}
	if (rc == 0) {
		rc = set(settings, "preserve_insertion_order",
			 c->preserve_insertion_order ? "true" : "false", err);
	}
	if (rc == 0 && (c->read_only || (is_dry(duck) && file_of(duck) != NULL))) {
		rc = set(settings, "access_mode", "READ_ONLY", err);
	}
	if (rc == 0 && c->storage_version != NULL && file_of(duck) != NULL) {
		rc = set(settings, "storage_compatibility_version", c->storage_version, err);
	}
	return rc;
}

/* What can only be set from SQL, last of all the lock. */
static int harden(struct drip_duck *duck, struct drip_error *err)
{
	const char *statements[] = {
		"SET GLOBAL TimeZone = 'UTC'",
		duck->config->external_access ? NULL : "SET GLOBAL enable_external_access = false",
		duck->config->lock_configuration ? "SET GLOBAL lock_configuration = true" : NULL,
	};
	duckdb_connection connection;
	int rc = 0;

	if (duckdb_connect(duck->database, &connection) != DuckDBSuccess) {
		return drip_error_set_retryable(err, -EIO, "duckdb.open_failed",
						"could not connect to the database");
	}
	for (size_t i = 0; rc == 0 && i < DRIP_COUNT(statements); i++) {
		duckdb_result result;

		if (statements[i] == NULL) {
			continue;
		}
		if (duckdb_query(connection, statements[i], &result) != DuckDBSuccess) {
			rc = drip_duck_error(NULL, duckdb_result_error(&result),
					     "configure the database", err);
		}
		duckdb_destroy_result(&result);
	}
	duckdb_disconnect(&connection);
	return rc;
}

static int open_failed(const char *reason, const char *doing, struct drip_error *err)
{
	int rc = drip_duck_error(NULL, reason, doing, err);
	const char *names = reason != NULL ? strstr(reason, "not recognized: ") : NULL;

	if (names != NULL) {
		rc = drip_error_set(err, -EINVAL, "duckdb.bad_setting", "DuckDB does not know %s",
				    names + strlen("not recognized: "));
		drip_error_option(err, "settings");
	}
	return rc;
}

static int open_database(struct drip_duck *duck, struct drip_error *err)
{
	duckdb_config settings = NULL;
	char *reason = NULL;
	char doing[PATH_MAX + 16];
	int rc;

	if (duckdb_create_config(&settings) != DuckDBSuccess) {
		return drip_error_nomem(err, 0);
	}
	rc = fill_settings(duck, settings, err);
	if (rc == 0 &&
	    duckdb_open_ext(file_of(duck), &duck->database, settings, &reason) != DuckDBSuccess) {
		snprintf(doing, sizeof(doing), "open %s",
			 duck->real_path != NULL ? duck->real_path : "an in-memory database");
		rc = open_failed(reason, doing, err);
		duck->database = NULL;
	}
	duckdb_free(reason);
	duckdb_destroy_config(&settings);
	if (rc == 0) {
		rc = harden(duck, err);
	}
	if (rc == 0) {
		rc = drip_duck_bind_register(duck, err);
	}
	if (rc == 0) {
		duck->generation++;
		drip_duck_trim();
	}
	if (rc != 0 && duck->database != NULL) {
		duckdb_close(&duck->database);
	}
	return rc;
}

int drip_duck_revive(struct drip_duck *duck, struct drip_error *err)
{
	int rc;

	if (!duck->invalid && duck->database != NULL) {
		return 0;
	}
	if (duck->sessions > 0) {
		drip_error_set_retryable(
			err, -EBUSY, "duckdb.instance_invalid",
			"could not use the database: a fatal error invalidated it, "
			"and %u sessions still hold it",
			duck->sessions);
		return -EBUSY;
	}
	if (duck->database != NULL) {
		duckdb_close(&duck->database);
	}
	rc = open_database(duck, err);
	if (rc == 0) {
		duck->invalid = false;
		drip_log_warning(duck->ctx, "database was opened again after a fatal error");
	}
	return rc;
}

int drip_duck_open(struct drip_ctx *ctx, const struct drip_duck_config *config,
		   struct drip_duck **ret, struct drip_error *err)
{
	struct drip_duck *duck;
	int rc;

	if (duckdb_vector_size() != DRIP_DUCK_CHUNK) {
		return drip_error_set(
			err, -ENOTSUP, "duckdb.open_failed",
			"cannot use this libduckdb: its vectors hold %llu rows, not %d",
			(unsigned long long)duckdb_vector_size(), DRIP_DUCK_CHUNK);
	}
	duck = calloc(1, sizeof(*duck));
	if (duck == NULL) {
		return drip_error_nomem(err, sizeof(*duck));
	}
	duck->ctx = ctx;
	duck->config = config;
	pthread_mutex_init(&duck->lock, NULL);
	rc = claim(duck, err);
	if (rc == 0) {
		rc = open_database(duck, err);
	}
	if (rc != 0) {
		drip_duck_close(duck);
		return rc;
	}
	learn_inode(duck);
	*ret = duck;
	return 0;
}

void drip_duck_close(struct drip_duck *duck)
{
	drip_duck_guard_close(duck);
	if (duck->database != NULL) {
		duckdb_close(&duck->database);
	}
	unclaim(duck);
	pthread_mutex_destroy(&duck->lock);
	free(duck->real_path);
	free(duck);
}
