//! Migrations by hand: what changes the database or its history is as good as an upgrade.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{archive, value};
use crate::actions::{MigrateAsk, MigrateVerb};
use crate::archive::manifest::Kind;
use crate::config::{Location, Migrations, Target};
use crate::context::Context;
use crate::failure::{Class, Failure};
use crate::migrate;
use crate::progress::Progress;
use crate::release;
use crate::restore::{self, ServerState};
use crate::state_db::catalogue;
use crate::upgrade::{self, Phase};

/// The version a baseline is set at when the configuration names none: Flyway's own default.
const BASELINE: &str = "1";

pub(super) async fn migrate(
    ctx: &Context,
    target: &Target,
    verb: MigrateVerb,
    ask: &MigrateAsk,
    progress: &Progress,
) -> Result<Value, Failure> {
    let (settings, root) = scripts(target).await?;
    let mut settings = settings.clone();
    if verb == MigrateVerb::Apply && ask.version.is_some() {
        settings.target.clone_from(&ask.version);
    }
    let database = &target.database;
    match verb {
        MigrateVerb::Info => return value(&migrate::info(database, &settings, &root).await?),
        MigrateVerb::Validate => return value(&migrate::validate(database, &settings, &root).await?),
        MigrateVerb::Apply if ask.dry_run => {
            let would = migrate::dry_run(database, &settings, &root, &selection(ask)).await?;
            return Ok(json!({ "would_run": would }));
        }
        MigrateVerb::Apply | MigrateVerb::Baseline | MigrateVerb::Repair | MigrateVerb::Undo => {}
    }
    // What changes the database or its history by hand is as good as an upgrade: none may be open, the server must be down,
    // and what was there is archived first.
    let open = upgrade::open(&ctx.state, &target.name).await?;
    if let Some((id, phase)) = open.filter(|(_, phase)| *phase != Phase::Stuck) {
        return Err(upgrade::UpgradeError::Open { id, phase }.into());
    }
    demand_stopped(target).await?;
    let label = keep(ctx, target, verb, progress).await?;
    // Again, for the archive may have taken an hour.
    demand_stopped(target).await?;
    let changed = change(target, verb, ask, &settings, &root, progress).await;
    let mut done = changed.map_err(|failure| match &label {
        Some(label) => failure.safe(format!("the database as it was is in archive {label}")),
        None => failure.safe("there was no database before"),
    })?;
    if let (Some(fields), Some(label)) = (done.as_object_mut(), label) {
        fields.insert("label".to_owned(), label.into());
    }
    Ok(done)
}

fn selection(ask: &MigrateAsk) -> migrate::Selection {
    migrate::Selection { cherry_pick: ask.cherry_pick.clone() }
}

/// Archives what is there before it is changed; the archive's label.
async fn keep(ctx: &Context, target: &Target, verb: MigrateVerb, progress: &Progress) -> Result<Option<String>, Failure> {
    let first = catalogue::list(&ctx.state, Some(&target.name)).await?.is_empty();
    match (verb, &target.database.location) {
        // As Flyway and SQLite itself do: the first migration makes the file, and there is nothing to keep. Of a file that
        // was archived once and is gone, a new and empty one would only hide the loss.
        (MigrateVerb::Apply, Location::Sqlite { path }) if first && !path.exists() => Ok(None),
        _ => {
            let note = Some("before `upkeep migrate`".to_owned());
            let kept = archive(ctx, target, Kind::PreUpgrade, note, None, progress).await?;
            Ok(kept.get("label").and_then(Value::as_str).map(str::to_owned))
        }
    }
}

/// Changes the database or its history.
async fn change(
    target: &Target,
    verb: MigrateVerb,
    ask: &MigrateAsk,
    settings: &Migrations,
    root: &Path,
    progress: &Progress,
) -> Result<Value, Failure> {
    let database = &target.database;
    match verb {
        MigrateVerb::Undo => value(&migrate::undo(database, settings, root, ask.version.as_deref()).await?),
        MigrateVerb::Apply => value(&migrate::apply_some(database, settings, root, &selection(ask), progress).await?),
        MigrateVerb::Repair => value(&migrate::repair(database, settings, root).await?),
        _ => {
            let version = ask.version.as_deref().or(settings.baseline_on_migrate.as_deref()).unwrap_or(BASELINE);
            migrate::baseline(database, settings, root, version, None).await?;
            Ok(json!({ "baseline": version }))
        }
    }
}

async fn demand_stopped(target: &Target) -> Result<(), Failure> {
    if restore::server(target).await != ServerState::Running {
        return Ok(());
    }
    let failure = Failure::new(Class::TempFail, format!("the server of `{}` runs", target.name)).safe("nothing was changed");
    Err(failure.hint(format!("let upkeep stop it, archive, migrate and start it: `upkeep upgrade {}`", target.name)))
}

/// The migrations of a target and the directory they lie under.
async fn scripts(target: &Target) -> Result<(&Migrations, PathBuf), Failure> {
    let settings = target.migrations.as_ref().ok_or_else(|| {
        let failure = Failure::new(Class::Config, format!("target `{}` has no migrations configured", target.name));
        failure.hint(format!("say who applies them: `[targets.{}.migrations]`", target.name))
    })?;
    let root = match &target.release {
        Some(release) => release::read(release).await?.path,
        // Absolute locations need no release.
        None => PathBuf::from("/"),
    };
    Ok((settings, root))
}
