//! Tests of `postgres_traps`.
