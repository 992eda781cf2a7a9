-- SPDX-License-Identifier: Apache-2.0
-- A store as the first release made it, with a row of everything: never to be changed.
CREATE TABLE pipeline (
	name TEXT NOT NULL PRIMARY KEY,
	epoch INTEGER NOT NULL,
	committed_us INTEGER NOT NULL,
	rows_in INTEGER NOT NULL,
	rows_out INTEGER NOT NULL,
	rows_filtered INTEGER NOT NULL,
	rows_dead INTEGER NOT NULL
) WITHOUT ROWID;
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
	state INTEGER NOT NULL,
	code TEXT,
	message TEXT
) WITHOUT ROWID;
CREATE INDEX run_by_pipeline ON run (pipeline, begun_us);

CREATE TABLE schedule (
	pipeline TEXT NOT NULL PRIMARY KEY,
	last_us INTEGER NOT NULL
) WITHOUT ROWID;
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
CREATE TABLE lineage (
	pipeline TEXT NOT NULL,
	stage TEXT NOT NULL,
	input_namespace TEXT NOT NULL,
	input_dataset TEXT NOT NULL,
	input_column TEXT NOT NULL,
	output_namespace TEXT NOT NULL,
	output_dataset TEXT NOT NULL,
	output_column TEXT NOT NULL,
	kind INTEGER NOT NULL,
	classification INTEGER NOT NULL,
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
	stage TEXT NOT NULL,
	artifact_path TEXT NOT NULL,
	artifact_hash BLOB NOT NULL,
	parameters_json TEXT NOT NULL,
	metrics_json TEXT NOT NULL,
	training_json TEXT NOT NULL,
	created_us INTEGER NOT NULL,
	PRIMARY KEY (model, version)
);
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

INSERT INTO pipeline VALUES ('p', 7, 1000, 70, 60, 8, 2), ('q', 3, 2000, 3, 3, 0, 0);
INSERT INTO checkpoint VALUES ('p', '', 7, x'0000000000000007', x'610062', 'at 7', 1000),
	('p', 'b', 7, x'000000000000000e', x'610062', 'at 14', 1000), ('q', '', 3, x'03', x'', 'at 3', 2000);
INSERT INTO state VALUES ('p', 's', 'k', x'37');
INSERT INTO run VALUES ('r1', 'p', 100, 200, 2, NULL, NULL), ('r2', 'p', 300, 400, 3, 'a.b', 'why');
INSERT INTO schedule VALUES ('p', 12345);
INSERT INTO schema_version VALUES ('p', 's', 'd', 't', 1, 1, '{}', 'at 1', 50);
INSERT INTO lineage VALUES ('p', 's', 'in', 'd.t', 'a', 'out', 'w.t', 'b', 1, 2, 60),
	('p', 's', 'in', 'd.t', '', 'out', 'w.t', '', 1, 2, 60);
INSERT INTO dead_letter VALUES
	(4, 'p', 's', 't', 'c.d', 'r', '{"id":1}', x'01', '{}', 'i', '', x'01', 'at 1', 70),
	(5, 'p', 's', 't', 'c.d', 'r', '{"id":2}', x'02', '{}', 'u', '', x'02', 'at 2', 80);
INSERT INTO audit VALUES (1, 90, 'uid 0', 'checkpoint reset', 'q', ''), (2, 91, 'uid 0', 'dlq drop', 'p', '3 letters');
INSERT INTO model VALUES ('fraud', 'finds fraud', 500);
INSERT INTO model_version VALUES ('fraud', 1, 'Production', 'models/fraud/1.model',
	x'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', '{"trees":100}', '{"auc":0.8}', '{"rows":10}', 600);
INSERT INTO model_transition VALUES (1, 'fraud', 1, 'None', 'Production', 'uid 0', 610, 'uid 1', 620, 1, 'fine');
PRAGMA application_id = 1685219696;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
