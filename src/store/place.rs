//! A place away from the host: what is asked of every kind of it.
//!
//! Owns the contract and its errors. What has a name at a place never changes: an object is made once, whole, proved by reading it back (before it
//! has its name where that is possible, and before its seal everywhere), and is never written over. A copy is two objects, the archive's bytes first and its [`Sidecar`] last, which is the seal: without one
//! there is no copy. Nothing here deletes what has a name. How much room there is, a place may not know. Held by the suite beside this module,
//! which every kind of place passes.

mod blocks;
mod bucket;
mod directory;
mod marker;
mod sftp;
mod sidecar;
mod worker;

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

pub use bucket::{Bucket, BucketError, Setup as BucketSetup};
pub use directory::{Directory, Setup};
pub use marker::Marker;
pub use sftp::{Setup as SftpSetup, Sftp, SftpError};
pub use sidecar::{Digests, Encryption, MOST_BYTES as SIDECAR_BYTES, Sidecar};

use crate::archive::Source;
use crate::durable::DurableError;
use crate::failure::{Class, Explain};
use crate::ids::Label;

/// The ending of a sidecar's name; what stands before is the label.
pub const SIDECAR: &str = ".copy.json";

/// What the name of an encrypted object ends in, behind the archive's own ending.
pub const ENCRYPTED: &str = ".age";

/// The label in the name of a copy's bytes, encrypted or not; none for what is no such name.
#[must_use]
pub fn label_of(object: &str) -> Option<Label> {
    super::label_of(object.strip_suffix(ENCRYPTED).unwrap_or(object))
}

/// More objects than this under one owner are not listed: it would be a century of hourly copies.
pub const MOST_OBJECTS: usize = 1_000_000;

/// One object as a listing names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name, below the owner's.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
}

/// What came of making an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is there, and every byte was read back and found right.
    Created,
    /// Its name was taken; nothing was changed.
    Exists,
}

/// What was found of a place by trying it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Whether the place itself refuses what upkeep would write over a name that is taken.
    pub keeps_names: bool,
    /// What works and could be better, in one sentence each.
    pub advice: Vec<String>,
}

/// One owner's part of a place. Every call blocks, and may block for as long as the other side likes.
pub trait Place: fmt::Debug + Send + Sync {
    /// What a person calls an object there.
    fn called(&self, name: &str) -> String;

    /// Every object of this owner, in no order, or an error: a part of them is never taken for all.
    ///
    /// # Errors
    /// When it cannot be listed to its end.
    fn list(&self) -> Result<Vec<Object>, PlaceError>;

    /// The length of an object; none where there is none of that name.
    ///
    /// # Errors
    /// When that cannot be told, or what has the name is no object.
    fn stat(&self, name: &str) -> Result<Option<u64>, PlaceError>;

    /// An object, to be read by ranges.
    ///
    /// # Errors
    /// When it is not there or cannot be opened.
    fn open(&self, name: &str) -> Result<Arc<dyn Source>, PlaceError>;

    /// Makes an object, unless its name is taken; of about this length, which a place may need to divide it. What is said to be created was read
    /// back, every byte. Content that ends by an error ends the work, and leaves nothing that has a name. While it is read back the content is asked for
    /// no bytes now and then: an error ends that too, and what may have the name by then has no seal.
    ///
    /// # Errors
    /// When it cannot be made, or what is read back is not what was sent.
    fn put_new(&self, name: &str, length: u64, content: &mut dyn Read) -> Result<Put, PlaceError>;

    /// The same of content that is the same whenever it has this digest: a place may go on where an earlier try was cut short.
    ///
    /// # Errors
    /// As [`Place::put_new`].
    fn put_known(&self, name: &str, _digest: &str, length: u64, content: &mut dyn Read) -> Result<Put, PlaceError> {
        self.put_new(name, length, content)
    }

    /// Removes what never got a name, of writers that are gone; the caller sees to it that no other writes for this owner. How many there were.
    /// What a place can go on with stays where its object is wanted still.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn sweep(&self, is_wanted: &dyn Fn(&str) -> bool) -> Result<u64, PlaceError>;

