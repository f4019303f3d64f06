//! The file that is to take a database's place, from its first byte to its name.
//!
//! Owns the name `.NAME.upkeep-new-….tmp` in the database's directory, which may be a weaker user's: the file is made under a name
//! nobody could have guessed, never through a link, and everything is done to it by its handle. Owner, group, mode, ACL and labels
//! of what it replaces are part of the content: they are given to it before the first byte is written, so that what we may not give
//! refuses the load before anything is touched. Held by `tests/it/sqlite_borders.rs`.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::around::beside;
use crate::durable::{self, At, DurableError};
use crate::engine::EngineError;
use crate::fault;

/// Where a database file is, or is to be.
#[derive(Debug)]
pub(super) struct Place {
    /// The file itself, links on the way to it followed once.
    pub(super) path: PathBuf,
    directory: OwnedFd,
}

impl Place {
    /// The place of a database; the link that a configuration names stays, and what it leads to is replaced.
    pub(super) fn of(path: &Path) -> Result<Self, EngineError> {
        let path = match fs::symlink_metadata(path) {
            Ok(_) => fs::canonicalize(path).at("open the database", path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                fs::canonicalize(parent).at("look at", parent)?.join(path.file_name().unwrap_or_default())
            }
            Err(error) => return Ok(Err(error).at("look at", path)?),
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(parent, flags, Mode::empty()).map_err(io::Error::from).at("open the directory", parent)?;
        Ok(Self { directory, path })
    }

    fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// What a new file there is to be like: what it replaces, or a file of the directory's owner.
    fn like(&self) -> Result<Like, EngineError> {
        match rustix::fs::openat(&self.directory, name_of(&self.path), FOR_LOOKING, Mode::empty()) {
            Ok(old) => {
                let old = File::from(old);
                let meta = old.metadata().at("look at", &self.path)?;
                if !meta.is_file() {
                    return Err(not_a_file(&self.path));
                }
                if meta.nlink() > 1 {
                    return Err(has_other_names(&self.path, meta.nlink()));
                }
                // Through the handle's own name: a handle that may only look is asked nothing directly.
                let by_handle = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&old));
                Ok(Like {
                    uid: meta.uid(),
                    gid: meta.gid(),
                    mode: meta.mode() & 0o7777,
                    labels: labels(&by_handle).at("read the labels of", &self.path)?,
                })
            }
            Err(Errno::NOENT) => {
                let meta = fs::symlink_metadata(self.parent()).at("look at", self.parent())?;
                // A new file is its directory's owner's. In a directory of root's that we may write to it is ours, as what anybody
                // makes there is his.
                let us = rustix::process::geteuid();
                let theirs = us.is_root() || (meta.uid() != 0 && meta.uid() != us.as_raw());
                let (uid, gid) = match theirs {
                    true => (meta.uid(), meta.gid()),
                    false if meta.mode() & SETGID != 0 => (us.as_raw(), meta.gid()),
                    false => (us.as_raw(), rustix::process::getegid().as_raw()),
                };
                Ok(Like { uid, gid, mode: 0o640, labels: Vec::new() })
            }
            Err(errno) => Ok(Err(io::Error::from(errno)).at("look at", &self.path)?),
        }
    }

    /// Why a file of ours could not take this place, without trying: who it would have to be given to, and the directory.
    pub(super) fn objection(&self) -> Result<Option<EngineError>, EngineError> {
        let like = self.like()?;
        let us = rustix::process::geteuid();
        if us.is_root() {
            return Ok(None);
        }
        let groups = rustix::process::getgroups().unwrap_or_default();
        let ours = |gid: u32| rustix::process::getegid().as_raw() == gid || groups.iter().any(|group| group.as_raw() == gid);
        if like.uid != us.as_raw() || !ours(like.gid) {
            return Ok(Some(self.not_given(&like, "only root may give a file away")));
        }
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        Ok(match rustix::fs::accessat(&self.directory, ".", access, AtFlags::EACCESS) {
            Ok(()) => None,
            Err(errno) => Some(EngineError::NotOurs {
                what: format!("a restore cannot put a new file into {}: {}", self.parent().display(), io::Error::from(errno)),
                hint: format!(
                    "let user {} write there; for the daemon, its unit needs it too: `upkeep setup` writes `ReadWritePaths=`",
                    us.as_raw()
                ),
            }),
        })
    }

    fn not_given(&self, like: &Like, why: &str) -> EngineError {
        EngineError::NotOurs {
            what: format!(
                "{} belongs to user {} and group {} with mode {:04o}, and a file in its place could not be made the same: {why}",
                self.path.display(),
                like.uid,
                like.gid,
                like.mode
            ),
            hint: format!(
                "let upkeep run as user {} (`User=` in a drop-in of upkeepd.service), or restore as root with a state directory of root's; \
                 by hand: docs/restore-by-hand.md",
                like.uid
            ),
        }
    }

    /// Takes a file that lies there out of the way, never through a link nor over what was kept before, and gives its new name; none
    /// when there is nothing.
    pub(super) fn set_aside(&self, suffix: &str, aside: &str) -> Result<Option<PathBuf>, EngineError> {
        let file = beside(&self.path, suffix);
        if fs::symlink_metadata(&file).is_err() {
            return Ok(None);
        }
        let names = (0..).map(|again: u32| if again == 0 { aside.to_owned() } else { format!("{aside}-{again}") });
        let mut free = names.map(|name| beside(&file, &name)).filter(|to| fs::symlink_metadata(to).is_err());
        let Some(to) = free.next() else { return Ok(None) };
        self.rename(&file, &to, Over::Nothing)?;
        Ok(Some(to))
    }

    /// Removes a file beside the database; one that is not there is success.
    pub(super) fn remove(&self, suffix: &str) -> Result<(), DurableError> {
        durable::remove(&beside(&self.path, suffix))
    }

    /// The file that stands in this place, to be emptied once it has lost its last name. It may be closed only after the connection that
    /// holds its lock: closing any handle of a file gives up all of a process's locks on it.
    pub(super) fn old(&self) -> Result<File, EngineError> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let old = rustix::fs::openat(&self.directory, name_of(&self.path), flags, Mode::empty());
        Ok(old.map(File::from).map_err(io::Error::from).at("open the database", &self.path)?)
    }

    fn rename(&self, from: &Path, to: &Path, over: Over) -> Result<(), DurableError> {
        let (directory, from, name) = (&self.directory, name_of(from), name_of(to));
        let plain = || rustix::fs::renameat(directory, from, directory, name);
        let rename = || match over {
            Over::TheOld => plain(),
            Over::Nothing => match rustix::fs::renameat_with(directory, from, directory, name, RenameFlags::NOREPLACE) {
                // A file system that cannot promise it.
                Err(Errno::INVAL | Errno::NOSYS) => plain(),
                renamed => renamed,
            },
        };
        let renamed = fault::check("durable.rename").and_then(|()| Ok(rename()?));
        renamed.at("publish", to)?;
        fault::point("durable.renamed");
        rustix::fs::fsync(&self.directory).map_err(io::Error::from).at("sync the directory", self.parent())
    }

    /// Removes what loads that died left there; says of each.
    pub(super) fn sweep(&self) -> Result<Vec<String>, EngineError> {
        let mut lines = Vec::new();
        let (begin, end) = affixes(&self.path);
        for entry in fs::read_dir(self.parent()).at("list", self.parent())?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // What is not a file is not ours.
            let ours = name.starts_with(&begin) && name.ends_with(end) && entry.file_type().is_ok_and(|kind| kind.is_file());
            if ours {
                durable::remove(&entry.path())?;
                lines.push(format!("removed {}, which an interrupted restore left", entry.path().display()));
            }
        }
        Ok(lines)
    }
}

