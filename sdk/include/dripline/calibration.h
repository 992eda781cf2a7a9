/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calibration: makes probabilities of what a model says, by rows that it was not trained on and
 * whose truth is known. Monotone: what ranked above another row does not rank below it after.
 * Functions that do not change a struct may be called from any thread, many at once.
 */
#ifndef DRIPLINE_CALIBRATION_H
#define DRIPLINE_CALIBRATION_H

#include <dripline/features.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_CALIBRATION_POINTS_MAX 4096

enum drip_calibration_kind {
	DRIP_CALIBRATION_NONE = 0,
	DRIP_CALIBRATION_PLATT,
	DRIP_CALIBRATION_ISOTONIC
};

/* Zeroed: none, which leaves scores as they are. */
struct drip_calibration {
	enum drip_calibration_kind kind;
	double a, b;    /* platt: 1 / (1 + exp(a * margin + b)), margin: the log-odds of a score */
	uint32_t count; /* isotonic: points, joined by straight lines */
	double *x, *y;
};

/* Values of an option that chooses the kind, ended by a NULL name. */
extern const struct drip_enum_value drip_calibration_values[];

/* (static) "platt" */
const char *drip_calibration_name(enum drip_calibration_kind kind);
/*
 * From `count` scores within 0 and 1 and their labels, 0 or 1, with both among them. The kind is
 * none where a sigmoid would turn the order around: then the scores tell nothing.
 */
int drip_calibration_fit(struct drip_calibration *c, enum drip_calibration_kind kind,
			 const double *scores, const double *labels, size_t count,
			 struct drip_error *err) DRIP_MUST_CHECK;
double drip_calibration_apply(const struct drip_calibration *c, double score);
void drip_calibration_finish(struct drip_calibration *c); /* zeroed is accepted */
/* As a part of an artifact; read: -EINVAL with model.bad_artifact. */
void drip_calibration_write(const struct drip_calibration *c, struct drip_text *t);
int drip_calibration_read(struct drip_calibration *c, struct drip_artifact_reader *r,
			  struct drip_error *err) DRIP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
