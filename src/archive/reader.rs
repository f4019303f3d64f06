//! Reading an archive: whole, torn or damaged, and never wrong data.
//!
//! Owns the checks. Believes no number of the file before it was compared with the file's own length, so that damage never
//! becomes an allocation. Never writes. Invariant: a byte is handed on only after the digest of the frame it came from was
//! right; held by `tests/it/archive.rs`, which flips every byte and cuts at every length.

pub mod frame;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use frame::{FrameReader, Trouble};

use super::ArchiveError;
use super::format::{
    FOOTER_BYTES, FORMAT, FRAME_MAGIC, Footer, MAX_MANIFEST_BYTES, NoFooter, SKIPPABLE_HEADER_BYTES, SKIPPABLE_MAGIC,
    check_index,
};
use super::manifest::{Frame, Manifest};
use super::source::Source;
use crate::durable::{At, DurableError};
use crate::process::give_way;
use crate::progress::Progress;
use crate::trust;

/// An archive whose footer and manifest were read and found good; its frames are checked as they are read.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    source: Arc<dyn Source>,
    size: u64,
    manifest: Arc<Manifest>,
    footer: Footer,
    /// Buffers and contexts of finished calls of [`Archive::read_frame`]: at most one for each thread that ever called.
    spares: Mutex<Vec<FrameReader>>,
}

