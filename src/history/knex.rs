//! Knex's `knex_migrations`. The lock beside it is no part of it: it is held whenever a server that works as it should migrates.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, number, ranked};
use crate::shape::Applied;

pub(super) const READER: Reader =
    Reader { tool: Tool::Knex, tables: &["knex_migrations"], columns: &["id", "name", "batch", "migration_time"], read };

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        applied.push(Applied {
            rank: number(row, "id")?,
            version: Some(given(row, "name")?),
            description: String::new(),
            kind: "SQL".to_owned(),
            script: String::new(),
            checksum: None,
            success: true,
        });
    }
    applied.sort_by_key(|row| row.rank);
    Ok(ranked(applied))
}
