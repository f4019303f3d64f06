//! One look at the world, and what is remembered of it.
//!
//! Owns gathering an [`Observation`]; what cannot be found out goes into it as words, so that looking itself fails only when
//! our own state does. Remembering keeps a release's migration scripts, because the package will delete them, and writes the
//! first release ever seen in step down as the good one.

use std::path::Path;

use super::plan::{Asked, Database, Decision, Observation, Rules, Scripts, Unread, decide};
use super::state::Event;
use super::{UpgradeError, append, record};
use crate::backup;
use crate::config::{Migrations, Target};
use crate::context::Context;
use crate::durable;
use crate::engine::Engine;
use crate::failure::{Chain, Class, Explain};
use crate::migrate::{self, MigrateError, plan::Problem};
use crate::release::{self, Installed, Wanted, WayBack};
use crate::restore;
use crate::service;
use crate::state_db::catalogue;
use crate::state_db::seen::SeenRelease;

/// Looks at release, database, server, holds and room. Changes nothing.
///
/// # Errors
/// When the state database cannot be read. What is wrong with the world is in the observation.
pub async fn observe(ctx: &Context, target: &Target) -> Result<Observation, UpgradeError> {
    observe_when(ctx, target, Wanted::Settled).await
}

/// As [`observe`], on behalf of the gate: a package's own script may be what waits for the answer.
///
/// # Errors
/// As [`observe`].
pub async fn observe_at_gate(ctx: &Context, target: &Target) -> Result<Observation, UpgradeError> {
    observe_when(ctx, target, Wanted::Placed).await
}

async fn observe_when(ctx: &Context, target: &Target, wanted: Wanted) -> Result<Observation, UpgradeError> {
    let now = ctx.clock.now();
    let good = record::good(&ctx.state, &target.name).await?;
    let open = record::open(&ctx.state, &target.name).await?;
    let release = match &target.release {
        Some(release) => Some(
            release::read_when(release, wanted)
                .await
                .map_err(|error| Unread { class: error.class(), why: Chain(&error).to_string() }),
        ),
        None => None,
    };
    let way_back = match (&target.release, &good) {
        (Some(release), Some(good)) => release::way_back(release, &good.path),
        _ => WayBack::Nothing,
    };
    let installed = release.as_ref().and_then(|release| release.as_ref().ok());
    let service = match &target.service {
        Some(service) => Some(service::status(service).await),
        None => None,
    };
    Ok(Observation {
        target: target.name.clone(),
        at: now,
        database: Box::pin(database(target, installed)).await,
        release,
        good,
        way_back,
        service,
        holds: ctx.state.active_holds(&target.name, now).await?,
        unfinished: restore::unfinished(&ctx.config.daemon.state_dir, &target.name)?,
        open: open.map(|record| (record.id, record.state.phase)),
        free_bytes: free_bytes(&target.backup.directory),
        last_archive_bytes: last_archive_bytes(ctx, target).await?,
        rules: rules(target),
    })
}

fn rules(target: &Target) -> Rules {
    Rules {
        auto: target.upgrade.auto,
        window: target.upgrade.window,
        on_failure: target.upgrade.on_failure,
        attempts: target.upgrade.attempts.max(1),
        runner: target.migrations.as_ref().map(|migrations| migrations.runner.clone()),
        release_path: target.release.as_ref().map(|release| release.path.clone()).unwrap_or_default(),
        service: target.service.as_ref().map(service::name).unwrap_or_default(),
    }
}

/// Room where archives go; the directory itself may not be there yet. What cannot be measured is left to the backup to find.
fn free_bytes(directory: &Path) -> u64 {
    let standing = directory.ancestors().find(|ancestor| ancestor.is_dir());
    standing.and_then(|directory| durable::free_bytes(directory).ok()).unwrap_or(u64::MAX)
}

async fn last_archive_bytes(ctx: &Context, target: &Target) -> Result<Option<u64>, UpgradeError> {
    let entries = catalogue::list(&ctx.state, Some(&target.name)).await?;
    Ok(catalogue::newest_good(&entries, ctx.clock.now()).map(|entry| entry.size))
}

