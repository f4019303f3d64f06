-- Drills: archives that were restored into a scratch, and what came of it. A row is written before its scratch is made and says where that is; it is
-- removed by that and by the mark inside. `removed` says that nothing of it is left.
CREATE TABLE drill (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT    NOT NULL UNIQUE,
    target   TEXT    NOT NULL,
    label    TEXT    NOT NULL,
    digest   TEXT    NOT NULL,
    place    TEXT,
    scratch  TEXT    NOT NULL,
    began_at TEXT    NOT NULL,
    ended_at TEXT,
    outcome  TEXT CHECK (outcome IN ('proven', 'failed', 'cut-off')),
    said     TEXT,
    tables   INTEGER NOT NULL DEFAULT 0,
    rows     INTEGER NOT NULL DEFAULT 0,
    removed  INTEGER NOT NULL DEFAULT 0,
    left_why TEXT
);
CREATE INDEX drill_of_target ON drill (target, seq);
