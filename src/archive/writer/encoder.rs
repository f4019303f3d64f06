//! Compressing one frame, fed in pieces as small as a row.
//!
//! Owns zstd's compression contexts. A context of level 3 is some megabytes of fresh pages, so contexts and output buffers
//! are kept from one frame to the next, and released when an archive is sealed or given up; [`MAX_SPARES`] bounds them.
//! Invariant: a finished frame is one complete zstd frame with its content checksum; held by `tests/it/archive.rs`.

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

use crate::archive::ArchiveError;
use crate::archive::format::MAX_LEVEL;
use crate::archive::manifest::FrameKind;

/// How much is gathered before zstd is called: half a zstd block, so that rows of a hundred bytes cost a copy and not a call.
pub const GATHER_BYTES: usize = 64 * 1024;

/// Room made for zstd's output at a time: what one full block can become.
const OUTPUT_BYTES: usize = 128 * 1024 + 1024;

/// Contexts, and buffers, kept between frames: more workers than this on one host would wait for the database anyway.
const MAX_SPARES: usize = 16;

/// An output buffer larger than this is not kept: one huge row must not hold its memory until the end.
const MAX_SPARE_BUFFER_BYTES: usize = 16 << 20;

/// A context with its gathering buffer.
struct Press {
    encoder: Encoder<'static>,
    gathered: Vec<u8>,
}

static PRESSES: Mutex<Vec<Press>> = Mutex::new(Vec::new());
static BUFFERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn held<T>(spares: &Mutex<T>) -> MutexGuard<'_, T> {
    spares.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the buffer of a frame that was written for a frame to come.
pub(super) fn give_back(mut buffer: Vec<u8>) {
    let mut spares = held(&BUFFERS);
    if spares.len() < MAX_SPARES && buffer.capacity() <= MAX_SPARE_BUFFER_BYTES {
        buffer.clear();
        spares.push(buffer);
    }
}

/// Frees what is kept. Another archive that is being written makes its own anew.
pub(super) fn release_spares() {
    held(&PRESSES).clear();
    held(&BUFFERS).clear();
}

impl Press {
    fn take(level: i32) -> io::Result<Self> {
        if level > MAX_LEVEL {
            let why = format!("zstd level {level} is above {MAX_LEVEL}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let spare = held(&PRESSES).pop();
        let mut press = match spare {
            Some(press) => press,
            None => {
                let mut encoder = Encoder::new(level)?;
                encoder.set_parameter(CParameter::ChecksumFlag(true))?;
                encoder.set_parameter(CParameter::ContentSizeFlag(true))?;
                Self { encoder, gathered: Vec::with_capacity(GATHER_BYTES) }
            }
        };
        press.encoder.reinit()?;
        press.encoder.set_parameter(CParameter::CompressionLevel(level))?;
        Ok(press)
    }

    fn give_back(mut self) {
        let mut spares = held(&PRESSES);
        if spares.len() < MAX_SPARES {
            self.gathered.clear();
            spares.push(self);
        }
    }
}

/// Compresses one frame. Blocking and CPU-bound: use it on a thread of its own, not on the runtime's.
pub struct FrameEncoder {
    kind: FrameKind,
    table: Option<u32>,
    press: Press,
    stored: Vec<u8>,
    raw: u64,
    rows: u64,
}

impl FrameEncoder {
    /// Begins a frame. `level` is zstd's, up to [`MAX_LEVEL`].
    ///
    /// # Errors
    /// When zstd refuses the level.
    pub fn new(kind: FrameKind, table: Option<u32>, level: i32) -> Result<Self, ArchiveError> {
        let press = Press::take(level).map_err(|source| ArchiveError::Compress { source })?;
        let stored = held(&BUFFERS).pop().unwrap_or_default();
        Ok(Self { kind, table, press, stored, raw: 0, rows: 0 })
    }

    /// Adds uncompressed bytes holding `rows` rows (0 for what is not rows).
    ///
    /// # Errors
    /// When zstd fails.
    pub fn write(&mut self, bytes: &[u8], rows: u64) -> Result<(), ArchiveError> {
        self.raw += bytes.len() as u64;
        self.rows += rows;
        if self.press.gathered.len() + bytes.len() <= GATHER_BYTES {
            self.press.gathered.extend_from_slice(bytes);
            return Ok(());
        }
        self.compress_gathered().and_then(|()| self.take(bytes)).map_err(|source| ArchiveError::Compress { source })
    }

    /// Uncompressed bytes so far.
    #[must_use]
    pub fn raw(&self) -> u64 {
        self.raw
    }

    /// Ends the frame.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn finish(mut self) -> Result<EncodedFrame, ArchiveError> {
        self.end().map_err(|source| ArchiveError::Compress { source })?;
        self.press.give_back();
        let digest = blake3::hash(&self.stored).to_hex().to_string();
        Ok(EncodedFrame { kind: self.kind, table: self.table, rows: self.rows, raw: self.raw, stored: self.stored, digest })
    }

    fn end(&mut self) -> io::Result<()> {
        if self.press.gathered.len() as u64 == self.raw {
            // zstd has seen nothing yet: told the length, it writes it into the frame and uses a window no larger.
            self.press.encoder.set_pledged_src_size(Some(self.raw))?;
        }
        self.compress_gathered()?;
        loop {
            let at = make_room(&mut self.stored);
            if self.press.encoder.finish(&mut OutBuffer::around_pos(&mut self.stored, at), true)? == 0 {
                return Ok(());
            }
        }
    }

    /// Large pieces pass the gathering buffer by; what is left of less than its size begins the next one.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() < GATHER_BYTES {
            self.press.gathered.extend_from_slice(bytes);
            return Ok(());
        }
        compress(&mut self.press.encoder, bytes, &mut self.stored)
    }

    fn compress_gathered(&mut self) -> io::Result<()> {
        compress(&mut self.press.encoder, &self.press.gathered, &mut self.stored)?;
        self.press.gathered.clear();
        Ok(())
    }
}

impl fmt::Debug for FrameEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameEncoder").field("kind", &self.kind).field("raw", &self.raw).finish_non_exhaustive()
    }
}

fn compress(encoder: &mut Encoder<'static>, bytes: &[u8], stored: &mut Vec<u8>) -> io::Result<()> {
    let mut input = InBuffer::around(bytes);
    while input.pos() < bytes.len() {
        let at = make_room(stored);
        encoder.run(&mut input, &mut OutBuffer::around_pos(stored, at))?;
    }
    Ok(())
}

/// Makes room behind the content, and says where that is.
fn make_room(stored: &mut Vec<u8>) -> usize {
    stored.reserve(OUTPUT_BYTES);
    stored.len()
}

/// A frame ready to be appended.
#[derive(Debug)]
pub struct EncodedFrame {
    /// What it holds.
    pub kind: FrameKind,
    /// Index of its table, for `Data`.
    pub table: Option<u32>,
    /// Rows in it.
    pub rows: u64,
    /// Uncompressed length in bytes.
    pub raw: u64,
    /// The compressed frame.
    pub stored: Vec<u8>,
    /// BLAKE3 of `stored`, hex.
    pub digest: String,
}
