/* SPDX-License-Identifier: Apache-2.0 */
/* Table descriptions: life, comparison and editing, and the character sets behind collations. */
#include "types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void drip_my_column_settle(struct drip_my_column *c)
{
	free(c->renamed_from);
	free(c->fill);
	c->renamed_from = c->fill = NULL;
	c->unfilled = c->added = c->computed = false;
}

void drip_my_column_finish(struct drip_my_column *c)
{
	for (uint32_t i = 0; i < c->labels_count; i++) {
		free(c->labels[i]);
	}
	free(c->labels);
	free(c->name);
	drip_my_column_settle(c);
	memset(c, 0, sizeof(*c));
}

int drip_my_column_copy(const struct drip_my_column *from, struct drip_my_column *ret)
{
	*ret = *from;
	ret->labels = NULL;
	ret->labels_count = 0;
	ret->name = strdup(from->name);
	ret->renamed_from = from->renamed_from != NULL ? strdup(from->renamed_from) : NULL;
	ret->fill = from->fill != NULL ? strdup(from->fill) : NULL;
	if (ret->name == NULL || (from->renamed_from != NULL && ret->renamed_from == NULL) ||
	    (from->fill != NULL && ret->fill == NULL)) {
		drip_my_column_finish(ret);
		return -ENOMEM;
	}
	if (from->labels_count == 0) {
		return 0;
	}
	ret->labels = calloc(from->labels_count, sizeof(*ret->labels));
	if (ret->labels == NULL) {
		drip_my_column_finish(ret);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < from->labels_count; i++) {
		ret->labels[i] = strdup(from->labels[i]);
		if (ret->labels[i] == NULL) {
			drip_my_column_finish(ret);
			return -ENOMEM;
		}
		ret->labels_count++;
	}
	return 0;
}

bool drip_my_column_equal(const struct drip_my_column *a, const struct drip_my_column *b)
{
	if (strcmp(a->name, b->name) != 0 || a->kind != b->kind || a->bytes != b->bytes ||
	    a->fsp != b->fsp || a->precision != b->precision || a->scale != b->scale ||
	    a->key != b->key || a->is_unsigned != b->is_unsigned || a->nullable != b->nullable ||
	    a->json != b->json || a->length != b->length || strcmp(a->charset, b->charset) != 0 ||
	    a->labels_count != b->labels_count) {
		return false;
	}
	for (uint32_t i = 0; i < a->labels_count; i++) {
		if (strcmp(a->labels[i], b->labels[i]) != 0) {
			return false;
		}
	}
	return true;
}

struct drip_my_table *drip_my_table_create(const char *database, const char *name)
{
	struct drip_my_table *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		return NULL;
	}
	t->database = strdup(database);
	t->name = strdup(name);
	t->version = 1;
	t->transactional = true;
	if (t->database == NULL || t->name == NULL) {
		drip_my_table_destroy(t);
		return NULL;
	}
	return t;
}

void drip_my_table_destroy(struct drip_my_table *t)
{
	if (t == NULL) {
		return;
	}
	for (uint32_t i = 0; i < t->count; i++) {
		drip_my_column_finish(&t->columns[i]);
	}
	free(t->columns);
	free(t->database);
	free(t->name);
	free(t);
}

struct drip_my_table *drip_my_table_copy(const struct drip_my_table *from)
{
	struct drip_my_table *t = drip_my_table_create(from->database, from->name);

	if (t == NULL) {
		return NULL;
	}
	t->version = from->version;
	t->transactional = from->transactional;
	t->rows_estimate = from->rows_estimate;
	memcpy(t->charset, from->charset, sizeof(t->charset));
	for (uint32_t i = 0; i < from->count; i++) {
		struct drip_my_column c;

		if (drip_my_column_copy(&from->columns[i], &c) != 0 ||
		    drip_my_table_insert(t, i, &c) != 0) {
			drip_my_table_destroy(t);
			return NULL;
		}
	}
	return t;
}

int drip_my_table_insert(struct drip_my_table *t, uint32_t index, struct drip_my_column *column)
{
	struct drip_my_column *grown;

	if (t->count >= DRIP_COLUMNS_MAX || index > t->count) {
		drip_my_column_finish(column);
		return -E2BIG;
	}
	grown = realloc(t->columns, (t->count + 1) * sizeof(*grown));
	if (grown == NULL) {
		drip_my_column_finish(column);
		return -ENOMEM;
	}
	t->columns = grown;
	memmove(&grown[index + 1], &grown[index], (t->count - index) * sizeof(*grown));
	grown[index] = *column;
	memset(column, 0, sizeof(*column));
	t->count++;
	return 0;
}

void drip_my_table_remove(struct drip_my_table *t, uint32_t index)
{
	if (index >= t->count) {
		return;
	}
	drip_my_column_finish(&t->columns[index]);
	t->count--;
	memmove(&t->columns[index], &t->columns[index + 1],
		(t->count - index) * sizeof(*t->columns));
}

int drip_my_table_find(const struct drip_my_table *t, const char *column)
{
	for (uint32_t i = 0; i < t->count; i++) {
		if (strcasecmp(t->columns[i].name, column) == 0) {
			return (int)i;
		}
	}
	return -1;
}

