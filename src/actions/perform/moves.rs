//! What moves a target between versions, and the gate that guards it.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{By, value};
use crate::actions::Settle;
use crate::actions::settle::rolled_back;
use crate::config::Target;
use crate::context::Context;
use crate::failure::{Class, Failure};
use crate::gate::{self as rules, Awaited, Facts, Gate, Open, Standing, Starter};
use crate::ids::TargetName;
use crate::progress::Progress;
use crate::service;
use crate::status;
use crate::upgrade::{self, Asked, Decision, Ended, Phase, Refusal, token};

/// Says what an upgrade would do now.
pub(super) async fn plan(ctx: &Context, target: &Target) -> Result<Value, Failure> {
    let seen = upgrade::observe(ctx, target).await?;
    Ok(match upgrade::decide(&seen, Asked::ByPerson, ctx.clock.now()) {
        Decision::Nothing(why) => json!({ "decision": "nothing", "why": why }),
        Decision::Refuse(refusals) => {
            let refusals: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            json!({ "decision": "refuse", "refusals": refusals })
        }
        Decision::Adopt(plan) => json!({ "decision": "adopt", "headline": plan.headline(), "plan": value(&*plan)? }),
        Decision::Plan(plan) => json!({ "decision": "plan", "headline": plan.headline(), "plan": value(&*plan)? }),
    })
}

