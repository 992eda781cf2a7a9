/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket over libuv. All on the loop thread, but for the methods, which run on the
 * thread pool, one a connection at a time. A client's memory is freed when its pipe, its tap's
 * async handle and its work are all gone (`refs`).
 */
#include "serve/control.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "serve/methods.h"
#include "serve/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG    32
#define ID_MAX     64 /* bytes of a request's id as JSON */
#define METHOD_MAX 64

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);

struct client {
	struct client *next;
	struct drip_control *control;
	uv_pipe_t pipe;
	uv_async_t lines; /* of the tap */
	uv_work_t work;
	struct drip_row_tap tap;
	int refs;
	bool closing, busy, tapping, ended; /* ended: it sends nothing more */
	char *buffer;
	size_t length;
	/* The request under way. */
	char id[ID_MAX], method[METHOD_MAX], actor[32];
	char *arguments, *result;
	struct drip_error error;
	int rc;
};

struct drip_control {
	struct drip_app *app;
	uv_pipe_t listener;
	struct client *clients;
	size_t clients_count;
	char *path; /* of the socket, to be removed */
	bool closing;
};

struct outgoing {
	uv_write_t request;
	struct client *client;
	char *data;
	bool ends_request;
};

static void process_buffer(struct client *c);
static void stop_tap(struct client *c);

/* ---- life of a client ---- */

static void unref_client(struct client *c)
{
	if (--c->refs == 0) {
		free(c->buffer);
		free(c->arguments);
		free(c->result);
		free(c);
	}
}

static void on_handle_closed(uv_handle_t *handle)
{
	unref_client(handle->data);
}

static void close_client(struct client *c)
{
	if (c->closing) {
		return;
	}
	c->closing = true;
	for (struct client **p = &c->control->clients; *p != NULL; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			c->control->clients_count--;
			break;
		}
	}
	stop_tap(c);
	uv_close((uv_handle_t *)&c->pipe, on_handle_closed);
	uv_close((uv_handle_t *)&c->lines, on_handle_closed);
}

/* ---- writing ---- */

static void on_written(uv_write_t *request, int status)
{
	struct outgoing *o = request->data;
	struct client *c = o->client;
	bool ends = o->ends_request;

	free(o->data);
	free(o);
	if (status < 0) {
		close_client(c);
	} else if (ends && !c->closing) {
		c->busy = false;
		process_buffer(c);
	}
	unref_client(c);
}

/* Takes `data`. */
static void send_text(struct client *c, char *data, size_t size, bool ends_request)
{
	struct outgoing *o = drip_calloc(1, sizeof(*o));
	uv_buf_t buf = uv_buf_init(data, (unsigned)size);

	if (o == NULL || c->closing) {
		free(o);
		free(data);
		close_client(c);
		return;
	}
	o->client = c;
	o->data = data;
	o->ends_request = ends_request;
	o->request.data = o;
	c->refs++;
	if (uv_write(&o->request, (uv_stream_t *)&c->pipe, &buf, 1, on_written) < 0) {
		free(o->data);
		free(o);
		close_client(c);
		unref_client(c);
	}
}

static void send_str(struct client *c, struct drip_str *s, bool ends_request)
{
	size_t size;
	char *text;

	drip_str_append_char(s, '\n');
	size = s->length;
	if (drip_str_steal(s, &text, NULL) < 0) {
		close_client(c);
		return;
	}
	send_text(c, text, size, ends_request);
}

static bool is_text_method(const char *method)
{
	return strcmp(method, "metrics") == 0;
}

/* Answers the request under way with c->rc, c->result or c->error. */
static void send_answer(struct client *c)
{
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;

	drip_json_init(&j, &s);
	drip_json_begin_object(&j);
	drip_json_key(&j, "id");
	drip_json_raw(&j, c->id);
	drip_json_key(&j, c->rc < 0 ? "error" : "result");
	if (c->rc < 0) {
		drip_json_error(&j, &c->error);
	} else if (is_text_method(c->method)) {
		drip_json_string(&j, c->result);
	} else {
		drip_json_raw(&j, c->result);
	}
	drip_json_end_object(&j);
	free(c->result);
	c->result = NULL;
	send_str(c, &s, true);
}

