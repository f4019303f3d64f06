//! Sending an archive encrypted.
//!
//! Encrypted twice, an archive is never the same bytes, and nobody here can look into what is there: what a crash left under its name is known
//! for ours by the draft of its seal alone, which is written down before the name is given.

use std::io::{self, Read};

use super::drafts::Drafts;
use super::order::{Content, Order, content_error, described, read_through};
use super::{Halt, OffsiteError};
use crate::archive::Archive;
use crate::cipher::Encrypted;
use crate::durable::DurableError;
use crate::store::place::{Digests, ENCRYPTED, Encryption, Place, Put, Sidecar};

/// Sends the archive's bytes, encrypted; what its sidecar is to say. Blocking.
pub(super) fn send(
    place: &dyn Place,
    order: &Order,
    archive: &Archive,
    object: &str,
    halt: &Halt,
) -> Result<Sidecar, OffsiteError> {
    let object = format!("{object}{ENCRYPTED}");
    if place.stat(&object)?.is_some() {
        return ours(place, order, archive, &object, halt);
    }
    let content = Content::of(archive, halt);
    let from = Encrypted::to(&order.encrypt_to, content).map_err(|error| content_error(place, &object, error))?;
    let length = from.size(archive.size());
    let digests = Some(Digests::of(length));
    let describe = |digests: Digests| described(order, archive, object.clone(), digests, Some(sealed(order, archive)));
    let mut passing = Passing { from, digests, describe, drafts: &order.drafts, draft: None, failed: None, halt };
    let put = place.put_new(&object, length, &mut passing);
    match (passing.failed, passing.draft, put?) {
        (Some(failed), ..) => Err(failed.into()),
        (None, Some(draft), Put::Created) => Ok(draft),
        (None, ..) => ours(place, order, archive, &object, halt),
    }
}

fn sealed(order: &Order, archive: &Archive) -> Encryption {
    Encryption {
        recipients: order.encrypt_to.iter().map(ToString::to_string).collect(),
        bytes: archive.size(),
        manifest: archive.manifest_digest(),
    }
}

/// The seal of what is there already under an archive's name, where this host wrote it.
fn ours(place: &dyn Place, order: &Order, archive: &Archive, object: &str, halt: &Halt) -> Result<Sidecar, OffsiteError> {
    let label = &order.entry.label;
    let foreign = |why: &str| OffsiteError::Foreign { label: label.clone(), path: place.called(object), why: why.to_owned() };
    let draft = order.drafts.read(label)?.filter(|draft| draft.object == object);
    let draft = draft.ok_or_else(|| foreign("it is encrypted, and this host has no record of having sent it"))?;
    if draft.encryption.as_ref().is_none_or(|inside| inside.manifest != archive.manifest_digest()) {
        return Err(foreign("what this host has sent under this name was another archive"));
    }
    if draft.encryption.as_ref().map(|inside| &inside.recipients) != Some(&sealed(order, archive).recipients) {
        return Err(foreign(
            "it is encrypted to other keys than are named now, and was never sealed: take it away, and it is sent anew",
        ));
    }
    let there = place.open(object)?;
    let size = there.size().map_err(|_| foreign("it cannot be looked at"))?;
    if size != draft.size {
        return Err(foreign(&format!("it has {size} bytes, and {} were sent", draft.size)));
    }
    let found = read_through(there, size, Digests::by(draft.stretch_bytes), halt);
    let (_, digest, ..) = found.map_err(|error| content_error(place, object, error))?.end();
    if digest != draft.digest {
        return Err(foreign("its bytes are others than were sent"));
    }
    Ok(Sidecar { host: order.host.clone(), ..draft })
}

/// What is sent, digested as it passes by; at its end the draft is written down.
struct Passing<'a, R, D> {
    from: Encrypted<R>,
    digests: Option<Digests>,
    describe: D,
    drafts: &'a Drafts,
    draft: Option<Sidecar>,
    failed: Option<DurableError>,
    halt: &'a Halt,
}

impl<R: Read, D: Fn(Digests) -> Sidecar> Read for Passing<'_, R, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.halt.is_halted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.from.read(buffer)?;
        if read > 0 {
            self.digests.iter_mut().for_each(|digests| digests.add(&buffer[..read]));
            return Ok(read);
        }
        let Some(digests) = self.digests.take() else { return Ok(0) };
        let draft = (self.describe)(digests);
        if let Err(error) = self.drafts.write(&draft) {
            self.failed = Some(error);
            // Whoever writes takes it for content that ended badly, and gives it no name.
            return Err(io::Error::other("its seal could not be written down"));
        }
        self.draft = Some(draft);
        Ok(0)
    }
}
