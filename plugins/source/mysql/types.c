/* SPDX-License-Identifier: Apache-2.0 */
/* Column types: parsing, printing, their Dripline types, and whether a column on the wire fits. */
#include "types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A type's name and what it says without arguments. */
struct type_name {
	const char *name;
	enum drip_my_kind kind;
	uint8_t bytes;
	bool binary;
	uint32_t length; /* default of the argument */
};

static const struct type_name type_names[] = {
	{"tinyint", DRIP_MY_INT, 1, false, 4},
	{"smallint", DRIP_MY_INT, 2, false, 6},
	{"mediumint", DRIP_MY_INT, 3, false, 9},
	{"int", DRIP_MY_INT, 4, false, 11},
	{"bigint", DRIP_MY_INT, 8, false, 20},
	{"float", DRIP_MY_FLOAT, 4, false, 0},
	{"double", DRIP_MY_DOUBLE, 8, false, 0},
	{"decimal", DRIP_MY_DECIMAL, 0, false, 10},
	{"bit", DRIP_MY_BIT, 0, false, 1},
	{"year", DRIP_MY_YEAR, 0, false, 4},
	{"date", DRIP_MY_DATE, 0, false, 0},
	{"time", DRIP_MY_TIME, 0, false, 0},
	{"datetime", DRIP_MY_DATETIME, 0, false, 0},
	{"timestamp", DRIP_MY_TIMESTAMP, 0, false, 0},
	{"char", DRIP_MY_CHAR, 0, false, 1},
	{"binary", DRIP_MY_CHAR, 0, true, 1},
	{"varchar", DRIP_MY_VARCHAR, 0, false, 0},
	{"varbinary", DRIP_MY_VARCHAR, 0, true, 0},
	{"tinytext", DRIP_MY_TEXT, 1, false, 0},
	{"text", DRIP_MY_TEXT, 2, false, 0},
	{"mediumtext", DRIP_MY_TEXT, 3, false, 0},
	{"longtext", DRIP_MY_TEXT, 4, false, 0},
	{"tinyblob", DRIP_MY_TEXT, 1, true, 0},
	{"blob", DRIP_MY_TEXT, 2, true, 0},
	{"mediumblob", DRIP_MY_TEXT, 3, true, 0},
	{"longblob", DRIP_MY_TEXT, 4, true, 0},
	{"enum", DRIP_MY_ENUM, 0, false, 0},
	{"set", DRIP_MY_SET, 0, false, 0},
	{"json", DRIP_MY_TEXT, 4, false, 0},
	{"uuid", DRIP_MY_UUID, 16, false, 0},
	{"inet4", DRIP_MY_INET4, 4, false, 0},
	{"inet6", DRIP_MY_INET6, 16, false, 0},
	/* other spellings, which only DDL has */
	{"integer", DRIP_MY_INT, 4, false, 11},
	{"bool", DRIP_MY_INT, 1, false, 1},
	{"boolean", DRIP_MY_INT, 1, false, 1},
	{"int1", DRIP_MY_INT, 1, false, 4},
	{"int2", DRIP_MY_INT, 2, false, 6},
	{"int3", DRIP_MY_INT, 3, false, 9},
	{"middleint", DRIP_MY_INT, 3, false, 9},
	{"int4", DRIP_MY_INT, 4, false, 11},
	{"int8", DRIP_MY_INT, 8, false, 20},
	{"serial", DRIP_MY_INT, 8, false, 20},
	{"float4", DRIP_MY_FLOAT, 4, false, 0},
	{"float8", DRIP_MY_DOUBLE, 8, false, 0},
	{"real", DRIP_MY_DOUBLE, 8, false, 0},
	{"numeric", DRIP_MY_DECIMAL, 0, false, 10},
	{"dec", DRIP_MY_DECIMAL, 0, false, 10},
	{"fixed", DRIP_MY_DECIMAL, 0, false, 10},
	{"number", DRIP_MY_DECIMAL, 0, false, 10},
	{"character", DRIP_MY_CHAR, 0, false, 1},
	{"nchar", DRIP_MY_CHAR, 0, false, 1},
	{"nvarchar", DRIP_MY_VARCHAR, 0, false, 0},
	{"varcharacter", DRIP_MY_VARCHAR, 0, false, 0},
	{"varchar2", DRIP_MY_VARCHAR, 0, false, 0},
	{"clob", DRIP_MY_TEXT, 4, false, 0},
	{"raw", DRIP_MY_VARCHAR, 0, true, 0},
};

