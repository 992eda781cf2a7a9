/* SPDX-License-Identifier: Apache-2.0 */
/* Scalar texts to values. No locale: numbers are read with a point, whatever the environment says.
 */
#include <dripline/units.h>

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int drip_parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = {"true", "yes", "on"};
	static const char *const no[] = {"false", "no", "off"};

	for (size_t i = 0; i < 3; i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*ret = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Digits of a base up to a character that is none; *text moves there. */
static int parse_digits(const char **text, unsigned base, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value = 0;
	bool over = false;

	if ((unsigned)digit_of(*p) >= base) {
		return -EINVAL;
	}
	for (; *p != '\0'; p++) {
		if (*p == '_' && (unsigned)digit_of(p[1]) < base) {
			continue;
		}
		if ((unsigned)digit_of(*p) >= base) {
			break;
		}
		over |= __builtin_mul_overflow(value, (uint64_t)base, &value);
		over |= __builtin_add_overflow(value, (uint64_t)digit_of(*p), &value);
	}
	*text = p;
	*ret = value;
	return over ? -ERANGE : 0;
}

static int parse_unsigned(const char **text, uint64_t *ret)
{
	const char *p = *text;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		*text = p + 2;
		return parse_digits(text, 16, ret);
	}
	if (p[0] == '0' && (isdigit((unsigned char)p[1]) || p[1] == '_')) {
		return -EINVAL;
	}
	return parse_digits(text, 10, ret);
}

int drip_parse_int(const char *text, int64_t *ret)
{
	bool negative = *text == '-';
	uint64_t value;
	int rc;

	if (*text == '-' || *text == '+') {
		text++;
	}
	rc = parse_unsigned(&text, &value);
	if (rc == -EINVAL || *text != '\0') {
		return -EINVAL;
	}
	if (rc < 0 || value > (uint64_t)INT64_MAX + negative) {
		return -ERANGE;
	}
	*ret = negative ? (int64_t)(0 - value) : (int64_t)value;
	return 0;
}

int drip_parse_float(const char *text, double *ret)
{
	static locale_t numeric;
	locale_t c = __atomic_load_n(&numeric, __ATOMIC_ACQUIRE);
	const char *digits = text + (*text == '-' || *text == '+');
	char *end;

	if (c == NULL) {
		locale_t expected = NULL;

		c = newlocale(LC_NUMERIC_MASK, "C", NULL);
		if (c == NULL) {
			return -EINVAL;
		}
		if (!__atomic_compare_exchange_n(&numeric, &expected, c, false, __ATOMIC_ACQ_REL,
						 __ATOMIC_ACQUIRE)) {
			freelocale(c);
			c = expected;
		}
	}
	/* No hexadecimal floats, no infinity, no NaN: none of them is a sensible option. */
	if (strspn(digits, "0123456789.eE+-") != strlen(digits) ||
	    !(isdigit((unsigned char)digits[0]) ||
	      (digits[0] == '.' && isdigit((unsigned char)digits[1])))) {
		return -EINVAL;
	}
	*ret = strtod_l(text, &end, c);
	if (*end != '\0') {
		return -EINVAL;
	}
	return isfinite(*ret) ? 0 : -ERANGE;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int parse_with_unit(const char *text, const struct unit *units, uint64_t *ret)
{
	uint64_t value;
	int rc;

	if (!isdigit((unsigned char)*text)) {
		return -EINVAL;
	}
	rc = parse_digits(&text, 10, &value);
	if (rc == -EINVAL) {
		return rc;
	}
	while (*text == ' ') {
		text++;
	}
	for (; units->name != NULL; units++) {
		if (strcmp(text, units->name) == 0) {
			if (rc < 0 || __builtin_mul_overflow(value, units->factor, ret)) {
				return -ERANGE;
			}
			return 0;
		}
	}
	return -EINVAL;
}

int drip_parse_duration(const char *text, int64_t *ret_ms)
{
	static const struct unit units[] = {{"ms", 1},           {"s", 1000},
					    {"m", 60 * 1000},    {"h", 3600 * 1000},
					    {"d", 86400 * 1000}, {NULL, 0}};
	uint64_t ms = 0;
	int rc = strcmp(text, "0") == 0 ? 0 : parse_with_unit(text, units, &ms);

	if (rc == 0 && ms > INT64_MAX) {
		return -ERANGE;
	}
	if (rc == 0) {
		*ret_ms = (int64_t)ms;
	}
	return rc;
}

int drip_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {{"", 1},           {"B", 1},
					    {"KiB", 1u << 10}, {"MiB", 1u << 20},
					    {"GiB", 1u << 30}, {"TiB", (uint64_t)1 << 40},
					    {NULL, 0}};

	return parse_with_unit(text, units, ret_bytes);
}
