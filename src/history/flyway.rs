//! Flyway's history table, row by row.
//!
//! Owns the meaning of its columns. Reads every value as text, by lower-cased column name, so that one mapping serves every
//! engine; unknown extra columns are fine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Reader, Tool};
use crate::shape::Applied;

/// The columns without which a table is not Flyway's.
pub const COLUMNS: &[&str] =
    &["installed_rank", "version", "description", "type", "script", "checksum", "installed_by", "execution_time", "success"];

/// A row's values as text, by lower-cased column name.
pub type Texts = BTreeMap<String, Option<String>>;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Row {
    /// Order of application.
    pub rank: i64,
    /// Version as written; none for repeatable migrations.
    pub version: Option<String>,
    /// Description.
    pub description: String,
    /// `SQL`, `BASELINE`, `DELETE`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The script, relative to its location.
    pub script: String,
    /// The checksum.
    pub checksum: Option<i32>,
    /// Who applied it.
    pub installed_by: String,
    /// When, as the database shows it.
    pub installed_on: Option<String>,
    /// How long it took, in milliseconds.
    pub execution_ms: i64,
    /// Whether it went through.
    pub success: bool,
}

/// A value that no row of Flyway's has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} holds `{value}`")]
pub struct NotARow {
    /// The column.
    pub column: &'static str,
    /// Its value, shortened; `nothing` for NULL.
    pub value: String,
}

impl Row {
    /// Reads a row.
    ///
    /// # Errors
    /// When a number or truth value is none, or a column that is never NULL is.
    pub fn read(texts: &Texts) -> Result<Self, NotARow> {
        let text = |column: &'static str| texts.get(column).cloned().flatten();
        let wrong = |column, value: Option<String>| NotARow {
            column,
            value: value.map_or("nothing".to_owned(), |value| value.chars().take(40).collect()),
        };
        let given = |column: &'static str| text(column).ok_or_else(|| wrong(column, None));
        let number = |column: &'static str| {
            let value = given(column)?;
            value.trim().parse::<i64>().map_err(|_| wrong(column, Some(value)))
        };
        let checksum = text("checksum").map(|value| value.trim().parse().map_err(|_| wrong("checksum", Some(value))));
        let success = given("success")?;
        Ok(Self {
            rank: number("installed_rank")?,
            version: text("version"),
            description: text("description").unwrap_or_default(),
            kind: given("type")?,
            script: text("script").unwrap_or_default(),
            checksum: checksum.transpose()?,
            installed_by: text("installed_by").unwrap_or_default(),
            installed_on: text("installed_on"),
            execution_ms: number("execution_time")?,
            success: match success.to_ascii_lowercase().as_str() {
                "t" | "true" | "1" => true,
                "f" | "false" | "0" => false,
                _ => return Err(wrong("success", Some(success))),
            },
        })
    }

    /// Reads all rows of a table, in the order of their ranks.
    ///
    /// # Errors
    /// As [`Row::read`].
    pub fn read_all(texts: &[Texts]) -> Result<Vec<Self>, NotARow> {
        let mut rows = texts.iter().map(Self::read).collect::<Result<Vec<_>, _>>()?;
        rows.sort_by_key(|row| row.rank);
        Ok(rows)
    }
}

pub(super) const READER: Reader = Reader {
    tool: Tool::Flyway,
    tables: &["flyway_schema_history", "schema_version", "DATABASE_CHANGE_LOG"],
    columns: COLUMNS,
    read: |texts| Ok(Row::read_all(texts)?.iter().map(applied).collect()),
};

fn applied(row: &Row) -> Applied {
    Applied {
        rank: row.rank,
        version: row.version.clone(),
        description: row.description.clone(),
        kind: row.kind.clone(),
        script: row.script.clone(),
        checksum: row.checksum.map(|checksum| checksum.to_string()),
        success: row.success,
    }
}

#[cfg(test)]
mod tests;