static const char *const geometry_names[] = {
	"geometry",        "point",        "linestring",         "polygon",       "multipoint",
	"multilinestring", "multipolygon", "geometrycollection", "geomcollection"};

static uint32_t number(const struct drip_my_lex *l)
{
	uint64_t v = 0;

	for (size_t i = 0; i < l->size && v < UINT32_MAX; i++) {
		v = v * 10 + (uint64_t)(l->text[i] - '0');
	}
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* (a[, b]) into the two numbers; their count. */
static int parse_arguments(struct drip_my_lex *l, uint32_t *a, uint32_t *b)
{
	int count = 0;

	if (!drip_my_lex_accept(l, "(")) {
		return 0;
	}
	while (l->kind != DRIP_MY_END && !drip_my_lex_is(l, ")")) {
		if (l->kind == DRIP_MY_NUMBER) {
			*(count == 0 ? a : b) = number(l);
			count = count < 2 ? count + 1 : 2;
		}
		drip_my_lex_next(l);
	}
	drip_my_lex_next(l);
	return count;
}

static int parse_labels(struct drip_my_lex *l, struct drip_my_column *c)
{
	uint32_t capacity = 0;

	if (!drip_my_lex_accept(l, "(")) {
		return -EINVAL;
	}
	while (l->kind == DRIP_MY_STRING && c->labels_count < DRIP_MY_LABELS_MAX) {
		if (c->labels_count == capacity) {
			char **grown;

			capacity = capacity == 0 ? 8 : capacity * 2;
			grown = realloc(c->labels, capacity * sizeof(*grown));
			if (grown == NULL) {
				return -ENOMEM;
			}
			c->labels = grown;
		}
		c->labels[c->labels_count] = drip_my_lex_take(l);
		if (c->labels[c->labels_count] == NULL) {
			return -ENOMEM;
		}
		c->labels_count++;
		if (!drip_my_lex_accept(l, ",")) {
			break;
		}
	}
	return drip_my_lex_accept(l, ")") ? 0 : -EINVAL;
}

static void set_charset(struct drip_my_column *c, const char *charset)
{
	if (strcasecmp(charset, "utf8") == 0) {
		charset = "utf8mb3";
	}
	snprintf(c->charset, sizeof(c->charset), "%s", charset);
}

/* A name or string as the argument of CHARACTER SET or COLLATE. */
static void parse_charset(struct drip_my_lex *l, struct drip_my_column *c, bool collation)
{
	char *name, buf[DRIP_MY_CHARSET_MAX];

	drip_my_lex_accept(l, "=");
	name = drip_my_lex_take(l);
	if (name == NULL) {
		return;
	}
	if (collation) {
		const char *charset = drip_my_charset_of_collation_name(name, buf, sizeof(buf));

		if (charset != NULL && strncmp(charset, "uca1400", 7) != 0) {
			set_charset(c, charset);
		}
	} else if (strcasecmp(name, "default") != 0) {
		set_charset(c, name);
	}
	free(name);
}

/* The attributes that belong to the type. NOT NULL and what follows is the caller's. */
static void parse_attributes(struct drip_my_lex *l, struct drip_my_column *c, bool text)
{
	for (;;) {
		if (drip_my_lex_accept(l, "unsigned") || drip_my_lex_accept(l, "zerofill")) {
			c->is_unsigned = true;
		} else if (drip_my_lex_accept(l, "signed") || drip_my_lex_accept(l, "precision") ||
			   drip_my_lex_accept(l, "varying")) {
			continue;
		} else if (drip_my_lex_accept(l, "compressed")) {
			c->compressed = true;
			if (drip_my_lex_accept(l, "=")) {
				drip_my_lex_next(l);
			}
		} else if (text && drip_my_lex_accept(l, "charset")) {
			parse_charset(l, c, false);
		} else if (text && (drip_my_lex_is(l, "character") || drip_my_lex_is(l, "char"))) {
			drip_my_lex_next(l);
			drip_my_lex_accept(l, "set");
			parse_charset(l, c, false);
		} else if (text && drip_my_lex_accept(l, "collate")) {
			parse_charset(l, c, true);
		} else if (text && drip_my_lex_accept(l, "binary")) {
			continue; /* the _bin collation of the charset */
		} else if (text && drip_my_lex_accept(l, "ascii")) {
			set_charset(c, "latin1");
		} else if (text && drip_my_lex_accept(l, "unicode")) {
			set_charset(c, "ucs2");
		} else if (text && drip_my_lex_accept(l, "byte")) {
			set_charset(c, "binary");
		} else {
			return;
		}
	}
}

/* TEXT(n) is the smallest of its family that holds n characters. */
static void size_text(struct drip_my_column *c, uint32_t length)
{
	uint64_t bytes = (uint64_t)length * drip_my_charset_width(c->charset);

	c->bytes = bytes < 256 ? 1 : bytes < 65536 ? 2 : bytes < 16777216 ? 3 : 4;
}

static void apply_arguments(struct drip_my_column *c, const struct type_name *t, int count,
			    uint32_t a, uint32_t b)
{
	switch (c->kind) {
	case DRIP_MY_DECIMAL:
		c->precision = (uint8_t)(count > 0 && a > 0 && a <= 65 ? a : 10);
		c->scale = (uint8_t)(count > 1 && b <= 38 ? b : 0);
		break;
	case DRIP_MY_TIME:
	case DRIP_MY_DATETIME:
	case DRIP_MY_TIMESTAMP:
		c->fsp = (uint8_t)(count > 0 && a <= 6 ? a : 0);
		break;
	case DRIP_MY_FLOAT:
		if (count == 1 && a > 24) {
			c->kind = DRIP_MY_DOUBLE;
			c->bytes = 8;
		}
		c->computed = count > 1; /* it rounds */
		break;
	case DRIP_MY_DOUBLE:
		c->computed = count > 1;
		break;
	case DRIP_MY_TEXT:
		if (count > 0 && t->bytes == 2) {
			size_text(c, a);
		}
		break;
	case DRIP_MY_INT:
		c->length = count > 0                                          ? a
			    : c->is_unsigned && t->bytes != 3 && t->bytes != 8 ? t->length - 1
									       : t->length;
		if (count == 0 && c->is_unsigned && t->bytes == 3) {
			c->length = 8;
		}
		break;
	default:
		c->length = count > 0 ? a : t->length;
		break;
	}
}

static bool parse_geometry(struct drip_my_lex *l, struct drip_my_column *c)
{
	for (size_t i = 0; i < sizeof(geometry_names) / sizeof(geometry_names[0]); i++) {
		if (drip_my_lex_accept(l, geometry_names[i])) {
			c->kind = DRIP_MY_GEOMETRY;
			c->bytes = 4;
			snprintf(c->geometry, sizeof(c->geometry), "%s", geometry_names[i]);
			return true;
		}
	}
	return false;
}

static const struct type_name *find_type(struct drip_my_lex *l)
{
	if (drip_my_lex_is(l, "national") || drip_my_lex_is(l, "long")) {
		bool is_long = drip_my_lex_accept(l, "long");

		if (!is_long) {
			drip_my_lex_next(l);
		} else if (!drip_my_lex_is(l, "varchar") && !drip_my_lex_is(l, "varbinary")) {
			return &type_names[20]; /* LONG: mediumtext */
		} else {
			bool binary = drip_my_lex_is(l, "varbinary");

			drip_my_lex_next(l);
			return &type_names[binary ? 24 : 20];
		}
	}
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
		if (drip_my_lex_accept(l, type_names[i].name)) {
			return &type_names[i];
		}
	}
	return NULL;
}

