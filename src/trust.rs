//! Files that somebody weaker could have chosen, changed or put there.
//!
//! Owns the rule of the house: whoever owns a file, a link, a directory or a program decides what happens to it, and a stronger
//! user never opens, runs, follows, changes or prints what a weaker one can name. Every part of a path is walked by handle, and
//! whoever could have chosen a part of it is noted ([`Weak`]). A file is read only when all of these may read it themselves; it
//! must be a regular one, is opened without waiting (a FIFO does not hang us), and is read up to a bound. A directory is
//! made and given away by handle, below directories of root's only. [`weaker`] says as whom a program must run (`process`). Held by the
//! tests beside this file and by `tests/it/borders.rs`.

mod make;
mod walk;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};

pub use make::{Made, make_dir};
pub use walk::Weak;
use walk::{End, Walk};

/// Flags of every opening: no waiting for a FIFO's writer, no terminal of ours, no last link followed, nothing for children.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Why a file was left unopened or unread.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no regular file.
    #[error("it is {0}, not a regular file")]
    NotAFile(&'static str),
    /// It is longer than anything of its kind.
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    /// There are more entries than anything of its kind has.
    #[error("it holds more than {0} entries")]
    TooMany(usize),
    /// A link leads out of the directory that was meant.
    #[error("it leads out of {}", .0.display())]
    LeadsOut(PathBuf),
    /// Somebody could have chosen it who may not read it.
    #[error("{0} could have put it there and may not read it")]
    NotTheirs(Weak),
    /// Somebody could have chosen or changed it.
    #[error("{0} could change it")]
    Open(Weak),
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::NotAFile(_) => io::ErrorKind::InvalidInput,
            Refused::TooLong(_) | Refused::TooMany(_) => io::ErrorKind::FileTooLarge,
            Refused::LeadsOut(_) | Refused::NotTheirs(_) | Refused::Open(_) => io::ErrorKind::PermissionDenied,
        };
        io::Error::new(kind, refused)
    }
}

/// Whether a failure is a refusal of ours, and not the host's.
#[must_use]
pub fn refused(error: &io::Error) -> Option<&Refused> {
    error.get_ref()?.downcast_ref()
}

/// A directory below which names are followed, and out of which no link leads.
#[derive(Debug)]
pub struct Base {
    path: PathBuf,
    walk: Walk,
}

