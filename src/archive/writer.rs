//! Writing an archive: workers encode frames, one thread appends them, the rename is the seal.
//!
//! Owns the order of durable steps. Memory is bounded: an encoder holds one frame's compressed bytes, and the queue to the
//! appending thread holds [`QUEUE`] frames; a slow disk makes `append` wait. Until [`PendingArchive::seal`] returns, the
//! file has a temporary name and is not an archive.

use std::path::{Path, PathBuf};

use super::ArchiveError;
use super::manifest::{FrameKind, Manifest};
use crate::ids::Label;

/// Frames that may wait for the disk.
pub const QUEUE: usize = 2;

/// Compresses one frame. Blocking and CPU-bound: use it on a thread of its own, not on the runtime's.
#[derive(Debug)]
pub struct FrameEncoder {}

impl FrameEncoder {
    /// Begins a frame. `level` is zstd's.
    ///
    /// # Errors
    /// When zstd refuses the level.
    pub fn new(_kind: FrameKind, _table: Option<u32>, _level: i32) -> Result<Self, ArchiveError> {
        Err(ArchiveError::WriterStopped)
    }

    /// Adds uncompressed bytes holding `rows` rows (0 for what is not rows).
    ///
    /// # Errors
    /// When zstd fails.
    pub fn write(&mut self, _bytes: &[u8], _rows: u64) -> Result<(), ArchiveError> {
        Err(ArchiveError::WriterStopped)
    }

    /// Uncompressed bytes so far.
    #[must_use]
    pub fn raw(&self) -> u64 {
        0
    }

    /// Ends the frame.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn finish(self) -> Result<EncodedFrame, ArchiveError> {
        Err(ArchiveError::WriterStopped)
    }
}

/// A frame ready to be appended.
#[derive(Debug)]
pub struct EncodedFrame {
    /// What it holds.
    pub kind: FrameKind,
    /// Index of its table, for `Data`.
    pub table: Option<u32>,
    /// Rows in it.
    pub rows: u64,
    /// Uncompressed length in bytes.
    pub raw: u64,
    /// The compressed frame.
    pub stored: Vec<u8>,
    /// BLAKE3 of `stored`, hex.
    pub digest: String,
}

/// An archive being written, under its temporary name; dropped unsealed, it is removed.
#[derive(Debug)]
pub struct PendingArchive {
    path: PathBuf,
}

impl PendingArchive {
    /// The path it will have when sealed; engines put their own temporary files beside it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins `DIRECTORY/LABEL.EXTENSION` under its temporary name; the directory is made when missing.
    ///
    /// # Errors
    /// When the file cannot be made, or an archive of that name exists.
    pub fn create(_directory: &Path, _label: &Label, _extension: &str) -> Result<Self, ArchiveError> {
        Err(ArchiveError::WriterStopped)
    }

    /// A handle for a worker.
    #[must_use]
    pub fn sink(&self) -> FrameSink {
        FrameSink {}
    }

    /// Fills the frame index and the byte counts into the manifest, writes manifest and footer, and publishes the file.
    /// Blocking. Every [`FrameSink`] must be dropped or idle before.
    ///
    /// # Errors
    /// When anything before could not be written, or the seal fails; then there is no archive.
    pub fn seal(self, _manifest: Manifest) -> Result<Sealed, ArchiveError> {
        Err(ArchiveError::WriterStopped)
    }
}

/// Hands frames to the appending thread; clone one for each worker.
#[derive(Debug, Clone)]
pub struct FrameSink {}

impl FrameSink {
    /// Queues a frame; waits while the queue is full. Blocking. Frames land in the file in the order of these calls.
    ///
    /// # Errors
    /// When the appending thread stopped; its own error comes out of [`PendingArchive::seal`] or of this call.
    pub fn append(&self, _frame: EncodedFrame) -> Result<(), ArchiveError> {
        Err(ArchiveError::WriterStopped)
    }
}

/// What [`PendingArchive::seal`] made.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The file.
    pub path: PathBuf,
    /// The label.
    pub label: Label,
    /// The file's length in bytes.
    pub size: u64,
    /// The manifest as written, with frames, `raw_bytes` and `stored_bytes` filled in.
    pub manifest: Manifest,
}
