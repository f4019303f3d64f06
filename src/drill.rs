//! Drills: an archive restored into a scratch and compared in full, to know that it can be.
//!
//! Owns the order: what an earlier drill left goes first; the archive is chosen and read through; a row says where the scratch will be; then it is made,
//! filled, compared and removed. The target's own database is never opened for writing, and its lane never taken. Invariants: *proven* is written only after
//! every row was compared; nothing is dropped but what the row named and the mark inside proves (`engine::scratch`); whoever stops waiting has the scratch
//! removed before the work is over. Held by `tests/it/drill.rs`.

mod error;
mod leftover;
mod room;

use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use error::DrillError;
pub use leftover::{sweep, sweep_strays};

use crate::archive::Archive;
use crate::backup;
use crate::cipher::Identity;
use crate::config::{Database, Offsite, Target};
use crate::context::Context;
use crate::engine::scratch::Scratch;
use crate::engine::{EngineError, Loaded};
use crate::failure::Chain;
use crate::fault;
use crate::ids::{DrillId, Label, PlaceName};
use crate::progress::Progress;
use crate::restore::{self, Replace, RestoreRequest, Source, Which};
use crate::state_db::catalogue::Entry;
use crate::state_db::drills::{Drill, Ended, Outcome};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// This archive; else the newest good one.
    pub label: Option<Label>,
    /// Where its copy is, where that is to be read and not the archive here.
    pub place: Option<Offsite>,
    /// What opens that copy, where it is encrypted.
    pub identity: Option<Arc<Identity>>,
}

/// What was proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// The archive.
    pub label: Label,
    /// The digest of its manifest.
    pub digest: String,
    /// Where its copy was read, where it was not the archive here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceName>,
    /// Where the scratch was.
    pub scratch: String,
    /// Tables compared.
    pub tables: u64,
    /// Rows compared.
    pub rows: u64,
    /// From the first look at the archive until the scratch was gone, in milliseconds.
    pub took_ms: u64,
    /// What a person should know of a restore.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How far it is, and who wants it to stop.
#[derive(Debug, Clone)]
pub struct Halt {
    /// Where it says how far it is.
    pub progress: Progress,
    /// Set when the process is to end.
    pub stop: CancellationToken,
}

/// What is done in a scratch whose archive is proven, before it goes; none where that is all. What comes of it is its own to keep, and it is dropped where
/// the drill is cut off.
pub type Further = Box<dyn FnOnce(Scratch, Archive, Database) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Restores an archive into a scratch, compares, and removes the scratch.
///
/// # Errors
/// As [`drill_and`].
pub async fn drill(ctx: &Context, target: &Target, request: &Request, halt: &Halt) -> Result<Drilled, DrillError> {
    drill_and(ctx, target, request, halt, None).await
}

/// The same, with something further done in the scratch.
///
/// Dropping the future ends the work: its scratch is removed by a task that counts as a thread of `halt.progress`.
///
/// # Errors
/// When there is no such archive, it is not tried here, it does not come back as it was, or the scratch is still there.
pub async fn drill_and(
    ctx: &Context,
    target: &Target,
    request: &Request,
    halt: &Halt,
    further: Option<Further>,
) -> Result<Drilled, DrillError> {
    halt.progress.phase("looking what earlier drills left", 0);
    if let Some(left) = sweep(ctx, target).await?.left.into_iter().next() {
        return Err(DrillError::Left(left));
    }
    let began_at = ctx.clock.now();
    let wanted = RestoreRequest {
        which: request.label.clone().map_or(Which::Newest, Which::Label),
        place: request.place.clone(),
        owner: None,
        identity: request.identity.clone(),
        into: None,
        home: None,
        replace: Replace::Refuse,
        installed: None,
    };
    let source = Source::of(ctx, &wanted).await?;
    let entry = restore::choose(&source.entries(ctx, target).await?, &target.name, &wanted.which, began_at)?.clone();
    let id = DrillId::random();
    let beside = target.drill.scratch.as_ref().unwrap_or(&target.database);
    let scratch = Scratch::beside(beside, &ctx.config.daemon.state_dir, &id)?;
    let row = Drill {
        id,
        target: target.name.clone(),
        label: entry.label.clone(),
        digest: String::new(),
        place: request.place.as_ref().map(|place| place.name.clone()),
        scratch: scratch.location(),
        began_at,
        ended: None,
        left: None,
    };
    let archive = match look(ctx, target, (&source, &entry), &scratch, &halt.progress).await {
        Ok(archive) => archive,
        Err(error) => {
            note_untried(ctx, &row, &error).await?;
            return Err(error);
        }
    };
    let row = Drill { digest: archive.manifest_digest(), ..row };
    ctx.state.begin_drill(&row).await?;
    fault::point("drill.begun");
    let cut_off = CancellationToken::new();
    // Whoever drops us tells the task, which lives until the scratch is gone.
    let _told = cut_off.clone().drop_guard();
    let trial = Trial {
        ctx: ctx.clone(),
        row,
        scratch,
        archive,
        jobs: backup::workers(target.backup.jobs),
        halt: halt.clone(),
        cut_off,
    };
    let at_work = halt.progress.thread();
    let done = tokio::spawn(async move {
        let _at_work = at_work;
        trial.run(further).await
    });
    done.await.unwrap_or_else(|_| Err(DrillError::Worker(entry.label)))
}