    /// Tries what making an object takes, a name that is taken included, and leaves nothing.
    ///
    /// # Errors
    /// When it does not work.
    fn try_out(&self) -> Result<Tried, PlaceError>;

    /// Free room in bytes; none where the place does not know.
    ///
    /// # Errors
    /// When it should know and cannot be asked.
    fn free_bytes(&self) -> Result<Option<u64>, PlaceError>;

    /// The least rights that it needs, as who grants them writes it; none where nobody has to.
    fn needs(&self) -> Option<String> {
        None
    }
}

/// What went wrong at a place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is not there, or is not the one that was set up.
    #[error("{path} is not the place that was meant: {why}")]
    Absent {
        /// Where it should be.
        path: String,
        /// What was found instead.
        why: String,
    },
    /// It was never set up, by this host or at all.
    #[error("place `{0}` is not set up on this host")]
    NotSetUp(String),
    /// Nobody ever wrote under this name.
    #[error("there is nothing at {0}: nobody has written under this name")]
    NoPart(String),
    /// Another host writes under the same name.
    #[error("{path} belongs to another host, or to this one before its state was made anew")]
    Foreign {
        /// The owner's part.
        path: String,
        /// The place's name.
        place: String,
    },
    /// It lies where the archives lie.
    #[error("{path} is on the file system of {beside}: a copy there would be lost with the archives")]
    SameDevice {
        /// Where it is.
        path: String,
        /// What lies there too.
        beside: String,
        /// The place's name.
        place: String,
    },
    /// A file operation failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A bucket refuses, or cannot be asked.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A server of SFTP refuses, or cannot be reached.
    #[error(transparent)]
    Sftp(#[from] SftpError),
    /// What was read back is not what was sent.
    #[error("what was written to {0} does not read back as it was sent")]
    Altered(String),
    /// A name that was taken was given to something else.
    #[error("{0} does not keep a name that is taken from being taken again")]
    Overwrites(String),
    /// The content could not be read, or its reader does not want it to go on.
    #[error("the content for {path} could not be read")]
    Content {
        /// The object.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Something that is no object has the name of one.
    #[error("{path} is {what}, and nothing is done with it")]
    Strange {
        /// The object.
        path: String,
        /// What it is.
        what: String,
    },
}

impl PlaceError {
    /// Content that could not be read; where it is another place's, that place is what is told of.
    #[must_use]
    pub fn content(path: String, source: io::Error) -> Self {
        Self::within(&source).unwrap_or(Self::Content { path, source })
    }

    /// What a place says inside another error, where it was handed on as one of reading.
    #[must_use]
    pub fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let bucket = || find::<BucketError>(error).cloned().map(Self::Bucket);
        bucket().or_else(|| find::<SftpError>(error).cloned().map(Self::Sftp))
    }

    /// The same as one of reading, for what reads knows no others; the kinds that say something of the bytes are not among them.
    fn into_io(self) -> io::Error {
        let kind = match self.class() {
            Class::NoPermission => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        match self {
            Self::Bucket(error) => io::Error::new(kind, error),
            Self::Sftp(error) => io::Error::new(kind, error),
            error => io::Error::new(kind, error),
        }
    }

    fn is_full(&self) -> bool {
        matches!(self, Self::Durable(error) if error.disk_full())
    }

    /// Whether it is the matter of one object, and others may well be read: a sector that is bad, a file that is another user's.
    #[must_use]
    pub fn is_of_one(&self) -> bool {
        let is_gone = |source: &io::Error| {
            use rustix::io::Errno;
            let gone = [Errno::STALE, Errno::NOTCONN, Errno::HOSTDOWN, Errno::HOSTUNREACH, Errno::TIMEDOUT, Errno::SHUTDOWN];
            Errno::from_io_error(source).is_some_and(|errno| gone.contains(&errno))
        };
        match self {
            Self::Durable(DurableError::Io { source, .. }) => !is_gone(source),
            Self::Content { source, .. } => source.kind() != io::ErrorKind::Interrupted && !is_gone(source),
            Self::Bucket(error) => !error.is_of_the_place(),
            Self::Sftp(error) => !error.is_of_the_place(),
            Self::Strange { .. } => true,
            _ => false,
        }
    }

    /// Whether it is whole, and cannot be read until somebody has it thawed.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        matches!(self, Self::Bucket(BucketError::Cold { .. }))
    }

    /// Whether nothing can be done with the whole place now.
    #[must_use]
    pub fn is_of_the_place(&self) -> bool {
        match self {
            Self::Absent { .. } | Self::NotSetUp(_) | Self::NoPart(_) | Self::Foreign { .. } | Self::SameDevice { .. } => true,
            Self::Bucket(error) => error.is_of_the_place(),
            Self::Sftp(error) => error.is_of_the_place(),
            _ => false,
        }
    }
}

