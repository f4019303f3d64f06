//! Bytes on their way out, encrypted as they pass by.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use super::Recipient;

/// So much is sealed at a time by the format.
pub(super) const CHUNK_BYTES: u64 = 64 * 1024;

/// What a chunk is longer by.
const TAG_BYTES: u64 = 16;

/// The encrypted form of what is read from it.
pub struct Encrypted<R> {
    plain: R,
    stream: Option<age::stream::StreamWriter<Shared>>,
    out: Shared,
    /// How much of `out` was handed over.
    handed: usize,
    chunk: Vec<u8>,
    begins: u64,
}

/// Written by the stream and read by us, in turns.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<R: Read> Encrypted<R> {
    /// To these recipients, with a key of its own.
    ///
    /// # Errors
    /// When there are none, or the host has no randomness.
    pub fn to(recipients: &[Recipient], plain: R) -> io::Result<Self> {
        let encryptor = age::Encryptor::with_recipients(recipients.iter().map(Recipient::key)).map_err(io::Error::other)?;
        let out = Shared::default();
        let stream = encryptor.wrap_output(out.clone())?;
        let begins = out.0.borrow().len() as u64;
        let chunk = vec![0; usize::try_from(CHUNK_BYTES).unwrap_or(1 << 16)];
        Ok(Self { plain, stream: Some(stream), out, handed: 0, chunk, begins })
    }

    /// How long it is when what is read is so long.
    #[must_use]
    pub fn size(&self, plain: u64) -> u64 {
        self.begins + plain + TAG_BYTES * plain.div_ceil(CHUNK_BYTES).max(1)
    }

    fn more(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        match self.plain.read(&mut self.chunk)? {
            0 => drop(self.stream.take().map(age::stream::StreamWriter::finish).transpose()?),
            read => stream.write_all(&self.chunk[..read])?,
        }
        Ok(())
    }
}

impl<R: Read> Read for Encrypted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            {
                let mut out = self.out.0.borrow_mut();
                let ready = &out[self.handed..];
                if !ready.is_empty() || buffer.is_empty() {
                    let take = ready.len().min(buffer.len());
                    buffer[..take].copy_from_slice(&ready[..take]);
                    self.handed += take;
                    return Ok(take);
                }
                out.clear();
                self.handed = 0;
            }
            if self.stream.is_none() {
                return Ok(0);
            }
            self.more()?;
        }
    }
}
