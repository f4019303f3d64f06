//! An object, read by ranges: small ones out of a few blocks that are kept, for a footer or a chunk is asked for in many pieces.

use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{Bucket, BucketError, Patience};
use crate::archive::Source;
use crate::store::place::PlaceError;

/// One block. What is asked for at once and is not smaller goes past the blocks.
const BLOCK_BYTES: u64 = 1 << 20;

/// What is asked for at once and is longer comes in pieces: no answer may be as long as an archive says that something of it is.
const PIECE_BYTES: usize = 8 << 20;

/// Blocks that are kept: several threads read, each from a place of its own.
const BLOCKS: usize = 4;

/// An object of a known length.
#[derive(Debug)]
pub(super) struct Opened {
    bucket: Bucket,
    name: String,
    size: u64,
    /// By number, the one that was asked for last at the end.
    blocks: Mutex<Vec<(u64, Bytes)>>,
}

impl Opened {
    pub(super) fn of(bucket: Bucket, name: String, size: u64) -> Self {
        Self { bucket, name, size, blocks: Mutex::new(Vec::new()) }
    }

    /// Exactly these bytes.
    fn fetch(&self, from: u64, to: u64) -> io::Result<Bytes> {
        match self.bucket.get(&self.name, Patience::Long, from..to) {
            Ok((bytes, size)) if size == self.size && bytes.len() as u64 == to - from => Ok(bytes),
            Ok(_) => Err(io::Error::other("it is another object than a moment ago")),
            Err(error) => Err(as_io(error)),
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
        let bytes = self.fetch(from, (from + BLOCK_BYTES).min(self.size))?;
        let mut kept = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == BLOCKS {
            kept.remove(0);
        }
        kept.push((number, bytes.clone()));
        Ok(bytes)
    }
}

/// What reads knows errors of reading alone; the kinds that say something of the bytes are not among them.
fn as_io(error: PlaceError) -> io::Error {
    match error {
        PlaceError::Bucket(error @ (BucketError::Denied { .. } | BucketError::BadKey { .. } | BucketError::Expired { .. })) => {
            io::Error::new(io::ErrorKind::PermissionDenied, error)
        }
        PlaceError::Bucket(error) => io::Error::other(error),
        error => io::Error::other(error),
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
                piece.copy_from_slice(&self.fetch(at, to)?);
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
