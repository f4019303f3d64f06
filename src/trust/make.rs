//! Making a directory for another user, below directories in which only root decides.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{Gid, Mode, OFlags, Stat, Uid};

use super::walk::{End, Walk, Weak};

/// What became of a directory that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    New,
    /// It was there.
    Already,
    /// It lies below a directory of the user it is for, who makes it.
    LeftTo,
}

/// Makes the directory `path`, taken as below `root`, for a user and group, with missing ones above it for root.
///
/// Links are followed only where nobody but root and ourselves could have set them. Owner and mode are changed by
/// handle, and only of a directory that was made here.
///
/// # Errors
/// When somebody else could decide where it lies, or a step fails.
pub fn make_dir(root: &Path, path: &Path, [user, group]: [u32; 2], mode: u32) -> io::Result<Made> {
    let root = super::absolute(root)?;
    let mut walk = Walk::from_root()?;
    walk.go(&root)?;
    let mut walk = walk.below(&root)?;
    let parts: Vec<_> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(Ok(name)),
            Component::ParentDir => Some(Err(io::Error::from(io::ErrorKind::InvalidInput))),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect::<io::Result<_>>()?;
    for (at, name) in parts.iter().enumerate() {
        match walk.go(Path::new(name)) {
            Ok(End::Directory) => {}
            Ok(End::Other { .. }) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let whose = walk.weaker(&End::Directory)?;
                if whose.iter().all(|weak| matches!(weak, Weak::User { uid, .. } if *uid == user)) && !whose.is_empty() {
                    return Ok(Made::LeftTo);
                }
                walk.is_ours()?;
                return new(&mut walk, &parts[at..], [user, group], mode);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Made::Already)
}

fn new(walk: &mut Walk, parts: &[&std::ffi::OsStr], [user, group]: [u32; 2], mode: u32) -> io::Result<Made> {
    for (at, name) in parts.iter().enumerate() {
        rustix::fs::mkdirat(walk.top(), *name, Mode::from_raw_mode(0o700))?;
        rustix::fs::fsync(&readable(walk.top(), ".")?)?;
        walk.down(name)?;
        if at + 1 < parts.len() {
            // Root's, for others to pass, whatever the umask.
            rustix::fs::fchmod(&readable(walk.top(), ".")?, Mode::from_raw_mode(0o755))?;
        }
    }
    let made = readable(walk.top(), ".")?;
    // Nobody else may write where it lies, so it is the one just made; looked at all the same before it is given away.
    let stat: Stat = rustix::fs::fstat(&made)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    rustix::fs::fchmod(&made, Mode::from_raw_mode(mode))?;
    rustix::fs::fchown(&made, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
    rustix::fs::fsync(&made)?;
    Ok(Made::New)
}

fn readable(dir: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?)
}
