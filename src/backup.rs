//! Taking an archive: look, make sure there is room, dump, seal, list, read every byte back.
//!
//! Owns the order of these phases. Never decides when (the daemon's schedule) or what is let go afterwards (`expire`,
//! which also raises the alarm about a sudden drop).
//! Invariants: an archive that [`backup`] returned was read back whole; an error leaves no temporary file; a crash after the
//! seal leaves an archive that `store::reconcile` lists at the next start. Held by `tests/it/restore.rs` and
//! `tests/it/crash.rs`.

mod beside;

use std::time::{Duration, Instant};

use crate::archive::manifest::{Files, Kind, Manifest, ReleaseNote, Server};
use crate::archive::writer::Sealed;
use crate::archive::{ArchiveError, PendingArchive, format};
use crate::config::{TablePattern, Target};
use crate::context::Context;
use crate::durable::{self, DurableError};
use crate::engine::{DumpRequest, Dumped, Engine, EngineError, Survey};
use crate::failure::{Class, Explain};
use crate::fault;
use crate::files::FilesError;
use crate::ids::Label;
use crate::progress::Progress;
use crate::shape::Shape;
use crate::state_db::StateError;
use crate::state_db::catalogue::{self, Entry};
use crate::store::{self, StoreError};
use crate::verify::{self, VerifyError};

/// What is asked of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRequest {
    /// Why it is taken.
    pub kind: Kind,
    /// What a person says of it.
    pub note: Option<String>,
    /// Keeps it from retention, for this reason.
    pub pin: Option<String>,
    /// The release that the data belongs to, for the label and the manifest.
    pub release: Option<ReleaseNote>,
    /// The shape by which that was told, where it was: data of another one is labelled by its own.
    pub told_by: Option<Shape>,
}

/// How often a label is told anew by what a dump met. Whoever changes the schema each time gets an archive of no release.
const LABELS: usize = 3;

/// Uncompressed bytes for one byte of archive, assumed when there is no earlier archive to go by. Text and pages compress
/// four to ten times; the most hopeful guess is taken, because a refusal must be certain.
const HOPED_RATIO: u64 = 10;

/// Why there is no new archive.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The archive cannot fit.
    #[error("no room for an archive of target {target} in {directory}: it needs about {needed} bytes and {free} are free")]
    NoRoom {
        /// The target.
        target: String,
        /// The archive directory.
        directory: String,
        /// Bytes it needs at least.
        needed: u64,
        /// Bytes there are.
        free: u64,
    },
    /// A pre-upgrade archive of a database that has suddenly nothing in it protects nobody.
    #[error("target {target} has no rows now, and archive {previous} of it holds {rows}")]
    Hollow {
        /// The target.
        target: String,
        /// The newest good archive before.
        previous: Label,
        /// Its rows.
        rows: u64,
    },
    /// An archive without the schema is no way back to it.
    #[error("a {kind} archive of target {target} would not hold its whole schema")]
    NoSchema {
        /// The target.
        target: String,
        /// Why it was to be taken.
        kind: Kind,
        /// What is missing.
        source: EngineError,
    },
    /// They are more than is meant to go along.
    #[error("the files of target {target} that go along with its archives are {bytes} bytes, and `files_limit` is {limit}")]
    TooManyFiles {
        /// The target.
        target: String,
        /// Their bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The files beside the database could not be archived.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The database could not be dumped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It was written, and is not whole when read back.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It could not be named or pinned.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalogue could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file operation failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The thread that sealed ended without an answer.
    #[error("a worker ended without an answer while sealing archive {0}")]
    Worker(Label),
}

impl BackupError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Engine(error) | Self::NoSchema { source: error, .. } => Some(error),
            Self::Archive(error) => Some(error),
            Self::Files(error) => Some(error),
            Self::Verify(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::State(error) => Some(error),
            Self::Durable(error) => Some(error),
            Self::NoRoom { .. } | Self::Hollow { .. } | Self::TooManyFiles { .. } | Self::Worker(_) => None,
        }
    }
}

