//! The run: look, plan, refuse or apply, look again. Written once for every engine.
//!
//! Applies what one look at the history planned, and looks again when that is done or somebody else's row came between.

mod desk;
mod events;
mod pick;

use serde::Serialize;

use super::error::MigrateError;
use super::host::{Amendment, Host, NewRow, Ran};
use super::plan::{self, Existing, Problem, Target};
use super::prepare::{Prepared, Transaction};
use super::scan::Scripts;
use super::version::MigrationVersion;
use super::{Info, PendingScript};
use crate::config::Migrations;
use crate::fault;
use crate::history::{self, Tool};
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

impl Report {
    /// A version took effect; an older one out of order leaves the newest what it was.
    fn note_head(&mut self, version: Option<&MigrationVersion>) {
        let known = self.head.as_deref().and_then(|head| MigrationVersion::parse(head).ok());
        if let Some(version) = version.filter(|version| known.as_ref() < Some(version)) {
            self.head = Some(version.to_string());
        }
    }
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

/// Which of the pending scripts are meant; all when nothing is named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Versions, or descriptions of repeatable scripts.
    pub cherry_pick: Vec<String>,
}

/// What a script would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DryScript {
    /// The event at which it runs, when it is a callback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'static str>,
    /// Its version; none for repeatable ones and callbacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its path relative to its location.
    pub script: String,
    /// Whether it runs in one transaction.
    pub in_transaction: bool,
    /// Its statements, in order.
    pub statements: Vec<DryStatement>,
}

/// One statement of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DryStatement {
    /// The line of the script it begins in.
    pub line: usize,
    /// What would be sent.
    pub sql: String,
    /// How many bytes of rows would follow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_bytes: Option<usize>,
}

