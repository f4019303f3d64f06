//! Making an object: a temporary name, every byte, a sync where the server knows one, a reading back, and then its name.
//!
//! If we die before the last step there is a temporary file. Content that is known by its digest has one temporary name with that digest in it:
//! whoever else writes to that file writes the same bytes, and what is there of it is compared and gone on with. All other content has a new
//! name each time, which nobody else opens and the next sweep removes. A plain rename takes no name away at a server that keeps to the
//! protocol's word; where one does not, it is looked right before.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use russh_sftp::client::error::Error as Said;
use russh_sftp::protocol::{FileAttributes, OpenFlags};

use super::super::worker::Begun;
use super::session::{Line, write};
use super::{Sftp, SftpError};
use crate::fault;
use crate::store::place::{Place as _, PlaceError, Put, Tried};

/// How much is read, sent and compared at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What the temporary name of what can be gone on with ends in.
const BEGUN: &str = ".begun.tmp";

/// A server on which less than this is free, and which does not say why it does not write, is full.
const LEAST_ROOM: u64 = 1 << 20;

/// So many letters of a digest stand in a temporary name: nobody chooses archives by them, and a name may be 255 bytes long.
const DIGEST_LETTERS: usize = 16;

/// More than this is never left to the last sync, whose answer has a bound.
const SYNC_BYTES: u64 = 256 << 20;

/// The object that a temporary file was begun for and can be gone on with; none for every other name.
pub(super) fn begun(temporary: &str) -> Option<&str> {
    let (name, digest) = temporary.strip_prefix('.')?.strip_suffix(BEGUN)?.rsplit_once('.')?;
    Some(name).filter(|name| !name.is_empty() && digest.len() == DIGEST_LETTERS)
}

fn random(name: &str) -> String {
    format!(".{name}.{}.tmp", &uuid::Uuid::new_v4().simple().to_string()[..8])
}

pub(super) fn put_new(part: &Sftp, name: &str, digest: Option<&str>, content: &mut dyn Read) -> Result<Put, PlaceError> {
    if part.look(name)?.is_some() {
        return Ok(Put::Exists);
    }
    let digest = digest.and_then(|digest| digest.get(..DIGEST_LETTERS));
    let temporary = digest.map_or_else(|| random(name), |digest| format!(".{name}.{digest}{BEGUN}"));
    let goes_on = digest.is_some();
    fault::check("sftp.put").map_err(|source| PlaceError::content(part.called(name), source))?;
    let done = fill(part, (name, &temporary), content).and_then(|()| publish(part, (&temporary, name)));
    let stays = match &done {
        Ok(Put::Created) => true,
        // It goes on where it is.
        Err(PlaceError::Sftp(SftpError::Unreachable { .. })) => goes_on,
        Err(PlaceError::Content { source, .. }) => goes_on && source.kind() == std::io::ErrorKind::Interrupted,
        _ => false,
    };
    if !stays {
        // The error at hand is the one to report; what stays is swept.
        part.remove(&temporary).ok();
    }
    done
}

/// An open file at the server.
struct Open<'a> {
    part: &'a Sftp,
    line: Arc<Line>,
    handle: String,
    called: String,
}

impl<'a> Open<'a> {
    fn of(part: &'a Sftp, (name, temporary): (&str, &str), flags: OpenFlags) -> Result<Self, PlaceError> {
        let (line, path, called) = (part.session.line()?, part.plain(temporary)?, part.called(name));
        let asked = Arc::clone(&line);
        // The owner alone, as far as the server lets us say it.
        let attributes = FileAttributes { permissions: Some(0o640), ..FileAttributes::empty() };
        let begun = part.session.begin(async move { asked.raw.open(path, flags, attributes).await });
        let handle = part.session.end(begun, &line, ("write", &called))?.handle;
        Ok(Self { part, line, handle, called })
    }

