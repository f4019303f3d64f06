//! `drill`: an archive restored into a scratch and compared, to know that it can be.

use std::sync::Arc;
use std::time::Duration;

use super::{Effect, Lane, Spec, Subject, Work, identity, target};
use crate::config::Target;
use crate::context::Context;
use crate::drill::{self, Drilled, Halt, Request};
use crate::failure::Failure;
use crate::offsite;
use crate::pen::{Pen, human};
use crate::wire::Drill;

/// Nobody at the target waits for a drill, and a drill for nobody but another drill.
pub(super) fn spec(ask: &Drill) -> Spec<'_> {
    Spec { subject: Subject::Elsewhere(&ask.target), lane: Lane::Drill, effect: Effect::Notes }
}

pub(super) async fn run(ask: &Drill, work: Work<'_>) -> Result<Drilled, Failure> {
    let (ctx, target) = (work.ctx, target(work.ctx, &ask.target)?);
    let place = ask.place.as_ref().map(|name| offsite::place(&ctx.config, name)).transpose()?.cloned();
    let identity = ask.identity.as_ref().map(identity).transpose()?.map(Arc::new);
    let request = Request { label: ask.label.clone(), place, identity };
    let halt = Halt { progress: work.progress.clone(), stop: work.stop.clone() };
    Ok(Box::pin(drill::drill(ctx, target, &request, &halt)).await?)
}

/// Removes what drills of a target left, where it can be; one line for each that is gone, and why others are not.
///
/// # Errors
/// When our own state cannot be read or written.
pub async fn sweep(ctx: &Context, target: &Target) -> Result<(Vec<String>, Vec<String>), Failure> {
    let (swept, strays) = (drill::sweep(ctx, target).await?, drill::sweep_strays(ctx).await?);
    Ok(([swept.done, strays.done].concat(), [swept.left, swept.out_of_reach, strays.left, strays.out_of_reach].concat()))
}

pub(super) fn tell(_: &Drill, done: &Drilled, _: Pen) -> Option<String> {
    let from = done.place.as_ref().map(|place| format!(" from {place}")).unwrap_or_default();
    let (rows, tables) = (human::many(done.rows, "row"), human::many(done.tables, "table"));
    let mut lines = vec![
        format!("{}{from} is proven: restored into {} and compared, {rows} of {tables}", done.label, done.scratch),
        format!("  took {}; nothing of it is left there", human::span(Duration::from_millis(done.took_ms))),
    ];
    lines.extend(done.notes.iter().map(|note| format!("  note: {note}")));
    Some(lines.join("\n"))
}
