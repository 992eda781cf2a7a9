/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor and its texts; opening and closing; the kinds with little to drive. */
#include "conformance.h"

#include <dripline/descriptor.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_sentence(const char *text)
{
	size_t size = text != NULL ? strlen(text) : 0;

	return size > 1 &&
	       (text[size - 1] == '.' || text[size - 1] == '`' || text[size - 1] == ')');
}

static bool check_helps(struct conf *c, const struct drip_option *options, uint32_t count)
{
	bool ok = true;

	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *o =
			(const struct drip_option *)(const void *)((const char *)options +
								   (size_t)i *
									   options->struct_size);

		if (!is_sentence(o->help)) {
			conf_note(c, "the help of option %s is no sentence: %s", o->name, o->help);
			ok = false;
		}
		for (const struct drip_enum_value *v = o->values;
		     o->type == DRIP_OPTION_ENUM && v->name != NULL; v++) {
			if (!is_sentence(v->help)) {
				conf_note(c, "the help of value %s of option %s is no sentence: %s",
					  v->name, o->name, v->help != NULL ? v->help : "");
				ok = false;
			}
		}
		if (o->type == DRIP_OPTION_OBJECTS) {
			ok &= check_helps(c, o->children, o->children_count);
		}
	}
	return ok;
}

void conf_descriptor(struct conf *c)
{
	const struct drip_plugin *plugin = drip_harness_plugin(c->harness);
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = drip_plugin_check(c->path, plugin, &err);

	if (!conf_ok(c, rc == 0, "the host accepts its descriptor")) {
		conf_note(c, "%s", err.message);
	}
	if (c->component->kind != DRIP_KIND_CONNECTION && c->component->kind != DRIP_KIND_SERVICE) {
		conf_ok(c, is_sentence(c->component->schema_notes),
			"it says what it does to schemas");
	}
	conf_ok(c, is_sentence(c->component->guarantees), "it says what it guarantees");
	conf_ok(c, c->component->since != NULL, "it says since when it is there");
	conf_ok(c, check_helps(c, c->component->options, c->component->options_count),
		"its options and their values have sentences as help");
}

/* Opens twice in turn, and twice at once where that is allowed. */
void conf_life(struct conf *c)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL, *second = NULL;
	int rc = drip_harness_open(c->harness, c->component->kind, c->component->name, c->options,
				   &i, &err);

	if (!conf_ok(c, conf_clean(c, rc, &err, "open"), "it opens, or says why not")) {
		return;
	}
	if (rc < 0) {
		conf_note(c, "%s does not open here: %s", c->name, err.message);
		return;
	}
	if ((c->component->caps & DRIP_CAP_EXCLUSIVE) == 0) {
		rc = drip_harness_open(c->harness, c->component->kind, c->component->name,
				       c->options, &second, &err);
		conf_ok(c, conf_clean(c, rc, &err, "second open"),
			"a second instance opens, or says why not");
		drip_harness_close(rc == 0 ? second : NULL);
	}
	drip_harness_close(i);
	rc = drip_harness_open(c->harness, c->component->kind, c->component->name, c->options, &i,
			       &err);
	conf_ok(c, rc == 0, "it opens again after close");
	drip_harness_close(rc == 0 ? i : NULL);
	conf_alloc_open(c);
}

void conf_feed(struct conf *c)
{
	const struct drip_feed_ops *ops = (const struct drip_feed_ops *)c->component->ops;
	const struct drip_contract *contract = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL;
	int rc = drip_harness_bind(c->harness, c->component->kind, c->component->name, c->options,
				   &i, &err);

	if (rc < 0) {
		conf_ok(c, conf_clean(c, rc, &err, "bind"), "its options bind, or it says why not");
		return;
	}
	for (int n = 0; n < 2; n++) {
		rc = ops->contract(&i->ctx, i->config, &contract, &err);
		conf_ok(c, conf_clean(c, rc, &err, "contract"),
			"contract without open is given, or it says why not");
		if (rc == 0 && contract != NULL && DRIP_HAS(contract, release) &&
		    contract->release != NULL) {
			contract->release(contract);
		}
	}
	drip_harness_close(i);
}

void conf_connection(struct conf *c)
{
	const struct drip_connection_ops *ops =
		(const struct drip_connection_ops *)c->component->ops;
	struct drip_instance *i = conf_open(c);
	bool ok = ops->interfaces[0] != NULL;

	conf_ok(c, ok, "it offers an interface");
	if (i == NULL) {
		return;
	}
	for (const char *const *name = ops->interfaces; *name != NULL; name++) {
		ok &= ops->interface(i->self, *name) != NULL;
		ok &= ops->interface(i->self, *name) == ops->interface(i->self, *name);
	}
	conf_ok(c, ok, "it gives the interfaces that it names");
	conf_ok(c, ops->interface(i->self, "no_such_interface") == NULL,
		"it gives no other interface");
	if (ops->ping != NULL) {
		struct drip_error err = DRIP_ERROR_INIT;

		conf_ok(c, conf_clean(c, ops->ping(i->self, &err), &err, "ping"),
			"it answers a ping, or says why not");
	}
	drip_harness_close(i);
}

void conf_service(struct conf *c)
{
	struct drip_instance *i = conf_open(c);

	for (int n = 0; n < 2 && i != NULL; n++) {
		struct drip_error err = DRIP_ERROR_INIT;
		int rc = drip_harness_start(i, NULL, &err);

		conf_ok(c, conf_clean(c, rc, &err, "start"), "it starts, or says why not");
		drip_harness_close(i);
		i = conf_open(c);
	}
	drip_harness_close(i);
}

void conf_model(struct conf *c)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL;

	if (drip_harness_bind(c->harness, c->component->kind, c->component->name, c->options, &i,
			      &err) == 0) {
		conf_negotiate(c, i);
		drip_harness_close(i);
	}
	i = conf_open(c);
	if (i != NULL) {
		const struct drip_model_ops *ops = (const struct drip_model_ops *)c->component->ops;
		int rc = ops->load(i->self, "not an artifact", 15, &err);

		conf_ok(c, rc < 0 && conf_clean(c, rc, &err, "load"),
			"it refuses what is no artifact of its own");
		drip_harness_close(i);
		conf_model_fit(c);
	}
}