bool drip_my_table_equal(const struct drip_my_table *a, const struct drip_my_table *b)
{
	if (a->count != b->count) {
		return false;
	}
	for (uint32_t i = 0; i < a->count; i++) {
		if (!drip_my_column_equal(&a->columns[i], &b->columns[i])) {
			return false;
		}
	}
	return true;
}

uint32_t drip_my_table_key(const struct drip_my_table *t, uint32_t ret[DRIP_MY_KEY_MAX])
{
	uint32_t count = 0;

	for (uint32_t position = 1; position <= DRIP_MY_KEY_MAX; position++) {
		for (uint32_t i = 0; i < t->count; i++) {
			if (t->columns[i].key == position) {
				ret[count++] = i;
			}
		}
	}
	return count;
}

/* Numbers of the old one-byte collations, by character set; those above 255 follow patterns. */
struct collations {
	const char *charset;
	uint8_t ids[12]; /* ended by 0 */
};

static const struct collations old_collations[] = {
	{"big5", {1, 84}},
	{"latin2", {2, 9, 21, 27, 77}},
	{"dec8", {3, 69}},
	{"cp850", {4, 80}},
	{"latin1", {5, 8, 15, 31, 47, 48, 49, 94}},
	{"hp8", {6, 72}},
	{"koi8r", {7, 74}},
	{"swe7", {10, 82}},
	{"ascii", {11, 65}},
	{"ujis", {12, 91}},
	{"sjis", {13, 88}},
	{"cp1251", {14, 23, 50, 51, 52}},
	{"hebrew", {16, 71}},
	{"tis620", {18, 89}},
	{"euckr", {19, 85}},
	{"latin7", {20, 41, 42, 79}},
	{"koi8u", {22, 75}},
	{"gb2312", {24, 86}},
	{"greek", {25, 70}},
	{"cp1250", {26, 34, 44, 66, 99}},
	{"gbk", {28, 87}},
	{"cp1257", {29, 58, 59}},
	{"latin5", {30, 78}},
	{"armscii8", {32, 64}},
	{"utf8mb3", {33, 76, 83}},
	{"ucs2", {35, 90, 159}},
	{"cp866", {36, 68}},
	{"keybcs2", {37, 73}},
	{"macce", {38, 43}},
	{"macroman", {39, 53}},
	{"cp852", {40, 81}},
	{"utf8mb4", {45, 46, 255}},
	{"utf16", {54, 55}},
	{"utf16le", {56, 62}},
	{"cp1256", {57, 67}},
	{"utf32", {60, 61}},
	{"binary", {63}},
	{"geostd8", {92, 93}},
	{"cp932", {95, 96}},
	{"eucjpms", {97, 98}},
	{"gb18030", {248, 249, 250}},
};

struct collation_range {
	uint32_t first, last;
	const char *charset;
};

/* From information_schema.COLLATION_CHARACTER_SET_APPLICABILITY of MariaDB 10.11 and MySQL 9. */
static const struct collation_range collation_ranges[] = {
	{101, 124, "utf16"},     {128, 151, "ucs2"},    {160, 183, "utf32"},
	{192, 223, "utf8mb3"},   {224, 247, "utf8mb4"}, {256, 575, "utf8mb4"},
	{576, 607, "utf8mb3"},   {608, 639, "utf8mb4"}, {640, 671, "ucs2"},
	{672, 703, "utf16"},     {736, 767, "utf32"},   {2048, 2303, "utf8mb3"},
	{2304, 2559, "utf8mb4"}, {2560, 2815, "ucs2"},  {2816, 3071, "utf16"},
	{3072, 3327, "utf32"},
};

const char *drip_my_charset_of_collation(uint32_t id)
{
	if (id >= 1024 && id < 2048) { /* NOPAD collations */
		id -= 1024;
	}
	for (size_t i = 0; i < sizeof(collation_ranges) / sizeof(collation_ranges[0]); i++) {
		if (id >= collation_ranges[i].first && id <= collation_ranges[i].last) {
			return collation_ranges[i].charset;
		}
	}
	for (size_t i = 0; i < sizeof(old_collations) / sizeof(old_collations[0]); i++) {
		for (size_t k = 0; k < sizeof(old_collations[i].ids) && id < 256; k++) {
			if (old_collations[i].ids[k] != 0 && old_collations[i].ids[k] == id) {
				return old_collations[i].charset;
			}
		}
	}
	return NULL;
}

const char *drip_my_charset_of_collation_name(const char *collation, char *buf, size_t size)
{
	size_t n = strcspn(collation, "_");

	if (n == 0 || n >= size) {
		return NULL;
	}
	memcpy(buf, collation, n);
	buf[n] = '\0';
	return strcasecmp(buf, "utf8") == 0 ? "utf8mb3" : buf;
}

uint32_t drip_my_charset_width(const char *charset)
{
	static const struct {
		const char *name;
		uint32_t width;
	} wide[] = {
		{"utf8mb4", 4}, {"utf8mb3", 3}, {"utf8", 3},    {"utf16", 4},
		{"utf16le", 4}, {"utf32", 4},   {"ucs2", 2},    {"gbk", 2},
		{"gb2312", 2},  {"big5", 2},    {"sjis", 2},    {"cp932", 2},
		{"euckr", 2},   {"ujis", 3},    {"eucjpms", 3}, {"gb18030", 4},
	};

	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		if (strcasecmp(charset, wide[i].name) == 0) {
			return wide[i].width;
		}
	}
	return 1;
}
