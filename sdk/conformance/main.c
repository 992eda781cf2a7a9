/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dripline-conformance PLUGIN.so [KIND/NAME.OPTION=VALUE ...]
 *
 * Drives each component of a plugin through each state that can be reached without its outside
 * world: the descriptor, opening and closing, allocation failures, negotiation over many schemas,
 * rows, control batches, commits, restarts. Prints TAP; exits with 1 where a check failed. An
 * option that a component requires is made up, unless it is given; @TMP@ in a value stands for a
 * folder of the run's own. What cannot be opened that way is tested as far as it comes.
 */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool conf_ok(struct conf *c, bool ok, const char *fmt, ...)
{
	va_list ap;

	c->failed += !ok;
	fprintf(c->tap, "%s %d - %s%s", ok ? "ok" : "not ok", ++c->number, c->name,
		c->name[0] != '\0' ? ": " : "");
	va_start(ap, fmt);
	vfprintf(c->tap, fmt, ap);
	va_end(ap);
	fputc('\n', c->tap);
	fflush(c->tap);
	return ok;
}

void conf_note(struct conf *c, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (char *p = line; *p != '\0'; p++) {
		*p = *p == '\n' ? '|' : *p;
	}
	fprintf(c->tap, "# %s\n", line);
	fflush(c->tap);
}

/* "module.what_happened" */
static bool is_code(const char *code)
{
	const char *dot = strchr(code, '.');

	return dot != NULL && dot != code && dot[1] != '\0' &&
	       code[strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_.")] == '\0';
}

bool conf_clean(struct conf *c, int rc, const struct drip_error *err, const char *what)
{
	size_t size = strlen(err->message);

	if (rc >= 0) {
		return true;
	}
	if (err->rc != rc || !is_code(err->code) || size == 0 || err->message[size - 1] == '.') {
		conf_note(c,
			  "%s: %s returned %d with an improper error: rc %d, code \"%s\", message "
			  "\"%s\"",
			  c->name, what, rc, err->rc, err->code, err->message);
		return false;
	}
	return true;
}

/* ---- options ---- */

static const struct drip_option *option_at(const struct drip_option *options, uint32_t i)
{
	return (const struct drip_option *)(const void *)((const char *)options +
							  (size_t)i * options->struct_size);
}

static const char *made_up(struct conf *c, const struct drip_option *o, char *buf, size_t size)
{
	const char *under;

	if (o->example != NULL && (o->flags & DRIP_OPTION_PATH) == 0 &&
	    o->type != DRIP_OPTION_CONNECTION) {
		return o->example;
	}
	switch (o->type) {
	case DRIP_OPTION_BOOL:
		return "true";
	case DRIP_OPTION_INT:
	case DRIP_OPTION_FLOAT:
		snprintf(buf, size, "%.0f", o->min > 1 ? o->min : 1);
		return buf;
	case DRIP_OPTION_ENUM:
		return o->values[0].name;
	case DRIP_OPTION_DURATION:
		return "1s";
	case DRIP_OPTION_SIZE:
		return "1MiB";
	case DRIP_OPTION_CONNECTION: /* the shared instance of a component that offers it */
		if (strcmp(o->interface_name, DRIP_SQL_INTERFACE) == 0) {
			return "@duckdb";
		}
		under = strchr(o->interface_name, '_');
		snprintf(buf, size, "@%s", under != NULL ? under + 1 : o->interface_name);
		return buf;
	case DRIP_OPTION_COLUMNS:
		return "id";
	default:
		break;
	}
	if ((o->flags & DRIP_OPTION_PATH) != 0) {
		snprintf(buf, size, "%s/%s", drip_harness_dir(c->harness), o->name);
		return buf;
	}
	return (o->flags & DRIP_OPTION_SQL) != 0 ? "select 1" : "id";
}

static bool is_set(const struct conf *c, size_t count, const char *name)
{
	size_t size = strlen(name);

	for (size_t i = 0; i < count; i += 2) {
		const char *given = c->options[i];

		if (strncmp(given, name, size) == 0 &&
		    (given[size] == '\0' || given[size] == '.' || given[size] == '[')) {
			return true;
		}
	}
	return false;
}

static void add_option(struct conf *c, size_t *count, const char *name, const char *value)
{
	if (*count + 2 < DRIP_COUNT(c->options)) {
		c->options[(*count)++] = name;
		c->options[(*count)++] = value;
		c->options[*count] = NULL;
	}
}

static const struct drip_option *find_option(const struct drip_component *component,
					     const char *name)
{
	for (uint32_t i = 0; i < component->options_count; i++) {
		const struct drip_option *o = option_at(component->options, i);

		if (strcmp(o->name, name) == 0) {
			return o;
		}
	}
	return NULL;
}

/* Gives the first option of each rule that wants one. */
static void satisfy_rules(struct conf *c, size_t *count, size_t *made)
{
	const struct drip_component *component = c->component;

	for (uint32_t i = 0; i < component->rules_count; i++) {
		const struct drip_rule *rule =
			(const struct drip_rule *)(const void *)((const char *)component->rules +
								 (size_t)i * component->rules
										     ->struct_size);
		bool given = false;

		if (rule->kind != DRIP_RULE_ONE_OF && rule->kind != DRIP_RULE_AT_LEAST_ONE) {
			continue;
		}
		for (int j = 0; j < DRIP_RULE_OPTIONS_MAX && rule->options[j] != NULL; j++) {
			given |= is_set(c, *count, rule->options[j]);
		}
		const struct drip_option *o = find_option(component, rule->options[0]);
		if (!given && o != NULL && *made < CONF_PAIRS_MAX) {
			add_option(c, count, o->name,
				   made_up(c, o, c->values[(*made)++], sizeof(c->values[0])));
		}
	}
}

void conf_make_options(struct conf *c)
{
	size_t count = 0, made = 0, prefix = strlen(c->name);

	c->options[0] = NULL;
	for (size_t i = 0; i < c->pairs_count; i += 2) {
		if (strncmp(c->pairs[i], c->name, prefix) == 0 && c->pairs[i][prefix] == '.') {
			add_option(c, &count, c->pairs[i] + prefix + 1, c->pairs[i + 1]);
		}
	}
	for (uint32_t i = 0; i < c->component->options_count; i++) {
		const struct drip_option *o = option_at(c->component->options, i);

		if ((o->flags & DRIP_OPTION_REQUIRED) != 0 && !is_set(c, count, o->name) &&
		    o->type != DRIP_OPTION_OBJECTS && o->type != DRIP_OPTION_PAIRS &&
		    made < CONF_PAIRS_MAX) {
			add_option(c, &count, o->name,
				   made_up(c, o, c->values[made], sizeof(c->values[0])));
			made++;
		}
	}
	satisfy_rules(c, &count, &made);
}

struct drip_instance *conf_open(struct conf *c)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL;
	int rc = drip_harness_open(c->harness, c->component->kind, c->component->name, c->options,
				   &i, &err);

	return rc == 0 ? i : NULL;
}

