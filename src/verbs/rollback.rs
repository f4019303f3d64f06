//! `rollback`: back to the version and the data before the last upgrade. One that has not ended is the last one: it is turned back,
//! and nothing further is.

use super::course::{drive, ended, summary};
use super::{Effect, Spec, Work, course, target};
use crate::failure::Failure;
use crate::pen::Pen;
use crate::upgrade::{self, Ended, Turned};
use crate::wire::{Rollback, Upgraded};

pub(super) fn spec(ask: &Rollback) -> Spec<'_> {
    Spec::of(&ask.target, Effect::Changes)
}

pub(super) async fn run(ask: &Rollback, work: Work<'_>) -> Result<Upgraded, Failure> {
    let (ctx, target) = (work.ctx, target(work.ctx, &ask.target)?);
    let name = &target.name;
    let carried_on = match upgrade::turn_back(ctx, target, &work.asker.who).await? {
        Turned::NothingOpen => {
            upgrade::begin_rollback(ctx, target, work.progress).await?;
            None
        }
        Turned::GivenUp { to } => {
            let said = format!("the upgrade of {name} to {to} was abandoned before it had changed anything");
            return summary(ctx, target, Some(said)).await;
        }
        Turned::Back { to } => Some(format!(
            "the upgrade of {name} to {to}, which had not ended, was turned back: what was there before it is back"
        )),
        Turned::GoingBack { to } => {
            Some(format!("the rollback of {name} to {to}, which was cut short, is finished: what was there before is back"))
        }
    };
    match drive(target, work).await? {
        // What is a failure of an upgrade is what was asked for here.
        Ended::RolledBack { .. } => summary(ctx, target, carried_on).await,
        other => ended(ctx, target, other).await,
    }
}

pub(super) fn tell(_: &Rollback, done: &Upgraded, _: Pen) -> Option<String> {
    course::tell(done)
}
