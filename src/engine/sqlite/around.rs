//! What lies at a database's path and beside it, and who could have put it there.
//!
//! Never opens the database itself, nor follows what lies beside it: SQLite plays back whatever journal it finds there, and a journal
//! may name any file as one to be deleted afterwards. So before SQLite opens anything with our power it is known here whose power is
//! enough, and who else may name what it would open. The rule is the one of ARCHITECTURE.md: a stronger user never opens, runs, follows
//! or changes what a weaker one can name.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::durable::At;
use crate::engine::EngineError;
use crate::text;

/// In whose name SQLite works on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Ours.
    Ourselves,
    /// We are root, and the file is this user's: only what he may do is done.
    Owner {
        /// His number.
        uid: u32,
        /// The file's group, the only one he has.
        gid: u32,
    },
}

/// A file as it stood at one moment: when all of it is as before, nobody wrote to it in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([i128; 7]);

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self([
            meta.dev().into(),
            meta.ino().into(),
            meta.size().into(),
            meta.mtime().into(),
            meta.mtime_nsec().into(),
            meta.ctime().into(),
            meta.ctime_nsec().into(),
        ])
    }
}

/// A database file and the files SQLite would find beside it.
#[derive(Debug, Clone)]
pub(super) struct Around {
    /// The file itself: links on the way to it are followed once, here.
    pub(super) path: PathBuf,
    /// Its owner.
    pub(super) uid: u32,
    /// Its group.
    pub(super) gid: u32,
    /// How it stands.
    pub(super) stamp: Stamp,
    /// Length of the rollback journal, when there is one.
    pub(super) journal: Option<u64>,
    /// Length of the write-ahead log, when there is one.
    pub(super) log: Option<u64>,
    /// Whether the log's index is there.
    pub(super) has_index: bool,
    /// What somebody other than us and root may write to, first: the file's directory or one above it.
    pub(super) shared: Option<PathBuf>,
}

impl Around {
    /// Looks, without opening anything.
    pub(super) fn look(path: &Path) -> Result<Self, EngineError> {
        let path = fs::canonicalize(path).at("open the database", path)?;
        let meta = fs::symlink_metadata(&path).at("open the database", &path)?;
        if !meta.is_file() {
            return Err(EngineError::Inexact {
                what: format!("{} is not a file, so it is no SQLite database", path.display()),
                hint: "name the database file itself in `[targets.T.database]`".to_owned(),
            });
        }
        let mut lengths = [None; 3];
        for (suffix, length) in ["-journal", "-wal", "-shm"].iter().zip(&mut lengths) {
            *length = plain(&beside(&path, suffix), &path)?;
        }
        let [journal, log, index] = lengths;
        let shared = shared(&path)?;
        let (uid, gid, stamp) = (meta.uid(), meta.gid(), Stamp::of(&meta));
        Ok(Self { path, uid, gid, stamp, journal, log, has_index: index.is_some(), shared })
    }

    /// Whose power is enough for this file. Where nobody but root can put anything beside it, it is root's place, whoever's the file.
    pub(super) fn whom(&self) -> Whom {
        match rustix::process::geteuid().is_root() && self.uid != 0 && self.shared.is_some() {
            true => Whom::Owner { uid: self.uid, gid: self.gid },
            false => Whom::Ourselves,
        }
    }

    /// Whether SQLite may open the file for writing, which plays back what it finds beside it: in its owner's name always, in our
    /// own where it is ours and nobody else can put anything there.
    pub(super) fn may_write(&self) -> Result<(), EngineError> {
        let us = rustix::process::geteuid().as_raw();
        if matches!(self.whom(), Whom::Owner { .. }) {
            return Ok(());
        }
        if self.uid != us && us != 0 {
            return Err(EngineError::NotOurs {
                what: format!(
                    "{} belongs to user {}, and upkeep runs as user {us}: what it wrote there the server could not write to any more",
                    self.path.display(),
                    self.uid
                ),
                hint: format!(
                    "let upkeep run as that user (`User=` in a drop-in of upkeepd.service), or as root with a state directory of root's; \
                     or give the file to user {us} in a directory that nobody else may write to (docs/restore-by-hand.md)"
                ),
            });
        }
        match &self.shared {
            None => Ok(()),
            Some(directory) => Err(EngineError::NotOurs {
                what: format!(
                    "others may write to {}, and whoever may write there decides what SQLite plays back into {}",
                    directory.display(),
                    self.path.display()
                ),
                hint: format!(
                    "let nobody but user {us} write there: `chmod go-w {0}`, `chown {us} {0}`; the server may read and write the file itself",
                    typed(directory)
                ),
            }),
        }
    }

