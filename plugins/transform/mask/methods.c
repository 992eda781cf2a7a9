/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The masks. A hash is HMAC-SHA-256 (RFC 2104, FIPS 180-4) of the normalised text of the value, so
 * that equal values stay equal across tables that share a key, and nobody without the key can try
 * values out. The key goes in once; Nettle uses the SHA instructions of processors that have them.
 */
#include "mask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_US  ((int64_t)86400000000)
#define HOUR_US ((int64_t)3600000000)

enum drip_type mask_output_type(const struct mask_rule *rule, enum drip_type type)
{
	bool text = type == DRIP_TYPE_UTF8 || type == DRIP_TYPE_JSON || type == DRIP_TYPE_UUID;

	switch ((enum mask_method)rule->method.value) {
	case MASK_HASH:
		return DRIP_TYPE_UTF8;
	case MASK_NULL:
		return type;
	case MASK_REDACT:
	case MASK_PARTIAL:
	case MASK_ENCRYPT:
	case MASK_DECRYPT:
		return text ? DRIP_TYPE_UTF8 : DRIP_TYPE_NONE;
	case MASK_TRUNCATE:
		if (type == DRIP_TYPE_DATE || type == DRIP_TYPE_TIMESTAMP ||
		    type == DRIP_TYPE_TIMESTAMP_UTC) {
			return type;
		}
		return text ? DRIP_TYPE_UTF8 : DRIP_TYPE_NONE;
	}
	return DRIP_TYPE_NONE;
}

