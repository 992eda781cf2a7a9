/* SPDX-License-Identifier: Apache-2.0 */
/* dripline model: the registry. What only reads needs no daemon; a change goes through the daemon
 * where one runs, so that it scores with the new version at once. */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/client.h"
#include "serve/methods.h"
#include "store/models.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_store, drip_store_close);

struct request {
	const char *state_dir, *format, *comment;
	bool force, yes;
	char name[128];
	int64_t version; /* 0: none is named */
	const char *stage, *output;
	struct drip_error err;
};

static int complain(const char *what)
{
	fprintf(stderr, "dripline model: %s\n  hint: See `dripline help model`.\n", what);
	return DRIP_EXIT_INVALID;
}

/* NAME or NAME@VERSION. */
static bool parse_target(struct request *r, const char *text)
{
	const char *at = strchr(text, '@');
	size_t size = at != NULL ? (size_t)(at - text) : strlen(text);
	char *end = NULL;

	if (size == 0 || size >= sizeof(r->name)) {
		return false;
	}
	memcpy(r->name, text, size);
	r->name[size] = '\0';
	if (at == NULL) {
		return true;
	}
	errno = 0;
	r->version = strtoll(at + 1, &end, 10);
	return errno == 0 && end != at + 1 && *end == '\0' && r->version > 0;
}

/* ---- reading ---- */

static int read_json(struct request *r, bool one, struct drip_json_tree **ret)
{
	drip_autoptr(drip_store) store = NULL;
	drip_autostr text = DRIP_STR_INIT;
	struct drip_json j;
	int rc = drip_store_open(r->state_dir, DRIP_STORE_READ, &store, &r->err);

	drip_json_init(&j, &text);
	if (rc == 0) {
		rc = one ? drip_model_render(store, r->name, r->version, &j, &r->err)
			 : drip_models_render(store, &j, &r->err);
	}
	return rc == 0 ? drip_json_parse(drip_str_text(&text), text.length, ret, &r->err) : rc;
}

static void print_list(const struct drip_json_node *list)
{
	printf("%-20s %8s %10s %8s  %s\n", "model", "versions", "production", "latest",
	       "description");
	for (const struct drip_json_node *m = list->first; m != NULL; m = m->next) {
		printf("%-20s %8lld %10lld %8lld  %s\n", drip_json_get_string(m, "name", ""),
		       (long long)drip_json_get_int(m, "versions", 0),
		       (long long)drip_json_get_int(m, "production", 0),
		       (long long)drip_json_get_int(m, "latest", 0),
		       drip_json_get_string(m, "description", ""));
	}
}

/* What was measured on the hold-out, and what simpler rules reach on the same rows. */
static void print_measures(const char *name, const struct drip_json_node *h)
{
	double positives = drip_json_get_double(h, "positives", 0);
	double rows = drip_json_get_double(h, "rows", 0);

	if (drip_json_get_double(h, "auc", -1) < 0) {
		printf("  %-24s not measured: %.0f of %.0f rows are positive\n", name, positives,
		       rows);
		return;
	}
	printf("  %-24s auc %.4f, pr_auc %.4f, precision at %lld %.4f", name,
	       drip_json_get_double(h, "auc", 0), drip_json_get_double(h, "pr_auc", 0),
	       (long long)drip_json_get_int(h, "k", 0),
	       drip_json_get_double(h, "precision_at_k", 0));
	if (drip_json_get_double(h, "ece", -1) >= 0) {
		printf(", calibration error %.4f", drip_json_get_double(h, "ece", 0));
	}
	printf("; %.0f of %.0f rows positive\n", positives, rows);
}

static void print_score_kind(const struct drip_json_node *version)
{
	const struct drip_json_node *p = drip_json_get(version, "parameters");
	const char *kind = p != NULL ? drip_json_get_string(p, "score", "") : "";

	if (strcmp(kind, "probability") == 0) {
		printf("  the score is a probability, by %s\n",
		       drip_json_get_string(p, "calibration", "calibration"));
	} else if (strcmp(kind, "rank") == 0) {
		printf("  the score is a rank, and no probability\n");
	}
}

