//! Compressing one frame, fed in pieces as small as a row.
//!
//! Owns zstd's compression contexts and the choice of [`Method`]. A frame of up to [`GATHER_BYTES`] is compressed at once: zstd then matches within one
//! contiguous piece, which takes half the time of streaming through its own ring buffer. A longer one streams. A context of
//! level 3 is some megabytes of fresh pages, so contexts and buffers are kept from one frame to the next, and released when
//! an archive is sealed or given up; [`MAX_SPARES`] bounds them.
//!
//! Rows full of digests and identifiers defeat the short matches that a higher level looks for: the fastest level can make
//! *less* of them, in a fifth of the time. So a part of each frame is tried both ways, and the frame is compressed the way
//! that made less (`docs/decisions/004-level-is-a-ceiling.md`). The choice depends on the frame's content alone: equal content
//! gives equal bytes, however many workers there are.
//!
//! Invariant: a finished frame is one complete zstd frame with its content checksum; held by `tests/it/archive.rs`.

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zstd::bulk::Compressor;
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

use crate::archive::ArchiveError;
use crate::archive::format::{FILES_MAGIC, MAX_LEVEL};
use crate::archive::manifest::FrameKind;

/// How much is gathered before zstd is called. Whoever cuts his own frames ends them below it. Each worker holds this much,
/// so it is what memory allows: three workers, their output and the queue stay under 64 MiB.
pub const GATHER_BYTES: usize = 8 << 20;

/// Room made for zstd's output at a time: what one full block can become.
const OUTPUT_BYTES: usize = 128 * 1024 + 1024;

/// Contexts, and buffers, kept between frames: more workers than this on one host would wait for the database anyway.
const MAX_SPARES: usize = 16;

/// An output buffer larger than this is not kept: one huge row must not hold its memory until the end.
const MAX_SPARE_BUFFER_BYTES: usize = 16 << 20;

/// The level tried against the one asked for.
const FAST_LEVEL: i32 = 1;

/// zstd's window for the fast method, as a power of two: that of level 3, so that the two differ in effort and not in how far
/// back they see, which a sample would not show.
const FAST_WINDOW_LOG: u32 = 21;

/// How much of a frame is tried both ways: a thirtieth of a full one, so that a trial costs little, and some hundred rows. zstd has
/// other methods for up to 256 KiB, of which a smaller sample would tell.
const SAMPLE_BYTES: usize = 272 * 1024;

/// How a frame is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// At the level asked for.
    Asked,
    /// At [`FAST_LEVEL`].
    Fast,
}

/// Contexts with their gathering buffer.
struct Press {
    level: i32,
    whole: Compressor<'static>,
    /// Made when the first frame outgrows [`GATHER_BYTES`].
    stream: Option<Encoder<'static>>,
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
                let mut whole = Compressor::new(level)?;
                whole.set_parameter(CParameter::ChecksumFlag(true))?;
                whole.set_parameter(CParameter::ContentSizeFlag(true))?;
                Self { level, whole, stream: None, gathered: Vec::new() }
            }
        };
        press.level = level;
        Ok(press)
    }

    /// Compresses what was gathered into `stored`, which is overwritten.
    fn press(&mut self, stored: &mut Vec<u8>) -> io::Result<()> {
        // Room for the worst case, so that zstd works straight into it; only what is written becomes memory.
        stored.reserve(zstd::zstd_safe::compress_bound(self.gathered.len()));
        let sample = self.gathered.len().min(SAMPLE_BYTES);
        let method = if self.level <= FAST_LEVEL {
            Method::Asked
        } else if self.compress(Method::Fast, sample, stored)? <= self.compress(Method::Asked, sample, stored)? {
            Method::Fast
        } else {
            Method::Asked
        };
        self.compress(method, self.gathered.len(), stored).map(drop)
    }

    /// Compresses the first `length` bytes gathered, and gives how many they became.
    fn compress(&mut self, method: Method, length: usize, stored: &mut Vec<u8>) -> io::Result<usize> {
        let (level, window_log) = match method {
            Method::Asked => (self.level, 0), // The level's own.
            Method::Fast => (FAST_LEVEL, FAST_WINDOW_LOG),
        };
        self.whole.set_parameter(CParameter::CompressionLevel(level))?;
        self.whole.set_parameter(CParameter::WindowLog(window_log))?;
        self.whole.compress_to_buffer(&self.gathered[..length], stored)
    }

    /// Begins streaming: the frame will not fit.
    fn begin_stream(&mut self) -> io::Result<Encoder<'static>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let mut stream = Encoder::new(self.level)?;
                stream.set_parameter(CParameter::ChecksumFlag(true))?;
                stream.set_parameter(CParameter::ContentSizeFlag(true))?;
                stream
            }
        };
        stream.reinit()?;
        stream.set_parameter(CParameter::CompressionLevel(self.level))?;
        Ok(stream)
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
    /// Set once the frame outgrew its gathering buffer.
    streaming: Option<Encoder<'static>>,
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
        Ok(Self { kind, table, press, streaming: None, stored, raw: 0, rows: 0 })
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
        self.overflow(bytes).map_err(|source| ArchiveError::Compress { source })
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
        self.press.stream = self.streaming.or(self.press.stream);
        self.press.give_back();
        if self.kind == FrameKind::Files {
            let too_long = || io::Error::other("a frame of files is longer than zstd can skip");
            let length = u32::try_from(self.stored.len()).map_err(|_| ArchiveError::Compress { source: too_long() })?;
            drop(self.stored.splice(0..0, [FILES_MAGIC, length.to_le_bytes()].concat()));
        }
        let digest = blake3::hash(&self.stored).to_hex().to_string();
        Ok(EncodedFrame { kind: self.kind, table: self.table, rows: self.rows, raw: self.raw, stored: self.stored, digest })
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.streaming else {
            return self.press.press(&mut self.stored);
        };
        compress(stream, &self.press.gathered, &mut self.stored)?;
        loop {
            let at = make_room(&mut self.stored);
            if stream.finish(&mut OutBuffer::around_pos(&mut self.stored, at), true)? == 0 {
                return Ok(());
            }
        }
    }

    /// Streams what was gathered and what comes now, and gathers no more than a block at a time from here on.
    fn overflow(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = match self.streaming.take() {
            Some(stream) => stream,
            None => self.press.begin_stream()?,
        };
        compress(&mut stream, &self.press.gathered, &mut self.stored)?;
        self.press.gathered.clear();
        compress(&mut stream, bytes, &mut self.stored)?;
        self.streaming = Some(stream);
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
