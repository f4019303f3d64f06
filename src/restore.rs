//! Putting an archive back: choose it, read it through, look at the destination, plan, keep what is there, load, compare.
//!
//! Owns the order of these phases and the mark of a restore that has not ended. What is allowed is decided in [`plan`]. Never
//! changes a destination before every byte of the archive was found to be what was sealed and what would be lost is itself archived. Held by
//! `tests/it/restore.rs`.

mod choose;
mod error;
mod from;
mod owner;
pub mod plan;
pub mod unfinished;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub(crate) use choose::choose;
use choose::passed_over;
pub use error::RestoreError;
pub(crate) use from::From as Source;
pub use owner::owner;
pub use plan::{Refusal, Replace, RestorePlan, Safety, ServerState, Situation, Whose};
pub use unfinished::{Unfinished, unfinished};

use crate::archive::manifest::{Kind, ReleaseNote};
use crate::archive::{Archive, Manifest};
use crate::backup::{self, BackupRequest};
use crate::cipher::Identity;
use crate::config::{Database, Offsite, Target};
use crate::context::Context;
use crate::engine::passing::Patience;
use crate::engine::{Engine, EngineError, Keep, Keeping, LoadMode, Loaded, NotKept, Standing, Survey};
use crate::failure::Chain;
use crate::fault;
use crate::ids::{Label, OwnerName};
use crate::progress::Progress;
use crate::service::{self, ServiceState};
use crate::shape::Shape;
use crate::state_db::belongs::{Belongs, By};
use crate::state_db::catalogue::{self, Entry};
use crate::version::Version;

/// Which archive is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The one of this name.
    Label(Label),
    /// The newest verified one that was there at this moment.
    At(DateTime<Utc>),
    /// The newest verified one.
    Newest,
}

/// What is asked of a restore.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// The archive.
    pub which: Which,
    /// Where its copy is, where that is to be read and not the archive here.
    pub place: Option<Offsite>,
    /// Who wrote that copy; this host where nobody is named.
    pub owner: Option<OwnerName>,
    /// What opens that copy, where it is encrypted.
    pub identity: Option<Arc<Identity>>,
    /// The destination; none for the target's own database.
    pub into: Option<Database>,
    /// The configured target whose database that is, where it is another than the archive's: what guards it is what guards that one.
    pub home: Option<Target>,
    /// Whether what is there may be replaced.
    pub replace: Replace,
    /// The release installed, as its probes say.
    pub installed: Option<Version>,
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only the plan.
    DryRun,
    /// The plan, and what it says.
    Run,
}

/// What a restore did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The plan.
    pub plan: RestorePlan,
    /// The archive of what was there before, when one was taken.
    pub safety: Option<Label>,
    /// What the load did; none after a dry run.
    pub loaded: Option<Loaded>,
}

/// Whether the target's server runs, as far as its service says; what passes is waited for.
pub async fn server(target: &Target) -> ServerState {
    match &target.service {
        None => ServerState::NoService,
        Some(service) => match service::certain_status(service).await {
            ServiceState::Running => ServerState::Running,
            ServiceState::Stopped => ServerState::Stopped,
            ServiceState::Unknown(_) => ServerState::Unknown,
        },
    }
}

