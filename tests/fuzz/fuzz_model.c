/* SPDX-License-Identifier: Apache-2.0 */
/* Artifacts of models, sealed anew so that the bytes get beyond the checksum: features, forest and
 * calibration are refused, or can be scored with. The first byte chooses between the last two. */
#include "forest.h"
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>

static void try_forest(struct drip_artifact_reader *r, const struct drip_features *features)
{
	uint32_t count = drip_features_count(features);
	double *rows = calloc(40 * (size_t)count, sizeof(*rows)), scores[40];
	struct forest f = {0};

	if (rows != NULL && forest_read(&f, r, count, NULL) == 0) {
		rows[0] = NAN;
		forest_score(&f, rows, 40, scores);
		forest_explain(&f, rows, rows + count);
		forest_finish(&f);
	}
	free(rows);
}

static void try_calibration(struct drip_artifact_reader *r)
{
	struct drip_calibration c;

	if (drip_calibration_read(&c, r, NULL) == 0) {
		for (double score = 0; score <= 1; score += 0.125) {
			double p = drip_calibration_apply(&c, score);

			if (!(p >= 0 && p <= 1)) {
				abort();
			}
		}
		drip_calibration_finish(&c);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drip_features *features = NULL;
	struct drip_artifact_reader r;
	struct drip_text t = {0};

	if (size == 0 || drip_artifact_open("fuzz 1", data, size, &r, NULL) == 0) {
		return 0;
	}
	drip_artifact_begin(&t, "fuzz 1");
	drip_text_put(&t, data + 1, size - 1);
	if (drip_artifact_end(&t, NULL) < 0 ||
	    drip_artifact_open("fuzz 1", t.data, t.size, &r, NULL) < 0) {
		abort();
	}
	if (drip_artifact_features(&r, &features, NULL) == 0) {
		drip_features_encode(features, 0, "a", 1);
		if (data[0] & 1) {
			try_calibration(&r);
		} else {
			try_forest(&r, features);
		}
	}
	drip_features_destroy(features);
	drip_text_finish(&t);
	return 0;
}
