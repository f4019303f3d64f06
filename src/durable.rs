//! The only way files change: temporary name, write, fsync, rename, fsync of the directory.
//!
//! Owns crash-safe replacement and removal of files, and the lock on a state directory. Never overwrites in place. Invariant:
//! after a crash a path holds its old content or its new content whole; held by `tests/it/durable.rs`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::failure::{Class, Explain};
use crate::fault;
use crate::trust;

/// What could not be done to which path.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// An operation on a path failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// The operation, as a verb (`write`, `sync`).
        what: &'static str,
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process holds the lock.
    #[error("{} is locked by {holder}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What its holder wrote into it.
        holder: String,
    },
}

impl DurableError {
    /// Whether the disk was full (ENOSPC, EDQUOT).
    #[must_use]
    pub fn disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

impl Explain for DurableError {
    fn class(&self) -> Class {
        match self {
            Self::Locked { .. } => Class::TempFail,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Class::CannotCreate,
                io::ErrorKind::NotFound => Class::NoInput,
                io::ErrorKind::PermissionDenied => Class::NoPermission,
                _ => Class::Io,
            },
        }
    }

    fn safe(&self) -> Option<String> {
        self.disk_full().then(|| "every sealed archive and the journal are as they were".to_owned())
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Locked { .. } => vec!["wait for it to end, or stop it: `systemctl stop upkeepd`".to_owned()],
            Self::Io { path, .. } if self.disk_full() => {
                vec![format!(
                    "make room on the file system of {}: `df -h {0}`, `upkeep prune TARGET --dry-run`",
                    path.display()
                )]
            }
            Self::Io { .. } => Vec::new(),
        }
    }
}

/// Adds the operation and the path to an [`io::Result`].
pub trait At<T> {
    /// `what` is the operation as a verb.
    ///
    /// # Errors
    /// The same failure, with its nouns.
    fn at(self, what: &'static str, path: &Path) -> Result<T, DurableError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, DurableError> {
        self.map_err(|source| DurableError::Io { what, path: path.to_owned(), source })
    }
}

/// Makes the entries of a directory survive a power cut.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_dir(dir: &Path) -> Result<(), DurableError> {
    File::open(dir).and_then(|handle| handle.sync_all()).at("sync the directory", dir)
}

/// Makes a directory and its missing parents with mode 0750, each synced into its parent.
///
/// # Errors
/// When one cannot be made.
pub fn make_dir(dir: &Path) -> Result<(), DurableError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_dir(parent)?;
    }
    match fs::DirBuilder::new().mode(0o750).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        result => result.at("make the directory", dir),
    }?;
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
}

/// The temporary name a file is written under before it is published: `.NAME.tmp` in the same directory.
#[must_use]
pub fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Whether a file name is one that [`temporary`] makes; such a file without a living writer is a leftover.
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

