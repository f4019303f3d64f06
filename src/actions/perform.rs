//! Carrying an action out: the one place that knows which work does what.
//!
//! Owns the turn from an [`Action`] to calls of the work below and from their answers to JSON. Decides nothing about when;
//! the daemon's lanes and the command line's lock see to it that nothing else works on the target meanwhile.

mod migrations;
mod moves;
mod restores;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Action;
use crate::archive::manifest::{Kind, ReleaseNote};
use crate::backup::{self, BackupRequest};
use crate::config::Target;
use crate::context::Context;
use crate::control::api::HoldStatus;
use crate::count::many;
use crate::expire::{self, PruneMode};
use crate::failure::{Chain, Class, Failure};
use crate::ids::{Label, TargetName};
use crate::progress::Progress;
use crate::release;
use crate::restore;
use crate::state_db::catalogue::{self, Entry};
use crate::store;
use crate::upgrade;
use crate::verify;

pub use moves::{gate, gate_answer};

/// On whose behalf something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person asked.
    Person,
    /// The daemon, by schedule or because it saw something.
    Daemon,
    /// The gate: the server is down and waits.
    Gate,
}

/// Why an archive is pinned when nobody said why.
const PINNED: &str = "pinned by an operator";

/// Performs what a person asked for.
///
/// # Errors
/// When the work fails; the failure names the target.
pub async fn perform(ctx: &Context, action: &Action, progress: &Progress, stop: &CancellationToken) -> Result<Value, Failure> {
    perform_by(ctx, action, By::Person, progress, stop).await
}

/// Performs an action on somebody's behalf.
///
/// # Errors
/// As [`perform`].
pub async fn perform_by(
    ctx: &Context,
    action: &Action,
    by: By,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Value, Failure> {
    let done = Box::pin(dispatch(ctx, action, by, progress, stop)).await;
    done.map_err(|failure| match (action.target(), &failure.target) {
        (Some(target), None) => failure.on(target),
        _ => failure,
    })
}

async fn dispatch(
    ctx: &Context,
    action: &Action,
    by: By,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Value, Failure> {
    match action {
        Action::Backup { target: name, note, pin, scheduled_for } => {
            let kind = if scheduled_for.is_some() { Kind::Scheduled } else { Kind::Manual };
            archive(ctx, target(ctx, name)?, kind, note.clone(), pin.clone(), progress).await
        }
        Action::Verify { label: Some(label), .. } => value(&verify::verify(ctx, &entry(ctx, label).await?, progress).await?),
        Action::Verify { label: None, target: name } => verify_all(ctx, name.as_ref(), progress, stop).await,
        Action::Restore { target: name, .. } => restores::restore(ctx, target(ctx, name)?, action, progress).await,
        Action::Plan { target: name } => moves::plan(ctx, target(ctx, name)?).await,
        Action::Upgrade { target: name, settle } => moves::upgrade(ctx, target(ctx, name)?, *settle, by, progress, stop).await,
        Action::Rollback { target: name } => moves::rollback(ctx, target(ctx, name)?, progress, stop).await,
        Action::Hold { target: name, until, reason, who } => {
            hold(ctx, target(ctx, name)?, *until, reason.as_deref(), who.as_deref()).await
        }
        Action::ReleaseHold { target: name } => {
            let released = upgrade::release_hold(ctx, &target(ctx, name)?.name).await?;
            Ok(json!({ "released": released }))
        }
        Action::Migrate { target: name, verb, ask } => {
            Box::pin(migrations::migrate(ctx, target(ctx, name)?, *verb, ask, progress)).await
        }
        Action::Prune { target: name, dry_run } => {
            let mode = if *dry_run { PruneMode::DryRun } else { PruneMode::Apply };
            value(&expire::prune(ctx, target(ctx, name)?, mode, progress).await?)
        }
        Action::Pin { label, reason } => {
            let reason = reason.as_deref().unwrap_or(PINNED);
            value(&store::pin(&ctx.state, &entry(ctx, label).await?, reason, ctx.clock.now()).await?)
        }
        Action::Unpin { label } => unpin(ctx, &entry(ctx, label).await?).await,
        Action::Gate { target: name } => moves::look_at_gate(ctx, target(ctx, name)?).await,
    }
}

/// A configured target.
///
/// # Errors
/// When there is none of that name.
pub fn target<'a>(ctx: &'a Context, name: &TargetName) -> Result<&'a Target, Failure> {
    ctx.config.targets.get(name).ok_or_else(|| {
        let names: Vec<&str> = ctx.config.targets.keys().map(TargetName::as_str).collect();
        Failure::new(Class::NoInput, format!("there is no target `{name}`")).hint(format!("configured: {}", names.join(", ")))
    })
}

async fn entry(ctx: &Context, label: &Label) -> Result<Entry, Failure> {
    catalogue::find(&ctx.state, label).await?.ok_or_else(|| {
        Failure::new(Class::NoInput, format!("there is no archive `{label}`")).hint("see what there is: `upkeep list`")
    })
}

fn value(answer: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| Failure::new(Class::Software, format!("cannot write an answer: {error}")))
}