/// Carries an open upgrade on, or begins one if there is something to upgrade to.
pub(super) async fn upgrade(
    ctx: &Context,
    target: &Target,
    settle: Option<Settle>,
    by: By,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Value, Failure> {
    if let Some(settle) = settle {
        upgrade::settle(ctx, target, settle, "an operator").await?;
        if settle == Settle::Accept {
            // With that it has ended; there is nothing to drive.
            return summary(ctx, target).await;
        }
        return ended(ctx, target, drive(ctx, target, progress, stop).await?).await;
    }
    upgrade::end_adoption(ctx, &target.name).await?;
    if upgrade::open(&ctx.state, &target.name).await?.is_some_and(|(_, phase)| phase != Phase::Stuck) {
        return ended(ctx, target, drive(ctx, target, progress, stop).await?).await;
    }
    let seen = match by {
        By::Gate => upgrade::observe_at_gate(ctx, target).await?,
        By::Person | By::Daemon => upgrade::observe(ctx, target).await?,
    };
    upgrade::remember_release(ctx, target, &seen).await?;
    let asked = match by {
        By::Person => Asked::ByPerson,
        By::Daemon => Asked::ByDaemon,
        By::Gate => Asked::ByGate,
    };
    match upgrade::decide(&seen, asked, ctx.clock.now()) {
        Decision::Nothing(why) => Ok(json!({ "outcome": "nothing", "why": why })),
        // Remembering it was all there was to do.
        Decision::Adopt(plan) => Ok(json!({ "outcome": "adopted", "why": plan.headline() })),
        Decision::Refuse(refusals) => {
            // What passes by itself is tried later; a release that is not there is not.
            let class = refusals.iter().find_map(Refusal::class).unwrap_or(Class::TempFail);
            let mut failure = Failure::new(class, format!("no upgrade of `{}` now", target.name));
            failure.causes = refusals.iter().map(ToString::to_string).collect();
            Err(failure.safe("nothing was changed").hint(format!("see the whole picture: `upkeep plan {}`", target.name)))
        }
        Decision::Plan(plan) => {
            upgrade::begin(ctx, *plan).await?;
            ended(ctx, target, drive(ctx, target, progress, stop).await?).await
        }
    }
}

/// Goes back to before the last upgrade.
pub(super) async fn rollback(
    ctx: &Context,
    target: &Target,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Value, Failure> {
    upgrade::begin_rollback(ctx, target, progress).await?;
    match drive(ctx, target, progress, stop).await? {
        // What is a failure of an upgrade is what was asked for here.
        Ended::RolledBack { .. } => summary(ctx, target).await,
        other => ended(ctx, target, other).await,
    }
}

async fn drive(ctx: &Context, target: &Target, progress: &Progress, stop: &CancellationToken) -> Result<Ended, Failure> {
    Ok(Box::pin(upgrade::drive(ctx, target, progress, stop)).await?)
}

async fn summary(ctx: &Context, target: &Target) -> Result<Value, Failure> {
    let current = upgrade::current(&ctx.state, &target.name).await?;
    let current = current.map(status::upgrade_status);
    let mut told = value(&current)?;
    if let (Some(fields), Some(current)) = (told.as_object_mut(), &current) {
        fields.insert("outcome".to_owned(), current.phase.clone().into());
    }
    Ok(told)
}

/// What the end of a drive means to whoever asked for an upgrade.
async fn ended(ctx: &Context, target: &Target, ended: Ended) -> Result<Value, Failure> {
    let failed = |class, message: String| Failure::new(class, message);
    let name = &target.name;
    Err(match ended {
        Ended::Committed | Ended::Accepted => return summary(ctx, target).await,
        Ended::NothingOpen => return Ok(json!({ "outcome": "nothing", "why": "no upgrade is open" })),
        Ended::RolledBack { why, next_steps } => rolled_back(name, why, next_steps),
        Ended::Refused { why } => {
            let mut failure = failed(Class::TempFail, format!("the upgrade of `{name}` was not begun"));
            failure.causes = vec![why];
            failure.safe("nothing was changed")
        }
        Ended::Stuck { why, next_steps } => {
            let mut failure = failed(Class::Unavailable, format!("the upgrade of `{name}` needs a person"));
            failure.causes = vec![why];
            failure.hints = next_steps;
            failure.safe("its pre-upgrade archive, if one was taken, is verified and pinned")
        }
        Ended::Paused => failed(Class::TempFail, format!("the upgrade of `{name}` stopped between two steps"))
            .safe("it goes on from there")
            .hint("start the daemon: `systemctl start upkeepd`"),
    })
}

/// Starts a server that a restore stopped, if it is in step with what was restored; says what became of it.
pub(super) async fn start_again(ctx: &Context, target: &Target, progress: &Progress) -> Result<String, Failure> {
    let Some(service) = &target.service else { return Ok("none is configured".to_owned()) };
    let seen = upgrade::observe(ctx, target).await?;
    if upgrade::standing(&seen) != Standing::InStep {
        return Ok(format!("stopped: release and database are not in step, see `upkeep plan {}`", target.name));
    }
    progress.phase("starting the server", 0);
    // With the token, for the gate would otherwise wait for the lane that we hold.
    let state_dir = &ctx.config.daemon.state_dir;
    token::grant(state_dir, &target.name)?;
    let started = service::start(service).await;
    token::revoke(state_dir, &target.name)?;
    started?;
    Ok("started".to_owned())
}

/// Looks whether the server may start; changes nothing.
///
/// # Errors
/// When our own state cannot be read.
pub async fn gate(ctx: &Context, target: &Target) -> Result<Gate, Failure> {
    if token::granted(&ctx.config.daemon.state_dir, &target.name) {
        // At once, for whoever granted it waits for the server, and the server waits for us.
        return Ok(Gate::Pass("the daemon itself starts the server"));
    }
    let seen = upgrade::observe_at_gate(ctx, target).await?;
    let release = seen.release.as_ref().and_then(|release| release.as_ref().ok()).map(|installed| installed.version.clone());
    let held = seen.holds.iter().find(|hold| release.as_ref().is_none_or(|version| hold.covers(version)));
    let started = upgrade::current(&ctx.state, &target.name).await?.and_then(|current| current.started);
    let adopting = upgrade::adopting(ctx, &target.name).await?;
    let facts = Facts {
        starter: Starter::Other,
        standing: upgrade::standing(&seen),
        open: match &seen.open {
            None => Open::Nothing,
            Some(_) if adopting => Open::Nothing,
            Some((_, Phase::Stuck)) => Open::Stuck,
            Some(_) => started.map_or(Open::Underway, Open::Settling),
        },
        held: held.map(|hold| hold.reason.clone()),
        release,
    };
    Ok(rules::decide(&facts))
}

/// The gate's answer as the answer to an action.
///
/// # Errors
/// When it refuses, or still asks for an upgrade.
pub fn gate_answer(target: &TargetName, answer: Gate) -> Result<Value, Failure> {
    let refused = |why: String| Failure::new(Class::Unavailable, format!("the server of `{target}` must not start: {why}"));
    match answer {
        Gate::Pass(why) => Ok(json!({ "gate": "pass", "why": why })),
        Gate::Refuse { why, hint } => Err(refused(why).on(target).hint(hint)),
        Gate::Wait { why: Awaited::Upgrade } => {
            let failure = refused("an upgrade is underway; it starts the server itself".to_owned());
            Err(failure.on(target).hint("see `upkeep status --watch`"))
        }
        Gate::Wait { why: Awaited::Answer(why) } => {
            let failure = refused(format!("cannot tell whether release and database are in step: {why}"));
            Err(failure.on(target).hint("see `upkeep check`"))
        }
        Gate::Ask { pending } => Err(refused(format!("still pending: {}", pending.join(", ")))
            .on(target)
            .hint(format!("see `upkeep plan {target}`"))),
    }
}

/// The gate asked for without the daemon's own waiting: only looks.
pub(super) async fn look_at_gate(ctx: &Context, target: &Target) -> Result<Value, Failure> {
    gate_answer(&target.name, gate(ctx, target).await?)
}
