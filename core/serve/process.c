/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of this process, from /proc and getrusage. */
#include "serve/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

uint64_t drip_process_rss_bytes(void)
{
	char text[128] = "";
	char *second;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0) {
		return 0;
	}
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	second = n > 0 ? strchr(text, ' ') : NULL;
	return second != NULL ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

double drip_process_cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0) {
		return 0;
	}
	return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int64_t drip_process_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t count = 0;

	if (dir == NULL) {
		return 0;
	}
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		count += e->d_name[0] != '.';
	}
	closedir(dir);
	return count - 1; /* not the one that reads */
}