/// Restores, or says what it would do. `server` is the target's server as its service says.
///
/// If we die before the mark is written, the destination is as it was; after it, [`unfinished`] says what was going on and
/// the same request does it again.
///
/// # Errors
/// When there is no such archive, the plan refuses, or a phase fails.
pub async fn restore(
    ctx: &Context,
    target: &Target,
    request: &RestoreRequest,
    server: ServerState,
    mode: Mode,
    progress: &Progress,
) -> Result<Restored, RestoreError> {
    let (now, from) = (ctx.clock.now(), Source::of(ctx, request).await?);
    let entries = from.entries(ctx, target).await?;
    let entry = choose(&entries, &target.name, &request.which, now)?.clone();
    let destination = Destination::of(target, request).await;
    let archive = from.open(ctx, &entry).await?;
    if mode == Mode::Run {
        let engine = Engine::of(&destination.database);
        // What an earlier restore left there may hide what is there: it is put in order before anybody looks.
        engine.settle().await?;
        // What may not be ended, or cannot be read, is told by the look that follows.
        engine.recover().await.ok();
    }
    let mut plan = destination.plan(ctx, request, server, &archive).await?;
    plan.notes.extend(passed_over(&entries, &entry, &request.which, now));
    if mode == Mode::DryRun {
        return Ok(Restored { plan, safety: None, loaded: None });
    }
    fault::point("restore.begun");
    // Loading reads the content itself, and publishes nothing before it was compared.
    from.check(ctx, (&entry, &archive), progress).await?;
    fault::point("restore.checked");
    let release = match plan.safety {
        Safety::ArchiveFirst => destination.release(ctx, destination.home).await?,
        Safety::NotNeeded => (None, None),
    };
    let keeper = Keeper { ctx, target: destination.home, request: safety_archive(&plan, release), progress };
    let safety = match plan.safety {
        Safety::ArchiveFirst => Some(destination.keep(&keeper).await?),
        Safety::NotNeeded => None,
    };
    fault::point("restore.kept");
    // Both may have taken hours, and neither kept anybody away: what starts or writes now would be lost.
    let again = destination.plan(ctx, request, self::server(destination.home).await, &archive).await?;
    if (again.mode, again.safety) != (plan.mode, plan.safety) {
        return Err(RestoreError::Changed { location: plan.location });
    }
    // Nor does the look just now keep anybody away while the archive is loaded: the engine holds what it replaces to this.
    let standing = match &safety {
        Some(kept) => Standing::Kept { archive: Some(kept), keep: &keeper },
        None if destination.is_a_part(&plan).await? => Standing::Nobodys,
        None => Standing::Rowless,
    };
    let safety = safety.as_ref().map(|kept| kept.manifest().label.clone());
    let loaded = destination.load(ctx, &archive, (plan.mode, standing), safety.clone(), progress).await?;
    let safety = loaded.kept.clone().or(safety);
    destination.note_release(ctx, destination.home, archive.manifest()).await?;
    Ok(Restored { plan, safety, loaded: Some(loaded) })
}

/// Puts an archive in the place of the target's database without a plan: an upgrade's way back, which has stopped the server itself.
///
/// `kept` is the newest archive this way back took of what is there. Behind the fence the engine proves that what is there is still what
/// that archive has, and archives it again where it is not, or where there is none: whoever resumes needs no memory of who wrote
/// meanwhile. [`Loaded::kept`] then names the archive.
///
/// # Errors
/// When there is no such archive, it is not whole, or the load fails; then the old content stands.
pub async fn restore_archive_for_rollback(
    ctx: &Context,
    target: &Target,
    label: &Label,
    kept: Option<&Label>,
    progress: &Progress,
) -> Result<Loaded, RestoreError> {
    let entries = catalogue::list(&ctx.state, Some(&target.name)).await?;
    let entry = choose(&entries, &target.name, &Which::Label(label.clone()), ctx.clock.now())?;
    let archive = open(entry).await?;
    let destination = Destination::own(target);
    let kept = kept.and_then(|kept| entries.iter().find(|entry| entry.label == *kept));
    let request = BackupRequest {
        kind: kept.map_or(Kind::FailedState, |kept| kept.kind),
        note: kept.and_then(|kept| kept.note.clone()),
        pin: kept.and_then(|kept| kept.pinned.clone()).or_else(|| Some(format!("what was there before {label} was put back"))),
        release: None,
        told_by: None,
    };
    // One that is gone or cannot be read proves nothing: then what is there is archived again.
    let kept = match kept {
        Some(kept) => open(kept).await.ok(),
        None => None,
    };
    let release = kept.as_ref().and_then(|kept| kept.manifest().release.clone());
    let told_by = kept.as_ref().filter(|_| release.is_some()).map(|kept| kept.manifest().shape.clone());
    let request = BackupRequest { release, told_by, ..request };
    let keeper = Keeper { ctx, target, request, progress };
    let standing = Standing::Kept { archive: kept.as_ref(), keep: &keeper };
    destination.load(ctx, &archive, (LoadMode::Replace, standing), None, progress).await
}

/// Archives what is about to be replaced: before the load, and again under its fence.
#[derive(Debug)]
struct Keeper<'a> {
    ctx: &'a Context,
    target: &'a Target,
    request: BackupRequest,
    progress: &'a Progress,
}

impl Keep for Keeper<'_> {
    fn keep<'a>(&'a self, there: &'a Database) -> Keeping<'a> {
        Box::pin(async move {
            let there = Target { database: there.clone(), ..self.target.clone() };
            let kept = Box::pin(backup::backup(self.ctx, &there, &self.request, self.progress)).await;
            let entry = kept.map_err(|error| NotKept::of(&error))?;
            open(&entry).await.map_err(|error| NotKept::of(&error))
        })
    }
}

