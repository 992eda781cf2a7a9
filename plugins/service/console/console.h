/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the service console share. */
#ifndef DRIPLINE_CONSOLE_H
#define DRIPLINE_CONSOLE_H

#include "../http.h"

/* Once, before threads ask. -ENOMEM. */
int console_query_init(void);
/* Hands the body of `r` to POST /query of the API at `api` (NULL or "": there is none), with the
 * key in the header Dripline-Key. Waits for its answer, two minutes at most. Thread: any. */
void console_query(const char *api, const struct http_request *r, struct http_answer *ret);

#endif
