/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of scalar texts, shared with the SDK's test harness. */
#ifndef DRIPLINE_CONFIG_UNITS_H
#define DRIPLINE_CONFIG_UNITS_H

#include <dripline/units.h>

#endif
