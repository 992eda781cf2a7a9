/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sizes of the structs of ABI 1.0 on x86-64, and that today's structs begin like them: each
 * field of 1.0 lies where it lay. A struct may grow at its end, with a new ABI minor.
 */
#include "lib/test.h"

#include <dripline/dripline.h>

#ifdef __x86_64__

static const struct {
	const char *name;
	size_t size_1_0, size_now;
} sizes[] = {
	{"drip_error", 1388, sizeof(struct drip_error)},
	{"drip_column", 64, sizeof(struct drip_column)},
	{"drip_schema", 56, sizeof(struct drip_schema)},
	{"drip_position", 1352, sizeof(struct drip_position)},
	{"drip_batch", 1512, sizeof(struct drip_batch)},
	{"drip_value", 48, sizeof(struct drip_value)},
	{"drip_ctx", 24, sizeof(struct drip_ctx)},
	{"drip_host", 160, sizeof(struct drip_host)},
	{"drip_option", 104, sizeof(struct drip_option)},
	{"drip_enum_value", 24, sizeof(struct drip_enum_value)},
	{"drip_rule", 72, sizeof(struct drip_rule)},
	{"drip_report", 24, sizeof(struct drip_report)},
	{"drip_lineage_edge", 12, sizeof(struct drip_lineage_edge)},
	{"drip_negotiated", 1312, sizeof(struct drip_negotiated)},
	{"drip_common_ops", 48, sizeof(struct drip_common_ops)},
	{"drip_schema_list", 24, sizeof(struct drip_schema_list)},
	{"drip_wanted", 40, sizeof(struct drip_wanted)},
	{"drip_start", 48, sizeof(struct drip_start)},
	{"drip_source_ops", 96, sizeof(struct drip_source_ops)},
	{"drip_transform_ops", 72, sizeof(struct drip_transform_ops)},
	{"drip_epoch", 40, sizeof(struct drip_epoch)},
	{"drip_sink_ops", 96, sizeof(struct drip_sink_ops)},
	{"drip_contract_table", 32, sizeof(struct drip_contract_table)},
	{"drip_contract", 40, sizeof(struct drip_contract)},
	{"drip_feed_ops", 56, sizeof(struct drip_feed_ops)},
	{"drip_model_ops", 88, sizeof(struct drip_model_ops)},
	{"drip_connection_ops", 72, sizeof(struct drip_connection_ops)},
	{"drip_service_ops", 64, sizeof(struct drip_service_ops)},
	{"drip_component", 120, sizeof(struct drip_component)},
	{"drip_plugin", 72, sizeof(struct drip_plugin)},
	{"drip_sql_dialect", 40, sizeof(struct drip_sql_dialect)},
	{"drip_sql", 152, sizeof(struct drip_sql)},
	{"ArrowSchema", 72, sizeof(struct ArrowSchema)},
	{"ArrowArray", 80, sizeof(struct ArrowArray)},
	{"ArrowArrayStream", 40, sizeof(struct ArrowArrayStream)},
};

TEST(structs_keep_their_size)
{
	for (size_t i = 0; i < DRIP_COUNT(sizes); i++) {
		bool grown = DRIP_ABI_MINOR > 0 && sizes[i].size_now > sizes[i].size_1_0;

		if (!grown && sizes[i].size_now != sizes[i].size_1_0) {
			printf("# struct %s\n", sizes[i].name);
		}
		CHECK_EQ_UINT(grown ? sizes[i].size_1_0 : sizes[i].size_now, sizes[i].size_1_0);
	}
}

