/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the SDK library: what features are made of. */
#ifndef DRIPLINE_SDK_FEATURE_SET_H
#define DRIPLINE_SDK_FEATURE_SET_H

#include <dripline/features.h>

#define FEATURE_SLOTS (4 * DRIP_CATEGORIES_MAX) /* a power of two */

struct category {
	double value;
	uint32_t size;
	char text[DRIP_CATEGORY_SIZE_MAX];
};

struct feature {
	struct category *categories;
	uint32_t count, capacity;
	uint32_t *slots; /* FEATURE_SLOTS of category + 1, 0: free; NULL: no category yet */
	double unknown;
};

struct drip_features {
	struct feature *items;
	struct drip_model_feature *list;
	uint32_t count;
};

/* (gives) `count` features without names. */
int drip_features_alloc(uint32_t count, struct drip_features **ret,
			struct drip_error *err) DRIP_MUST_CHECK;
/* Adds a category where it is new and there is room. */
int drip_features_learn(struct drip_features *f, uint32_t feature, const char *text, size_t size,
			double value, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) a table of predictions. */
int drip_predictions_schema(const struct drip_column *columns, uint32_t count,
			    enum drip_class classification, struct drip_schema **ret,
			    struct drip_error *err) DRIP_MUST_CHECK;
/* Rows of a column of numbers into out[0], out[stride], ... */
void drip_features_numbers(const struct ArrowArray *column, const struct drip_column *type,
			   int64_t start, int64_t count, double *out, size_t stride);

#endif
