/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process log. One mutex guards the repeat table and the descriptor; each line is built in one
 * buffer and leaves with one write, so lines of threads and processes do not mix.
 */
#include "base/log.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPEAT_SLOTS 256
#define MESSAGE_MAX  1024

struct repeat {
	uint64_t hash;
	uint64_t window_start_ns;
	uint32_t count;
	uint64_t suppressed;
};

/* A line that is kept in memory. */
struct recent {
	enum drip_log_level level;
	char *pipeline, *json;
};

static struct recent recents[DRIP_LOGGER_RECENT]; /* a ring */
static uint64_t recents_count;                    /* ever kept */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct repeat repeats[REPEAT_SLOTS];
static atomic_int max_level = DRIP_LOG_INFO;
static bool as_json, to_journal;
static int out_fd = STDERR_FILENO;
static void (*frame_before)(void *), (*frame_after)(void *);
static void *frame_data;

/* systemd sets JOURNAL_STREAM to "device:inode" of the stream it made. */
static bool is_journal(int fd)
{
	const char *text = getenv("JOURNAL_STREAM");
	char expected[64];
	struct stat st;

	if (text == NULL || fstat(fd, &st) < 0) {
		return false;
	}
	snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(text, expected) == 0;
}

void drip_logger_setup(enum drip_log_level level, bool json)
{
	pthread_mutex_lock(&lock);
	atomic_store(&max_level, level);
	as_json = json;
	to_journal = is_journal(out_fd);
	pthread_mutex_unlock(&lock);
}

void drip_logger_set_fd(int fd)
{
	pthread_mutex_lock(&lock);
	out_fd = fd;
	to_journal = is_journal(fd);
	pthread_mutex_unlock(&lock);
}

void drip_logger_set_frame(void (*before)(void *), void (*after)(void *), void *data)
{
	pthread_mutex_lock(&lock);
	frame_before = before;
	frame_after = after;
	frame_data = data;
	pthread_mutex_unlock(&lock);
}

bool drip_logger_wants(enum drip_log_level level)
{
	return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

int drip_logger_level_parse(const char *name, enum drip_log_level *ret)
{
	static const struct {
		const char *name;
		enum drip_log_level level;
	} levels[] = {{"error", DRIP_LOG_ERROR},
		      {"warning", DRIP_LOG_WARNING},
		      {"info", DRIP_LOG_INFO},
		      {"debug", DRIP_LOG_DEBUG}};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].name, name) == 0) {
			*ret = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

static const char *level_name(enum drip_log_level level)
{
	switch (level) {
	case DRIP_LOG_ERROR:
		return "error";
	case DRIP_LOG_WARNING:
		return "warning";
	case DRIP_LOG_INFO:
		return "info";
	default:
		return "debug";
	}
}

/* FNV-1a over the text without its digits. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; text != NULL && *text != '\0'; text++) {
		if (*text < '0' || *text > '9') {
			hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
		}
	}
	return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

/* With the lock held. False: leave the line out. */
static bool passes(uint64_t hash, uint64_t *ret_suppressed)
{
	struct repeat *r = &repeats[hash % REPEAT_SLOTS];
	uint64_t now = drip_clock_now_ns();

	*ret_suppressed = 0;
	if (r->hash != hash ||
	    now - r->window_start_ns > (uint64_t)DRIP_LOGGER_WINDOW_MS * 1000000u) {
		*ret_suppressed = r->hash == hash ? r->suppressed : 0;
		*r = (struct repeat){.hash = hash, .window_start_ns = now, .count = 1};
		return true;
	}
	if (r->count < DRIP_LOGGER_BURST) {
		r->count++;
		return true;
	}
	r->suppressed++;
	return false;
}

/* A value of logfmt: quoted where it holds anything but plain characters; control characters are
 * escaped, so that one event is one line. */
static void logfmt_value(struct drip_str *s, const char *text)
{
	bool plain = *text != '\0';

	for (const char *p = text; *p != '\0'; p++) {
		plain = plain && (unsigned char)*p > ' ' && *p != '"' && *p != '=' && *p != '\\' &&
			*p != 0x7f;
	}
	if (plain) {
		drip_str_append(s, text);
		return;
	}
	drip_str_append_char(s, '"');
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\') {
			drip_str_append_char(s, '\\');
			drip_str_append_char(s, *p);
		} else if (*p == '\n') {
			drip_str_append(s, "\\n");
		} else if ((unsigned char)*p < ' ' || *p == 0x7f) {
			drip_str_appendf(s, "\\x%02x", (unsigned char)*p);
		} else {
			drip_str_append_char(s, *p);
		}
	}
	drip_str_append_char(s, '"');
}

struct field {
	const char *key, *value;
};

static void put_fields(struct drip_str *s, const struct field *fields, size_t count)
{
	struct drip_json j;

	drip_json_init(&j, s);
	drip_json_begin_object(&j);
	for (size_t i = 0; i < count; i++) {
		if (fields[i].value != NULL && fields[i].value[0] != '\0') {
			drip_json_put_string(&j, fields[i].key, fields[i].value);
		}
	}
	drip_json_end_object(&j);
}

