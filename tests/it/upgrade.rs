//! Tests of `upgrade`.
