//! Django's `django_migrations`: the migrations of every application of a project, each of which counts for itself.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, number};
use crate::shape::Applied;

pub(super) const READER: Reader =
    Reader { tool: Tool::Django, tables: &["django_migrations"], columns: &["id", "app", "name", "applied"], read };

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        applied.push(Applied {
            rank: number(row, "id")?,
            version: Some(format!("{}.{}", given(row, "app")?, given(row, "name")?)),
            description: String::new(),
            kind: "SQL".to_owned(),
            script: String::new(),
            checksum: None,
            success: true,
        });
    }
    applied.sort_by_key(|row| row.rank);
    // Numbers leave gaps where migrations were taken back; two databases at one state must compare as equal.
    Ok(super::ranked(applied))
}