    fn size(&self) -> Result<u64, SftpError> {
        let (line, handle) = (Arc::clone(&self.line), self.handle.clone());
        let begun = self.part.session.begin(async move { line.raw.fstat(handle).await });
        Ok(self.part.session.end(begun, &self.line, ("look at", &self.called))?.attrs.size.unwrap_or_default())
    }

    fn begin(&self, at: u64, bytes: Bytes) -> Begun<Result<(), Said>> {
        self.part.session.begin(write(Arc::clone(&self.line), self.handle.clone(), at, bytes))
    }

    fn sent(&self, begun: Begun<Result<(), Said>>) -> Result<(), PlaceError> {
        Ok(self.part.session.end(begun, &self.line, ("write", &self.called)).map_err(|error| self.full(error))?)
    }

    /// The protocol has no word for a full disk.
    fn full(&self, error: SftpError) -> SftpError {
        let is_full = || self.part.free_bytes().is_ok_and(|free| free.is_some_and(|free| free < LEAST_ROOM));
        match error {
            SftpError::Other { .. } if is_full() => SftpError::Full { url: self.part.session.url() },
            error => error,
        }
    }

    /// Cuts off what an earlier try had sent too much, and has the server put all of it on its disk, where it knows how.
    fn settle(&self, length: u64, is_longer: bool) -> Result<(), PlaceError> {
        let (line, handle) = (Arc::clone(&self.line), self.handle.clone());
        let attributes = FileAttributes { size: Some(length), ..FileAttributes::empty() };
        let begun = self.part.session.begin(async move {
            if is_longer {
                line.raw.fsetstat(handle.clone(), attributes).await?;
            }
            if line.has_sync {
                line.raw.fsync(handle).await?;
            }
            Ok::<_, Said>(())
        });
        self.sent(begun)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let (line, handle) = (Arc::clone(&self.line), self.handle.clone());
        // Not waited for: what cannot be closed ends with the connection, and it was synced or is not wanted.
        drop(self.part.session.begin(async move { line.raw.close(handle).await }));
    }
}

/// Sends everything, or what is not there yet, and reads it back through another opening of the file.
fn fill(part: &Sftp, names: (&str, &str), content: &mut dyn Read) -> Result<(), PlaceError> {
    let new = if begun(names.1).is_some() { OpenFlags::empty() } else { OpenFlags::EXCLUDE };
    let file = Open::of(part, names, OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CREATE | new)?;
    let before = file.size()?;
    fault::point("sftp.created");
    let sent = send(&file, names.1, before, content)?;
    file.settle(sent.length, before > sent.length)?;
    drop(file);
    fault::point("sftp.synced");
    // What was compared byte by byte a moment ago is not read once more.
    let is_known = !sent.is_new && before == sent.length;
    match is_known || is_back(part, names, &sent, content)? {
        true => Ok(()),
        false => Err(PlaceError::Altered(part.called(names.0))),
    }
}

/// What was sent.
struct Sent {
    length: u64,
    digest: blake3::Hash,
    /// Whether some of it was not there before.
    is_new: bool,
}

/// Sends everything but what is there already. While one piece is on its way the next is read.
fn send(file: &Open<'_>, temporary: &str, before: u64, content: &mut dyn Read) -> Result<Sent, PlaceError> {
    // Up to here there may be what an earlier try has sent; from the first piece that is other on, nothing is taken for that.
    let (mut known, mut is_new) = (before, false);
    let (mut hasher, mut length, mut synced) = (blake3::Hasher::new(), 0_u64, 0_u64);
    let mut on_its_way = None;
    loop {
        let piece = next(content, &file.called)?;
        if piece.is_empty() {
            break;
        }
        hasher.update(&piece);
        let at = length;
        length += piece.len() as u64;
        if length <= known && file.part.bytes(temporary, (at, length))? == piece {
            synced = length;
            continue;
        }
        (known, is_new) = (0, true);
        if let Some(begun) = on_its_way.take() {
            file.sent(begun)?;
            fault::point("sftp.piece");
        }
        if at - synced >= SYNC_BYTES {
            file.settle(at, false)?;
            synced = at;
        }
        on_its_way = Some(file.begin(at, piece));
    }
    if let Some(begun) = on_its_way {
        file.sent(begun)?;
    }
    Ok(Sent { length, digest: hasher.finalize(), is_new })
}

