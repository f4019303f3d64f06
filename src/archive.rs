//! The archive: one zstd file that any stock tool restores, with a manifest and a seal of its own.
//!
//! Owns the format on disk, written down in `docs/format.md`. Knows nothing of databases: it stores frames and a manifest.
//! Invariants: an archive exists if and only if it was renamed into place whole (`writer`); a reader answers *whole*, *torn*
//! or *damaged* and never returns wrong data (`reader`); held by `tests/it/archive.rs`, which flips every byte and cuts at
//! every length.

pub mod format;
pub mod manifest;
pub mod reader;
pub mod writer;

pub use manifest::Manifest;
pub use reader::Archive;
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
    /// The thread that writes the file is gone; its own error says why.
    #[error("the archive writer stopped before the archive was whole")]
    WriterStopped,
    /// zstd refused.
    #[error("cannot {what} a frame of archive {}", path.display())]
    Codec {
        /// `compress` or `decompress`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What zstd said.
        source: io::Error,
    },
}

impl Explain for ArchiveError {
    fn class(&self) -> Class {
        match self {
            Self::Durable(error) => error.class(),
            Self::WriterStopped => Class::Io,
            Self::Torn { .. } | Self::Damaged { .. } | Self::TooNew { .. } | Self::Codec { .. } => Class::Data,
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Durable(error) => error.safe(),
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
