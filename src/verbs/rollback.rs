//! `rollback`: back to the version and the data before the last upgrade.

use super::course::{drive, ended, summary};
use super::{Effect, Spec, Work, course, target};
use crate::failure::Failure;
use crate::pen::Pen;
use crate::upgrade::{self, Ended};
use crate::wire::{Rollback, Upgraded};

pub(super) fn spec(ask: &Rollback) -> Spec<'_> {
    Spec::of(&ask.target, Effect::Changes)
}

pub(super) async fn run(ask: &Rollback, work: Work<'_>) -> Result<Upgraded, Failure> {
    let (ctx, target) = (work.ctx, target(work.ctx, &ask.target)?);
    upgrade::begin_rollback(ctx, target, work.progress).await?;
    match drive(target, work).await? {
        // What is a failure of an upgrade is what was asked for here.
        Ended::RolledBack { .. } => summary(ctx, target, None).await,
        other => ended(ctx, target, other).await,
    }
}

pub(super) fn tell(_: &Rollback, done: &Upgraded, _: Pen) -> Option<String> {
    course::tell(done)
}
