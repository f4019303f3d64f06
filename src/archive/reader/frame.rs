//! Reading one frame: the stored bytes, their digest, then the content.
//!
//! Owns the buffers and the decompression context, which serve one frame after another. Never hands on a byte of a frame
//! whose digest is wrong.

use std::fmt;
use std::io;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::archive::format::{FILES_MAGIC, MAX_WINDOW_LOG};
use crate::archive::manifest::{Frame, FrameKind};
use crate::archive::source::Source;

/// The largest piece handed on: zstd's block, so that each call of the decoder gives one.
pub(crate) const PIECE_BYTES: usize = 128 * 1024;

/// A frame longer than this is not held in memory to be checked before its content is handed on: one huge row would be there as a whole.
const MAX_HELD_BYTES: u64 = 16 << 20;

/// How much of such a frame is held at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Why a frame could not be read.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// What holds the archive could not be read.
    Read(io::Error),
    /// The frame is not what was sealed.
    Wrong(String),
    /// Whoever takes the content failed.
    Taker(io::Error),
}

/// Buffers and context for one frame at a time.
pub(crate) struct FrameReader {
    stored: Vec<u8>,
    piece: Vec<u8>,
    decoder: Decoder<'static>,
}

impl fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReader").finish_non_exhaustive()
    }
}

impl FrameReader {
    pub(crate) fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))?;
        Ok(Self { stored: Vec::new(), piece: vec![0; PIECE_BYTES], decoder })
    }

    /// Reads `frame`, whose place and length were checked against the file's.
    pub(crate) fn read(
        &mut self,
        source: &dyn Source,
        frame: &Frame,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Trouble> {
        self.decoder.reinit().map_err(|error| Trouble::Wrong(format!("zstd: {error}")))?;
        if frame.stored > MAX_HELD_BYTES && frame.kind == FrameKind::Files {
            return Err(Trouble::Wrong("it is longer than any frame of files".to_owned()));
        }
        if frame.stored > MAX_HELD_BYTES {
            return self.read_twice(source, frame, take);
        }
        let length = self.fetch(source, frame)?;
        let mut content = Content::of(frame);
        let stored = unwrapped(frame, &self.stored[..length])?;
        content.add(&mut self.decoder, stored, &mut self.piece, take)?;
        content.end()
    }

    /// A frame that is not held in memory is read to its end for its digest, and then once more: each chunk must be what it was.
    fn read_twice(
        &mut self,
        source: &dyn Source,
        frame: &Frame,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Trouble> {
        let chunks = self.digests(source, frame)?;
        let mut content = Content::of(frame);
        for (digest, (offset, length)) in chunks.iter().zip(chunks_of(frame)) {
            let chunk = held(&mut self.stored, length);
            source.read_exact_at(chunk, offset).map_err(Trouble::Read)?;
            if blake3::hash(chunk) != *digest {
                return Err(Trouble::Wrong("its bytes changed while they were read".to_owned()));
            }
            content.add(&mut self.decoder, chunk, &mut self.piece, take)?;
        }
        content.end()
    }

    /// The digests of the chunks of a frame, which as a whole agrees with its own.
    fn digests(&mut self, source: &dyn Source, frame: &Frame) -> Result<Vec<blake3::Hash>, Trouble> {
        let (mut whole, mut chunks) = (blake3::Hasher::new(), Vec::new());
        for (offset, length) in chunks_of(frame) {
            let chunk = held(&mut self.stored, length);
            source.read_exact_at(chunk, offset).map_err(Trouble::Read)?;
            whole.update(chunk);
            chunks.push(blake3::hash(chunk));
        }
        agrees(whole.finalize(), frame).map(|()| chunks)
    }

    /// Reads the stored bytes of `frame` and compares their digest, no more.
    pub(crate) fn check(&mut self, source: &dyn Source, frame: &Frame) -> Result<(), Trouble> {
        if frame.stored > MAX_HELD_BYTES {
            return self.digests(source, frame).map(drop);
        }
        self.fetch(source, frame).map(drop)
    }

    /// Gets the stored bytes, which agree with their digest, and says how many they are.
    fn fetch(&mut self, source: &dyn Source, frame: &Frame) -> Result<usize, Trouble> {
        let length = usize::try_from(frame.stored).map_err(|_| Trouble::Wrong("it is too long for this host".to_owned()))?;
        let stored = held(&mut self.stored, length);
        source.read_exact_at(stored, frame.offset).map_err(Trouble::Read)?;
        agrees(blake3::hash(stored), frame).map(|()| length)
    }
}

/// The zstd frame in the stored bytes: that of files stands in a frame that zstd skips.
fn unwrapped<'a>(frame: &Frame, stored: &'a [u8]) -> Result<&'a [u8], Trouble> {
    if frame.kind != FrameKind::Files {
        return Ok(stored);
    }
    let length = u32::try_from(stored.len().saturating_sub(8)).unwrap_or_default();
    let inside = stored.strip_prefix(&FILES_MAGIC).and_then(|rest| rest.strip_prefix(&length.to_le_bytes()));
    inside.ok_or_else(|| Trouble::Wrong("it is no frame of files".to_owned()))
}

/// The first bytes of a buffer, which is made large enough.
fn held(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}

fn agrees(digest: blake3::Hash, frame: &Frame) -> Result<(), Trouble> {
    if digest.to_hex().as_str() == frame.digest {
        return Ok(());
    }
    Err(Trouble::Wrong("its bytes disagree with their digest".to_owned()))
}

/// Where the chunks of a frame are, and how long.
fn chunks_of(frame: &Frame) -> impl Iterator<Item = (u64, usize)> {
    let (offset, end) = (frame.offset, frame.offset + frame.stored);
    let begins = (offset..end).step_by(CHUNK_BYTES);
    begins.map(move |at| (at, usize::try_from(end - at).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES))))
}

/// What is handed on of one zstd frame, which must fill the stored bytes and hold exactly as much as was sealed.
struct Content {
    left: u64,
    ended: bool,
}

impl Content {
    fn of(frame: &Frame) -> Self {
        Self { left: frame.raw, ended: false }
    }

    /// Decompresses what comes next of the stored bytes.
    fn add(
        &mut self,
        decoder: &mut Decoder<'static>,
        stored: &[u8],
        piece: &mut [u8],
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Trouble> {
        let mut input = InBuffer::around(stored);
        loop {
            if self.ended {
                return Err(Trouble::Wrong("something follows its content".to_owned()));
            }
            let mut output = OutBuffer::around(&mut *piece);
            let hint = decoder.run(&mut input, &mut output).map_err(|error| Trouble::Wrong(format!("zstd: {error}")))?;
            let given = output.pos();
            let left = self.left.checked_sub(given as u64);
            self.left = left.ok_or_else(|| Trouble::Wrong("it holds more than was sealed".to_owned()))?;
            if given > 0 {
                take(&piece[..given]).map_err(Trouble::Taker)?;
            }
            self.ended = hint == 0;
            // With room left in the piece, all that was in there is out.
            if input.pos() == stored.len() && (self.ended || given < piece.len()) {
                return Ok(());
            }
        }
    }

    /// Whether that was all of it.
    fn end(&self) -> Result<(), Trouble> {
        match (self.ended, self.left) {
            (true, 0) => Ok(()),
            (true, left) => Err(Trouble::Wrong(format!("it holds {left} bytes less than was sealed"))),
            (false, _) => Err(Trouble::Wrong("its content is cut short".to_owned())),
        }
    }
}
