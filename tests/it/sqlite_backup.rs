//! Tests of `sqlite_backup`.
