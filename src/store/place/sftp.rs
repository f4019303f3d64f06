//! A directory of a server's, over SFTP, as a place: `PATH/.upkeep-destination`, and below it one directory for each owner.
//!
//! Owns what is asked of the server, through a child `ssh` for which the server's key is pinned. Never makes the top directory. Invariants:
//! without the marker that was put there nothing is written and nothing counts as missing; an object has its name only after it was synced,
//! where the server can, and read back; it is given by a rename that takes no name away. What was sent of an object before a connection broke
//! is read, compared and gone on with. Held by the suite beside the contract, on a real server, and by `tests/it/offsite/sftp.rs`.

mod error;
mod put;
mod session;
mod setup;

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use russh_sftp::client::error::Error as Said;
use russh_sftp::protocol::{FileAttributes, StatusCode};

pub use error::SftpError;
pub use setup::Setup;

use super::blocks::Opened;
use super::{MOST_OBJECTS, Object, Place, PlaceError, Put, Tried, marker};
use crate::archive::Source;
use crate::durable;
use session::{Session, read};

/// One owner's part of a place, or the directory that is the place.
#[derive(Debug, Clone)]
pub struct Sftp {
    session: Arc<Session>,
    /// Its path at the server, without a slash at the end; empty for where a login begins.
    dir: String,
    /// Who sets the server up is told this.
    rights: Arc<str>,
}

/// What has a name there.
#[derive(Debug, Clone, Copy)]
struct Found {
    size: u64,
    is_file: bool,
}

impl Found {
    fn of(attributes: &FileAttributes) -> Self {
        // A server that says nothing of kinds has nothing but files.
        let is_file = attributes.permissions.is_none_or(|mode| mode & 0o170_000 == 0o100_000 || mode & 0o170_000 == 0);
        Self { size: attributes.size.unwrap_or_default(), is_file }
    }
}

impl Sftp {
    fn path(&self, name: &str) -> String {
        match self.dir.as_str() {
            "" => name.to_owned(),
            "/" => format!("/{name}"),
            dir => format!("{dir}/{name}"),
        }
    }

    /// A name is one part of a path, and no way out of the directory.
    fn plain(&self, name: &str) -> Result<String, PlaceError> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(PlaceError::Strange {
                path: self.called(&name.replace('/', "_")),
                what: "no name that an object may have".to_owned(),
            });
        }
        Ok(self.path(name))
    }

    /// Looks at what has a name, itself and no link's end.
    fn look(&self, name: &str) -> Result<Option<Found>, PlaceError> {
        let (path, called) = (self.plain(name)?, self.called(name));
        let done = self.session.patiently(("look at", &called), |line| {
            let path = path.clone();
            async move {
                match line.raw.lstat(path).await {
                    Err(Said::Status(status)) if status.status_code == StatusCode::NoSuchFile => Ok(None),
                    found => found.map(Some),
                }
            }
        })?;
        Ok(done.map(|found| Found::of(&found.attrs)))
    }

    fn file(&self, name: &str) -> Result<Option<Found>, PlaceError> {
        match self.look(name)? {
            Some(found) if !found.is_file => {
                Err(PlaceError::Strange { path: self.called(name), what: "no regular file".to_owned() })
            }
            found => Ok(found),
        }
    }

    /// Some bytes of a file, fewer only where it ends.
    fn bytes(&self, name: &str, (from, to): (u64, u64)) -> Result<Bytes, PlaceError> {
        let (path, called) = (self.plain(name)?, self.called(name));
        Ok(self.session.patiently(("read", &called), |line| {
            let path = path.clone();
            async move {
                let handle = line.open_to_read(path).await?;
                let bytes = read(&line, &handle, from, to).await;
                // What cannot be closed ends with the connection.
                line.raw.close(handle).await.ok();
                bytes.map(Bytes::from)
            }
        })?)
    }

    /// A small file, whole; none where there is none.
    fn small(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        let Some(found) = self.file(name)? else { return Ok(None) };
        if found.size > most {
            let what = "longer than anything of its kind".to_owned();
            return Err(PlaceError::Strange { path: self.called(name), what });
        }
        Ok(Some(self.bytes(name, (0, found.size))?.to_vec()))
    }

    /// Everything in the directory, temporary files too, to its end.
    fn entries(&self) -> Result<Vec<(String, Found)>, PlaceError> {
        let (path, called) = (if self.dir.is_empty() { ".".to_owned() } else { self.dir.clone() }, self.called(""));
        let entries = self.session.patiently(("list", &called), |line| {
            let path = path.clone();
            async move {
                let handle = line.raw.opendir(path).await?.handle;
                let mut entries = Vec::new();
                let ended = loop {
                    match line.raw.readdir(handle.clone()).await {
                        Ok(_) if entries.len() > MOST_OBJECTS => break Ok(()),
                        Ok(page) => entries.extend(page.files.into_iter().map(|file| (file.filename, Found::of(&file.attrs)))),
                        Err(Said::Status(status)) if status.status_code == StatusCode::Eof => break Ok(()),
                        Err(error) => break Err(error),
                    }
                };
                line.raw.close(handle).await.ok();
                ended.map(|()| entries)
            }
        })?;
        if entries.len() > MOST_OBJECTS {
            return Err(PlaceError::Strange { path: called, what: "longer than any list of copies".to_owned() });
        }
        Ok(entries)
    }

    fn remove(&self, name: &str) -> Result<(), PlaceError> {
        let (path, called) = (self.plain(name)?, self.called(name));
        Ok(self.session.ask(("remove", &called), |line| async move {
            match line.raw.remove(path).await {
                Err(Said::Status(status)) if status.status_code == StatusCode::NoSuchFile => Ok(()),
                done => done.map(drop),
            }
        })?)
    }
}

