//! Alembic's `alembic_version`: the revisions the database stands at; several when branches were not merged.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, ranked};
use crate::shape::Applied;

pub(super) const READER: Reader = Reader { tool: Tool::Alembic, tables: &["alembic_version"], columns: &["version_num"], read };

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut revisions = rows.iter().map(|row| given(row, "version_num")).collect::<Result<Vec<_>, _>>()?;
    // Revisions have no order of their own.
    revisions.sort();
    let applied = revisions.into_iter().map(|revision| Applied {
        rank: 0,
        version: Some(revision),
        description: String::new(),
        kind: "SQL".to_owned(),
        script: String::new(),
        checksum: None,
        success: true,
    });
    Ok(ranked(applied.collect()))
}
