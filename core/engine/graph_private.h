/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to graph*.c: what a load keeps beside the document. One load belongs to one thread. The
 * steps: files (graph_files.c), sections (graph_load.c), stages (graph_stages.c), then checks and
 * negotiation (graph_check.c, graph_negotiate.c) with a host of their own (graph_host.c).
 */
#ifndef DRIPLINE_ENGINE_GRAPH_PRIVATE_H
#define DRIPLINE_ENGINE_GRAPH_PRIVATE_H

#include "config/bind.h"
#include "engine/graph.h"
#include "engine/graph_options.h"

#define GRAPH_MAIN_FILE    "dripline.yaml" /* of a folder: stands for all of it */
#define GRAPH_FILES_MAX    10000
#define GRAPH_STAGES_MAX   1000  /* of one pipeline */
#define GRAPH_DECLARED_MAX 10000 /* connections; services */
#define GRAPH_EDGES_MAX    50000 /* tables at all stages of one pipeline */
#define GRAPH_NAME_MAX     64    /* bytes of a pipeline's, stage's or connection's name */

struct graph_file {
	const char *path; /* as messages name it */
	const char *canonical;
	uint64_t hash;                 /* of canonical */
	const struct drip_node *root;  /* a map, or NULL */
	const struct graph_file *from; /* the file that includes it; NULL: none */
	bool open;                     /* its includes are being loaded */
	bool incomplete;               /* something in it could not be read: */
	bool lost_anything;
	const struct drip_yaml_lost *lost;
	struct graph_file_config config;
};

/* Beside a struct drip_declared. */
struct graph_declaration {
	const struct drip_node *node;
	bool sound; /* component and options are without errors */
	bool used;
	unsigned mark; /* of the search for cycles */
	/* Models: what the version in Production was trained on; version 0: none, or not known. */
	bool asked;
	struct drip_model_info production;
};

/* Beside a struct drip_stage. */
struct graph_stage {
	const struct drip_node *node;
	const char *input_name; /* as given, or NULL */
	const struct drip_node *input_node;
	bool sound;
	bool typed; /* what it puts out is known */
	bool used;  /* another stage takes its output */
	/* Findings of its own `check`: from the first, up to the one behind the last. */
	size_t checked, checked_end;
};

struct graph_pipeline {
	struct graph_file *file;
	struct graph_stage *stages; /* in the order of the spec's */
};

struct graph_instance;

struct graph {
	struct drip_arena arena;
	struct drip_registry *registry;
	struct drip_findings *findings;
	const struct drip_load_options *options;
	struct drip_document *document;
	struct graph_file **files;
	size_t files_count, files_capacity;
	bool incomplete, lost_anything; /* one of them is */
	size_t lost_bytes;
	const struct drip_yaml_lost *left_out; /* names of what is at fault itself */
	size_t findings_first;                 /* of this load */
	const struct drip_node *settings_node;
	struct graph_declaration *connections, *services, *models;
	struct graph_pipeline *pipelines;
	struct graph_instance *instances; /* connections that are open for this load */
};

/* The context that components get while they are validated. */
struct graph_ctx {
	struct drip_ctx base;
	struct graph *graph;
};

/* The model of that name, or NULL. */
struct drip_declared *graph_model(struct graph *g, const char *name);
/* What a stage gets that asks for a model while it is validated. */
int graph_model_get(struct graph_ctx *ctx, const char *name, const void **ret_interface,
		    void **ret_object, struct drip_error *err) DRIP_MUST_CHECK;
/* Fills d->model from the engine's keys; reports features and labels that cannot be. */
int graph_build_model(struct graph *g, struct drip_declared *d,
		      const struct graph_stage_config *own,
		      struct graph_declaration *declaration) DRIP_MUST_CHECK;

/* All return 0 also where there are findings, and -ENOMEM. */
int graph_load_path(struct graph *g, const char *path) DRIP_MUST_CHECK;
/* graph_lost.c. What could not be read of a file; `root` may be NULL. */
void graph_lose_file(struct graph *g, struct graph_file *file, const struct drip_node *root);
/* Something declared that is left out for what is wrong with it. */
int graph_lose_name(struct graph *g, const char *name) DRIP_MUST_CHECK;
/* Of what is lost, its absence is no finding. */
void graph_drop_consequences(struct graph *g);
/* False where a part of the pipeline between its stages may be lost. */
bool graph_has_chain(const struct graph_file *file);
int graph_build_pipelines(struct graph *g) DRIP_MUST_CHECK;
/* The document's catalog, from `tables` of all files. */
int graph_build_catalog(struct graph *g) DRIP_MUST_CHECK;
/* The document's policy, from `roles` of all files; after the catalog. */
int graph_build_policy(struct graph *g) DRIP_MUST_CHECK;
void graph_finish_catalog(struct drip_catalog *catalog);
/* Holds what a sink will write to `dataset`, "schema.table", against its declaration, if there is
 * one. */
void graph_check_declared(struct graph *g, const struct drip_node *node, const char *dataset,
			  const struct drip_schema *output);
/* References between connections, and of stages and services to them. */
void graph_check_references(struct graph *g);
/* Who goes after whom: names that are not there, and circles. */
int graph_check_order(struct graph *g) DRIP_MUST_CHECK;
/* `check` of every sound component, then the schemas of every pipeline. */
int graph_check(struct graph *g) DRIP_MUST_CHECK;
int graph_negotiate(struct graph *g, struct drip_pipeline_spec *spec,
		    struct graph_pipeline *pipeline) DRIP_MUST_CHECK;
/* What validation offers to components; its connections, models and tables are of a graph_ctx. */
extern const struct drip_host graph_host;
void graph_ctx_init(struct graph_ctx *ctx, struct graph *g, const char *pipeline,
		    const char *stage);
void graph_close_instances(struct graph *g);

/*
 * Finds the component that `node`'s `plugin` names, and binds the engine's keys to `own` and the
 * others to the component's config. *ret_sound where there was no error.
 */
int graph_bind(struct graph *g, enum drip_kind kind, const struct drip_node *node,
	       struct graph_stage_config *own, const struct drip_component **ret_component,
	       const void **ret_config, bool *ret_sound) DRIP_MUST_CHECK;
/* Entries of a map in all files; one that is none is reported with `hint`. */
size_t graph_count_section(struct graph *g, const char *section, const char *hint);
/* A component's ops as those that every kind begins with. */
const struct drip_common_ops *graph_ops(const struct drip_component *component);
/* Reports a name that cannot be one of a pipeline, stage, connection or service. */
bool graph_check_name(struct graph *g, const struct drip_place *place, const char *what,
		      const char *name);
/* The stage that checks a feed's quality rules, as its declaration; *ret NULL: it has none. */
int graph_feed_rules(struct graph *g, const struct drip_stage *feed, const char *pipeline,
		     struct drip_node **ret) DRIP_MUST_CHECK;
/* A bound list that stands for one map: reports a second one. */
const void *graph_single(struct graph *g, const struct drip_node *map, const char *key,
			 const struct drip_objects *objects);
struct drip_declared *graph_connection(struct graph *g, const char *name);
const char *graph_what(struct graph *g, enum drip_kind kind, const char *name);
/* Adds a finding of a component, at the place of the option that it names. */
void graph_report(struct graph *g, enum drip_severity severity, const struct drip_node *node,
		  const struct drip_error *err);

#endif
