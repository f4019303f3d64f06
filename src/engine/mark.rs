//! What proves that a scratch is ours, and what becomes of one that was to go.

use crate::ids::DrillId;

/// What became of one that was to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// There was none.
    WasNotThere,
    /// It is gone.
    Dropped,
    /// There is something that nobody can prove to be it: why. It is left alone.
    NotOurs(String),
}

/// The number that marks a scratch on PostgreSQL: of ten digits, as no limit of connections is that anybody means.
pub(super) fn number_of(id: &DrillId) -> u32 {
    const LEAST: u32 = 1_000_000_000;
    let [a, b, c, d, ..] = *blake3::hash(id.as_str().as_bytes()).as_bytes();
    LEAST + u32::from_le_bytes([a, b, c, d]) % LEAST
}
