//! What a run is asked and what it answers.

use serde::Serialize;

use crate::migrate::version::MigrationVersion;

/// What a run applied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The history table, qualified.
    pub table: String,
    /// The baseline that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The scripts applied, in order.
    pub applied: Vec<AppliedScript>,
    /// The newest version in effect at the end.
    pub head: Option<String>,
}

impl Report {
    /// A version took effect; an older one out of order leaves the newest what it was.
    pub(super) fn note_head(&mut self, version: Option<&MigrationVersion>) {
        let known = self.head.as_deref().and_then(|head| MigrationVersion::parse(head).ok());
        if let Some(version) = version.filter(|version| known.as_ref() < Some(version)) {
            self.head = Some(version.to_string());
        }
    }
}

/// One script applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppliedScript {
    /// Its version; none for repeatable ones.
    pub version: Option<String>,
    /// Its description.
    pub description: String,
    /// Its path relative to its location.
    pub script: String,
    /// How long it took, in milliseconds.
    pub execution_ms: i32,
}

/// Which of the pending scripts are meant; all when nothing is named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Versions, or descriptions of repeatable scripts.
    pub cherry_pick: Vec<String>,
}

/// What a script would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DryScript {
    /// The event at which it runs, when it is a callback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'static str>,
    /// Its version; none for repeatable ones and callbacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its path relative to its location.
    pub script: String,
    /// Whether it runs in one transaction.
    pub in_transaction: bool,
    /// Its statements, in order.
    pub statements: Vec<DryStatement>,
}

/// One statement of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DryStatement {
    /// The line of the script it begins in.
    pub line: usize,
    /// What would be sent.
    pub sql: String,
    /// How many bytes of rows would follow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_bytes: Option<usize>,
}
