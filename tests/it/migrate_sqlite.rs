//! Tests of `migrate_sqlite`.
