//! The gate as a job: the server's start waits here for its answer.
//!
//! Owns the waiting and nothing else; the answer is `gate::decide`'s. Invariants: it holds no lane, for the upgrade it waits
//! for needs it; it lets go as soon as that upgrade starts the server, which is the very start that waits here.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{at_work, stopping};
use crate::config::Target;
use crate::context::Context;
use crate::control::board::Board;
use crate::failure::{Class, Failure};
use crate::gate::{Awaited, Gate};
use crate::ids::TargetName;
use crate::upgrade::{self, Phase, token};
use crate::verbs::{self, Lanes};
use crate::wire::{Action, Asker, Job, JobState, Passed, Upgrade};

/// How often the gate asks for an upgrade before it gives up: once for what it saw, once more for what came meanwhile.
const UPGRADES: usize = 2;

/// How often is looked whether the waiting has an end: a start that waits here is downtime.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often a release or database that gives no answer is asked again, and for how long: after a boot they come up beside us.
const ASK_EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers the gate; when migrations are pending, asks for an upgrade and waits until it starts the server or has ended.
pub(super) async fn answer(
    ctx: &Context,
    name: &TargetName,
    board: &Board,
    (lanes, stop): (&Lanes, &CancellationToken),
) -> Result<serde_json::Value, Failure> {
    let passed = passed(ctx, name, board, (lanes, stop)).await?;
    serde_json::to_value(passed).map_err(|error| Failure::new(Class::Software, format!("cannot write an answer: {error}")))
}

async fn passed(
    ctx: &Context,
    name: &TargetName,
    board: &Board,
    (lanes, stop): (&Lanes, &CancellationToken),
) -> Result<Passed, Failure> {
    let target = verbs::target(ctx, name)?;
    // Asked by ourselves, it is let through; asked by anybody else, what is written now would be lost.
    let ours = token::granted(&ctx.config.daemon.state_dir, name);
    if let Some(work) = at_work(&board.living(), name).or_else(|| lanes.is_shut(name).then_some("restore")).filter(|_| !ours) {
        let failure = Failure::new(Class::TempFail, format!("the server of `{name}` must not start: a {work} is underway"));
        return Err(failure.on(name).hint("start it when that has ended: `upkeep status --watch`"));
    }
    let begun = Instant::now();
    let mut asked = 0;
    loop {
        let failed = match verbs::gate(ctx, target).await? {
            Gate::Ask { .. } if asked < UPGRADES => {
                asked += 1;
                let action = Action::Upgrade(Upgrade { target: name.clone(), settle: None });
                let job = board.submit(action, None, Asker::gate()).await?;
                followed(ctx, target, board, job, stop).await?
            }
            Gate::Wait { why: Awaited::Upgrade } => {
                if underway(ctx, target, stop).await? {
                    pause(ASK_EVERY, stop).await?;
                }
                None
            }
            Gate::Wait { why: Awaited::Answer(_) } if begun.elapsed() < PATIENCE => {
                pause(ASK_EVERY, stop).await?;
                None
            }
            answer => return verbs::gate_answer(name, answer),
        };
        let Some(failure) = failed else { continue };
        // It says more than the gate would; unless there is something else to wait for by now.
        match verbs::gate(ctx, target).await? {
            Gate::Wait { .. } | Gate::Pass(_) => {}
            Gate::Ask { .. } | Gate::Refuse { .. } => return Err(failure),
        }
    }
}

/// Waits until a job has ended or lets the server start; its failure, if it failed.
async fn followed(
    ctx: &Context,
    target: &Target,
    board: &Board,
    mut job: Job,
    stop: &CancellationToken,
) -> Result<Option<Failure>, Failure> {
    while matches!(job.state, JobState::Queued | JobState::Running) {
        if token::granted(&ctx.config.daemon.state_dir, &target.name) {
            return Ok(None);
        }
        pause(LOOK_EVERY, stop).await?;
        job = board.job(&job.id).await?;
    }
    Ok(job.failure)
}

/// Waits until no upgrade is underway, or the one that is lets the server start; says whether it has already started it.
async fn underway(ctx: &Context, target: &Target, stop: &CancellationToken) -> Result<bool, Failure> {
    loop {
        let current = upgrade::current(&ctx.state, &target.name).await?;
        let open = current.filter(|current| !current.phase.terminal() && current.phase != Phase::Stuck);
        let started = open.as_ref().is_some_and(|open| open.started.is_some());
        if open.is_none() || started || token::granted(&ctx.config.daemon.state_dir, &target.name) {
            return Ok(started);
        }
        pause(LOOK_EVERY, stop).await?;
    }
}

async fn pause(pause: Duration, stop: &CancellationToken) -> Result<(), Failure> {
    // Both arms are cancel-safe: nothing is underway.
    tokio::select! {
        () = tokio::time::sleep(pause) => Ok(()),
        () = stop.cancelled() => Err(stopping()),
    }
}
