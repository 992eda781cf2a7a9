/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled as plain C11 and as C++: what a plugin author's compiler makes of the SDK's headers. */
#include <dripline/dripline.h>
#include <dripline/test.h>
#include <dripline/units.h>

struct config {
	bool a;
	int64_t b;
	const char *c;
};

#ifndef __cplusplus
/* _Generic is C only: C++ plugins write their option tables in C, or without DRIP_OPTION. */
static const struct drip_option options[] = {
	DRIP_OPTION(struct config, a, .help = "A."),
	DRIP_OPTION(struct config, b, .help = "B.", .default_text = "1"),
	DRIP_OPTION(struct config, c, .help = "C."),
};
const struct drip_option *headers_options(void);
const struct drip_option *headers_options(void)
{
	return options;
}
#endif

int headers_use(struct drip_column_builder *c, struct drip_ctx *ctx, struct drip_batch *batch);
int headers_use(struct drip_column_builder *c, struct drip_ctx *ctx, struct drip_batch *batch)
{
	struct drip_error err = DRIP_ERROR_INIT;
	double v = 1;

	drip_append_i64(c, 1);
	drip_append_f64(c, v);
	drip_append_bool(c, true);
	drip_append_bytes(c, "x", 1);
	drip_append_null(c);
	drip_append_fixed(c, &v);
	return drip_emit(ctx, batch, &err);
}
