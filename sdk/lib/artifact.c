/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts of models. Layout, little endian: magic "DRIPMDL1", the kind (64 bytes, padded with
 * zeros), the size of what follows (u64), its FNV-1a hash (u64), then what the model put. The hash
 * finds damage; who made the file is for the registry's SHA-256 to say.
 */
#include "feature_set.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC       "DRIPMDL1"
#define MAGIC_SIZE  8
#define KIND_SIZE   64
#define SIZE_AT     (MAGIC_SIZE + KIND_SIZE)
#define HEADER_SIZE (SIZE_AT + 16)

static uint64_t checksum(const uint8_t *data, size_t size)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++) {
		h = (h ^ data[i]) * UINT64_C(0x100000001b3);
	}
	return h;
}

static void pad_kind(const char *kind, char ret[KIND_SIZE])
{
	size_t size = strlen(kind);

	memset(ret, 0, KIND_SIZE);
	memcpy(ret, kind, size < KIND_SIZE ? size : KIND_SIZE - 1);
}

void drip_artifact_begin(struct drip_text *t, const char *kind)
{
	static const char nothing[16];
	char name[KIND_SIZE];

	pad_kind(kind, name);
	drip_text_put(t, MAGIC, MAGIC_SIZE);
	drip_text_put(t, name, sizeof(name));
	drip_text_put(t, nothing, sizeof(nothing));
}

void drip_artifact_put_u32(struct drip_text *t, uint32_t value)
{
	value = htole32(value);
	drip_text_put(t, &value, sizeof(value));
}

void drip_artifact_put_f64(struct drip_text *t, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	bits = htole64(bits);
	drip_text_put(t, &bits, sizeof(bits));
}

static void put_category(struct drip_text *t, const struct category *c)
{
	drip_artifact_put_f64(t, c->value);
	drip_artifact_put_u32(t, c->size);
	drip_text_put(t, c->text, c->size);
}

void drip_artifact_put_features(struct drip_text *t, const struct drip_features *f)
{
	drip_artifact_put_u32(t, f->count);
	for (uint32_t i = 0; i < f->count; i++) {
		const struct feature *item = &f->items[i];
		size_t size = strlen(f->list[i].name);

		drip_artifact_put_u32(t, (uint32_t)size);
		drip_text_put(t, f->list[i].name, size);
		drip_artifact_put_u32(t, f->list[i].category);
		drip_artifact_put_f64(t, item->unknown);
		drip_artifact_put_u32(t, item->count);
		for (uint32_t j = 0; j < item->count; j++) {
			put_category(t, &item->categories[j]);
		}
	}
}

int drip_artifact_end(struct drip_text *t, struct drip_error *err)
{
	int rc = drip_text_check(t, err);
	uint64_t size, hash;

	if (rc < 0) {
		return rc;
	}
	size = htole64(t->size - HEADER_SIZE);
	hash = htole64(checksum((const uint8_t *)t->data + HEADER_SIZE, t->size - HEADER_SIZE));
	memcpy(t->data + SIZE_AT, &size, sizeof(size));
	memcpy(t->data + SIZE_AT + sizeof(size), &hash, sizeof(hash));
	return 0;
}

int drip_artifact_give(struct drip_text *t, void **ret_artifact, size_t *ret_size,
		       struct drip_error *err)
{
	int rc = drip_artifact_end(t, err);

	if (rc < 0) {
		drip_text_finish(t);
		return rc;
	}
	*ret_artifact = t->data;
	*ret_size = t->size;
	memset(t, 0, sizeof(*t));
	return 0;
}

int drip_artifact_refuse(struct drip_error *err, const char *why)
{
	return drip_error_set(err, -EINVAL, "model.bad_artifact", "cannot use the artifact: %s",
			      why);
}

/* What follows the kind. */
static int open_payload(const uint8_t *bytes, size_t size, struct drip_artifact_reader *ret,
			struct drip_error *err)
{
	uint64_t payload, hash;

	memcpy(&payload, bytes + SIZE_AT, sizeof(payload));
	memcpy(&hash, bytes + SIZE_AT + sizeof(payload), sizeof(hash));
	if (le64toh(payload) != size - HEADER_SIZE) {
		return drip_artifact_refuse(err, "it is cut off or has grown");
	}
	if (le64toh(hash) != checksum(bytes + HEADER_SIZE, size - HEADER_SIZE)) {
		return drip_artifact_refuse(err, "it is damaged");
	}
	*ret = (struct drip_artifact_reader){.at = bytes + HEADER_SIZE, .end = bytes + size};
	return 0;
}

static int check_magic(const void *data, size_t size, struct drip_error *err)
{
	return size >= HEADER_SIZE && memcmp(data, MAGIC, MAGIC_SIZE) == 0
		       ? 0
		       : drip_artifact_refuse(err, "it is no artifact of a model");
}