/* Of the version in Production, or of the only one that is shown. */
static void print_quality(const struct drip_json_node *versions)
{
	const struct drip_json_node *metrics, *hold_out, *b;
	const struct drip_json_node *v = versions->first;
	char name[64];

	while (v != NULL && v->next != NULL &&
	       strcmp(drip_json_get_string(v, "stage", ""), "Production") != 0) {
		v = v->next;
	}
	if (v == NULL) {
		return;
	}
	print_score_kind(v);
	metrics = drip_json_get(v, "metrics");
	hold_out = metrics != NULL ? drip_json_get(metrics, "hold_out") : NULL;
	if (hold_out == NULL) {
		return;
	}
	snprintf(name, sizeof(name), "version %lld", (long long)drip_json_get_int(v, "version", 0));
	print_measures(name, hold_out);
	if (drip_json_get(metrics, "uncalibrated") != NULL) {
		print_measures("before calibration", drip_json_get(metrics, "uncalibrated"));
	}
	b = drip_json_get(metrics, "baselines");
	for (b = b != NULL ? b->first : NULL; b != NULL; b = b->next) {
		if (drip_json_get(b, "hold_out") != NULL) {
			snprintf(name, sizeof(name), "baseline %s",
				 drip_json_get_string(b, "name", ""));
			print_measures(name, drip_json_get(b, "hold_out"));
		}
	}
}

static void print_versions(const struct drip_json_node *model)
{
	const struct drip_json_node *versions = drip_json_get(model, "versions");
	const struct drip_json_node *history = drip_json_get(model, "history");

	printf("%8s  %-10s  %-27s  %-18s %s\n", "version", "stage", "created", "quality",
	       "created by");
	for (const struct drip_json_node *v = versions->first; v != NULL; v = v->next) {
		char quality[64] = "";

		if (drip_json_get(v, "quality") != NULL) {
			snprintf(quality, sizeof(quality), "%s %.4f",
				 drip_json_get_string(v, "measure", ""),
				 drip_json_get_double(v, "quality", 0));
		}
		printf("%8lld  %-10s  %-27s  %-18s %s\n",
		       (long long)drip_json_get_int(v, "version", 0),
		       drip_json_get(v, "deleted") != NULL ? "(deleted)"
							   : drip_json_get_string(v, "stage", ""),
		       drip_json_get_string(v, "created", ""), quality,
		       drip_json_get_string(v, "created_by", ""));
	}
	print_quality(versions);
	for (const struct drip_json_node *t = history->first; t != NULL; t = t->next) {
		printf("%s  version %lld  %s -> %s  %s, asked by %s%s%s%s\n",
		       drip_json_get_string(t, "decided", drip_json_get_string(t, "requested", "")),
		       (long long)drip_json_get_int(t, "version", 0),
		       drip_json_get_string(t, "from", ""), drip_json_get_string(t, "to", ""),
		       drip_json_get_string(t, "state", ""),
		       drip_json_get_string(t, "requested_by", ""),
		       drip_json_get(t, "decided_by") != NULL ? ", decided by " : "",
		       drip_json_get_string(t, "decided_by", ""),
		       drip_json_get_bool(t, "forced", false) ? " (forced)" : "");
	}
}

static int show(struct request *r, bool one)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	int rc = read_json(r, one, &tree);

	if (rc < 0) {
		return drip_client_print_error("model", &r->err);
	}
	if (strcmp(r->format, "json") == 0) {
		return drip_client_print_json(drip_json_root(tree));
	}
	if (one) {
		print_versions(drip_json_root(tree));
	} else {
		print_list(drip_json_root(tree));
	}
	return DRIP_EXIT_OK;
}

