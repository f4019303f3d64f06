//! The page image: taken from the live database, streamed into frames, put back together.
//!
//! Memory is bounded: each worker holds one chunk and one compressed frame, and there are at most [`MAX_WORKERS`].

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;

use super::around;
use super::open::because;
use crate::archive::manifest::FrameKind;
use crate::archive::writer::{self, EncodedFrame, FrameSink};
use crate::archive::{Archive, ArchiveError, FrameEncoder};
use crate::durable::{self, At, DurableError};
use crate::engine::EngineError;
use crate::fault;
use crate::process::give_way;
use crate::progress::Progress;

/// Uncompressed bytes of one frame. Large enough to compress well, small enough that four workers hold little.
const CHUNK_BYTES: usize = 2 * 1024 * 1024;

/// Threads that compress or decompress. More would only wait for the disk, and each costs two chunks of memory.
const MAX_WORKERS: usize = 4;

/// How often the size of a growing image is looked at for the progress shown.
const LOOK: Duration = Duration::from_millis(200);

/// Where the header keeps the file format's write and read version; 2 in both says WAL.
const WAL_MARK: std::ops::Range<usize> = 18..20;

/// An image under a temporary name beside the archive, gone when dropped. A crash leaves it to be swept like every
/// temporary file of that directory.
#[derive(Debug)]
pub(super) struct Image {
    path: PathBuf,
    /// Holds the lock by which a sweep knows that the file is in use.
    file: File,
}

impl Image {
    /// Copies the database as of one moment.
    pub(super) async fn take(
        connection: &mut SqliteConnection,
        source: &Path,
        archive: &Path,
        progress: &Progress,
    ) -> Result<Self, EngineError> {
        let named = archive.with_extension("image");
        if let Some(directory) = archive.parent() {
            sweep(directory)?;
        }
        // Made by us first, so that nobody else may read it; SQLite takes an empty file for a new database.
        let file = durable::create_temporary(&named)?;
        let image = Self { path: durable::temporary(&named), file };
        writer::lock(&image.file, &image.path)?;
        fault::check("sqlite.copy").at("write", &image.path)?;
        let target = image.path.to_string_lossy().into_owned();
        let copy = sqlx::query("VACUUM INTO ?1").bind(target).execute(connection);
        tokio::pin!(copy);
        let mut seen = 0;
        let copied = loop {
            // Both arms are cancel-safe: the copy is pinned outside the loop, and a timer that is dropped has done nothing.
            tokio::select! {
                copied = &mut copy => break copied,
                () = tokio::time::sleep(LOOK) => {
                    let size = image.size();
                    progress.add(size.saturating_sub(seen), 0);
                    seen = size.max(seen);
                }
            }
        };
        // A full disk is the archive's, every other refusal the source's.
        copied.map_err(|error| match super::open::result_code(&error) {
            Some(FULL) => because(&image.path, "copy the pages")(error),
            _ => because(source, "copy the pages")(error),
        })?;
        fault::point("sqlite.copied");
        Ok(image)
    }

    /// Unpacks the one that an archive holds, in a directory of ours, for whoever only reads it. Blocking.
    pub(super) fn unpacked(archive: &Archive, directory: &Path, jobs: usize, progress: &Progress) -> Result<Self, EngineError> {
        // Several may read one archive at once.
        let named = directory.join(format!("{}.{}.image", archive.manifest().label, uuid::Uuid::new_v4().simple()));
        let file = durable::create_temporary(&named)?;
        let image = Self { path: durable::temporary(&named), file };
        writer::lock(&image.file, &image.path)?;
        unpack(archive, &image.file, &image.path, jobs, progress)?;
        Ok(image)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.path.metadata().map_or(0, |found| found.len())
    }
}

const FULL: i32 = 13;

impl Drop for Image {
    fn drop(&mut self) {
        for path in [self.path.clone(), around::beside(&self.path, "-journal")] {
            // A leftover is swept with the next dump; nothing reads it.
            fs::remove_file(path).ok();
        }
    }
}

