//! `prune`: retention now.

use super::{Effect, Spec, Work, target};
use crate::expire::{self, PruneMode, Pruned};
use crate::failure::{Class, Failure};
use crate::pen::table::{Side, Table};
use crate::pen::{Pen, Tone, human};
use crate::retention::Fate;
use crate::wire::Prune;

pub(super) fn spec(ask: &Prune) -> Spec<'_> {
    Spec::of(&ask.target, if ask.dry_run { Effect::Reads } else { Effect::Archives })
}

pub(super) async fn run(ask: &Prune, work: Work<'_>) -> Result<Pruned, Failure> {
    if ask.looked && ask.dry_run {
        let why = "`looked` says that somebody has looked, and a dry run changes nothing: ask for one of them";
        return Err(Failure::new(Class::Usage, why));
    }
    if ask.looked {
        expire::looked(work.ctx, target(work.ctx, &ask.target)?).await?;
    }
    let mode = if ask.dry_run { PruneMode::DryRun } else { PruneMode::Apply };
    Ok(expire::prune(work.ctx, target(work.ctx, &ask.target)?, mode, work.progress).await?)
}

pub(super) fn tell(_: &Prune, done: &Pruned, pen: Pen) -> Option<String> {
    let columns = [("label", Side::Left), ("taken (UTC)", Side::Left), ("", Side::Left), ("why", Side::Left)];
    let mut rows = Table::new(&columns);
    for verdict in &done.verdicts {
        let (fate, tone) = if verdict.fate == Fate::Keep { ("keep", Tone::Good) } else { ("let go", Tone::Warn) };
        rows.row(vec![
            (verdict.label.to_string(), Tone::Plain),
            (human::moment(verdict.taken_at), Tone::Plain),
            (fate.to_owned(), tone),
            (verdict.reasons.join(", "), Tone::Plain),
        ]);
    }
    let freed = human::size(done.freed_bytes);
    let end = match (&done.frozen, done.mode) {
        (Some(why), _) => format!("nothing is deleted for now: {why}"),
        (None, PruneMode::DryRun) => format!("{freed} would be freed; nothing was changed"),
        (None, PruneMode::Apply) => format!("{} deleted, {freed} freed", human::many(done.deleted.len() as u64, "archive")),
    };
    Some(format!("{}{end}", rows.render(pen)))
}
