-- The package of a release as apt takes it (`notes=2.4.0-1`), where it is one: what a person installs to have that release again.
ALTER TABLE seen_release ADD COLUMN package TEXT;
