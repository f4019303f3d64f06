//! An encrypted object, read by ranges: only the chunks that a range touches are read and opened.

use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Identity;
use crate::archive::Source;

/// Read at a time: a few chunks.
const BUFFER_BYTES: usize = 256 * 1024;

/// No header is longer: one of as many keys as a place may have takes a tenth of it. Whoever writes at a place decides what stands there, and
/// a header is read whole, and again from its begin with each line, before anything says whether it is one.
const MOST_HEADER_BYTES: u64 = 16 * 1024;

type Stream = age::stream::StreamReader<BufReader<From>>;

/// The content of an encrypted object.
pub struct Decrypted {
    source: Arc<dyn Source>,
    identity: Arc<Identity>,
    size: u64,
    /// None after an error: where a stream stands then, nobody knows.
    stream: Mutex<Option<Stream>>,
}

/// Why an object could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// By none of these keys.
    NotForThem,
    /// It is not what was encrypted, or no such thing.
    Damaged(String),
    /// It cannot be read.
    Read(io::Error),
}

impl Decrypted {
    /// Opens an object and proves its length.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or is opened by none of these keys.
    pub fn open(source: Arc<dyn Source>, identity: Arc<Identity>) -> Result<Self, OpenError> {
        // The end is sealed as the end: a length that was proved once bounds every read.
        let size = stream(&source, &identity)?.seek(SeekFrom::End(0)).map_err(read)?;
        let stream = Mutex::new(Some(stream(&source, &identity)?));
        Ok(Self { source, identity, size, stream })
    }
}

fn stream(source: &Arc<dyn Source>, identity: &Identity) -> Result<Stream, OpenError> {
    let size = source.size().map_err(OpenError::Read)?;
    let ends = Arc::new(AtomicU64::new(size.min(MOST_HEADER_BYTES)));
    let from = From { source: Arc::clone(source), at: 0, size, ends: Arc::clone(&ends) };
    let header = age::Decryptor::new_buffered(BufReader::with_capacity(BUFFER_BYTES, from));
    let decryptor = header.map_err(|error| match refused(error) {
        OpenError::Damaged(why) if size > MOST_HEADER_BYTES => {
            OpenError::Damaged(format!("its first {MOST_HEADER_BYTES} bytes hold no header: {why}"))
        }
        error => error,
    })?;
    ends.store(size, Ordering::Relaxed);
    decryptor.decrypt(identity.keys()).map_err(refused)
}

fn refused(error: age::DecryptError) -> OpenError {
    match error {
        age::DecryptError::NoMatchingKeys => OpenError::NotForThem,
        age::DecryptError::Io(error) => read(error),
        error => OpenError::Damaged(error.to_string()),
    }
}

/// What the format says of the bytes comes in the same form as what the host says of reading them.
fn read(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => OpenError::Damaged(error.to_string()),
        _ => OpenError::Read(error),
    }
}

impl Source for Decrypted {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let within = offset.checked_add(buffer.len() as u64).is_some_and(|end| end <= self.size);
        if !within {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if buffer.is_empty() {
            return Ok(());
        }
        let mut kept = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match kept.take() {
            Some(open) => open,
            None => stream(&self.source, &self.identity).map_err(|error| match error {
                OpenError::Read(error) => error,
                OpenError::NotForThem => io::Error::new(io::ErrorKind::InvalidData, "it is another object now"),
                OpenError::Damaged(why) => io::Error::new(io::ErrorKind::InvalidData, why),
            })?,
        };
        open.seek(SeekFrom::Start(offset)).and_then(|_| open.read_exact(buffer))?;
        *kept = Some(open);
        Ok(())
    }
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypted").field("source", &self.source).field("size", &self.size).finish_non_exhaustive()
    }
}

/// A source, read from a place in it on.
struct From {
    source: Arc<dyn Source>,
    at: u64,
    size: u64,
    /// As far as it is read: to where a header ends at the latest, until there is one.
    ends: Arc<AtomicU64>,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.ends.load(Ordering::Relaxed).saturating_sub(self.at)).unwrap_or(usize::MAX);
        let take = left.min(buffer.len());
        self.source.read_exact_at(&mut buffer[..take], self.at)?;
        self.at += take as u64;
        Ok(take)
    }
}

impl Seek for From {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