/// Removes the journals of images that are gone: `.LABEL.image.tmp-journal` is not a name other sweeps know.
fn sweep(directory: &Path) -> Result<(), DurableError> {
    for entry in fs::read_dir(directory).at("list", directory)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let orphan = name.strip_suffix("-journal").filter(|image| name.starts_with('.') && image.ends_with(".image.tmp"));
        let file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if file && orphan.is_some_and(|image| !directory.join(image).exists()) {
            durable::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether the database an image came from keeps a write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journal {
    /// It does; the image is marked so, for `VACUUM INTO` leaves the mark out.
    Wal,
    /// It does not.
    Rollback,
}

/// Streams the image into frames: one thread reads, `jobs` compress, and they are appended in order. Blocking.
pub(super) fn stream(
    image: &Path,
    journal: Journal,
    level: i32,
    jobs: usize,
    sink: &FrameSink,
    progress: &Progress,
) -> Result<(), EngineError> {
    let file = File::open(image).at("open", image)?;
    std::thread::scope(|scope| {
        let (mut feeds, mut frames) = (Vec::new(), Vec::new());
        for _ in 0..threads(jobs) {
            let (feed, chunks) = sync_channel::<Vec<u8>>(0);
            let (done, frame) = sync_channel(0);
            scope.spawn(move || compress(&chunks, &done, level));
            feeds.push(feed);
            frames.push(frame);
        }
        let reader = scope.spawn(move || read_chunks(file, journal, &feeds, progress));
        // Chunk i went to worker i mod n, so asking them in turn gives the frames in order. A worker that hung up had no
        // more chunks; the reader says whether that was the end of the file.
        for frame in frames.iter().cycle() {
            let Ok(frame) = frame.recv() else { break };
            let frame = frame?;
            let raw = frame.raw;
            sink.append(frame)?;
            progress.add(raw, 0);
        }
        drop(frames);
        match reader.join() {
            Ok(read) => Ok(read.at("read", image)?),
            Err(_) => Err(EngineError::Worker(format!("reading {}", image.display()))),
        }
    })
}

/// As many threads as were asked for, and no more than there are cores: none of them ever waits for a database.
fn threads(jobs: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    jobs.clamp(1, cores.min(MAX_WORKERS))
}

fn compress(chunks: &Receiver<Vec<u8>>, done: &SyncSender<Result<EncodedFrame, ArchiveError>>, level: i32) {
    give_way();
    for chunk in chunks {
        let encoded = FrameEncoder::new(FrameKind::Image, None, level).and_then(|mut encoder| {
            encoder.write(&chunk, 0)?;
            // The encoder has a copy; compressing takes long.
            drop(chunk);
            encoder.finish()
        });
        // Nobody listening means that another worker failed first; its error is the one reported.
        if done.send(encoded).is_err() {
            return;
        }
    }
}

fn read_chunks(mut file: File, journal: Journal, feeds: &[SyncSender<Vec<u8>>], progress: &Progress) -> io::Result<()> {
    let mut first = true;
    for feed in feeds.iter().cycle() {
        if progress.is_given_up() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            break;
        }
        if first
            && journal == Journal::Wal
            && let Some(mark) = chunk.get_mut(WAL_MARK)
        {
            mark.fill(2);
        }
        first = false;
        if feed.send(chunk).is_err() {
            break;
        }
    }
    Ok(())
}

/// Writes the image an archive holds into `file`, every frame at its place. Blocking.
pub(super) fn unpack(archive: &Archive, file: &File, path: &Path, jobs: usize, progress: &Progress) -> Result<(), EngineError> {
    let frames = &archive.manifest().frames;
    let mut at = 0;
    let places: Vec<(usize, u64)> = frames
        .iter()
        .enumerate()
        .filter(|(_, frame)| frame.kind == FrameKind::Image)
        .map(|(index, frame)| {
            let place = (index, at);
            at += frame.raw;
            place
        })
        .collect();
    fault::check("sqlite.unpack").and_then(|()| reserve(file, at)).at("write", path)?;
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), EngineError> {
        give_way();
        while let Some(&(index, place)) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            unpack_frame(archive, index, file, path, place, progress)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads(jobs)).map(|_| scope.spawn(work)).collect();
        let ended = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(EngineError::Worker(format!("writing {}", path.display())))));
        ended.collect::<Vec<_>>().into_iter().collect::<Result<(), EngineError>>()
    })?;
    file.sync_all().at("sync", path)?;
    Ok(())
}

fn unpack_frame(
    archive: &Archive,
    index: usize,
    file: &File,
    path: &Path,
    mut place: u64,
    progress: &Progress,
) -> Result<(), EngineError> {
    // A failed write must stay what it is (no room, no permission) and not become the archive's fault.
    let mut failed = None;
    let read = archive.read_frame(index, &mut |bytes| {
        file.write_all_at(bytes, place).map_err(|error| {
            let kind = error.kind();
            failed = Some(error);
            io::Error::from(kind)
        })?;
        place += bytes.len() as u64;
        progress.add(bytes.len() as u64, 0);
        Ok(())
    });
    match failed {
        Some(error) => Ok(Err(error).at("write", path)?),
        None => Ok(read?),
    }
}

/// Takes the room for the whole image at once, so that a full disk is known before anything is written. A file system that
/// cannot promise room is asked again by every write.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOSYS) | Ok(()) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
