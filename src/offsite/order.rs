//! What is sent to a place, its bytes as they pass by, and what its sidecar says of them.

use std::io::{self, Read};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::drafts::Drafts;
use super::{Halt, OffsiteError};
use crate::archive::{Archive, Source};
use crate::cipher::Recipient;
use crate::ids::{Label, TargetName};
use crate::state_db::catalogue::Entry;
use crate::store::place::{Digests, Encryption, Place, PlaceError, Sidecar};

/// Which archives or copies are meant: one, those of a target, or all.
pub type Which<'a> = (Option<&'a Label>, Option<&'a TargetName>);

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
    /// To whom it is encrypted; where nobody is named it goes as it is.
    pub(super) encrypt_to: Vec<Recipient>,
    /// Where the seal of an encrypted copy is written down before the copy has its name.
    pub(super) drafts: Drafts,
}

/// What is told of an object that is there.
pub(super) fn described(
    order: &Order,
    archive: &Archive,
    object: String,
    digests: Digests,
    encryption: Option<Encryption>,
) -> Sidecar {
    let (size, digest, stretch_bytes, stretches) = digests.end();
    let manifest = archive.manifest();
    Sidecar {
        format: Sidecar::format_of(encryption.as_ref()),
        label: order.entry.label.clone(),
        object,
        host: order.host.clone(),
        target: order.entry.target.clone(),
        kind: manifest.kind,
        release: order.entry.release.clone(),
        taken_at: manifest.taken_at,
        copied_at: order.now,
        size,
        digest,
        stretch_bytes,
        stretches,
        tool: concat!("upkeep ", env!("CARGO_PKG_VERSION")).to_owned(),
        encryption,
    }
}

/// What cannot be read is told of the object that was read for.
pub(super) fn content_error(place: &dyn Place, object: &str, source: io::Error) -> OffsiteError {
    if source.kind() == io::ErrorKind::Interrupted {
        return OffsiteError::Stopped;
    }
    PlaceError::content(place.called(object), source).into()
}

/// Digests of everything that a source holds.
pub(super) fn read_through(source: Arc<dyn Source>, size: u64, digests: Digests, halt: &Halt) -> io::Result<Digests> {
    let mut content = Content { digests, ..Content::whatever(source, size, halt) };
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
pub(super) struct Content<'a> {
    source: Arc<dyn Source>,
    at: u64,
    size: u64,
    pub(super) digests: Digests,
    halt: &'a Halt,
    parts: Option<Parts<'a>>,
}

impl<'a> Content<'a> {
    /// The bytes of an archive, which end with an error where they are not those that were sealed: what was whole a moment ago may be read
    /// otherwise now, and what is sealed at a place is believed from then on.
    pub(super) fn of(archive: &'a Archive, halt: &'a Halt) -> Self {
        let parts = Some(Parts { archive, nth: 0, left: 0, hasher: blake3::Hasher::new(), digest: None });
        Self { parts, ..Self::whatever(archive.source(), archive.size(), halt) }
    }

    fn whatever(source: Arc<dyn Source>, size: u64, halt: &'a Halt) -> Self {
        Self { source, at: 0, size, digests: Digests::of(size), halt, parts: None }
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
        if let Some(parts) = &mut self.parts {
            let other = || format!("its bytes before byte {} are not those that were sealed", self.at + take as u64);
            parts.take(&buffer[..take]).map_err(|()| io::Error::new(io::ErrorKind::InvalidData, other()))?;
        }
        self.digests.add(&buffer[..take]);
        self.at += take as u64;
        self.halt.progress.add(take as u64, 0);
        Ok(take)
    }
}

/// The parts of an archive, compared with their digests as they pass by.
struct Parts<'a> {
    archive: &'a Archive,
    nth: usize,
    left: u64,
    hasher: blake3::Hasher,
    digest: Option<String>,
}

impl Parts<'_> {
    /// An error where a part ends that is not what was sealed.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), ()> {
        while !bytes.is_empty() {
            if self.digest.is_none() {
                let (length, digest) = self.archive.part(self.nth).ok_or(())?;
                (self.left, self.digest) = (length, Some(digest));
            }
            let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.hasher.update(&bytes[..take]);
            self.left -= take as u64;
            bytes = &bytes[take..];
            if self.left == 0 {
                let found = self.hasher.finalize().to_hex();
                if self.digest.take().as_deref() != Some(found.as_str()) {
                    return Err(());
                }
                self.hasher.reset();
                self.nth += 1;
            }
        }
        Ok(())
    }
}
