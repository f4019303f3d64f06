//! sqlx's `_sqlx_migrations`.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, number, text, truth};
use crate::shape::Applied;

pub(super) const READER: Reader = Reader {
    tool: Tool::Sqlx,
    tables: &["_sqlx_migrations"],
    columns: &["version", "description", "checksum", "success"],
    read,
};

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        // Versions are moments, and the order of application.
        let rank = number(row, "version")?;
        applied.push(Applied {
            rank,
            version: Some(rank.to_string()),
            description: text(row, "description"),
            kind: "SQL".to_owned(),
            script: String::new(),
            checksum: row.get("checksum").cloned().flatten().map(|sum| sum.trim_start_matches("\\x").to_lowercase()),
            success: truth(row, "success")?,
        });
    }
    applied.sort_by_key(|row| row.rank);
    Ok(applied)
}
