//! Following a path part by part, by handle, and noting who could have chosen each part.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use super::Refused;

/// As many links as the kernel itself follows.
const MOST_LINKS: usize = 40;

const STICKY: u32 = 0o1000;

/// Somebody who is neither root nor ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weak {
    /// A user, with the group that goes with what he owns.
    User {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// Whoever is in a group.
    Group(u32),
    /// Everybody.
    Anyone,
}

impl fmt::Display for Weak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { uid, .. } => write!(f, "user {uid}"),
            Self::Group(gid) => write!(f, "group {gid}"),
            Self::Anyone => f.write_str("everybody"),
        }
    }
}

impl Weak {
    /// Whether the mode gives them a right; `right` as the last digit of a mode.
    fn may(self, stat: &Stat, right: u32) -> bool {
        let shift = match self {
            Self::User { uid, .. } if uid == stat.st_uid => 6,
            Self::User { gid, .. } | Self::Group(gid) if gid == stat.st_gid => 3,
            _ => 0,
        };
        (stat.st_mode >> shift) & right == right
    }
}

/// Where a walk ended.
#[derive(Debug)]
pub(super) enum End {
    /// In a directory, which is the top of the walk.
    Directory,
    /// At something else, in the directory that is the top.
    Other { name: OsString, stat: Stat },
}

