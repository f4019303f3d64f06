//! `offsite-check`: can a place be used? It is listed, read and asked for objects as copies ask, and nothing is left there.

use super::{Spec, Work, offsite_init};
use crate::failure::Failure;
use crate::offsite::{self, Checked};
use crate::pen::Pen;
use crate::wire::OffsiteCheck;

pub(super) fn spec(ask: &OffsiteCheck) -> Spec<'_> {
    Spec::at(&ask.place)
}

pub(super) async fn run(ask: &OffsiteCheck, work: Work<'_>) -> Result<Checked, Failure> {
    let place = offsite::place(&work.ctx.config, &ask.place)?;
    Ok(Box::pin(offsite::check(work.ctx, place)).await?)
}

pub(super) fn tell(ask: &OffsiteCheck, checked: &Checked, _: Pen) -> Option<String> {
    let path = &checked.path;
    let needs = checked.needs.as_ref().map(|needs| format!("\n  the least rights it needs:\n{needs}")).unwrap_or_default();
    Some(format!(
        "{} can be used: {path} can be written to{}\n{}{needs}",
        ask.place,
        if checked.keeps_names { ", and upkeep writes over no name there" } else { "" },
        offsite_init::words(checked)
    ))
}