void mask_key_set(struct mask_key *key, const char *text)
{
	hmac_sha256_set_key(&key->hmac, strlen(text), (const uint8_t *)text);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A phone number as E.164 has it: "+", the country, the number. One without a country is of the
 * North American plan (+1). What cannot be one stays digits. `out` has room for size + 2. */
static int64_t normalise_phone(const char *data, int64_t size, char *out)
{
	bool international = false;
	char *digits = out + 2;
	int64_t n = 0;

	for (int64_t i = 0; i < size; i++) {
		if (data[i] >= '0' && data[i] <= '9') {
			digits[n++] = data[i];
		} else if (data[i] == '+' && n == 0) {
			international = true;
		} else if (n > 0 && (data[i] == 'x' || data[i] == ';' || data[i] == ',')) {
			break; /* an extension */
		}
	}
	if (!international && n > 12 && digits[0] == '0' && digits[1] == '0') {
		digits += 2;
		n -= 2;
		international = true;
	} else if (!international && n > 11 && memcmp(digits, "011", 3) == 0) {
		digits += 3;
		n -= 3;
		international = true;
	}
	if (!international && n == 10) {
		out[0] = '+';
		out[1] = '1';
		return n + 2;
	}
	if (international || n == 11) {
		out[0] = '+';
		memmove(out + 1, digits, (size_t)n);
		return n + 1;
	}
	memmove(out, digits, (size_t)n);
	return n;
}

/* Normalises `data` into `out` (`size` bytes and 2 more); returns the length. */
static int64_t normalise(enum mask_normalise how, const char *data, int64_t size, char *out)
{
	int64_t n = 0;

	if (how == MASK_PHONE) {
		return normalise_phone(data, size, out);
	}
	if (how == MASK_DIGITS) {
		for (int64_t i = 0; i < size; i++) {
			out[n] = data[i];
			n += data[i] >= '0' && data[i] <= '9';
		}
		return n;
	}
	while (size > 0 && is_space(data[size - 1])) {
		size--;
	}
	while (size > 0 && is_space(*data)) {
		data++;
		size--;
	}
	for (; n < size; n++) {
		char c = data[n];

		out[n] = how == MASK_LOWER && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return n;
}

static void append_hash(struct drip_column_builder *b, struct mask_key *key, const void *data,
			int64_t size, int64_t digits)
{
	uint8_t hash[SHA256_DIGEST_SIZE];
	uint8_t *out = drip_append_reserve(b, digits);

	if (out == NULL) {
		return;
	}
	hmac_sha256_update(&key->hmac, (size_t)size, data);
	hmac_sha256_digest(&key->hmac, sizeof(hash), hash);
	for (int64_t i = 0; i < digits; i++) {
		out[i] =
			(uint8_t) "0123456789abcdef"[(i & 1 ? hash[i / 2] : hash[i / 2] >> 4) & 15];
	}
	drip_append_written(b, digits);
}

/* The text of a value: its own bytes, or written into `text`. False where there is none. */
static bool text_of(const struct drip_value *v, const struct drip_column *column, char *text,
		    size_t text_size, const char **ret, int64_t *ret_size)
{
	if (v->data != NULL && v->type != DRIP_TYPE_DECIMAL) {
		*ret = v->data;
		*ret_size = v->size;
		return true;
	}
	*ret = text;
	*ret_size = drip_value_format(v, column, text, text_size);
	return *ret_size >= 0 && *ret_size < (int64_t)text_size;
}

static int hash_column(const struct mask_rule *rule, struct mask_key *key,
		       const struct drip_batch *batch, uint32_t index,
		       struct drip_column_builder *b, struct drip_error *err)
{
	const struct drip_column *column = drip_schema_column(batch->schema, index);
	enum mask_normalise how = (enum mask_normalise)rule->normalise.value;
	char text[160], *scratch = NULL;
	int64_t room = 0;

	for (int64_t row = 0; row < batch->rows; row++) {
		struct drip_value v;
		const char *data;
		int64_t size;

		drip_value_get(batch, index, row, &v);
		if (v.type == DRIP_TYPE_NONE ||
		    !text_of(&v, column, text, sizeof(text), &data, &size)) {
			drip_append_null(b);
			continue;
		}
		if (how != MASK_AS_IS) {
			if (size + 2 > room || scratch == NULL) {
				room = size * 2 + 64;
				free(scratch);
				scratch = malloc((size_t)room);
				if (scratch == NULL) {
					return drip_error_nomem(err, (size_t)room);
				}
			}
			size = normalise(how, data, size, scratch);
			data = scratch;
		}
		append_hash(b, key, data, size, rule->digits);
	}
	free(scratch);
	return 0;
}

/* Byte length of the first `count` characters of UTF-8 text. */
static int64_t bytes_of_first(const char *data, int64_t size, int64_t count)
{
	int64_t i = 0;

	while (i < size) {
		if (((unsigned char)data[i] & 0xc0) != 0x80 && count-- == 0) {
			break;
		}
		i++;
	}
	return i;
}

static int64_t characters_of(const char *data, int64_t size)
{
	int64_t n = 0;

	for (int64_t i = 0; i < size; i++) {
		n += ((unsigned char)data[i] & 0xc0) != 0x80;
	}
	return n;
}

/* First and last characters, each other one replaced; where nothing would be hidden, all are. */
static void append_partial(struct drip_column_builder *b, const struct mask_rule *rule,
			   const char *data, int64_t size)
{
	int64_t characters = characters_of(data, size), first = rule->keep_first;
	int64_t last = rule->keep_last, hidden, unit = (int64_t)strlen(rule->replacement);
	int64_t head, tail;
	uint8_t *out;

	if (first + last >= characters) {
		first = last = 0;
	}
	hidden = characters - first - last;
	head = bytes_of_first(data, size, first);
	tail = bytes_of_first(data, size, characters - last);
	out = drip_append_reserve(b, head + hidden * unit + (size - tail));
	if (out == NULL) {
		return;
	}
	memcpy(out, data, (size_t)head);
	for (int64_t i = 0; i < hidden; i++) {
		memcpy(out + head + i * unit, rule->replacement, (size_t)unit);
	}
	memcpy(out + head + hidden * unit, data + tail, (size_t)(size - tail));
	drip_append_written(b, head + hidden * unit + (size - tail));
}

static void text_column(const struct mask_rule *rule, const struct drip_batch *batch,
			uint32_t index, struct drip_column_builder *b)
{
	int64_t fixed = (int64_t)strlen(rule->replacement);
	struct drip_value v;

	for (int64_t row = 0; row < batch->rows; row++) {
		drip_value_get(batch, index, row, &v);
		if (v.type == DRIP_TYPE_NONE) {
			drip_append_null(b);
		} else if (rule->method.value == MASK_REDACT) {
			drip_append_bytes(b, rule->replacement, fixed);
		} else if (rule->method.value == MASK_TRUNCATE) {
			drip_append_bytes(b, v.data, bytes_of_first(v.data, v.size, rule->length));
		} else {
			append_partial(b, rule, v.data, v.size);
		}
	}
}

static int64_t floor_to(int64_t v, int64_t unit)
{
	int64_t rest = v % unit;

	return v - (rest < 0 ? rest + unit : rest);
}

static int64_t divide_floor(int64_t v, int64_t by)
{
	return v / by - (v % by < 0);
}

/* Days from 1970-01-01 to 1 January of `year`, Gregorian; 477 leap days lie before 1970. */
static int64_t days_to_year(int64_t year)
{
	int64_t before = year - 1;

	return 365 * (year - 1970) + divide_floor(before, 4) - divide_floor(before, 100) +
	       divide_floor(before, 400) - 477;
}

/* Days since 1970-01-01 of the first day of the month or year that `days` lies in. */
static int64_t first_day(int64_t days, bool month)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30};
	int64_t year = 1970 + divide_floor(days * 400, 146097), first;
	bool leap;

	while (days_to_year(year) > days) {
		year--;
	}
	while (days_to_year(year + 1) <= days) {
		year++;
	}
	first = days_to_year(year);
	leap = days_to_year(year + 1) - first == 366;
	for (size_t i = 0; month && i < DRIP_COUNT(lengths); i++) {
		int64_t next = first + lengths[i] + (leap && i == 1);

		if (next > days) {
			break;
		}
		first = next;
	}
	return first;
}