async fn database(target: &Target, installed: Option<&Installed>) -> Result<Database, String> {
    let engine = Engine::of(&target.database);
    let tables = backup::history_tables(target);
    let survey = engine.survey(&tables).await.map_err(|error| Chain(&error).to_string())?;
    if !survey.exists {
        return Err(format!("{} does not exist", target.database.location));
    }
    let shape = engine.shape(&tables).await.map_err(|error| Chain(&error).to_string())?;
    let scripts = match installed {
        Some(installed) => scripts(target, &installed.path).await.map_err(|error| Chain(&error).to_string())?,
        None => None,
    };
    Ok(Database { shape, bytes: survey.bytes, half_loaded: survey.half_loaded, scripts })
}

/// How the database stands to the scripts of the release at `root`; none when no scripts are configured.
///
/// # Errors
/// When the database cannot be asked. Scripts that cannot be read are an answer: the release is damaged.
pub(super) async fn scripts(target: &Target, root: &Path) -> Result<Option<Scripts>, MigrateError> {
    let Some(migrations) = scripted(target) else { return Ok(None) };
    let info = match migrate::info(&target.database, migrations, root).await {
        Ok(info) => info,
        Err(error) if error.transient() || error.class() == Class::Unavailable => return Err(error),
        Err(error) => {
            let invalid = vec![Chain(&error).to_string()];
            return Ok(Some(Scripts { invalid, ..Scripts::default() }));
        }
    };
    let mut scripts = Scripts { ahead: info.ahead, ..Scripts::default() };
    scripts.pending = info
        .pending
        .iter()
        .map(|script| match &script.version {
            Some(version) => format!("{version} {}", script.description),
            None => format!("repeatable {}", script.description),
        })
        .collect();
    for problem in &info.problems {
        match problem {
            Problem::Ahead { .. } => {}
            Problem::Failed { migration, script } | Problem::Unfinished { migration, script } => {
                scripts.failed.push(format!("{migration} ({script})"))
            }
            other => scripts.invalid.push(other.to_string()),
        }
    }
    Ok(Some(scripts))
}

fn scripted(target: &Target) -> Option<&Migrations> {
    target.migrations.as_ref().filter(|migrations| !migrations.locations.is_empty())
}

/// Keeps what was seen: the release with its migration scripts, and, at first sight of a target in step, that this is the
/// good release. Safe to repeat; costs a look when nothing is new.
///
/// # Errors
/// When scripts cannot be read or kept, or the state database cannot be written.
pub async fn remember_release(ctx: &Context, target: &Target, seen: &Observation) -> Result<(), UpgradeError> {
    let Some(Ok(installed)) = &seen.release else { return Ok(()) };
    let scripts_json = match scripted(target) {
        Some(migrations) => {
            let (migrations, root) = (migrations.clone(), installed.path.clone());
            let store = ctx.config.daemon.state_dir.join("scripts");
            let flavour = Engine::of(&target.database).flavour();
            let keep = move || migrate::keep(&migrate::scan::scripts(&migrations, flavour, &root)?, &store);
            let kept = tokio::task::spawn_blocking(keep).await;
            let kept = kept.unwrap_or_else(|_| Err(MigrateError::Worker("keeping the scripts".to_owned())))?;
            serde_json::to_string(&kept).map_err(UpgradeError::Encode)?
        }
        None => "null".to_owned(),
    };
    let known = ctx.state.seen_releases(&target.name).await?;
    let same = known.iter().any(|known| {
        known.version.as_str() == installed.version.as_str()
            && known.path == installed.path
            && known.scripts_json == scripts_json
    });
    if !same {
        let release = SeenRelease {
            version: installed.version.clone(),
            path: installed.path.clone(),
            probe: installed.probe.clone(),
            first: seen.at,
            scripts_json,
        };
        ctx.state.remember_release(&target.name, &release).await?;
    }
    if let Decision::Adopt(plan) = decide(seen, Asked::ByDaemon, seen.at) {
        // If we die between these two, the open adoption has no steps left and the next drive commits it.
        let record = record::begin(&ctx.state, *plan, seen.at).await?;
        append(ctx, &record, &Event::Committed).await?;
    }
    Ok(())
}
