-- upkeep's own state. Times are RFC 3339 in UTC. The journal (upgrade, upgrade_event) is the truth about upgrades;
-- archive is an index of the sealed files and may be rebuilt from them; the rest is history for people.

CREATE TABLE archive (
    target      TEXT    NOT NULL,
    label       TEXT    NOT NULL,
    path        TEXT    NOT NULL,
    size        INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    taken_at    TEXT    NOT NULL,
    duration_ms INTEGER NOT NULL,
    release     TEXT,
    head        TEXT,
    rows        INTEGER NOT NULL,
    raw_bytes   INTEGER NOT NULL,
    note        TEXT,
    pinned      TEXT,
    verified_at TEXT,
    verdict     TEXT    NOT NULL DEFAULT 'unverified' CHECK (verdict IN ('unverified', 'whole', 'torn', 'damaged', 'missing')),
    PRIMARY KEY (target, label)
);
CREATE UNIQUE INDEX archive_label ON archive (label);

CREATE TABLE run (
    id            TEXT NOT NULL PRIMARY KEY,
    request       TEXT UNIQUE,
    target        TEXT,
    action        TEXT NOT NULL,
    body_json     TEXT NOT NULL,
    scheduled_for TEXT,
    started_at    TEXT NOT NULL,
    ended_at      TEXT,
    outcome       TEXT CHECK (outcome IN ('ok', 'failed', 'interrupted')),
    result_json   TEXT
);
CREATE INDEX run_by_target ON run (target, started_at);

CREATE TABLE schedule_mark (
    target   TEXT NOT NULL,
    job      TEXT NOT NULL,
    last_due TEXT NOT NULL,
    PRIMARY KEY (target, job)
);

CREATE TABLE hold (
    target  TEXT NOT NULL,
    version TEXT NOT NULL DEFAULT '',
    reason  TEXT NOT NULL,
    who     TEXT NOT NULL,
    since   TEXT NOT NULL,
    until   TEXT,
    PRIMARY KEY (target, version)
);

CREATE TABLE seen_release (
    target  TEXT NOT NULL,
    version TEXT NOT NULL,
    path    TEXT NOT NULL,
    probe   TEXT NOT NULL,
    first   TEXT NOT NULL,
    scripts_json TEXT NOT NULL,
    PRIMARY KEY (target, version)
);

CREATE TABLE upgrade (
    id           TEXT    NOT NULL PRIMARY KEY,
    target       TEXT    NOT NULL,
    format       INTEGER NOT NULL,
    created_at   TEXT    NOT NULL,
    plan_json    TEXT    NOT NULL,
    plan_digest  TEXT    NOT NULL,
    -- A cache of "the fold of the events is terminal", kept in the same transaction as the event; only the index below needs it.
    ended        INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX one_open_upgrade ON upgrade (target) WHERE ended = 0;

CREATE TABLE upgrade_event (
    upgrade_id TEXT    NOT NULL REFERENCES upgrade (id),
    seq        INTEGER NOT NULL,
    at         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    step       TEXT,
    attempt    INTEGER,
    body_json  TEXT    NOT NULL,
    PRIMARY KEY (upgrade_id, seq)
);
CREATE TRIGGER upgrade_event_is_final BEFORE UPDATE ON upgrade_event
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER upgrade_event_stays BEFORE DELETE ON upgrade_event
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TABLE event (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    target    TEXT,
    kind      TEXT NOT NULL,
    message   TEXT NOT NULL,
    body_json TEXT NOT NULL
);