static int64_t truncate_days(int64_t days, enum mask_unit unit)
{
	return unit == MASK_UNIT_YEAR || unit == MASK_UNIT_MONTH
		       ? first_day(days, unit == MASK_UNIT_MONTH)
		       : days;
}

static int64_t truncate_us(int64_t us, enum mask_unit unit)
{
	if (unit == MASK_UNIT_HOUR) {
		return floor_to(us, HOUR_US);
	}
	return truncate_days(floor_to(us, DAY_US) / DAY_US, unit) * DAY_US;
}

static void time_column(const struct mask_rule *rule, const struct drip_batch *batch,
			uint32_t index, struct drip_column_builder *b)
{
	enum mask_unit unit = (enum mask_unit)rule->unit.value;
	struct drip_value v;

	for (int64_t row = 0; row < batch->rows; row++) {
		drip_value_get(batch, index, row, &v);
		if (v.type == DRIP_TYPE_NONE) {
			drip_append_null(b);
		} else if (v.type == DRIP_TYPE_DATE) {
			drip_append_i32(b, (int32_t)truncate_days(v.i, unit));
		} else {
			drip_append_i64(b, truncate_us(v.i, unit));
		}
	}
}

static int crypt_column(const struct mask_rule *rule, const struct mask_ring *ring,
			const struct drip_batch *batch, uint32_t index,
			struct drip_column_builder *b, struct drip_error *err)
{
	bool encrypts = rule->method.value == MASK_ENCRYPT;
	const char *column = drip_schema_column(batch->schema, index)->name;
	const char *context = rule->context != NULL ? rule->context : column;
	struct drip_text out = {0};
	struct drip_value v;
	char key[16] = "";
	int rc = 0;

	for (int64_t row = 0; rc == 0 && row < batch->rows; row++) {
		drip_value_get(batch, index, row, &v);
		if (v.type == DRIP_TYPE_NONE) {
			drip_append_null(b);
			continue;
		}
		rc = encrypts ? mask_encrypt(ring, context, v.data, v.size, &out)
			      : mask_decrypt(ring, context, v.data, v.size, &out);
		if (rc == 0) {
			drip_append_bytes(b, out.data, (int64_t)out.size);
		} else if (rc == -ENOKEY) {
			snprintf(key, sizeof(key), "%.*s", (int)(v.size < 13 ? v.size : 13),
				 (const char *)v.data); /* "v1.NUMBER." */
			key[3 + strspn(key + 3, "0123456789")] = '\0';
		}
	}
	drip_text_finish(&out);
	if (rc == -ENOKEY) {
		drip_error_set(err, rc, "mask.cannot_decrypt",
			       "cannot decrypt a value of '%s': the ring has no key %s", column,
			       key + 3);
	} else if (rc == -EBADMSG) {
		drip_error_set(err, rc, "mask.cannot_decrypt",
			       "cannot decrypt a value of '%s': it is not as it was encrypted for "
			       "the context '%s'",
			       column, context);
	} else if (rc != 0) {
		drip_error_nomem(err, 0);
	}
	return rc;
}

int mask_column(const struct mask_rule *rule, struct mask_key *key, const struct mask_ring *ring,
		const struct drip_batch *batch, uint32_t index, struct ArrowArray *ret,
		struct drip_error *err)
{
	enum drip_type type = drip_schema_column(batch->schema, index)->type;
	struct drip_column_builder b;
	int rc = drip_column_builder_init(&b, mask_output_type(rule, type), batch->rows, err);

	if (rc != 0) {
		return rc;
	}
	if (rule->method.value == MASK_HASH) {
		rc = hash_column(rule, key, batch, index, &b, err);
	} else if (rule->method.value == MASK_ENCRYPT || rule->method.value == MASK_DECRYPT) {
		rc = crypt_column(rule, ring, batch, index, &b, err);
	} else if (rule->method.value == MASK_NULL) {
		for (int64_t row = 0; row < batch->rows; row++) {
			drip_append_null(&b);
		}
	} else if (b.type == DRIP_TYPE_UTF8) {
		text_column(rule, batch, index, &b);
	} else {
		time_column(rule, batch, index, &b);
	}
	if (rc == 0) {
		rc = drip_column_builder_build(&b, ret, err);
	}
	drip_column_builder_finish(&b);
	return rc;
}
