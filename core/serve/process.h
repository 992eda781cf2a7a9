/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of this process. 0 where the kernel does not tell. Thread: any. */
#ifndef DRIPLINE_SERVE_PROCESS_H
#define DRIPLINE_SERVE_PROCESS_H

#include <stdint.h>

uint64_t drip_process_rss_bytes(void);
double drip_process_cpu_seconds(void); /* user and system */
int64_t drip_process_open_fds(void);

#endif
