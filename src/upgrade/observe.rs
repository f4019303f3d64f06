//! One look at the world, and what is remembered of it.
//!
//! Owns gathering an [`Observation`]; what cannot be found out goes into it as words, so that looking itself fails only when
//! our own state does. Remembering keeps a release's migration scripts, because the package will delete them, and writes the
//! first release ever seen in step down as the good one.

use std::path::Path;

use super::adoption::adopt_unless_known;
use super::judge::{self, Judgement, Left, Stand};
use super::left::{made_by, note};
use super::plan::{Asked, Database, Decision, Observation, Rules, Scripts, Unread, decide};
use super::state::ReleaseAt;
use super::{UpgradeError, evidence, record};
use crate::backup;
use crate::config::{Migrations, Runner, Target};
use crate::context::Context;
use crate::count::many;
use crate::durable;
use crate::engine::Engine;
use crate::failure::{Chain, Class, Explain};
use crate::ids::Label;
use crate::migrate::{self, MigrateError, plan::Problem};
use crate::product;
use crate::release::{self, Installed, ReleaseError, Wanted, WayBack};
use crate::restore;
use crate::service::{self, ServiceState};
use crate::shape::Shape;
use crate::state_db::belongs::{Belongs, By};
use crate::state_db::catalogue;
use crate::state_db::seen::SeenRelease;
use crate::version::Version;

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
    let left = record::left(&ctx.state, &target.name).await?;
    let good = left.as_ref().and_then(|row| {
        let path = row.path.clone();
        row.version.clone().map(|version| ReleaseAt { version, path })
    });
    let open = record::open(&ctx.state, &target.name).await?;
    let release = match &target.release {
        Some(release) => Some(release::read_when(release, wanted).await.map_err(|error| Unread {
            class: error.class(),
            why: Chain(&error).to_string(),
            busy: matches!(error, ReleaseError::PackageBusy(_)),
        })),
        None => None,
    };
    let way_back = match (&target.release, &good) {
        (Some(release), Some(good)) => release::way_back(release, &good.path),
        _ => WayBack::Nothing,
    };
    let installed = release.as_ref().and_then(|release| release.as_ref().ok());
    let entries = catalogue::list(&ctx.state, Some(&target.name)).await?;
    let rehearsal = match installed {
        Some(installed) => ctx.state.last_rehearsal(&target.name, Some((&installed.version, &*installed.path))).await?,
        None => None,
    };
    let service = match &target.service {
        Some(service) => Some(service::status(service).await),
        None => None,
    };
    Ok(Observation {
        last_of_good: good.as_ref().and_then(|good| last_of(&entries, &good.version)),
        target: target.name.clone(),
        at: now,
        database: Box::pin(database(ctx, target, installed, left.as_ref())).await?,
        release,
        good,
        left: left.as_ref().map(Left::from),
        way_back,
        service,
        holds: ctx.state.active_holds(&target.name, now).await?,
        unfinished: restore::unfinished(&ctx.config.daemon.state_dir, &target.name)?,
        open: open.map(|record| (record.id, record.state.phase)),
        lost: evidence::lost(&ctx.state, target).await?,
        rehearsal,
        free_bytes: free_bytes(&target.backup.directory),
        last_archive_bytes: catalogue::newest_good(&entries, now).map(|entry| entry.size),
        rules: rules(target),
    })
}

fn rules(target: &Target) -> Rules {
    Rules {
        auto: target.upgrade.auto,
        window: target.upgrade.window,
        before_upgrade: target.rehearse.before_upgrade,
        on_failure: target.upgrade.on_failure,
        attempts: target.upgrade.attempts.max(1),
        runner: target.migrations.as_ref().map(|migrations| migrations.runner.clone()),
        table: scripted(target).map(|migrations| migrations.table.clone()),
        release_path: target.release.as_ref().map(|release| release.path.clone()).unwrap_or_default(),
        service: target.service.as_ref().map(service::name).unwrap_or_default(),
    }
}

/// Room where archives go; the directory itself may not be there yet. What cannot be measured is left to the backup to find.
fn free_bytes(directory: &Path) -> u64 {
    let standing = directory.ancestors().find(|ancestor| ancestor.is_dir());
    standing.and_then(|directory| durable::free_bytes(directory).ok()).unwrap_or(u64::MAX)
}

