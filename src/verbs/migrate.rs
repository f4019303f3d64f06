//! `migrate`: Flyway's verbs by hand. What changes the database or its history is as good as an upgrade: the server must be
//! down, none may be open, and what was there is archived first.

mod told;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Effect, Spec, Subject, Work, backup, target};
use crate::archive::manifest::Kind;
use crate::config::{Location, Migrations, Target};
use crate::failure::{Chain, Class, Failure};
use crate::ids::Label;
use crate::migrate::{self, DryScript, Foreseen, Info, Intent, Repaired, Report};
use crate::progress::Progress;
use crate::release;
use crate::restore::{self, ServerState};
use crate::state_db::catalogue;
use crate::upgrade;
use crate::wire::{Migrate, MigrateAsk, MigrateVerb, WouldRun};

pub(super) use told::tell;

/// The version a baseline is set at when the configuration names none: Flyway's own default.
const BASELINE: &str = "1";

/// What each verb answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Info(Info),
    WouldRun(WouldRun<DryScript>),
    Changed {
        #[serde(flatten)]
        done: Done,
        /// The archive of what was there before.
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<Label>,
    },
}

/// What was changed.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Done {
    Report(Report),
    Repaired(Repaired),
    Baseline { baseline: String },
}

fn reads(ask: &Migrate) -> bool {
    match ask.verb {
        MigrateVerb::Info | MigrateVerb::Validate => true,
        MigrateVerb::Apply => ask.ask.dry_run,
        MigrateVerb::Baseline | MigrateVerb::Repair | MigrateVerb::Undo => false,
    }
}

pub(super) fn spec(ask: &Migrate) -> Spec<'_> {
    match ask.verb {
        MigrateVerb::Info | MigrateVerb::Validate => Spec::aside(Subject::Target(&ask.target), Effect::Reads),
        _ if reads(ask) => Spec::of(&ask.target, Effect::Reads),
        _ => Spec::of(&ask.target, Effect::Changes),
    }
}

pub(super) async fn run(asked: &Migrate, work: Work<'_>) -> Result<Answer, Failure> {
    let (ctx, target) = (work.ctx, target(work.ctx, &asked.target)?);
    let (verb, ask) = (asked.verb, &asked.ask);
    let (settings, root) = scripts(target).await?;
    let mut settings = settings.clone();
    if verb == MigrateVerb::Apply && ask.version.is_some() {
        settings.target.clone_from(&ask.version);
    }
    let database = &target.database;
    match verb {
        MigrateVerb::Info => return Ok(Answer::Info(migrate::info(database, &settings, &root).await?)),
        MigrateVerb::Validate => return Ok(Answer::Info(migrate::validate(database, &settings, &root).await?)),
        MigrateVerb::Apply if ask.dry_run => {
            let would_run = migrate::dry_run(database, &settings, &root, &selection(ask)).await?;
            return Ok(Answer::WouldRun(WouldRun { would_run }));
        }
        MigrateVerb::Apply | MigrateVerb::Baseline | MigrateVerb::Repair | MigrateVerb::Undo => {}
    }
    demand_stopped(target).await?;
    let fresh = missing_file(target);
    // What is refused anyway is refused before an archive is taken for it; and nothing is archived for nothing.
    let label = match foresee(target, verb, ask, &settings, &root).await? {
        Foreseen::Nothing | Foreseen::History => None,
        Foreseen::Changes => keep(target, verb, work).await?,
    };
    // Again, for the archive may have taken an hour.
    demand_stopped(target).await?;
    let changed = change(target, verb, ask, &settings, &root, work.progress).await;
    let done = changed.map_err(|failure| match &label {
        Some(label) => failure.safe(format!("the database as it was is in archive {label}")),
        None if fresh => failure.safe("there was no database before"),
        None => failure.safe("nothing was changed"),
    })?;
    // Whose shape it is now is known at this moment; later nobody might tell.
    let seen = async || upgrade::remember_shape(ctx, target, &upgrade::observe(ctx, target).await?).await;
    if let Err(error) = Box::pin(seen()).await {
        tracing::warn!(target = %target.name, reason = %Chain(&error), "what the migrations left could not be remembered");
    }
    Ok(Answer::Changed { done, label })
}

