/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log over the network. The client library connects and reads packets; a thread moves them into
 * blocks of a bounded queue. The reader thread owns the MYSQL until it is joined; all else is under
 * `lock`.
 */
#include "feed.h"
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define QUEUE_MAX_BYTES (16u * 1024 * 1024) /* of packets that wait, or one that is larger */
#define BLOCK_BYTES     (256u * 1024)
#define ER_BINLOG_FATAL 1236
#define ER_BINLOG_TWICE 4052 /* MariaDB: another reader with this server_id came */

struct block {
	struct block *next;
	size_t capacity, used;
	uint8_t data[];
};

struct drip_my_net {
	MYSQL *m;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t filled, drained;
	struct block *head, *tail; /* packets that wait: 4 bytes of size, then the bytes */
	struct block *spare;
	size_t queued;
	bool ended, closing, interrupted;
	unsigned error_number;
	char error_text[400];
	/* of the consumer */
	struct block *current;
	size_t at;
};

static struct block *block_get(struct drip_my_net *n, size_t size)
{
	struct block *b = n->spare;
	size_t capacity = size > BLOCK_BYTES ? size : BLOCK_BYTES;

	if (b != NULL && b->capacity >= size) {
		n->spare = NULL;
	} else {
		b = malloc(sizeof(*b) + capacity);
		if (b == NULL) {
			return NULL;
		}
		b->capacity = capacity;
	}
	b->next = NULL;
	b->used = 0;
	return b;
}

/* Under the lock. */
static bool queue_put(struct drip_my_net *n, const uint8_t *p, size_t size)
{
	struct block *b = n->tail;
	uint32_t length = (uint32_t)size;

	if (b == NULL || b->capacity - b->used < size + sizeof(length)) {
		b = block_get(n, size + sizeof(length));
		if (b == NULL) {
			return false;
		}
		if (n->tail != NULL) {
			n->tail->next = b;
		} else {
			n->head = b;
		}
		n->tail = b;
	}
	memcpy(b->data + b->used, &length, sizeof(length));
	memcpy(b->data + b->used + sizeof(length), p, size);
	b->used += sizeof(length) + size;
	n->queued += sizeof(length) + size;
	return true;
}

static void reader_end(struct drip_my_net *n, unsigned number, const char *text)
{
	pthread_mutex_lock(&n->lock);
	n->ended = true;
	n->error_number = number;
	snprintf(n->error_text, sizeof(n->error_text), "%s", text);
	pthread_cond_signal(&n->filled);
	pthread_mutex_unlock(&n->lock);
}

static void *reader_main(void *arg)
{
	struct drip_my_net *n = arg;

	mysql_thread_init();
	for (;;) {
		unsigned long size = mysql_net_read_packet(n->m);
		const uint8_t *p = n->m->net.read_pos;
		bool ok;

		if (size == packet_error) {
			reader_end(n, mysql_errno(n->m), mysql_error(n->m));
			break;
		}
		if (size == 0 || p[0] != 0) { /* EOF: the server ends the stream */
			reader_end(n, 0, "the server ended the stream");
			break;
		}
		pthread_mutex_lock(&n->lock);
		while (n->queued > 0 && n->queued + size > QUEUE_MAX_BYTES && !n->closing) {
			pthread_cond_wait(&n->drained, &n->lock);
		}
		ok = !n->closing && queue_put(n, p + 1, size - 1);
		pthread_cond_signal(&n->filled);
		pthread_mutex_unlock(&n->lock);
		if (!ok) {
			reader_end(n, 0, "out of memory");
			break;
		}
	}
	mysql_thread_end();
	return NULL;
}

static int set_up(MYSQL *m, const struct drip_my_net_start *s, struct drip_error *err)
{
	char sql[DRIP_MY_GTID_MAX + 200];
	int rc;

	snprintf(sql, sizeof(sql),
		 "SET @mariadb_slave_capability = 4, @master_heartbeat_period = %" PRIu64
		 ", @master_binlog_checksum = @@global.binlog_checksum, SESSION "
		 "net_write_timeout = 3600", /* sinks may be slow, or a table be read again */
		 s->heartbeat_ms * 1000000);
	rc = drip_my_execute(m, sql, err);
	if (rc == 0 && s->gtids != NULL) {
		snprintf(sql, sizeof(sql),
			 "SET @slave_connect_state = '%s', @slave_gtid_strict_mode = 0,"
			 " @slave_gtid_ignore_duplicates = 0",
			 s->gtids);
		rc = drip_my_execute(m, sql, err);
	}
	return rc;
}

/* COM_BINLOG_DUMP: position, flags, server id, file. */
static int dump(MYSQL *m, const struct drip_my_net_start *s, struct drip_error *err)
{
	uint8_t payload[10 + DRIP_MY_FILE_MAX];
	uint32_t position = s->offset > UINT32_MAX || s->offset < 4 ? 4 : (uint32_t)s->offset;
	const char *file = s->gtids == NULL && s->file != NULL ? s->file : "";
	size_t size = strlen(file);

	if (size >= DRIP_MY_FILE_MAX) {
		return drip_error_set(err, -EINVAL, "mysql.bad_position",
				      "the name of the binlog file is too long");
	}
	memset(payload, 0, 10);
	memcpy(payload, &position, 4);
	memcpy(payload + 6, &s->server_id, 4);
	memcpy(payload + 10, file, size);
	if (m->methods->db_command(m, COM_BINLOG_DUMP, (const char *)payload, 10 + size, 1, NULL) !=
	    0) {
		return drip_my_error(m, "ask for the binlog", err);
	}
	return 0;
}

