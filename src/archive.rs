//! The archive: one zstd file that any stock tool restores, with a manifest and a seal of its own.
//!
//! Owns the format on disk, written down in `docs/format.md`. Knows nothing of databases: it stores frames and a manifest.
//! Invariants: an archive exists if and only if it was renamed into place whole (`writer`); a reader answers *whole*, *torn*
//! or *damaged* and never returns wrong data (`reader`); held by `tests/it/archive.rs`, which flips every byte and cuts at
//! every length.

pub mod format;
pub mod manifest;
pub mod reader;
pub mod source;
pub mod writer;

pub use manifest::Manifest;
pub use reader::Archive;
pub use source::Source;
pub use writer::{FrameEncoder, PendingArchive};

use std::io;
use std::path::PathBuf;

use crate::durable::DurableError;
use crate::failure::{Class, Explain};

/// What went wrong with an archive file.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The end is missing: it was cut short, or never sealed.
    #[error("archive {} is torn: {why}", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// The bytes are not those that were sealed.
    #[error("archive {} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part, and what disagrees.
        why: String,
    },
    /// A newer upkeep wrote it.
    #[error("archive {} has format {found}; this upkeep reads formats up to {known}", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The format it names.
        found: u32,
        /// The newest we read.
        known: u32,
    },
    /// A file operation failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The name is taken; an archive is never overwritten.
    #[error("archive {} exists already", path.display())]
    Exists {
        /// The file, or the temporary file of a writer that lives.
        path: PathBuf,
    },
    /// The manifest handed to the seal does not describe the frames that were written.
    #[error("archive {} cannot be sealed: {why}", path.display())]
    Unsealable {
        /// The file it would have been.
        path: PathBuf,
        /// What disagrees.
        why: String,
    },
    /// The thread that writes the file is gone; its own error says why.
    #[error("the archive writer stopped before the archive was whole")]
    WriterStopped,
    /// zstd refused to compress, or the level.
    #[error("cannot compress a frame")]
    Compress {
        /// What zstd said.
        source: io::Error,
    },
    /// A frame was found good, and then could not be handed on.
    #[error("cannot {what} a frame of archive {}", path.display())]
    Codec {
        /// The operation (`hand on`).
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What zstd or the receiver said.
        source: io::Error,
    },
}

impl Explain for ArchiveError {
    fn class(&self) -> Class {
        match self {
            Self::Durable(error) => error.class(),
            Self::WriterStopped => Class::Io,
            Self::Exists { .. } => Class::CannotCreate,
            Self::Unsealable { .. } | Self::Compress { .. } => Class::Software,
            Self::Torn { .. } | Self::Damaged { .. } | Self::TooNew { .. } | Self::Codec { .. } => Class::Data,
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Durable(error) => error.safe(),
            Self::Exists { path } => Some(format!("{} is as it was", path.display())),
            Self::Torn { .. } | Self::Damaged { .. } => Some("other archives and the database are untouched".to_owned()),
            _ => None,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Durable(error) => error.hints(),
            Self::Torn { .. } | Self::Damaged { .. } => vec![
                "see which archives are good: `upkeep verify --all`".to_owned(),
                "take a new one now: `upkeep backup TARGET`".to_owned(),
            ],
            Self::TooNew { .. } => {
                vec!["restore with the upkeep that wrote it, or with stock zstd (docs/restore-by-hand.md)".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}
