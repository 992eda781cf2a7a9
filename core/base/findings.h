/* SPDX-License-Identifier: Apache-2.0 */
/* Findings: what validation has to say, all of it in one pass, each with its place. */
#ifndef DRIPLINE_BASE_FINDINGS_H
#define DRIPLINE_BASE_FINDINGS_H

#include <dripline/error.h>
#include <stdio.h>

/* Where a value stands in a file. `file` is borrowed from the tree or document that outlives the
 * place; line and column from 1. */
struct drip_place {
	const char *file;
	int line, column;
};

enum drip_severity { DRIP_SEVERITY_ERROR = 1, DRIP_SEVERITY_WARNING, DRIP_SEVERITY_NOTE };

struct drip_finding {
	enum drip_severity severity;
	char *file; /* owned copy; "" where a finding belongs to no file */
	int line, column;
	char *code, *message, *hint; /* owned; hint may be NULL */
};

#define DRIP_FINDINGS_MAX 1000 /* later ones are counted, not kept */

struct drip_findings {
	struct drip_finding *items;
	size_t count, capacity, errors, warnings, dropped;
	bool environment; /* one of the errors is of the environment (exit code 3), not of the input
			   */
};

void drip_findings_init(struct drip_findings *f);
void drip_findings_finish(struct drip_findings *f);
void drip_findings_add(struct drip_findings *f, enum drip_severity severity,
		       const struct drip_place *place, const char *code, const char *hint,
		       const char *fmt, ...) DRIP_PRINTF(6, 7);
/* An error as a finding; its own place wins over `place` (may be NULL). */
void drip_findings_add_error(struct drip_findings *f, enum drip_severity severity,
			     const struct drip_place *place, const struct drip_error *err);
/* Drops those of which `drop` is true. */
void drip_findings_drop(struct drip_findings *f,
			bool (*drop)(const struct drip_findings *f, const struct drip_finding *item,
				     void *data),
			void *data);
/* Drops the items from index `from` up to, not including, `to`. */
void drip_findings_cut(struct drip_findings *f, size_t from, size_t to);
/* By file, line, column; stable. Findings that are the same in every word are kept once. */
void drip_findings_sort(struct drip_findings *f);
/* "file:line:column: error: message [code]", then "  hint: ..." ; or one JSON document. */
void drip_findings_print_text(const struct drip_findings *f, FILE *out);
void drip_findings_print_json(const struct drip_findings *f, FILE *out);

#endif