impl Archive {
    /// Reads footer and manifest of a file of this host. Blocking.
    ///
    /// # Errors
    /// As for [`Archive::read_from`], and when the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let file = match trust::open(path) {
            Err(error) if matches!(trust::refused(&error), Some(trust::Refused::NotAFile(_))) => {
                return Err(damaged(path, "it is not a regular file"));
            }
            opened => opened.at("open", path)?,
        };
        Self::read_from(Arc::new(file), path)
    }

    /// Reads footer and manifest from wherever the archive is; `path` is what a person calls that place. Blocking.
    ///
    /// # Errors
    /// [`ArchiveError::Torn`] when the end is missing, [`ArchiveError::Damaged`] when footer or manifest disagree with
    /// their digests, [`ArchiveError::TooNew`] for a later format.
    pub fn read_from(source: Arc<dyn Source>, path: &Path) -> Result<Self, ArchiveError> {
        let size = source.size().at("look at", path)?;
        let footer = read_footer(&*source, size, path)?;
        let manifest = Arc::new(read_manifest(&*source, &footer, path)?);
        Ok(Self { path: path.to_owned(), source, size, manifest, footer, spares: Mutex::new(Vec::new()) })
    }

    /// The same archive for workers that may outlive this one by a moment: nothing is opened or read again.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self {
            path: self.path.clone(),
            source: Arc::clone(&self.source),
            size: self.size,
            manifest: Arc::clone(&self.manifest),
            footer: self.footer.clone(),
            spares: Mutex::new(Vec::new()),
        }
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The digest of its manifest, which names each of its frames by its own: no two archives have the same.
    #[must_use]
    pub fn manifest_digest(&self) -> String {
        blake3::Hash::from_bytes(self.footer.manifest_digest).to_hex().to_string()
    }

    /// The parts of which its bytes are made, one after the other without a gap, with length and digest of each: its frames, then what
    /// stands before the manifest, the manifest, and the footer.
    #[must_use]
    pub fn part(&self, nth: usize) -> Option<(u64, String)> {
        if let Some(frame) = self.manifest.frames.get(nth) {
            return Some((frame.stored, frame.digest.clone()));
        }
        let of = |bytes: &[u8]| (bytes.len() as u64, blake3::hash(bytes).to_hex().to_string());
        match nth - self.manifest.frames.len() {
            0 => Some(of(&skippable_header(&self.footer))),
            1 => Some((self.footer.manifest_bytes, self.manifest_digest())),
            2 => Some(of(&self.footer.encode())),
            _ => None,
        }
    }

    /// The file, or what a person calls the place where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its bytes come from.
    #[must_use]
    pub fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads the frame at `index` of the manifest's list: checks the digest of the stored bytes *before* anything is
    /// decompressed, then hands the content over in pieces of at most 128 KiB. Blocking; several threads may read one
    /// archive at once. Each holds one stored frame and a decompression window.
    ///
    /// A frame with a right digest and a wrong content was sealed so; then pieces may have been handed over before the error.
    ///
    /// # Errors
    /// When the frame is not what was sealed, or `take` fails (its error comes back as [`ArchiveError::Codec`]).
    pub fn read_frame(&self, index: usize, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), ArchiveError> {
        let spare = self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = match spare {
            Some(reader) => reader,
            None => self.frame_reader()?,
        };
        self.read_with(&mut reader, index, take)?;
        self.spares.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        Ok(())
    }

    /// Reads every byte back on `threads` threads: digests, zstd's own checksums, and that the file has no byte that the
    /// index does not account for. Blocking.
    ///
    /// # Errors
    /// The first thing found wrong, by place in the file among those found before the threads stopped.
    pub fn verify(&self, threads: usize, progress: &Progress) -> Result<(), ArchiveError> {
        progress.phase("verifying", self.manifest.raw_bytes);
        self.on_all(threads, progress, &|reader, index, frame| {
            self.read_with(reader, index, &mut |_| Ok(()))?;
            progress.add(frame.raw, frame.rows);
            Ok(())
        })
    }

    /// Compares every stored byte with its digest on `threads` threads: the file is what was sealed. For whoever reads the
    /// content afterwards anyway. Blocking.
    ///
    /// # Errors
    /// As for [`Archive::verify`].
    pub fn check(&self, threads: usize, progress: &Progress) -> Result<(), ArchiveError> {
        progress.phase("checking", self.manifest.stored_bytes);
        self.on_all(threads, progress, &|reader, index, frame| {
            reader.check(&*self.source, frame).map_err(|trouble| self.explain(index, frame, trouble))?;
            progress.add(frame.stored, 0);
            Ok(())
        })
    }

    /// Does `each` with every frame, and looks whether the file is still as long as it was. Work that is given up ends with an error, for
    /// not every frame was read.
    fn on_all(
        &self,
        threads: usize,
        progress: &Progress,
        each: &(dyn Fn(&mut FrameReader, usize, &Frame) -> Result<(), ArchiveError> + Sync),
    ) -> Result<(), ArchiveError> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let work = || -> Result<(), (usize, ArchiveError)> {
            give_way();
            let mut reader = self.frame_reader().map_err(|error| (0, error))?;
            while !stop.load(Ordering::Relaxed) && !progress.is_given_up() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(frame) = self.manifest.frames.get(index) else { break };
                if let Err(error) = each(&mut reader, index, frame) {
                    stop.store(true, Ordering::Relaxed);
                    return Err((index, error));
                }
            }
            Ok(())
        };
        let threads = threads.clamp(1, self.manifest.frames.len().max(1));
        let found = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let ends = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            ends.filter_map(Result::err).collect::<Vec<_>>()
        });
        if let Some((_, error)) = found.into_iter().min_by_key(|(index, _)| *index) {
            return Err(error);
        }
        if progress.is_given_up() {
            Err::<(), _>(io::Error::from(io::ErrorKind::Interrupted)).at("read", &self.path)?;
        }
        let size = self.source.size().at("look at", &self.path)?;
        if size != self.size {
            return Err(damaged(&self.path, &format!("it was {} bytes long when opened and is {size} now", self.size)));
        }
        Ok(())
    }

    fn frame_reader(&self) -> Result<FrameReader, ArchiveError> {
        FrameReader::new().map_err(|source| ArchiveError::Codec { what: "decompress", path: self.path.clone(), source })
    }

    fn read_with(
        &self,
        reader: &mut FrameReader,
        index: usize,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ArchiveError> {
        let Some(frame) = self.manifest.frames.get(index) else {
            return Err(damaged(&self.path, &format!("there is no frame {index}")));
        };
        reader.read(&*self.source, frame, take).map_err(|trouble| self.explain(index, frame, trouble))
    }

    fn explain(&self, index: usize, frame: &Frame, trouble: Trouble) -> ArchiveError {
        match trouble {
            Trouble::Read(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                ArchiveError::Torn { path: self.path.clone(), why: format!("it ends inside frame {index}") }
            }
            Trouble::Read(source) => unread(&self.path, source),
            Trouble::Wrong(why) => damaged(&self.path, &format!("frame {index} at byte {}: {why}", frame.offset)),
            Trouble::Taker(source) => ArchiveError::Codec { what: "hand on", path: self.path.clone(), source },
        }
    }
}

