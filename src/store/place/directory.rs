//! A mounted directory as a place: `PATH/.upkeep-destination`, and below it one directory for each owner.
//!
//! Owns the file operations, all by handle: what was opened as the place stays the place, whatever happens to its path. Never makes the
//! top directory, never follows a link below it, never waits for a FIFO. Invariants: without the marker that was put there nothing is
//! written and nothing counts as missing; an object has its name only after it was synced and read back. Held by the suite beside the contract.

mod create;
mod setup;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

pub use setup::Setup;

use super::marker::{self, Marker};
use super::{MOST_OBJECTS, Object, Place, PlaceError, Put, Tried};
use crate::archive::Source;
use crate::durable::{self, At};
use crate::ids::{OwnerName, PlaceName};

/// Flags of every opening of a file: no waiting, no link followed, nothing for children.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Flags of every opening of a directory below the top.
const BELOW: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// One owner's directory at a place.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    dir: OwnedFd,
}

impl Directory {
    /// Opens an owner's part for reading.
    ///
    /// # Errors
    /// When the place is not there, or the owner has nothing there.
    pub fn read(path: &Path, owner: &OwnerName, marker: Option<&str>) -> Result<Self, PlaceError> {
        let top = top(path)?;
        has_marker(&top, path, marker)?;
        Self::below(&top, path, owner)
    }

    /// Who has a part there, by name.
    ///
    /// # Errors
    /// When the place is not there.
    pub fn owners(path: &Path) -> Result<Vec<OwnerName>, PlaceError> {
        let top = top(path)?;
        has_marker(&top, path, None)?;
        let names = names(&top).at("list", path)?;
        let parts = names.iter().filter_map(|name| OwnerName::parse(name.to_str()?).ok());
        let is_part = |owner: &OwnerName| {
            Self::below(&top, path, owner).is_ok_and(|part| part.whose().is_ok_and(|whose| whose.is_some()))
        };
        let mut owners: Vec<OwnerName> = parts.filter(is_part).collect();
        owners.sort();
        Ok(owners)
    }

    /// Opens this host's own part for writing.
    ///
    /// # Errors
    /// When the place is not there, is not the one that was set up, or the part is another host's.
    pub fn write(path: &Path, place: &PlaceName, owner: &OwnerName, (marker, host): (&str, &str)) -> Result<Self, PlaceError> {
        let own = match Self::read(path, owner, Some(marker)) {
            Err(PlaceError::NoPart(_)) => return Err(PlaceError::NotSetUp(place.to_string())),
            own => own?,
        };
        match own.whose()? {
            Some((_, whose)) if whose.id == host => Ok(own),
            Some(_) => Err(PlaceError::Foreign { path: own.path.display().to_string(), place: place.to_string() }),
            None => Err(PlaceError::NotSetUp(place.to_string())),
        }
    }

    fn below(top: &OwnedFd, path: &Path, owner: &OwnerName) -> Result<Self, PlaceError> {
        let path = path.join(owner.as_str());
        match rustix::fs::openat(top, owner.as_str(), BELOW, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => Err(PlaceError::NoPart(path.display().to_string())),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
                Err(PlaceError::Strange { path: path.display().to_string(), what: "no directory".to_owned() })
            }
            dir => Ok(Self { dir: dir.map_err(io::Error::from).at("open", &path)?, path }),
        }
    }

    fn whose(&self) -> Result<Option<(u32, Marker)>, PlaceError> {
        let read = |name: &str| match self.small(name, marker::MOST_BYTES) {
            Err(PlaceError::Durable(durable::DurableError::Io { source, .. })) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            bytes => bytes.map(Some),
        };
        marker::newest(read, |name| self.called(name))
    }

    fn file(&self, name: &str) -> Result<File, PlaceError> {
        plain(name, &self.path)?;
        crate::fault::check("place.open").at("open", &self.path.join(name))?;
        regular(&self.dir, name, &self.path.join(name))
    }

    fn small(&self, name: &str, most: u64) -> Result<Vec<u8>, PlaceError> {
        let path = self.path.join(name);
        let mut bytes = Vec::new();
        self.file(name)?.take(most + 1).read_to_end(&mut bytes).at("read", &path)?;
        if bytes.len() as u64 > most {
            return Err(PlaceError::Strange { path: self.called(name), what: "longer than anything of its kind".to_owned() });
        }
        Ok(bytes)
    }
}

