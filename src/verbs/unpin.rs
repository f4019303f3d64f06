//! `unpin`: retention may have an archive again.

use super::{Effect, Spec, Subject, Work, entry};
use crate::failure::{Class, Failure};
use crate::pen::Pen;
use crate::state_db::catalogue::Entry;
use crate::store;
use crate::upgrade;
use crate::wire::Unpin;

pub(super) fn spec(ask: &Unpin) -> Spec<'_> {
    Spec::aside(Subject::Archive(&ask.label), Effect::Notes)
}

pub(super) async fn run(ask: &Unpin, work: Work<'_>) -> Result<Entry, Failure> {
    let entry = entry(work.ctx, &ask.label).await?;
    if let Some(id) = upgrade::needs(&work.ctx.state, &entry.target, &entry.label).await? {
        let what = format!("archive {} is the way back of upgrade {id}, which has not ended", entry.label);
        let failure = Failure::new(Class::TempFail, what).safe("it stays pinned");
        return Err(failure.hint(format!("see what the upgrade needs: `upkeep status {}`", entry.target)));
    }
    Ok(store::unpin(&work.ctx.state, &entry).await?)
}

pub(super) fn tell(ask: &Unpin, _: &Entry, _: Pen) -> Option<String> {
    Some(format!("{} is unpinned; retention may delete it", ask.label))
}
