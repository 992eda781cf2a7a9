/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the sink `train`: its options, the training set, what is measured and the baselines.
 */
#ifndef DRIPLINE_TRAIN_TRAIN_H
#define DRIPLINE_TRAIN_TRAIN_H

#include <dripline/dripline.h>

#define TRAIN_BATCH_ROWS 65536
#define TRAIN_BINS       10

struct train_baseline {
	const char *name, *column;
	struct drip_enum kind;
	bool lower;
};

enum baseline_kind { BASELINE_VALUE = 1, BASELINE_ZSCORE, BASELINE_LOGISTIC };
enum train_measure { MEASURE_AUC = 0, MEASURE_PR_AUC };

struct train_config {
	struct drip_connection_ref model;
	const char *time;
	double hold_out;
	struct drip_enum measure;
	int64_t k, rows_max, rows_min;
	struct drip_size memory;
	struct drip_objects baselines;
	bool promote;
};

/* ---- the training set (set.c) ---- */

/* Rows in the order of their time; the last of them are held out. */
struct train_set {
	const struct drip_batch **batches; /* (borrowed) */
	size_t batches_count;
	struct train_row *rows;
	size_t count, train; /* all; those to train on */
	bool has_time;
	double time_from, time_to, time_cut; /* as stored */
};

struct train_row {
	double time;
	uint32_t batch, row;
};

int train_set_make(struct train_set *s, const struct drip_batch **batches, size_t count,
		   const struct train_config *config, struct drip_error *err) DRIP_MUST_CHECK;
void train_set_finish(struct train_set *s);
/* (gives) the schema of the features, in the model's order, and behind them the label. */
int train_schema(const struct drip_model_declaration *d, const struct drip_schema *input,
		 struct drip_schema **ret, struct drip_error *err) DRIP_MUST_CHECK;

/* Batches of a range of rows, with these columns. */
struct train_part {
	struct drip_batch **items;
	size_t count, rows;
};

int train_part_make(const struct train_set *s, size_t begin, size_t end,
		    const struct drip_schema *schema, struct train_part *ret,
		    struct drip_error *err) DRIP_MUST_CHECK;
void train_part_finish(struct train_part *p);
/* (gives) one double a row: a number column of the part, NAN for null. */
int train_part_column(const struct train_part *p, const char *name, double **ret,
		      struct drip_error *err) DRIP_MUST_CHECK;

/* ---- measuring (evaluate.c) ---- */

struct train_bin {
	size_t rows;
	double mean_score, rate; /* share of positives */
};

struct train_figures {
	size_t rows, positives;
	double auc, pr_auc, precision_at_k; /* NAN: cannot be told */
	size_t k;
	double log_loss, ece; /* NAN where the scores are no probabilities */
	struct train_bin bins[TRAIN_BINS];
};

/* Of rows whose label is known (0 or 1). Higher scores mean positive. */
int train_evaluate(const double *scores, const double *labels, size_t count, size_t k,
		   struct train_figures *ret, struct drip_error *err) DRIP_MUST_CHECK;
/* As a JSON object. */
void train_figures_json(const struct train_figures *f, struct drip_text *out);
/* A number, or null where it is not finite. */
void train_put_number(struct drip_text *out, double value);

/* ---- baselines (baseline.c) ---- */

/* (gives) scores of the hold-out by a rule, or by a logistic regression, made from `train`. */
int train_baseline_scores(const struct train_baseline *b, const struct train_part *train,
			  const struct train_part *hold_out, const struct drip_schema *schema,
			  const char *label, double **ret, struct drip_error *err) DRIP_MUST_CHECK;

#endif