/// The newest good archive of a release. Labels are told by the shape, so it is what that release left.
fn last_of(entries: &[catalogue::Entry], version: &Version) -> Option<Label> {
    let of_it = entries.iter().filter(|entry| entry.release.as_ref() == Some(version) && entry.good());
    of_it.max_by_key(|entry| entry.taken_at).map(|entry| entry.label.clone())
}

/// The database, or in words why it does not answer.
async fn database(
    ctx: &Context,
    target: &Target,
    installed: Option<&Installed>,
    left: Option<&Belongs>,
) -> Result<Result<Database, String>, UpgradeError> {
    let asked = match Box::pin(ask(target, installed, left)).await {
        Ok(asked) => asked,
        Err(why) => return Ok(Err(why)),
    };
    let known = ctx.state.releases_of_shape(&target.name, &asked.shape).await?;
    Ok(Ok(Database { known, ..asked }))
}

async fn ask(target: &Target, installed: Option<&Installed>, left: Option<&Belongs>) -> Result<Database, String> {
    let engine = Engine::of(&target.database);
    let tables = backup::history_tables(target);
    let glance = engine.glance().await.map_err(|error| Chain(&error).to_string())?;
    if !glance.exists {
        return Err(format!("{} does not exist", target.database.location));
    }
    let shape = engine.shape(&tables).await.map_err(|error| Chain(&error).to_string())?;
    let scripts = match installed {
        Some(installed) => {
            scripts(target, installed_at(installed), Some(&shape)).await.map_err(|error| Chain(&error).to_string())?
        }
        None => None,
    };
    // Asked only where it matters: a newer server, or a newer upkeep, may write the same schema otherwise.
    let differs = |row: &&Belongs| row.shape.as_ref().is_some_and(|left| left.fingerprint != shape.fingerprint);
    let comparable = match left.filter(differs) {
        Some(row) => row.made_by == made_by(&engine).await,
        None => true,
    };
    Ok(Database { shape, bytes: glance.bytes, half_loaded: glance.half_loaded, scripts, known: Vec::new(), comparable })
}

fn installed_at(installed: &Installed) -> (&Path, &Version) {
    (&installed.path, &installed.version)
}

/// What is known of the target's product says how a database of this shape stands to the release; none where nothing is known of it.
fn by_product(target: &Target, (root, version): (&Path, &Version), shape: &Shape) -> Option<Scripts> {
    let verdict = product::judge(target.product?, target, shape, root, version);
    // Rows that failed are told of every history, whoever's it is.
    let product::Verdict { pending, ahead, failed, blocked } = verdict;
    Some(Scripts { pending, ahead, failed, invalid: Vec::new(), blocked })
}

/// How the database stands to the release, by what is known of its product, else by the scripts at `root`; none when nothing says it.
///
/// # Errors
/// When the database cannot be asked. Scripts that cannot be read are an answer: the release is damaged.
pub(super) async fn scripts(
    target: &Target,
    (root, version): (&Path, &Version),
    shape: Option<&Shape>,
) -> Result<Option<Scripts>, MigrateError> {
    if let Some(said) = shape.and_then(|shape| by_product(target, (root, version), shape)) {
        return Ok(Some(said));
    }
    let Some(migrations) = scripted(target) else { return Ok(None) };
    let ours = migrations.runner == Runner::Flyway;
    let info = match migrate::info(&target.database, migrations, root).await {
        Ok(info) => info,
        Err(error) if error.transient() || error.class() == Class::Unavailable => return Err(error),
        // A release from before the vendor had these directories: its tool has other files, and the record says how it stands.
        Err(MigrateError::NoLocation { .. }) if !ours => return Ok(None),
        Err(error) => {
            let invalid = vec![Chain(&error).to_string()];
            return Ok(Some(Scripts { invalid, ..Scripts::default() }));
        }
    };
    // Whoever migrates is another tool already, and keeps no history of Flyway's: scripts say nothing about it.
    if !ours && !info.exists && info.problems.iter().any(|problem| matches!(problem, Problem::Owned { .. })) {
        return Ok(None);
    }
    if info.entries.is_empty() && !info.left_alone.is_empty() {
        // Files, and none of them a migration of Flyway's: they say nothing of what the vendor's tool does with them.
        if !ours {
            return Ok(None);
        }
        let (files, places) = (many(info.left_alone.len() as u64, "file"), migrations.locations.join("`, `"));
        let invalid = vec![format!("none of the {files} in `{places}` is a migration of Flyway's")];
        return Ok(Some(Scripts { invalid, ..Scripts::default() }));
    }
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
            Problem::Owned { .. } | Problem::HandsOver { .. } if !ours => {}
            Problem::Failed { migration, script } | Problem::Unfinished { migration, script } => {
                scripts.failed.push(format!("{migration} ({script})"))
            }
            other => scripts.invalid.push(other.to_string()),
        }
    }
    Ok(Some(scripts))
}