/// Everything that can be known before anything is made.
async fn look(
    ctx: &Context,
    target: &Target,
    (source, entry): (&Source, &Entry),
    scratch: &Scratch,
    progress: &Progress,
) -> Result<Archive, DrillError> {
    let archive = source.open(ctx, entry).await?;
    let mut reasons = scratch.objections(&archive).await?;
    reasons.extend(room::objection(scratch, archive.manifest()).await);
    if !reasons.is_empty() {
        let target = target.name.clone();
        return Err(DrillError::Refused { target, label: entry.label.clone(), scratch: scratch.location(), reasons });
    }
    // A load of what is not what was sealed is spared to the server.
    source.check(ctx, (entry, &archive), progress).await?;
    Ok(archive)
}

/// Writes down a drill that came to nothing before anything was made.
async fn note_untried(ctx: &Context, row: &Drill, error: &DrillError) -> Result<(), DrillError> {
    let outcome = if error.is_about_the_archive() { Outcome::Failed } else { Outcome::CutOff };
    ctx.state.begin_drill(row).await?;
    let ended = Ended { at: ctx.clock.now(), outcome, said: Some(Chain(error).to_string()), tables: 0, rows: 0 };
    ctx.state.end_drill(&row.id, &ended).await?;
    Ok(ctx.state.scratch_left(row, None).await?)
}

/// A drill whose scratch is made.
struct Trial {
    ctx: Context,
    row: Drill,
    scratch: Scratch,
    archive: Archive,
    jobs: usize,
    halt: Halt,
    cut_off: CancellationToken,
}

impl Trial {
    async fn run(self, further: Option<Further>) -> Result<Drilled, DrillError> {
        let progress = &self.halt.progress;
        // What is dropped here is removed below, whatever it was at.
        let tried = tokio::select! {
            biased;
            () = self.cut_off.cancelled() => None,
            () = self.halt.stop.cancelled() => None,
            tried = self.scratch.try_out(&self.archive, self.jobs, progress) => Some(tried),
        };
        fault::point("drill.tried");
        let state = &self.ctx.state;
        // The verdict first: it is one whether or not the scratch goes.
        let noted = state.end_drill(&self.row.id, &self.ended(tried.as_ref())).await;
        fault::point("drill.ended");
        let went_on = match further.filter(|_| noted.is_ok() && matches!(tried, Some(Ok(_)))) {
            Some(further) => self.go_on(further).await,
            None => Ok(()),
        };
        progress.phase("removing the scratch", 0);
        let left = leftover::remove(&self.ctx, &self.row, &self.scratch).await;
        fault::point("drill.removed");
        // What could not be written down keeps no scratch.
        noted?;
        let left = left?;
        went_on?;
        let label = || self.row.label.clone();
        let loaded = match tried {
            None => return Err(DrillError::CutOff(label())),
            Some(Err(source)) => {
                let (scratch, target) = (self.row.scratch.clone(), self.row.target.clone());
                return Err(DrillError::Failed { label: label(), target, scratch, source: Box::new(source) });
            }
            Some(Ok(loaded)) => loaded,
        };
        if let Some(left) = left {
            return Err(DrillError::Left(left));
        }
        let took = self.ctx.clock.now() - self.row.began_at;
        Ok(Drilled {
            label: label(),
            digest: self.row.digest.clone(),
            place: self.row.place.clone(),
            scratch: self.row.scratch.clone(),
            tables: loaded.tables,
            rows: loaded.rows,
            took_ms: u64::try_from(took.num_milliseconds()).unwrap_or_default(),
            notes: loaded.warnings,
        })
    }

    /// Does in the scratch what is to be done there; what is cut off ends where it is.
    async fn go_on(&self, further: Further) -> Result<(), EngineError> {
        let work = async {
            let database = self.scratch.open(&self.archive, self.jobs, &self.halt.progress).await?;
            further(self.scratch.clone(), self.archive.shared(), database).await;
            Ok(())
        };
        tokio::select! {
            biased;
            () = self.cut_off.cancelled() => Ok(()),
            () = self.halt.stop.cancelled() => Ok(()),
            done = work => done,
        }
    }

    fn ended(&self, tried: Option<&Result<Loaded, EngineError>>) -> Ended {
        let nothing = Ended { at: self.ctx.clock.now(), outcome: Outcome::CutOff, said: None, tables: 0, rows: 0 };
        match tried {
            None => Ended { said: Some("it was ended before the archive was compared".to_owned()), ..nothing },
            Some(Ok(loaded)) => Ended { outcome: Outcome::Proven, tables: loaded.tables, rows: loaded.rows, ..nothing },
            // Neither a server that went away nor a right that is missing says anything of the archive.
            Some(Err(error)) if error::says_nothing_of_the_archive(error) => {
                Ended { said: Some(Chain(error).to_string()), ..nothing }
            }
            Some(Err(error)) => Ended { outcome: Outcome::Failed, said: Some(Chain(error).to_string()), ..nothing },
        }
    }
}