impl Place for Directory {
    fn called(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn list(&self) -> Result<Vec<Object>, PlaceError> {
        let mut objects = Vec::new();
        for name in names(&self.dir).at("list", &self.path)? {
            let Some(name) = name.into_string().ok().filter(|name| !name.starts_with('.')) else { continue };
            let stat = match rustix::fs::statat(&self.dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
                // Taken away while we list.
                Err(rustix::io::Errno::NOENT) => continue,
                stat => stat.map_err(io::Error::from).at("look at", &self.path.join(&name))?,
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                objects.push(Object { name, size: u64::try_from(stat.st_size).unwrap_or_default() });
            }
        }
        Ok(objects)
    }

    fn stat(&self, name: &str) -> Result<Option<u64>, PlaceError> {
        plain(name, &self.path)?;
        let stat = match rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            stat => stat.map_err(io::Error::from).at("look at", &self.path.join(name))?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(u64::try_from(stat.st_size).unwrap_or_default())),
            _ => Err(PlaceError::Strange { path: self.called(name), what: "no regular file".to_owned() }),
        }
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Source>, PlaceError> {
        Ok(Arc::new(self.file(name)?))
    }

    fn put_new(&self, name: &str, _: u64, content: &mut dyn Read) -> Result<Put, PlaceError> {
        plain(name, &self.path)?;
        create::put_new(&self.dir, &self.path, name, content)
    }

    fn sweep(&self, _: &dyn Fn(&str) -> bool) -> Result<u64, PlaceError> {
        sweep(&self.dir, &self.path, |_| true)
    }

    fn try_out(&self) -> Result<Tried, PlaceError> {
        create::try_out(&self.dir, &self.path)?;
        Ok(Tried { keeps_names: true, advice: Vec::new() })
    }

    fn free_bytes(&self) -> Result<Option<u64>, PlaceError> {
        let stat = rustix::fs::fstatvfs(&self.dir).map_err(io::Error::from).at("measure the file system of", &self.path)?;
        Ok(Some(stat.f_bavail * stat.f_frsize))
    }
}

/// The top directory, which is never made here. Links on the way are the administrator's to set.
fn top(path: &Path) -> Result<OwnedFd, PlaceError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let absent = |why: &str| PlaceError::Absent { path: path.display().to_string(), why: why.to_owned() };
    match rustix::fs::open(path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => Err(absent("there is no such directory")),
        Err(rustix::io::Errno::NOTDIR) => Err(absent("it is no directory")),
        Err(errno @ (rustix::io::Errno::STALE | rustix::io::Errno::NOTCONN | rustix::io::Errno::HOSTDOWN)) => {
            Err(absent(&format!("the file system does not answer: {}", io::Error::from(errno))))
        }
        opened => Ok(opened.map_err(io::Error::from).at("open", path)?),
    }
}

/// That the marker is there, and is the one that was put there.
fn has_marker(top: &OwnedFd, path: &Path, expected: Option<&str>) -> Result<Marker, PlaceError> {
    let absent = |why: String| PlaceError::Absent { path: path.display().to_string(), why };
    let file = match regular(top, marker::DESTINATION, &path.join(marker::DESTINATION)) {
        Err(PlaceError::Durable(durable::DurableError::Io { source, .. })) if source.kind() == io::ErrorKind::NotFound => {
            return Err(absent(format!(
                "it has no marker ({}), so nothing is mounted there, or it was never set up",
                marker::DESTINATION
            )));
        }
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(marker::MOST_BYTES).read_to_end(&mut bytes).at("read", &path.join(marker::DESTINATION))?;
    marker::expected(&bytes, expected).map_err(absent)
}

/// A regular file of a directory, itself and no link.
fn regular(dir: &OwnedFd, name: &str, path: &Path) -> Result<File, PlaceError> {
    let strange = |what: &str| PlaceError::Strange { path: path.display().to_string(), what: what.to_owned() };
    let file = match rustix::fs::openat(dir, name, READ, Mode::empty()) {
        Err(rustix::io::Errno::LOOP) => return Err(strange("a link")),
        Err(rustix::io::Errno::NXIO) => return Err(strange("a socket or a device")),
        opened => File::from(opened.map_err(io::Error::from).at("open", path)?),
    };
    if file.metadata().at("look at", path)?.is_file() { Ok(file) } else { Err(strange("no regular file")) }
}

/// Removes the temporary files of a directory that are meant. What is no regular file is none of ours.
fn sweep(dir: &OwnedFd, path: &Path, is_meant: impl Fn(&str) -> bool) -> Result<u64, PlaceError> {
    let mut removed = 0;
    for name in names(dir).at("list", path)? {
        let Some(name) = name.to_str().filter(|name| durable::is_temporary(name) && is_meant(name)) else { continue };
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        if !stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile) {
            continue;
        }
        match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => {}
            done => {
                done.map_err(io::Error::from).at("remove", &path.join(name))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// A name is one part of a path, and no way out of the directory.
fn plain(name: &str, dir: &Path) -> Result<(), PlaceError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        let what = "no name that an object may have".to_owned();
        return Err(PlaceError::Strange { path: dir.join(name.replace('/', "_")).display().to_string(), what });
    }
    Ok(())
}

fn names(dir: &OwnedFd) -> io::Result<Vec<std::ffi::OsString>> {
    crate::trust::names_in(dir, MOST_OBJECTS)
}
