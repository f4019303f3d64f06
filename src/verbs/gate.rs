//! `gate`: may the managed server start on its database? Only looks; who waits for what comes of it is the daemon's or the
//! command line's.

use super::{Effect, Spec, Subject, Work, target};
use crate::config::Target;
use crate::context::Context;
use crate::failure::{Class, Failure};
use crate::gate::cause::Cause;
use crate::gate::{self as rules, Awaited, Facts, Gate, Open, Starter};
use crate::ids::TargetName;
use crate::pen::Pen;
use crate::upgrade::{self, Phase, token};
use crate::wire::{self, Passed};

pub(super) fn spec(ask: &wire::Gate) -> Spec<'_> {
    // It waits for an upgrade, which must find the lane free.
    Spec::aside(Subject::Target(&ask.target), Effect::Reads)
}

pub(super) async fn run(ask: &wire::Gate, work: Work<'_>) -> Result<Passed, Failure> {
    answer(&ask.target, look(work.ctx, target(work.ctx, &ask.target)?).await?)
}

/// Looks whether the server may start; changes nothing.
///
/// # Errors
/// When our own state cannot be read.
pub async fn look(ctx: &Context, target: &Target) -> Result<Gate, Failure> {
    if token::granted(&ctx.config.daemon.state_dir, &target.name) {
        // At once, for whoever granted it waits for the server, and the server waits for us.
        return Ok(Gate::Pass("the daemon itself starts the server"));
    }
    let seen = upgrade::observe_at_gate(ctx, target).await?;
    let release = seen.release.as_ref().and_then(|release| release.as_ref().ok()).map(|installed| installed.version.clone());
    let held = seen.holds.iter().find(|hold| release.as_ref().is_none_or(|version| hold.covers(version)));
    let current = upgrade::current(&ctx.state, &target.name).await?;
    let adopting = upgrade::adopting(ctx, &target.name).await?;
    let facts = Facts {
        starter: Starter::Other,
        standing: upgrade::standing(&seen),
        open: match &seen.open {
            None => Open::Nothing,
            Some(_) if adopting => Open::Nothing,
            Some((_, Phase::Stuck)) => {
                current.map_or(Open::Underway, |current| Open::Stuck { to: current.to, next_steps: current.next_steps })
            }
            Some(_) => current.and_then(|current| current.started).map_or(Open::Underway, Open::Settling),
        },
        held: held.map(|hold| Cause::Held { reason: hold.reason.clone(), failed: upgrade::left_by_failure(hold) }),
        release,
    };
    Ok(rules::decide(&facts, &upgrade::Naming::of(ctx, target, &seen).await?.names()))
}

/// The gate's answer as the answer to an action.
///
/// # Errors
/// When it refuses, or still asks for an upgrade.
pub fn answer(target: &TargetName, answer: Gate) -> Result<Passed, Failure> {
    let refused = |why: String| Failure::new(Class::Unavailable, format!("the server of `{target}` must not start: {why}"));
    match answer {
        Gate::Pass(why) => Ok(Passed::because(why)),
        Gate::Refuse { why, hint } => Err(refused(why).on(target).hint(hint)),
        Gate::Wait { why: Awaited::Upgrade } => {
            let failure = refused("an upgrade is underway; it starts the server itself".to_owned());
            Err(failure.on(target).hint("see `upkeep status --watch`"))
        }
        Gate::Wait { why: Awaited::Answer(why) } => {
            let failure = refused(format!("cannot tell whether release and database are in step: {why}"));
            Err(failure.on(target).hint("see `upkeep check`"))
        }
        Gate::Ask { pending } => {
            Err(refused(rules::still_pending(&pending)).on(target).hint(format!("see `upkeep plan {target}`")))
        }
    }
}

pub(super) fn tell(ask: &wire::Gate, passed: &Passed, _: Pen) -> Option<String> {
    Some(format!("the server of {} may start: {}", ask.target, passed.why))
}
