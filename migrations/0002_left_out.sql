-- What an archive does not hold, as its manifest says it: a JSON array of what and why; and whether it is without the schema.
ALTER TABLE archive ADD COLUMN left_out_json TEXT    NOT NULL DEFAULT '[]';
ALTER TABLE archive ADD COLUMN data_only     INTEGER NOT NULL DEFAULT 0;
