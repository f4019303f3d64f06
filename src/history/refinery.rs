//! refinery's `refinery_schema_history`, which is written only when a migration has ended.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, number, ranked, text};
use crate::shape::Applied;

pub(super) const READER: Reader = Reader {
    tool: Tool::Refinery,
    tables: &["refinery_schema_history"],
    columns: &["version", "name", "applied_on", "checksum"],
    read,
};

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        let version = number(row, "version")?;
        applied.push(Applied {
            rank: version,
            version: Some(version.to_string()),
            description: text(row, "name"),
            kind: "SQL".to_owned(),
            script: String::new(),
            checksum: Some(text(row, "checksum")),
            success: true,
        });
    }
    applied.sort_by_key(|row| row.rank);
    Ok(ranked(applied))
}
