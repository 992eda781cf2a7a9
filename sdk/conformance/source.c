/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: describing, reading, positions, stopping, and going on from a position. */
#include "conformance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POLLS_MAX   200
#define BATCHES_MAX 40

struct described {
	struct conf *c;
	int count;
	bool ok;
};

static int add_schema(struct drip_schema_list *list, const struct drip_schema *schema,
		      struct drip_error *err)
{
	struct described *d = (struct described *)list->private_data;

	(void)err;
	d->count++;
	d->ok &= schema != NULL && schema->table[0] != '\0' && schema->columns_count > 0;
	return 0;
}

static void describe(struct conf *c)
{
	const struct drip_source_ops *ops = (const struct drip_source_ops *)c->component->ops;
	struct described d = {c, 0, true};
	struct drip_schema_list list = {sizeof(list), add_schema, &d};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL;
	int rc;

	if (drip_harness_bind(c->harness, c->component->kind, c->component->name, c->options, &i,
			      &err) < 0) {
		return;
	}
	rc = ops->describe(&i->ctx, i->config, false, &list, &err);
	conf_ok(c, conf_clean(c, rc, &err, "describe") && d.ok,
		"it describes itself offline (%d tables), or says why not", d.count);
	drip_harness_close(i);
}

/* Batches of one partition do not go back. */
static bool check_order(struct conf *c)
{
	for (size_t n = 1; n < drip_harness_batches_count(c->harness); n++) {
		const struct drip_batch *b = drip_harness_batch(c->harness, n);

		for (size_t m = n; m-- > 0;) {
			const struct drip_batch *a = drip_harness_batch(c->harness, m);

			if (strcmp(a->position.partition, b->position.partition) == 0) {
				if (drip_position_compare(&a->position, &b->position) > 0) {
					conf_note(c, "batch %zu at %s goes back from %s", n,
						  b->position.text, a->position.text);
					return false;
				}
				break;
			}
		}
	}
	return true;
}

/* Reads some batches from `from` on; -1 where it failed. */
static int read_some(struct conf *c, struct drip_instance *i, const struct drip_position *from)
{
	const struct drip_source_ops *ops = (const struct drip_source_ops *)c->component->ops;
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = drip_harness_start(i, from, &err);

	drip_harness_clear(c->harness);
	for (int n = 0; rc == 0 && n < POLLS_MAX; n++) {
		rc = ops->poll(i->self, 10, &err);
		if (rc != DRIP_POLL_MORE || drip_harness_batches_count(c->harness) >= BATCHES_MAX) {
			break;
		}
		drip_harness_advance(c->harness, 100);
	}
	if (rc < 0) {
		conf_ok(c, conf_clean(c, rc, &err, "start or poll"), "it reads, or says why not");
		return -1;
	}
	return rc;
}

/* A row a line, in the order read, from row `skip` on. (gives) */
static char *rows_text(struct conf *c, int64_t skip, int64_t max)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	for (size_t n = 0; out != NULL && n < drip_harness_batches_count(c->harness); n++) {
		char *batch = drip_test_batch_text(drip_harness_batch(c->harness, n));
		char *line, *save = NULL;
		bool first = true;

		for (line = strtok_r(batch, "\n", &save); line != NULL;
		     line = strtok_r(NULL, "\n", &save)) {
			if (!first && skip-- <= 0 && max-- > 0) {
				fprintf(out, "%s\n", line);
			}
			first = false;
		}
		free(batch);
	}
	if (out != NULL) {
		fclose(out);
	}
	return text;
}

/* What comes after a position is what came after it the first time. */
static void replay(struct conf *c)
{
	size_t count = drip_harness_batches_count(c->harness), cut = 0;
	int64_t before = 0, total = drip_harness_rows(c->harness);
	struct drip_position from;
	struct drip_instance *i;
	char *expected, *got;

	for (size_t n = 0; n + 1 < count && n < count / 2; n++) {
		before += drip_harness_batch(c->harness, n)->rows;
		cut = drip_harness_batch(c->harness, n)->boundary ? n + 1 : cut;
	}
	if (cut == 0) {
		return;
	}
	before = 0;
	for (size_t n = 0; n < cut; n++) {
		before += drip_harness_batch(c->harness, n)->rows;
	}
	from = drip_harness_batch(c->harness, cut - 1)->position;
	expected = rows_text(c, before, total - before);
	i = conf_open(c);
	if (i != NULL && read_some(c, i, &from) >= 0) {
		int64_t again = drip_harness_rows(c->harness);
		int64_t common = again < total - before ? again : total - before;

		got = rows_text(c, 0, common);
		conf_ok(c, common > 0 && strncmp(expected, got, strlen(got)) == 0,
			"from a position it goes on as it did before (%lld rows)",
			(long long)common);
		free(got);
	}
	free(expected);
	drip_harness_close(i);
}

static void stopping(struct conf *c)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = conf_open(c);
	int rc = i != NULL ? drip_harness_start(i, NULL, &err) : -EINVAL;

	if (rc == 0) {
		const struct drip_source_ops *ops =
			(const struct drip_source_ops *)c->component->ops;
		int polls = 0;

		drip_harness_stop(c->harness, true);
		do {
			rc = ops->poll(i->self, 10, &err);
		} while (rc == DRIP_POLL_MORE && ++polls < POLLS_MAX);
		drip_harness_stop(c->harness, false);
		conf_ok(c, rc != DRIP_POLL_MORE && conf_clean(c, rc, &err, "poll while stopping"),
			"it comes back soon once it is to stop");
	}
	drip_harness_close(i);
}

void conf_source(struct conf *c)
{
	struct drip_instance *i;

	describe(c);
	i = conf_open(c);
	if (i == NULL) {
		return;
	}
	if (read_some(c, i, NULL) >= 0) {
		conf_ok(c, check_order(c), "positions do not go back (%zu batches)",
			drip_harness_batches_count(c->harness));
		if ((c->component->caps & DRIP_CAP_REPLAY) != 0 &&
		    drip_harness_batches_count(c->harness) > 2) {
			drip_harness_close(i);
			i = NULL;
			replay(c);
		}
	}
	drip_harness_close(i);
	stopping(c);
	drip_harness_clear(c->harness);
}
