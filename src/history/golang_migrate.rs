//! golang-migrate's `schema_migrations`: one row, the newest version, and whether its migration broke off.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, ranked, truth};
use crate::shape::Applied;

pub(super) const READER: Reader =
    Reader { tool: Tool::GolangMigrate, tables: &["schema_migrations"], columns: &["version", "dirty"], read };

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        applied.push(Applied {
            rank: 0,
            version: Some(given(row, "version")?),
            description: String::new(),
            kind: "SQL".to_owned(),
            script: String::new(),
            checksum: None,
            success: !truth(row, "dirty")?,
        });
    }
    Ok(ranked(applied))
}
