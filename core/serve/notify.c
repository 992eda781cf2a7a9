/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify: one datagram to the socket that NOTIFY_SOCKET names ("@": in the abstract space). */
#include "serve/notify.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void drip_notify(const char *fmt, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	drip_autoclose int fd = -1;
	char text[512];
	size_t size;
	va_list ap;

	if (path == NULL || (path[0] != '@' && path[0] != '/') ||
	    strlen(path) >= sizeof(address.sun_path)) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	size = strlen(path);
	memcpy(address.sun_path, path, size);
	if (path[0] == '@') {
		address.sun_path[0] = '\0';
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) < 0) {
		return;
	}
}

void drip_notify_reloading(void)
{
	drip_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reloading",
		    drip_clock_now_ns() / 1000);
}

uint64_t drip_notify_watchdog_ms(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (us == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid())) {
		return 0;
	}
	return strtoull(us, NULL, 10) / 2000;
}
