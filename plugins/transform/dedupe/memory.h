/* SPDX-License-Identifier: Apache-2.0 */
/* What `dedupe` remembers over restarts: its set of rows, in the state of the stage. One thread. */
#ifndef DRIPLINE_DEDUPE_MEMORY_H
#define DRIPLINE_DEDUPE_MEMORY_H

#include <dripline/dripline.h>

struct memory {
	struct drip_ctx *ctx;
	struct drip_rowset set;
	uint64_t tag;              /* of the configuration; a memory of another one is forgotten */
	uint64_t stored_first;     /* first segment that is stored */
	uint64_t stored_window[2]; /* first and next, as stored */
};

int memory_load(struct memory *m, struct drip_error *err) DRIP_MUST_CHECK;
/* Puts what changed since the last call. */
int memory_store(struct memory *m, struct drip_error *err) DRIP_MUST_CHECK;

#endif