/// What stands before the manifest: the frame of manifest and footer, which zstd skips.
fn skippable_header(footer: &Footer) -> [u8; SKIPPABLE_HEADER_BYTES as usize] {
    let content = u32::try_from(footer.manifest_bytes + FOOTER_BYTES as u64).unwrap_or(u32::MAX);
    let mut header = [0; SKIPPABLE_HEADER_BYTES as usize];
    header[..4].copy_from_slice(&SKIPPABLE_MAGIC);
    header[4..].copy_from_slice(&content.to_le_bytes());
    header
}

/// Reads a part of an archive's end.
fn read_at(source: &dyn Source, into: &mut [u8], at: u64, path: &Path) -> Result<(), ArchiveError> {
    source.read_exact_at(into, at).map_err(|source| unread(path, source))
}

/// What a source would not give. A file's own errors are of the disk; a source that opens what is encrypted says here that it is not what
/// was sealed.
fn unread(path: &Path, source: io::Error) -> ArchiveError {
    match source.kind() {
        io::ErrorKind::InvalidData => damaged(path, &source.to_string()),
        _ => DurableError::Io { what: "read", path: path.to_owned(), source }.into(),
    }
}

fn damaged(path: &Path, why: &str) -> ArchiveError {
    ArchiveError::Damaged { path: path.to_owned(), why: why.to_owned() }
}

/// Reads and checks the last bytes of the file, and every number in them.
fn read_footer(source: &dyn Source, size: u64, path: &Path) -> Result<Footer, ArchiveError> {
    let torn = |why: &str| ArchiveError::Torn { path: path.to_owned(), why: why.to_owned() };
    let mut magic = [0; 4];
    let start = size.min(4) as usize;
    read_at(source, &mut magic[..start], 0, path)?;
    if magic[..start] != FRAME_MAGIC[..start] && magic[..start] != SKIPPABLE_MAGIC[..start] {
        return Err(damaged(path, "it does not begin like an archive"));
    }
    let least = SKIPPABLE_HEADER_BYTES + FOOTER_BYTES as u64;
    let Some(footer_at) = size.checked_sub(FOOTER_BYTES as u64).filter(|_| size > least) else {
        return Err(torn(&format!("{size} bytes are too few")));
    };
    let mut bytes = [0; FOOTER_BYTES];
    read_at(source, &mut bytes, footer_at, path)?;
    let footer = Footer::decode(&bytes).map_err(|why| match why {
        NoFooter::Magic => torn("it does not end with a footer: it was cut short, never sealed, or appended to"),
        NoFooter::Check => damaged(path, "the footer disagrees with its own digest"),
    })?;
    if footer.file_bytes != size {
        return Err(damaged(path, &format!("it was sealed with {} bytes and has {size}", footer.file_bytes)));
    }
    if footer.format > FORMAT {
        return Err(ArchiveError::TooNew { path: path.to_owned(), found: footer.format, known: FORMAT });
    }
    let fits = footer.format != 0
        && footer.manifest_bytes <= MAX_MANIFEST_BYTES
        && footer.manifest_offset >= SKIPPABLE_HEADER_BYTES
        && footer.manifest_offset.checked_add(footer.manifest_bytes) == Some(footer_at);
    if fits { Ok(footer) } else { Err(damaged(path, "the footer points outside of the file")) }
}

/// Reads and checks the manifest, and that its frames fill the file in front of it.
fn read_manifest(source: &dyn Source, footer: &Footer, path: &Path) -> Result<Manifest, ArchiveError> {
    let frames_end = footer.manifest_offset - SKIPPABLE_HEADER_BYTES;
    let mut header = [0; SKIPPABLE_HEADER_BYTES as usize];
    read_at(source, &mut header, frames_end, path)?;
    if header != skippable_header(footer) {
        return Err(damaged(path, "the manifest is not in a frame of its own"));
    }
    // Bounded by MAX_MANIFEST_BYTES and by the file's own length, both checked with the footer.
    let mut json = vec![0; footer.manifest_bytes as usize];
    read_at(source, &mut json, footer.manifest_offset, path)?;
    if *blake3::hash(&json).as_bytes() != footer.manifest_digest {
        return Err(damaged(path, "the manifest disagrees with its digest"));
    }
    let manifest: Manifest =
        serde_json::from_slice(&json).map_err(|error| damaged(path, &format!("the manifest cannot be read: {error}")))?;
    if manifest.format != footer.format {
        return Err(damaged(path, "manifest and footer name different formats"));
    }
    check_index(&manifest, frames_end).map_err(|why| damaged(path, &why))?;
    Ok(manifest)
}
