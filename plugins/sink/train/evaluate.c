/* SPDX-License-Identifier: Apache-2.0 */
/* How good scores are, by labels. Rows of equal scores are taken together, so that no figure hangs
 * on their order. Pure. */
#include "train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_LOSS_EPSILON 1e-15

struct scored {
	double score;
	bool positive;
};

static int by_score_descending(const void *a, const void *b)
{
	double x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;

	return (x < y) - (x > y);
}

/* Area under the ROC curve (ties count half), average precision, and precision of the first k. */
static void measure_ranks(const struct scored *s, size_t count, size_t k, struct train_figures *f)
{
	double above = 0, area = 0, average = 0, in_k = 0;
	size_t seen = 0;

	while (seen < count) {
		size_t end = seen, positives = 0;
		double share;

		while (end < count && s[end].score == s[seen].score) {
			positives += s[end++].positive;
		}
		area += ((double)(end - seen) - (double)positives) *
			(above + (double)positives / 2);
		if (seen < k) {
			share = end <= k ? 1 : (double)(k - seen) / (double)(end - seen);
			in_k += share * (double)positives;
		}
		above += (double)positives;
		average += (double)positives * above / (double)end;
		seen = end;
	}
	f->auc = area / (above * ((double)count - above));
	f->pr_auc = average / above;
	f->k = k;
	f->precision_at_k = in_k / (double)k;
}

static void measure_probabilities(const struct scored *s, size_t count, struct train_figures *f)
{
	double loss = 0, error = 0;

	for (size_t i = 0; i < count; i++) {
		double p = s[i].score;
		int bin = (int)(p * TRAIN_BINS);

		bin = bin == TRAIN_BINS ? bin - 1 : bin;
		f->bins[bin].rows++;
		f->bins[bin].mean_score += p;
		f->bins[bin].rate += s[i].positive;
		p = p < LOG_LOSS_EPSILON       ? LOG_LOSS_EPSILON
		    : p > 1 - LOG_LOSS_EPSILON ? 1 - LOG_LOSS_EPSILON
					       : p;
		loss -= s[i].positive ? log(p) : log(1 - p);
	}
	for (int i = 0; i < TRAIN_BINS; i++) {
		struct train_bin *b = &f->bins[i];

		if (b->rows != 0) {
			b->mean_score /= (double)b->rows;
			b->rate /= (double)b->rows;
			error += fabs(b->mean_score - b->rate) * (double)b->rows;
		}
	}
	f->log_loss = loss / (double)count;
	f->ece = error / (double)count;
}

int train_evaluate(const double *scores, const double *labels, size_t count, size_t k,
		   struct train_figures *ret, struct drip_error *err)
{
	struct scored *s = malloc((count + 1) * sizeof(*s));
	bool probabilities = true;
	size_t known = 0;

	if (s == NULL) {
		return drip_error_nomem(err, count * sizeof(*s));
	}
	*ret = (struct train_figures){
		.auc = NAN, .pr_auc = NAN, .precision_at_k = NAN, .log_loss = NAN, .ece = NAN};
	for (size_t i = 0; i < count; i++) {
		if (isnan(labels[i]) || isnan(scores[i])) {
			continue;
		}
		s[known] = (struct scored){scores[i], labels[i] > 0.5};
		ret->positives += s[known++].positive;
		probabilities &= scores[i] >= 0 && scores[i] <= 1;
	}
	ret->rows = known;
	if (ret->positives != 0 && ret->positives != known) {
		qsort(s, known, sizeof(*s), by_score_descending);
		measure_ranks(s, known, k < known ? k : known, ret);
	}
	if (probabilities && known != 0) {
		measure_probabilities(s, known, ret);
	}
	free(s);
	return 0;
}

/* ---- JSON ---- */

void train_put_number(struct drip_text *out, double value)
{
	char buf[40];

	snprintf(buf, sizeof(buf), isfinite(value) ? "%.10g" : "null", value);
	drip_text_puts(out, buf);
}

static void put(struct drip_text *out, const char *key, double value)
{
	drip_text_puts(out, key);
	train_put_number(out, value);
}

void train_figures_json(const struct train_figures *f, struct drip_text *out)
{
	put(out, "{\"rows\":", (double)f->rows);
	put(out, ",\"positives\":", (double)f->positives);
	put(out, ",\"auc\":", f->auc);
	put(out, ",\"pr_auc\":", f->pr_auc);
	put(out, ",\"k\":", (double)f->k);
	put(out, ",\"precision_at_k\":", f->precision_at_k);
	put(out, ",\"log_loss\":", f->log_loss);
	put(out, ",\"ece\":", f->ece);
	drip_text_puts(out, ",\"calibration\":[");
	for (int i = 0; i < TRAIN_BINS && isfinite(f->ece); i++) {
		put(out, i == 0 ? "{\"rows\":" : ",{\"rows\":", (double)f->bins[i].rows);
		put(out, ",\"mean_score\":", f->bins[i].rows != 0 ? f->bins[i].mean_score : NAN);
		put(out, ",\"rate\":", f->bins[i].rows != 0 ? f->bins[i].rate : NAN);
		drip_text_puts(out, "}");
	}
	drip_text_puts(out, "]}");
}