pub(super) async fn info<H: Host>(host: &mut H, settings: &Migrations, scripts: &Scripts) -> Result<Info, MigrateError> {
    let connected = host.connected().await?;
    let unfinished = host.unfinished().await?;
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    let (existing, mut plan) = look(host, &desk).await?;
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

/// What is there and what follows from it; another tool's history is a problem.
async fn look<H: Host>(host: &mut H, desk: &Desk<'_>) -> Result<(Existing, plan::Plan), MigrateError> {
    let existing = host.look().await?;
    let mut plan = desk.plan(&existing);
    let owner = owner(host, &existing).await?;
    plan.problems.splice(0..0, owner);
    Ok((existing, plan))
}

/// The tool that keeps this database's history, when it is not Flyway's table that does.
async fn owner<H: Host>(host: &mut H, existing: &Existing) -> Result<Option<Problem>, MigrateError> {
    let ours = host.table();
    let ours = ours.rsplit('.').next().unwrap_or(&ours);
    let found = host.tables_named(&history::names()).await?;
    let others = found.into_iter().filter(|(table, _)| !table.eq_ignore_ascii_case(ours));
    let mut others = others.filter_map(|(table, columns)| Some((history::recognise(&table, &columns)?, table)));
    let owns = |tool: Tool| match tool {
        // Its own history beside Flyway's means that Flyway's is of the past, or half of the whole.
        Tool::OpenMetadata => true,
        Tool::Flyway => false,
        _ => !matches!(existing, Existing::Rows(_)),
    };
    let found = others.find(|(tool, _)| owns(*tool));
    Ok(found.map(|(tool, table)| Problem::Owned { tool: tool.name().to_owned(), table }))
}

/// Refuses what another tool keeps.
async fn refuse_others<H: Host>(host: &mut H, existing: &Existing) -> Result<(), MigrateError> {
    match owner(host, existing).await? {
        Some(problem) => Err(MigrateError::Refused(vec![problem])),
        None => Ok(()),
    }
}

pub(super) async fn apply<H: Host>(
    host: &mut H,
    settings: &Migrations,
    scripts: &Scripts,
    selection: &Selection,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), MigrateError> {
    let connected = host.connected().await?;
    report.table = host.table();
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    host.lock().await?;
    let (existing, mut plan) = look(host, &desk).await?;
    if let Some(going_on) = desk.going_on(&existing, host.unfinished().await?) {
        plan = going_on;
    }
    report.head.clone_from(&plan.head);
    let picked = pick::pick(&mut plan, &desk.resolved, selection, settings.out_of_order);
    // Every pending script is looked at once, so that what can be refused is refused before the first change.
    desk.check(&plan)?;
    callbacks(host, &desk, "beforeValidate").await?;
    callbacks(host, &desk, "afterValidate").await?;
    if !matches!(existing, Existing::Rows(_)) {
        let first = plan.baseline.as_ref().map(|version| baseline_row(1, version, BASELINE_DESCRIPTION));
        host.create_history(first.as_slice()).await?;
        report.baseline = plan.baseline.map(|version| version.to_string());
    }
    callbacks(host, &desk, "beforeMigrate").await?;
    let applied = apply_all(host, &desk, picked.as_deref(), progress, report).await;
    if applied.is_err() {
        // What failed is the error to report, whatever the callbacks for it do.
        callbacks(host, &desk, "afterMigrateError").await.ok();
        return applied;
    }
    if !report.applied.is_empty() {
        callbacks(host, &desk, "afterMigrateApplied").await?;
    }
    callbacks(host, &desk, "afterMigrate").await
}

/// One script after the other, until nothing is pending.
async fn apply_all<H: Host>(
    host: &mut H,
    desk: &Desk<'_>,
    picked: Option<&[usize]>,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), MigrateError> {
    let mut versioned = true;
    loop {
        let existing = host.look().await?;
        let going_on = desk.going_on(&existing, host.unfinished().await?);
        // A script that goes on has its row already: which rank the next one has is looked up.
        let resumes = going_on.is_some();
        let mut plan = going_on.unwrap_or_else(|| desk.plan(&existing));
        report.head.clone_from(&plan.head);
        desk.refuse(&plan)?;
        plan.pending.retain(|index| picked.is_none_or(|picked| picked.contains(index)));
        let Existing::Rows(rows) = &existing else {
            let why = "it was dropped while scripts were applied".to_owned();
            return Err(MigrateError::History { table: host.table(), why });
        };
        if report.applied.len() > desk.resolved.len() {
            let why = "scripts stay pending after they were applied".to_owned();
            return Err(MigrateError::History { table: host.table(), why });
        }
        let done = desk.rules.target == Target::Next && !report.applied.is_empty();
        if plan.pending.is_empty() || done {
            break;
        }
        let one = resumes || desk.rules.target == Target::Next;
        plan.pending.truncate(if one { 1 } else { plan.pending.len() });
        let rank = next_rank(rows);
        apply_planned(host, desk, &plan.pending, rank, &mut versioned, progress, report).await?;
    }
    if versioned { callbacks(host, desk, "afterVersioned").await } else { Ok(()) }
}

/// Applies what is planned, or as much as comes before somebody else's row. Nothing is planned anew between two scripts: the
/// lock is ours, and a host that finds a rank taken says so.
async fn apply_planned<H: Host>(
    host: &mut H,
    desk: &Desk<'_>,
    pending: &[usize],
    first_rank: i32,
    versioned: &mut bool,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), MigrateError> {
    for (&index, rank) in pending.iter().zip(first_rank..) {
        let Some((script, prepared)) = desk.pending(index)? else { return Ok(()) };
        if *versioned && script.version.is_none() {
            *versioned = false;
            callbacks(host, desk, "afterVersioned").await?;
            callbacks(host, desk, "beforeRepeatables").await?;
        }
        let row = script_row(rank, script);
        let name = match &script.version {
            Some(version) => format!("V{version}"),
            None => format!("R__{}", script.description.replace(' ', "_")),
        };
        progress.phase(&format!("migrating {}", script.script), prepared.text.len() as u64);
        fault::point(&format!("migrate.before.{name}"));
        let ran = host.run(&prepared, &row).await;
        if ran.is_err() {
            callbacks(host, desk, "afterEachMigrateError").await.ok();
        }
        let Ran::Applied { execution_ms } = ran? else { return Ok(()) };
        fault::point(&format!("migrate.after.{name}"));
        progress.add(prepared.text.len() as u64, 0);
        report.note_head(script.version.as_ref());
        report.applied.push(AppliedScript {
            version: row.version,
            description: row.description,
            script: row.script,
            execution_ms,
        });
    }
    Ok(())
}

/// Runs what is to run at an event.
async fn callbacks<H: Host>(host: &mut H, desk: &Desk<'_>, event: &str) -> Result<(), MigrateError> {
    for script in desk.at(event)? {
        host.aside(&script).await?;
    }
    Ok(())
}

pub(super) async fn dry_run<H: Host>(
    host: &mut H,
    settings: &Migrations,
    scripts: &Scripts,
    selection: &Selection,
) -> Result<Vec<DryScript>, MigrateError> {
    let connected = host.connected().await?;
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    let (_, mut plan) = look(host, &desk).await?;
    pick::pick(&mut plan, &desk.resolved, selection, settings.out_of_order);
    desk.check(&plan)?;
    let mut would = Vec::new();
    let dry = |script: &Prepared, event, version| DryScript {
        event,
        version,
        script: script.name.clone(),
        in_transaction: script.transaction == Transaction::Ours,
        statements: script
            .pieces
            .iter()
            .map(|piece| DryStatement {
                line: piece.line,
                sql: script.sql(piece).to_owned(),
                rows_bytes: script.rows(piece).map(str::len),
            })
            .collect(),
    };
    for event in ["beforeValidate", "afterValidate", "beforeMigrate"] {
        would.extend(desk.at(event)?.iter().map(|script| dry(script, Some(event), None)));
    }
    let mut versioned = true;
    let count = if desk.rules.target == Target::Next { 1 } else { plan.pending.len() };
    for (resolved, script) in
        plan.pending.iter().take(count).filter_map(|&index| Some((desk.resolved.get(index)?, scripts.scripts.get(index)?)))
    {
        if versioned && resolved.version.is_none() {
            versioned = false;
            for event in ["afterVersioned", "beforeRepeatables"] {
                would.extend(desk.at(event)?.iter().map(|script| dry(script, Some(event), None)));
            }
        }
        let ready = desk.ready(script, "beforeEachMigrate", "afterEachMigrate")?;
        would.extend(ready.before.iter().map(|script| dry(script, Some("beforeEachMigrate"), None)));
        would.push(dry(&ready, None, resolved.version.as_ref().map(ToString::to_string)));
        would.extend(ready.after.iter().map(|script| dry(script, Some("afterEachMigrate"), None)));
    }
    let last = [("afterVersioned", versioned), ("afterMigrateApplied", !plan.pending.is_empty()), ("afterMigrate", true)];
    for (event, _) in last.into_iter().filter(|(_, happens)| *happens) {
        would.extend(desk.at(event)?.iter().map(|script| dry(script, Some(event), None)));
    }
    Ok(would)
}

/// Takes back the newest version, or every version newer than `down_to`. The history gets a row of type `DELETE`, as from
/// Flyway's repair: the free Flyway cannot read a history with a row of its paid edition's `UNDO_SQL`.
pub(super) async fn undo<H: Host>(
    host: &mut H,
    settings: &Migrations,
    scripts: &Scripts,
    down_to: Option<&str>,
    report: &mut Report,
) -> Result<(), MigrateError> {
    let down_to = down_to
        .map(MigrationVersion::parse)
        .transpose()
        .map_err(|source| MigrateError::BadTarget(plan::NotATarget(down_to.unwrap_or_default().to_owned(), source)))?;
    let connected = host.connected().await?;
    report.table = host.table();
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    host.lock().await?;
    let (_, plan) = look(host, &desk).await?;
    desk.refuse(&plan)?;
    let steps = pick::undo_steps(&plan, down_to.as_ref());
    let mut ready = Vec::with_capacity(steps.len());
    for (version, entry) in steps {
        let script = desk
            .undo_of(&version)
            .ok_or_else(|| MigrateError::Refused(vec![Problem::NoUndo { migration: version.to_string() }]))?;
        ready.push((desk.ready(script, "beforeEachUndo", "afterEachUndo")?, script, entry));
    }
    callbacks(host, &desk, "beforeUndo").await?;
    for (prepared, script, entry) in ready {
        let Existing::Rows(rows) = host.look().await? else { break };
        let row = NewRow {
            rank: next_rank(&rows),
            version: entry.version.clone(),
            description: entry.description.clone(),
            kind: "DELETE",
            script: plan::abbreviated_script(&script.file.script),
            checksum: Some(script.checksum),
            execution_ms: 0,
            success: false,
        };
        fault::point("migrate.undo");
        let Ran::Applied { execution_ms } = host.run(&prepared, &row).await? else {
            let why = "another run wrote to it while migrations were being taken back".to_owned();
            return Err(MigrateError::History { table: host.table(), why });
        };
        fault::point("migrate.undone");
        report.applied.push(AppliedScript {
            version: row.version,
            description: row.description,
            script: row.script,
            execution_ms,
        });
    }
    callbacks(host, &desk, "afterUndo").await?;
    report.head = desk.plan(&host.look().await?).head;
    Ok(())
}

pub(super) async fn baseline<H: Host>(
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

pub(super) async fn repair<H: Host>(host: &mut H, settings: &Migrations, scripts: &Scripts) -> Result<Repaired, MigrateError> {
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
