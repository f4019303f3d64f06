//! `offsite-prove`: a person's keys are tried on a copy that is encrypted, and those that open it are noted by their public halves.

use super::{Spec, Work, identity};
use crate::failure::Failure;
use crate::offsite::{self, Proof};
use crate::pen::Pen;
use crate::wire::OffsiteProve;

pub(super) fn spec(ask: &OffsiteProve) -> Spec<'_> {
    Spec::at(&ask.place)
}

pub(super) async fn run(ask: &OffsiteProve, work: Work<'_>) -> Result<Proof, Failure> {
    let place = offsite::place(&work.ctx.config, &ask.place)?;
    let identity = identity(&ask.identity)?;
    Ok(Box::pin(offsite::prove_keys(work.ctx, place, ask.label.as_ref(), identity, &work.halt())).await?)
}

pub(super) fn tell(ask: &OffsiteProve, proof: &Proof, _: Pen) -> Option<String> {
    let mut lines = vec![format!("opened {} at {}: every byte was decrypted, and is what was sealed", proof.label, ask.place)];
    lines.extend(proof.proven.iter().map(|name| format!("  proven: {name}")));
    lines.extend(proof.unproven.iter().map(|name| format!("  unproven until its identity opened a copy: {name}")));
    Some(lines.join("\n"))
}