/* ---- taps ---- */

static void stop_tap(struct client *c)
{
	if (c->tapping) {
		c->tapping = false;
		drip_row_tap_stop(&c->tap);
	}
}

static void on_lines(struct drip_row_tap *tap, void *data)
{
	struct client *c = data;

	uv_async_send(&c->lines);
}

/* Moves the lines that wait into `out`, as events; with the tap's lock held. */
static void take_lines(struct client *c, struct drip_str *out)
{
	const struct drip_text *t = &c->tap.lines;
	bool room =
		uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) < DRIP_CONTROL_UNSENT_MAX;
	size_t start = 0;

	for (size_t i = 0; i < t->size; i++) {
		if (t->data[i] != '\n') {
			continue;
		}
		if (room) {
			drip_str_appendf(out, "{\"id\":%s,\"event\":", c->id);
			drip_str_append_n(out, t->data + start, i - start);
			drip_str_append(out, "}\n");
		} else {
			c->tap.dropped++;
			c->tap.rows--;
			c->tap.left += c->tap.left >= 0;
		}
		start = i + 1;
	}
	drip_text_clear(&c->tap.lines);
}

static void end_tap(struct client *c)
{
	drip_autostr s = DRIP_STR_INIT;

	drip_str_appendf(&s,
			 "{\"id\":%s,\"result\":{\"rows\":%" PRId64 ",\"dropped\":%" PRId64 "}}",
			 c->id, c->tap.rows, c->tap.dropped);
	stop_tap(c);
	send_str(c, &s, true);
}

static void on_lines_async(uv_async_t *handle)
{
	struct client *c = handle->data;
	drip_autostr s = DRIP_STR_INIT;
	bool ended;
	char *text;
	size_t size;

	if (!c->tapping) {
		return;
	}
	pthread_mutex_lock(&c->tap.lock);
	take_lines(c, &s);
	ended = c->tap.left == 0;
	pthread_mutex_unlock(&c->tap.lock);
	size = s.length;
	if (size != 0) {
		if (drip_str_steal(&s, &text, NULL) < 0) {
			close_client(c);
			return;
		}
		send_text(c, text, size, false);
	}
	if (ended && c->tapping) {
		end_tap(c);
	}
}

static void start_tap(struct client *c, const struct drip_json_node *arguments)
{
	int64_t limit = drip_json_get_int(arguments, "limit", -1);
	const char *pipeline = drip_json_get_string(arguments, "pipeline", "");

	memset(&c->tap, 0, sizeof(c->tap));
	c->tap.reveal = drip_json_get_bool(arguments, "reveal", false);
	c->tap.left = limit < 1 ? -1 : limit;
	c->tap.on_lines = on_lines;
	c->tap.data = c;
	c->rc = drip_row_tap_start(&c->tap, c->control->app, pipeline,
				   drip_json_get_string(arguments, "stage", ""), &c->error);
	if (c->rc < 0) {
		send_answer(c);
		return;
	}
	c->tapping = true;
	drip_logger_event(DRIP_LOG_INFO, pipeline, NULL, NULL, "tapped by %s%s", c->actor,
			  c->tap.reveal ? ", sensitive columns revealed" : "");
}

/* ---- requests ---- */

static void run_method(uv_work_t *work)
{
	struct client *c = work->data;

	c->rc = drip_methods_call(c->control->app, c->actor, c->method, c->arguments, &c->result,
				  &c->error);
}

static void on_method_done(uv_work_t *work, int status)
{
	struct client *c = work->data;

	c->control->app->works--;
	if (!c->closing) {
		send_answer(c);
	}
	unref_client(c);
}

static void copy_id(struct client *c, const struct drip_json_node *id)
{
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;

	snprintf(c->id, sizeof(c->id), "null");
	if (id == NULL || (id->type != DRIP_JSON_NUMBER && id->type != DRIP_JSON_STRING)) {
		return;
	}
	drip_json_init(&j, &s);
	drip_json_node(&j, id);
	if (s.rc == 0 && s.length < sizeof(c->id)) {
		memcpy(c->id, s.data, s.length + 1);
	}
}

