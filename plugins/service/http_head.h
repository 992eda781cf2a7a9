/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libmicrohttpd lets through of a request's head, and a proxy in front may read otherwise: two
 * lengths, a length beside a transfer coding, names of headers that are none. Threads: any.
 */
#ifndef DRIPLINE_PLUGIN_HTTP_HEAD_H
#define DRIPLINE_PLUGIN_HTTP_HEAD_H

#include <microhttpd.h>
#include <stdbool.h>

/* Why a request cannot be taken, static; NULL where it can. */
const char *http_head_fault(struct MHD_Connection *c);
/* For MHD_OPTION_UNESCAPE_CALLBACK: a %00 becomes a character that no route and no argument has,
 * and does not cut the rest off. */
size_t http_head_unescape(void *data, struct MHD_Connection *c, char *text);
/* Whether a content type is that of JSON, with parameters or without. */
bool http_head_is_json(const char *content_type);

#endif
