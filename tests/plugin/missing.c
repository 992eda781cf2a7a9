/* SPDX-License-Identifier: Apache-2.0 */
/* A library that a plugin links with and that is not there when it is loaded. */
int drip_test_missing(void);

__attribute__((visibility("default"))) int drip_test_missing(void)
{
	return 0;
}
