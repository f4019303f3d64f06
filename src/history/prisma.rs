//! Prisma's `_prisma_migrations`: one row for each attempt. One that has not ended stands in the way of every later one; one that a person
//! said is rolled back (`prisma migrate resolve`) counts as never made.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, ranked, text};
use crate::shape::Applied;

pub(super) const READER: Reader = Reader {
    tool: Tool::Prisma,
    tables: &["_prisma_migrations"],
    columns: &["id", "checksum", "finished_at", "migration_name", "rolled_back_at", "started_at", "applied_steps_count"],
    read,
};

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let stands = |row: &&Texts| text(row, "rolled_back_at").is_empty();
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows.iter().filter(stands) {
        let migration = Applied {
            rank: 0,
            version: Some(given(row, "migration_name")?),
            description: String::new(),
            kind: "SQL".to_owned(),
            script: String::new(),
            checksum: Some(text(row, "checksum")),
            success: !text(row, "finished_at").is_empty(),
        };
        applied.push((text(row, "started_at"), migration));
    }
    applied.sort_by(|a, b| (&a.0, &a.1.version).cmp(&(&b.0, &b.1.version)));
    Ok(ranked(applied.into_iter().map(|(_, row)| row).collect()))
}
