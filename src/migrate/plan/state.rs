//! A migration's state, in Flyway's words, and the line that shows it.

use std::fmt;

use serde::Serialize;

use super::{Resolved, type_of};
use crate::history::flyway::Row;

/// Flyway's state of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// To be applied.
    Pending,
    /// Newer than the target.
    #[serde(rename = "Above Target")]
    AboveTarget,
    /// Older than the baseline.
    #[serde(rename = "Below Baseline")]
    BelowBaseline,
    /// Stood for by the baseline, or a baseline script that is not needed.
    #[serde(rename = "Ignored (Baseline)")]
    IgnoredBaseline,
    /// The baseline row.
    Baseline,
    /// Not applied although newer ones were.
    Ignored,
    /// Applied; the release does not have it but has newer ones.
    Missing,
    /// Failed, and the release does not have it.
    #[serde(rename = "Failed (Missing)")]
    FailedMissing,
    /// Applied.
    Success,
    /// Applied and undone.
    Undone,
    /// Failed.
    Failed,
    /// Applied after a newer one.
    #[serde(rename = "Out of Order")]
    OutOfOrder,
    /// Applied and newer than everything the release has.
    Future,
    /// Failed and newer than everything the release has.
    #[serde(rename = "Failed (Future)")]
    FailedFuture,
    /// A repeatable script whose text changed since.
    Outdated,
    /// An earlier run of a repeatable script.
    Superseded,
    /// Taken back by a repair.
    Deleted,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AboveTarget => "Above Target",
            Self::BelowBaseline => "Below Baseline",
            Self::IgnoredBaseline => "Ignored (Baseline)",
            Self::FailedMissing => "Failed (Missing)",
            Self::OutOfOrder => "Out of Order",
            Self::FailedFuture => "Failed (Future)",
            Self::Pending => "Pending",
            Self::Baseline => "Baseline",
            Self::Ignored => "Ignored",
            Self::Missing => "Missing",
            Self::Success => "Success",
            Self::Undone => "Undone",
            Self::Failed => "Failed",
            Self::Future => "Future",
            Self::Outdated => "Outdated",
            Self::Superseded => "Superseded",
            Self::Deleted => "Deleted",
        })
    }
}

/// One line of `migrate info`: a row, a script, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its state.
    pub state: State,
    /// Version as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Description.
    pub description: String,
    /// Flyway's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The script.
    pub script: String,
    /// The row's rank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<i64>,
    /// When it was applied, as the database shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed_on: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_ms: Option<i64>,
    /// The row's checksum, or the script's when there is no row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<i32>,
}

pub(super) fn entry_of_row(row: &Row, state: State) -> Entry {
    Entry {
        state,
        version: row.version.clone(),
        description: row.description.clone(),
        kind: row.kind.clone(),
        script: row.script.clone(),
        rank: Some(row.rank),
        installed_on: row.installed_on.clone(),
        execution_ms: Some(row.execution_ms),
        checksum: row.checksum,
    }
}

pub(super) fn entry_of_script(script: &Resolved, state: State) -> Entry {
    Entry {
        state,
        version: script.version.as_ref().map(ToString::to_string),
        description: script.description.clone(),
        kind: type_of(script.kind).to_owned(),
        script: script.script.clone(),
        rank: None,
        installed_on: None,
        execution_ms: None,
        checksum: Some(script.checksum),
    }
}
