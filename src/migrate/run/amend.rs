//! What changes the history and runs no script: a baseline, a repair.

use super::desk::Desk;
use super::rows::{BASELINE_DESCRIPTION, baseline_row, next_rank};
use super::{callbacks, refuse_others};
use crate::config::Migrations;
use crate::fault;
use crate::migrate::error::MigrateError;
use crate::migrate::host::{Amendment, Host};
use crate::migrate::plan::{self, Existing, Repaired};
use crate::migrate::scan::Scripts;
use crate::migrate::version::MigrationVersion;

pub(in crate::migrate) async fn baseline<H: Host>(
    host: &mut H,
    settings: &Migrations,
    scripts: &Scripts,
    version: &str,
    description: Option<&str>,
) -> Result<(), MigrateError> {
    let version = MigrationVersion::parse(version)
        .map_err(|source| MigrateError::BadBaseline { what: format!("version `{version}`"), source })?;
    let description = description.unwrap_or(BASELINE_DESCRIPTION);
    let connected = host.connected().await?;
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    host.lock().await?;
    let existing = host.look().await?;
    refuse_others(host, &existing).await?;
    callbacks(host, &desk, "beforeBaseline").await?;
    match existing {
        Existing::Nothing | Existing::NoHistory => host.create_history(&[baseline_row(1, &version, description)]).await,
        Existing::Rows(rows) if rows.iter().all(|row| row.kind == "SCHEMA") => {
            host.amend(&[Amendment::Add(baseline_row(next_rank(&rows), &version, description))]).await
        }
        Existing::Rows(rows) => {
            let same = |text: &str| MigrationVersion::parse(text).is_ok_and(|known| known == version);
            let there = |row: &&crate::history::flyway::Row| row.kind == "BASELINE" && row.version.as_deref().is_some_and(same);
            match rows.iter().find(there) {
                Some(_) => Ok(()),
                None => Err(MigrateError::Baselined { table: host.table(), rows: rows.len() }),
            }
        }
    }?;
    callbacks(host, &desk, "afterBaseline").await
}

pub(in crate::migrate) async fn repair<H: Host>(
    host: &mut H,
    settings: &Migrations,
    scripts: &Scripts,
) -> Result<Repaired, MigrateError> {
    let connected = host.connected().await?;
    host.lock().await?;
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    let existing = host.look().await?;
    refuse_others(host, &existing).await?;
    let Existing::Rows(rows) = existing else { return Ok(Repaired::default()) };
    callbacks(host, &desk, "beforeRepair").await?;
    let (amendments, repaired) = plan::repair::repair(&rows, &desk.resolved, &desk.rules.ignore);
    if !amendments.is_empty() {
        fault::point("migrate.repair");
        host.amend(&amendments).await?;
        fault::point("migrate.repaired");
    }
    callbacks(host, &desk, "afterRepair").await?;
    Ok(repaired)
}
