//! What keeps a change from being made, found before anything is done for it.
//!
//! The same looks and the same refusals as the change itself, in the same order, then whether the account may write. Nothing is changed:
//! a table that is tried is never committed.

use super::desk::Desk;
use super::{Selection, look, pick, refuse_others};
use crate::config::Migrations;
use crate::migrate::error::MigrateError;
use crate::migrate::host::Host;
use crate::migrate::plan::{self, Existing, NotATarget, Problem};
use crate::migrate::scan::Scripts;
use crate::migrate::version::MigrationVersion;

/// What is to be changed.
#[derive(Debug, Clone, Copy)]
pub enum Intent<'a> {
    /// Pending scripts are to be applied.
    Apply(&'a Selection),
    /// Versions are to be taken back, down to this one.
    Undo(Option<&'a str>),
    /// A baseline is to be set.
    Baseline(&'a str),
    /// The history is to agree with the scripts.
    Repair,
}

/// What a change will come to, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreseen {
    /// Something is changed.
    Changes,
    /// A row of the history is written, and nothing of the data.
    History,
    /// There is nothing to change.
    Nothing,
}

pub(in crate::migrate) async fn foresee<H: Host>(
    host: &mut H,
    settings: &Migrations,
    scripts: &Scripts,
    intent: &Intent<'_>,
) -> Result<Foreseen, MigrateError> {
    let connected = host.connected().await?;
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    let changes = match intent {
        Intent::Apply(selection) => applies(host, &desk, settings, selection).await?,
        Intent::Undo(down_to) => undoes(host, &desk, *down_to).await?,
        Intent::Baseline(version) => baselines(host, version).await?,
        Intent::Repair => repairs(host, &desk).await?,
    };
    // A callback may write whatever it likes.
    let called = calls(scripts, intent);
    if !changes && !called {
        return Ok(Foreseen::Nothing);
    }
    host.may_write().await?;
    Ok(if matches!(intent, Intent::Baseline(_)) && !called { Foreseen::History } else { Foreseen::Changes })
}

/// Whether a callback may run. Around a repair or a baseline only its own do.
fn calls(scripts: &Scripts, intent: &Intent<'_>) -> bool {
    let events: &[&str] = match intent {
        Intent::Repair => &["beforeRepair", "afterRepair"],
        Intent::Baseline(_) => &["beforeBaseline", "afterBaseline"],
        Intent::Apply(_) | Intent::Undo(_) => return !scripts.callbacks.is_empty(),
    };
    scripts.callbacks.iter().any(|callback| events.contains(&callback.event))
}

async fn applies<H: Host>(
    host: &mut H,
    desk: &Desk<'_>,
    settings: &Migrations,
    selection: &Selection,
) -> Result<bool, MigrateError> {
    let (existing, mut plan) = look(host, desk).await?;
    if let Some(going_on) = desk.going_on(&existing, host.unfinished().await?) {
        plan = going_on;
    }
    pick::pick(&mut plan, &desk.resolved, selection, settings.out_of_order);
    desk.check(&plan)?;
    Ok(!plan.pending.is_empty() || !matches!(existing, Existing::Rows(_)))
}

async fn undoes<H: Host>(host: &mut H, desk: &Desk<'_>, down_to: Option<&str>) -> Result<bool, MigrateError> {
    let version = down_to.map(MigrationVersion::parse).transpose();
    let version =
        version.map_err(|source| MigrateError::BadTarget(NotATarget(down_to.unwrap_or_default().to_owned(), source)))?;
    let (_, plan) = look(host, desk).await?;
    desk.refuse(&plan)?;
    let steps = pick::undo_steps(&plan, version.as_ref());
    for (version, _) in &steps {
        let script = desk
            .undo_of(version)
            .ok_or_else(|| MigrateError::Refused(vec![Problem::NoUndo { migration: version.to_string() }]))?;
        desk.ready(script, "beforeEachUndo", "afterEachUndo")?;
    }
    Ok(!steps.is_empty())
}

async fn baselines<H: Host>(host: &mut H, version: &str) -> Result<bool, MigrateError> {
    let version = MigrationVersion::parse(version)
        .map_err(|source| MigrateError::BadBaseline { what: format!("version `{version}`"), source })?;
    let existing = host.look().await?;
    refuse_others(host, &existing).await?;
    let Existing::Rows(rows) = existing else { return Ok(true) };
    if rows.iter().all(|row| row.kind == "SCHEMA") {
        return Ok(true);
    }
    let same = |text: &str| MigrationVersion::parse(text).is_ok_and(|known| known == version);
    let there = rows.iter().any(|row| row.kind == "BASELINE" && row.version.as_deref().is_some_and(same));
    if there { Ok(false) } else { Err(MigrateError::Baselined { table: host.table(), rows: rows.len() }) }
}

async fn repairs<H: Host>(host: &mut H, desk: &Desk<'_>) -> Result<bool, MigrateError> {
    let existing = host.look().await?;
    refuse_others(host, &existing).await?;
    let Existing::Rows(rows) = existing else { return Ok(false) };
    let (amendments, _) = plan::repair::repair(&rows, &desk.resolved, &desk.rules.ignore);
    Ok(!amendments.is_empty())
}