impl Explain for BackupError {
    fn class(&self) -> Class {
        match self {
            Self::NoRoom { .. } => Class::CannotCreate,
            Self::Hollow { .. } => Class::Data,
            Self::TooManyFiles { .. } => Class::Config,
            Self::Worker(_) => Class::Software,
            _ => self.inner().map_or(Class::Software, Explain::class),
        }
    }

    fn safe(&self) -> Option<String> {
        self.inner().and_then(Explain::safe).or_else(|| Some("earlier archives are untouched".to_owned()))
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoRoom { target, directory, .. } => vec![
                format!("see what retention would delete: `upkeep prune {target} --dry-run`"),
                format!("make room on the file system of {directory}, or set `targets.{target}.backup.directory`"),
            ],
            Self::Hollow { target, previous, .. } => vec![
                format!("is this the right database? see `[targets.{target}.database]`"),
                format!("bring its rows back: `upkeep restore {target} {previous}`"),
                format!("if it is meant to be empty, say so with an archive of it: `upkeep backup {target}`"),
            ],
            Self::TooManyFiles { target, .. } => vec![
                format!(
                    "each archive has them whole: name fewer in `files`, or raise `files_limit`, in [targets.{target}.backup]"
                ),
                "what is larger is better kept by a tool that knows what it has already (restic, borg)".to_owned(),
            ],
            Self::NoSchema { target, source, .. } => {
                let elsewhere = || format!("or say where it is: `client_bindir` in `[targets.{target}.database]`");
                let is_program = matches!(source, EngineError::NoProgram { .. });
                source.hints().into_iter().chain(is_program.then(elsewhere)).collect()
            }
            _ => self.inner().map(Explain::hints).unwrap_or_default(),
        }
    }

    fn transient(&self) -> bool {
        self.inner().is_some_and(Explain::transient)
    }
}

/// Takes an archive of a target's database and returns its catalogue entry, verified.
///
/// If we die before the seal, there is no archive and a temporary file to be swept; after it, the archive exists, and
/// start-up lists and verifies it.
///
/// # Errors
/// When any phase fails. Only a failed reading back leaves a new archive behind, listed as what it is.
pub async fn backup(
    ctx: &Context,
    target: &Target,
    request: &BackupRequest,
    progress: &Progress,
) -> Result<Entry, BackupError> {
    fault::point("backup.begun");
    let begun = Instant::now();
    let engine = Engine::of(&target.database);
    let history_tables = history_tables(target);

    progress.phase("looking at the database", 0);
    engine.recover().await?;
    let server = told(engine.identify(), progress).await?;
    refuse_without_schema(target, request.kind, &engine, &server).await?;
    let survey = engine.survey(&history_tables).await?;
    let previous = catalogue::list(&ctx.state, Some(&target.name)).await?;
    let previous = catalogue::newest_good(&previous, ctx.clock.now()).cloned();
    check_room(target, &engine, &survey, previous.as_ref())?;
    let beside = beside::look(ctx, target, request.kind).await?;

    let (pending, mut dumped, request) = labelled(ctx, target, &engine, request.clone(), &server.version, progress).await?;
    fault::point("backup.dumped");
    refuse_hollow(target, request.kind, previous.as_ref(), &dumped)?;

    let files = beside::pack(target, beside, &pending.archive, &mut dumped.left_out, progress).await?;
    fault::point("backup.files");
    let configuration = target.handed_on(&ctx.config.offsite);

    progress.phase("sealing", 0);
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let sealed = seal(pending, manifest(target, &request, (dumped, files, configuration), elapsed_ms), progress).await?;
    fault::point("backup.sealed");

    let entry = catalogue::record(&ctx.state, &target.name, &sealed).await?;
    fault::point("backup.catalogued");
    let entry = match &request.pin {
        Some(reason) => store::pin(&ctx.state, &entry, reason, ctx.clock.now()).await?,
        None => entry,
    };

    let entry = verify::verify(ctx, &entry, progress).await?;
    fault::point("backup.verified");
    Ok(entry)
}

