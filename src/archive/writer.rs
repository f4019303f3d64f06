//! Writing an archive: workers encode frames, one thread appends them, the rename is the seal.
//!
//! Owns the order of durable steps. Memory is bounded: an encoder holds one frame's compressed bytes and
//! [`encoder::GATHER_BYTES`], and the queue to the appending thread holds [`QUEUE`] frames; a slow disk makes `append` wait.
//! Until [`PendingArchive::seal`] returns, the file has a temporary name and is not an archive. Never overwrites an archive.
//! Held by `tests/it/archive.rs`.

pub mod encoder;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

pub use encoder::{EncodedFrame, FrameEncoder};

use super::ArchiveError;
use super::format::{
    FOOTER_BYTES, FORMAT, FORMAT_WITHOUT_FILES, Footer, MAX_MANIFEST_BYTES, MAX_STORED_FRAME_BYTES, SKIPPABLE_HEADER_BYTES,
    SKIPPABLE_MAGIC, check_index,
};
use super::manifest::{Frame, FrameKind, Manifest};
use crate::durable::{self, At, DurableError};
use crate::fault;
use crate::ids::Label;
use crate::trust;

/// Frames that may wait for the disk: one to be written next while another is handed over. More would only be memory, for
/// the disk is either faster than the workers or it is not.
pub const QUEUE: usize = 2;

/// An archive being written, under its temporary name; dropped unsealed, it is removed.
///
/// Dropping waits for the frame being written.
#[derive(Debug)]
pub struct PendingArchive {
    path: PathBuf,
    label: Label,
    queue: SyncSender<Order>,
    reason: Reason,
    thread: Option<JoinHandle<Option<Written>>>,
    published: bool,
}

/// What the appending thread is told.
#[derive(Debug)]
enum Order {
    Append(EncodedFrame),
    End,
}

/// What the appending thread leaves behind.
#[derive(Debug)]
struct Written {
    file: File,
    frames: Vec<Frame>,
    stored: u64,
    raw: u64,
}

impl PendingArchive {
    /// Begins `DIRECTORY/LABEL.EXTENSION` under its temporary name; the directory is made when missing.
    ///
    /// The temporary file is locked while its writer lives, so that a sweep can tell it from a leftover.
    ///
    /// # Errors
    /// When the file cannot be made, or an archive of that name exists or is being written.
    pub fn create(directory: &Path, label: &Label, extension: &str) -> Result<Self, ArchiveError> {
        durable::make_dir(directory)?;
        let path = directory.join(format!("{label}.{extension}"));
        let temporary = durable::temporary(&path);
        if path.symlink_metadata().is_ok() || (temporary.symlink_metadata().is_ok() && is_being_written(&temporary)?) {
            return Err(ArchiveError::Exists { path });
        }
        let file = durable::create_temporary(&path)?;
        if !lock(&file, &temporary)? {
            return Err(ArchiveError::Exists { path });
        }
        fault::point("archive.created");
        let (queue, orders) = sync_channel(QUEUE);
        let reason = Reason::default();
        let thread = std::thread::Builder::new().name("archive".to_owned()).spawn({
            let reason = reason.clone();
            move || append_all(file, orders, &reason)
        });
        let thread = thread.at("start a thread to write", &path)?;
        Ok(Self { path, label: label.clone(), queue, reason, thread: Some(thread), published: false })
    }

    /// The path it will have when sealed; engines put their own temporary files beside it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle for a worker.
    #[must_use]
    pub fn sink(&self) -> FrameSink {
        FrameSink { path: self.path.clone(), queue: self.queue.clone(), reason: self.reason.clone() }
    }

    /// Fills format, label, frame index and byte counts into the manifest, writes manifest and footer, and publishes the
    /// file. Blocking. Every [`FrameSink`] must be dropped or idle before.
    ///
    /// # Errors
    /// When anything before could not be written, when the manifest does not describe the frames, or when the seal fails;
    /// then there is no archive.
    pub fn seal(mut self, mut manifest: Manifest) -> Result<Sealed, ArchiveError> {
        let Some(mut written) = self.end() else { return Err(self.reason.error(&self.path)) };
        let has_files = written.frames.iter().any(|frame| frame.kind == FrameKind::Files);
        manifest.format = if has_files { FORMAT } else { FORMAT_WITHOUT_FILES };
        manifest.label = self.label.clone();
        manifest.frames = std::mem::take(&mut written.frames);
        manifest.raw_bytes = written.raw;
        manifest.stored_bytes = written.stored;
        let tail = self.tail(&manifest)?;
        fault::point("archive.before_seal");
        let temporary = durable::temporary(&self.path);
        fault::check("archive.write").and_then(|()| written.file.write_all(&tail)).at("write", &temporary)?;
        if self.path.symlink_metadata().is_ok() {
            return Err(ArchiveError::Exists { path: self.path.clone() });
        }
        durable::publish(&written.file, &self.path)?;
        self.published = true;
        fault::point("archive.sealed");
        let size = manifest.stored_bytes + tail.len() as u64;
        Ok(Sealed { path: self.path.clone(), label: self.label.clone(), size, manifest })
    }

