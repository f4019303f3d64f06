//! `plan`: what an upgrade would do now, or why it would refuse.

use super::{Effect, Spec, Subject, Work, target};
use crate::failure::Failure;
use crate::pen::{Pen, human, table};
use crate::status::{self, downtime, rehearsals};
use crate::upgrade::{self, Asked, Decision};
use crate::wire::{Decided, Plan};

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
            let downtime = status::expected_downtime(ctx, &ask.target).await?;
            let rehearsal = status::rehearsals::of(seen.rehearsal.as_ref()).map(Box::new);
            Decided::Plan { headline: plan.headline(), plan: *plan, downtime: Some(downtime), rehearsal }
        }
    })
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
        Decided::Plan { plan, downtime, rehearsal, .. } => {
            let downtime = downtime.as_ref().map(|expected| format!("\n  downtime: {}", downtime::foretold(expected)));
            let rehearsal = rehearsal.as_ref().zip(rehearsal.as_ref().and_then(|rehearsal| rehearsal.at));
            let rehearsal = rehearsal
                .map(|(rehearsal, at)| format!("\n  rehearsal: {}", rehearsals::said_at(rehearsal, &human::moment(at))));
            table::folded(&format!("{plan}{}{}", downtime.unwrap_or_default(), rehearsal.unwrap_or_default()), pen)
        }
    })
}
