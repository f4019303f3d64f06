//! `verify-copies`: every byte of copies read back where they are, and what was found noted.

use std::sync::Arc;

use super::{Spec, Work, identity};
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
    let identity = ask.identity.as_ref().map(identity).transpose()?.map(Arc::new);
    Ok(Box::pin(offsite::verify(work.ctx, place, which, identity.as_ref(), &work.halt())).await?)
}

pub(super) fn tell(ask: &VerifyCopies, answer: &Reread, _: Pen) -> Option<String> {
    let many = human::many_of(answer.verified, "copy", "copies");
    let mut told = format!("{many} read back at {}: every byte is as it was sent", ask.place);
    if answer.unopened > 0 {
        let unopened = human::many_of(answer.unopened, "copy", "copies");
        told += &format!(
            "\n  {unopened} of them encrypted, and unproven until an identity opened what is inside: `--identity FILE`"
        );
    }
    Some(told)
}
