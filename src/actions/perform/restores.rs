//! Putting an archive back for whoever asks: the server is stopped for it and started again where that is asked for.

use serde_json::Value;

use super::{installed, moves, value};
use crate::actions::Action;
use crate::config::{Database, Target, load};
use crate::context::Context;
use crate::failure::{Class, Failure};
use crate::progress::Progress;
use crate::restore::{self, Mode, Replace, RestoreError, RestoreRequest, ServerState, Which};
use crate::service;
use crate::upgrade::{self, Phase};

pub(super) async fn restore(ctx: &Context, target: &Target, action: &Action, progress: &Progress) -> Result<Value, Failure> {
    let Action::Restore { label, at, into, replace, dry_run, stop_server, .. } = action else {
        return Err(Failure::new(Class::Software, "this is not a restore"));
    };
    let which = match (label, at) {
        (Some(label), _) => Which::Label(label.clone()),
        (None, Some(at)) => Which::At(*at),
        (None, None) => Which::Newest,
    };
    let into = into.as_deref().map(|url| elsewhere(target, url)).transpose()?;
    let is_own = into.is_none();
    let replace = if *replace { Replace::Allow } else { Replace::Refuse };
    let installed = installed(target).await.map(|installed| installed.version);
    let request = RestoreRequest { which, into, replace, installed };
    let mut state = restore::server(target).await;
    if *dry_run {
        return value(&Box::pin(restore::restore(ctx, target, &request, state, Mode::DryRun, progress)).await?);
    }
    // A stuck one waits for a person, who may need this very restore.
    let open = upgrade::open(&ctx.state, &target.name).await?;
    if let Some((id, phase)) = open.filter(|(_, phase)| *phase != Phase::Stuck && is_own) {
        return Err(upgrade::UpgradeError::Open { id, phase }.into());
    }
    let stopped = *stop_server && is_own && state == ServerState::Running && stop(ctx, target, &request, progress).await?;
    if stopped {
        state = ServerState::Stopped;
    }
    let restored = Box::pin(restore::restore(ctx, target, &request, state, Mode::Run, progress)).await;
    let restored = restored.map_err(|error| {
        let failure = Failure::of(&error);
        if stopped { failure.hint("the server is stopped; start it when the database is as it should be") } else { failure }
    })?;
    let mut answer = value(&restored)?;
    if stopped && let Some(fields) = answer.as_object_mut() {
        fields.insert("server".to_owned(), moves::start_again(ctx, target, progress).await?.into());
    }
    Ok(answer)
}

/// A database that is not the target's own.
fn elsewhere(target: &Target, url: &str) -> Result<Database, Failure> {
    let environment = std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
    let parsed = load::parse_url_beside(url, &target.database, &environment.collect());
    parsed.map_err(|error| Failure::new(Class::Usage, format!("cannot restore into this: {error}")))
}

/// Stops the server for a restore that will not be refused; whether there is one to stop.
async fn stop(ctx: &Context, target: &Target, request: &RestoreRequest, progress: &Progress) -> Result<bool, Failure> {
    let Some(service) = &target.service else { return Ok(false) };
    // Planned as if it were stopped: what is refused anyway is no reason to stop a server. That it uses the database now is
    // none to refuse.
    let planned = restore::restore(ctx, target, request, ServerState::Stopped, Mode::DryRun, progress);
    match Box::pin(planned).await {
        Err(RestoreError::Refused(refusal)) if refusal.class == Class::TempFail => {}
        planned => drop(planned?),
    }
    progress.phase("stopping the server", 0);
    service::stop(service).await?;
    Ok(true)
}