impl Base {
    /// Opens a directory, following links: whoever set one is noted.
    ///
    /// # Errors
    /// When it is not there, no directory, or may not be passed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut walk = Walk::from_root()?;
        match walk.go(&absolute(path)?)? {
            End::Directory => Ok(Self { path: path.to_owned(), walk }),
            End::Other { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The same known by the path that its links led to, by which absolute links inside it name it.
    #[must_use]
    pub fn resolved(self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// The path it is known by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// When it is not there, not a regular file, out of this directory, or not readable for somebody who could have chosen it.
    pub fn open_file(&self, name: &Path) -> io::Result<File> {
        let mut walk = self.walk.below(&self.path)?;
        let end = walk.go(name)?;
        open_regular(&walk, end)
    }

    /// Reads a whole file of no more than `most` bytes.
    ///
    /// # Errors
    /// As [`Base::open_file`], and when it is longer.
    pub fn read(&self, name: &Path, most: u64) -> io::Result<Vec<u8>> {
        bounded(self.open_file(name)?, most)
    }

    /// What a name is, after links that stay below.
    ///
    /// # Errors
    /// When it is not there or out of this directory.
    pub fn kind(&self, name: &Path) -> io::Result<FileType> {
        let mut walk = self.walk.below(&self.path)?;
        Ok(match walk.go(name)? {
            End::Directory => FileType::Directory,
            End::Other { stat, .. } => FileType::from_raw_mode(stat.st_mode),
        })
    }

    /// The names in a directory, unsorted, of which there may be no more than `most`.
    ///
    /// # Errors
    /// When it cannot be read, is out of this directory, or holds more.
    pub fn names(&self, name: &Path, most: usize) -> io::Result<Vec<OsString>> {
        let mut walk = self.walk.below(&self.path)?;
        match walk.go(name)? {
            End::Directory => names_of(walk.top(), most),
            End::Other { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }
}

/// Opens a regular file for reading, wherever its links lead: everybody who could have chosen it may read it.
///
/// # Errors
/// When it is not there, not a regular file, or not readable for somebody who could have chosen it.
pub fn open(path: &Path) -> io::Result<File> {
    let mut walk = Walk::from_root()?;
    let end = walk.go(&absolute(path)?)?;
    open_regular(&walk, end)
}

/// Reads a whole file of no more than `most` bytes, wherever its links lead: everybody who could have chosen it may read it.
///
/// # Errors
/// When it is not there, not a regular file, longer, or not readable for somebody who could have chosen it.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    bounded(open(path)?, most)
}

/// As [`read`], for text.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_to_string(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Opens a file of a directory of ours for reading: a regular one, itself and no link, without waiting.
///
/// # Errors
/// When it is not there or no regular file.
pub fn open_own(path: &Path) -> io::Result<File> {
    let file = match rustix::fs::open(path, READ, Mode::empty()) {
        Err(rustix::io::Errno::LOOP) => return Err(Refused::NotAFile("a link").into()),
        // A socket, or a device without a driver.
        Err(rustix::io::Errno::NXIO) => return Err(Refused::NotAFile("a socket or device").into()),
        opened => File::from(opened?),
    };
    regular(&rustix::fs::fstat(&file)?)?;
    Ok(file)
}

/// As [`open_own`], read up to `most` bytes.
///
/// # Errors
/// As [`open_own`], and when it is longer.
pub fn read_own(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    bounded(open_own(path)?, most)
}

/// Who could have chosen what lies at a path, or could change it; nobody but root and ourselves when empty.
///
/// # Errors
/// When it is not there or may not be passed.
pub fn weaker(path: &Path) -> io::Result<Vec<Weak>> {
    let mut walk = Walk::from_root()?;
    let end = walk.go(&absolute(path)?)?;
    walk.weaker(&end)
}

fn open_regular(walk: &Walk, end: End) -> io::Result<File> {
    let End::Other { name, stat } = end else { return Err(Refused::NotAFile("a directory").into()) };
    // Looked at before it is opened: opening alone does something to a device.
    regular(&stat)?;
    let file = File::from(rustix::fs::openat(walk.top(), &name, READ, Mode::empty())?);
    let stat = rustix::fs::fstat(&file)?;
    regular(&stat)?;
    walk.readable(&stat)?;
    Ok(file)
}

fn regular(stat: &Stat) -> Result<(), Refused> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Refused::NotAFile("a directory")),
        FileType::Fifo => Err(Refused::NotAFile("a FIFO")),
        FileType::Symlink => Err(Refused::NotAFile("a link")),
        FileType::Socket => Err(Refused::NotAFile("a socket")),
        _ => Err(Refused::NotAFile("a device")),
    }
}

fn bounded(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // What it says of its length is not believed: it may grow while we read, and some file systems say 0.
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most { Err(Refused::TooLong(most).into()) } else { Ok(content) }
}

/// The names in an open directory, unsorted, of which there may be no more than `most`.
///
/// # Errors
/// When it cannot be read, or holds more.
pub fn names_in(dir: &OwnedFd, most: usize) -> io::Result<Vec<OsString>> {
    names_of(dir, most)
}

fn names_of(dir: &OwnedFd, most: usize) -> io::Result<Vec<OsString>> {
    use std::os::unix::ffi::OsStringExt as _;
    let readable = rustix::fs::openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&readable)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name == b"." || name == b".." {
            continue;
        }
        if names.len() >= most {
            return Err(Refused::TooMany(most).into());
        }
        names.push(OsString::from_vec(name));
    }
    Ok(names)
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    if path.components().next() == Some(Component::RootDir) { Ok(path.to_owned()) } else { std::path::absolute(path) }
}

#[cfg(test)]
mod tests;