/// Dumps under the label of the release whose data it is, which is known only when the dump has begun: somebody may have migrated since
/// the database was looked at. Gives what was asked with the release that the label names.
async fn labelled(
    ctx: &Context,
    target: &Target,
    engine: &Engine,
    mut request: BackupRequest,
    server_version: &str,
    progress: &Progress,
) -> Result<(Begun, Dumped, BackupRequest), BackupError> {
    for left in (0..=LABELS).rev() {
        let pending = begin(ctx, target, engine, &request)?;
        let dump = DumpRequest {
            level: target.backup.level,
            jobs: workers(target.backup.jobs),
            preamble: preamble(target, &request, server_version),
            history_tables: history_tables(target),
            expected: request.told_by.clone(),
            without_rows: without_rows(target, request.kind),
        };
        let found = match engine.dump(&dump, &pending.archive, progress).await {
            Err(EngineError::OtherShape(found)) => *found,
            dumped => return Ok((pending, dumped?, request)),
        };
        let known = if left > 1 { ctx.state.release_of_shape(&target.name, &found).await? } else { None };
        tracing::warn!(target = %target.name, "the schema was changed since it was looked at: the archive is labelled by what is there now");
        request.told_by = known.as_ref().map(|_| found);
        request.release = known.map(|version| ReleaseNote { version, probe: "its shape".to_owned() });
    }
    Err(EngineError::Moved { doing: "say whose data it is".to_owned() }.into())
}

/// Connections or threads for a configured number; 0 stands for one per core and one more, so that the cores stay busy while
/// one waits for the database.
#[must_use]
pub fn workers(configured: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get) + 1
}

/// The target's own history table, for the engines to look at beside the well-known ones.
#[must_use]
pub fn history_tables(target: &Target) -> Vec<String> {
    target.migrations.iter().map(|migrations| migrations.table.clone()).filter(|table| !table.is_empty()).collect()
}

/// How long an answer of the database may take before it is told that it is waited for.
const SOON: Duration = Duration::from_secs(1);

/// Waits for what a database is asked; where somebody's lock is in the way, that is told meanwhile.
pub async fn told<T>(asking: impl Future<Output = T>, progress: &Progress) -> T {
    let mut asking = std::pin::pin!(asking);
    if let Ok(answer) = tokio::time::timeout(SOON, &mut asking).await {
        return answer;
    }
    progress.phase("waiting for the database, which is busy or locked by somebody else", 0);
    asking.await
}

/// Whose rows are left out. What is about to be migrated or replaced comes back whole: of that nothing is.
fn without_rows(target: &Target, kind: Kind) -> Vec<TablePattern> {
    match kind {
        Kind::Scheduled | Kind::Manual => target.backup.without_rows.clone(),
        Kind::PreUpgrade | Kind::PreRestore | Kind::FailedState => Vec::new(),
    }
}

fn check_room(target: &Target, engine: &Engine, survey: &Survey, previous: Option<&Entry>) -> Result<(), BackupError> {
    let directory = &target.backup.directory;
    durable::make_dir(directory)?;
    let free = durable::free_bytes(directory)?;
    let needed = needed_bytes(survey.bytes, scratch_bytes(engine, survey), previous.map(|entry| (entry.size, entry.raw_bytes)));
    if needed <= free {
        return Ok(());
    }
    Err(BackupError::NoRoom { target: target.name.to_string(), directory: directory.display().to_string(), needed, free })
}

/// A page image lies beside the archive while it is compressed.
fn scratch_bytes(engine: &Engine, survey: &Survey) -> u64 {
    match engine {
        Engine::Sqlite(_) => survey.bytes,
        Engine::Postgres(_) | Engine::MySql(_) => 0,
    }
}

/// Bytes an archive will need at the very least: the archive before it, scaled by how the database has changed, or the most
/// hopeful guess; and the scratch room.
fn needed_bytes(database: u64, scratch: u64, previous: Option<(u64, u64)>) -> u64 {
    let archive = match previous {
        // A database that shrank may well give a smaller archive; one that grew gives at least the same.
        Some((size, raw)) if database < raw => (u128::from(size) * u128::from(database) / u128::from(raw.max(1))) as u64,
        Some((size, _)) => size,
        None => database / HOPED_RATIO,
    };
    archive.saturating_add(scratch)
}

