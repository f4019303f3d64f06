//! Tests of `daemon`.
