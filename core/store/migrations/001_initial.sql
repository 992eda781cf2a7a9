-- SPDX-License-Identifier: Apache-2.0
-- Times are microseconds since the epoch, UTC.

-- One row a pipeline that ever committed. The epoch only grows, a reset included: sinks name files by it.
CREATE TABLE pipeline (
	name TEXT NOT NULL PRIMARY KEY,
	epoch INTEGER NOT NULL,
	committed_us INTEGER NOT NULL,
	rows_in INTEGER NOT NULL,
	rows_out INTEGER NOT NULL,
	rows_filtered INTEGER NOT NULL,
	rows_dead INTEGER NOT NULL
) WITHOUT ROWID;

-- Where each partition of a pipeline's source stands, all sinks durable.
CREATE TABLE checkpoint (
	pipeline TEXT NOT NULL,
	source_partition TEXT NOT NULL,
	epoch INTEGER NOT NULL,
	position_order BLOB NOT NULL,
	position_detail BLOB NOT NULL,
	position_text TEXT NOT NULL,
	committed_us INTEGER NOT NULL,
	PRIMARY KEY (pipeline, source_partition)
) WITHOUT ROWID;

-- State of stages, committed with the checkpoint.
CREATE TABLE state (
	pipeline TEXT NOT NULL,
	stage TEXT NOT NULL,
	key TEXT NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (pipeline, stage, key)
);

CREATE TABLE run (
	id TEXT NOT NULL PRIMARY KEY,
	pipeline TEXT NOT NULL,
	begun_us INTEGER NOT NULL,
	ended_us INTEGER,
	state INTEGER NOT NULL, -- enum drip_run_state
	code TEXT,
	message TEXT
) WITHOUT ROWID;
CREATE INDEX run_by_pipeline ON run (pipeline, begun_us);

CREATE TABLE schedule (
	pipeline TEXT NOT NULL PRIMARY KEY,
	last_us INTEGER NOT NULL
) WITHOUT ROWID;

-- The schemas that a stage put out, one row a change; ordinal grows by one a table.
CREATE TABLE schema_version (
	pipeline TEXT NOT NULL,
	stage TEXT NOT NULL,
	database_name TEXT NOT NULL,
	table_name TEXT NOT NULL,
	ordinal INTEGER NOT NULL,
	source_version INTEGER NOT NULL,
	schema_json TEXT NOT NULL,
	position_text TEXT NOT NULL,
	seen_us INTEGER NOT NULL,
	PRIMARY KEY (pipeline, stage, database_name, table_name, ordinal)
);

-- Column "" stands for the whole dataset.
CREATE TABLE lineage (
	pipeline TEXT NOT NULL,
	stage TEXT NOT NULL,
	input_namespace TEXT NOT NULL,
	input_dataset TEXT NOT NULL,
	input_column TEXT NOT NULL,
	output_namespace TEXT NOT NULL,
	output_dataset TEXT NOT NULL,
	output_column TEXT NOT NULL,
	kind INTEGER NOT NULL, -- enum drip_lineage_kind
	classification INTEGER NOT NULL, -- enum drip_class, of the output column
	recorded_us INTEGER NOT NULL,
	PRIMARY KEY (pipeline, stage, output_namespace, output_dataset, output_column,
		input_namespace, input_dataset, input_column, kind)
) WITHOUT ROWID;
CREATE INDEX lineage_by_output ON lineage (output_dataset, output_column);
CREATE INDEX lineage_by_input ON lineage (input_dataset, input_column);

CREATE TABLE dead_letter (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	pipeline TEXT NOT NULL,
	stage TEXT NOT NULL,
	table_name TEXT NOT NULL,
	code TEXT NOT NULL,
	reason TEXT NOT NULL,
	row_json TEXT NOT NULL,
	row_hash BLOB NOT NULL,
	schema_json TEXT NOT NULL,
	op TEXT NOT NULL,
	source_partition TEXT NOT NULL,
	position_order BLOB NOT NULL,
	position_text TEXT NOT NULL,
	wall_us INTEGER NOT NULL,
	UNIQUE (pipeline, stage, source_partition, position_order, row_hash)
);

-- Who did what to a pipeline, apart from its running.
CREATE TABLE audit (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	wall_us INTEGER NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	target TEXT NOT NULL,
	detail TEXT NOT NULL
);

CREATE TABLE model (
	name TEXT NOT NULL PRIMARY KEY,
	description TEXT NOT NULL,
	created_us INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE model_version (
	model TEXT NOT NULL REFERENCES model (name),
	version INTEGER NOT NULL,
	stage TEXT NOT NULL, -- of its life: none, staging, production, archived
	artifact_path TEXT NOT NULL,
	artifact_hash BLOB NOT NULL,
	parameters_json TEXT NOT NULL,
	metrics_json TEXT NOT NULL,
	training_json TEXT NOT NULL, -- lineage of the training set
	created_us INTEGER NOT NULL,
	PRIMARY KEY (model, version)
);

-- Promotions asked for and decided.
CREATE TABLE model_transition (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	model TEXT NOT NULL,
	version INTEGER NOT NULL,
	from_stage TEXT NOT NULL,
	to_stage TEXT NOT NULL,
	requested_by TEXT NOT NULL,
	requested_us INTEGER NOT NULL,
	decided_by TEXT,
	decided_us INTEGER,
	approved INTEGER,
	comment TEXT NOT NULL,
	FOREIGN KEY (model, version) REFERENCES model_version (model, version)
);
