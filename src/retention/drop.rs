//! A sudden drop: an archive holds far less than those before it.
//!
//! A perfectly valid archive of an emptied database looks good in every other way; so deletion stops until a person has looked and
//! said so. What was said, and what was compared already, is given as [`Compared`].

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Candidate, counts};

/// Archives before one that it is compared with.
pub(super) const COMPARED: usize = 3;

/// Below this many rows before, only a drop to nothing is one: small tables halve in everyday use.
pub(super) const ROWS_THAT_MATTER: u64 = 100;

/// The same for uncompressed bytes; it is above what an empty database of any engine takes for its schema.
pub(super) const BYTES_THAT_MATTER: u64 = 1 << 20;

/// How far archives were compared with those before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Compared {
    /// The newest archive that was: each newer one is compared now, however many came since. None: only the newest is.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
    /// The newest archive when a person last looked: what was before it is no measure any more.
    #[serde(default)]
    pub looked: Option<DateTime<Utc>>,
}

/// The newest archive that takes part, as far as which archives are compared.
#[must_use]
pub fn newest_compared(archives: &[Candidate], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    archives.iter().filter(|archive| counts(archive, now)).map(|archive| archive.taken_at).max()
}

/// What a person should know when a verified archive that is not compared yet holds less than half of what one of those before it
/// holds.
#[must_use]
pub fn sudden_drop(archives: &[Candidate], compared: Compared, now: DateTime<Utc>) -> Option<String> {
    let mut counted: Vec<&Candidate> = archives.iter().filter(|archive| counts(archive, now)).collect();
    counted.sort_by(|a, b| (b.taken_at, &b.label).cmp(&(a.taken_at, &a.label)));
    // A moment that has not come was remembered under a clock that was wrong.
    let known = |moment: Option<DateTime<Utc>>| moment.filter(|moment| *moment <= now + super::SKEW);
    let (until, looked) = (known(compared.until), known(compared.looked));
    let fresh = counted.iter().take_while(|archive| until.is_some_and(|until| archive.taken_at > until)).count().max(1);
    // The oldest of them first: it is where it began.
    (0..fresh.min(counted.len())).rev().find_map(|at| {
        // One that was not to hold what an older one holds says nothing by holding less.
        let before = counted[at + 1..].iter().filter(|old| has_all_of(counted[at], old)).take(COMPARED);
        before.filter(|old| looked.is_none_or(|looked| old.taken_at >= looked)).find_map(|old| dropped(counted[at], old))
    })
}

/// Whether the newer one was to hold what the older one holds. Which tables a pattern names grows with the tables (a partition a day): where
/// rows were left out before, more names say nothing.
fn has_all_of(new: &Candidate, old: &Candidate) -> bool {
    new.without_rows.is_empty() || !old.without_rows.is_empty()
}

fn dropped(new: &Candidate, old: &Candidate) -> Option<String> {
    let what = if halved(new.rows, old.rows, ROWS_THAT_MATTER) || (new.rows == 0 && old.rows > 0) {
        format!("{} rows, and {} held {}", new.rows, old.label, old.rows)
    } else if halved(new.raw_bytes, old.raw_bytes, BYTES_THAT_MATTER) {
        format!("{} bytes, and {} held {}", new.raw_bytes, old.label, old.raw_bytes)
    } else {
        return None;
    };
    Some(format!("archive {} holds {what}", new.label))
}

fn halved(new: u64, old: u64, matters: u64) -> bool {
    old >= matters && new < old / 2
}
