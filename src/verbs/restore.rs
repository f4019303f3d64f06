//! `restore`: an archive back for whoever asks; the server is stopped for it and started again where that is asked for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Effect, InLane, Lane, Lanes, Spec, Subject, Work, backup, course, identity, open, target};
use crate::config::{Database, Target, load};
use crate::context::Context;
use crate::failure::{Class, Failure};
use crate::offsite;
use crate::pen::{Pen, human};
use crate::progress::Progress;
use crate::restore::{self, Mode, Replace, RestoreRequest, Restored, ServerState, Which};
use crate::service;
use crate::wire::{Address, Restore};

/// What was done, and what became of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    restored: Restored,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
}

pub(super) fn spec(ask: &Restore) -> Spec<'_> {
    let effect = if ask.dry_run { Effect::Reads } else { Effect::Changes };
    let spec = Spec::of(&ask.target, effect);
    if ask.into.is_some() { Spec { subject: Subject::Elsewhere(&ask.target), ..spec } } else { spec }
}

pub(super) async fn run(ask: &Restore, work: Work<'_>) -> Result<Answer, Failure> {
    let (ctx, target) = (work.ctx, target(work.ctx, &ask.target)?);
    let which = match (&ask.label, &ask.at) {
        (Some(label), _) => Which::Label(label.clone()),
        (None, Some(at)) => Which::At(*at),
        (None, None) => Which::Newest,
    };
    let into = ask.into.as_ref().map(|address| elsewhere(target, address)).transpose()?;
    // Whose database it really is, whatever its address: what guards that one is asked.
    let owner = match &into {
        None => Some(target),
        Some(database) => restore::owner(ctx, database).await?,
    };
    let (is_own, home) = (owner.is_some(), owner.unwrap_or(target));
    let anothers = owner.filter(|owner| owner.name != target.name);
    let into = into.filter(|_| !is_own || anothers.is_some());
    let replace = if ask.replace { Replace::Allow } else { Replace::Refuse };
    let installed = backup::installed(home).await.map(|installed| installed.version);
    let place = ask.place.as_ref().map(|name| offsite::place(&ctx.config, name)).transpose()?.cloned();
    let identity = ask.identity.as_ref().map(identity).transpose()?.map(Arc::new);
    let request =
        RestoreRequest { which, place, owner: ask.owner.clone(), identity, into, home: anothers.cloned(), replace, installed };
    let mut state = restore::server(home).await;
    if ask.stop_server && is_own && state == ServerState::Running && home.service.is_some() {
        state = ServerState::StoppedFirst;
    }
    if ask.dry_run {
        let restored = Box::pin(restore::restore(ctx, target, &request, state, Mode::DryRun, work.progress)).await?;
        return Ok(Answer { restored, server: None });
    }
    // Nobody else works on what is restored into, and its server is not let start, though the job names another target.
    let _lane = anothers.map(|home| entered(work.lanes, home)).transpose()?;
    let _gate = is_own.then(|| work.lanes.shut(&home.name));
    if is_own {
        // Also where another address of the database was given, or it is another target's.
        open::refuse(ctx, &home.name).await?;
    }
    let stopped = state == ServerState::StoppedFirst && stop(ctx, (target, home), &request, work.progress).await?;
    if stopped {
        state = ServerState::Stopped;
    }
    let restored = Box::pin(restore::restore(ctx, target, &request, state, Mode::Run, work.progress)).await;
    let restored = restored.map_err(|error| {
        let failure = Failure::of(&error);
        if stopped { failure.hint("the server is stopped; start it when the database is as it should be") } else { failure }
    })?;
    let server = match stopped {
        true => Some(course::start_again(ctx, home, work.progress).await.map_err(|failure| unserved(&restored, failure))?),
        false => None,
    };
    Ok(Answer { restored, server })
}

/// The restore went through, and its server does not serve from it.
fn unserved(restored: &Restored, failure: Failure) -> Failure {
    let label = &restored.plan.label;
    let message = format!("{label} is restored, and its server is not up: {}", failure.message);
    let before = restored.safety.iter().map(|label| format!("; what was there before is in {label}")).collect::<String>();
    Failure { message, ..failure }
        .safe(format!("every row is as in {label}{before}"))
        .hint("see why it does not become healthy: its own log, and `upkeep status`")
}

/// The lane of the target whose database it is.
fn entered(lanes: &Lanes, home: &Target) -> Result<InLane, Failure> {
    lanes.enter(&Lane::Target(home.name.clone())).ok_or_else(|| {
        let what = format!("this is the database of target `{}`, and something else works on that now", home.name);
        let failure = Failure::new(Class::TempFail, what).safe("nothing was changed");
        failure.hint("restore again when that has ended: `upkeep status --watch`")
    })
}

/// A database that is not the target's own.
fn elsewhere(target: &Target, address: &Address) -> Result<Database, Failure> {
    let environment = std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
    let parsed = load::parse_url_beside(address.reveal(), &target.database, &environment.collect());
    parsed.map_err(|error| Failure::new(Class::Usage, format!("cannot restore into this: {error}")))
}

/// Stops the server for a restore that will not be refused; whether there is one to stop.
async fn stop(
    ctx: &Context,
    (target, home): (&Target, &Target),
    request: &RestoreRequest,
    progress: &Progress,
) -> Result<bool, Failure> {
    let Some(service) = &home.service else { return Ok(false) };
    // Planned first: what is refused anyway is no reason to stop a server.
    Box::pin(restore::restore(ctx, target, request, ServerState::StoppedFirst, Mode::DryRun, progress)).await?;
    progress.phase("stopping the server", 0);
    service::stop(service).await?;
    Ok(true)
}

pub(super) fn tell(ask: &Restore, answer: &Answer, _: Pen) -> Option<String> {
    let (done, plan) = (&answer.restored, &answer.restored.plan);
    if ask.dry_run {
        return Some(plan.to_string());
    }
    let from = ask.place.as_ref().map(|place| format!(" from {place}")).unwrap_or_default();
    let mut lines = vec![format!("restored {}{from} into {}", plan.label, plan.location)];
    if let Some(loaded) = &done.loaded {
        let (rows, tables) = (human::many(loaded.rows, "row"), human::many(loaded.tables, "table"));
        lines.push(format!("  {rows} of {tables} compared, all as in the archive"));
        lines.extend(loaded.warnings.iter().map(|warning| format!("  note: {warning}")));
    }
    lines.extend(plan.notes.iter().map(|note| format!("  note: {note}")));
    lines.extend(done.safety.iter().map(|label| format!("  what was there before is in {label}")));
    lines.extend(answer.server.iter().map(|server| format!("  server: {server}")));
    Some(lines.join("\n"))
}
