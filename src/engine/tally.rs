//! Sums over rows: what a dump writes into the manifest, and what a load is measured by.

use super::{EngineError, Loaded, Mismatch};
use crate::archive::format::RowSum;
use crate::archive::manifest::{Manifest, Table};

/// Sums over one table's rows, mergeable.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Rows.
    pub(super) rows: u64,
    /// Bytes they take in an archive.
    pub(super) bytes: u64,
    /// The checksum.
    pub(super) sum: RowSum,
    /// The sum over what the server computed in them, where that is asked for.
    pub(super) computed: u64,
    /// Rows that are passed over, where they are asked for.
    pub(super) passed_over: u64,
}

impl Tally {
    /// Counts a row, which takes this many bytes with what ends it.
    pub(super) fn add(&mut self, row: &[u8], bytes: usize) {
        self.rows += 1;
        self.bytes += bytes as u64;
        self.sum.add(row);
    }

    /// Counts another worker's.
    pub(super) fn merge(&mut self, other: &Tally) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.sum.merge(other.sum);
        self.computed = self.computed.wrapping_add(other.computed);
        self.passed_over += other.passed_over;
    }
}

/// Takes rows, several at once and whole ones only.
pub(super) trait TakeRows: Send {
    /// `rows` rows in `piece`.
    fn take(&mut self, piece: &[u8], rows: u64) -> Result<(), EngineError>;
}

/// Takes nothing: for sums alone.
pub(super) struct Nowhere;

impl TakeRows for Nowhere {
    fn take(&mut self, _piece: &[u8], _rows: u64) -> Result<(), EngineError> {
        Ok(())
    }
}

/// The manifest's tables whose rows are not what was found; a table without a sum is not there.
pub(super) fn differing(manifest: &Manifest, found: impl Fn(&Table) -> Option<Tally>) -> Vec<Mismatch> {
    let differs = |table: &Table| {
        let (rows, checksum) = found(table).map_or((0, "no such table".to_owned()), |tally| (tally.rows, tally.sum.hex()));
        (rows != table.rows || checksum != table.checksum).then(|| Mismatch {
            table: table.qualified(),
            rows: (table.rows, rows),
            checksum: (table.checksum.clone(), checksum),
        })
    };
    manifest.tables.iter().filter_map(differs).collect()
}

/// What a load did, if nothing differs.
pub(super) fn verdict(manifest: &Manifest, mismatches: Vec<Mismatch>) -> Result<Loaded, EngineError> {
    if mismatches.is_empty() {
        return Ok(Loaded { tables: manifest.tables.len() as u64, rows: manifest.rows(), ..Loaded::default() });
    }
    Err(EngineError::Differs(mismatches))
}

#[cfg(test)]
mod tests;
