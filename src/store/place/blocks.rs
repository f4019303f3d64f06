//! An object, read by ranges: small ones out of a few blocks that are kept, for a footer or a chunk is asked for in many pieces.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::PlaceError;
use crate::archive::Source;

/// One block. What is asked for at once and is not smaller goes past the blocks.
const BLOCK_BYTES: u64 = 1 << 20;

/// What is asked for at once and is longer comes in pieces: no answer may be as long as an archive says that something of it is.
const PIECE_BYTES: usize = 8 << 20;

/// Blocks that are kept: several threads read, each from a place of its own.
const BLOCKS: usize = 4;

/// Reads the bytes from one to before another, and says how long the whole is.
type Fetch = Box<dyn Fn(u64, u64) -> Result<(Bytes, u64), PlaceError> + Send + Sync>;

/// An object of a known length.
pub(super) struct Opened {
    fetch: Fetch,
    size: u64,
    /// By number, the one that was asked for last at the end.
    blocks: Mutex<Vec<(u64, Bytes)>>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Opened {
    pub(super) fn of(size: u64, fetch: impl Fn(u64, u64) -> Result<(Bytes, u64), PlaceError> + Send + Sync + 'static) -> Self {
        Self { fetch: Box::new(fetch), size, blocks: Mutex::new(Vec::new()) }
    }

    /// Exactly these bytes.
    fn exactly(&self, from: u64, to: u64) -> io::Result<Bytes> {
        match (self.fetch)(from, to) {
            Ok((bytes, size)) if size == self.size && bytes.len() as u64 == to - from => Ok(bytes),
            Ok(_) => Err(io::Error::other("it is another object than a moment ago")),
            Err(error) => Err(error.into_io()),
        }
    }

    fn block(&self, number: u64) -> io::Result<Bytes> {
        let mut kept = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(of, _)| *of == number) {
            let block = kept.remove(at);
            let bytes = block.1.clone();
            kept.push(block);
            return Ok(bytes);
        }
        drop(kept);
        let from = number * BLOCK_BYTES;
        let bytes = self.exactly(from, (from + BLOCK_BYTES).min(self.size))?;
        let mut kept = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == BLOCKS {
            kept.remove(0);
        }
        kept.push((number, bytes.clone()));
        Ok(bytes)
    }
}

impl Source for Opened {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if end - offset >= BLOCK_BYTES {
            let mut at = offset;
            for piece in buffer.chunks_mut(PIECE_BYTES) {
                let to = at + piece.len() as u64;
                piece.copy_from_slice(&self.exactly(at, to)?);
                at = to;
            }
            return Ok(());
        }
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let block = self.block(at / BLOCK_BYTES)?;
            let within = usize::try_from(at % BLOCK_BYTES).unwrap_or(usize::MAX);
            let bytes = block.get(within..).ok_or(io::ErrorKind::UnexpectedEof)?;
            let take = bytes.len().min(rest.len());
            if take == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (now, later) = rest.split_at_mut(take);
            now.copy_from_slice(&bytes[..take]);
            (rest, at) = (later, at + take as u64);
        }
        Ok(())
    }
}