int drip_my_type_parse(struct drip_my_lex *l, const char *charset, struct drip_my_column *c)
{
	const struct type_name *t;
	uint32_t a = 0, b = 0;
	int rc, count = 0;
	bool text;

	if (parse_geometry(l, c)) {
		return 0;
	}
	c->json = drip_my_lex_is(l, "json");
	bool serial = drip_my_lex_is(l, "serial");
	t = find_type(l);
	if (t == NULL) {
		return -EINVAL;
	}
	c->kind = t->kind;
	c->bytes = t->bytes;
	text = !t->binary && t->kind >= DRIP_MY_CHAR && t->kind <= DRIP_MY_SET;
	if (text) {
		set_charset(c, c->json ? "utf8mb4" : charset);
	} else if (t->binary) {
		set_charset(c, "binary");
	}
	if (c->kind == DRIP_MY_CHAR && drip_my_lex_accept(l, "varying")) {
		c->kind = DRIP_MY_VARCHAR;
	}
	if (c->kind == DRIP_MY_DOUBLE) {
		drip_my_lex_accept(l, "precision");
	}
	if (c->kind == DRIP_MY_ENUM || c->kind == DRIP_MY_SET) {
		rc = parse_labels(l, c);
		if (rc != 0) {
			return rc;
		}
	} else {
		count = parse_arguments(l, &a, &b);
	}
	parse_attributes(l, c, text);
	c->is_unsigned = c->is_unsigned || serial;
	c->nullable = c->nullable && !serial;
	apply_arguments(c, t, count, a, b);
	return 0;
}

