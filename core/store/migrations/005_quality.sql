-- SPDX-License-Identifier: Apache-2.0
-- What the quality rules of a pipeline found: one row a rule, table and day (UTC, days since the epoch).
-- "run_" is what the last run found of that, times of 0: never.
CREATE TABLE quality_result (
	pipeline TEXT NOT NULL,
	stage TEXT NOT NULL,
	rule TEXT NOT NULL,
	table_name TEXT NOT NULL,
	day INTEGER NOT NULL,
	action TEXT NOT NULL,
	checked INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	run_id TEXT NOT NULL,
	run_checked INTEGER NOT NULL,
	run_failed INTEGER NOT NULL,
	first_us INTEGER NOT NULL,
	last_us INTEGER NOT NULL,
	failed_us INTEGER NOT NULL,
	first_position TEXT NOT NULL,
	last_position TEXT NOT NULL,
	PRIMARY KEY (pipeline, stage, rule, table_name, day)
) WITHOUT ROWID;
CREATE INDEX quality_result_by_day ON quality_result (day);