/// A way through directories.
#[derive(Debug)]
pub(super) struct Walk {
    /// From where it began to where it is; never empty.
    stack: Vec<OwnedFd>,
    /// Every directory passed.
    passed: Vec<Stat>,
    /// Who could have chosen what came after so many passed directories.
    chosen: Vec<(Weak, usize)>,
    /// Nothing leads out of it.
    bound: Option<PathBuf>,
    trusted: [u32; 3],
    links: usize,
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Walk {
    pub(super) fn from_root() -> io::Result<Self> {
        let root = rustix::fs::open("/", DIRECTORY, Mode::empty())?;
        let stat = rustix::fs::fstat(&root)?;
        // In a container without privileges root's files belong to the number that stands for him.
        let trusted = [0, rustix::process::geteuid().as_raw(), stat.st_uid];
        Ok(Self { stack: vec![root], passed: vec![stat], chosen: Vec::new(), bound: None, trusted, links: 0 })
    }

    /// Another one that begins where this one ended, and stays below it.
    pub(super) fn below(&self, base: &Path) -> io::Result<Self> {
        Ok(Self {
            stack: vec![self.top().try_clone()?],
            passed: vec![rustix::fs::fstat(self.top())?],
            chosen: self.chosen.iter().map(|(weak, _)| (*weak, 0)).collect(),
            bound: Some(base.to_owned()),
            trusted: self.trusted,
            links: 0,
        })
    }

    /// The directory it is in.
    pub(super) fn top(&self) -> &OwnedFd {
        // It is made with one, and the first is never taken away.
        &self.stack[self.stack.len() - 1]
    }

    /// Goes on from where it is; an absolute path begins anew.
    pub(super) fn go(&mut self, path: &Path) -> io::Result<End> {
        let mut ahead: VecDeque<OsString> = self.parts(path)?.into();
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                self.up()?;
                continue;
            }
            let stat = rustix::fs::statat(self.top(), &name, AtFlags::SYMLINK_NOFOLLOW)?;
            self.judge(&stat)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    self.links += 1;
                    if self.links > MOST_LINKS {
                        return Err(rustix::io::Errno::LOOP.into());
                    }
                    let to = rustix::fs::readlinkat(self.top(), &name, Vec::new())?;
                    let to = PathBuf::from(OsString::from_vec(to.into_bytes()));
                    for part in self.parts(&to)?.into_iter().rev() {
                        ahead.push_front(part);
                    }
                }
                FileType::Directory => self.down(&name)?,
                _ if ahead.is_empty() => return Ok(End::Other { name, stat }),
                _ => return Err(io::ErrorKind::NotADirectory.into()),
            }
        }
        Ok(End::Directory)
    }

    pub(super) fn down(&mut self, name: &OsStr) -> io::Result<()> {
        let dir = rustix::fs::openat(self.top(), name, DIRECTORY, Mode::empty())?;
        self.passed.push(rustix::fs::fstat(&dir)?);
        self.stack.push(dir);
        Ok(())
    }

    fn up(&mut self) -> io::Result<()> {
        match (self.stack.len(), &self.bound) {
            (1, Some(base)) => Err(Refused::LeadsOut(base.clone()).into()),
            // Above the root is the root.
            (1, None) => Ok(()),
            _ => {
                self.stack.pop();
                Ok(())
            }
        }
    }

    /// The parts of a path; an absolute one leads back to the beginning, where it may.
    fn parts(&mut self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut path = path;
        if path.is_absolute() {
            if let Some(base) = &self.bound {
                path = path.strip_prefix(base).map_err(|_| Refused::LeadsOut(base.clone()))?;
            }
            self.stack.truncate(1);
        }
        let parts = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        });
        Ok(parts.collect())
    }

    /// Notes who could have chosen this entry of the directory it is in.
    fn judge(&mut self, entry: &Stat) -> io::Result<()> {
        let dir = rustix::fs::fstat(self.top())?;
        let kind = FileType::from_raw_mode(entry.st_mode);
        // In a sticky directory nobody takes away another's entry; but a second name for another's file can be made anywhere.
        let open = dir.st_mode & STICKY == 0 || kind != FileType::Directory;
        self.note(self.owner(&dir));
        if open {
            self.note_writers(&dir);
        }
        if kind == FileType::Symlink {
            self.note(self.owner(entry));
        }
        Ok(())
    }

    fn note(&mut self, weak: Option<Weak>) {
        if let Some(weak) = weak.filter(|weak| !self.chosen.iter().any(|(known, _)| known == weak)) {
            self.chosen.push((weak, self.passed.len()));
        }
    }

    fn note_writers(&mut self, stat: &Stat) {
        for weak in self.writers(stat) {
            self.note(Some(weak));
        }
    }

    fn owner(&self, stat: &Stat) -> Option<Weak> {
        let trusted = self.trusted.contains(&stat.st_uid);
        (!trusted).then_some(Weak::User { uid: stat.st_uid, gid: stat.st_gid })
    }

    /// Who beside the owner may write.
    fn writers(&self, stat: &Stat) -> Vec<Weak> {
        // A user's own group is no more than he is.
        let ours = stat.st_gid == 0
            || stat.st_gid == rustix::process::getegid().as_raw()
            || (stat.st_gid == stat.st_uid && !self.trusted.contains(&stat.st_uid));
        let group = (stat.st_mode & 0o020 != 0 && !ours).then_some(Weak::Group(stat.st_gid));
        let others = (stat.st_mode & 0o002 != 0).then_some(Weak::Anyone);
        group.into_iter().chain(others).collect()
    }

    /// Whether everybody who could have chosen it may read it, and pass where it lies.
    pub(super) fn readable(&self, file: &Stat) -> Result<(), Refused> {
        for (weak, from) in &self.chosen {
            let passed = self.passed.iter().skip(*from).all(|dir| weak.may(dir, 1));
            if !passed || !weak.may(file, 4) {
                return Err(Refused::NotTheirs(*weak));
            }
        }
        Ok(())
    }

    /// Who could have chosen where it ended, or could change what is there.
    pub(super) fn weaker(&self, end: &End) -> io::Result<Vec<Weak>> {
        let mut weak: Vec<Weak> = self.chosen.iter().map(|(weak, _)| *weak).collect();
        let stat = match end {
            End::Directory => rustix::fs::fstat(self.top())?,
            End::Other { stat, .. } => *stat,
        };
        for one in self.owner(&stat).into_iter().chain(self.writers(&stat)) {
            if !weak.contains(&one) {
                weak.push(one);
            }
        }
        Ok(weak)
    }

    /// Whether nobody but root and ourselves could have chosen anything of it so far, or change the directory it is in.
    pub(super) fn is_ours(&self) -> io::Result<()> {
        self.weaker(&End::Directory)?.first().map_or(Ok(()), |weak| Err(Refused::Open(*weak).into()))
    }
}
