//! Sending one archive: its bytes, then its sidecar.
//!
//! If we die before the sidecar is there, no copy counts: the next round finds the bytes without a seal, holds them to the archive's, and
//! seals them where they are the same. Bytes that are not are somebody else's, and are left alone.

use super::order::{Content, Order, content_error, described, read_through};
use super::{Halt, OffsiteError, encrypted, inside, look};
use crate::archive::Archive;
use crate::fault;
use crate::state_db::catalogue::Entry;
use crate::store::place::{Digests, Place, Put, Sidecar};

/// Sends an archive and seals its copy. Blocking.
pub(super) fn send(place: &dyn Place, order: &Order, halt: &Halt) -> Result<Sidecar, OffsiteError> {
    let entry = &order.entry;
    let archive = Archive::open(&entry.path)?;
    let object = entry.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    halt.progress.phase(&format!("copying {}", entry.label), archive.size());
    fault::point("copy.begun");
    let sidecar = match order.encrypt_to.is_empty() {
        true => plainly(place, order, &archive, object, halt)?,
        false => encrypted::send(place, order, &archive, &object, halt)?,
    };
    fault::point("copy.sent");
    let sealed = seal(place, entry, sidecar)?;
    fault::point("copy.sealed");
    Ok(sealed)
}

/// Sends the archive's bytes as they are.
fn plainly(place: &dyn Place, order: &Order, archive: &Archive, object: String, halt: &Halt) -> Result<Sidecar, OffsiteError> {
    let mut content = Content::of(archive, halt);
    let digests = match place.put_known(&object, &archive.manifest_digest(), archive.size(), &mut content)? {
        Put::Created => content.digests,
        Put::Exists => same(place, (&object, &order.entry), archive, halt)?,
    };
    Ok(described(order, archive, object, digests, None))
}

fn seal(place: &dyn Place, entry: &Entry, sidecar: Sidecar) -> Result<Sidecar, OffsiteError> {
    let name = Sidecar::name_of(&entry.label);
    let foreign = |why: String| OffsiteError::Foreign { label: entry.label.clone(), path: place.called(&name), why };
    let bytes = sidecar.encode().map_err(foreign)?;
    match place.put_new(&name, bytes.len() as u64, &mut &*bytes)? {
        Put::Created => Ok(sidecar),
        Put::Exists => {
            let there = look::sidecar(place, &entry.label)?;
            if (there.size, &there.digest) != (sidecar.size, &sidecar.digest) {
                return Err(foreign("its sidecar speaks of other bytes".to_owned()));
            }
            Ok(there)
        }
    }
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

/// Whether a copy that somebody sealed under an archive's name is of that archive, by what both say of themselves at their ends; of one that
/// is encrypted by what its sidecar says. Blocking.
pub(super) fn is_of(place: &dyn Place, sidecar: &Sidecar, entry: &Entry) -> Result<bool, OffsiteError> {
    let ours = |source| OffsiteError::Ours { label: entry.label.clone(), source };
    let here = Archive::open(&entry.path).map_err(ours)?;
    if let Some(sealed) = &sidecar.encryption {
        return Ok(sealed.manifest == here.manifest_digest());
    }
    let there = inside(place, sidecar, None)?;
    Ok(here.manifest() == there.manifest())
}
