//! Sending one archive: its bytes, then its sidecar.
//!
//! If we die before the sidecar is there, no copy counts: the next round finds the bytes without a seal, holds them to the archive's, and
//! seals them where they are the same. Bytes that are not are somebody else's, and are left alone.

use std::io::{self, Read};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Halt, OffsiteError, look, opened};
use crate::archive::{Archive, Source};
use crate::fault;
use crate::state_db::catalogue::Entry;
use crate::store::place::{Digests, Place, PlaceError, Put, SIDECAR_FORMAT, Sidecar};

/// How much is read at a time where nothing else says so.
const CHUNK_BYTES: usize = 1 << 20;

/// What is sent, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// The archive, whose every byte was found right a moment ago.
    pub(super) entry: Entry,
    /// The host's id at the place.
    pub(super) host: String,
    /// Now.
    pub(super) now: DateTime<Utc>,
}

/// Sends an archive and seals its copy. Blocking.
pub(super) fn send(place: &dyn Place, order: &Order, halt: &Halt) -> Result<Sidecar, OffsiteError> {
    let entry = &order.entry;
    let archive = Archive::open(&entry.path)?;
    let object = entry.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    halt.progress.phase(&format!("copying {}", entry.label), archive.size());
    fault::point("copy.begun");
    let mut content = Content::of(archive.source(), archive.size(), halt);
    let digests = match place.put_new(&object, &mut content)? {
        Put::Created => content.digests,
        Put::Exists => same(place, (&object, entry), &archive, halt)?,
    };
    fault::point("copy.sent");
    let (size, digest, stretch_bytes, stretches) = digests.end();
    let manifest = archive.manifest();
    let sidecar = Sidecar {
        format: SIDECAR_FORMAT,
        label: entry.label.clone(),
        object,
        host: order.host.clone(),
        target: entry.target.clone(),
        kind: manifest.kind,
        release: entry.release.clone(),
        taken_at: manifest.taken_at,
        copied_at: order.now,
        size,
        digest,
        stretch_bytes,
        stretches,
        tool: concat!("upkeep ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let name = Sidecar::name_of(&entry.label);
    let foreign = |why: String| OffsiteError::Foreign { label: entry.label.clone(), path: place.called(&name), why };
    let bytes = sidecar.encode().map_err(foreign)?;
    let sealed = match place.put_new(&name, &mut &*bytes)? {
        Put::Created => sidecar,
        Put::Exists => {
            let there = look::sidecar(place, &entry.label)?;
            if (there.size, &there.digest) != (sidecar.size, &sidecar.digest) {
                return Err(foreign("its sidecar speaks of other bytes".to_owned()));
            }
            there
        }
    };
    fault::point("copy.sealed");
    Ok(sealed)
}

/// The digests of what is there already under an archive's name, where it is that archive.
fn same(place: &dyn Place, (object, entry): (&str, &Entry), archive: &Archive, halt: &Halt) -> Result<Digests, OffsiteError> {
    let foreign =
        |why: &str| OffsiteError::Foreign { label: entry.label.clone(), path: place.called(object), why: why.to_owned() };
    let there = place.open(object)?;
    let size = there.size().map_err(|_| foreign("it cannot be looked at"))?;
    if size != archive.size() {
        return Err(foreign(&format!("it has {size} bytes, and the archive {}", archive.size())));
    }
    let ours = read_through(archive.source(), archive.size(), Digests::of(archive.size()), halt);
    let ours = ours.map_err(|error| content_error(place, object, error))?;
    let theirs = read_through(there, size, Digests::of(size), halt).map_err(|error| content_error(place, object, error))?;
    let digest = |digests: &Digests| digests.clone().end().1;
    if digest(&ours) == digest(&theirs) { Ok(ours) } else { Err(foreign("its bytes are others")) }
}

/// What cannot be read is told of the object that was read for.
pub(super) fn content_error(place: &dyn Place, object: &str, source: io::Error) -> OffsiteError {
    if source.kind() == io::ErrorKind::Interrupted {
        return OffsiteError::Stopped;
    }
    PlaceError::Content { path: place.called(object), source }.into()
}

/// Whether a copy that somebody sealed under an archive's name is of that archive, by what both say of themselves at their ends. Blocking.
pub(super) fn is_of(place: &dyn Place, object: &str, entry: &Entry) -> Result<bool, OffsiteError> {
    let ours = |source| OffsiteError::Ours { label: entry.label.clone(), source };
    let here = Archive::open(&entry.path).map_err(ours)?;
    let there = opened(place, object)?;
    Ok(here.manifest() == there.manifest())
}

/// Digests of everything that a source holds.
pub(super) fn read_through(source: Arc<dyn Source>, size: u64, digests: Digests, halt: &Halt) -> io::Result<Digests> {
    let mut content = Content { digests, ..Content::of(source, size, halt) };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match content.read(&mut chunk) {
            Ok(0) => return Ok(content.digests),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is sent, counted and digested as it passes by.
struct Content<'a> {
    source: Arc<dyn Source>,
    at: u64,
    size: u64,
    digests: Digests,
    halt: &'a Halt,
}

impl<'a> Content<'a> {
    fn of(source: Arc<dyn Source>, size: u64, halt: &'a Halt) -> Self {
        Self { source, at: 0, size, digests: Digests::of(size), halt }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.halt.is_halted() {
            // Read again by whoever takes it for an interrupted call; nobody here does.
            return Err(io::ErrorKind::Interrupted.into());
        }
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let take = left.min(buffer.len());
        self.source.read_exact_at(&mut buffer[..take], self.at)?;
        self.digests.add(&buffer[..take]);
        self.at += take as u64;
        self.halt.progress.add(take as u64, 0);
        Ok(take)
    }
}
