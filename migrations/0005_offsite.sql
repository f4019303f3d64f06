-- A place away from the host as `upkeep offsite init` left it: the marker that proves that it is the one that was meant, and who we are there.
-- Beside it what the last try to reach it said.
CREATE TABLE place (
    name        TEXT NOT NULL PRIMARY KEY,
    marker      TEXT NOT NULL,
    host        TEXT NOT NULL,
    reached_at  TEXT,
    error       TEXT,
    error_since TEXT
);

-- What was last seen of each copy. An index of the sidecars at the place: never the truth, and made again from them.
CREATE TABLE copy (
    place       TEXT    NOT NULL,
    label       TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    taken_at    TEXT    NOT NULL,
    size        INTEGER NOT NULL,
    digest      TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    why         TEXT,
    at          TEXT    NOT NULL,
    verified_at TEXT,
    PRIMARY KEY (place, label)
);
