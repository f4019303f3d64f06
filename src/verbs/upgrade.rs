//! `upgrade`: to the installed release now; one that was cut short is carried on, a stuck one is settled.

use super::course::{drive, ended, summary, undecided};
use super::{Effect, Spec, Work, course, target};
use crate::config::Target;
use crate::context::Context;
use crate::failure::{Class, Failure};
use crate::pen::Pen;
use crate::upgrade::{self, Asked, Decision, Ended, Phase, Refusal, Turned};
use crate::wire::{By, Settle, Upgrade, Upgraded};

pub(super) fn spec(ask: &Upgrade) -> Spec<'_> {
    match ask.settle {
        // A word in the journal: what a person has put right is not put in order first, nor carried on.
        Some(Settle::Accept) => Spec::of(&ask.target, Effect::Notes),
        Some(Settle::Resume | Settle::Abort) | None => Spec::of(&ask.target, Effect::Changes),
    }
}

pub(super) async fn run(ask: &Upgrade, work: Work<'_>) -> Result<Upgraded, Failure> {
    let (ctx, target) = (work.ctx, target(work.ctx, &ask.target)?);
    upgrade::end_adoption(ctx, &target.name).await?;
    let is_open = upgrade::open(&ctx.state, &target.name).await?.is_some_and(|(_, phase)| phase != Phase::Stuck);
    if let Some(settle) = ask.settle {
        // To go on with a way back, or to give up, asks for what a way back ends with.
        let back = settle == Settle::Abort || upgrade::is_on_its_way_back(&ctx.state, &target.name).await?;
        match settle {
            // The answer was given and written down before, and what followed from it was cut short.
            Settle::Resume if is_open => return asked_for(target, drive(target, work).await?, ctx, back).await,
            Settle::Abort if is_open => {
                if let Turned::GivenUp { .. } = upgrade::turn_back(ctx, target, &work.asker.who).await? {
                    return summary(ctx, target, None).await;
                }
                return asked_for(target, drive(target, work).await?, ctx, back).await;
            }
            Settle::Resume | Settle::Abort | Settle::Accept => {}
        }
        upgrade::settle(ctx, target, settle, &work.asker.who).await?;
        if settle == Settle::Accept {
            // With that it has ended; there is nothing to drive.
            return summary(ctx, target, None).await;
        }
        return asked_for(target, drive(target, work).await?, ctx, back).await;
    }
    if !is_open {
        return begin(target, work).await;
    }
    let was_asked_back = upgrade::is_going_back(&ctx.state, &target.name).await?;
    match drive(target, work).await? {
        // A rollback that was asked for and has gone through is no upgrade that failed. A person who asks for an upgrade now is
        // answered whether there is one, after that rollback.
        Ended::RolledBack { .. } if was_asked_back && work.asker.by == By::Person => {
            begin(target, work).await.map_err(|failure| {
                let mut failure = failure;
                failure.causes.insert(0, "the rollback that was cut short was finished first".to_owned());
                failure
            })
        }
        Ended::RolledBack { .. } if was_asked_back => summary(ctx, target, None).await,
        end => ended(ctx, target, end).await,
    }
}

/// What an answer of a person came to: where that was asked for, to be back at what was there before is no failure.
async fn asked_for(target: &Target, end: Ended, ctx: &Context, back: bool) -> Result<Upgraded, Failure> {
    match end {
        Ended::RolledBack { .. } if back => {
            let said = format!("the rollback from {} is finished: what was there before is back", target.name);
            summary(ctx, target, Some(said)).await
        }
        // Given up before anything was changed.
        Ended::Refused { .. } if back => summary(ctx, target, None).await,
        end => ended(ctx, target, end).await,
    }
}

/// Begins one if there is something to upgrade to, and carries it to its end.
async fn begin(target: &Target, work: Work<'_>) -> Result<Upgraded, Failure> {
    let ctx = work.ctx;
    let seen = match work.asker.by {
        By::Gate => upgrade::observe_at_gate(ctx, target).await?,
        By::Person | By::Daemon => upgrade::observe(ctx, target).await?,
    };
    upgrade::remember_release(ctx, target, &seen).await?;
    let asked = match work.asker.by {
        By::Person => Asked::ByPerson,
        By::Daemon => Asked::ByDaemon,
        By::Gate => Asked::ByGate,
    };
    match upgrade::decide(&seen, asked, ctx.clock.now()) {
        Decision::Nothing(why) => Ok(undecided("nothing", why)),
        // Remembering it was all there was to do.
        Decision::Adopt(plan) => Ok(undecided("adopted", plan.headline())),
        Decision::Refuse(refusals) => {
            // What passes by itself is tried later; a release that is not there is not.
            let class = refusals.iter().find_map(Refusal::class).unwrap_or(Class::TempFail);
            let mut failure = Failure::new(class, format!("`{}` cannot be upgraded now", target.name));
            failure.causes = refusals.iter().map(ToString::to_string).collect();
            if work.asker.by == By::Gate {
                // The server is down for it: what ends that.
                let last = upgrade::current(&ctx.state, &target.name).await?;
                let naming = upgrade::Naming::of(ctx, target, &seen).await?;
                let words = naming.words(&seen, last.as_ref(), &refusals);
                failure.hints.extend(words.map(|words| words.next_step));
            } else {
                failure.hints = upgrade::next_steps(&refusals, &target.name);
            }
            Err(failure.safe("nothing was changed").hint(format!("see the whole picture: `upkeep plan {}`", target.name)))
        }
        Decision::Plan(plan) => {
            upgrade::begin(ctx, *plan).await?;
            ended(ctx, target, drive(target, work).await?).await
        }
    }
}

pub(super) fn tell(_: &Upgrade, done: &Upgraded, _: Pen) -> Option<String> {
    course::tell(done)
}
