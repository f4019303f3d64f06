//! Tests of `migrate_postgres`.