static int copy_arguments(struct client *c, const struct drip_json_node *arguments)
{
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;

	free(c->arguments);
	c->arguments = NULL;
	if (arguments == NULL) {
		return 0;
	}
	drip_json_init(&j, &s);
	drip_json_node(&j, arguments);
	return drip_str_steal(&s, &c->arguments, &c->error);
}

/* ---- a tap that shows clear values: recorded first ---- */

static void run_record(uv_work_t *work)
{
	struct client *c = work->data;
	drip_autoptr(drip_json_tree) tree = NULL;

	c->rc = drip_json_parse(c->arguments, strlen(c->arguments), &tree, &c->error);
	c->rc = c->rc == 0 ? drip_tap_record(c->control->app, c->actor, drip_json_root(tree),
					     &c->error)
			   : c->rc;
}

static void on_recorded(uv_work_t *work, int status)
{
	struct client *c = work->data;
	drip_autoptr(drip_json_tree) tree = NULL;

	c->control->app->works--;
	if (c->rc == 0) {
		c->rc = drip_json_parse(c->arguments, strlen(c->arguments), &tree, &c->error);
	}
	if (!c->closing && c->rc == 0) {
		start_tap(c, drip_json_root(tree));
	} else if (!c->closing) {
		send_answer(c);
	}
	unref_client(c);
}

/* Begins the request that a line holds. 0: an answer will come by itself. */
static int begin_request(struct client *c, const char *line, size_t size)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *root;
	bool reveals;
	int rc;

	snprintf(c->id, sizeof(c->id), "null");
	c->method[0] = '\0';
	rc = drip_json_parse(line, size, &tree, &c->error);
	if (rc < 0) {
		return rc;
	}
	root = drip_json_root(tree);
	copy_id(c, drip_json_get(root, "id"));
	if (root->type != DRIP_JSON_OBJECT || drip_json_get_string(root, "method", NULL) == NULL) {
		return drip_error_set(&c->error, -EINVAL, "control.bad_request",
				      "a request must be an object with \"method\"");
	}
	snprintf(c->method, sizeof(c->method), "%s", drip_json_get_string(root, "method", ""));
	reveals = drip_json_get_bool(drip_json_get(root, "arguments"), "reveal", false);
	if (strcmp(c->method, "tap") == 0 && !reveals) {
		start_tap(c, drip_json_get(root, "arguments"));
		return 0;
	}
	rc = copy_arguments(c, drip_json_get(root, "arguments"));
	if (rc < 0) {
		return rc;
	}
	c->work.data = c;
	c->refs++;
	c->control->app->works++;
	if (strcmp(c->method, "tap") == 0) {
		uv_queue_work(&c->control->app->loop, &c->work, run_record, on_recorded);
	} else {
		uv_queue_work(&c->control->app->loop, &c->work, run_method, on_method_done);
	}
	return 0;
}

static void process_buffer(struct client *c)
{
	char *end = memchr(c->buffer, '\n', c->length);
	size_t size;
	int rc;

	if (c->busy || c->closing) {
		return;
	}
	if (end == NULL && c->length < DRIP_CONTROL_REQUEST_MAX) {
		if (c->ended) {
			close_client(c);
		}
		return;
	}
	c->busy = true;
	memset(&c->error, 0, sizeof(c->error));
	if (end == NULL) {
		snprintf(c->id, sizeof(c->id), "null");
		c->rc = drip_error_set(&c->error, -E2BIG, "control.request_too_large",
				       "cannot take a request of more than %d bytes",
				       DRIP_CONTROL_REQUEST_MAX);
		c->length = 0;
		send_answer(c);
		return;
	}
	size = (size_t)(end - c->buffer);
	rc = begin_request(c, c->buffer, size);
	c->length -= size + 1;
	memmove(c->buffer, end + 1, c->length);
	if (rc < 0) {
		/* Otherwise the request is under way, and its fields are not ours. */
		c->rc = rc;
		send_answer(c);
	}
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct client *c = handle->data;

	/* Empty where the buffer is full: libuv then reports UV_ENOBUFS. */
	*buf = uv_buf_init(c->buffer + c->length, (unsigned)(DRIP_CONTROL_REQUEST_MAX - c->length));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = stream->data;

	if (n == UV_EOF && c->busy && !c->tapping) {
		/* A client may shut down its side and still wait for the answer. */
		c->ended = true;
		uv_read_stop(stream);
		return;
	}
	if (n < 0) {
		close_client(c);
		return;
	}
	if (n == 0) {
		return;
	}
	c->length += (size_t)n;
	if (c->tapping) {
		/* Whatever the client sends ends the tap. */
		end_tap(c);
		return;
	}
	process_buffer(c);
}