static bool is_kind(const uint8_t *bytes, const char *kind)
{
	char name[KIND_SIZE];

	pad_kind(kind, name);
	return memcmp(bytes + MAGIC_SIZE, name, KIND_SIZE) == 0;
}

int drip_artifact_open(const char *kind, const void *data, size_t size,
		       struct drip_artifact_reader *ret, struct drip_error *err)
{
	int rc = check_magic(data, size, err);

	if (rc < 0) {
		return rc;
	}
	return is_kind(data, kind) ? open_payload(data, size, ret, err)
				   : drip_artifact_refuse(err, "it is of another kind of model");
}

int drip_artifact_open_format(const char *model, uint32_t newest, const void *data, size_t size,
			      struct drip_artifact_reader *ret, uint32_t *ret_format,
			      struct drip_error *err)
{
	const char *kind = (const char *)data + MAGIC_SIZE;
	size_t length = strlen(model);
	int rc = check_magic(data, size, err);

	if (rc < 0) {
		return rc;
	}
	for (uint32_t format = 1; format <= newest; format++) {
		char name[KIND_SIZE];

		snprintf(name, sizeof(name), "%s %u", model, format);
		if (is_kind(data, name)) {
			*ret_format = format;
			return open_payload(data, size, ret, err);
		}
	}
	return length + 2 < KIND_SIZE && memcmp(kind, model, length) == 0 && kind[length] == ' '
		       ? drip_artifact_refuse(err, "it was written by a newer version of the model")
		       : drip_artifact_refuse(err, "it is of another kind of model");
}

const void *drip_artifact_bytes(struct drip_artifact_reader *r, size_t size)
{
	const uint8_t *at = r->at;

	if (r->bad || (size_t)(r->end - r->at) < size) {
		r->bad = true;
		return NULL;
	}
	r->at += size;
	return at;
}

uint32_t drip_artifact_u32(struct drip_artifact_reader *r)
{
	const void *at = drip_artifact_bytes(r, 4);
	uint32_t value = 0;

	if (at != NULL) {
		memcpy(&value, at, sizeof(value));
	}
	return le32toh(value);
}

double drip_artifact_f64(struct drip_artifact_reader *r)
{
	const void *at = drip_artifact_bytes(r, 8);
	uint64_t bits = 0;
	double value;

	if (at != NULL) {
		memcpy(&bits, at, sizeof(bits));
	}
	bits = le64toh(bits);
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static int read_categories(struct drip_artifact_reader *r, struct drip_features *f, uint32_t i,
			   struct drip_error *err)
{
	uint32_t count = drip_artifact_u32(r);
	int rc = 0;

	if (count > DRIP_CATEGORIES_MAX || (count != 0 && !f->list[i].category)) {
		r->bad = true;
	}
	for (uint32_t j = 0; j < count && rc == 0 && !r->bad; j++) {
		double value = drip_artifact_f64(r);
		uint32_t size = drip_artifact_u32(r);
		const char *text = drip_artifact_bytes(r, size);

		if (text == NULL || size > DRIP_CATEGORY_SIZE_MAX) {
			r->bad = true;
		} else {
			rc = drip_features_learn(f, i, text, size, value, err);
		}
	}
	return rc;
}

static int read_feature(struct drip_artifact_reader *r, struct drip_features *f, uint32_t i,
			struct drip_error *err)
{
	uint32_t size = drip_artifact_u32(r), category;
	const char *name = drip_artifact_bytes(r, size);

	if (name == NULL || size == 0 || size >= DRIP_NAME_MAX || memchr(name, '\0', size)) {
		r->bad = true;
		return 0;
	}
	f->list[i].name = strndup(name, size);
	if (f->list[i].name == NULL) {
		return drip_error_nomem(err, size);
	}
	category = drip_artifact_u32(r);
	f->list[i].category = category == 1;
	f->items[i].unknown = drip_artifact_f64(r);
	if (category > 1) {
		r->bad = true;
		return 0;
	}
	return read_categories(r, f, i, err);
}

int drip_artifact_features(struct drip_artifact_reader *r, struct drip_features **ret,
			   struct drip_error *err)
{
	uint32_t count = drip_artifact_u32(r);
	struct drip_features *f;
	int rc;

	if (r->bad || count == 0 || count > DRIP_MODEL_FEATURES_MAX) {
		return drip_artifact_refuse(err, "its features cannot be read");
	}
	rc = drip_features_alloc(count, &f, err);
	if (rc < 0) {
		return rc;
	}
	for (uint32_t i = 0; i < count && rc == 0 && !r->bad; i++) {
		rc = read_feature(r, f, i, err);
	}
	if (rc == 0 && r->bad) {
		rc = drip_artifact_refuse(err, "its features cannot be read");
	}
	if (rc < 0) {
		drip_features_destroy(f);
		return rc;
	}
	*ret = f;
	return 0;
}
