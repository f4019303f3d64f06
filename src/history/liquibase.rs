//! Liquibase's `DATABASECHANGELOG`. The lock beside it is no part of it: it is held whenever a server that works as it should migrates.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, number, text};
use crate::shape::Applied;

pub(super) const READER: Reader = Reader {
    tool: Tool::Liquibase,
    tables: &["DATABASECHANGELOG"],
    columns: &["id", "author", "filename", "dateexecuted", "orderexecuted", "exectype", "md5sum"],
    read,
};

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        let kind = given(row, "exectype")?;
        applied.push(Applied {
            rank: number(row, "orderexecuted")?,
            version: Some(given(row, "id")?),
            description: format!("{}: {}", text(row, "author"), text(row, "description")),
            success: matches!(kind.as_str(), "EXECUTED" | "RERAN" | "MARK_RAN"),
            kind,
            script: text(row, "filename"),
            checksum: row.get("md5sum").cloned().flatten(),
        });
    }
    applied.sort_by_key(|row| row.rank);
    Ok(applied)
}