async fn unpin(ctx: &Context, entry: &Entry) -> Result<Value, Failure> {
    if let Some(id) = upgrade::needs(&ctx.state, &entry.target, &entry.label).await? {
        let what = format!("archive {} is the way back of upgrade {id}, which has not ended", entry.label);
        let failure = Failure::new(Class::TempFail, what).safe("it stays pinned");
        return Err(failure.hint(format!("see what the upgrade needs: `upkeep status {}`", entry.target)));
    }
    value(&store::unpin(&ctx.state, entry).await?)
}

async fn archive(
    ctx: &Context,
    target: &Target,
    kind: Kind,
    note: Option<String>,
    pin: Option<String>,
    progress: &Progress,
) -> Result<Value, Failure> {
    refuse_half_restored(ctx, target)?;
    let release = release_of_the_data(ctx, target).await?;
    let request = BackupRequest { kind, note, pin, release };
    let entry = Box::pin(backup::backup(ctx, target, &request, progress)).await?;
    // The release that serves now is where an upgrade goes back to: it is remembered also where no daemon ever ran. What
    // cannot be remembered takes nothing from the archive.
    if let Err(error) = Box::pin(remember(ctx, target)).await {
        tracing::warn!(target = %target.name, reason = %Chain(&error), "the installed release could not be remembered");
    }
    value(&entry)
}

/// What a restore left half-way is nobody's data. An archive of it would read back whole, count as the last good one and, in time,
/// have retention delete those that are.
fn refuse_half_restored(ctx: &Context, target: &Target) -> Result<(), Failure> {
    let mark = restore::unfinished(&ctx.config.daemon.state_dir, &target.name)?;
    let Some(mark) = mark.filter(restore::Unfinished::half_way) else { return Ok(()) };
    let what = format!("the restore of {} into the database of target {} stopped half-way", mark.label, target.name);
    let failure = Failure::new(Class::Data, what).safe("no archive was made of it, and earlier ones are untouched");
    Err(failure.hint(format!("end it first: `upkeep restore {} {}`", target.name, mark.label)))
}

/// The release that the data belongs to: the last good one, also while a newer one lies on the disk and its upgrade is still
/// to come; before any was remembered, the installed one.
async fn release_of_the_data(ctx: &Context, target: &Target) -> Result<Option<ReleaseNote>, Failure> {
    let installed = installed(target).await;
    let good = upgrade::good_version(&ctx.state, &target.name).await?;
    Ok(match (installed, good) {
        (Some(installed), Some(good)) if installed.version != good => {
            Some(ReleaseNote { version: good, probe: "last good release".to_owned() })
        }
        (Some(installed), _) => Some(ReleaseNote { version: installed.version, probe: installed.probe }),
        (None, good) => good.map(|version| ReleaseNote { version, probe: "last good release".to_owned() }),
    })
}

async fn remember(ctx: &Context, target: &Target) -> Result<(), upgrade::UpgradeError> {
    let seen = upgrade::observe(ctx, target).await?;
    upgrade::remember_release(ctx, target, &seen).await
}

/// The installed release. A release that cannot be read keeps nobody from a backup: status says what is wrong with it.
async fn installed(target: &Target) -> Option<release::Installed> {
    match &target.release {
        Some(release) => release::read(release).await.ok(),
        None => None,
    }
}

async fn verify_all(
    ctx: &Context,
    only: Option<&TargetName>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Value, Failure> {
    if let Some(name) = only {
        target(ctx, name)?;
    }
    let (mut whole, mut bad) = (Vec::new(), Vec::new());
    for known in catalogue::list(&ctx.state, only).await? {
        if stop.is_cancelled() {
            return Err(
                Failure::new(Class::TempFail, "stopped before every archive was read").hint("run `upkeep verify` again")
            );
        }
        match verify::verify(ctx, &known, progress).await {
            Ok(entry) => whole.push(entry),
            // Retention let it go since we made the list.
            Err(_) if catalogue::find(&ctx.state, &known.label).await?.is_none() => {}
            Err(error) => bad.push(Failure::of(&error)),
        }
    }
    let Some(first) = bad.first() else { return Ok(json!({ "verified": whole.len(), "archives": value(&whole)? })) };
    let read = whole.len() + bad.len();
    let mut failure = Failure::new(first.class, format!("not good: {} of {}", bad.len(), many(read as u64, "archive")));
    failure.causes = bad.iter().map(|one| one.message.clone()).collect();
    failure.hints.clone_from(&first.hints);
    Err(failure.safe("the others were read back whole"))
}

async fn hold(
    ctx: &Context,
    target: &Target,
    until: Option<DateTime<Utc>>,
    reason: Option<&str>,
    who: Option<&str>,
) -> Result<Value, Failure> {
    let (reason, who) = (reason.unwrap_or("held by an operator"), who.unwrap_or("an operator"));
    let hold = upgrade::hold(ctx, &target.name, until, reason, who).await?;
    value(&HoldStatus { version: hold.version, reason: hold.reason, who: hold.who, since: hold.since, until: hold.until })
}