/* With the lock held. A line that there is no memory for, or that is too long, is not kept. */
static void keep_line(enum drip_log_level level, const char *pipeline, const struct field *fields,
		      size_t count)
{
	struct recent *r = &recents[recents_count % DRIP_LOGGER_RECENT];
	drip_autostr s = DRIP_STR_INIT;
	char *name;

	put_fields(&s, fields, count);
	name = drip_strdup(pipeline != NULL ? pipeline : "");
	if (name == NULL || s.rc != 0 || s.length > DRIP_LOGGER_LINE_MAX) {
		free(name);
		return;
	}
	free(r->pipeline);
	free(r->json);
	*r = (struct recent){.level = level, .pipeline = name, .json = s.data};
	s = (struct drip_str)DRIP_STR_INIT;
	recents_count++;
}

static void write_line(enum drip_log_level level, const struct field *fields, size_t count)
{
	drip_autostr s = DRIP_STR_INIT;

	if (to_journal) {
		drip_str_appendf(&s, "<%d>", (int)level);
	}
	if (as_json) {
		put_fields(&s, fields, count);
	}
	for (size_t i = 0, written = 0; i < count && !as_json; i++) {
		if (fields[i].value != NULL && fields[i].value[0] != '\0') {
			drip_str_appendf(&s, "%s%s=", written++ != 0 ? " " : "", fields[i].key);
			logfmt_value(&s, fields[i].value);
		}
	}
	drip_str_append_char(&s, '\n');
	if (s.rc != 0) {
		return;
	}
	if (s.length > DRIP_LOGGER_LINE_MAX && !as_json) {
		s.length = DRIP_LOGGER_LINE_MAX;
		s.data[s.length - 1] = '\n';
	}
	/* A log that cannot be written has nowhere to say so. */
	for (size_t done = 0; done < s.length;) {
		ssize_t n = write(out_fd, s.data + done, s.length - done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			break;
		}
		done += (size_t)n;
	}
}

void drip_logger_event(enum drip_log_level level, const char *pipeline, const char *stage,
		       const struct drip_error *error, const char *fmt, ...)
{
	int saved = errno;
	char message[MESSAGE_MAX], stamp[DRIP_CLOCK_TEXT_MAX], suppressed_text[24] = "";
	uint64_t hash = UINT64_C(0xcbf29ce484222325), suppressed;
	va_list ap;

	if (!drip_logger_wants(level)) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	hash = hash_text(hash, message);
	hash = hash_text(hash, pipeline);
	hash = hash_text(hash, stage);
	hash = hash_text(hash, error != NULL ? error->code : NULL);
	pthread_mutex_lock(&lock);
	if (passes(hash + (uint64_t)level, &suppressed)) {
		drip_clock_format(drip_clock_wall_us(), stamp, sizeof(stamp));
		if (suppressed != 0) {
			snprintf(suppressed_text, sizeof(suppressed_text), "%" PRIu64, suppressed);
		}
		const struct field fields[] = {
			{"ts", stamp},
			{"level", level_name(level)},
			{"msg", message},
			{"pipeline", pipeline},
			{"stage", stage},
			{"code", error != NULL ? error->code : NULL},
			{"error", error != NULL ? error->message : NULL},
			{"place", error != NULL ? error->place : NULL},
			{"hint", error != NULL ? error->hint : NULL},
			{"suppressed", suppressed_text},
		};

		if (frame_before != NULL) {
			frame_before(frame_data);
		}
		keep_line(level, pipeline, fields, sizeof(fields) / sizeof(fields[0]));
		write_line(level, fields, sizeof(fields) / sizeof(fields[0]));
		if (frame_after != NULL) {
			frame_after(frame_data);
		}
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
}

static bool is_wanted(const struct recent *r, enum drip_log_level least, const char *pipeline)
{
	return r->level <= least && (pipeline == NULL || strcmp(r->pipeline, pipeline) == 0);
}

void drip_logger_visit_recent(enum drip_log_level least, const char *pipeline, size_t limit,
			      void (*visit)(const char *json, void *data), void *data)
{
	uint64_t first, found = 0;

	pthread_mutex_lock(&lock);
	first = recents_count > DRIP_LOGGER_RECENT ? recents_count - DRIP_LOGGER_RECENT : 0;
	for (uint64_t i = first; i < recents_count; i++) {
		found += is_wanted(&recents[i % DRIP_LOGGER_RECENT], least, pipeline);
	}
	for (uint64_t i = first; i < recents_count; i++) {
		const struct recent *r = &recents[i % DRIP_LOGGER_RECENT];

		if (is_wanted(r, least, pipeline) && found-- <= limit) {
			visit(r->json, data);
		}
	}
	pthread_mutex_unlock(&lock);
}
