//! Applying: look, plan, refuse or run one script after the other, look again.

use super::desk::Desk;
use super::report::{AppliedScript, Report, Selection};
use super::rows::{BASELINE_DESCRIPTION, baseline_row, next_rank, script_row};
use super::{callbacks, look, pick};
use crate::config::Migrations;
use crate::fault;
use crate::migrate::error::MigrateError;
use crate::migrate::host::{Host, Ran};
use crate::migrate::plan::{Existing, Target};
use crate::migrate::scan::Scripts;
use crate::progress::Progress;

pub(in crate::migrate) async fn apply<H: Host>(
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
