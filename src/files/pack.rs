//! The files of an archive, as a tar in frames of their own.
//!
//! Owns what a tar says of each: owner and group by number, mode, time of change, and links as links. A file that another takes the place of, or that
//! changes while it is read, is told; the tar stays one that can be read to its end.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::FilesError;
use super::look::{Found, Item, Kind, Missing, unread};
use crate::archive::manifest::{FrameKind, LeftOut};
use crate::archive::writer::FrameSink;
use crate::archive::{ArchiveError, FrameEncoder};
use crate::progress::Progress;
use crate::trust;

/// Uncompressed bytes of a frame: whoever reads one holds so much.
pub(super) const FRAME_BYTES: usize = 4 << 20;

/// A file of up to this many bytes is read again where it changed meanwhile.
const SMALL_BYTES: u64 = 1 << 20;

/// How often.
const READINGS: usize = 3;

/// What was written.
#[derive(Debug, Default)]
pub struct Packed {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// What is not there, or not as it was at one moment.
    pub left_out: Vec<LeftOut>,
}

/// Writes what was found behind the frames that are there already. Blocking.
///
/// # Errors
/// When the archive cannot be written. What cannot be read is no error: it is told.
pub fn pack(found: Found, sink: &FrameSink, level: i32, progress: &Progress) -> Result<Packed, FilesError> {
    let Found { items, mut missing, bytes } = found;
    let mut packed = Packed::default();
    if items.is_empty() {
        return Ok(Packed { left_out: missing.all(), ..packed });
    }
    progress.phase("reading files", bytes);
    let mut tar = tar::Builder::new(Frames { sink, level, encoder: None, failed: None });
    for item in &items {
        let written = match &item.kind {
            Kind::File => file(&mut tar, item, &mut missing),
            Kind::Directory | Kind::Link(_) => other(&mut tar, item).map(|()| Some(0)),
        };
        match written {
            Ok(Some(bytes)) => {
                packed.entries += 1;
                packed.bytes += bytes;
                progress.add(bytes, 0);
            }
            Ok(None) => {}
            Err(source) => return Err(failed(tar, item, source)),
        }
    }
    let mut frames = tar.into_inner().map_err(|source| FilesError::Pack { path: "/".into(), source })?;
    frames.end()?;
    packed.left_out = missing.all();
    Ok(packed)
}

/// The archive's own error, where it was that.
fn failed(mut tar: tar::Builder<Frames<'_>>, item: &Item, source: io::Error) -> FilesError {
    match tar.get_mut().failed.take() {
        Some(error) => error.into(),
        None => FilesError::Pack { path: item.path.clone(), source },
    }
}

