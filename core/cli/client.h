/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's side of the control socket: blocking, one request at a time. */
#ifndef DRIPLINE_CLI_CLIENT_H
#define DRIPLINE_CLI_CLIENT_H

#include "base/json.h"

struct drip_client;

#define DRIP_CLIENT_ANSWER_MAX ((size_t)64 << 20) /* bytes of a line from the daemon */

/* (gives) A connection to the daemon that uses `state_dir`. -ENOENT or -ECONNREFUSED with
 * control.no_daemon. */
int drip_client_open(const char *state_dir, struct drip_client **ret,
		     struct drip_error *err) DRIP_MUST_CHECK;
void drip_client_close(struct drip_client *client); /* NULL is accepted */
/* Sends a request; `arguments` is a JSON object as text. */
int drip_client_send(struct drip_client *client, const char *method, const char *arguments,
		     struct drip_error *err) DRIP_MUST_CHECK;
/*
 * (gives) the tree of the next line. *ret_result (borrowed from it) is the result; for an event it
 * is NULL and *ret_event is that. An error that the daemon sent is returned.
 */
int drip_client_receive(struct drip_client *client, struct drip_json_tree **ret_tree,
			const struct drip_json_node **ret_result,
			const struct drip_json_node **ret_event,
			struct drip_error *err) DRIP_MUST_CHECK;
/* True where a whole line is here already, so that receive does not wait. */
bool drip_client_has_line(const struct drip_client *client);
/* send and receive. */
int drip_client_call(struct drip_client *client, const char *method, const char *arguments,
		     struct drip_json_tree **ret_tree, const struct drip_json_node **ret_result,
		     struct drip_error *err) DRIP_MUST_CHECK;

/* Connects and calls. 1: no daemon runs, and nothing was done. */
int drip_client_try(const char *state_dir, const char *method, const char *arguments,
		    struct drip_json_tree **ret_tree, const struct drip_json_node **ret_result,
		    struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) the tree of an answer that was made here, as the daemon would have sent it. */
int drip_client_read_own(const struct drip_str *answer, struct drip_json_tree **ret_tree,
			 const struct drip_json_node **ret_result,
			 struct drip_error *err) DRIP_MUST_CHECK;

/* (borrowed) --state, DRIPLINE_STATE, or "./.dripline". */
const char *drip_client_state_dir(const char *option);
/* Connects and calls, printing the error; returns the exit status. */
int drip_client_ask(const char *command, const char *state_option, const char *method,
		    const char *arguments, struct drip_json_tree **ret_tree,
		    const struct drip_json_node **ret_result);
/* Prints an error of a client command; returns the exit status. */
int drip_client_print_error(const char *command, const struct drip_error *err);
/* Prints a node as JSON with a line feed. */
int drip_client_print_json(const struct drip_json_node *node);
/* Asks on the terminal; false where the answer is no, or stdin is no terminal. */
bool drip_client_confirm(const char *question);

#endif
