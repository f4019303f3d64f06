//! OpenMetadata's own history: `SERVER_CHANGE_LOG`, and the statements in `SERVER_MIGRATION_SQL_LOGS`.
//!
//! Three forms since 1.1: without and with `metrics`, and since 2.1 with `migrationType` and `status`. Its checksum is drawn
//! at random for each run, so it is left out: two databases of one version must compare as equal.

use std::cmp::Ordering;

use super::flyway::{NotARow, Texts};
use super::{Reader, Stands, Tool, given, number, ranked, text};
use crate::shape::{Applied, Shape};
use crate::version::Version;

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

/// Flyway's table in OpenMetadata, and the script that every one of its databases began with.
const FLYWAY: &str = "DATABASE_CHANGE_LOG";
const FIRST_SCRIPT: &str = "create_db_connection_info";

/// How an OpenMetadata database stands to a release. Its versions are those of releases, and each minor release has migrations; a patch
/// release may have none, or bring those of the next, so only the first two numbers tell.
pub(super) fn stands(shape: &Shape, release: &Version) -> Stands {
    let minor = |version: &str| -> Option<(u64, u64)> {
        let mut parts = version.split(['.', '-', '+', '~']).map_while(|part| part.parse().ok());
        Some((parts.next()?, parts.next()?))
    };
    let Some(wanted) = minor(release.as_str()) else { return Stands::Silent };
    let own = shape.histories.iter().find(|history| history.tool == Tool::OpenMetadata.name() && !history.applied.is_empty());
    if let Some(own) = own {
        let Some((head, found)) = own.head().and_then(|head| Some((head, minor(head)?))) else { return Stands::Silent };
        return match found.cmp(&wanted) {
            Ordering::Less => Stands::Older(format!("all after {head} up to {release}")),
            Ordering::Greater => Stands::Newer(head.to_owned()),
            Ordering::Equal => Stands::Same,
        };
    }
    // Since 1.1 every OpenMetadata keeps a history of its own.
    let named = |table: &str| table.rsplit('.').next().is_some_and(|name| name.eq_ignore_ascii_case(FLYWAY));
    let flyway = shape.histories.iter().find(|history| named(&history.table) && !history.applied.is_empty());
    match flyway {
        Some(flyway) if wanted >= (1, 1) => {
            let head = flyway.head().unwrap_or("its beginning");
            if flyway.applied.iter().any(|row| row.script.contains(FIRST_SCRIPT)) {
                Stands::Older(format!("all after {head} up to {release}"))
            } else {
                Stands::Unclear(format!(
                    "the database is at {head} of {}, which does not say whether release {release} has more",
                    flyway.table
                ))
            }
        }
        _ => Stands::Silent,
    }
}

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