int drip_my_net_open(MYSQL *m, const struct drip_my_net_start *s, struct drip_my_net **ret,
		     struct drip_error *err)
{
	struct drip_my_net *n = calloc(1, sizeof(*n));
	pthread_condattr_t monotonic;
	int rc = n == NULL ? drip_error_nomem(err, sizeof(*n)) : set_up(m, s, err);

	if (rc == 0) {
		rc = dump(m, s, err);
	}
	if (rc != 0) {
		mysql_close(m);
		free(n);
		return rc;
	}
	n->m = m;
	pthread_mutex_init(&n->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&n->filled, &monotonic);
	pthread_cond_init(&n->drained, &monotonic);
	pthread_condattr_destroy(&monotonic);
	rc = pthread_create(&n->thread, NULL, reader_main, n);
	if (rc != 0) {
		pthread_cond_destroy(&n->filled);
		pthread_cond_destroy(&n->drained);
		pthread_mutex_destroy(&n->lock);
		mysql_close(m);
		free(n);
		return drip_error_nomem(err, sizeof(*n));
	}
	*ret = n;
	return 0;
}

static void blocks_free(struct block *b)
{
	while (b != NULL) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
}

void drip_my_net_close(struct drip_my_net *n)
{
	if (n == NULL) {
		return;
	}
	pthread_mutex_lock(&n->lock);
	n->closing = true;
	pthread_cond_signal(&n->drained);
	pthread_mutex_unlock(&n->lock);
	shutdown(mysql_get_socket(n->m), SHUT_RDWR); /* wakes a reader that waits for a packet */
	pthread_join(n->thread, NULL);
	mysql_close(n->m);
	blocks_free(n->head);
	blocks_free(n->current);
	blocks_free(n->spare);
	pthread_cond_destroy(&n->filled);
	pthread_cond_destroy(&n->drained);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

void drip_my_net_interrupt(struct drip_my_net *n)
{
	pthread_mutex_lock(&n->lock);
	n->interrupted = true;
	pthread_cond_signal(&n->filled);
	pthread_mutex_unlock(&n->lock);
}

static int stream_error(struct drip_my_net *n, struct drip_error *err)
{
	if (n->error_number == ER_BINLOG_FATAL || n->error_number == ER_BINLOG_TWICE) {
		bool purged = strstr(n->error_text, "purged") != NULL ||
			      strstr(n->error_text, "Could not find first log") != NULL ||
			      strstr(n->error_text, "not find GTID") != NULL ||
			      strstr(n->error_text, "not in the master's binlog") != NULL;

		drip_error_set(err, -ENODATA,
			       purged ? "mysql.binlog_purged" : "mysql.binlog_refused",
			       "cannot read the binlog: %s", n->error_text);
		drip_error_hint(
			err, "%s",
			purged ? "The server has removed the log from where the pipeline "
				 "would go on. Reset its checkpoint to take a new snapshot, "
				 "and keep logs longer (binlog_expire_logs_seconds)."
			       : "Another reader may use the same server_id.");
		return -ENODATA;
	}
	if (n->error_number == 0) {
		return drip_error_set_retryable(err, -ECONNRESET, "mysql.connection_lost",
						"could not read the binlog: %s", n->error_text);
	}
	return drip_my_error_of(n->error_number, n->error_text, "read the binlog", err);
}

/* Under the lock: waits until there is a block, an end, an interrupt, or the time is over. */
static void wait_filled(struct drip_my_net *n, uint32_t timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (n->head == NULL && !n->ended && !n->interrupted) {
		if (pthread_cond_timedwait(&n->filled, &n->lock, &until) == ETIMEDOUT) {
			return;
		}
	}
}

/* The next block of packets into `current`; as drip_my_net_next. */
static int take_block(struct drip_my_net *n, uint32_t timeout_ms, struct drip_error *err)
{
	struct block *done = n->current;
	int rc = 1;

	n->current = NULL;
	n->at = 0;
	pthread_mutex_lock(&n->lock);
	if (done != NULL && n->spare == NULL && done->capacity == BLOCK_BYTES) {
		n->spare = done;
		done = NULL;
	}
	if (n->head == NULL && timeout_ms > 0) {
		wait_filled(n, timeout_ms);
	}
	if (n->interrupted) {
		rc = drip_error_set(err, -ECANCELED, "mysql.interrupted", "interrupted");
	} else if (n->head != NULL) {
		n->current = n->head;
		n->head = n->head->next;
		n->tail = n->head == NULL ? NULL : n->tail;
		n->current->next = NULL;
		n->queued -= n->current->used < n->queued ? n->current->used : n->queued;
		pthread_cond_signal(&n->drained);
	} else {
		rc = n->ended ? stream_error(n, err) : 0;
	}
	pthread_mutex_unlock(&n->lock);
	free(done);
	return rc;
}

int drip_my_net_next(struct drip_my_net *n, uint32_t timeout_ms, const uint8_t **ret,
		     size_t *ret_size, struct drip_error *err)
{
	uint32_t length;

	if (n->current == NULL || n->at >= n->current->used) {
		int rc = take_block(n, timeout_ms, err);

		if (rc != 1) {
			return rc;
		}
	}
	memcpy(&length, n->current->data + n->at, sizeof(length));
	*ret = n->current->data + n->at + sizeof(length);
	*ret_size = length;
	n->at += sizeof(length) + length;
	return 1;
}