static const char *text_base(const struct drip_my_column *c)
{
	static const char *const texts[] = {"tinytext", "text", "mediumtext", "longtext"};
	static const char *const blobs[] = {"tinyblob", "blob", "mediumblob", "longblob"};
	bool binary = strcmp(c->charset, "binary") == 0;
	unsigned size = c->bytes >= 1 && c->bytes <= 4 ? c->bytes - 1u : 1u;

	switch (c->kind) {
	case DRIP_MY_CHAR:
		return binary ? "binary" : "char";
	case DRIP_MY_VARCHAR:
		return binary ? "varbinary" : "varchar";
	default:
		return binary ? blobs[size] : texts[size];
	}
}

static const char *base_name(const struct drip_my_column *c)
{
	if (c->kind == DRIP_MY_CHAR || c->kind == DRIP_MY_VARCHAR || c->kind == DRIP_MY_TEXT) {
		return c->json ? "json" : text_base(c);
	}
	if (c->kind == DRIP_MY_GEOMETRY) {
		return c->geometry;
	}
	if (c->kind == DRIP_MY_JSON) {
		return "json";
	}
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
		if (type_names[i].kind == c->kind &&
		    (c->kind != DRIP_MY_INT || type_names[i].bytes == c->bytes)) {
			return type_names[i].name;
		}
	}
	return "unknown";
}

static int labels_text(const struct drip_my_column *c, char *buf, size_t size)
{
	size_t n = 0;

	for (uint32_t i = 0; i < c->labels_count; i++) {
		n += (size_t)snprintf(n < size ? buf + n : NULL, n < size ? size - n : 0, "%s'",
				      i == 0 ? "(" : ",");
		for (const char *p = c->labels[i]; *p != '\0'; p++) {
			n += (size_t)snprintf(n < size ? buf + n : NULL, n < size ? size - n : 0,
					      *p == '\'' ? "''" : "%c", *p);
		}
		n += (size_t)snprintf(n < size ? buf + n : NULL, n < size ? size - n : 0, "'");
	}
	n += (size_t)snprintf(n < size ? buf + n : NULL, n < size ? size - n : 0, ")");
	return (int)n;
}

int drip_my_type_text(const struct drip_my_column *c, char *buf, size_t size)
{
	const char *base = base_name(c);
	const char *sign = c->is_unsigned ? " unsigned" : "";
	int n;

	switch (c->kind) {
	case DRIP_MY_INT:
		return snprintf(buf, size, "%s(%u)%s", base, c->length, sign);
	case DRIP_MY_BIT:
	case DRIP_MY_YEAR:
		return snprintf(buf, size, "%s(%u)", base, c->length);
	case DRIP_MY_CHAR:
	case DRIP_MY_VARCHAR:
		return snprintf(buf, size, "%s(%u)%s", base, c->length,
				c->compressed ? " compressed" : "");
	case DRIP_MY_TEXT:
		return snprintf(buf, size, "%s%s", base, c->compressed ? " compressed" : "");
	case DRIP_MY_DECIMAL:
		return snprintf(buf, size, "%s(%u,%u)%s", base, c->precision, c->scale, sign);
	case DRIP_MY_TIME:
	case DRIP_MY_DATETIME:
	case DRIP_MY_TIMESTAMP:
		return c->fsp == 0 ? snprintf(buf, size, "%s", base)
				   : snprintf(buf, size, "%s(%u)", base, c->fsp);
	case DRIP_MY_ENUM:
	case DRIP_MY_SET:
		n = snprintf(buf, size, "%s", base);
		return n + labels_text(c, (size_t)n < size ? buf + n : NULL,
				       (size_t)n < size ? size - (size_t)n : 0);
	default:
		return snprintf(buf, size, "%s%s", base, sign);
	}
}

