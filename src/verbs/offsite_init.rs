//! `offsite-init`: a place is set up for this host.

use super::{Spec, Work};
use crate::failure::Failure;
use crate::offsite::{self, Checked};
use crate::pen::{Pen, human};
use crate::wire::OffsiteInit;

pub(super) fn spec(ask: &OffsiteInit) -> Spec<'_> {
    Spec::at(&ask.place)
}

pub(super) async fn run(ask: &OffsiteInit, work: Work<'_>) -> Result<Checked, Failure> {
    let place = offsite::place(&work.ctx.config, &ask.place)?;
    Ok(Box::pin(offsite::init(work.ctx, place, ask.adopt)).await?)
}

pub(super) fn tell(ask: &OffsiteInit, checked: &Checked, _: Pen) -> Option<String> {
    Some(format!("{} is set up: this host writes below {}\n{}", ask.place, checked.path, words(checked)))
}

/// What was found of a place.
pub(super) fn words(checked: &Checked) -> String {
    let copies = human::many_of(checked.copies, "copy", "copies");
    let free = checked.free_bytes.map(|free| format!(", {} free", human::size(free))).unwrap_or_default();
    let mut lines = vec![format!("  {copies} of owner {}{free}; nothing there is ever deleted by upkeep", checked.owner)];
    lines.extend(checked.advice.iter().map(|advice| format!("  note: {advice}")));
    lines.join("\n")
}
