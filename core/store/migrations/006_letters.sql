-- SPDX-License-Identifier: Apache-2.0
-- A letter belongs to the epoch that was open when its row was refused: what has no checkpoint is
-- read again after a crash, and refused again. 0: from before there were epochs here. Rows that are
-- the same at one position, as two of a table without a key, are told apart by `nth`.
CREATE TABLE dead_letter_new (
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
	replay INTEGER NOT NULL DEFAULT 0,
	epoch INTEGER NOT NULL DEFAULT 0,
	nth INTEGER NOT NULL DEFAULT 0,
	UNIQUE (pipeline, stage, source_partition, position_order, row_hash, op, nth)
);
INSERT INTO dead_letter_new (id, pipeline, stage, table_name, code, reason, row_json, row_hash,
	schema_json, op, source_partition, position_order, position_text, wall_us, replay)
	SELECT id, pipeline, stage, table_name, code, reason, row_json, row_hash, schema_json, op,
	source_partition, position_order, position_text, wall_us, replay FROM dead_letter;
-- Numbers that were given out once are not given out again.
DELETE FROM sqlite_sequence WHERE name = 'dead_letter_new';
INSERT INTO sqlite_sequence SELECT 'dead_letter_new', seq FROM sqlite_sequence WHERE name = 'dead_letter';
DROP TABLE dead_letter;
ALTER TABLE dead_letter_new RENAME TO dead_letter;
CREATE INDEX dead_letter_replay ON dead_letter (pipeline, replay) WHERE replay <> 0;