/// What is asked of the archive of what a restore replaces.
fn safety_archive(plan: &RestorePlan, (release, told_by): (Option<ReleaseNote>, Option<Shape>)) -> BackupRequest {
    BackupRequest {
        kind: Kind::PreRestore,
        note: Some(format!("what {} held before {} was restored", plan.location, plan.label)),
        pin: Some(format!("safety archive of the restore of {}", plan.label)),
        release,
        told_by,
    }
}

async fn open(entry: &Entry) -> Result<Archive, RestoreError> {
    let path = entry.path.clone();
    let opened = tokio::task::spawn_blocking(move || Archive::open(&path)).await;
    Ok(opened.map_err(|_| RestoreError::Worker(entry.label.clone()))??)
}

/// Where an archive goes.
struct Destination<'a> {
    database: Database,
    whose: Whose,
    /// The target whose database it is; for one that is nobody's here, that of the archive.
    home: &'a Target,
    /// What the database is, whatever its address, where it could be asked.
    identity: Option<String>,
}

impl<'a> Destination<'a> {
    async fn of(target: &'a Target, request: &'a RestoreRequest) -> Self {
        match (&request.into, &request.home) {
            (Some(_), Some(home)) => Self::own(home),
            (Some(database), None) if database.location != target.database.location => {
                let identity = Engine::of(database).identity().await.ok().map(|identity| identity.lasting().to_owned());
                Self { database: database.clone(), whose: Whose::Other, home: target, identity }
            }
            _ => Self::own(target),
        }
    }

    fn own(home: &'a Target) -> Self {
        Self { database: home.database.clone(), whose: Whose::Target, home, identity: None }
    }

