//! `backup`: an archive now; on schedule, with retention after it.

use serde::{Deserialize, Serialize};

use super::{Effect, Spec, Work, target};
use crate::archive::manifest::{Kind, ReleaseNote};
use crate::backup::{self, BackupRequest};
use crate::config::Target;
use crate::context::Context;
use crate::engine::{Engine, EngineError};
use crate::expire::{self, PruneMode, Pruned};
use crate::failure::{Chain, Class, Failure};
use crate::pen::{Pen, human};
use crate::progress::Progress;
use crate::release;
use crate::restore;
use crate::state_db::catalogue::Entry;
use crate::upgrade;
use crate::wire::Backup;

/// The archive, and what retention did after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    entry: Entry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pruned: Option<After>,
}

/// What became of retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum After {
    Pruned(Box<Pruned>),
    Failed(Box<Failure>),
}

pub(super) fn spec(ask: &Backup) -> Spec<'_> {
    Spec::of(&ask.target, Effect::Archives)
}

pub(super) async fn run(ask: &Backup, work: Work<'_>) -> Result<Answer, Failure> {
    let target = target(work.ctx, &ask.target)?;
    let kind = if ask.scheduled_for.is_some() { Kind::Scheduled } else { Kind::Manual };
    let entry = archive(work.ctx, target, kind, ask.note.clone(), ask.pin.clone(), work.progress).await?;
    // Only after a verified archive, and only when the schedule took it: who takes one by hand is busy with something, and
    // wants nothing to vanish.
    let pruned = match ask.scheduled_for {
        Some(_) => Some(prune(target, work).await),
        None => None,
    };
    Ok(Answer { entry, pruned })
}

async fn prune(target: &Target, work: Work<'_>) -> After {
    match expire::prune(work.ctx, target, PruneMode::Apply, work.progress).await {
        Ok(pruned) => After::Pruned(Box::new(pruned)),
        Err(error) => {
            let failure = Failure::of(&error).on(&target.name);
            // The archive is good; that old ones stay is told, and tried again after the next.
            tracing::warn!(target = %target.name, error = %failure.message, "retention did not run");
            After::Failed(Box::new(failure))
        }
    }
}

/// Archives a target, and remembers the release that serves it.
pub(super) async fn archive(
    ctx: &Context,
    target: &Target,
    kind: Kind,
    note: Option<String>,
    pin: Option<String>,
    progress: &Progress,
) -> Result<Entry, Failure> {
    refuse_half_restored(ctx, target)?;
    // A database that is locked fails here: looked at for its release first, it would be waited for twice. What else is wrong with it
    // is the backup's to mend or to name.
    let engine = Engine::of(&target.database);
    if let Err(error @ EngineError::InUse { .. }) = backup::told(engine.identify(), progress).await {
        return Err(backup::BackupError::from(error).into());
    }
    let of = Box::pin(upgrade::release_of_the_data(ctx, target)).await?;
    let release = of.release.map(|(version, probe)| ReleaseNote { version, probe });
    let request = BackupRequest { kind, note, pin, release, told_by: of.shape };
    let entry = Box::pin(backup::backup(ctx, target, &request, progress)).await?;
    // The release that serves now is where an upgrade goes back to: it is remembered also where no daemon ever ran. What
    // cannot be remembered takes nothing from the archive.
    if let Err(error) = Box::pin(remember(ctx, target)).await {
        tracing::warn!(target = %target.name, reason = %Chain(&error), "the installed release could not be remembered");
    }
    Ok(entry)
}

/// What a restore left half-way is nobody's data. An archive of it would read back whole, count as the last good one and, in time,
/// have retention delete those that are.
fn refuse_half_restored(ctx: &Context, target: &Target) -> Result<(), Failure> {
    let mark = restore::unfinished(&ctx.config.daemon.state_dir, &target.name)?;
    let Some(mark) = mark.filter(restore::Unfinished::half_way) else { return Ok(()) };
    let what = format!("the restore of {} into the database of target {} stopped half-way", mark.label, target.name);
    let failure = Failure::new(Class::Data, what).safe("no archive was made of it, and earlier ones are untouched");
    Err(failure.hint(format!("end it first: `{}`", mark.command(&target.name))))
}

async fn remember(ctx: &Context, target: &Target) -> Result<(), upgrade::UpgradeError> {
    if target.release.is_none() {
        return Ok(());
    }
    let seen = upgrade::observe(ctx, target).await?;
    upgrade::remember_release(ctx, target, &seen).await
}

/// The installed release. A release that cannot be read keeps nobody from a backup: status says what is wrong with it.
pub(super) async fn installed(target: &Target) -> Option<release::Installed> {
    match &target.release {
        Some(release) => release::read(release).await.ok(),
        None => None,
    }
}

pub(super) fn tell(ask: &Backup, answer: &Answer, _: Pen) -> Option<String> {
    let (target, entry) = (&ask.target, &answer.entry);
    let took = human::span(std::time::Duration::from_millis(entry.duration_ms));
    let what = format!("{}, {} in {took}", human::many(entry.rows, "row"), human::size(entry.size));
    let pinned = entry.pinned.as_ref().map(|reason| format!("\n  pinned: {reason}")).unwrap_or_default();
    let left_out = entry.left_out.iter().map(|left| format!("\n  NOT IN IT: {}: {}", left.what, left.why)).collect::<String>();
    let label = &entry.label;
    Some(format!("archived {target} as {label}\n  {what}, {}\n  {}{pinned}{left_out}", entry.verdict, entry.path.display()))
}