/// Removes every temporary file below a directory that only the holder of a lock writes to; the caller holds that lock.
///
/// # Errors
/// When a directory cannot be read or a file cannot be removed.
pub fn sweep_temporaries(dir: &Path) -> Result<(), DurableError> {
    for entry in fs::read_dir(dir).at("read the directory", dir)? {
        let entry = entry.at("read the directory", dir)?;
        let kind = entry.file_type().at("look at", &entry.path())?;
        if kind.is_dir() {
            sweep_temporaries(&entry.path())?;
        } else if kind.is_file() && is_temporary(&entry.file_name().to_string_lossy()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Makes the temporary file of `path` for writing, mode 0640. It is new: what an earlier writer left is removed first, and nothing
/// that somebody else put there under its name is ever written to.
///
/// # Errors
/// When it cannot be made.
pub fn create_temporary(path: &Path) -> Result<File, DurableError> {
    let temporary = temporary(path);
    fault::check("durable.create").at("create", &temporary)?;
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.at("create", &temporary),
    }?;
    // `create_new` follows no link and opens no FIFO.
    OpenOptions::new().write(true).read(true).create_new(true).mode(0o640).open(&temporary).at("create", &temporary)
}

/// Publishes a file written under its temporary name: fsync, rename, fsync of the directory.
///
/// If we die before the rename the path is as it was; after it, the new content is there whole.
///
/// # Errors
/// When a step fails; then the path is as it was, or (after the rename) the new content may not survive a power cut.
pub fn publish(file: &File, path: &Path) -> Result<(), DurableError> {
    let temporary = temporary(path);
    fault::check("durable.sync").and_then(|()| file.sync_all()).at("sync", &temporary)?;
    fault::check("durable.rename").and_then(|()| fs::rename(&temporary, path)).at("publish", path)?;
    fault::point("durable.renamed");
    path.parent().map_or(Ok(()), sync_dir)
}

/// Replaces a whole file.
///
/// # Errors
/// When a step fails; then the old content stands.
pub fn write(path: &Path, content: &[u8]) -> Result<(), DurableError> {
    let mut file = create_temporary(path)?;
    let written = fault::check("durable.write").and_then(|()| file.write_all(content)).at("write", &temporary(path));
    if let Err(error) = written.and_then(|()| publish(&file, path)) {
        // The error at hand is the one to report; a temporary file left behind is swept at the next start.
        fs::remove_file(temporary(path)).ok();
        return Err(error);
    }
    Ok(())
}

/// Gives a finished and synced file another name in the same directory, over whatever has that name.
///
/// # Errors
/// When a step fails; then both names are as they were, or (after the rename) the change may not survive a power cut.
pub fn rename(from: &Path, to: &Path) -> Result<(), DurableError> {
    fault::check("durable.rename").and_then(|()| fs::rename(from, to)).at("publish", to)?;
    fault::point("durable.renamed");
    to.parent().map_or(Ok(()), sync_dir)
}

/// Removes a file so that it stays removed; a file that is not there is success.
///
/// # Errors
/// When it cannot be removed or the directory cannot be synced.
pub fn remove(path: &Path) -> Result<(), DurableError> {
    fault::check("durable.remove").at("remove", path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.at("remove", path),
    }?;
    fault::point("durable.removed");
    path.parent().map_or(Ok(()), sync_dir)
}

/// Swaps a symbolic link to a new target in one rename.
///
/// # Errors
/// When a step fails; then the link points where it did.
pub fn swap_symlink(link: &Path, target: &Path) -> Result<(), DurableError> {
    let temporary = temporary(link);
    remove(&temporary)?;
    std::os::unix::fs::symlink(target, &temporary).at("link", &temporary)?;
    fault::check("durable.swap").and_then(|()| fs::rename(&temporary, link)).at("swap", link)?;
    fault::point("durable.swapped");
    link.parent().map_or(Ok(()), sync_dir)
}

/// How long a lock is waited for whose holder is dead: a child that it was just starting has the lock until it is another program.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// More than a holder says of itself.
const HOLDER_BYTES: u64 = 4096;

/// An exclusive lock on a file, released when dropped or when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock or says who holds it. `holder` is written into the file for others to read (`upkeep daemon, pid 12`).
    ///
    /// # Errors
    /// [`DurableError::Locked`] when another process has it; otherwise when the file cannot be opened or written.
    pub fn take(path: &Path, holder: &str) -> Result<Self, DurableError> {
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o640).custom_flags(flags);
        let mut file = options.open(path).at("open", path)?;
        if !file.metadata().at("look at", path)?.is_file() {
            return Err(io::Error::from(trust::Refused::NotAFile("something else"))).at("open", path);
        }
        let begun = Instant::now();
        loop {
            match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let holder = words_of(&mut file).at("read", path)?;
                    if is_alive(&holder) || begun.elapsed() > LAST_BREATH {
                        let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
                        return Err(DurableError::Locked { path: path.to_owned(), holder });
                    }
                    std::thread::sleep(LAST_BREATH / 100);
                }
                Err(errno) => return Err(io::Error::from(errno)).at("lock", path),
            }
        }
        file.rewind().at("write", path)?;
        file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).at("write", path)?;
        Ok(Self { _file: file, path: path.to_owned() })
    }

    /// Who holds the lock of a file, in their own words; none when nobody does, or when there is no file that we may read.
    #[must_use]
    pub fn holder(path: &Path) -> Option<String> {
        let mut file = trust::open(path).ok()?;
        let taken = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared);
        if taken != Err(rustix::io::Errno::WOULDBLOCK) {
            return None;
        }
        words_of(&mut file).ok()
    }

    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What stands in a lock's file.
fn words_of(file: &mut File) -> io::Result<String> {
    let mut words = String::new();
    file.rewind()?;
    file.take(HOLDER_BYTES).read_to_string(&mut words)?;
    Ok(words.trim().to_owned())
}

/// Whether the process that a holder's words end with is there, or none is named.
fn is_alive(holder: &str) -> bool {
    let pid = holder.rsplit_once("pid ").and_then(|(_, pid)| pid.parse::<u32>().ok());
    pid.is_none_or(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

/// Free bytes on the file system of a path, as an unprivileged process sees them.
///
/// # Errors
/// When the path cannot be looked at.
pub fn free_bytes(path: &Path) -> Result<u64, DurableError> {
    let stat = rustix::fs::statvfs(path).map_err(io::Error::from).at("measure the file system of", path)?;
    Ok(stat.f_bavail * stat.f_frsize)
}
