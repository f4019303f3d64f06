//! A sudden drop: the newest archive holds far less than those before it.
//!
//! A perfectly valid archive of an emptied database looks good in every other way; so deletion stops until somebody looked,
//! or until the smaller size has stood for [`COMPARED`] archives and is the new normal.

use chrono::{DateTime, Utc};

use super::{Candidate, counts};

/// Archives before the newest one that it is compared with.
pub(super) const COMPARED: usize = 3;

/// Below this many rows before, only a drop to nothing is one: small tables halve in everyday use.
pub(super) const ROWS_THAT_MATTER: u64 = 100;

/// The same for uncompressed bytes; it is above what an empty database of any engine takes for its schema.
pub(super) const BYTES_THAT_MATTER: u64 = 1 << 20;

/// What a person should know when the newest verified archive holds less than half of what one of those before it holds.
#[must_use]
pub fn sudden_drop(archives: &[Candidate], now: DateTime<Utc>) -> Option<String> {
    let mut counted: Vec<&Candidate> = archives.iter().filter(|archive| counts(archive, now)).collect();
    counted.sort_by(|a, b| (b.taken_at, &b.label).cmp(&(a.taken_at, &a.label)));
    let (newest, before) = counted.split_first()?;
    before.iter().take(COMPARED).find_map(|old| {
        let what = if halved(newest.rows, old.rows, ROWS_THAT_MATTER) || (newest.rows == 0 && old.rows > 0) {
            format!("{} rows, and {} held {}", newest.rows, old.label, old.rows)
        } else if halved(newest.raw_bytes, old.raw_bytes, BYTES_THAT_MATTER) {
            format!("{} bytes, and {} held {}", newest.raw_bytes, old.label, old.raw_bytes)
        } else {
            return None;
        };
        Some(format!("the newest archive {} holds {what}: nothing is deleted until this was looked at", newest.label))
    })
}

fn halved(new: u64, old: u64, matters: u64) -> bool {
    old >= matters && new < old / 2
}
