//! Tests of `transfers`.
