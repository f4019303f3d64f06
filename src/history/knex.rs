//! Knex's `knex_migrations`, and the lock beside it, which a run that broke off leaves held.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, number, ranked, truth};
use crate::shape::Applied;

pub(super) const READER: Reader =
    Reader { tool: Tool::Knex, tables: &["knex_migrations"], columns: &["id", "name", "batch", "migration_time"], read };

pub(super) const LOCK: Reader =
    Reader { tool: Tool::KnexLock, tables: &["knex_migrations_lock"], columns: &["index", "is_locked"], read: lock };

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

fn lock(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let held = rows.iter().map(|row| truth(row, "is_locked")).collect::<Result<Vec<_>, _>>()?;
    Ok(held
        .into_iter()
        .filter(|held| *held)
        .map(|_| super::held("a run that has not ended holds the lock".to_owned()))
        .collect())
}
