-- SPDX-License-Identifier: Apache-2.0
-- Keys of the API. Of the key itself only the BLAKE2b-256 is here. Times of 0: never.
CREATE TABLE api_key (
	id TEXT NOT NULL PRIMARY KEY,
	name TEXT NOT NULL, -- of the person or program that has it
	role TEXT NOT NULL,
	hash BLOB NOT NULL,
	created_us INTEGER NOT NULL,
	created_by TEXT NOT NULL,
	expires_us INTEGER NOT NULL,
	revoked_us INTEGER NOT NULL,
	revoked_by TEXT NOT NULL
) WITHOUT ROWID;

-- Each record's hash is SHA-256 over the hash before it and its own fields; see core/store/audit.c.
ALTER TABLE audit ADD COLUMN hash BLOB;

-- The last record, and the last of those that retention took away or that stood before there were hashes.
CREATE TABLE audit_head (
	one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	id INTEGER NOT NULL,
	hash BLOB NOT NULL,
	base_id INTEGER NOT NULL,
	base_hash BLOB NOT NULL
);
INSERT INTO audit_head SELECT 1, coalesce(max(id), 0), zeroblob(32), coalesce(max(id), 0), zeroblob(32) FROM audit;
