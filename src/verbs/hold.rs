//! `hold`: no upgrades of a target for now.

use super::{Effect, Spec, Subject, Work, target};
use crate::failure::Failure;
use crate::pen::{Pen, human};
use crate::upgrade;
use crate::wire::{Hold, HoldStatus};

pub(super) fn spec(ask: &Hold) -> Spec<'_> {
    Spec::aside(Subject::Target(&ask.target), Effect::Notes)
}

pub(super) async fn run(ask: &Hold, work: Work<'_>) -> Result<HoldStatus, Failure> {
    let name = &target(work.ctx, &ask.target)?.name;
    let reason = ask.reason.as_deref().unwrap_or("held by an operator");
    let hold = upgrade::hold(work.ctx, name, ask.until, reason, &work.asker.who).await?;
    Ok(HoldStatus { version: hold.version, reason: hold.reason, who: hold.who, since: hold.since, until: hold.until })
}

pub(super) fn tell(ask: &Hold, hold: &HoldStatus, _: Pen) -> Option<String> {
    let until = hold.until.map_or("until it is released".to_owned(), |until| format!("until {} UTC", human::moment(until)));
    Some(format!("upgrades of {0} are on hold {until}; to lift it: `upkeep release-hold {0}`", ask.target))
}