static enum drip_type int_type(const struct drip_my_column *c)
{
	switch (c->bytes) {
	case 1:
		return c->is_unsigned ? DRIP_TYPE_UINT8 : DRIP_TYPE_INT8;
	case 2:
		return c->is_unsigned ? DRIP_TYPE_UINT16 : DRIP_TYPE_INT16;
	case 8:
		return c->is_unsigned ? DRIP_TYPE_UINT64 : DRIP_TYPE_INT64;
	default:
		return c->is_unsigned ? DRIP_TYPE_UINT32 : DRIP_TYPE_INT32;
	}
}

static void text_column(const struct drip_my_column *c, struct drip_column *ret)
{
	static const int64_t limits[] = {255, 65535, 16777215, 4294967295};

	if (strcmp(c->charset, "binary") == 0) {
		ret->type = DRIP_TYPE_BINARY;
	} else {
		ret->type = c->json ? DRIP_TYPE_JSON : DRIP_TYPE_UTF8;
	}
	ret->length = c->kind == DRIP_MY_TEXT && c->bytes >= 1 && c->bytes <= 4
			      ? limits[c->bytes - 1]
			      : (int64_t)c->length;
}

static void date_column(const struct drip_my_column *c, enum drip_my_zero zero,
			struct drip_column *ret)
{
	ret->type = c->kind == DRIP_MY_DATE       ? DRIP_TYPE_DATE
		    : c->kind == DRIP_MY_DATETIME ? DRIP_TYPE_TIMESTAMP
						  : DRIP_TYPE_TIMESTAMP_UTC;
	ret->scale = c->fsp;
	if (zero == DRIP_MY_ZERO_TEXT) {
		ret->type = DRIP_TYPE_UTF8;
		ret->scale = 0;
		ret->length = 26;
	} else if (zero == DRIP_MY_ZERO_NULL && c->key == 0) {
		ret->flags |= DRIP_COLUMN_NULLABLE;
	}
}

void drip_my_type_column(const struct drip_my_column *c, enum drip_my_zero zero,
			 struct drip_column *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->struct_size = sizeof(*ret);
	ret->name = c->name;
	ret->flags =
		(c->nullable ? DRIP_COLUMN_NULLABLE : 0u) | (c->key != 0 ? DRIP_COLUMN_KEY : 0u);
	switch (c->kind) {
	case DRIP_MY_INT:
		ret->type = int_type(c);
		break;
	case DRIP_MY_FLOAT:
		ret->type = DRIP_TYPE_FLOAT32;
		break;
	case DRIP_MY_DOUBLE:
		ret->type = DRIP_TYPE_FLOAT64;
		break;
	case DRIP_MY_DECIMAL:
		ret->type = c->precision <= 38 ? DRIP_TYPE_DECIMAL : DRIP_TYPE_UTF8;
		ret->precision = c->precision <= 38 ? c->precision : 0;
		ret->scale = c->precision <= 38 ? c->scale : 0;
		break;
	case DRIP_MY_BIT:
		ret->type = c->length == 1 ? DRIP_TYPE_BOOL : DRIP_TYPE_UINT64;
		break;
	case DRIP_MY_YEAR:
		ret->type = DRIP_TYPE_INT16;
		break;
	case DRIP_MY_TIME:
		ret->type = DRIP_TYPE_DURATION;
		ret->scale = c->fsp;
		break;
	case DRIP_MY_DATE:
	case DRIP_MY_DATETIME:
	case DRIP_MY_TIMESTAMP:
		date_column(c, zero, ret);
		break;
	case DRIP_MY_CHAR:
	case DRIP_MY_VARCHAR:
	case DRIP_MY_TEXT:
		text_column(c, ret);
		break;
	case DRIP_MY_GEOMETRY:
		ret->type = DRIP_TYPE_BINARY;
		break;
	case DRIP_MY_JSON:
		ret->type = DRIP_TYPE_JSON;
		break;
	case DRIP_MY_UUID:
		ret->type = DRIP_TYPE_UUID;
		break;
	default:
		ret->type = DRIP_TYPE_UTF8;
		break;
	}
}

