//! The run, written once for every engine: what it looks at, and who else may own the history.
//!
//! Each thing that is asked of it is a file: `apply`, `dry`, `undo`, and `amend` for baselines and repairs. They apply what one
//! look at the history planned, and look again when that is done or somebody else's row came between. `desk` holds what a
//! plan is made of, `pick` and `events` decide which scripts and callbacks are meant.

mod amend;
mod apply;
mod desk;
mod dry;
mod events;
mod foresee;
mod pick;
mod report;
mod rows;
mod stopped;
mod undo;

use super::error::MigrateError;
use super::host::Host;
use super::plan::{self, Entry, Existing, Problem};
use super::scan::Scripts;
use super::version::MigrationVersion;
use super::{Info, PendingScript};
use crate::config::Migrations;
use crate::history::{self, Tool};
pub(super) use amend::{baseline, repair};
pub(super) use apply::apply;
use desk::Desk;
pub(super) use dry::dry_run;
pub(super) use foresee::foresee;
pub use foresee::{Foreseen, Intent};
pub use report::{AppliedScript, DryScript, DryStatement, Report, Selection};
pub use stopped::ApplyError;
pub(super) use undo::undo;

pub(super) async fn info<H: Host>(host: &mut H, settings: &Migrations, scripts: &Scripts) -> Result<Info, MigrateError> {
    let connected = host.connected().await?;
    let unfinished = host.unfinished().await?;
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    let (existing, mut plan) = look(host, &desk).await?;
    plan.problems.extend(desk.unrunnable(&plan)?);
    if desk.going_on(&existing, unfinished).is_some() {
        desk.say_unfinished(&mut plan, &existing, unfinished);
    }
    plan.entries.sort_by_cached_key(place);
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

/// Where an entry is shown: versions in their order, repeatable ones after them.
fn place(entry: &Entry) -> (bool, Option<MigrationVersion>, Option<i64>, String) {
    let version = entry.version.as_deref().and_then(|version| MigrationVersion::parse(version).ok());
    (version.is_none(), version, entry.rank, entry.description.clone())
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
        _ if tool.took_over_from_flyway() => true,
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

/// Runs what is to run at an event.
async fn callbacks<H: Host>(host: &mut H, desk: &Desk<'_>, event: &str) -> Result<(), MigrateError> {
    for script in desk.at(event)? {
        host.aside(&script).await?;
    }
    Ok(())
}