static int write_file(const char *path, const void *data, size_t size, struct drip_error *err)
{
	drip_autofclose FILE *file = fopen(path, "wbx");
	int rc = 0;

	if (file == NULL || fwrite(data, 1, size, file) != size || fflush(file) != 0) {
		rc = drip_error_set(err, -errno, "model.export", "could not write \"%s\": %s", path,
				    strerror(errno));
		if (file != NULL) {
			(void)unlink(path); /* made above: a part of an artifact is of no use */
		}
	}
	return rc;
}

/* Copies the artifact of a version, the one in Production where none is named. */
static int export(struct request *r)
{
	drip_autoptr(drip_store) store = NULL;
	struct drip_model_artifact a = {0};
	int rc = drip_store_open(r->state_dir, DRIP_STORE_READ, &store, &r->err);

	rc = rc == 0 ? drip_store_read_model(store, r->name, r->version, &a, &r->err) : rc;
	rc = rc == 0 ? write_file(r->output, a.data, a.size, &r->err) : rc;
	if (rc == 0) {
		printf("%s@%" PRId64 ": %zu bytes, SHA-256 %s\n", r->name, a.version, a.size,
		       a.checksum);
	}
	drip_model_artifact_finish(&a);
	return rc == 0 ? DRIP_EXIT_OK : drip_client_print_error("model", &r->err);
}

/* ---- changes ---- */

static const char *method_of(enum drip_model_change_kind kind)
{
	static const char *const methods[] = {"", "model.promote", "model.approve", "model.refuse",
					      "model.delete"};

	return methods[kind];
}

/* 1: no daemon runs. */
static int ask_daemon(struct request *r, enum drip_model_change_kind kind,
		      struct drip_json_tree **ret_tree, const struct drip_json_node **ret)
{
	drip_autostr arguments = DRIP_STR_INIT;
	struct drip_json j;

	drip_json_init(&j, &arguments);
	drip_json_begin_object(&j);
	drip_json_put_string(&j, "name", r->name);
	drip_json_put_int(&j, "version", r->version);
	drip_json_put_string(&j, "stage", r->stage != NULL ? r->stage : "");
	drip_json_put_string(&j, "comment", r->comment != NULL ? r->comment : "");
	drip_json_put_bool(&j, "force", r->force);
	drip_json_end_object(&j);
	return drip_client_try(r->state_dir, method_of(kind), drip_str_text(&arguments), ret_tree,
			       ret, &r->err);
}

static int change_offline(struct request *r, enum drip_model_change_kind kind,
			  struct drip_json_tree **ret_tree, const struct drip_json_node **ret)
{
	drip_autoptr(drip_store) store = NULL;
	drip_autostr text = DRIP_STR_INIT;
	char actor[32];
	const struct drip_model_change change = {.kind = kind,
						 .name = r->name,
						 .stage = r->stage != NULL ? r->stage : "",
						 .actor = actor,
						 .comment = r->comment != NULL ? r->comment : "",
						 .version = r->version,
						 .force = r->force};
	struct drip_json j;
	int rc = drip_store_open(r->state_dir, DRIP_STORE_READ, &store, &r->err);

	/* A store is not made here; only one that is there is opened to be written. */
	drip_store_close(drip_steal(store));
	rc = rc == 0 ? drip_store_open(r->state_dir, DRIP_STORE_WRITE, &store, &r->err) : rc;
	snprintf(actor, sizeof(actor), "uid %ld", (long)getuid());
	drip_json_init(&j, &text);
	rc = rc == 0 ? drip_model_change(store, &change, &j, &r->err) : rc;
	rc = rc == 0 ? drip_json_parse(drip_str_text(&text), text.length, ret_tree, &r->err) : rc;
	if (rc == 0) {
		*ret = drip_json_root(*ret_tree);
	}
	return rc;
}

