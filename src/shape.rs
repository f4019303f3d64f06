//! What a database is at: the migrations its history tables say were applied, and a fingerprint of its actual schema.
//!
//! Pure values and comparisons; the engines and `history` fill them in. Invariant: two shapes are the same only when both
//! their successful migrations and their fingerprints agree; a fingerprint that was not taken never equals anything.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One row of a history table, in that tool's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Order of application, as the table has it (`installed_rank`).
    pub rank: i64,
    /// The migration's version as written in the table; none for repeatable ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The description column.
    pub description: String,
    /// The tool's type column (`SQL`, `BASELINE`, `DELETE`, …).
    #[serde(rename = "type")]
    pub kind: String,
    /// The script column.
    pub script: String,
    /// The checksum column, as text so that every tool's form fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Whether the table says it went through.
    pub success: bool,
}

/// One history table found in a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Which tool's table it is (`flyway`).
    pub tool: String,
    /// The table's name, qualified where the engine has schemas.
    pub table: String,
    /// Its rows, by rank.
    pub applied: Vec<Applied>,
}

impl History {
    /// The version of the newest successful versioned row, by rank.
    #[must_use]
    pub fn head(&self) -> Option<&str> {
        self.applied.iter().rev().filter(|row| row.success && row.kind != "DELETE").find_map(|row| row.version.as_deref())
    }
}

/// What a database is at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shape {
    /// Every history table found.
    #[serde(default)]
    pub histories: Vec<History>,
    /// A digest of the schema's own definition (not of data); none when it was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl Shape {
    /// The head of the first history, for labels and messages; none for a database without one.
    #[must_use]
    pub fn head(&self) -> Option<&str> {
        self.histories.iter().find_map(History::head)
    }

    /// Whether both describe the same schema, migration by migration.
    #[must_use]
    pub fn same_as(&self, other: &Shape) -> bool {
        self.fingerprint.is_some() && self.fingerprint == other.fingerprint && self.difference(other).is_empty()
    }

    /// The migrations that one has and the other lacks, as lines for people (`only in the archive: V3 add column`).
    #[must_use]
    pub fn difference(&self, other: &Shape) -> Vec<Difference> {
        let mut lines = Vec::new();
        let (mine, theirs) = (self.keys(), other.keys());
        lines.extend(mine.iter().filter(|key| !theirs.contains(key)).cloned().map(Difference::OnlyLeft));
        lines.extend(theirs.iter().filter(|key| !mine.contains(key)).cloned().map(Difference::OnlyRight));
        lines
    }

    fn keys(&self) -> Vec<MigrationKey> {
        let rows = self.histories.iter().flat_map(|history| history.applied.iter().map(move |row| (history, row)));
        rows.filter(|(_, row)| row.success)
            .map(|(history, row)| MigrationKey {
                table: history.table.clone(),
                version: row.version.clone(),
                description: row.description.clone(),
                checksum: row.checksum.clone(),
            })
            .collect()
    }
}

/// What identifies an applied migration when two shapes are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationKey {
    /// The history table.
    pub table: String,
    /// The version, if any.
    pub version: Option<String>,
    /// The description.
    pub description: String,
    /// The checksum, if any.
    pub checksum: Option<String>,
}

impl fmt::Display for MigrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{version} {}", self.description),
            None => write!(f, "repeatable {}", self.description),
        }
    }
}

/// One migration that only one of two shapes has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Difference {
    /// Only the first has it.
    OnlyLeft(MigrationKey),
    /// Only the second has it.
    OnlyRight(MigrationKey),
}
