/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the store, its lock, its migrations, and the thin layer over SQLite that the other files
 * use. Invariants: a file named dripline.db is always a whole store, since a new one is built under
 * another name; nothing is ever written to a file that was not checked; who holds the lock of
 * dripline.lock is the only writer. Threads: each connection is used under its own lock.
 */
#include "store/internal.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID    0x64726970 /* "drip" */
#define HEADER_BYTES      100        /* of an SQLite file */
#define BUSY_TIMEOUT_MS   5000
#define QUICK_CHECK_BYTES ((off_t)1 << 30) /* larger files are checked as they are read */

DRIP_DEFINE_AUTOPTR(drip_store, drip_store_close);

static int bad_file(const char *path, const char *detail, struct drip_error *err)
{
	int rc = drip_error_set(err, -EUCLEAN, "store.corrupt", "cannot use the store \"%s\": %s",
				path, detail);

	drip_error_hint(
		err, "Nothing was changed. Copy the file and its -wal aside, then try `sqlite3 "
		     "FILE .recover`, restore a backup, or move them away and load all anew with "
		     "`dripline checkpoint reset`.");
	return rc;
}

/* A full disk also comes as a failed write, of the -shm file say: the system's error tells. */
static bool disk_full(sqlite3 *db, int sqlite_rc)
{
	int system = db != NULL ? sqlite3_system_errno(db) : 0;

	return (sqlite_rc & 0xff) == SQLITE_FULL ||
	       ((sqlite_rc & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT));
}

int drip_store_error(sqlite3 *db, int sqlite_rc, const char *what, struct drip_error *err)
{
	const char *path = db != NULL ? sqlite3_db_filename(db, "main") : NULL;
	const char *detail = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(sqlite_rc);

	path = path != NULL ? path : DRIP_STORE_FILE;
	switch (disk_full(db, sqlite_rc) ? SQLITE_FULL : sqlite_rc & 0xff) {
	case SQLITE_NOMEM:
		return drip_error_nomem(err, 0);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return bad_file(path, detail, err);
	case SQLITE_FULL:
		drip_error_set_retryable(err, -ENOSPC, "store.full",
					 "could not %s in the store \"%s\": the disk is full", what,
					 path);
		drip_error_hint(err, "Free space on the disk of the state directory; the pipeline "
				     "goes on by itself.");
		return -ENOSPC;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		drip_error_set(err, -EACCES, "store.unwritable",
			       "could not %s in the store \"%s\": %s", what, path, detail);
		drip_error_hint(err, "The state directory must be writable by this user.");
		return -EACCES;
	default:
		return drip_error_set_retryable(err, -EIO, "store.io",
						"could not %s in the store \"%s\": %s (%d)", what,
						path, detail, sqlite_rc);
	}
}

static int bind_one(sqlite3_stmt *stmt, int i, char type, va_list *ap)
{
	const void *data;
	size_t size;

	switch (type) {
	case 't':
		return sqlite3_bind_text(stmt, i, va_arg(*ap, const char *), -1, SQLITE_TRANSIENT);
	case 'i':
		return sqlite3_bind_int64(stmt, i, va_arg(*ap, int64_t));
	default:
		data = va_arg(*ap, const void *);
		size = va_arg(*ap, size_t);
		return sqlite3_bind_blob64(stmt, i, size != 0 ? data : "", size, SQLITE_TRANSIENT);
	}
}

static int prepare(sqlite3 *db, sqlite3_stmt **ret, struct drip_error *err, const char *sql,
		   const char *types, va_list *ap)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	for (int i = 0; rc == SQLITE_OK && types[i] != '\0'; i++) {
		rc = bind_one(stmt, i + 1, types[i], ap);
	}
	if (rc != SQLITE_OK) {
		int result = drip_store_error(db, rc, "prepare a statement", err);

		sqlite3_finalize(stmt);
		return result;
	}
	*ret = stmt;
	return 0;
}

int drip_store_prepare(sqlite3 *db, sqlite3_stmt **ret, struct drip_error *err, const char *sql,
		       const char *types, ...)
{
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = prepare(db, ret, err, sql, types, &ap);
	va_end(ap);
	return rc;
}

