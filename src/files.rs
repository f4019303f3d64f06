//! Files beside a database that go along with its archives (`files`): configuration, keys, attachments.
//!
//! Owns how they get into an archive and out of it again, as a tar in frames that stock tools for SQL skip. What is read: regular files and directories,
//! and links as links; never what a link leads to. What could not be read as it is, is told by name. What is put back lies below one directory that was
//! empty, whatever the archive says. Held by `tests/it/files.rs`.

mod look;
mod pack;
mod unpack;

use std::io;
use std::path::PathBuf;

pub use look::{Found, look};
pub use pack::{Packed, pack};
pub use unpack::{Put, Seen, list, stream, unpack};

use crate::archive::ArchiveError;
use crate::durable::DurableError;
use crate::failure::{Class, Explain};

/// What went wrong with the files of an archive.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The archive cannot be written or read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// They could not be put into the archive.
    #[error("cannot archive {}", path.display())]
    Pack {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive has none.
    #[error("archive {0} has no files with it")]
    None(String),
    /// The directory is not one to put them into.
    #[error("{} cannot take the files: {why}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// What the archive says of a file is nothing that can be put below a directory.
    #[error("the files of the archive cannot be put back: {0}")]
    Hostile(String),
    /// A file operation failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

impl Explain for FilesError {
    fn class(&self) -> Class {
        match self {
            Self::Archive(error) => error.class(),
            Self::Durable(error) => error.class(),
            Self::Pack { .. } => Class::Io,
            Self::None(_) => Class::NoInput,
            Self::Directory { .. } => Class::CannotCreate,
            Self::Hostile(_) => Class::Data,
        }
    }

    fn safe(&self) -> Option<String> {
        Some("the archive and every file outside of that directory are untouched".to_owned())
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Archive(error) => error.hints(),
            Self::Durable(error) => error.hints(),
            Self::Pack { .. } => Vec::new(),
            Self::None(_) => vec!["which files go along is configured: `files` in [targets.T.backup]".to_owned()],
            Self::Directory { .. } => vec!["name a directory that is not there yet, or an empty one of your own".to_owned()],
            Self::Hostile(_) => {
                vec!["look at them: `upkeep inspect LABEL`; `upkeep extract LABEL --files | tar -t`".to_owned()]
            }
        }
    }
}
