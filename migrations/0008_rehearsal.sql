-- Rehearsals: a release's migrations that were run in the scratch of an archive, and what came of them. Where the scratch was, and whether it is gone, says
-- the row of the drill that made it.
CREATE TABLE rehearsal (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    target      TEXT    NOT NULL,
    label       TEXT    NOT NULL,
    digest      TEXT    NOT NULL,
    scratch     TEXT    NOT NULL,
    from_release TEXT,
    to_release  TEXT    NOT NULL,
    path        TEXT    NOT NULL,
    at          TEXT    NOT NULL,
    outcome     TEXT    NOT NULL CHECK (outcome IN ('passed', 'failed', 'not-tried')),
    said        TEXT,
    restore_ms  INTEGER NOT NULL DEFAULT 0,
    migrate_ms  INTEGER NOT NULL DEFAULT 0,
    downtime_ms INTEGER NOT NULL DEFAULT 0,
    -- What was defined in the migrated database, of that which the release makes of an empty one: JSON, of the newest row of a target alone.
    expected    TEXT
);
CREATE INDEX rehearsal_of_target ON rehearsal (target, seq);
