-- SPDX-License-Identifier: Apache-2.0
-- Models: the gates of promotion, and what a version was measured by. Stages are None, Staging,
-- Production and Archived. Versions are never deleted, so that numbers and history stay; of a deleted
-- one the artifact is gone.
ALTER TABLE model ADD COLUMN approval INTEGER NOT NULL DEFAULT 0;
ALTER TABLE model ADD COLUMN tolerance REAL NOT NULL DEFAULT 0;
ALTER TABLE model_version ADD COLUMN component TEXT NOT NULL DEFAULT '';
ALTER TABLE model_version ADD COLUMN artifact_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE model_version ADD COLUMN features_json TEXT NOT NULL DEFAULT '[]';
ALTER TABLE model_version ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE model_version ADD COLUMN measure TEXT NOT NULL DEFAULT '';
ALTER TABLE model_version ADD COLUMN quality REAL;
ALTER TABLE model_version ADD COLUMN compared_version INTEGER;
ALTER TABLE model_version ADD COLUMN compared_quality REAL;
ALTER TABLE model_version ADD COLUMN deleted_us INTEGER;
-- One in Production at a time.
CREATE UNIQUE INDEX model_in_production ON model_version (model) WHERE stage = 'Production';
-- A transition that is not decided waits for an approval; one without an approver needed none.
ALTER TABLE model_transition ADD COLUMN forced INTEGER NOT NULL DEFAULT 0;
ALTER TABLE model_transition ADD COLUMN decision TEXT NOT NULL DEFAULT '';
CREATE INDEX model_transition_by_version ON model_transition (model, version);
