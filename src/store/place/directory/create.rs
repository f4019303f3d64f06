//! Making an object: a temporary name, every byte, a sync, a reading back, and then its name, which nobody may have.
//!
//! If we die before the last step there is a temporary file, which the next sweep removes; after it, the object is there whole. The
//! temporary name is another each time, so that a writer that hung and comes back later finishes nobody else's; errors do not name it, for what
//! they say should be the same while it lasts.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{Advice, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::super::{PlaceError, Put};
use crate::durable::At as _;
use crate::fault;

/// How much is read and written at a time.
const CHUNK_BYTES: usize = 1 << 20;

pub(super) fn put_new(dir: &OwnedFd, place: &Path, name: &str, content: &mut dyn Read) -> Result<Put, PlaceError> {
    if is_taken(dir, place, name)? {
        return Ok(Put::Exists);
    }
    let temporary = format!(".{name}.{}.tmp", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let created =
        fault::check("place.create").and_then(|()| Ok(rustix::fs::openat(dir, &*temporary, flags, Mode::from(0o640))?));
    let mut file = File::from(created.at("write to", place)?);
    fault::point("place.created");
    let done = fill(&mut file, (place, name), content).and_then(|()| publish(dir, place, (&temporary, name)));
    if !matches!(done, Ok(Put::Created)) {
        // The error at hand is the one to report; what stays is swept.
        rustix::fs::unlinkat(dir, &*temporary, AtFlags::empty()).ok();
    }
    done
}

/// Writes a few bytes twice as an object's are written, and publishes the second under the name that the first has: no name that matters is
/// ever in danger. Both names are temporary ones, so that whatever happens they are swept.
pub(super) fn try_out(dir: &OwnedFd, place: &Path) -> Result<(), PlaceError> {
    let name = || format!(".try.{}.tmp", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let (taken, temporary) = (name(), name());
    let done = put_new(dir, place, &taken, &mut &b"the first"[..]).and_then(|_| try_to_take(dir, place, (&temporary, &taken)));
    rustix::fs::unlinkat(dir, &*temporary, AtFlags::empty()).ok();
    rustix::fs::unlinkat(dir, &*taken, AtFlags::empty()).ok();
    match done? {
        Put::Exists => Ok(()),
        Put::Created => Err(PlaceError::Overwrites(place.display().to_string())),
    }
}

fn try_to_take(dir: &OwnedFd, place: &Path, (temporary, taken): (&str, &str)) -> Result<Put, PlaceError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let created = rustix::fs::openat(dir, temporary, flags, Mode::from(0o640)).map_err(io::Error::from);
    let mut file = File::from(created.at("write to", place)?);
    fill(&mut file, (place, temporary), &mut &b"a try"[..])?;
    publish(dir, place, (temporary, taken))
}

fn is_taken(dir: &OwnedFd, place: &Path, name: &str) -> Result<bool, PlaceError> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(false),
        stat => Ok(stat.map(|_| true).map_err(io::Error::from).at("look at", &place.join(name))?),
    }
}

/// Writes everything, syncs it, and reads it back from the other side of the page cache.
fn fill(file: &mut File, (place, name): (&Path, &str), content: &mut dyn Read) -> Result<(), PlaceError> {
    let called = || place.join(name).display().to_string();
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut sent, mut length) = (blake3::Hasher::new(), 0_u64);
    loop {
        let read = content.read(&mut chunk).map_err(|source| PlaceError::Content { path: called(), source })?;
        if read == 0 {
            break;
        }
        sent.update(&chunk[..read]);
        length += read as u64;
        fault::check("place.write").and_then(|()| file.write_all(&chunk[..read])).at("write to", place)?;
    }
    fault::check("place.sync").and_then(|()| file.sync_all()).at("write to", place)?;
    fault::point("place.synced");
    // What only the page cache has would read back well and be lost; where the advice is not taken, reading proves less, and still something.
    rustix::fs::fadvise(&*file, 0, None, Advice::DontNeed).ok();
    let (mut found, mut at) = (blake3::Hasher::new(), 0_u64);
    loop {
        // Whoever gives it up says so by the content, at its end too.
        content.read(&mut []).map_err(|source| PlaceError::Content { path: called(), source })?;
        let read = file.read_at(&mut chunk, at).at("read back from", place)?;
        if read == 0 {
            break;
        }
        found.update(&chunk[..read]);
        at += read as u64;
    }
    if at == length && found.finalize() == sent.finalize() { Ok(()) } else { Err(PlaceError::Altered(called())) }
}

/// Gives it its name, in the first of three ways that the file system knows. None of them takes a name away that somebody has; of the
/// third that is as true as that one host alone writes here.
fn publish(dir: &OwnedFd, place: &Path, (temporary, name): (&str, &str)) -> Result<Put, PlaceError> {
    fault::check("place.publish").at("write to", place)?;
    let mut done = rustix::fs::renameat_with(dir, temporary, dir, name, RenameFlags::NOREPLACE);
    if matches!(done, Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) {
        done = rustix::fs::linkat(dir, temporary, dir, name, AtFlags::empty());
        if done.is_ok() {
            // Left behind it is swept, and takes no room of its own.
            rustix::fs::unlinkat(dir, temporary, AtFlags::empty()).ok();
        }
    }
    if matches!(done, Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::MLINK)) {
        done = match is_taken(dir, place, name)? {
            true => Err(Errno::EXIST),
            false => rustix::fs::renameat(dir, temporary, dir, name),
        };
    }
    match done {
        Err(Errno::EXIST) => return Ok(Put::Exists),
        done => done.map_err(io::Error::from).at("write to", place)?,
    }
    fault::point("place.published");
    sync(dir, place)?;
    Ok(Put::Created)
}

/// Makes the names of a directory survive a power cut. Where the file system (SMB, FUSE) knows of no such thing, there is nothing to ask of it.
pub(super) fn sync(dir: &OwnedFd, place: &Path) -> Result<(), PlaceError> {
    match rustix::fs::fsync(dir) {
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOENT) => Ok(()),
        done => Ok(done.map_err(io::Error::from).at("sync the directory", place)?),
    }
}
