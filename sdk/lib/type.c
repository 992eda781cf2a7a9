/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Column types: names, Arrow formats, widths, classes, and the Arrow schema of a Dripline schema.
 * Arrow formats are those of the C Data Interface specification. Thread: any.
 */
#include <dripline/schema.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct type_entry {
	const char *name;
	const char *format;
	uint32_t width; /* bytes */
	bool variable;
};

/* Indexed by enum drip_type. */
static const struct type_entry types[] = {
	[DRIP_TYPE_NONE] = {"none", "n", 0, false},
	[DRIP_TYPE_BOOL] = {"bool", "b", 0, false},
	[DRIP_TYPE_INT8] = {"int8", "c", 1, false},
	[DRIP_TYPE_INT16] = {"int16", "s", 2, false},
	[DRIP_TYPE_INT32] = {"int32", "i", 4, false},
	[DRIP_TYPE_INT64] = {"int64", "l", 8, false},
	[DRIP_TYPE_UINT8] = {"uint8", "C", 1, false},
	[DRIP_TYPE_UINT16] = {"uint16", "S", 2, false},
	[DRIP_TYPE_UINT32] = {"uint32", "I", 4, false},
	[DRIP_TYPE_UINT64] = {"uint64", "L", 8, false},
	[DRIP_TYPE_FLOAT32] = {"float32", "f", 4, false},
	[DRIP_TYPE_FLOAT64] = {"float64", "g", 8, false},
	[DRIP_TYPE_DECIMAL] = {"decimal", "d", 16, false},
	[DRIP_TYPE_UTF8] = {"utf8", "u", 0, true},
	[DRIP_TYPE_BINARY] = {"binary", "z", 0, true},
	[DRIP_TYPE_DATE] = {"date", "tdD", 4, false},
	[DRIP_TYPE_TIME] = {"time", "ttu", 8, false},
	[DRIP_TYPE_TIMESTAMP] = {"timestamp", "tsu:", 8, false},
	[DRIP_TYPE_TIMESTAMP_UTC] = {"timestamp_utc", "tsu:UTC", 8, false},
	[DRIP_TYPE_DURATION] = {"duration", "tDu", 8, false},
	[DRIP_TYPE_JSON] = {"json", "u", 0, true},
	[DRIP_TYPE_UUID] = {"uuid", "u", 0, true},
};

#define TYPES_COUNT (sizeof(types) / sizeof(types[0]))

static const char *const classes[] = {"public", "internal", "confidential", "restricted"};

static const struct type_entry *type_entry(enum drip_type type)
{
	return &types[(size_t)type < TYPES_COUNT ? type : DRIP_TYPE_NONE];
}

void drip_type_format(const struct drip_column *column, char *buf, size_t size)
{
	if (column->type == DRIP_TYPE_DECIMAL) {
		snprintf(buf, size, "d:%d,%d", column->precision, column->scale);
	} else {
		snprintf(buf, size, "%s", type_entry(column->type)->format);
	}
}

void drip_type_name(const struct drip_column *column, char *buf, size_t size)
{
	if (column->type == DRIP_TYPE_DECIMAL) {
		snprintf(buf, size, "decimal(%d,%d)", column->precision, column->scale);
	} else {
		snprintf(buf, size, "%s", type_entry(column->type)->name);
	}
}

/* Reads "(12,2)" or "(12)", spaces allowed. */
static bool parse_decimal_arguments(const char *text, struct drip_column *column)
{
	char *end;
	long precision, scale = 0;

	if (*text++ != '(') {
		return false;
	}
	precision = strtol(text, &end, 10);
	if (end == text) {
		return false;
	}
	if (*end == ',') {
		text = end + 1;
		scale = strtol(text, &end, 10);
		if (end == text) {
			return false;
		}
	}
	end += strspn(end, " ");
	if (strcmp(end, ")") != 0 || precision < 1 || precision > 38 || scale < 0 ||
	    scale > precision) {
		return false;
	}
	column->precision = (int32_t)precision;
	column->scale = (int32_t)scale;
	return true;
}

