//! Reading one frame: the stored bytes, their digest, then the content.
//!
//! Owns the buffers and the decompression context, which serve one frame after another. Never hands on a byte of a frame
//! whose digest is wrong.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::archive::format::MAX_WINDOW_LOG;
use crate::archive::manifest::Frame;

/// The largest piece handed on: zstd's block, so that each call of the decoder gives one.
pub(crate) const PIECE_BYTES: usize = 128 * 1024;

/// A stored buffer larger than this is given up after its frame: one huge row must not hold its memory until the end.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// Why a frame could not be read.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The file could not be read.
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
        file: &File,
        frame: &Frame,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Trouble> {
        let length = self.fetch(file, frame)?;
        self.decoder.reinit().map_err(|error| Trouble::Wrong(format!("zstd: {error}")))?;
        let read = decompress(&mut self.decoder, &self.stored[..length], &mut self.piece, frame.raw, take);
        self.tidy();
        read
    }

    /// Reads the stored bytes of `frame` and compares their digest, no more.
    pub(crate) fn check(&mut self, file: &File, frame: &Frame) -> Result<(), Trouble> {
        let checked = self.fetch(file, frame).map(drop);
        self.tidy();
        checked
    }

    /// Gets the stored bytes, which agree with their digest, and says how many they are.
    fn fetch(&mut self, file: &File, frame: &Frame) -> Result<usize, Trouble> {
        let length = usize::try_from(frame.stored).map_err(|_| Trouble::Wrong("it is too long for this host".to_owned()))?;
        if self.stored.len() < length {
            self.stored.resize(length, 0);
        }
        let stored = &mut self.stored[..length];
        file.read_exact_at(stored, frame.offset).map_err(Trouble::Read)?;
        if blake3::hash(stored).to_hex().as_str() != frame.digest {
            return Err(Trouble::Wrong("its bytes disagree with their digest".to_owned()));
        }
        Ok(length)
    }

    fn tidy(&mut self) {
        if self.stored.len() > MAX_KEPT_BYTES {
            self.stored = Vec::new();
        }
    }
}

/// Decompresses exactly one zstd frame that fills `stored` and holds exactly `raw` bytes.
fn decompress(
    decoder: &mut Decoder<'static>,
    stored: &[u8],
    piece: &mut [u8],
    raw: u64,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Trouble> {
    let mut input = InBuffer::around(stored);
    let mut left = raw;
    loop {
        let mut output = OutBuffer::around(piece);
        let hint = decoder.run(&mut input, &mut output).map_err(|error| Trouble::Wrong(format!("zstd: {error}")))?;
        let given = output.pos();
        left = left.checked_sub(given as u64).ok_or_else(|| Trouble::Wrong("it holds more than was sealed".to_owned()))?;
        if given > 0 {
            take(&piece[..given]).map_err(Trouble::Taker)?;
        }
        let consumed = input.pos() == stored.len();
        match (hint, consumed) {
            (0, true) if left == 0 => return Ok(()),
            (0, true) => return Err(Trouble::Wrong(format!("it holds {left} bytes less than was sealed"))),
            (0, false) => return Err(Trouble::Wrong("something follows its content".to_owned())),
            (_, true) if given < piece.len() => return Err(Trouble::Wrong("its content is cut short".to_owned())),
            _ => {}
        }
    }
}