/// Whether what is there, every byte, is what was sent.
fn is_back(part: &Sftp, (name, temporary): (&str, &str), sent: &Sent, content: &mut dyn Read) -> Result<bool, PlaceError> {
    let (mut found, mut at) = (blake3::Hasher::new(), 0);
    while at < sent.length {
        // Whoever gives it up says so by the content, at its end too.
        content.read(&mut []).map_err(|source| PlaceError::content(part.called(name), source))?;
        let end = sent.length.min(at + PIECE_BYTES as u64);
        let piece = part.bytes(temporary, (at, end))?;
        if piece.len() as u64 != end - at {
            return Ok(false);
        }
        found.update(&piece);
        at = end;
    }
    Ok(part.stat(temporary)? == Some(sent.length) && found.finalize() == sent.digest)
}

/// The next piece; none at the end.
fn next(content: &mut dyn Read, called: &str) -> Result<Bytes, PlaceError> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut length = 0;
    while length < PIECE_BYTES {
        let read = content.read(&mut piece[length..]).map_err(|source| PlaceError::content(called.to_owned(), source))?;
        if read == 0 {
            break;
        }
        length += read;
    }
    piece.truncate(length);
    Ok(piece.into())
}

/// Gives it its name, which nobody may have.
fn publish(part: &Sftp, (temporary, name): (&str, &str)) -> Result<Put, PlaceError> {
    // Hours may have passed since it was looked for, and not every server's rename leaves a name that is taken.
    if part.look(name)?.is_some() {
        return Ok(Put::Exists);
    }
    match rename(part, temporary, name) {
        Ok(()) => {
            fault::point("sftp.published");
            Ok(Put::Created)
        }
        // It says no more than that it did not.
        Err(SftpError::Other { .. }) if part.look(name)?.is_some() => Ok(Put::Exists),
        Err(error) => Err(error.into()),
    }
}

fn rename(part: &Sftp, from: &str, to: &str) -> Result<(), SftpError> {
    let (old, new, called) = (part.path(from), part.path(to), part.called(to));
    part.session.ask(("give its name to", &called), |line| async move { line.raw.rename(old, new).await.map(drop) })
}

/// Writes a few bytes twice as an object's are written, and gives the second the name that the first has. Both names are temporary ones, so that
/// whatever happens they are swept.
pub(super) fn try_out(part: &Sftp) -> Result<Tried, PlaceError> {
    let (taken, second) = (random("try"), random("try"));
    let done = fill(part, (&taken, &taken), &mut &b"the first"[..])
        .and_then(|()| fill(part, (&second, &second), &mut &b"a try"[..]))
        .and_then(|()| match rename(part, &second, &taken) {
            Ok(()) => Ok(false),
            Err(SftpError::Other { .. } | SftpError::Denied { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        })
        // A server that renames nothing at all makes no objects.
        .and_then(|keeps_names| if keeps_names { moves(part, &second).map(|()| true) } else { Ok(false) });
    for name in [&taken, &second] {
        part.remove(name).ok();
    }
    let (keeps_names, mut advice) = (done?, Vec::new());
    if !keeps_names {
        advice.push(
            "the server's rename takes a name that is taken: upkeep looks before it renames, and two hosts with one `owner` would write over each other's"
                .to_owned(),
        );
    }
    if !part.session.line()?.has_sync {
        advice.push(
            "the server knows no fsync@openssh.com: what it has acknowledged may be lost when its power fails; rereading (`reread`) finds that"
                .to_owned(),
        );
    }
    Ok(Tried { keeps_names, advice })
}

fn moves(part: &Sftp, name: &str) -> Result<(), PlaceError> {
    let free = random("try");
    rename(part, name, &free)?;
    part.remove(&free)
}
