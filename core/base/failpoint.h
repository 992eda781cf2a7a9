/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failpoints: places where a test makes the process die or an operation fail. Armed by the
 * environment, DRIPLINE_FAILPOINTS="name=kill@3,other=error@2": at the third hit of `name` the
 * process gets SIGKILL; the second hit of `other` returns -EIO. Without "@n" the first hit counts.
 */
#ifndef DRIPLINE_BASE_FAILPOINT_H
#define DRIPLINE_BASE_FAILPOINT_H

#include <dripline/error.h>

#define DRIP_FAILPOINTS_MAX 16

/* 0, or -EIO with failpoint.hit. Costs one load where nothing is armed. Thread: any. */
int drip_failpoint_hit(const char *name, struct drip_error *err) DRIP_MUST_CHECK;
/* Arms anew from `spec` (NULL: from none), for tests within one process; not while hits run. */
int drip_failpoint_arm(const char *spec, struct drip_error *err) DRIP_MUST_CHECK;

#endif