int drip_store_step(sqlite3_stmt *stmt, struct drip_error *err)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW) {
		return 1;
	}
	if (rc == SQLITE_DONE) {
		return 0;
	}
	return drip_store_error(sqlite3_db_handle(stmt), rc,
				sqlite3_stmt_readonly(stmt) ? "read" : "write", err);
}

int drip_store_run(sqlite3 *db, struct drip_error *err, const char *sql, const char *types, ...)
{
	drip_autostmt stmt = NULL;
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = prepare(db, &stmt, err, sql, types, &ap);
	va_end(ap);
	if (rc == 0) {
		rc = drip_store_step(stmt, err);
	}
	return rc < 0 ? rc : 0;
}

const char *drip_store_text(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text != NULL ? text : "";
}

double drip_store_number(sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_type(stmt, column) == SQLITE_NULL
		       ? (double)NAN
		       : sqlite3_column_double(stmt, column);
}

void drip_store_finalize(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
	*stmt = NULL;
}

static int execute(sqlite3 *db, const char *sql, const char *what, struct drip_error *err)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : drip_store_error(db, rc, what, err);
}

static int pragma_int(sqlite3 *db, const char *sql, int64_t *ret, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(db, &stmt, err, sql, "");

	if (rc == 0) {
		rc = drip_store_step(stmt, err);
	}
	if (rc == 1) {
		*ret = sqlite3_column_int64(stmt, 0);
	}
	return rc < 0 ? rc : 0;
}

static int latest_migration(void)
{
	int number = 0;

	for (const struct drip_store_migration *m = drip_store_migrations; m->number != 0; m++) {
		number = m->number;
	}
	return number;
}

static int migrate(sqlite3 *db, int64_t version, struct drip_error *err)
{
	for (const struct drip_store_migration *m = drip_store_migrations; m->number != 0; m++) {
		char done[64];
		int rc;

		if (m->number <= version) {
			continue;
		}
		snprintf(done, sizeof(done), "PRAGMA user_version = %d", m->number);
		rc = execute(db, "BEGIN IMMEDIATE", "migrate", err);
		rc = rc == 0 ? execute(db, m->sql, "migrate", err) : rc;
		rc = rc == 0 ? execute(db, done, "migrate", err) : rc;
		rc = rc == 0 ? drip_failpoint_hit("store.before_migration", err) : rc;
		rc = rc == 0 ? execute(db, "COMMIT", "migrate", err) : rc;
		if (rc < 0) {
			sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
			return rc;
		}
	}
	return 0;
}

/* Opens one connection. WAL with synchronous=FULL syncs the log at each commit: what was committed
 * outlives a power cut. */
static int connect_file(const char *path, bool readable_only, sqlite3 **ret, struct drip_error *err)
{
	static const char writing[] = "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
				      "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2048;"
				      "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
				      "PRAGMA journal_size_limit=67108864;";
	static const char reading[] = "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY;"
				      "PRAGMA cache_size=-2048; PRAGMA trusted_schema=OFF;"
				      "PRAGMA cell_size_check=ON;";
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(db, 1);
		sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
		sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		rc = sqlite3_exec(db, readable_only ? reading : writing, NULL, NULL, NULL);
	}
	if (rc != SQLITE_OK) {
		rc = drip_store_error(db, rc, "open", err);
		sqlite3_close(db);
		return rc;
	}
	*ret = db;
	return 0;
}

static int sync_path(const char *path, int flags, struct drip_error *err)
{
	drip_autoclose int fd = open(path, flags | O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0) {
		return drip_error_set_retryable(err, -errno, "store.io",
						"could not write \"%s\" through to the disk: %s",
						path, strerror(errno));
	}
	return 0;
}

