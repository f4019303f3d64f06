//! How much room archives take, and for how many days there is more.
//!
//! Pure but for the one question to the file system. An estimate for people; nothing is decided by it.

use std::path::Path;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::durable;
use crate::state_db::catalogue::{Entry, Verdict};

/// The days whose archives make the present growth: long enough for a weekly rhythm, short enough to follow a change.
pub const GROWTH_DAYS: u32 = 14;

/// Less than this is no growth to go by: the archives of a first afternoon say nothing of a month.
const LEAST: Duration = Duration::days(2);

/// What archives take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Growth {
    /// Archives on disk.
    pub archives: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of archives that come in a day, before retention takes any out; nought where that is not known yet.
    pub bytes_per_day: u64,
}

/// What archives take and bring, as of `now`.
#[must_use]
pub fn growth(entries: &[Entry], now: DateTime<Utc>) -> Growth {
    let there = || entries.iter().filter(|entry| entry.verdict != Verdict::Missing);
    let since = now - Duration::days(i64::from(GROWTH_DAYS));
    let recent = || there().filter(|entry| entry.taken_at > since && entry.taken_at <= now);
    // A store younger than the span is measured over its own age.
    let oldest = recent().map(|entry| entry.taken_at).min().unwrap_or(now);
    let days = u64::try_from((now - oldest).num_days()).unwrap_or(0).saturating_add(1).min(u64::from(GROWTH_DAYS));
    let measured = now - oldest >= LEAST && recent().count() > 1;
    Growth {
        archives: there().count() as u64,
        bytes: there().map(|entry| entry.size).sum(),
        bytes_per_day: if measured { recent().map(|entry| entry.size).sum::<u64>() / days } else { 0 },
    }
}

/// Days until the file system of `directory` is full at this growth; none when nothing grows.
///
/// # Errors
/// When the file system cannot be asked.
pub fn days_left(directory: &Path, growth: Growth) -> Result<Option<u64>, StoreError> {
    Ok(durable::free_bytes(directory)?.checked_div(growth.bytes_per_day))
}