    fn place(&self) -> unfinished::Place<'_> {
        match self.whose {
            Whose::Target => unfinished::Place::Own,
            Whose::Other => unfinished::Place::Other { location: &self.database.location, identity: self.identity.as_deref() },
        }
    }

    /// What is there. Those who pass are no objection: the daemon itself looks at a database now and then.
    async fn survey(&self, engine: &Engine, tables: &[String], server: ServerState) -> Result<Survey, EngineError> {
        let serves = self.whose == Whose::Target && matches!(server, ServerState::Running | ServerState::StoppedFirst);
        let mut patience = Patience::default();
        let mut survey = engine.survey(tables).await?;
        while !serves && !survey.sessions.is_empty() && patience.lasts().await {
            let mut now = engine.survey(tables).await?;
            // Whoever came while another left only passes too.
            now.sessions.retain(|session| survey.sessions.contains(session));
            survey = now;
        }
        Ok(survey)
    }

    /// Looks at the destination and decides.
    async fn plan(
        &self,
        ctx: &Context,
        request: &RestoreRequest,
        server: ServerState,
        archive: &Archive,
    ) -> Result<RestorePlan, RestoreError> {
        let engine = Engine::of(&self.database);
        let history_tables = backup::history_tables(self.home);
        let survey = self.survey(&engine, &history_tables, server).await?;
        let shape = if survey.exists { engine.shape(&history_tables).await? } else { crate::shape::Shape::default() };
        let flavour = engine.server_flavour().await?;
        let unfit = match archive.manifest().server.flavour == flavour {
            true => engine.objections(archive).await?,
            false => Vec::new(),
        };
        let earlier = unfinished::unfinished_in(&ctx.config.daemon.state_dir, &self.home.name, self.place())?;
        let plan = plan::plan(&Situation {
            manifest: archive.manifest(),
            home: &self.home.name,
            location: &self.database.location.to_string(),
            flavour,
            unfit: &unfit,
            whose: self.whose,
            survey: &survey,
            shape: &shape,
            server,
            installed: request.installed.as_ref(),
            replace: request.replace,
            unfinished: earlier.as_ref(),
        })
        .map_err(RestoreError::Refused)?;
        if plan.mode != LoadMode::Replace {
            return Ok(plan);
        }
        let note = engine.may_replace().await?;
        Ok(RestorePlan { notes: plan.notes.into_iter().chain(note).collect(), ..plan })
    }

    /// Writes down that the target's database belongs to the archive's release now: the installed one may be another, and then an upgrade
    /// follows. If we die before this, the shape alone tells, for it is known whose it is.
    async fn note_release(&self, ctx: &Context, target: &Target, manifest: &Manifest) -> Result<(), RestoreError> {
        if self.whose == Whose::Other {
            return Ok(());
        }
        let engine = Engine::of(&self.database);
        // As it stands here: another server may write the same schema in other words.
        let shape = engine.shape(&backup::history_tables(target)).await.ok();
        let server = engine.called().await;
        let version = manifest.release.as_ref().map(|release| release.version.clone());
        let seen = ctx.state.seen_releases(&target.name).await?;
        let path = seen.into_iter().find(|seen| Some(&seen.version) == version.as_ref()).map(|seen| seen.path);
        let row = Belongs {
            upgrade: None,
            by: By::Itself,
            version,
            path: path.unwrap_or_default(),
            shape,
            made_by: format!("upkeep {} on {}", env!("CARGO_PKG_VERSION"), server.unwrap_or_default()),
            source: format!("restore of {}", manifest.label),
            at: ctx.clock.now(),
        };
        Ok(ctx.state.set_belongs(&target.name, &row).await?)
    }

    /// Archives what is there, read back and pinned.
    async fn keep(&self, keeper: &Keeper<'_>) -> Result<Archive, RestoreError> {
        let there = Target { database: self.database.clone(), ..keeper.target.clone() };
        let kept = Box::pin(backup::backup(keeper.ctx, &there, &keeper.request, keeper.progress)).await;
        let location = || self.database.location.to_string();
        open(&kept.map_err(|error| RestoreError::Safety { location: location(), source: Box::new(error) })?).await
    }

    /// Whether the database itself says that it holds a part of an archive, which is nobody's.
    async fn is_a_part(&self, plan: &RestorePlan) -> Result<bool, EngineError> {
        Ok(plan.mode == LoadMode::Replace && Engine::of(&self.database).survey(&[]).await?.half_loaded)
    }

    /// The release that what is there belongs to, as far as that is known, with the shape that tells it: of another database it is not.
    async fn release(&self, ctx: &Context, target: &Target) -> Result<(Option<ReleaseNote>, Option<Shape>), RestoreError> {
        if self.whose == Whose::Other {
            return Ok((None, None));
        }
        let shape = Engine::of(&self.database).shape(&backup::history_tables(target)).await?;
        let version = ctx.state.release_of_shape(&target.name, &shape).await?;
        let told_by = version.as_ref().map(|_| shape);
        Ok((version.map(|version| ReleaseNote { version, probe: "its shape".to_owned() }), told_by))
    }

    /// Loads under the mark. A replacing load that fails has changed nothing, so its mark goes, unless it was one in place that
    /// the destination itself says is half-way; any other may have left a part, and its mark stays.
    async fn load(
        &self,
        ctx: &Context,
        archive: &Archive,
        (mode, standing): (LoadMode, Standing<'_>),
        safety: Option<Label>,
        progress: &Progress,
    ) -> Result<Loaded, RestoreError> {
        let state_dir = &ctx.config.daemon.state_dir;
        let mark = Unfinished {
            label: archive.manifest().label.clone(),
            location: self.database.location.to_string(),
            of: Some(archive.manifest().target.clone()).filter(|of| *of != self.home.name),
            mode,
            begun_at: ctx.clock.now(),
            safety,
        };
        unfinished::mark(state_dir, &self.home.name, self.place(), &mark)?;
        fault::point("restore.marked");
        let engine = Engine::of(&self.database);
        let mut loaded = engine.load(archive, mode, standing, backup::workers(self.home.backup.jobs), progress).await;
        fault::point("restore.loaded");
        let stands = || async { engine.survey(&[]).await.is_ok_and(|survey| survey.exists && !survey.half_loaded) };
        if loaded.is_ok() || (mode == LoadMode::Replace && stands().await) {
            let cleared = unfinished::clear(state_dir, &self.home.name, self.place());
            match (&mut loaded, cleared) {
                (_, Ok(())) => {}
                // The archive has the place, and nothing makes it otherwise; what is left is the mark, which keeps the gate shut.
                (Ok(loaded), Err(error)) => loaded.warnings.push(format!(
                    "the mark of the restore could not be removed, and keeps the server from being started: {}",
                    Chain(&error)
                )),
                (Err(_), Err(error)) => {
                    tracing::warn!(target = %self.home.name, reason = %Chain(&error), "the mark of a restore could not be removed")
                }
            }
        }
        fault::point("restore.ended");
        Ok(loaded?)
    }
}

#[cfg(test)]
mod tests;