impl Place for Sftp {
    fn called(&self, name: &str) -> String {
        format!("{}/{name}", self.session.address(&self.dir))
    }

    fn list(&self) -> Result<Vec<Object>, PlaceError> {
        let entries = self.entries()?;
        // It was read when the place was opened: a listing without it is not the whole.
        if !entries.iter().any(|(name, _)| name == marker::OWNER) {
            let why = format!("its listing leaves out {}, which is there", self.called(marker::OWNER));
            return Err(SftpError::Unreachable { url: self.session.url(), why }.into());
        }
        // Letters that are none were put in the place of what is no text.
        let is_meant = |name: &str| !name.starts_with('.') && !name.contains(['/', '\0', char::REPLACEMENT_CHARACTER]);
        let meant = entries.into_iter().filter(|(name, found)| found.is_file && is_meant(name));
        Ok(meant.map(|(name, found)| Object { name, size: found.size }).collect())
    }

    fn stat(&self, name: &str) -> Result<Option<u64>, PlaceError> {
        Ok(self.file(name)?.map(|found| found.size))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Source>, PlaceError> {
        let found = self.file(name)?.ok_or_else(|| SftpError::Gone { object: self.called(name) })?;
        let (place, name) = (self.clone(), name.to_owned());
        // One that has become shorter gives fewer bytes, and is another one then.
        Ok(Arc::new(Opened::of(found.size, move |from, to| Ok((place.bytes(&name, (from, to))?, found.size)))))
    }

    fn put_new(&self, name: &str, _: u64, content: &mut dyn Read) -> Result<Put, PlaceError> {
        put::put_new(self, name, None, content)
    }

    fn put_known(&self, name: &str, digest: &str, _: u64, content: &mut dyn Read) -> Result<Put, PlaceError> {
        put::put_new(self, name, Some(digest), content)
    }

    fn sweep(&self, is_wanted: &dyn Fn(&str) -> bool) -> Result<u64, PlaceError> {
        let mut removed = 0;
        for (name, found) in self.entries()? {
            let goes_on = put::begun(&name).is_some_and(is_wanted);
            if found.is_file && durable::is_temporary(&name) && !goes_on {
                self.remove(&name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn try_out(&self) -> Result<Tried, PlaceError> {
        put::try_out(self)
    }

    fn free_bytes(&self) -> Result<Option<u64>, PlaceError> {
        let (path, called) = (self.path("."), self.called(""));
        Ok(self.session.patiently(("measure", &called), |line| {
            let path = path.clone();
            async move {
                if !line.has_room {
                    return Ok(None);
                }
                match line.raw.statvfs(path).await {
                    Ok(room) => Ok(Some(room.blocks_avail.saturating_mul(room.fragment_size))),
                    // It knows the question, and not for what lies there.
                    Err(Said::Status(_)) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        })?)
    }

    fn needs(&self) -> Option<String> {
        Some(self.rights.to_string())
    }
}