int drip_type_parse(const char *name, struct drip_column *ret_column, struct drip_error *err)
{
	int rc;

	for (size_t i = DRIP_TYPE_BOOL; i < TYPES_COUNT; i++) {
		if (i != DRIP_TYPE_DECIMAL && strcasecmp(types[i].name, name) == 0) {
			ret_column->type = (enum drip_type)i;
			ret_column->precision = ret_column->scale = 0;
			return 0;
		}
	}
	if (strncasecmp(name, "decimal", 7) == 0 && parse_decimal_arguments(name + 7, ret_column)) {
		ret_column->type = DRIP_TYPE_DECIMAL;
		return 0;
	}
	rc = drip_error_set(err, -EINVAL, "schema.unknown_type", "unknown type %.60s", name);
	drip_error_hint(err, "Types are bool, int8 to int64, uint8 to uint64, float32, float64, "
			     "decimal(P,S) with a precision of 38 at most, utf8, binary, date, "
			     "time, timestamp, timestamp_utc, duration, json and uuid.");
	return rc;
}

const char *drip_class_name(enum drip_class classification)
{
	return (size_t)classification < sizeof(classes) / sizeof(classes[0])
		       ? classes[classification]
		       : "unknown";
}

int drip_class_parse(const char *name, enum drip_class *ret_class)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (strcmp(classes[i], name) == 0) {
			*ret_class = (enum drip_class)i;
			return 0;
		}
	}
	return -EINVAL;
}

uint32_t drip_type_width(enum drip_type type)
{
	return type_entry(type)->width;
}

bool drip_type_is_variable(enum drip_type type)
{
	return type_entry(type)->variable;
}

/* ---- Arrow ---- */

/* What a child's strings live in; freed with it, so a child may be moved out of its parent. */
struct child_strings {
	char format[32];
	char name[DRIP_NAME_MAX + 1];
};

struct parent_private {
	char name[DRIP_NAME_MAX + 1];
	struct ArrowSchema **children;
	struct ArrowSchema *items;
};

static void release_child(struct ArrowSchema *schema)
{
	free(schema->private_data);
	schema->release = NULL;
}

static void release_parent(struct ArrowSchema *schema)
{
	struct parent_private *p = (struct parent_private *)schema->private_data;

	for (int64_t i = 0; i < schema->n_children; i++) {
		if (schema->children[i]->release != NULL) {
			schema->children[i]->release(schema->children[i]);
		}
	}
	free(p->children);
	free(p->items);
	free(p);
	schema->release = NULL;
}

static int fill_child(const struct drip_column *column, struct ArrowSchema *ret,
		      struct drip_error *err)
{
	struct child_strings *strings = (struct child_strings *)malloc(sizeof(*strings));

	if (strings == NULL) {
		return drip_error_nomem(err, sizeof(*strings));
	}
	drip_type_format(column, strings->format, sizeof(strings->format));
	snprintf(strings->name, sizeof(strings->name), "%s", column->name);
	ret->format = strings->format;
	ret->name = strings->name;
	ret->flags = (column->flags & DRIP_COLUMN_NULLABLE) != 0 ? ARROW_FLAG_NULLABLE : 0;
	ret->private_data = strings;
	ret->release = release_child;
	return 0;
}

int drip_schema_to_arrow(const struct drip_schema *schema, struct ArrowSchema *ret,
			 struct drip_error *err)
{
	uint32_t count = schema->columns_count;
	struct parent_private *p = (struct parent_private *)calloc(1, sizeof(*p));
	struct ArrowSchema out = {.format = "+s", .n_children = count, .release = release_parent};

	if (p == NULL) {
		return drip_error_nomem(err, sizeof(*p));
	}
	out.private_data = p;
	p->children = (struct ArrowSchema **)calloc(count + 1, sizeof(*p->children));
	p->items = (struct ArrowSchema *)calloc(count + 1, sizeof(*p->items));
	if (p->children == NULL || p->items == NULL) {
		out.n_children = 0;
		release_parent(&out);
		return drip_error_nomem(err, (count + 1) * sizeof(*p->items));
	}
	snprintf(p->name, sizeof(p->name), "%s", schema->table);
	out.name = p->name;
	out.children = p->children;
	for (uint32_t i = 0; i < count; i++) {
		p->children[i] = &p->items[i];
	}
	for (uint32_t i = 0; i < count; i++) {
		int rc = fill_child(drip_schema_column(schema, i), p->children[i], err);

		if (rc < 0) {
			release_parent(&out);
			return rc;
		}
	}
	*ret = out;
	return 0;
}
