//! A run that stopped half-way, for whoever asked for it.

use super::report::Report;
use crate::failure::{Class, Explain};
use crate::migrate::error::MigrateError;

/// A run that stopped, with what it had applied until then.
#[derive(Debug)]
pub struct ApplyError {
    /// What was applied before the failure.
    pub report: Report,
    /// Why it stopped.
    pub error: Box<MigrateError>,
}

impl std::fmt::Display for ApplyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for ApplyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl Explain for ApplyError {
    fn class(&self) -> Class {
        self.error.class()
    }

    fn safe(&self) -> Option<String> {
        self.error.safe()
    }

    fn hints(&self) -> Vec<String> {
        self.error.hints()
    }

    fn transient(&self) -> bool {
        self.error.transient()
    }
}
