/* SPDX-License-Identifier: Apache-2.0 */
/* Which ops a component of each kind must have. */
#include <dripline/descriptor.h>

#include <errno.h>

#define NEED(ops, member)                                                                          \
	do {                                                                                       \
		if (!DRIP_HAS(ops, member) || (ops)->member == NULL) {                             \
			*ret_field = #member;                                                      \
			return -EINVAL;                                                            \
		}                                                                                  \
	} while (0)

static int check_source(const struct drip_source_ops *ops, const char **ret_field)
{
	NEED(ops, describe);
	NEED(ops, start);
	NEED(ops, poll);
	NEED(ops, stop);
	return 0;
}

static int check_sink(const struct drip_component *component, const struct drip_sink_ops *ops,
		      const char **ret_field)
{
	NEED(ops, negotiate);
	NEED(ops, write);
	NEED(ops, commit);
	NEED(ops, abort);
	if ((component->caps & DRIP_CAP_EXACTLY_ONCE) != 0) {
		NEED(ops, positions);
	}
	return 0;
}

static int check_model(const struct drip_model_ops *ops, const char **ret_field)
{
	NEED(ops, negotiate);
	NEED(ops, fit);
	NEED(ops, load);
	NEED(ops, predict);
	NEED(ops, describe);
	return 0;
}

static int check_transform(const struct drip_transform_ops *ops, const char **ret_field)
{
	NEED(ops, negotiate);
	NEED(ops, process);
	return 0;
}

static int check_connection(const struct drip_connection_ops *ops, const char **ret_field)
{
	NEED(ops, interface);
	NEED(ops, interfaces);
	return 0;
}

static int check_service(const struct drip_service_ops *ops, const char **ret_field)
{
	NEED(ops, start);
	NEED(ops, stop);
	return 0;
}

int drip_ops_check(const struct drip_component *component, const char **ret_field)
{
	const struct drip_common_ops *common = (const struct drip_common_ops *)component->ops;

	if (common == NULL) {
		*ret_field = "ops";
		return -EINVAL;
	}
	NEED(common, open);
	NEED(common, close);
	switch (component->kind) {
	case DRIP_KIND_SOURCE:
		return check_source((const struct drip_source_ops *)component->ops, ret_field);
	case DRIP_KIND_TRANSFORM:
		return check_transform((const struct drip_transform_ops *)component->ops,
				       ret_field);
	case DRIP_KIND_SINK:
		return check_sink(component, (const struct drip_sink_ops *)component->ops,
				  ret_field);
	case DRIP_KIND_MODEL:
		return check_model((const struct drip_model_ops *)component->ops, ret_field);
	case DRIP_KIND_CONNECTION:
		return check_connection((const struct drip_connection_ops *)component->ops,
					ret_field);
	case DRIP_KIND_SERVICE:
		return check_service((const struct drip_service_ops *)component->ops, ret_field);
	case DRIP_KIND_FEED:
		NEED((const struct drip_feed_ops *)component->ops, contract);
		return 0;
	}
	*ret_field = "kind";
	return -EINVAL;
}
