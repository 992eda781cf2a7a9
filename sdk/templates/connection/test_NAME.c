/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the connection `PLUGIN-NAME`, used as another plugin would. */
#include <dripline/check.h>
#include <dripline/test.h>

struct PLUGIN_ID_interface {
	uint32_t struct_size;
	int (*greet)(void *object, const char *name, char *buf, size_t size);
};

TEST(greets)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	const struct PLUGIN_ID_interface *interface;
	const void *found = NULL;
	void *object = NULL;
	char text[64];

	drip_harness_add_connection(h, "mine", "PLUGIN-NAME", DRIP_OPTIONS("greeting", "Good day"));
	REQUIRE_OK(drip_harness_connection(h, "mine", "PLUGIN_ID", &found, &object, &err), &err);
	interface = found;
	interface->greet(object, "Ada", text, sizeof(text));
	CHECK_EQ_STR(text, "Good day, Ada");
	drip_harness_connection_done(h, "mine", "PLUGIN_ID", object);
	CHECK(drip_harness_connection(h, "mine", "other", &found, &object, &err) < 0);
	drip_harness_destroy(h);
}

TEST_MAIN()
