//! `release-hold`: upgrades of a target again; every hold of it ends.

use super::{Effect, Spec, Subject, Work, target};
use crate::failure::Failure;
use crate::pen::{Pen, human};
use crate::upgrade;
use crate::wire::{ReleaseHold, Released};

pub(super) fn spec(ask: &ReleaseHold) -> Spec<'_> {
    Spec::aside(Subject::Target(&ask.target), Effect::Notes)
}

pub(super) async fn run(ask: &ReleaseHold, work: Work<'_>) -> Result<Released, Failure> {
    let released = upgrade::release_hold(work.ctx, &target(work.ctx, &ask.target)?.name).await?;
    Ok(Released { released })
}

pub(super) fn tell(ask: &ReleaseHold, done: &Released, _: Pen) -> Option<String> {
    Some(format!("{} released; {} may be upgraded again", human::many(done.released, "hold"), ask.target))
}
