//! `pin`: an archive is kept from retention.

use super::{Effect, Spec, Subject, Work, entry};
use crate::failure::Failure;
use crate::pen::Pen;
use crate::state_db::catalogue::Entry;
use crate::store;
use crate::wire::Pin;

/// Why an archive is pinned when nobody said why.
const PINNED: &str = "pinned by an operator";

pub(super) fn spec(ask: &Pin) -> Spec<'_> {
    Spec::aside(Subject::Archive(&ask.label), Effect::Notes)
}

pub(super) async fn run(ask: &Pin, work: Work<'_>) -> Result<Entry, Failure> {
    let ctx = work.ctx;
    let reason = ask.reason.as_deref().unwrap_or(PINNED);
    Ok(store::pin(&ctx.state, &entry(ctx, &ask.label).await?, reason, ctx.clock.now()).await?)
}

pub(super) fn tell(ask: &Pin, _: &Entry, _: Pen) -> Option<String> {
    Some(format!("{0} is pinned: retention keeps it; to undo that: `upkeep unpin {0}`", ask.label))
}
