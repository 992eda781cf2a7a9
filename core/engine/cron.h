/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules: five-field cron expressions in a time zone. Fields are minute, hour, day of the month,
 * month and day of the week, each a list of values, names (jan, mon), ranges (1-5) and steps
 * (0-30/10), or * and its steps; and @yearly, @monthly, @weekly, @daily, @hourly. Where both days
 * are restricted, either suffices, as in every cron.
 *
 * Clock changes: a time that the clocks jump over runs at the jump; one that comes twice runs the
 * first time only. Where the hour field begins with *, the schedule is meant as an interval: times
 * jumped over are left out and times that come twice run twice. Immutable. Thread: any.
 */
#ifndef DRIPLINE_ENGINE_CRON_H
#define DRIPLINE_ENGINE_CRON_H

#include <dripline/error.h>

struct drip_cron;

/* (gives) `timezone` is an IANA name; NULL means UTC. -EINVAL with cron.syntax, cron.never or
 * cron.timezone. */
int drip_cron_parse(const char *text, const char *timezone, struct drip_cron **ret,
		    struct drip_error *err) DRIP_MUST_CHECK;
void drip_cron_destroy(struct drip_cron *cron); /* NULL is accepted */
/* The first time strictly after `after_us`, microseconds since 1970; INT64_MAX: there is none
 * within 12 years. */
int64_t drip_cron_next(const struct drip_cron *cron, int64_t after_us);

#endif
