-- SPDX-License-Identifier: Apache-2.0
-- Dead letters go back in groups with growing numbers; 0: the letter is in none. The last group in a
-- pipeline's checkpoint outlives a reset.
ALTER TABLE dead_letter ADD COLUMN replay INTEGER NOT NULL DEFAULT 0;

ALTER TABLE pipeline ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0;

CREATE INDEX dead_letter_replay ON dead_letter (pipeline, replay) WHERE replay <> 0;
