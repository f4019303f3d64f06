//! Tests of `postgres_backup`.