/* ---- run ---- */

static void run_component(struct conf *c)
{
	snprintf(c->name, sizeof(c->name), "%s/%s",
		 (const char *[]){"?", "source", "feed", "transform", "sink", "model", "connection",
				  "service"}[c->component->kind],
		 c->component->name);
	conf_make_options(c);
	conf_descriptor(c);
	conf_life(c);
	switch (c->component->kind) {
	case DRIP_KIND_SOURCE:
		conf_source(c);
		break;
	case DRIP_KIND_FEED:
		conf_feed(c);
		break;
	case DRIP_KIND_TRANSFORM:
		conf_transform(c);
		break;
	case DRIP_KIND_SINK:
		conf_sink(c);
		break;
	case DRIP_KIND_MODEL:
		conf_model(c);
		break;
	case DRIP_KIND_CONNECTION:
		conf_connection(c);
		break;
	case DRIP_KIND_SERVICE:
		conf_service(c);
		break;
	}
}

/* "sink/file.path=@TMP@/x" */
static bool add_argument(struct conf *c, const char *argument)
{
	const char *equals = strchr(argument, '=');
	const char *tmp = equals != NULL ? strstr(equals, "@TMP@") : NULL;
	char *name, *value = NULL;

	if (equals == NULL || c->pairs_count + 2 > 2 * CONF_PAIRS_MAX) {
		return false;
	}
	name = strndup(argument, (size_t)(equals - argument));
	if (tmp != NULL) {
		if (asprintf(&value, "%.*s%s%s", (int)(tmp - equals - 1), equals + 1,
			     drip_harness_dir(c->harness), tmp + 5) < 0) {
			value = NULL;
		}
	} else {
		value = strdup(equals + 1);
	}
	if (name == NULL || value == NULL) {
		free(name);
		free(value);
		return false;
	}
	c->pairs[c->pairs_count++] = name;
	c->pairs[c->pairs_count++] = value;
	return true;
}

static bool open_tap(struct conf *c)
{
	int fd = dup(STDOUT_FILENO);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	c->tap = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (c->tap == NULL || null < 0 || dup2(null, STDOUT_FILENO) < 0) {
		return false;
	}
	close(null);
	return true;
}

static void free_arguments(struct conf *c)
{
	for (size_t i = 0; i < c->pairs_count; i++) {
		free((void *)(uintptr_t)c->pairs[i]);
	}
}

int main(int argc, char **argv)
{
	static struct conf c;
	const struct drip_plugin *plugin;

	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr,
			"usage: dripline-conformance PLUGIN.so [KIND/NAME.OPTION=VALUE ...]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	c.path = argv[1];
	c.harness = drip_harness_create(c.path);
	for (int i = 2; i < argc; i++) {
		if (!add_argument(&c, argv[i])) {
			fprintf(stderr, "dripline-conformance: cannot read the option %s\n",
				argv[i]);
			return 2;
		}
	}
	if (!open_tap(&c)) {
		perror("dripline-conformance");
		return 3;
	}
	conf_elf(&c);
	if (!conf_alloc_init(c.path)) {
		conf_note(&c, "allocation failures cannot be tested in this build");
	}
	plugin = drip_harness_plugin(c.harness);
	for (uint32_t i = 0; i < plugin->components_count; i++) {
		c.component = plugin->components[i];
		run_component(&c);
	}
	c.name[0] = '\0';
	/* Ends the process with a message where the plugin broke the contract of the harness. */
	drip_harness_destroy(c.harness);
	free_arguments(&c);
	fprintf(c.tap, "1..%d\n", c.number);
	fclose(c.tap);
	return c.failed > 0;
}
