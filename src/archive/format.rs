//! The archive's layout on disk: constants, the footer, the frame index's rules, the checksum of rows. Described in
//! `docs/format.md`.
//!
//! Pure: bytes in, values out. Invariant: every byte of a file is covered by a digest or by a comparison with the file's own
//! length, so that no flipped bit goes unseen; held by `tests/it/archive.rs`.

use super::manifest::{FrameKind, Manifest};

/// The newest archive format: one with files in it.
pub const FORMAT: u32 = 2;

/// The format of an archive without files, which every reader knows.
pub const FORMAT_WITHOUT_FILES: u32 = 1;

/// The first four bytes of each frame of files: zstd skips it, and what follows its length is a zstd frame.
pub const FILES_MAGIC: [u8; 4] = 0x184D_2A56_u32.to_le_bytes();

/// The first four bytes of every zstd frame.
pub const FRAME_MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// The first four bytes of the skippable frame that holds manifest and footer. zstd skips `0x184D2A50` to `0x184D2A5F`.
pub const SKIPPABLE_MAGIC: [u8; 4] = 0x184D_2A55_u32.to_le_bytes();

/// Magic and length in front of a skippable frame's content.
pub const SKIPPABLE_HEADER_BYTES: u64 = 8;

/// The last eight bytes of every archive, in every format.
pub const FOOTER_MAGIC: [u8; 8] = *b"upkeep\r\n";

/// The footer's length. It keeps length and layout in every format, so that an old reader can name a newer one.
pub const FOOTER_BYTES: usize = 84;

/// The longest frame as stored. The largest single row of any engine (1 GiB in PostgreSQL, twice that in COPY's escapes)
/// still fits; a longer length in an index is damage.
pub const MAX_STORED_FRAME_BYTES: u64 = 2 << 30;

/// The longest manifest. A frame takes about 250 bytes in the index, so this is enough for a million frames (some TiB of
/// data), and keeps a damaged length from becoming an allocation.
pub const MAX_MANIFEST_BYTES: u64 = 256 << 20;

/// The largest window a frame may ask its reader for, as a power of two: that of level 19, the highest we write (8 MiB).
pub const MAX_WINDOW_LOG: u32 = 23;

/// The highest zstd level: those above need windows that stock `zstd -d` refuses.
pub const MAX_LEVEL: i32 = 19;

/// Bytes of the footer's own digest.
const CHECK_BYTES: usize = 16;
/// Where the footer's own digest begins: it covers all before it.
const CHECK_AT: usize = FOOTER_BYTES - FOOTER_MAGIC.len() - CHECK_BYTES;

/// The last bytes of an archive: where its manifest is, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Where the manifest begins, in bytes from the start of the file.
    pub manifest_offset: u64,
    /// The manifest's length in bytes.
    pub manifest_bytes: u64,
    /// BLAKE3 of the manifest.
    pub manifest_digest: [u8; 32],
    /// The whole file's length in bytes.
    pub file_bytes: u64,
    /// The archive format.
    pub format: u32,
}

/// Why the end of a file is not a footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFooter {
    /// The magic is missing: the end was never written, was cut off, or something follows it.
    Magic,
    /// The footer's own digest disagrees.
    Check,
}

impl Footer {
    /// The bytes written.
    #[must_use]
    pub fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        bytes[0..8].copy_from_slice(&self.manifest_offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.manifest_bytes.to_le_bytes());
        bytes[16..48].copy_from_slice(&self.manifest_digest);
        bytes[48..56].copy_from_slice(&self.file_bytes.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.format.to_le_bytes());
        let check = blake3::hash(&bytes[..CHECK_AT]);
        bytes[CHECK_AT..CHECK_AT + CHECK_BYTES].copy_from_slice(&check.as_bytes()[..CHECK_BYTES]);
        bytes[CHECK_AT + CHECK_BYTES..].copy_from_slice(&FOOTER_MAGIC);
        bytes
    }

    /// Reads a footer back.
    ///
    /// # Errors
    /// When magic or digest disagree.
    pub fn decode(bytes: &[u8; FOOTER_BYTES]) -> Result<Self, NoFooter> {
        if bytes[CHECK_AT + CHECK_BYTES..] != FOOTER_MAGIC {
            return Err(NoFooter::Magic);
        }
        let check = blake3::hash(&bytes[..CHECK_AT]);
        if bytes[CHECK_AT..CHECK_AT + CHECK_BYTES] != check.as_bytes()[..CHECK_BYTES] {
            return Err(NoFooter::Check);
        }
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(eight)
        };
        let mut manifest_digest = [0; 32];
        manifest_digest.copy_from_slice(&bytes[16..48]);
        let format = u32::from_le_bytes([bytes[56], bytes[57], bytes[58], bytes[59]]);
        Ok(Self { manifest_offset: number(0), manifest_bytes: number(8), manifest_digest, file_bytes: number(48), format })
    }
}

