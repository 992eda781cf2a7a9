/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A schema as one line of JSON, for the store, and back. The reader takes exactly what the writer
 * writes, fields in its order and no space between them; everything else is malformed.
 */
#include <dripline/schema.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\') {
			fprintf(out, "\\%c", *p);
		} else if (*p < 0x20) {
			fprintf(out, "\\u%04x", *p);
		} else {
			fputc(*p, out);
		}
	}
	fputc('"', out);
}

static void write_column(FILE *out, const struct drip_column *c)
{
	char type[40];

	drip_type_name(c, type, sizeof(type));
	fputs("{\"name\":", out);
	write_string(out, c->name);
	fprintf(out, ",\"type\":\"%s\",\"source_type\":", type);
	if (c->source_type != NULL) {
		write_string(out, c->source_type);
	} else {
		fputs("null", out);
	}
	fprintf(out, ",\"scale\":%" PRId32 ",\"length\":%" PRId64, c->scale, c->length);
	fprintf(out, ",\"nullable\":%s,\"key\":%s,\"masked\":%s,\"class\":\"%s\"}",
		(c->flags & DRIP_COLUMN_NULLABLE) != 0 ? "true" : "false",
		(c->flags & DRIP_COLUMN_KEY) != 0 ? "true" : "false",
		(c->flags & DRIP_COLUMN_MASKED) != 0 ? "true" : "false",
		drip_class_name(c->classification));
}

int drip_schema_to_json(const struct drip_schema *schema, char **ret_json, struct drip_error *err)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (out == NULL) {
		return drip_error_nomem(err, 0);
	}
	fputs("{\"database\":", out);
	write_string(out, schema->database);
	fputs(",\"table\":", out);
	write_string(out, schema->table);
	fprintf(out, ",\"version\":%" PRIu64 ",\"columns\":[", schema->version);
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		fputs(i > 0 ? "," : "", out);
		write_column(out, drip_schema_column(schema, i));
	}
	fputs("]}", out);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return drip_error_nomem(err, size);
	}
	*ret_json = text;
	return 0;
}

/* ---- reading ---- */

/* Strings are unescaped into `room`, which is as long as the JSON, so they always fit. */
struct reader {
	const char *start, *at;
	char *room;
};

static bool expect(struct reader *r, const char *literal)
{
	size_t size = strlen(literal);

	if (strncmp(r->at, literal, size) != 0) {
		return false;
	}
	r->at += size;
	return true;
}

static bool read_escape(struct reader *r, char *ret)
{
	unsigned v = 0;

	if (*r->at == '"' || *r->at == '\\') {
		*ret = *r->at++;
		return true;
	}
	if (!expect(r, "u00")) {
		return false;
	}
	for (int i = 0; i < 2; i++, r->at++) {
		char c = *r->at;

		if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
			return false;
		}
		v = v * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*ret = (char)v;
	return v > 0 && v < 0x20;
}

static bool read_string(struct reader *r, const char **ret)
{
	char *out = r->room;

	if (!expect(r, "\"")) {
		return false;
	}
	while (*r->at != '"') {
		char c = *r->at;

		if ((unsigned char)c < 0x20) {
			return false;
		}
		r->at++;
		if (c == '\\' && !read_escape(r, &c)) {
			return false;
		}
		*out++ = c;
	}
	r->at++;
	*out++ = '\0';
	*ret = r->room;
	r->room = out;
	return true;
}

static bool read_u64(struct reader *r, uint64_t *ret)
{
	const char *start = r->at;
	uint64_t v = 0;

	for (; *r->at >= '0' && *r->at <= '9'; r->at++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*r->at - '0'), &v)) {
			return false;
		}
	}
	*ret = v;
	return r->at > start;
}

static bool read_i64(struct reader *r, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = expect(r, "-");
	uint64_t v;

	if (!read_u64(r, &v) || v > (uint64_t)INT64_MAX) {
		return false;
	}
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return *ret >= min && *ret <= max;
}

static bool read_flag(struct reader *r, const char *name, uint32_t flag, uint32_t *flags)
{
	if (!expect(r, name)) {
		return false;
	}
	if (expect(r, "true")) {
		*flags |= flag;
		return true;
	}
	return expect(r, "false");
}

static bool read_marks(struct reader *r, struct drip_column *c)
{
	int64_t scale;
	const char *class_name;

	if (!expect(r, ",\"scale\":") || !read_i64(r, INT32_MIN, INT32_MAX, &scale) ||
	    !expect(r, ",\"length\":") || !read_i64(r, INT64_MIN, INT64_MAX, &c->length)) {
		return false;
	}
	if (c->type == DRIP_TYPE_DECIMAL && c->scale != (int32_t)scale) {
		return false;
	}
	c->scale = (int32_t)scale;
	return read_flag(r, ",\"nullable\":", DRIP_COLUMN_NULLABLE, &c->flags) &&
	       read_flag(r, ",\"key\":", DRIP_COLUMN_KEY, &c->flags) &&
	       read_flag(r, ",\"masked\":", DRIP_COLUMN_MASKED, &c->flags) &&
	       expect(r, ",\"class\":") && read_string(r, &class_name) &&
	       drip_class_parse(class_name, &c->classification) == 0 && expect(r, "}");
}

static bool read_column(struct reader *r, struct drip_schema_builder *b)
{
	struct drip_column c = {.struct_size = sizeof(c)};
	const char *type;

	if (!expect(r, "{\"name\":") || !read_string(r, &c.name) || !expect(r, ",\"type\":") ||
	    !read_string(r, &type) || drip_type_parse(type, &c, NULL) < 0 ||
	    !expect(r, ",\"source_type\":")) {
		return false;
	}
	if (!expect(r, "null") && !read_string(r, &c.source_type)) {
		return false;
	}
	if (!read_marks(r, &c)) {
		return false;
	}
	drip_schema_builder_add(b, &c);
	return true;
}

static bool read_schema(struct reader *r, struct drip_schema_builder *b)
{
	const char *database, *table;

	if (!expect(r, "{\"database\":") || !read_string(r, &database) ||
	    !expect(r, ",\"table\":") || !read_string(r, &table) || !expect(r, ",\"version\":") ||
	    !read_u64(r, &b->version) || !expect(r, ",\"columns\":[")) {
		return false;
	}
	drip_schema_builder_set_table(b, database, table);
	if (!expect(r, "]")) {
		do {
			if (!read_column(r, b) || b->rc != 0) {
				return b->rc != 0;
			}
		} while (expect(r, ","));
		if (!expect(r, "]")) {
			return false;
		}
	}
	return expect(r, "}") && *r->at == '\0';
}

int drip_schema_from_json(const char *json, struct drip_schema **ret_schema, struct drip_error *err)
{
	size_t size = strlen(json) + 1;
	char *room = (char *)malloc(size);
	struct reader r = {json, json, room};
	struct drip_schema_builder b;
	int rc;

	if (room == NULL) {
		return drip_error_nomem(err, size);
	}
	drip_schema_builder_init(&b, "", "");
	if (read_schema(&r, &b)) {
		rc = drip_schema_builder_build(&b, ret_schema, err);
	} else {
		drip_schema_builder_finish(&b);
		rc = drip_error_set(err, -EINVAL, "schema.malformed_json",
				    "cannot read a schema's JSON at byte %zu",
				    (size_t)(r.at - r.start));
	}
	free(room);
	return rc;
}
