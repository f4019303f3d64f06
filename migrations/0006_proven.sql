-- Which public keys of a place are known to open what is encrypted to them: an identity opened this copy, then. What nobody opened is unproven.
CREATE TABLE proven (
    place     TEXT NOT NULL,
    recipient TEXT NOT NULL,
    label     TEXT NOT NULL,
    at        TEXT NOT NULL,
    PRIMARY KEY (place, recipient)
);
