/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help for model plugins: the features of a model as rows of doubles, whatever columns they came
 * from, and artifacts that are refused when they are cut off, damaged or another model's. A
 * category is a number that the plugin gives to a text. Functions that do not change a struct may
 * be called from any thread, many at once.
 */
#ifndef DRIPLINE_FEATURES_H
#define DRIPLINE_FEATURES_H

#include <dripline/plugin.h>
#include <dripline/text.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_CATEGORIES_MAX    4096 /* of one feature; those that come later are unknown */
#define DRIP_CATEGORY_SIZE_MAX 256  /* bytes of a text; longer ones are unknown */

struct drip_features;

/*
 * (gives) The features of `schema`: all its columns but those flagged DRIP_COLUMN_LABEL. Numbers,
 * decimals, booleans, dates and times (as they are stored, as a number) are numbers, UTF8 and UUID
 * are categories; -EINVAL with model.feature_type for others.
 */
int drip_features_create(const struct drip_schema *schema, struct drip_features **ret,
			 struct drip_error *err) DRIP_MUST_CHECK;
/* True for the types whose values are categories. */
bool drip_feature_is_category(enum drip_type type);
void drip_features_destroy(struct drip_features *f); /* NULL is accepted */
/*
 * What a model's negotiate does: that `input` makes features, and a table `predictions` of
 * `columns`, each made from all features, with the highest class among them.
 */
int drip_features_negotiate(const struct drip_schema *input, const struct drip_column *columns,
			    uint32_t count, struct drip_negotiated *ret,
			    struct drip_error *err) DRIP_MUST_CHECK;
/* (borrowed) until destroy. */
const struct drip_model_feature *drip_features_list(const struct drip_features *f,
						    uint32_t *ret_count);
uint32_t drip_features_count(const struct drip_features *f);

/* Training data: `count` rows of features, one after the other, and the labels. */
struct drip_frame {
	double *rows;   /* malloc'd; NAN: missing */
	double *labels; /* malloc'd, one a row, NAN: not known; NULL: there is no label */
	size_t count;
};

/*
 * (gives) All rows of `data` (borrowed), whose arrays have the columns of `schema`; categories are
 * learned, and numbered from 0 in the order in which they come. -E2BIG with model.too_large where
 * the frame would take more than `bytes_max`.
 */
int drip_features_read(struct drip_features *f, struct ArrowArrayStream *data,
		       const struct drip_schema *schema, uint64_t bytes_max, struct drip_frame *ret,
		       struct drip_error *err) DRIP_MUST_CHECK;
void drip_frame_finish(struct drip_frame *frame); /* zeroed is accepted */
/* (gives) *ret yields the rows of `batches` (each is referenced until its rows are released), all
 * of one schema. */
int drip_batches_stream(const struct drip_batch *const *batches, size_t count,
			struct ArrowArrayStream *ret, struct drip_error *err) DRIP_MUST_CHECK;

/* Categories learned of a feature; 0: it is a number. */
uint32_t drip_features_categories(const struct drip_features *f, uint32_t feature);
/* Gives the categories of a feature numbers other than 0, 1, 2 ...: values[i] for the i-th, and one
 * for what is not known (NAN at first). Rows read before keep theirs. */
void drip_features_set_values(struct drip_features *f, uint32_t feature, const double *values,
			      double unknown);
/* The number of a category's text. */
double drip_features_encode(const struct drip_features *f, uint32_t feature, const char *text,
			    size_t size);

/* That `schema` holds every feature by name, with a type of its kind: model.missing_feature,
 * model.feature_type. */
int drip_features_check(const struct drip_features *f, const struct drip_schema *schema,
			struct drip_error *err) DRIP_MUST_CHECK;
/* Rows [start, start + count) of `batch` as rows of doubles; checks as above. */
int drip_features_rows(const struct drip_features *f, const struct drip_batch *batch, int64_t start,
		       int64_t count, double *ret_rows, struct drip_error *err) DRIP_MUST_CHECK;

/* ---- artifacts ---- */

/*
 * Writing: begin, put what there is, end. Integers and doubles are little endian. `kind` is the
 * model's own name and format, "isolation-forest 1".
 */
void drip_artifact_begin(struct drip_text *t, const char *kind);
void drip_artifact_put_u32(struct drip_text *t, uint32_t value);
void drip_artifact_put_f64(struct drip_text *t, double value);
void drip_artifact_put_features(struct drip_text *t, const struct drip_features *f);
/* Sets size and checksum; the text is the artifact then. */
int drip_artifact_end(struct drip_text *t, struct drip_error *err) DRIP_MUST_CHECK;
/* The same, as the last thing that fit does: (gives) the artifact, malloc'd. Takes what `t` holds,
 * on failure too. */
int drip_artifact_give(struct drip_text *t, void **ret_artifact, size_t *ret_size,
		       struct drip_error *err) DRIP_MUST_CHECK;

/* Reading. Reads beyond the end give 0 and stick in `bad`. */
struct drip_artifact_reader {
	const uint8_t *at, *end;
	bool bad;
};

/* Checks kind, size and checksum: -EINVAL with model.bad_artifact. `data` is borrowed. */
int drip_artifact_open(const char *kind, const void *data, size_t size,
		       struct drip_artifact_reader *ret, struct drip_error *err) DRIP_MUST_CHECK;
/* The same for a model whose artifacts have had several formats: the kind is "MODEL FORMAT", with
 * formats from 1 to `newest`. */
int drip_artifact_open_format(const char *model, uint32_t newest, const void *data, size_t size,
			      struct drip_artifact_reader *ret, uint32_t *ret_format,
			      struct drip_error *err) DRIP_MUST_CHECK;
uint32_t drip_artifact_u32(struct drip_artifact_reader *r);
double drip_artifact_f64(struct drip_artifact_reader *r);
/* (borrowed) `size` bytes, or NULL. */
const void *drip_artifact_bytes(struct drip_artifact_reader *r, size_t size);
int drip_artifact_features(struct drip_artifact_reader *r, struct drip_features **ret,
			   struct drip_error *err) DRIP_MUST_CHECK;
/* model.bad_artifact with this reason. */
int drip_artifact_refuse(struct drip_error *err, const char *why);

#ifdef __cplusplus
}
#endif

#endif
