//! `rehearse`: a release's migrations run in a scratch, to know what they do and how long they take.

use std::time::Duration;

use super::{Effect, Lane, Spec, Subject, Work, target};
use crate::drill::Halt;
use crate::failure::Failure;
use crate::pen::{Pen, human};
use crate::rehearse::{self, Rehearsed, Request};
use crate::wire::Rehearse;

/// As with a drill: nobody at the target waits for it.
pub(super) fn spec(ask: &Rehearse) -> Spec<'_> {
    Spec { subject: Subject::Elsewhere(&ask.target), lane: Lane::Drill, effect: Effect::Notes }
}

pub(super) async fn run(ask: &Rehearse, work: Work<'_>) -> Result<Rehearsed, Failure> {
    let (ctx, target) = (work.ctx, target(work.ctx, &ask.target)?);
    let request = Request { from: ask.from.clone(), to: ask.to.clone() };
    let halt = Halt { progress: work.progress.clone(), stop: work.stop.clone() };
    Ok(Box::pin(rehearse::rehearse(ctx, target, &request, &halt)).await?)
}

pub(super) fn tell(_: &Rehearse, done: &Rehearsed, _: Pen) -> Option<String> {
    let span = |ms| human::span(Duration::from_millis(ms));
    let from = done.from.as_ref().map(|from| format!(" of release {from}")).unwrap_or_default();
    let applied = match done.applied.len() {
        0 => "nothing was known to be pending".to_owned(),
        _ => format!("applied {}", crate::count::few(&done.applied, ", ")),
    };
    let mut lines = vec![
        format!("release {} passed: its migrations ran in a scratch of {}{from}", done.to, done.label),
        format!("  {applied}"),
        format!(
            "  restored and compared {} in {}, migrated in {}; nothing of it is left at {}",
            human::many(done.rows, "row"),
            span(done.restore_ms),
            span(done.migrate_ms),
            done.scratch
        ),
        format!("  an upgrade may be expected to take {} ({})", span(done.downtime_ms), done.counted.join(", ")),
    ];
    lines.extend(done.notes.iter().map(|note| format!("  note: {note}")));
    Some(lines.join("\n"))
}
