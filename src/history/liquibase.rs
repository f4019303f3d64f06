//! Liquibase's `DATABASECHANGELOG`, and the lock beside it, which a run that broke off leaves held.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, number, text, truth};
use crate::shape::Applied;

pub(super) const READER: Reader = Reader {
    tool: Tool::Liquibase,
    tables: &["DATABASECHANGELOG"],
    columns: &["id", "author", "filename", "dateexecuted", "orderexecuted", "exectype", "md5sum"],
    read,
};

pub(super) const LOCK: Reader = Reader {
    tool: Tool::LiquibaseLock,
    tables: &["DATABASECHANGELOGLOCK"],
    columns: &["id", "locked", "lockgranted", "lockedby"],
    read: lock,
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

fn lock(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut held = Vec::new();
    for row in rows {
        if truth(row, "locked")? {
            held.push(super::held(format!("a run of {} that has not ended holds the lock", text(row, "lockedby"))));
        }
    }
    Ok(held)
}