static int build_new(const char *path, struct drip_error *err)
{
	drip_autoclose int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char set_id[64];
	sqlite3 *db = NULL;
	int rc;

	if (fd < 0) {
		rc = drip_error_set(err, -errno, "store.unwritable", "could not create \"%s\": %s",
				    path, strerror(errno));
		drip_error_hint(err, "The state directory must be writable by this user.");
		return rc;
	}
	rc = connect_file(path, false, &db, err);
	if (rc < 0) {
		return rc;
	}
	snprintf(set_id, sizeof(set_id), "PRAGMA application_id=%d", APPLICATION_ID);
	rc = execute(db, "PRAGMA journal_mode=WAL", "create", err);
	rc = rc == 0 ? execute(db, set_id, "create", err) : rc;
	rc = rc == 0 ? migrate(db, 0, err) : rc;
	if (sqlite3_close(db) != SQLITE_OK && rc == 0) {
		rc = drip_error_set_retryable(err, -EIO, "store.io", "could not close \"%s\"",
					      path);
	}
	return rc == 0 ? sync_path(path, 0, err) : rc;
}

/* Builds the store under another name, so that a file of its real name is always whole. */
static int create_file(const struct drip_store *store, const char *state_dir,
		       struct drip_error *err)
{
	char path[PATH_MAX], other[PATH_MAX + 8];
	int rc;

	snprintf(other, sizeof(other), "%s-wal", store->path);
	if (access(other, F_OK) == 0) {
		return bad_file(store->path, "its log is there, but the file itself is gone", err);
	}
	snprintf(path, sizeof(path), "%s.new", store->path);
	for (int i = 0; i < 2; i++) {
		snprintf(other, sizeof(other), "%s%s", path, i == 0 ? "-wal" : "-shm");
		unlink(other);
	}
	rc = build_new(path, err);
	if (rc == 0 && rename(path, store->path) < 0) {
		rc = drip_error_set(err, -errno, "store.unwritable", "could not create \"%s\": %s",
				    store->path, strerror(errno));
	}
	if (rc < 0) {
		unlink(path);
		return rc;
	}
	return sync_path(state_dir, O_DIRECTORY, err);
}

static int check_header(const char *path, off_t *ret_size, struct drip_error *err)
{
	static const char magic[16] = "SQLite format 3";
	drip_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char header[HEADER_BYTES];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int rc = -errno;

		drip_error_set(err, rc, rc == -ENOENT ? "store.missing" : "store.unwritable",
			       "could not open the store \"%s\": %s", path, strerror(-rc));
		drip_error_hint(err, rc == -ENOENT
					     ? "Nothing has run with this state directory yet; "
					       "--state or DRIPLINE_STATE name another."
					     : "The state directory must be readable and writable "
					       "by this user.");
		return rc;
	}
	if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
		return bad_file(path, "the file is cut short", err);
	}
	if (memcmp(header, magic, sizeof(magic)) != 0) {
		return bad_file(path, "it is not an SQLite file", err);
	}
	*ret_size = st.st_size;
	return 0;
}

static int quick_check(sqlite3 *db, const char *path, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(db, &stmt, err, "PRAGMA quick_check(1)", "");

	if (rc == 0) {
		rc = drip_store_step(stmt, err);
	}
	if (rc == 1 && strcmp(drip_store_text(stmt, 0), "ok") != 0) {
		const char *text = drip_store_text(stmt, 0);
		const char *second = strchr(text, '\n'); /* the first line says "in database" */

		return bad_file(path, second != NULL ? second + 1 : text, err);
	}
	return rc < 0 ? rc : 0;
}

static int check_version(sqlite3 *db, const char *path, int64_t *ret_version,
			 struct drip_error *err)
{
	int64_t id = 0;
	int rc = pragma_int(db, "PRAGMA application_id", &id, err);

	rc = rc == 0 ? pragma_int(db, "PRAGMA user_version", ret_version, err) : rc;
	if (rc < 0) {
		return rc;
	}
	if (id != APPLICATION_ID) {
		drip_error_set(err, -EINVAL, "store.foreign",
			       "cannot use \"%s\": it is an SQLite file of another program", path);
		drip_error_hint(err, "Choose another state directory.");
		return -EINVAL;
	}
	if (*ret_version > latest_migration()) {
		drip_error_set(err, -EINVAL, "store.newer",
			       "cannot use the store \"%s\": it has version %" PRId64
			       ", this release knows %d",
			       path, *ret_version, latest_migration());
		drip_error_hint(err, "Run the release that wrote it, or a newer one.");
		return -EINVAL;
	}
	return 0;
}