/// How a target's database stands to a release, as after a migration; none where nothing says it.
///
/// # Errors
/// When the database cannot be asked; in words.
pub async fn stand(target: &Target, release: &Installed) -> Result<Option<Scripts>, String> {
    let tables = backup::history_tables(target);
    let shape = Engine::of(&target.database).shape(&tables).await.map_err(|error| Chain(&error).to_string())?;
    let scripts = Box::pin(scripts(target, installed_at(release), Some(&shape))).await;
    let scripts = scripts.map_err(|error| Chain(&error).to_string())?;
    Ok(with_histories(target, scripts, &shape, &release.version))
}

/// The scripts' answer, and what the histories say by themselves: a migration that failed in any of them, and, where a product numbers
/// its migrations as its releases, how far it came. None when neither says anything.
pub(super) fn with_histories(target: &Target, scripts: Option<Scripts>, shape: &Shape, installed: &Version) -> Option<Scripts> {
    let table = scripts.as_ref().and(scripted(target)).map(|migrations| migrations.table.as_str());
    let runner = target.migrations.as_ref().map(|migrations| &migrations.runner);
    let mut said = judge::histories_say(runner, shape, installed);
    said.failed = shape.failed(table);
    if said == Scripts::default() {
        return scripts;
    }
    let mut all = scripts.unwrap_or_default();
    all.failed.extend(said.failed);
    if all.pending.is_empty() && all.ahead.is_empty() {
        all.pending = said.pending;
        all.ahead = said.ahead;
    }
    Some(all)
}

/// The migrations whose scripts say what should be there; where a product is known, its judge does.
fn scripted(target: &Target) -> Option<&Migrations> {
    target.migrations.as_ref().filter(|_| target.product.is_none()).filter(|migrations| !migrations.locations.is_empty())
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
    let package = match &target.release {
        Some(release) => release::package(release).await,
        None => None,
    };
    let known = ctx.state.seen_releases(&target.name).await?;
    let same = known.iter().any(|known| {
        known.version.as_str() == installed.version.as_str()
            && known.path == installed.path
            && known.scripts_json == scripts_json
            && known.package == package
    });
    // It was looked at before its files and its package were: where another one is being put in its place, they may be the other's.
    if !same && is_still(target, installed).await {
        let release = SeenRelease {
            version: installed.version.clone(),
            path: installed.path.clone(),
            probe: installed.probe.clone(),
            first: seen.at,
            scripts_json,
            package,
        };
        ctx.state.remember_release(&target.name, &release).await?;
    }
    if let Decision::Adopt(plan) = decide(seen, Asked::ByDaemon, seen.at) {
        // What of a package's script is in the schema that was seen already is not this release's.
        if !is_still(target, installed).await {
            return Ok(());
        }
        let shape = seen.database.as_ref().ok().map(|database| database.shape.clone());
        return adopt_unless_known(ctx, target, *plan, shape, seen.at).await;
    }
    remember_shape(ctx, target, seen).await
}

/// Whether a release is still the installed one, file by file.
async fn is_still(target: &Target, installed: &Installed) -> bool {
    let Some(release) = &target.release else { return false };
    release::read_when(release, Wanted::Placed).await.is_ok_and(|after| after == *installed)
}

