//! Tests of `postgres_restore`.
