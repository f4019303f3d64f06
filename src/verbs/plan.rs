//! `plan`: what an upgrade would do now, or why it would refuse.

use super::{Effect, Spec, Subject, Work, target};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::TargetName;
use crate::pen::{Pen, table};
use crate::state_db::catalogue;
use crate::status::downtime;
use crate::upgrade::{self, Asked, Decision};
use crate::wire::{Decided, ExpectedDowntime, Plan};

pub(super) fn spec(ask: &Plan) -> Spec<'_> {
    Spec::aside(Subject::Target(&ask.target), Effect::Reads)
}

pub(super) async fn run(ask: &Plan, work: Work<'_>) -> Result<Decided<upgrade::Plan>, Failure> {
    let ctx = work.ctx;
    let seen = upgrade::observe(ctx, target(ctx, &ask.target)?).await?;
    Ok(match upgrade::decide(&seen, Asked::ByPerson, ctx.clock.now()) {
        Decision::Nothing(why) => Decided::Nothing { why: why.to_string() },
        Decision::Refuse(refusals) => Decided::Refuse {
            refusals: refusals.iter().map(ToString::to_string).collect(),
            next_steps: upgrade::next_steps(&refusals, &ask.target),
        },
        Decision::Adopt(plan) => Decided::Adopt { headline: plan.headline(), plan: *plan },
        Decision::Plan(plan) => {
            let downtime = expected(ctx, &ask.target).await?;
            Decided::Plan { headline: plan.headline(), plan: *plan, downtime: Some(downtime) }
        }
    })
}

/// How long the server may be expected not to serve: by what upgrades took here, and what archives take now.
async fn expected(ctx: &Context, target: &TargetName) -> Result<ExpectedDowntime, Failure> {
    let known = upgrade::expected(&ctx.state, target).await?;
    let archives = catalogue::list(&ctx.state, Some(target)).await?;
    let newest = catalogue::newest_good(&archives, ctx.clock.now());
    Ok(downtime::expected(known.as_ref(), newest.map(|archive| archive.duration_ms)))
}

pub(super) fn tell(ask: &Plan, decided: &Decided<upgrade::Plan>, pen: Pen) -> Option<String> {
    Some(match decided {
        Decided::Nothing { why } => table::folded(why, pen),
        Decided::Refuse { refusals, next_steps } => {
            let reasons = refusals.iter().map(|reason| format!("\n  - {reason}"));
            let steps = next_steps.iter().map(|step| format!("\n  next step: {step}"));
            let said = format!("{} cannot be upgraded now:{}", ask.target, reasons.chain(steps).collect::<String>());
            table::folded(&said, pen)
        }
        Decided::Adopt { plan, .. } => table::folded(&plan.to_string(), pen),
        Decided::Plan { plan, downtime, .. } => {
            let downtime = downtime.as_ref().map(|expected| format!("\n  downtime: {}", downtime::foretold(expected)));
            table::folded(&format!("{plan}{}", downtime.unwrap_or_default()), pen)
        }
    })
}