/// Keeps the record true while nothing happens: which shape is whose, and what a release changes by itself while it serves. Takes nothing
/// for good.
///
/// # Errors
/// When the state database cannot be written.
pub async fn remember_shape(ctx: &Context, target: &Target, seen: &Observation) -> Result<(), UpgradeError> {
    let (Some(Ok(installed)), Ok(database), None, None) = (&seen.release, &seen.database, &seen.open, &seen.unfinished) else {
        return Ok(());
    };
    let judged = seen.judgement().unwrap_or_default();
    let version = &installed.version;
    let fits = fits(seen, &judged, version);
    let made = judged.release.as_ref() == Some(version) && seen.rules.table.is_some();
    let new = (fits || made) && !database.half_loaded && !database.known.contains(version);
    // The release was looked at before the schema was: where the package of another is being put in its place, what its script has just
    // changed is not this one's.
    if !(new || grown(seen)) || !is_still(target, installed).await {
        return Ok(());
    }
    if new {
        ctx.state.remember_shape(&target.name, &database.shape, version).await?;
    }
    if grown(seen) {
        let to = ReleaseAt { version: version.clone(), path: installed.path.clone() };
        let source = format!("release {version} while it served");
        // The schema as it was then: read again, it may be another's as well.
        note(ctx, target, By::Itself, Some(&to), source, Some(database.shape.clone())).await?;
    }
    Ok(())
}

fn fits(seen: &Observation, judged: &Judgement, installed: &Version) -> bool {
    judged.stand() == Stand::InStep && seen.left.as_ref().is_some_and(|left| left.release.as_ref() == Some(installed))
}

/// Whether the release that serves has changed its schema itself since that was last written down (a plugin's table, this month's
/// partition), so that it is time to write it down again: what is found later under another release is nobody's.
#[must_use]
pub fn grown(seen: &Observation) -> bool {
    let (Some(Ok(installed)), Ok(database), None, None) = (&seen.release, &seen.database, &seen.open, &seen.unfinished) else {
        return false;
    };
    let judged = seen.judgement().unwrap_or_default();
    let left = seen.left.as_ref().and_then(|left| left.shape.as_ref());
    let same = left.is_some_and(|shape| shape.same_as(&database.shape));
    fits(seen, &judged, &installed.version) && !same && matches!(seen.service, None | Some(ServiceState::Running))
}

/// Whose the data is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfTheData {
    /// The release, with what says so; none where that cannot be known.
    pub release: Option<(Version, String)>,
    /// The shape that it was told by: data of another shape may be another's. Where the database did not answer, the one on record.
    pub shape: Option<Shape>,
}

/// The release that the data belongs to now. Where the database does not answer it is the one on record.
///
/// # Errors
/// When the state database cannot be read.
pub async fn release_of_the_data(ctx: &Context, target: &Target) -> Result<OfTheData, UpgradeError> {
    // Nothing says anything of releases, so the database is not asked: with thousands of tables that takes as long as an archive of them.
    if target.release.is_none() && record::left(&ctx.state, &target.name).await?.is_none() {
        return Ok(OfTheData::default());
    }
    let seen = observe(ctx, target).await?;
    let release = said_of(target, &seen).await;
    let left = seen.left.and_then(|left| left.shape);
    let shape = seen.database.map_or(left, |database| Some(database.shape)).filter(|_| release.is_some());
    Ok(OfTheData { release, shape })
}

async fn said_of(target: &Target, seen: &Observation) -> Option<(Version, String)> {
    let installed = seen.release.as_ref().and_then(|release| release.as_ref().ok());
    let said = |version: Version, by: &str| Some((version, by.to_owned()));
    let on_record = || seen.good.as_ref().and_then(|good| said(good.version.clone(), "last good release"));
    let Some(installed) = installed else {
        // Nothing of today's release is known: what is on record, as long as the shape is what it left.
        return match (&seen.database, &seen.left) {
            (Ok(database), Some(left)) => match &left.shape {
                Some(shape) if !shape.same_as(&database.shape) => {
                    database.known.last().cloned().and_then(|version| said(version, "its shape"))
                }
                _ => on_record(),
            },
            _ => on_record(),
        };
    };
    if !is_still(target, installed).await {
        // A package is being put in its place, and its script may have been at the schema before that was seen.
        return None;
    }
    let Some(judged) = seen.judgement() else { return on_record() };
    match (judged.release.clone(), judged.stand()) {
        (Some(version), _) if version == installed.version => said(version, &installed.probe),
        (Some(version), _) if seen.good.as_ref().is_some_and(|good| good.version == version) => {
            said(version, "last good release")
        }
        (Some(version), _) => said(version, "its shape"),
        // Nothing is on record yet, and nothing speaks against the release that lies there.
        (None, Stand::InStep) => said(installed.version.clone(), &installed.probe),
        (None, _) => None,
    }
}
