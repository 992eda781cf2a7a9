/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who goes after whom, by `after` of the schedules: no circles, and names of pipelines that are
 * loaded. A name that is not may be right, as a file can be run by itself: it is told of, and
 * waited for it is not. Thread: the load's.
 */
#include "config/yaml.h"
#include "engine/graph_private.h"

#include <dripline/suggest.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct visit {
	enum { UNSEEN = 0, OPEN, DONE } mark;
	size_t parent; /* as many as there are pipelines: none */
	size_t next;   /* of the names under `after` */
};

static struct drip_place place_of(const struct graph *g, size_t pipeline, size_t name)
{
	char path[64];

	snprintf(path, sizeof(path), "schedule.after[%zu]", name);
	return drip_node_place(g->pipelines[pipeline].file->root, path);
}

static void report_unknown(struct graph *g, const struct drip_place *place, const char *name)
{
	struct drip_suggestion s = {.wrong = name};
	char hint[256];

	for (size_t i = 0; i < g->document->pipelines_count; i++) {
		drip_suggestion_offer(&s, g->document->pipelines[i].name);
	}
	drip_findings_add(g->findings, s.best != NULL ? DRIP_SEVERITY_WARNING : DRIP_SEVERITY_NOTE,
			  place, "config.unknown_pipeline",
			  drip_suggestion_hint(&s, "Load its file too, or remove the name.", hint,
					       sizeof(hint)),
			  "there is no pipeline \"%.100s\" here, so it is not waited for", name);
}

static size_t find(const struct drip_document *d, const char *name)
{
	size_t at = 0;

	while (at < d->pipelines_count && strcmp(d->pipelines[at].name, name) != 0) {
		at++;
	}
	return at;
}

/* Depth first, without recursion: a chain may be as long as there are pipelines. One that is
 * reached while it is open goes after itself. */
static void follow(struct graph *g, struct visit *visits, size_t index)
{
	const struct drip_document *d = g->document;

	visits[index] = (struct visit){.mark = OPEN, .parent = d->pipelines_count};
	while (index < d->pipelines_count) {
		const struct drip_pipeline_spec *spec = &d->pipelines[index];
		size_t i = visits[index].next++, to;
		struct drip_place place;

		if (i == spec->after_count) {
			visits[index].mark = DONE;
			index = visits[index].parent;
			continue;
		}
		place = place_of(g, index, i);
		to = find(d, spec->after[i]);
		if (to == d->pipelines_count) {
			report_unknown(g, &place, spec->after[i]);
		} else if (visits[to].mark == OPEN) {
			drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &place,
					  "config.order_cycle", "Remove one of the names.",
					  "pipelines go after each other in a circle: %s -> ... -> "
					  "%s -> %s",
					  spec->after[i], spec->name, spec->after[i]);
		} else if (visits[to].mark == UNSEEN) {
			visits[to] = (struct visit){.mark = OPEN, .parent = index};
			index = to;
		}
	}
}

int graph_check_order(struct graph *g)
{
	size_t count = g->document->pipelines_count;
	struct visit *visits = drip_arena_array(&g->arena, count + 1, sizeof(*visits));

	if (visits == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		if (visits[i].mark == UNSEEN) {
			follow(g, visits, i);
		}
	}
	return 0;
}
