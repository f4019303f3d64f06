//! `verify-copies`: every byte of copies read back where they are, and what was found noted.

use super::{Spec, Work};
use crate::failure::Failure;
use crate::offsite::{self, Reread};
use crate::pen::{Pen, human};
use crate::wire::VerifyCopies;

pub(super) fn spec(ask: &VerifyCopies) -> Spec<'_> {
    Spec::at(&ask.place)
}

pub(super) async fn run(ask: &VerifyCopies, work: Work<'_>) -> Result<Reread, Failure> {
    let place = offsite::place(&work.ctx.config, &ask.place)?;
    let which = (ask.label.as_ref(), ask.of.as_ref());
    Ok(Box::pin(offsite::verify(work.ctx, place, which, &work.halt())).await?)
}

pub(super) fn tell(ask: &VerifyCopies, answer: &Reread, _: Pen) -> Option<String> {
    let many = human::many_of(answer.verified, "copy", "copies");
    Some(format!("{many} read back at {}: every byte is as it was sent", ask.place))
}
