//! Where the bytes of an archive come from: a file of this host, or anything else that answers for a stretch of bytes.
//!
//! Knows nothing of an archive. Invariant: what is read is what is there at the moment of reading, whole or an error; nothing is kept of it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that are read in any order, by several threads at once. Every call blocks.
pub trait Source: fmt::Debug + Send + Sync {
    /// How many bytes there are now.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes from `offset` on. An end that comes too early is [`io::ErrorKind::UnexpectedEof`].
    ///
    /// # Errors
    /// When not all of them can be read.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}