    /// The skippable frame: manifest, then footer.
    fn tail(&self, manifest: &Manifest) -> Result<Vec<u8>, ArchiveError> {
        let unsealable = |why: String| ArchiveError::Unsealable { path: self.path.clone(), why };
        check_index(manifest, manifest.stored_bytes).map_err(unsealable)?;
        let json = serde_json::to_vec(manifest).map_err(|error| unsealable(format!("the manifest is not JSON: {error}")))?;
        let content = json.len() as u64 + FOOTER_BYTES as u64;
        let length = u32::try_from(content).ok().filter(|_| json.len() as u64 <= MAX_MANIFEST_BYTES);
        let length = length.ok_or_else(|| unsealable(format!("a manifest of {} bytes is too long", json.len())))?;
        let footer = Footer {
            manifest_offset: manifest.stored_bytes + SKIPPABLE_HEADER_BYTES,
            manifest_bytes: json.len() as u64,
            manifest_digest: *blake3::hash(&json).as_bytes(),
            file_bytes: manifest.stored_bytes + SKIPPABLE_HEADER_BYTES + content,
            format: manifest.format,
        };
        Ok([&SKIPPABLE_MAGIC[..], &length.to_le_bytes(), &json, &footer.encode()].concat())
    }

    /// Lets the appending thread finish what is queued, and joins it.
    fn end(&mut self) -> Option<Written> {
        let thread = self.thread.take()?;
        // A thread that failed no longer listens, and has left its error.
        self.queue.send(Order::End).ok();
        thread.join().ok().flatten()
    }
}

impl Drop for PendingArchive {
    fn drop(&mut self) {
        self.end();
        if !self.published {
            // A file that cannot be removed has no writer any more and is swept at the next start.
            durable::remove(&durable::temporary(&self.path)).ok();
        }
        encoder::release_spares();
    }
}

/// Hands frames to the appending thread; clone one for each worker.
#[derive(Debug, Clone)]
pub struct FrameSink {
    path: PathBuf,
    queue: SyncSender<Order>,
    reason: Reason,
}

impl FrameSink {
    /// Queues a frame; waits while the queue is full. Blocking. Frames land in the file in the order of these calls.
    ///
    /// # Errors
    /// When the appending thread stopped: with its own error, the same for every worker and for [`PendingArchive::seal`].
    pub fn append(&self, frame: EncodedFrame) -> Result<(), ArchiveError> {
        self.queue.send(Order::Append(frame)).map_err(|_| self.reason.error(&self.path))
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

/// Whether the writer of a temporary file lives. What is no regular file is taken for one in use: it is nobody's leftover.
///
/// # Errors
/// When the file cannot be opened or asked.
pub fn is_being_written(temporary: &Path) -> Result<bool, DurableError> {
    match trust::open_own(temporary) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if trust::refused(&error).is_some() => Ok(true),
        file => Ok(!lock(&file.at("open", temporary)?, temporary)?),
    }
}

/// Takes the lock that says "being written"; it goes with the last handle of the file.
pub(crate) fn lock(file: &File, path: &Path) -> Result<bool, DurableError> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(io::Error::from(errno)).at("lock", path),
    }
}

/// Appends until told to end. An error is left in `reason` before the queue closes, so that whoever finds it closed also
/// finds the reason.
fn append_all(mut file: File, orders: Receiver<Order>, reason: &Reason) -> Option<Written> {
    let mut frames = Vec::new();
    let (mut stored, mut raw) = (0, 0);
    while let Ok(Order::Append(frame)) = orders.recv() {
        if let Err(source) = append_one(&mut file, &frame) {
            reason.set(source);
            drop(orders);
            return None;
        }
        let length = frame.stored.len() as u64;
        frames.push(Frame {
            kind: frame.kind,
            table: frame.table,
            offset: stored,
            stored: length,
            raw: frame.raw,
            rows: frame.rows,
            digest: frame.digest,
        });
        stored += length;
        raw += frame.raw;
        encoder::give_back(frame.stored);
        fault::point("archive.frame");
    }
    Some(Written { file, frames, stored, raw })
}

fn append_one(file: &mut File, frame: &EncodedFrame) -> io::Result<()> {
    if frame.stored.len() as u64 > MAX_STORED_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a frame is longer than any reader would accept"));
    }
    fault::check("archive.write")?;
    file.write_all(&frame.stored)
}

/// Why the appending thread stopped, for everyone who asks.
#[derive(Debug, Clone, Default)]
struct Reason(Arc<Mutex<Option<io::Error>>>);

impl Reason {
    fn set(&self, source: io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    /// A copy of the error; [`ArchiveError::WriterStopped`] when the thread ended without one.
    fn error(&self, path: &Path) -> ArchiveError {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(source) = held.as_ref() else { return ArchiveError::WriterStopped };
        let copy = source.raw_os_error().map(io::Error::from_raw_os_error);
        let source = copy.unwrap_or_else(|| io::Error::new(source.kind(), source.to_string()));
        ArchiveError::Durable(DurableError::Io { what: "write", path: durable::temporary(path), source })
    }
}
