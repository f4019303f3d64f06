//! OpenMetadata's own history: `SERVER_CHANGE_LOG`, and the statements in `SERVER_MIGRATION_SQL_LOGS`.
//!
//! Three forms since 1.1: without and with `metrics`, and since 2.1 with `migrationType` and `status`. Its checksum is drawn
//! at random for each run, so it is left out: two databases of one version must compare as equal.

use super::flyway::{NotARow, Texts};
use super::{Reader, Tool, given, number, ranked, text};
use crate::shape::Applied;

pub(super) const CHANGES: Reader = Reader {
    tool: Tool::OpenMetadata,
    tables: &["SERVER_CHANGE_LOG"],
    columns: &["installed_rank", "version", "migrationfilename", "checksum", "installed_on"],
    read: changes,
};

pub(super) const STATEMENTS: Reader = Reader {
    tool: Tool::OpenMetadataStatements,
    tables: &["SERVER_MIGRATION_SQL_LOGS"],
    columns: &["version", "sqlstatement", "checksum", "executedat"],
    read: statements,
};

fn changes(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        let (kind, status) = (text(row, "migrationtype"), text(row, "status"));
        // The directory of the installation that ran it; only its last part is the migration's.
        let path = text(row, "migrationfilename");
        let script = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default().to_owned();
        applied.push(Applied {
            rank: number(row, "installed_rank")?,
            version: Some(given(row, "version")?),
            description: String::new(),
            kind: if kind.is_empty() { "NATIVE".to_owned() } else { kind },
            script,
            checksum: None,
            // Before 2.1 a row was written only when the migration had ended.
            success: status.is_empty() || status.eq_ignore_ascii_case("COMPLETED"),
        });
    }
    applied.sort_by_key(|row| row.rank);
    Ok(applied)
}

fn statements(rows: &[Texts]) -> Result<Vec<Applied>, NotARow> {
    let mut logged = Vec::with_capacity(rows.len());
    for row in rows {
        let statement = text(row, "sqlstatement");
        let first = statement.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let applied = Applied {
            rank: 0,
            version: Some(given(row, "version")?),
            description: first.chars().take(80).collect(),
            kind: "STATEMENT".to_owned(),
            script: String::new(),
            checksum: Some(given(row, "checksum")?),
            success: true,
        };
        logged.push((text(row, "executedat"), applied));
    }
    logged.sort_by(|a, b| (&a.0, &a.1.version, &a.1.checksum).cmp(&(&b.0, &b.1.version, &b.1.checksum)));
    Ok(ranked(logged.into_iter().map(|(_, row)| row).collect()))
}