fn selection(ask: &MigrateAsk) -> migrate::Selection {
    migrate::Selection { cherry_pick: ask.cherry_pick.clone() }
}

/// Archives what is there before it is changed; the archive's label.
async fn keep(target: &Target, verb: MigrateVerb, work: Work<'_>) -> Result<Option<Label>, Failure> {
    let first = catalogue::list(&work.ctx.state, Some(&target.name)).await?.is_empty();
    match (verb, &target.database.location) {
        // As Flyway and SQLite itself do: the first migration makes the file, and there is nothing to keep. Of a file that
        // was archived once and is gone, a new and empty one would only hide the loss.
        (MigrateVerb::Apply, Location::Sqlite { path }) if first && !path.exists() => Ok(None),
        _ => {
            let note = Some("before `upkeep migrate`".to_owned());
            let kept = backup::archive(work.ctx, target, Kind::PreUpgrade, note, None, work.progress).await?;
            Ok(Some(kept.label))
        }
    }
}

async fn foresee(
    target: &Target,
    verb: MigrateVerb,
    ask: &MigrateAsk,
    settings: &Migrations,
    root: &Path,
) -> Result<Foreseen, Failure> {
    let selection = selection(ask);
    let intent = match verb {
        // The file is made by the first migration: there is nothing to look at yet.
        MigrateVerb::Apply if missing_file(target) => return Ok(Foreseen::Changes),
        MigrateVerb::Undo => Intent::Undo(ask.version.as_deref()),
        MigrateVerb::Repair => Intent::Repair,
        MigrateVerb::Baseline => Intent::Baseline(baseline(ask, settings)),
        _ => Intent::Apply(&selection),
    };
    let foreseen = migrate::foresee(&target.database, settings, root, &intent).await;
    foreseen.map_err(|error| Failure::of(&error).safe("nothing was changed, and no archive was taken for it"))
}

fn missing_file(target: &Target) -> bool {
    matches!(&target.database.location, Location::Sqlite { path } if !path.exists())
}

fn baseline<'a>(ask: &'a MigrateAsk, settings: &'a Migrations) -> &'a str {
    ask.version.as_deref().or(settings.baseline_on_migrate.as_deref()).unwrap_or(BASELINE)
}

/// Changes the database or its history.
async fn change(
    target: &Target,
    verb: MigrateVerb,
    ask: &MigrateAsk,
    settings: &Migrations,
    root: &Path,
    progress: &Progress,
) -> Result<Done, Failure> {
    let database = &target.database;
    Ok(match verb {
        MigrateVerb::Undo => Done::Report(migrate::undo(database, settings, root, ask.version.as_deref()).await?),
        MigrateVerb::Apply => Done::Report(migrate::apply_some(database, settings, root, &selection(ask), progress).await?),
        MigrateVerb::Repair => Done::Repaired(migrate::repair(database, settings, root).await?),
        _ => {
            let version = baseline(ask, settings);
            migrate::baseline(database, settings, root, version, None).await?;
            Done::Baseline { baseline: version.to_owned() }
        }
    })
}

async fn demand_stopped(target: &Target) -> Result<(), Failure> {
    let name = &target.name;
    let refuse = |what: String| Failure::new(Class::TempFail, what).safe("nothing was changed");
    match restore::server(target).await {
        ServerState::Stopped | ServerState::NoService => Ok(()),
        ServerState::Running | ServerState::StoppedFirst => Err(refuse(format!("the server of `{name}` is running"))
            .hint(format!("let upkeep stop it, archive, migrate and start it: `upkeep upgrade {name}`"))),
        ServerState::Unknown => Err(refuse(format!("cannot tell whether the server of `{name}` is running"))
            .hint("see why, fix it, and run this again: `upkeep check`")),
    }
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
