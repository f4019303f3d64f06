//! Reading an archive: whole, torn or damaged, and never wrong data.

use std::path::{Path, PathBuf};

use super::ArchiveError;
use super::manifest::Manifest;
use crate::progress::Progress;

/// An archive whose footer and manifest were read and found good; its frames are checked as they are read.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    manifest: Manifest,
}

impl Archive {
    /// Reads footer and manifest. Blocking.
    ///
    /// # Errors
    /// [`ArchiveError::Torn`] when the end is missing, [`ArchiveError::Damaged`] when footer or manifest disagree with
    /// their digests, [`ArchiveError::TooNew`] for a later format.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        Err(ArchiveError::Torn { path: path.to_owned(), why: "not built yet".to_owned() })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the frame at `index` of the manifest's list: checks the digest of the stored bytes *before* anything is
    /// decompressed, then hands the content over in pieces of at most 128 KiB. Blocking; several threads may read one
    /// archive at once.
    ///
    /// # Errors
    /// When the frame is not what was sealed, or `take` fails (its error comes back as [`ArchiveError::Codec`]).
    pub fn read_frame(&self, _index: usize, _take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> Result<(), ArchiveError> {
        Err(ArchiveError::WriterStopped)
    }

    /// Reads every byte back on `threads` threads: digests, zstd's own checksums, and that the file has no byte that the
    /// index does not account for. Blocking.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn verify(&self, _threads: usize, _progress: &Progress) -> Result<(), ArchiveError> {
        Err(ArchiveError::WriterStopped)
    }
}