/// Checks that the frame index accounts for every byte before `frames_end`, and that its sums are the manifest's.
///
/// The writer asks before it seals and the reader before it believes, so that no archive is sealed that cannot be read.
///
/// # Errors
/// The first disagreement, as a clause.
pub fn check_index(manifest: &Manifest, frames_end: u64) -> Result<(), String> {
    let mut at = 0_u64;
    let mut raw_bytes = 0_u64;
    let mut rows: Vec<u64> = vec![0; manifest.tables.len()];
    for (number, frame) in manifest.frames.iter().enumerate() {
        if frame.offset != at {
            return Err(format!("frame {number} begins at {} and not at {at}", frame.offset));
        }
        if frame.stored == 0 || frame.stored > MAX_STORED_FRAME_BYTES {
            return Err(format!("frame {number} cannot be {} bytes long", frame.stored));
        }
        if frame.digest.len() != 64 {
            return Err(format!("frame {number} has no digest"));
        }
        at = at.checked_add(frame.stored).filter(|end| *end <= frames_end).ok_or("the frames pass the end of the file")?;
        raw_bytes = raw_bytes.checked_add(frame.raw).ok_or("the frames' lengths cannot be added up")?;
        match (frame.kind, frame.table) {
            (FrameKind::Data, None) => return Err(format!("frame {number} holds data of no table")),
            (kind, Some(table)) => {
                let sum =
                    rows.get_mut(table as usize).ok_or(format!("frame {number} names table {table}, which is not there"))?;
                if matches!(kind, FrameKind::Data | FrameKind::LargeObjects) {
                    *sum = sum.checked_add(frame.rows).ok_or("the rows cannot be added up")?;
                }
            }
            (_, None) => {}
        }
    }
    if at != frames_end {
        return Err(format!("{} bytes between the frames and the manifest belong to nothing", frames_end - at));
    }
    if (raw_bytes, at) != (manifest.raw_bytes, manifest.stored_bytes) {
        return Err("the frames' lengths do not add up to the manifest's".to_owned());
    }
    let holds_rows = manifest.frames.iter().any(|frame| frame.kind == FrameKind::Data);
    match manifest.tables.iter().zip(&rows).find(|(table, rows)| holds_rows && table.rows != **rows) {
        Some((table, rows)) => {
            Err(format!("the frames hold {rows} rows of {}, the manifest says {}", table.qualified(), table.rows))
        }
        None => Ok(()),
    }
}

/// The order-independent checksum of a set of rows: each row's XXH3-128 added up modulo 2^128.
///
/// Rows in any order and split over any number of workers give the same sum; a row present twice counts twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowSum(u128);

impl RowSum {
    /// Counts one row's bytes in.
    pub fn add(&mut self, row: &[u8]) {
        self.0 = self.0.wrapping_add(xxhash_rust::xxh3::xxh3_128(row));
    }

    /// Counts a row in that was hashed piece by piece.
    pub fn add_hashed(&mut self, row: &xxhash_rust::xxh3::Xxh3) {
        self.0 = self.0.wrapping_add(row.digest128());
    }

    /// Counts another worker's sum in.
    pub fn merge(&mut self, other: RowSum) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// 32 lower-case hex digits.
    #[must_use]
    pub fn hex(self) -> String {
        format!("{:032x}", self.0)
    }
}
