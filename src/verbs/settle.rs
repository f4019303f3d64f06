//! Settling what a crash left, before anything else is done: the first thing whoever takes the lock does.
//!
//! Owns the order: our own tables, then the files and the database of each target, then an upgrade that was cut short. Every
//! part may be repeated; a second call finds nothing. Held by `tests/it/crash.rs`.

use tokio_util::sync::CancellationToken;

use crate::config::{Runner, Target};
use crate::context::Context;
use crate::engine::Engine;
use crate::failure::{Class, Explain, Failure};
use crate::ids::TargetName;
use crate::progress::Progress;
use crate::upgrade::{self, Ended, Phase};
use crate::{migrate, store};

use super::course::rolled_back;

/// Puts in order what a crash may have left of backups and restores: the catalogue follows the files, the engine ends or
/// undoes a load, a migration's journal with nothing in it goes. Says what it did, one line each.
///
/// # Errors
/// When the files or the database cannot be looked at; of class `TempFail` when the database only does not answer now.
pub async fn tidy(ctx: &Context, target: &Target) -> Result<Vec<String>, Failure> {
    let mut lines = store::reconcile(&ctx.state, target).await?;
    lines.extend(Engine::of(&target.database).settle().await.map_err(|error| not_settled(target, &error))?);
    if let Some(migrations) = target.migrations.as_ref().filter(|migrations| migrations.runner == Runner::Flyway) {
        let settled = migrate::settle(&target.database, migrations).await;
        lines.extend(settled.map_err(|error| not_settled(target, &error))?);
    }
    Ok(lines)
}

fn not_settled(target: &Target, error: &impl Explain) -> Failure {
    let failure = Failure::of(error).on(&target.name);
    if error.transient() { Failure { class: Class::TempFail, ..failure } } else { failure }
}

/// What was settled.
#[derive(Debug, Default)]
pub struct Settled {
    /// What was done, one line each.
    pub lines: Vec<String>,
    /// Upgrades that were cut short and ended by being rolled back: whoever asked for such a one did not get it.
    pub rolled_back: Vec<Failure>,
}

/// Settles one target, or all, where no daemon does it: tidies, and carries an upgrade on that was cut short. A database that does not
/// answer is left for the work itself to name.
///
/// # Errors
/// When our own state cannot be read or written.
pub async fn settle(
    ctx: &Context,
    only: Option<&TargetName>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Settled, Failure> {
    let mut settled = Settled::default();
    for run in ctx.state.interrupt_runs(ctx.clock.now()).await? {
        settled.lines.push(format!("{} was cut short", run.action));
    }
    for target in ctx.config.targets.values().filter(|target| only.is_none_or(|only| *only == target.name)) {
        match tidy(ctx, target).await {
            Ok(done) => settled.lines.extend(done),
            Err(failure) if matches!(failure.class, Class::TempFail | Class::Unavailable | Class::NoPermission) => {
                tracing::debug!(target = %target.name, error = %failure.message, "the database was not looked at");
            }
            Err(failure) => return Err(failure),
        }
        carry_on(ctx, target, &mut settled, progress, stop).await?;
    }
    Ok(settled)
}

/// Drives an open upgrade that does not wait for a person.
async fn carry_on(
    ctx: &Context,
    target: &Target,
    settled: &mut Settled,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    upgrade::end_adoption(ctx, &target.name).await?;
    if upgrade::open(&ctx.state, &target.name).await?.is_none_or(|(_, phase)| phase == Phase::Stuck) {
        return Ok(());
    }
    let was_asked_back = upgrade::is_going_back(&ctx.state, &target.name).await?;
    let ended = Box::pin(upgrade::drive(ctx, target, progress, stop)).await?;
    let what = match ended {
        Ended::NothingOpen => return Ok(()),
        Ended::Committed | Ended::Accepted => "went on to its end",
        Ended::RolledBack { .. } if was_asked_back => "was rolled back, as was asked",
        Ended::RolledBack { why, next_steps } => {
            settled.rolled_back.push(rolled_back(&target.name, why, next_steps));
            "was rolled back"
        }
        Ended::Refused { .. } => "was let go: nothing had been changed",
        Ended::Stuck { .. } => "needs a person: see `upkeep status`",
        Ended::Paused => "stopped between two steps",
        Ended::Waiting { .. } => "is on its way back and cannot go on yet: see `upkeep status`",
    };
    settled.lines.push(format!("the upgrade of `{}` that was cut short {what}", target.name));
    Ok(())
}
