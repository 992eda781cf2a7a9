/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the control socket. What the daemon sends is data: it is bounded and parsed. */
#include "cli/client.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "cli/commands.h"
#include "cli/setup.h"
#include "serve/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_BYTES 65536

struct drip_client {
	int fd;
	char *buffer;
	size_t length, capacity;
	size_t scanned; /* bytes of the buffer that hold no line feed */
	int64_t id;
};

DRIP_DEFINE_AUTOPTR(drip_client, drip_client_close);

int drip_client_try(const char *state_dir, const char *method, const char *arguments,
		    struct drip_json_tree **ret_tree, const struct drip_json_node **ret_result,
		    struct drip_error *err)
{
	struct drip_client *client = NULL;
	int rc = drip_client_open(state_dir, &client, err);

	if (rc < 0) {
		return strcmp(err->code, "control.no_daemon") == 0 ? 1 : rc;
	}
	rc = drip_client_call(client, method, arguments, ret_tree, ret_result, err);
	drip_client_close(client);
	return rc;
}

int drip_client_read_own(const struct drip_str *answer, struct drip_json_tree **ret_tree,
			 const struct drip_json_node **ret_result, struct drip_error *err)
{
	int rc = drip_json_parse(drip_str_text(answer), answer->length, ret_tree, err);

	if (rc == 0) {
		*ret_result = drip_json_root(*ret_tree);
	}
	return rc;
}

const char *drip_client_state_dir(const char *option)
{
	const char *given = drip_state_dir_given(option);

	return given != NULL ? given : ".dripline";
}

static int no_daemon(const char *state_dir, int rc, struct drip_error *err)
{
	if (rc == -ENOENT || rc == -ECONNREFUSED || rc == -ENOTDIR) {
		drip_error_set_retryable(err, rc, "control.no_daemon",
					 "no daemon runs with the state directory \"%s\"",
					 state_dir);
		drip_error_hint(err, "Start one with `dripline daemon DIR`, or name its state "
				     "directory with --state or DRIPLINE_STATE.");
		return rc;
	}
	drip_error_set(err, rc, "control.no_socket",
		       "could not connect to the daemon in \"%s\": %s", state_dir, strerror(-rc));
	if (rc == -EACCES) {
		drip_error_hint(err, "Only the user that runs the daemon may control it.");
	}
	return rc;
}

int drip_client_open(const char *state_dir, struct drip_client **ret, struct drip_error *err)
{
	drip_autoptr(drip_client) client = drip_calloc(1, sizeof(*client));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	drip_autoclose int dir = -1;
	int rc;

	if (client == NULL) {
		return drip_error_nomem(err, sizeof(*client));
	}
	client->fd = -1;
	rc = drip_control_path(state_dir, address.sun_path, sizeof(address.sun_path), &dir, NULL);
	if (rc < 0) {
		return no_daemon(state_dir, rc, err);
	}
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 ||
	    connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return no_daemon(state_dir, -errno, err);
	}
	*ret = drip_steal(client);
	return 0;
}

void drip_client_close(struct drip_client *client)
{
	if (client == NULL) {
		return;
	}
	if (client->fd >= 0) {
		close(client->fd);
	}
	free(client->buffer);
	free(client);
}

static int lost(struct drip_error *err)
{
	drip_error_set_retryable(err, -ECONNRESET, "control.lost",
				 "the daemon closed the "
				 "connection");
	drip_error_hint(err, "It may have ended; see its log.");
	return -ECONNRESET;
}

int drip_client_send(struct drip_client *client, const char *method, const char *arguments,
		     struct drip_error *err)
{
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;

	drip_json_init(&j, &s);
	drip_json_begin_object(&j);
	drip_json_put_int(&j, "id", ++client->id);
	drip_json_put_string(&j, "method", method);
	drip_json_key(&j, "arguments");
	drip_json_raw(&j, arguments);
	drip_json_end_object(&j);
	drip_str_append_char(&s, '\n');
	if (s.rc != 0) {
		return drip_error_nomem(err, s.length);
	}
	for (size_t done = 0; done < s.length;) {
		ssize_t n = send(client->fd, s.data + done, s.length - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return lost(err);
		}
		done += (size_t)n;
	}
	return 0;
}

bool drip_client_has_line(const struct drip_client *client)
{
	return client->length != 0 && memchr(client->buffer, '\n', client->length) != NULL;
}