/// What a new name may take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The old content, which is kept.
    TheOld,
    /// Nothing: what somebody made there meanwhile is his.
    Nothing,
}

const FOR_LOOKING: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Empties a file that nobody can name any more. Who opened it before it lost its name and waits for its lock would else commit to it,
/// and be told that he did.
pub(super) fn empty_nameless(old: &File) -> io::Result<()> {
    if old.metadata()?.nlink() == 0 {
        rustix::fs::ftruncate(old, 0)?;
    }
    Ok(())
}

fn not_a_file(path: &Path) -> EngineError {
    EngineError::Inexact {
        what: format!("{} is not a file, so it is no SQLite database", path.display()),
        hint: "name the database file itself in `[targets.T.database]`".to_owned(),
    }
}

/// Whoever opens it by another name would go on with what was replaced.
fn has_other_names(path: &Path, names: u64) -> EngineError {
    EngineError::Inexact {
        what: format!(
            "{} has {names} names (hard links), and a file in its place would leave the others with the old content",
            path.display()
        ),
        hint: format!(
            "find them (`find MOUNT -xdev -samefile {}`) and keep one; SQLite itself does not see them as one database",
            path.display()
        ),
    }
}

fn name_of(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// How the name of a file on its way in begins and ends.
fn affixes(path: &Path) -> (String, &'static str) {
    (format!(".{}.upkeep-new", name_of(path).to_string_lossy()), ".tmp")
}

/// What of a file is not its bytes.
#[derive(Debug)]
struct Like {
    uid: u32,
    gid: u32,
    mode: u32,
    labels: Vec<(CString, Vec<u8>)>,
}

/// New files of such a directory get its group.
const SETGID: u32 = 0o2000;
/// Signatures of the content, which are the kernel's to make.
const OF_THE_CONTENT: [&CStr; 2] = [c"security.ima", c"security.evm"];
/// The access control list.
const ACL: &CStr = c"system.posix_acl_access";
/// The kernel's own bound of a list or a value.
const LONGEST: usize = 64 * 1024;

/// The extended attributes of a file, its ACL and security label among them.
fn labels(by_handle: &str) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let mut names = vec![0; LONGEST];
    let length = match rustix::fs::listxattr(by_handle, &mut names[..]) {
        Err(Errno::NOTSUP) => 0,
        listed => listed?,
    };
    names.truncate(length);
    let mut labels = Vec::new();
    for name in names.split_inclusive(|byte| *byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok()) {
        if OF_THE_CONTENT.contains(&name) {
            continue;
        }
        let mut value = vec![0; LONGEST];
        let length = rustix::fs::getxattr(by_handle, name, &mut value[..])?;
        value.truncate(length);
        labels.push((name.to_owned(), value));
    }
    Ok(labels)
}

