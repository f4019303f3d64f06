//! `copy`: what is owed to a place is sent there.

use super::{Spec, Work};
use crate::failure::Failure;
use crate::offsite::{self, Round};
use crate::pen::{Pen, human};
use crate::wire::Copy;

pub(super) fn spec(ask: &Copy) -> Spec<'_> {
    Spec::at(&ask.place)
}

pub(super) async fn run(ask: &Copy, work: Work<'_>) -> Result<Round, Failure> {
    let place = offsite::place(&work.ctx.config, &ask.place)?;
    let done = Box::pin(offsite::copy(work.ctx, place, (ask.label.as_ref(), ask.of.as_ref()), &work.halt())).await;
    // What was sent before it ended stays sent, and whoever tells of copies is told of it.
    done.map_err(|cut| {
        let round = super::written(&cut.round).ok().map(Box::new);
        Failure { done: round, ..Failure::of(&cut.error) }
    })
}

pub(super) fn tell(ask: &Copy, round: &Round, _: Pen) -> Option<String> {
    let place = &ask.place;
    let mut lines: Vec<String> = round
        .copied
        .iter()
        .map(|sent| format!("copied {} to {place}, {}, sealed and read back", sent.label, human::size(sent.size)))
        .collect();
    lines.extend(round.verified.iter().map(|label| format!("read {label} back at {place}: every byte is as it was sent")));
    lines.extend(round.bad.iter().map(|bad| format!("the copy of {} at {place} is {}: {}", bad.label, bad.state, bad.why)));
    lines.push(match round.owed {
        0 => format!("nothing is owed to {place}"),
        owed => format!("{} still owed to {place}", human::many(owed, "archive")),
    });
    Some(lines.join("\n"))
}
