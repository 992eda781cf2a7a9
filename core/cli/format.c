/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for people. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *drip_format_count(int64_t value, char *buf, size_t size)
{
	char digits[24];
	size_t n = 0, length = (size_t)snprintf(digits, sizeof(digits), "%" PRId64, value);

	for (size_t i = 0; i < length && n + 2 < size; i++) {
		buf[n++] = digits[i];
		if (digits[i] != '-' && i + 1 < length && (length - i - 1) % 3 == 0) {
			buf[n++] = ',';
		}
	}
	buf[n] = '\0';
	return buf;
}

const char *drip_format_rate(double per_second, char *buf, size_t size)
{
	static const char units[] = " kMG";
	int unit = 0;

	while (per_second >= 999.5 && unit < 3) {
		per_second /= 1000;
		unit++;
	}
	if (unit == 0) {
		snprintf(buf, size, "%.0f", per_second);
	} else {
		snprintf(buf, size, per_second < 99.95 ? "%.1f%c" : "%.0f%c", per_second,
			 units[unit]);
	}
	return buf;
}

const char *drip_format_seconds(double seconds, char *buf, size_t size)
{
	int64_t s = (int64_t)(seconds + 0.5);

	if (seconds < 0) {
		snprintf(buf, size, "-");
	} else if (seconds < 59.5) {
		snprintf(buf, size, seconds < 9.95 ? "%.1fs" : "%.0fs", seconds);
	} else if (s < 3600) {
		snprintf(buf, size, "%" PRId64 ":%02" PRId64, s / 60, s % 60);
	} else {
		snprintf(buf, size, "%" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600, s / 60 % 60,
			 s % 60);
	}
	return buf;
}

const char *drip_format_bytes(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	int unit = 0;

	while (value >= 1023.5 && unit < 4) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, size, unit == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value,
		 units[unit]);
	return buf;
}