static const struct {
	const char *name;
	size_t offset_1_0, offset_now;
} offsets[] = {
	{"drip_plugin.abi_major", 4, offsetof(struct drip_plugin, abi_major)},
	{"drip_plugin.host_minor_min", 8, offsetof(struct drip_plugin, host_minor_min)},
	{"drip_plugin.name", 16, offsetof(struct drip_plugin, name)},
	{"drip_plugin.components", 56, offsetof(struct drip_plugin, components)},
	{"drip_plugin.components_count", 64, offsetof(struct drip_plugin, components_count)},
	{"drip_component.kind", 4, offsetof(struct drip_component, kind)},
	{"drip_component.name", 8, offsetof(struct drip_component, name)},
	{"drip_component.stability", 56, offsetof(struct drip_component, stability)},
	{"drip_component.caps", 64, offsetof(struct drip_component, caps)},
	{"drip_component.clearance", 72, offsetof(struct drip_component, clearance)},
	{"drip_component.config_size", 76, offsetof(struct drip_component, config_size)},
	{"drip_component.options", 88, offsetof(struct drip_component, options)},
	{"drip_component.rules", 96, offsetof(struct drip_component, rules)},
	{"drip_component.ops", 112, offsetof(struct drip_component, ops)},
	{"drip_option.flags", 4, offsetof(struct drip_option, flags)},
	{"drip_option.type", 8, offsetof(struct drip_option, type)},
	{"drip_option.offset", 12, offsetof(struct drip_option, offset)},
	{"drip_option.name", 16, offsetof(struct drip_option, name)},
	{"drip_option.default_text", 32, offsetof(struct drip_option, default_text)},
	{"drip_option.min", 56, offsetof(struct drip_option, min)},
	{"drip_option.values", 72, offsetof(struct drip_option, values)},
	{"drip_option.children", 80, offsetof(struct drip_option, children)},
	{"drip_option.child_size", 92, offsetof(struct drip_option, child_size)},
	{"drip_option.interface_name", 96, offsetof(struct drip_option, interface_name)},
	{"drip_batch.refs", 4, offsetof(struct drip_batch, refs)},
	{"drip_batch.release", 8, offsetof(struct drip_batch, release)},
	{"drip_batch.kind", 16, offsetof(struct drip_batch, kind)},
	{"drip_batch.op", 20, offsetof(struct drip_batch, op)},
	{"drip_batch.boundary", 21, offsetof(struct drip_batch, boundary)},
	{"drip_batch.snapshot", 22, offsetof(struct drip_batch, snapshot)},
	{"drip_batch.schema", 24, offsetof(struct drip_batch, schema)},
	{"drip_batch.array", 32, offsetof(struct drip_batch, array)},
	{"drip_batch.ops", 112, offsetof(struct drip_batch, ops)},
	{"drip_batch.rows", 120, offsetof(struct drip_batch, rows)},
	{"drip_batch.bytes", 128, offsetof(struct drip_batch, bytes)},
	{"drip_batch.commit_time_us", 136, offsetof(struct drip_batch, commit_time_us)},
	{"drip_batch.sequence", 144, offsetof(struct drip_batch, sequence)},
	{"drip_batch.position", 152, offsetof(struct drip_batch, position)},
	{"drip_batch.private_data", 1504, offsetof(struct drip_batch, private_data)},
	{"drip_schema.refs", 4, offsetof(struct drip_schema, refs)},
	{"drip_schema.release", 8, offsetof(struct drip_schema, release)},
	{"drip_schema.database", 16, offsetof(struct drip_schema, database)},
	{"drip_schema.table", 24, offsetof(struct drip_schema, table)},
	{"drip_schema.version", 32, offsetof(struct drip_schema, version)},
	{"drip_schema.columns", 40, offsetof(struct drip_schema, columns)},
	{"drip_schema.columns_count", 48, offsetof(struct drip_schema, columns_count)},
	{"drip_schema.keys_count", 52, offsetof(struct drip_schema, keys_count)},
	{"drip_column.type", 4, offsetof(struct drip_column, type)},
	{"drip_column.name", 8, offsetof(struct drip_column, name)},
	{"drip_column.source_type", 16, offsetof(struct drip_column, source_type)},
	{"drip_column.precision", 24, offsetof(struct drip_column, precision)},
	{"drip_column.scale", 28, offsetof(struct drip_column, scale)},
	{"drip_column.length", 32, offsetof(struct drip_column, length)},
	{"drip_column.flags", 40, offsetof(struct drip_column, flags)},
	{"drip_column.classification", 44, offsetof(struct drip_column, classification)},
	{"drip_column.fill", 48, offsetof(struct drip_column, fill)},
	{"drip_column.renamed_from", 56, offsetof(struct drip_column, renamed_from)},
	{"drip_position.order_size", 4, offsetof(struct drip_position, order_size)},
	{"drip_position.detail_size", 6, offsetof(struct drip_position, detail_size)},
	{"drip_position.partition", 8, offsetof(struct drip_position, partition)},
	{"drip_position.order", 104, offsetof(struct drip_position, order)},
	{"drip_position.detail", 168, offsetof(struct drip_position, detail)},
	{"drip_position.text", 1192, offsetof(struct drip_position, text)},
	{"drip_error.rc", 4, offsetof(struct drip_error, rc)},
	{"drip_error.retryable", 8, offsetof(struct drip_error, retryable)},
	{"drip_error.code", 9, offsetof(struct drip_error, code)},
	{"drip_error.message", 57, offsetof(struct drip_error, message)},
	{"drip_error.hint", 657, offsetof(struct drip_error, hint)},
	{"drip_error.place", 957, offsetof(struct drip_error, place)},
	{"drip_error.option", 1257, offsetof(struct drip_error, option)},
	{"drip_host.log", 8, offsetof(struct drip_host, log)},
	{"drip_host.emit", 16, offsetof(struct drip_host, emit)},
	{"drip_host.reject", 24, offsetof(struct drip_host, reject)},
	{"drip_host.filtered", 32, offsetof(struct drip_host, filtered)},
	{"drip_host.now_ns", 40, offsetof(struct drip_host, now_ns)},
	{"drip_host.wait", 64, offsetof(struct drip_host, wait)},
	{"drip_host.counter_add", 72, offsetof(struct drip_host, counter_add)},
	{"drip_host.state_get", 96, offsetof(struct drip_host, state_get)},
	{"drip_host.connection_get", 112, offsetof(struct drip_host, connection_get)},
	{"drip_host.memory_budget", 128, offsetof(struct drip_host, memory_budget)},
	{"drip_host.data_dir", 136, offsetof(struct drip_host, data_dir)},
	{"drip_host.failpoint", 144, offsetof(struct drip_host, failpoint)},
	{"drip_host.control", 152, offsetof(struct drip_host, control)},
	{"drip_source_ops.check", 8, offsetof(struct drip_source_ops, check)},
	{"drip_source_ops.open", 16, offsetof(struct drip_source_ops, open)},
	{"drip_source_ops.close", 24, offsetof(struct drip_source_ops, close)},
	{"drip_source_ops.interrupt", 32, offsetof(struct drip_source_ops, interrupt)},
	{"drip_source_ops.reconfigure", 40, offsetof(struct drip_source_ops, reconfigure)},
	{"drip_source_ops.describe", 48, offsetof(struct drip_source_ops, describe)},
	{"drip_source_ops.start", 56, offsetof(struct drip_source_ops, start)},
	{"drip_source_ops.poll", 64, offsetof(struct drip_source_ops, poll)},
	{"drip_source_ops.acknowledge", 72, offsetof(struct drip_source_ops, acknowledge)},
	{"drip_source_ops.stop", 80, offsetof(struct drip_source_ops, stop)},
	{"drip_source_ops.dataset", 88, offsetof(struct drip_source_ops, dataset)},
	{"drip_transform_ops.negotiate", 48, offsetof(struct drip_transform_ops, negotiate)},
	{"drip_transform_ops.process", 56, offsetof(struct drip_transform_ops, process)},
	{"drip_transform_ops.flush", 64, offsetof(struct drip_transform_ops, flush)},
	{"drip_sink_ops.negotiate", 48, offsetof(struct drip_sink_ops, negotiate)},
	{"drip_sink_ops.positions", 56, offsetof(struct drip_sink_ops, positions)},
	{"drip_sink_ops.write", 64, offsetof(struct drip_sink_ops, write)},
	{"drip_sink_ops.commit", 72, offsetof(struct drip_sink_ops, commit)},
	{"drip_sink_ops.abort", 80, offsetof(struct drip_sink_ops, abort)},
	{"drip_sink_ops.idle", 88, offsetof(struct drip_sink_ops, idle)},
	{"drip_feed_ops.contract", 48, offsetof(struct drip_feed_ops, contract)},
	{"drip_model_ops.negotiate", 48, offsetof(struct drip_model_ops, negotiate)},
	{"drip_model_ops.fit", 56, offsetof(struct drip_model_ops, fit)},
	{"drip_model_ops.load", 64, offsetof(struct drip_model_ops, load)},
	{"drip_model_ops.predict", 72, offsetof(struct drip_model_ops, predict)},
	{"drip_model_ops.describe", 80, offsetof(struct drip_model_ops, describe)},
	{"drip_connection_ops.interface", 48, offsetof(struct drip_connection_ops, interface)},
	{"drip_connection_ops.ping", 56, offsetof(struct drip_connection_ops, ping)},
	{"drip_connection_ops.interfaces", 64, offsetof(struct drip_connection_ops, interfaces)},
	{"drip_service_ops.start", 48, offsetof(struct drip_service_ops, start)},
	{"drip_service_ops.stop", 56, offsetof(struct drip_service_ops, stop)},
	{"drip_sql.dialect", 8, offsetof(struct drip_sql, dialect)},
	{"drip_sql.session_open", 24, offsetof(struct drip_sql, session_open)},
	{"drip_sql.execute", 48, offsetof(struct drip_sql, execute)},
	{"drip_sql.query", 56, offsetof(struct drip_sql, query)},
	{"drip_sql.begin", 64, offsetof(struct drip_sql, begin)},
	{"drip_sql.commit", 72, offsetof(struct drip_sql, commit)},
	{"drip_sql.table_schema", 88, offsetof(struct drip_sql, table_schema)},
	{"drip_sql.ingest_open", 96, offsetof(struct drip_sql, ingest_open)},
	{"drip_sql.bind", 120, offsetof(struct drip_sql, bind)},
	{"drip_sql.maintain", 128, offsetof(struct drip_sql, maintain)},
	{"drip_sql.infer", 136, offsetof(struct drip_sql, infer)},
};

