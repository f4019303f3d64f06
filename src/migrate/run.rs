//! The run: look, plan, refuse or apply, look again. Written once for every engine.
//!
//! Never remembers what it applied: after each script the history is read and planned again.

mod desk;

use serde::Serialize;

use super::error::MigrateError;
use super::host::{Amendment, Host, NewRow, Ran};
use super::plan::{self, Existing};
use super::scan::Scripts;
use super::version::MigrationVersion;
use super::{Info, PendingScript};
use crate::config::Migrations;
use crate::fault;
use crate::progress::Progress;
use desk::Desk;

/// Flyway's `baselineDescription`.
const BASELINE_DESCRIPTION: &str = "<< Flyway Baseline >>";

/// What a run applied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The history table, qualified.
    pub table: String,
    /// The baseline that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The scripts applied, in order.
    pub applied: Vec<AppliedScript>,
    /// The newest version in effect at the end.
    pub head: Option<String>,
}

/// One script applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppliedScript {
    /// Its version; none for repeatable ones.
    pub version: Option<String>,
    /// Its description.
    pub description: String,
    /// Its path relative to its location.
    pub script: String,
    /// How long it took, in milliseconds.
    pub execution_ms: i32,
}

/// What a repair changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Repaired {
    /// Failed rows removed, by script.
    pub removed: Vec<String>,
    /// Migrations noted as deleted because the release does not have them.
    pub deleted: Vec<String>,
    /// Rows that took over a script's checksum, description or type, by script.
    pub aligned: Vec<String>,
}

pub(super) async fn info<H: Host>(host: &mut H, settings: &Migrations, scripts: &Scripts) -> Result<Info, MigrateError> {
    let connected = host.connected().await?;
    let existing = host.look().await?;
    let unfinished = host.unfinished().await?;
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    let mut plan = desk.plan(&existing);
    plan.problems.extend(desk.unrunnable(&plan)?);
    if desk.going_on(&existing, unfinished).is_some() {
        desk.say_unfinished(&mut plan, &existing, unfinished);
    }
    let pending = plan.pending.iter().filter_map(|&index| desk.resolved.get(index)).map(|script| PendingScript {
        version: script.version.as_ref().map(ToString::to_string),
        description: script.description.clone(),
        script: script.script.clone(),
    });
    Ok(Info {
        table: host.table(),
        exists: matches!(existing, Existing::Rows(_)),
        head: plan.head.clone(),
        pending: pending.collect(),
        entries: plan.entries,
        ahead: plan.ahead,
        problems: plan.problems,
        baseline: plan.baseline.map(|version| version.to_string()),
        left_alone: scripts.left_alone.clone(),
    })
}

pub(super) async fn apply<H: Host>(
    host: &mut H,
    settings: &Migrations,
    scripts: &Scripts,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), MigrateError> {
    let connected = host.connected().await?;
    report.table = host.table();
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    host.lock().await?;
    let mut looked = false;
    loop {
        let existing = host.look().await?;
        let going_on = desk.going_on(&existing, host.unfinished().await?);
        let plan = going_on.unwrap_or_else(|| desk.plan(&existing));
        report.head.clone_from(&plan.head);
        // Every pending script is looked at once, so that what can be refused is refused before the first change.
        if looked {
            desk.refuse(&plan)?
        } else {
            desk.check(&plan)?
        }
        looked = true;
        let Existing::Rows(rows) = &existing else {
            let first = plan.baseline.as_ref().map(|version| baseline_row(1, version, BASELINE_DESCRIPTION));
            host.create_history(first.as_slice()).await?;
            report.baseline = plan.baseline.map(|version| version.to_string());
            continue;
        };
        if report.applied.len() > scripts.scripts.len() {
            let why = "scripts stay pending after they were applied".to_owned();
            return Err(MigrateError::History { table: host.table(), why });
        }
        let Some((script, prepared)) = desk.next(&plan)? else { return Ok(()) };
        let rank = next_rank(rows);
        let row = script_row(rank, script);
        let name = match &script.version {
            Some(version) => format!("V{version}"),
            None => format!("R__{}", script.description.replace(' ', "_")),
        };
        progress.phase(&format!("migrating {}", script.script), prepared.text.len() as u64);
        fault::point(&format!("migrate.before.{name}"));
        let Ran::Applied { execution_ms } = host.run(&prepared, &row).await? else { continue };
        fault::point(&format!("migrate.after.{name}"));
        progress.add(prepared.text.len() as u64, 0);
        report.applied.push(AppliedScript {
            version: row.version,
            description: row.description,
            script: row.script,
            execution_ms,
        });
    }
}

pub(super) async fn baseline<H: Host>(host: &mut H, version: &str, description: Option<&str>) -> Result<(), MigrateError> {
    let version = MigrationVersion::parse(version)
        .map_err(|source| MigrateError::BadBaseline { what: format!("version `{version}`"), source })?;
    let description = description.unwrap_or(BASELINE_DESCRIPTION);
    host.connected().await?;
    host.lock().await?;
    match host.look().await? {
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
    }
}

pub(super) async fn repair<H: Host>(host: &mut H, settings: &Migrations, scripts: &Scripts) -> Result<Repaired, MigrateError> {
    let connected = host.connected().await?;
    host.lock().await?;
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    let Existing::Rows(rows) = host.look().await? else { return Ok(Repaired::default()) };
    let (amendments, repaired) = plan::repair::repair(&rows, &desk.resolved);
    if !amendments.is_empty() {
        fault::point("migrate.repair");
        host.amend(&amendments).await?;
        fault::point("migrate.repaired");
    }
    Ok(repaired)
}

/// One more than the last; the first is 1. A rank is never used again.
fn next_rank(rows: &[crate::history::flyway::Row]) -> i32 {
    let last = rows.iter().map(|row| row.rank).max().unwrap_or(0);
    i32::try_from(last.saturating_add(1)).unwrap_or(i32::MAX)
}

fn baseline_row(rank: i32, version: &MigrationVersion, description: &str) -> NewRow {
    NewRow {
        rank,
        version: Some(version.to_string()),
        description: plan::abbreviated_description(description),
        kind: "BASELINE",
        script: plan::abbreviated_script(description),
        checksum: None,
        execution_ms: 0,
        success: true,
    }
}

fn script_row(rank: i32, script: &plan::Resolved) -> NewRow {
    NewRow {
        rank,
        version: script.version.as_ref().map(ToString::to_string),
        description: plan::abbreviated_description(&script.description),
        kind: plan::type_of(script.kind),
        script: plan::abbreviated_script(&script.script),
        checksum: Some(script.checksum),
        execution_ms: 0,
        success: false,
    }
}