/// The file on its way in; removed when dropped before it has the place.
#[derive(Debug)]
pub(super) struct Stage {
    /// Its name for now.
    pub(super) path: PathBuf,
    /// The file.
    pub(super) file: File,
}

impl Stage {
    /// Makes it, with everything of the old file but the bytes.
    pub(super) fn make(place: &Place) -> Result<Self, EngineError> {
        let (begin, end) = affixes(&place.path);
        let name = format!("{begin}-{}{end}", uuid::Uuid::new_v4().simple());
        let path = place.path.with_file_name(&name);
        fault::check("durable.create").at("create", &path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&place.directory, name.as_str(), flags, Mode::RUSR | Mode::WUSR);
        let stage = Self { file: File::from(file.map_err(io::Error::from).at("create", &path)?), path };
        stage.liken(place)?;
        Ok(stage)
    }

    /// Gives it owner, group, mode, ACL and labels of what it is to replace.
    pub(super) fn liken(&self, place: &Place) -> Result<(), EngineError> {
        let like = place.like()?;
        self.give(&like).map_err(|errno| place.not_given(&like, &io::Error::from(errno).to_string()))?;
        Ok(self.file.sync_all().at("sync", &self.path)?)
    }

    fn give(&self, like: &Like) -> Result<(), Errno> {
        let ours = self.file.metadata().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        if (ours.uid(), ours.gid()) != (like.uid, like.gid) {
            rustix::fs::fchown(&self.file, Some(Uid::from_raw(like.uid)), Some(Gid::from_raw(like.gid)))?;
        }
        // The mode after the owner, who would lose its special bits; the list after the mode, which would change the list.
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(like.mode))?;
        let by_handle = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.file));
        let own = labels(&by_handle).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        for (name, value) in like.labels.iter().filter(|label| !own.contains(label)) {
            rustix::fs::fsetxattr(&self.file, name.as_c_str(), value, XattrFlags::empty())?;
        }
        // What a default of the directory added the old file does not have.
        let has_list = |labels: &[(CString, Vec<u8>)]| labels.iter().any(|(name, _)| name.as_c_str() == ACL);
        if has_list(&own) && !has_list(&like.labels) {
            rustix::fs::fremovexattr(&self.file, ACL)?;
        }
        Ok(())
    }

    /// Gives it the database's name. What has its own name now and is another file is nobody's business of ours to publish.
    pub(super) fn publish(&self, place: &Place, over: Over) -> Result<(), EngineError> {
        let named = rustix::fs::statat(&place.directory, name_of(&self.path), AtFlags::SYMLINK_NOFOLLOW);
        let named = named.map_err(io::Error::from).at("look at", &self.path)?;
        let ours: Metadata = self.file.metadata().at("look at", &self.path)?;
        if (named.st_dev, named.st_ino) != (ours.dev(), ours.ino()) {
            return Err(EngineError::NotOurs {
                what: format!(
                    "somebody put another file in the place of {}, which was to become the database",
                    self.path.display()
                ),
                hint: format!("look who writes to {}, then restore again", place.parent().display()),
            });
        }
        Ok(place.rename(&self.path, &place.path, over)?)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // After the swap the name is gone. Before it, what cannot be removed now is removed by `settle`.
        fs::remove_file(&self.path).ok();
    }
}
