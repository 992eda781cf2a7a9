/* SPDX-License-Identifier: Apache-2.0 */
/* Tells systemd how the service is: sd_notify(3), without its library. Does nothing where the
 * program was not started with Type=notify. Thread: any. */
#ifndef DRIPLINE_SERVE_NOTIFY_H
#define DRIPLINE_SERVE_NOTIFY_H

#include <dripline/error.h>

/* Lines of KEY=VALUE, as "READY=1\nSTATUS=...". Failures are of no use to anyone and are dropped.
 */
void drip_notify(const char *fmt, ...) DRIP_PRINTF(1, 2);
/* "RELOADING=1" with the clock that Type=notify-reload needs. */
void drip_notify_reloading(void);
/* Milliseconds between two WATCHDOG=1, half of what the manager allows; 0: it does not watch. */
uint64_t drip_notify_watchdog_ms(void);

#endif
