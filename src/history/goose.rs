//! goose's `goose_db_version`: a row for each step up, and in its older releases one for each step down. A script without a transaction
//! that broke off leaves no trace in it.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, number, ranked, truth};
use crate::shape::Applied;

pub(super) const READER: Reader =
    Reader { tool: Tool::Goose, tables: &["goose_db_version"], columns: &["id", "version_id", "is_applied", "tstamp"], read };

/// The row with which the table begins.
const NONE_YET: &str = "0";

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, version, up) = (number(row, "id")?, given(row, "version_id")?, truth(row, "is_applied")?);
        if version == NONE_YET {
            continue;
        }
        let step = Applied {
            rank: 0,
            version: Some(version),
            description: String::new(),
            kind: if up { "SQL" } else { "UNDO_SQL" }.to_owned(),
            script: String::new(),
            checksum: None,
            success: true,
        };
        applied.push((id, step));
    }
    applied.sort_by_key(|(id, _)| *id);
    Ok(ranked(in_effect(applied.into_iter().map(|(_, row)| row))))
}

/// What is left when each step down has taken its step up away: then both forms of the table say the same.
fn in_effect(steps: impl Iterator<Item = Applied>) -> Vec<Applied> {
    let mut left: Vec<Applied> = Vec::new();
    for step in steps {
        left.retain(|known| known.version != step.version);
        if step.kind != "UNDO_SQL" {
            left.push(step);
        }
    }
    left
}