/* Reads until the buffer holds a line; gives its length without the line feed. */
static int read_line(struct drip_client *client, size_t *ret_size, struct drip_error *err)
{
	for (;;) {
		void *buffer = client->buffer;
		char *end = NULL;
		ssize_t n;

		if (client->length > client->scanned) {
			end = memchr(client->buffer + client->scanned, '\n',
				     client->length - client->scanned);
		}
		if (end != NULL) {
			*ret_size = (size_t)(end - client->buffer);
			return 0;
		}
		client->scanned = client->length;
		if (client->length > DRIP_CLIENT_ANSWER_MAX) {
			return drip_error_set(err, -E2BIG, "control.answer_too_large",
					      "cannot take an answer of more than %zu bytes",
					      DRIP_CLIENT_ANSWER_MAX);
		}
		if (!drip_grow(&buffer, &client->capacity, client->length + READ_BYTES, 1)) {
			return drip_error_nomem(err, client->length + READ_BYTES);
		}
		client->buffer = buffer;
		n = recv(client->fd, client->buffer + client->length, READ_BYTES, 0);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return lost(err);
		}
		client->length += (size_t)n;
	}
}

static int daemon_error(const struct drip_json_node *node, struct drip_error *err)
{
	int64_t number = drip_json_get_int(node, "errno", EIO);
	int rc = number > 0 && number < 4096 ? -(int)number : -EIO;

	drip_error_set(err, rc, drip_json_get_string(node, "code", "control.failed"), "%s",
		       drip_json_get_string(node, "message", "the daemon reports an error"));
	drip_error_hint(err, "%s", drip_json_get_string(node, "hint", ""));
	drip_error_place(err, "%s", drip_json_get_string(node, "place", ""));
	return rc;
}

int drip_client_receive(struct drip_client *client, struct drip_json_tree **ret_tree,
			const struct drip_json_node **ret_result,
			const struct drip_json_node **ret_event, struct drip_error *err)
{
	const struct drip_json_node *root, *error;
	struct drip_json_tree *tree = NULL;
	size_t size = 0;
	int rc = read_line(client, &size, err);

	rc = rc == 0 ? drip_json_parse(client->buffer, size, &tree, err) : rc;
	if (rc < 0) {
		return rc;
	}
	client->length -= size + 1;
	client->scanned = 0;
	memmove(client->buffer, client->buffer + size + 1, client->length);
	root = drip_json_root(tree);
	error = drip_json_get(root, "error");
	if (error != NULL) {
		rc = daemon_error(error, err);
		drip_json_tree_destroy(tree);
		return rc;
	}
	*ret_tree = tree;
	*ret_result = drip_json_get(root, "result");
	if (ret_event != NULL) {
		*ret_event = drip_json_get(root, "event");
	}
	return 0;
}

int drip_client_call(struct drip_client *client, const char *method, const char *arguments,
		     struct drip_json_tree **ret_tree, const struct drip_json_node **ret_result,
		     struct drip_error *err)
{
	int rc = drip_client_send(client, method, arguments, err);

	return rc == 0 ? drip_client_receive(client, ret_tree, ret_result, NULL, err) : rc;
}

int drip_client_print_error(const char *command, const struct drip_error *err)
{
	int status = drip_print_error(command, err);

	return err->rc == -ENOENT && strncmp(err->code, "control.no_", 11) != 0 &&
			       strcmp(err->code, "store.missing") != 0
		       ? DRIP_EXIT_INVALID
		       : status;
}

int drip_client_ask(const char *command, const char *state_option, const char *method,
		    const char *arguments, struct drip_json_tree **ret_tree,
		    const struct drip_json_node **ret_result)
{
	drip_autoptr(drip_client) client = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = drip_client_open(drip_client_state_dir(state_option), &client, &err);

	rc = rc == 0 ? drip_client_call(client, method, arguments, ret_tree, ret_result, &err) : rc;
	return rc < 0 ? drip_client_print_error(command, &err) : DRIP_EXIT_OK;
}

int drip_client_print_json(const struct drip_json_node *node)
{
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;

	drip_json_init(&j, &s);
	drip_json_node(&j, node);
	if (s.rc != 0) {
		fprintf(stderr, "dripline: out of memory\n");
		return DRIP_EXIT_ENVIRONMENT;
	}
	puts(drip_str_text(&s));
	return DRIP_EXIT_OK;
}

bool drip_client_confirm(const char *question)
{
	char answer[16] = "";

	if (isatty(STDIN_FILENO) != 1) {
		fprintf(stderr, "%s Give --yes to do it without being asked.\n", question);
		return false;
	}
	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}
