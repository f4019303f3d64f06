//! Verification: every byte of an archive read back, and the verdict noted in the catalogue.
//!
//! Owns turning what the reader found into a verdict. Never changes an archive. Invariant: only an archive whose every byte was
//! read back and found right is called whole; held by `tests/it/archive.rs` and the tests of `store`.

use std::path::PathBuf;

use crate::archive::{Archive, ArchiveError};
use crate::context::Context;
use crate::durable::DurableError;
use crate::failure::{Class, Explain};
use crate::ids::Label;
use crate::progress::Progress;
use crate::state_db::StateError;
use crate::state_db::catalogue::{self, Entry, Verdict};

/// Why an archive could not be called whole.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not whole, or could not be read. A torn, damaged or missing one was noted as such.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The file holds another archive; noted as damaged.
    #[error("{} holds archive {found} and not {wanted}", path.display())]
    Mistaken {
        /// The file.
        path: PathBuf,
        /// The label in its manifest.
        found: Label,
        /// The label it should have.
        wanted: Label,
    },
    /// The verdict could not be noted.
    #[error(transparent)]
    State(#[from] StateError),
    /// The threads that read ended without an answer.
    #[error("the verification of archive {0} ended without an answer")]
    Worker(Label),
}

impl Explain for VerifyError {
    fn class(&self) -> Class {
        match self {
            Self::Archive(error) => error.class(),
            Self::Mistaken { .. } => Class::Data,
            Self::State(error) => error.class(),
            Self::Worker(_) => Class::Software,
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Archive(error) => error.safe(),
            Self::Mistaken { .. } => Some("other archives and the database are untouched".to_owned()),
            Self::State(error) => error.safe(),
            Self::Worker(_) => None,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Archive(error) => error.hints(),
            Self::Mistaken { path, found, .. } => vec![format!("was {} renamed? its own name is {found}", path.display())],
            Self::State(error) => error.hints(),
            Self::Worker(_) => Vec::new(),
        }
    }
}

impl VerifyError {
    /// What the error says about the archive; none when it says nothing about it (a read error, a newer format).
    fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Archive(ArchiveError::Torn { .. }) => Some(Verdict::Torn),
            Self::Archive(ArchiveError::Damaged { .. }) | Self::Mistaken { .. } => Some(Verdict::Damaged),
            Self::Archive(ArchiveError::Durable(DurableError::Io { source, .. }))
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Some(Verdict::Missing)
            }
            _ => None,
        }
    }
}

/// Reads every byte of an archive back, on every core, and notes the verdict with the time.
///
/// A read error or a newer format is no verdict: what was known before stands. When the caller is dropped, the threads finish
/// the archive, or the frame they are at where the work is given up, and their answer is lost; nothing is changed by them.
///
/// # Errors
/// When the archive is not whole (after noting it), cannot be read, or the verdict cannot be noted.
pub async fn verify(ctx: &Context, entry: &Entry, progress: &Progress) -> Result<Entry, VerifyError> {
    let looked = look(entry, How::Content, progress).await;
    let now = ctx.clock.now();
    match &looked {
        Ok(()) => catalogue::verdict(&ctx.state, &entry.label, Verdict::Whole, now).await?,
        Err(error) => note(ctx, entry, error).await?,
    }
    looked.map(|()| Entry { verdict: Verdict::Whole, verified_at: Some(now), ..entry.clone() })
}

/// Compares every stored byte of an archive with its digest, for whoever decompresses it next: a file that is not what was
/// sealed is refused, and noted, before anything is done with it. No verdict comes of a file that is.
///
/// # Errors
/// As for [`verify`].
pub async fn check(ctx: &Context, entry: &Entry, progress: &Progress) -> Result<(), VerifyError> {
    let looked = look(entry, How::Digests, progress).await;
    if let Err(error) = &looked {
        note(ctx, entry, error).await?;
    }
    looked
}

/// Notes what an error says about the archive.
async fn note(ctx: &Context, entry: &Entry, error: &VerifyError) -> Result<(), VerifyError> {
    match error.verdict() {
        Some(verdict) => Ok(catalogue::verdict(&ctx.state, &entry.label, verdict, ctx.clock.now()).await?),
        None => Ok(()),
    }
}

#[derive(Debug, Clone, Copy)]
enum How {
    Content,
    Digests,
}

async fn look(entry: &Entry, how: How, progress: &Progress) -> Result<(), VerifyError> {
    let (path, wanted, progress, thread) = (entry.path.clone(), entry.label.clone(), progress.clone(), progress.thread());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = move || {
        let _at_work = thread;
        let archive = Archive::open(&path)?;
        let found = &archive.manifest().label;
        if *found != wanted {
            return Err(VerifyError::Mistaken { path, found: found.clone(), wanted });
        }
        match how {
            How::Content => archive.verify(threads, &progress)?,
            How::Digests => archive.check(threads, &progress)?,
        }
        Ok(())
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(VerifyError::Worker(entry.label.clone())))
}