static int open_existing(struct drip_store *store, enum drip_store_mode mode,
			 struct drip_error *err)
{
	struct drip_store_db *target = mode == DRIP_STORE_WRITE ? &store->writer : &store->reader;
	int64_t version = 0;
	off_t size;
	int rc = check_header(store->path, &size, err);

	rc = rc == 0 ? connect_file(store->path, mode == DRIP_STORE_READ, &target->handle, err)
		     : rc;
	rc = rc == 0 ? check_version(target->handle, store->path, &version, err) : rc;
	if (rc < 0) {
		return rc;
	}
	if (mode == DRIP_STORE_READ) {
		if (version == latest_migration()) {
			return 0;
		}
		drip_error_set(err, -EINVAL, "store.older",
			       "cannot read the store \"%s\": it has version %" PRId64
			       ", this release needs %d",
			       store->path, version, latest_migration());
		drip_error_hint(err, "`dripline run` or `dripline daemon` brings it up to date.");
		return -EINVAL;
	}
	if (size <= QUICK_CHECK_BYTES) {
		rc = quick_check(target->handle, store->path, err);
	}
	return rc == 0 ? migrate(target->handle, version, err) : rc;
}

static int64_t read_pid(int fd)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? strtoll(text, NULL, 10) : 0;
}

/* The lock goes with the process, however it ends; the pid inside is for people. */
static int take_lock(struct drip_store *store, const char *state_dir, struct drip_error *err)
{
	char text[32];
	int length;

	store->lock_fd = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock_fd < 0) {
		int rc =
			drip_error_set(err, -errno, "store.unwritable", "could not open \"%s\": %s",
				       store->lock_path, strerror(errno));

		drip_error_hint(err, "The state directory must be writable by this user.");
		return rc;
	}
	if (fcntl(store->lock_fd, F_OFD_SETLK, &(struct flock){.l_type = F_WRLCK}) < 0) {
		int64_t pid = read_pid(store->lock_fd);

		if (pid > 0) {
			snprintf(text, sizeof(text), "process %" PRId64, pid);
		}
		drip_error_set_retryable(err, -EBUSY, "store.locked",
					 "could not use the state directory \"%s\": %s is using it",
					 state_dir, pid > 0 ? text : "another process");
		drip_error_hint(err, "End that process, or give another directory with --state.");
		return -EBUSY;
	}
	length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(store->lock_fd, 0) < 0 ||
	    pwrite(store->lock_fd, text, (size_t)length, 0) < 0) {
		/* Only the message of others suffers. */
		return 0;
	}
	return 0;
}

static int make_directories(const char *path, struct drip_error *err)
{
	char part[PATH_MAX];
	size_t size = strlen(path);

	if (size == 0 || size >= sizeof(part) - 64) {
		return drip_error_set(err, -ENAMETOOLONG, "store.bad_path",
				      "cannot use a state directory whose name has %zu bytes",
				      size);
	}
	for (size_t i = 1; i <= size; i++) {
		if (path[i] != '/' && path[i] != '\0') {
			continue;
		}
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (mkdir(part, 0700) < 0 && errno != EEXIST) {
			int rc = drip_error_set(err, -errno, "store.unwritable",
						"could not make the directory \"%s\": %s", part,
						strerror(errno));

			drip_error_hint(err, "Give a directory that this user may write, with "
					     "--state or settings.state.");
			return rc;
		}
	}
	return 0;
}

static struct drip_store *new_store(const char *state_dir)
{
	struct drip_store *store = drip_calloc(1, sizeof(*store));
	size_t size = strlen(state_dir) + 32;

	if (store == NULL) {
		return NULL;
	}
	store->lock_fd = -1;
	pthread_mutex_init(&store->writer.lock, NULL);
	pthread_mutex_init(&store->reader.lock, NULL);
	pthread_mutex_init(&store->retention_lock, NULL);
	pthread_mutex_init(&store->audit_lock, NULL);
	pthread_cond_init(&store->audit_done, NULL);
	store->audit_last = &store->audit_first;
	store->path = drip_malloc(size);
	store->lock_path = drip_malloc(size);
	if (store->path == NULL || store->lock_path == NULL) {
		drip_store_close(store);
		return NULL;
	}
	snprintf(store->path, size, "%s/%s", state_dir, DRIP_STORE_FILE);
	snprintf(store->lock_path, size, "%s/%s", state_dir, DRIP_STORE_LOCK);
	drip_store_fill_durable(store);
	return store;
}