    /// Refuses a journal that names another file, which SQLite deletes after playing it back.
    pub(super) fn names_no_other(&self) -> Result<(), EngineError> {
        let journal = beside(&self.path, "-journal");
        let Some(named) = named_in(&journal).at("read", &journal)? else { return Ok(()) };
        Err(EngineError::Inexact {
            what: format!(
                "{} was left in the middle of a transaction, and its journal names {named:?} as a file that is deleted when it is \
                 played back: nothing was played back",
                self.path.display()
            ),
            hint: format!(
                "look who made {}; if it is your server's, start the server, which plays it back itself; if it is nobody's: `rm -- {}`",
                journal.display(),
                typed(&journal)
            ),
        })
    }

    /// What a look says of a database that a crash left in the middle of a transaction.
    pub(super) fn unfinished(&self) -> EngineError {
        let log = if self.log.unwrap_or(0) > 0 && self.journal.unwrap_or(0) == 0 { "-wal" } else { "-journal" };
        EngineError::Unfinished {
            what: format!(
                "{} was left in the middle of a transaction ({} is there), and looking at it must not end it",
                self.path.display(),
                beside(&self.path, log).display()
            ),
            hint: format!(
                "start its server, which ends it; or let SQLite do it as the file's owner: \
                 `setpriv --reuid={} --regid={} --clear-groups sqlite3 {} 'PRAGMA quick_check'`",
                self.uid,
                self.gid,
                self.path.display()
            ),
        }
    }
}

/// The length of what lies there; none when nothing does. What is no plain file of one name is no log of SQLite's.
fn plain(path: &Path, database: &Path) -> Result<Option<u64>, EngineError> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.at("look at", path)?,
    };
    if meta.is_file() && meta.nlink() == 1 {
        return Ok(Some(meta.len()));
    }
    let kind = match meta.file_type() {
        kind if kind.is_symlink() => "a link",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_file() => "a file of several names",
        _ => "neither a file nor a directory",
    };
    Err(EngineError::Inexact {
        what: format!(
            "{} is {kind}, and SQLite would take it for a log of {}: nothing was opened",
            path.display(),
            database.display()
        ),
        hint: format!("look who put it there: `ls -l {0}`; SQLite made no such thing: `rm -r -- {0}`", typed(path)),
    })
}

/// The directory nearest to the root in which somebody other than root and us could exchange what lies on the way to the file, or
/// beside it.
fn shared(path: &Path) -> Result<Option<PathBuf>, EngineError> {
    const STICKY: u32 = 0o1000;
    let us = rustix::process::geteuid().as_raw();
    for (above, directory) in path.ancestors().skip(1).enumerate() {
        let meta = fs::symlink_metadata(directory).at("look at", directory)?;
        let others_write = meta.mode() & 0o022 != 0;
        // In a sticky directory nobody renames what is another's; but beside the file anybody could put something there.
        let sticky = above > 0 && meta.mode() & STICKY != 0;
        if (meta.uid() != 0 && meta.uid() != us) || (others_write && !sticky) {
            return Ok(Some(directory.to_owned()));
        }
    }
    Ok(None)
}

/// How a journal ends that names another file: its name, the name's length and checksum, and these eight bytes.
const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Longer than any path; what claims to be longer is named without its beginning.
const LONGEST_NAME: u64 = 4096;

/// A path as one types it.
fn typed(path: &Path) -> String {
    text::shell(&[path.to_string_lossy()])
}

/// The file that a journal names, if it does.
fn named_in(journal: &Path) -> io::Result<Option<String>> {
    use rustix::fs::{Mode, OFlags, open};
    // A link is not followed, and what is no file blocks nobody.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(journal, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        opened => File::from(opened?),
    };
    let meta = file.metadata()?;
    let length = meta.len();
    if !meta.is_file() || length < 16 {
        return Ok(None);
    }
    let mut tail = [0; 16];
    file.read_exact_at(&mut tail, length - 16)?;
    if tail.get(8..) != Some(&MAGIC[..]) {
        return Ok(None);
    }
    let named = tail.first_chunk::<4>().map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)));
    let named = named.min(LONGEST_NAME).min(length - 16);
    let mut name = vec![0; usize::try_from(named).unwrap_or(0)];
    file.read_exact_at(&mut name, length - 16 - named)?;
    Ok(Some(String::from_utf8_lossy(&name).into_owned()))
}

/// The file SQLite keeps beside a database: its name with `suffix` added.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
