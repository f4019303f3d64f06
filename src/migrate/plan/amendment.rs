//! What may be changed in a history, and what a person is told of it. Only data.

use serde::Serialize;

/// A row to be written. Never says `installed_on`: the column's default does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::migrate) struct NewRow {
    pub(in crate::migrate) rank: i32,
    pub(in crate::migrate) version: Option<String>,
    pub(in crate::migrate) description: String,
    pub(in crate::migrate) kind: &'static str,
    pub(in crate::migrate) script: String,
    pub(in crate::migrate) checksum: Option<i32>,
    pub(in crate::migrate) execution_ms: i32,
    pub(in crate::migrate) success: bool,
}

/// A correction of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::migrate) enum Amendment {
    /// Removes the row of this rank.
    Remove(i64),
    /// Adds a row.
    Add(NewRow),
    /// Gives the row of this rank what the script says.
    Align { rank: i64, description: String, kind: &'static str, checksum: i32 },
}

/// What a repair changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Repaired {
    /// Failed rows removed, by script.
    pub removed: Vec<String>,
    /// Migrations noted as deleted because the release does not have them.
    pub deleted: Vec<String>,
    /// Rows that took over a script's checksum, description or type, by script.
    pub aligned: Vec<String>,
}