static void name_actor(struct client *c)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&c->pipe, &fd) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0) {
		snprintf(c->actor, sizeof(c->actor), "uid %ld", (long)cred.uid);
	} else {
		snprintf(c->actor, sizeof(c->actor), "control socket");
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct drip_control *control = listener->data;
	struct client *c;

	if (status < 0 || control->closing) {
		return;
	}
	c = drip_calloc(1, sizeof(*c));
	if (c == NULL) {
		return;
	}
	c->buffer = drip_malloc(DRIP_CONTROL_REQUEST_MAX);
	if (c->buffer == NULL) {
		free(c);
		return;
	}
	c->control = control;
	c->refs = 2; /* the two handles */
	uv_pipe_init(&control->app->loop, &c->pipe, 0);
	uv_async_init(&control->app->loop, &c->lines, on_lines_async);
	c->pipe.data = c->lines.data = c;
	c->next = control->clients;
	control->clients = c;
	control->clients_count++;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) < 0 ||
	    control->clients_count > DRIP_CONTROL_CLIENTS_MAX) {
		close_client(c);
		return;
	}
	name_actor(c);
	uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
}

/* ---- the socket ---- */

int drip_control_path(const char *state_dir, char *buf, size_t size, int *ret_fd,
		      struct drip_error *err)
{
	struct sockaddr_un address;
	int length = snprintf(buf, size, "%s/%s", state_dir, DRIP_CONTROL_SOCKET);

	*ret_fd = -1;
	if (length > 0 && (size_t)length < size && (size_t)length < sizeof(address.sun_path)) {
		return 0;
	}
	*ret_fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0) {
		return drip_error_set(err, -errno, "control.no_socket",
				      "could not open the directory \"%s\": %s", state_dir,
				      strerror(errno));
	}
	snprintf(buf, size, "/proc/self/fd/%d/%s", *ret_fd, DRIP_CONTROL_SOCKET);
	return 0;
}

static int listen_at(struct drip_control *control, const char *path)
{
	mode_t mask;
	int rc;

	unlink(path);
	mask = umask(0177);
	rc = uv_pipe_bind(&control->listener, path);
	umask(mask);
	return rc == 0 ? uv_listen((uv_stream_t *)&control->listener, BACKLOG, on_connection) : rc;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct drip_control *control = handle->data;

	free(control->path);
	free(control);
}

int drip_control_open(struct drip_app *app, struct drip_control **ret, struct drip_error *err)
{
	struct drip_control *control = drip_calloc(1, sizeof(*control));
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)], real[PATH_MAX];
	drip_autoclose int fd = -1;
	int rc;

	snprintf(real, sizeof(real), "%s/%s", app->state_dir, DRIP_CONTROL_SOCKET);
	if (control == NULL || (control->path = drip_strdup(real)) == NULL) {
		free(control);
		return drip_error_nomem(err, sizeof(*control));
	}
	control->app = app;
	rc = drip_control_path(app->state_dir, path, sizeof(path), &fd, err);
	if (rc < 0) {
		free(control->path);
		free(control);
		return rc;
	}
	uv_pipe_init(&app->loop, &control->listener, 0);
	control->listener.data = control;
	rc = listen_at(control, path);
	if (rc < 0) {
		drip_error_set(err, rc, "control.no_socket",
			       "could not listen at the control socket \"%s\": %s", real,
			       uv_strerror(rc));
		uv_close((uv_handle_t *)&control->listener, on_listener_closed);
		return rc;
	}
	*ret = control;
	return 0;
}

void drip_control_close(struct drip_control *control)
{
	if (control == NULL || control->closing) {
		return;
	}
	control->closing = true;
	unlink(control->path);
	while (control->clients != NULL) {
		close_client(control->clients);
	}
	uv_close((uv_handle_t *)&control->listener, on_listener_closed);
}
