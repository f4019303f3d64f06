//! Rails's `schema_migrations`: the versions applied, and nothing else. dbmate and Ecto keep theirs so as well.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, by_number, given, ranked};
use crate::shape::Applied;

pub(super) const READER: Reader = Reader { tool: Tool::Rails, tables: &["schema_migrations"], columns: &["version"], read };

fn read(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut versions = rows.iter().map(|row| given(row, "version")).collect::<Result<Vec<_>, _>>()?;
    versions.sort_by_key(|version| by_number(version));
    let applied = versions.into_iter().map(|version| Applied {
        rank: 0,
        version: Some(version),
        description: String::new(),
        kind: "SQL".to_owned(),
        script: String::new(),
        checksum: None,
        success: true,
    });
    Ok(ranked(applied.collect()))
}
