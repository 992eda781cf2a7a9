/* SPDX-License-Identifier: Apache-2.0 */
/* All of the plugin SDK. */
#ifndef DRIPLINE_DRIPLINE_H
#define DRIPLINE_DRIPLINE_H

#include <dripline/arrow.h>
#include <dripline/batch.h>
#include <dripline/builder.h>
#include <dripline/calibration.h>
#include <dripline/error.h>
#include <dripline/features.h>
#include <dripline/feed.h>
#include <dripline/fitted.h>
#include <dripline/guard.h>
#include <dripline/host.h>
#include <dripline/model.h>
#include <dripline/option.h>
#include <dripline/plugin.h>
#include <dripline/rowset.h>
#include <dripline/schema.h>
#include <dripline/sql.h>
#include <dripline/text.h>
#include <dripline/transform.h>
#include <dripline/tz.h>

#endif