/// Its name in a tar: below the root.
fn name(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

fn header(item: &Item, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(item.meta.mode() & 0o7777);
    header.set_uid(u64::from(item.meta.uid()));
    header.set_gid(u64::from(item.meta.gid()));
    header.set_mtime(u64::try_from(item.meta.mtime()).unwrap_or_default());
    header.set_size(size);
    header
}

fn other(tar: &mut tar::Builder<Frames<'_>>, item: &Item) -> io::Result<()> {
    match &item.kind {
        Kind::Link(to) => tar.append_link(&mut header(item, tar::EntryType::Symlink, 0), name(&item.path), to),
        _ => tar.append_data(&mut header(item, tar::EntryType::Directory, 0), name(&item.path), io::empty()),
    }
}

/// Writes a file; none where it could not be opened.
fn file(tar: &mut tar::Builder<Frames<'_>>, item: &Item, missing: &mut Missing) -> io::Result<Option<u64>> {
    let mut opened = match open(item) {
        Ok(file) => file,
        Err(error) => {
            missing.add(&item.path, unread(&error));
            return Ok(None);
        }
    };
    let size = opened.metadata()?.len();
    if size <= SMALL_BYTES {
        return small(tar, item, missing);
    }
    let before = opened.metadata()?;
    let mut content = Exactly { from: &mut opened, left: size, is_short: None };
    tar.append_data(&mut header(item, tar::EntryType::Regular, size), name(&item.path), &mut content)?;
    let is_short = content.is_short.take();
    match is_short {
        Some(why) => missing.add(&item.path, why),
        None if !is_same(&before, &opened.metadata()?) => missing.add(&item.path, CHANGED),
        None => {}
    }
    Ok(Some(size))
}

/// What is said of a file that somebody wrote while it was read.
const CHANGED: &str = "it changed while it was read: what the archive has of it may be of no one moment";

/// One that is held in memory: where it changed meanwhile it is read again.
fn small(tar: &mut tar::Builder<Frames<'_>>, item: &Item, missing: &mut Missing) -> io::Result<Option<u64>> {
    let mut last = Vec::new();
    for left in (0..READINGS).rev() {
        let read = open(item).and_then(|mut file| {
            let (before, mut bytes) = (file.metadata()?, Vec::new());
            Read::by_ref(&mut file).take(2 * SMALL_BYTES).read_to_end(&mut bytes)?;
            Ok((is_same(&before, &file.metadata()?) && bytes.len() as u64 == before.len(), bytes))
        });
        match read {
            Ok((is_whole, bytes)) => {
                last = bytes;
                if is_whole {
                    break;
                }
                if left == 0 {
                    missing.add(&item.path, CHANGED);
                }
            }
            Err(error) => {
                missing.add(&item.path, unread(&error));
                return Ok(None);
            }
        }
    }
    let size = last.len() as u64;
    tar.append_data(&mut header(item, tar::EntryType::Regular, size), name(&item.path), &*last)?;
    Ok(Some(size))
}

/// Opens the very file that was looked at, when everybody who could have chosen it may read it.
fn open(item: &Item) -> io::Result<File> {
    let file = trust::open(&item.path)?;
    let meta = file.metadata()?;
    if (meta.dev(), meta.ino()) == (item.meta.dev(), item.meta.ino()) {
        return Ok(file);
    }
    // An editor that writes a new file and renames it. What the path leads to by a link is another matter.
    match std::fs::symlink_metadata(&item.path)? {
        now if now.is_file() && (now.dev(), now.ino()) == (meta.dev(), meta.ino()) => Ok(file),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn is_same(before: &std::fs::Metadata, after: &std::fs::Metadata) -> bool {
    let seen = |meta: &std::fs::Metadata| (meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
    seen(before) == seen(after)
}

/// As many bytes as were announced, whatever becomes of the file: a tar with another number of them could not be read further.
struct Exactly<R> {
    from: R,
    left: u64,
    is_short: Option<String>,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(into.len(), |left| left.min(into.len()));
        let into = &mut into[..most];
        let read = match self.is_short {
            Some(_) => 0,
            None => match self.from.read(into) {
                Ok(0) if most > 0 => {
                    self.is_short = Some("it became shorter while it was read: its end is zeros in the archive".to_owned());
                    0
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => {
                    self.is_short = Some(format!("it could not be read to its end ({error}): that is zeros in the archive"));
                    0
                }
            },
        };
        let given = if read == 0 { most } else { read };
        into[read..given].fill(0);
        self.left -= given as u64;
        Ok(given)
    }
}

/// Cuts a stream into frames.
struct Frames<'a> {
    sink: &'a FrameSink,
    level: i32,
    encoder: Option<FrameEncoder>,
    failed: Option<ArchiveError>,
}

impl Frames<'_> {
    fn add(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => FrameEncoder::new(FrameKind::Files, None, self.level)?,
        };
        encoder.write(bytes, 0)?;
        if encoder.raw() >= FRAME_BYTES as u64 {
            return self.sink.append(encoder.finish()?);
        }
        self.encoder = Some(encoder);
        Ok(())
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        match self.encoder.take() {
            Some(encoder) => self.sink.append(encoder.finish()?),
            None => Ok(()),
        }
    }
}

impl Write for Frames<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(FRAME_BYTES)];
        self.add(bytes).map_err(|error| {
            self.failed = Some(error);
            io::Error::other("the archive could not be written")
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
