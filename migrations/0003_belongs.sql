-- What release the database of a target belongs to, and what it was at when that was last known for certain. `upgrade` is the newest
-- upgrade at that moment: an upgrade that ended later says it better. Without a version it is known that nobody knows.
CREATE TABLE belongs (
    target     TEXT NOT NULL PRIMARY KEY,
    upgrade    TEXT,
    by_upgrade INTEGER NOT NULL,
    version    TEXT,
    path       TEXT NOT NULL,
    shape_json TEXT,
    made_by    TEXT NOT NULL,
    source     TEXT NOT NULL,
    at         TEXT NOT NULL
);

-- Which releases a database of this shape was ever known to belong to.
CREATE TABLE known_shape (
    target  TEXT NOT NULL,
    digest  TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (target, digest, version)
);