TEST(fields_keep_their_place)
{
	for (size_t i = 0; i < DRIP_COUNT(offsets); i++) {
		if (offsets[i].offset_now != offsets[i].offset_1_0) {
			printf("# %s\n", offsets[i].name);
		}
		CHECK_EQ_UINT(offsets[i].offset_now, offsets[i].offset_1_0);
	}
}

/* Values that are stored or cross the border. */
TEST(numbers_keep_their_meaning)
{
	CHECK_EQ_INT(DRIP_TYPE_BOOL, 1);
	CHECK_EQ_INT(DRIP_TYPE_DECIMAL, 12);
	CHECK_EQ_INT(DRIP_TYPE_UTF8, 13);
	CHECK_EQ_INT(DRIP_TYPE_TIMESTAMP_UTC, 18);
	CHECK_EQ_INT(DRIP_TYPE_UUID, 21);
	CHECK_EQ_INT(DRIP_CLASS_RESTRICTED, 3);
	CHECK_EQ_INT(DRIP_KIND_SOURCE, 1);
	CHECK_EQ_INT(DRIP_KIND_SERVICE, 7);
	CHECK_EQ_INT(DRIP_OPTION_BOOL, 1);
	CHECK_EQ_INT(DRIP_OPTION_COLUMNS, 13);
	CHECK_EQ_INT(DRIP_RULE_EXCLUDES, 4);
	CHECK_EQ_INT(DRIP_CAP_EXCLUSIVE, 32);
	CHECK_EQ_INT(DRIP_CAP_DISCARDS, 64);
	CHECK_EQ_INT(DRIP_BATCH_MARK, 4);
	CHECK_EQ_INT(DRIP_POLL_END, 2);
	CHECK_EQ_INT(DRIP_ABI_MAJOR, 1);
	CHECK_EQ_STR(DRIP_ENTRY_SYMBOL, "drip_plugin_entry_v1");
}

#else

TEST(not_this_machine)
{
	SKIP("sizes are pinned on x86-64 only");
}

#endif

TEST_MAIN()