static bool matches_int(uint8_t bytes, uint8_t wire)
{
	static const uint8_t wires[9] = {[1] = DRIP_MY_WIRE_TINY,
					 [2] = DRIP_MY_WIRE_SHORT,
					 [3] = DRIP_MY_WIRE_INT24,
					 [4] = DRIP_MY_WIRE_LONG,
					 [8] = DRIP_MY_WIRE_LONGLONG};

	return bytes <= 8 && wires[bytes] == wire;
}

static bool matches_temporal(const struct drip_my_column *c, uint8_t wire, uint16_t meta)
{
	uint8_t new = c->kind == DRIP_MY_TIME       ? DRIP_MY_WIRE_TIME2
		      : c->kind == DRIP_MY_DATETIME ? DRIP_MY_WIRE_DATETIME2
						    : DRIP_MY_WIRE_TIMESTAMP2;
	uint8_t old = c->kind == DRIP_MY_TIME       ? DRIP_MY_WIRE_TIME
		      : c->kind == DRIP_MY_DATETIME ? DRIP_MY_WIRE_DATETIME
						    : DRIP_MY_WIRE_TIMESTAMP;

	return (wire == new &&meta == c->fsp) || (wire == old && c->fsp == 0);
}

static bool matches_string(const struct drip_my_column *c, uint8_t wire, uint16_t meta)
{
	uint32_t width = drip_my_charset_width(c->charset);

	switch (c->kind) {
	case DRIP_MY_CHAR:
		return wire == DRIP_MY_WIRE_STRING && meta == c->length * width;
	case DRIP_MY_VARCHAR:
		return (wire == DRIP_MY_WIRE_VARCHAR && meta == c->length * width) ||
		       wire == DRIP_MY_WIRE_VARCHAR_COMPRESSED || wire == DRIP_MY_WIRE_VAR_STRING;
	default:
		return (wire == DRIP_MY_WIRE_BLOB || wire == DRIP_MY_WIRE_BLOB_COMPRESSED) &&
		       meta == c->bytes;
	}
}

bool drip_my_type_matches(const struct drip_my_column *c, uint8_t wire, uint16_t meta)
{
	switch (c->kind) {
	case DRIP_MY_INT:
		return matches_int(c->bytes, wire);
	case DRIP_MY_FLOAT:
		return wire == DRIP_MY_WIRE_FLOAT;
	case DRIP_MY_DOUBLE:
		return wire == DRIP_MY_WIRE_DOUBLE;
	case DRIP_MY_DECIMAL:
		return wire == DRIP_MY_WIRE_NEWDECIMAL && (meta & 0xff) == c->precision &&
		       meta >> 8 == c->scale;
	case DRIP_MY_BIT:
		return wire == DRIP_MY_WIRE_BIT &&
		       (uint32_t)(meta >> 8) * 8 + (meta & 0xff) == c->length;
	case DRIP_MY_YEAR:
		return wire == DRIP_MY_WIRE_YEAR;
	case DRIP_MY_DATE:
		return wire == DRIP_MY_WIRE_DATE || wire == DRIP_MY_WIRE_NEWDATE;
	case DRIP_MY_TIME:
	case DRIP_MY_DATETIME:
	case DRIP_MY_TIMESTAMP:
		return matches_temporal(c, wire, meta);
	case DRIP_MY_CHAR:
	case DRIP_MY_VARCHAR:
	case DRIP_MY_TEXT:
		return matches_string(c, wire, meta);
	case DRIP_MY_ENUM:
		return wire == DRIP_MY_WIRE_ENUM && meta == (c->labels_count > 255 ? 2 : 1);
	case DRIP_MY_SET:
		return wire == DRIP_MY_WIRE_SET;
	case DRIP_MY_JSON:
		return wire == DRIP_MY_WIRE_JSON;
	case DRIP_MY_GEOMETRY:
		return wire == DRIP_MY_WIRE_GEOMETRY;
	case DRIP_MY_UUID:
	case DRIP_MY_INET4:
	case DRIP_MY_INET6:
		return wire == DRIP_MY_WIRE_STRING && meta == c->bytes;
	default:
		return false;
	}
}