impl Explain for PlaceError {
    fn class(&self) -> Class {
        match self {
            Self::Absent { .. } => Class::Unavailable,
            Self::NotSetUp(_) | Self::Foreign { .. } | Self::SameDevice { .. } => Class::Config,
            Self::NoPart(_) => Class::NoInput,
            Self::Durable(error) => error.class(),
            Self::Bucket(error) => error.class(),
            Self::Sftp(error) => error.class(),
            Self::Altered(_) | Self::Overwrites(_) => Class::Io,
            Self::Content { source, .. } if source.kind() == io::ErrorKind::Interrupted => Class::TempFail,
            Self::Content { .. } => Class::Io,
            Self::Strange { .. } => Class::Data,
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Bucket(error) => error.safe(),
            Self::Sftp(error) => error.safe(),
            _ => Some("archives on this host are untouched, and nothing at the place was changed".to_owned()),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Absent { path, .. } if path.contains("://") => vec![
                "look at `url` of the place; the first time: `upkeep offsite init PLACE`".to_owned(),
                "where another has taken its place: `upkeep offsite init PLACE --adopt`".to_owned(),
            ],
            Self::Absent { path, .. } => {
                vec![
                    format!("is it mounted? `findmnt -T {path}`"),
                    "set up once, it is known again by its marker".to_owned(),
                    "where another disk has taken its place, and it is mounted: `upkeep offsite init PLACE --adopt`".to_owned(),
                ]
            }
            Self::NotSetUp(place) => vec![format!("set it up, with it mounted: `upkeep offsite init {place}`")],
            Self::NoPart(_) => vec![
                "is `owner` right? each host that writes there has a directory of that name".to_owned(),
                "the first time: `upkeep offsite init PLACE`".to_owned(),
            ],
            Self::Foreign { place, .. } => vec![
                format!("give this host a name of its own there: `owner` in [offsite.{place}]"),
                format!("or take it over, if no other host writes there: `upkeep offsite init {place} --adopt`"),
            ],
            Self::SameDevice { place, .. } => vec![
                "mount the other file system first".to_owned(),
                format!("or say that it is meant so: `allow_same_device = true` in [offsite.{place}]"),
            ],
            Self::Durable(DurableError::Io { path, .. }) if self.is_full() => vec![
                format!("make room there: `df -h {}`", path.display()),
                "upkeep deletes nothing there: old copies are a person's to take away, both files of each".to_owned(),
            ],
            Self::Durable(error) => error.hints(),
            Self::Bucket(error) => error.hints(),
            Self::Sftp(error) => error.hints(),
            Self::Altered(object) if object.contains("://") => {
                vec!["nothing was sealed; look at the object there, and take it away: then the copy is sent again".to_owned()]
            }
            Self::Altered(_) => vec!["look at the medium and the log of its file system: `dmesg`".to_owned()],
            Self::Content { .. } | Self::Overwrites(_) => Vec::new(),
            Self::Strange { path, .. } if path.contains("://") => vec![format!("look what it is, and move it away: {path}")],
            Self::Strange { path, .. } => vec![format!("look what it is, and move it away: `ls -ld {path}`")],
        }
    }

    fn transient(&self) -> bool {
        matches!(self, Self::Absent { .. })
            || matches!(self, Self::Bucket(error) if error.transient())
            || matches!(self, Self::Sftp(error) if error.transient())
            || matches!(self.class(), Class::TempFail)
    }
}

/// An error of a kind in a chain, inside of errors of reading too, which do not name what they hold as their cause.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let held = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        if let Some(held) = held {
            return find(held);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
pub(crate) mod tests;