/// An archive begun, and its label.
struct Begun {
    label: Label,
    archive: PendingArchive,
}

fn begin(ctx: &Context, target: &Target, engine: &Engine, request: &BackupRequest) -> Result<Begun, BackupError> {
    let (directory, version) = (&target.backup.directory, request.release.as_ref().map(|release| &release.version));
    let label = store::next_label(directory, &target.name, version, ctx.clock.now())?;
    let archive = PendingArchive::create(directory, &label, engine.extension())?;
    Ok(Begun { label, archive })
}

fn preamble(target: &Target, request: &BackupRequest, server_version: &str) -> Vec<String> {
    let release = request.release.as_ref().map(|release| format!(", release {}", release.version)).unwrap_or_default();
    let mut lines =
        vec![format!("upkeep archive of target {}{release} ({}), server {server_version}", target.name, request.kind)];
    lines.extend(request.note.iter().map(|note| format!("note: {}", note.replace(['\r', '\n'], " "))));
    lines
}

/// What is about to be migrated or replaced can only come back with its schema. Any other archive may be of rows alone: it says so.
async fn refuse_without_schema(target: &Target, kind: Kind, engine: &Engine, server: &Server) -> Result<(), BackupError> {
    if !matches!(kind, Kind::PreUpgrade | Kind::PreRestore) {
        return Ok(());
    }
    let can = engine.can_dump_schema(server).await;
    can.map_err(|source| BackupError::NoSchema { target: target.name.to_string(), kind, source })
}

fn refuse_hollow(target: &Target, kind: Kind, previous: Option<&Entry>, dumped: &Dumped) -> Result<(), BackupError> {
    let Some(previous) = previous.filter(|_| kind == Kind::PreUpgrade) else { return Ok(()) };
    let history = |name: &str| dumped.shape.histories.iter().any(|history| history.table == name);
    let of_histories = |table: &&crate::archive::manifest::Table| history(&table.qualified()) || history(&table.name);
    let all: u64 = dumped.tables.iter().map(|table| table.rows).sum();
    let histories: u64 = dumped.tables.iter().filter(of_histories).map(|table| table.rows).sum();
    if all == histories && previous.rows > all {
        let (previous, rows) = (previous.label.clone(), previous.rows);
        return Err(BackupError::Hollow { target: target.name.to_string(), previous, rows });
    }
    Ok(())
}

/// Label, frame index and byte counts are the writer's to fill in.
fn manifest(
    target: &Target,
    request: &BackupRequest,
    (dumped, files, configuration): (Dumped, Option<Files>, String),
    duration_ms: u64,
) -> impl FnOnce(Label) -> Manifest {
    let (target_name, level, request) = (target.name.clone(), target.backup.level, request.clone());
    move |label| Manifest {
        format: format::FORMAT,
        tool: concat!("upkeep ", env!("CARGO_PKG_VERSION")).to_owned(),
        label,
        target: target_name,
        kind: request.kind,
        note: request.note,
        taken_at: dumped.taken_at,
        duration_ms,
        server: dumped.server,
        release: request.release,
        shape: dumped.shape,
        tables: dumped.tables,
        consistency: dumped.consistency,
        left_out: dumped.left_out,
        data_only: dumped.data_only,
        files,
        configuration: Some(configuration),
        level,
        raw_bytes: 0,
        stored_bytes: 0,
        frames: Vec::new(),
    }
}

/// A seal that was begun goes to its end, also when the caller is dropped: then the archive is there, and whoever puts the target in order
/// lists it.
async fn seal(begun: Begun, manifest: impl FnOnce(Label) -> Manifest, progress: &Progress) -> Result<Sealed, BackupError> {
    let (label, manifest, thread) = (begun.label.clone(), manifest(begun.label), progress.thread());
    let seal = move || {
        let _at_work = thread;
        begun.archive.seal(manifest)
    };
    let sealed = tokio::task::spawn_blocking(seal).await;
    Ok(sealed.map_err(|_| BackupError::Worker(label))??)
}

#[cfg(test)]
mod tests;
