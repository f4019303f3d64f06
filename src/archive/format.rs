//! The archive's layout on disk: constants, the footer, the checksum of rows. Described in `docs/format.md`.
//!
//! Pure: bytes in, values out.

/// The archive format written.
pub const FORMAT: u32 = 1;

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
