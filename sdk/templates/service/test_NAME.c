/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the service `PLUGIN-NAME`. */
#include <dripline/check.h>
#include <dripline/test.h>

#include <errno.h>

static int control(const char *method, const char *arguments_json, char **ret_text,
		   struct drip_error *err, void *data)
{
	CHECK_EQ_STR(method, "status");
	*ret_text = strdup("{\"state\":\"running\"}");
	return *ret_text != NULL ? 0 : drip_error_nomem(err, 32);
}

TEST(writes_the_status)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_instance *i;
	char path[512], text[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/status.json", drip_harness_dir(h));
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SERVICE, "PLUGIN-NAME",
				     DRIP_OPTIONS("path", path), &i, &err),
		   &err);
	CHECK_EQ_INT(drip_harness_start(i, NULL, &err), -ENOTSUP);
	drip_harness_set_control(h, control, NULL);
	REQUIRE_OK(drip_harness_start(i, NULL, &err), &err);
	file = fopen(path, "r");
	REQUIRE_NOT_NULL(file);
	REQUIRE_NOT_NULL(fgets(text, sizeof(text), file));
	fclose(file);
	CHECK_EQ_STR(text, "{\"state\":\"running\"}");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST_MAIN()