int drip_store_open(const char *state_dir, enum drip_store_mode mode, struct drip_store **ret,
		    struct drip_error *err)
{
	drip_autoptr(drip_store) store = NULL;
	int rc = mode == DRIP_STORE_WRITE ? make_directories(state_dir, err) : 0;

	if (rc < 0) {
		return rc;
	}
	store = new_store(state_dir);
	if (store == NULL) {
		return drip_error_nomem(err, sizeof(*store));
	}
	if (mode == DRIP_STORE_WRITE) {
		rc = take_lock(store, state_dir, err);
		if (rc == 0 && access(store->path, F_OK) < 0 && errno == ENOENT) {
			rc = create_file(store, state_dir, err);
		}
	}
	rc = rc == 0 ? open_existing(store, mode, err) : rc;
	if (rc < 0) {
		return rc;
	}
	*ret = drip_steal(store);
	return 0;
}

void drip_store_close(struct drip_store *store)
{
	if (store == NULL) {
		return;
	}
	sqlite3_close(store->reader.handle);
	sqlite3_close(store->writer.handle);
	pthread_mutex_destroy(&store->reader.lock);
	pthread_mutex_destroy(&store->writer.lock);
	pthread_mutex_destroy(&store->retention_lock);
	pthread_cond_destroy(&store->audit_done);
	pthread_mutex_destroy(&store->audit_lock);
	if (store->lock_fd >= 0) {
		close(store->lock_fd);
	}
	free(store->path);
	free(store->lock_path);
	free(store);
}

const struct drip_durable *drip_store_durable(struct drip_store *store)
{
	return &store->durable;
}

int64_t drip_store_writer(const char *state_dir)
{
	struct flock lock = {.l_type = F_WRLCK};
	char path[PATH_MAX];
	drip_autoclose int fd = -1;

	/* Asks only: a lock taken here, however shortly, could turn away a daemon that starts. */
	snprintf(path, sizeof(path), "%s/%s", state_dir, DRIP_STORE_LOCK);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK) {
		return 0;
	}
	return read_pid(fd);
}

int drip_store_lock_reader(struct drip_store *store, struct drip_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&store->reader.lock);
	if (store->reader.handle == NULL) {
		rc = connect_file(store->path, true, &store->reader.handle, err);
	}
	if (rc < 0) {
		pthread_mutex_unlock(&store->reader.lock);
	}
	return rc;
}

int drip_store_query(struct drip_store *store, struct drip_store_rows *rows, struct drip_error *err,
		     const char *sql, const char *types, ...)
{
	va_list ap;
	int rc = drip_store_lock_reader(store, err);

	if (rc < 0) {
		return rc;
	}
	rows->store = store;
	va_start(ap, types);
	rc = prepare(store->reader.handle, &rows->stmt, err, sql, types, &ap);
	va_end(ap);
	return rc;
}

void drip_store_rows_finish(struct drip_store_rows *rows)
{
	if (rows->store != NULL) {
		drip_store_finalize(&rows->stmt);
		pthread_mutex_unlock(&rows->store->reader.lock);
		rows->store = NULL;
	}
}

int drip_store_begin(struct drip_store *store, struct drip_error *err)
{
	int rc;

	if (store->writer.handle == NULL) {
		return drip_error_set(err, -EROFS, "store.read_only",
				      "cannot write: the store is open to read");
	}
	pthread_mutex_lock(&store->writer.lock);
	rc = execute(store->writer.handle, "BEGIN IMMEDIATE", "begin a transaction", err);
	if (rc < 0) {
		pthread_mutex_unlock(&store->writer.lock);
	}
	return rc;
}

int drip_store_end(struct drip_store *store, int rc, struct drip_error *err)
{
	sqlite3 *db = store->writer.handle;

	if (rc == 0) {
		rc = execute(db, "COMMIT", "commit", err);
	}
	if (rc != 0 && sqlite3_get_autocommit(db) == 0) {
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	}
	pthread_mutex_unlock(&store->writer.lock);
	return rc;
}
