//! The rows a run adds to the history. Pure.

use crate::history::flyway::Row;
use crate::migrate::host::NewRow;
use crate::migrate::plan;
use crate::migrate::version::MigrationVersion;

/// Flyway's `baselineDescription`.
pub(super) const BASELINE_DESCRIPTION: &str = "<< Flyway Baseline >>";

/// One more than the last; the first is 1. A rank is never used again.
pub(super) fn next_rank(rows: &[Row]) -> i32 {
    let last = rows.iter().map(|row| row.rank).max().unwrap_or(0);
    i32::try_from(last.saturating_add(1)).unwrap_or(i32::MAX)
}

pub(super) fn baseline_row(rank: i32, version: &MigrationVersion, description: &str) -> NewRow {
    NewRow {
        rank,
        version: Some(version.to_string()),
        description: plan::abbreviated_description(description),
        kind: "BASELINE",
        script: plan::abbreviated_script(description),
        checksum: None,
        execution_ms: 0,
        success: true,
    }
}

pub(super) fn script_row(rank: i32, script: &plan::Resolved) -> NewRow {
    NewRow {
        rank,
        version: script.version.as_ref().map(ToString::to_string),
        description: plan::abbreviated_description(&script.description),
        kind: plan::type_of(script.kind),
        script: plan::abbreviated_script(&script.script),
        checksum: Some(script.checksum),
        execution_ms: 0,
        success: false,
    }
}
