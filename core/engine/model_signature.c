/* SPDX-License-Identifier: Apache-2.0 */
/* Holds the columns that a model is to score against the features that a version has learnt. Pure.
 */
#include "engine/model_version.h"

#include <errno.h>
#include <string.h>

static int refuse(struct drip_error *err)
{
	drip_error_hint(err, "Train it anew, or give the features of that version again.");
	return -EINVAL;
}

int drip_model_check_signature(const struct drip_model_info *info,
			       const struct drip_schema *features, struct drip_error *err)
{
	if (info->features_count != features->columns_count) {
		drip_error_set(err, -EINVAL, "model.signature",
			       "version %lld of model \"%s\" was trained on %u features, not on %u",
			       (long long)info->version, info->name, info->features_count,
			       features->columns_count);
		return refuse(err);
	}
	for (uint32_t i = 0; i < info->features_count; i++) {
		const struct drip_model_feature *f = &info->features[i];
		const struct drip_column *column = drip_schema_column(features, i);
		char type[64];

		if (strcmp(f->name, column->name) != 0) {
			drip_error_set(err, -EINVAL, "model.signature",
				       "feature %u of version %lld of model \"%s\" is %s, not %s",
				       i + 1, (long long)info->version, info->name, f->name,
				       column->name);
			return refuse(err);
		}
		if (f->category != drip_feature_is_category(column->type)) {
			drip_type_name(column, type, sizeof(type));
			drip_error_set(err, -EINVAL, "model.signature",
				       "feature %s is %s in table %s: version %lld of model \"%s\" "
				       "was trained on %s",
				       f->name, type, features->table, (long long)info->version,
				       info->name, f->category ? "a text" : "a number or time");
			return refuse(err);
		}
	}
	return 0;
}