static void print_change(const struct request *r, enum drip_model_change_kind kind, bool pending)
{
	const char *done = kind == DRIP_MODEL_DELETE    ? "deleted"
			   : kind == DRIP_MODEL_REFUSE  ? "refused"
			   : pending                    ? "waits for an approval by somebody else"
			   : kind == DRIP_MODEL_APPROVE ? "approved, and in its new stage"
							: "moved";

	printf("%s@%" PRId64 ": %s\n", r->name, r->version, done);
}

static int change(struct request *r, enum drip_model_change_kind kind)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result = NULL;
	char question[256];
	int rc;

	snprintf(question, sizeof(question), "Delete the artifact of %s@%" PRId64 "?", r->name,
		 r->version);
	if (kind == DRIP_MODEL_DELETE && !r->yes && !drip_client_confirm(question)) {
		return DRIP_EXIT_INVALID;
	}
	rc = ask_daemon(r, kind, &tree, &result);
	rc = rc == 1 ? change_offline(r, kind, &tree, &result) : rc;
	if (rc < 0) {
		return drip_client_print_error("model", &r->err);
	}
	if (strcmp(r->format, "json") == 0) {
		return drip_client_print_json(result);
	}
	print_change(r, kind, drip_json_get_bool(result, "pending", false));
	return DRIP_EXIT_OK;
}

static int dispatch_change(struct request *r, const char *verb, size_t count)
{
	if (r->version == 0) {
		return complain("a version is needed: NAME@VERSION");
	}
	if (strcmp(verb, "promote") == 0) {
		return r->stage != NULL ? change(r, DRIP_MODEL_PROMOTE)
					: complain("promote needs a stage");
	}
	if (count > 2) {
		return complain("there are too many arguments");
	}
	if (strcmp(verb, "archive") == 0) {
		r->stage = DRIP_STAGE_ARCHIVED;
		return change(r, DRIP_MODEL_PROMOTE);
	}
	if (strcmp(verb, "approve") == 0) {
		return change(r, DRIP_MODEL_APPROVE);
	}
	if (strcmp(verb, "refuse") == 0) {
		return change(r, DRIP_MODEL_REFUSE);
	}
	return change(r, DRIP_MODEL_DELETE);
}

static bool is_verb(const char *text)
{
	static const char *const verbs[] = {"list",   "show",    "promote", "approve",
					    "refuse", "archive", "delete",  "export"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(text, verbs[i]) == 0) {
			return true;
		}
	}
	return false;
}

static int dispatch(struct request *r, const char *const *operands, size_t count)
{
	const char *verb = operands[0];

	if (!is_verb(verb)) {
		return complain("one of list, show, promote, approve, refuse, archive, delete and "
				"export is needed");
	}
	if (strcmp(verb, "list") == 0) {
		return count == 1 ? show(r, false) : complain("list takes no name");
	}
	if (count < 2 || !parse_target(r, operands[1])) {
		return complain("a model is needed, as fraud, or one of its versions, as fraud@3");
	}
	r->stage = count > 2 ? operands[2] : NULL;
	if (strcmp(verb, "show") == 0) {
		return count == 2 ? show(r, true) : complain("show takes one name");
	}
	if (strcmp(verb, "export") == 0) {
		return count > 2           ? complain("export takes one name")
		       : r->output != NULL ? export(r)
					   : complain("export needs --output FILE");
	}
	return dispatch_change(r, verb, count);
}

int drip_cmd_model(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	struct request r = {.format = "text", .err = DRIP_ERROR_INIT};
	const char *operands[3] = {NULL, NULL, NULL}, *state = NULL;
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state},
					{.name = "format", .text = &r.format, .choices = formats},
					{.name = "comment", .letter = 'm', .text = &r.comment},
					{.name = "output", .letter = 'o', .text = &r.output},
					{.name = "force", .flag = &r.force},
					{.name = "yes", .letter = 'y', .flag = &r.yes},
					{.name = NULL}};
	int status = drip_args_parse(argc, argv, args, operands, 1, 3, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	r.state_dir = drip_client_state_dir(state);
	return dispatch(&r, operands, count);
}
