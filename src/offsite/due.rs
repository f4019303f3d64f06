//! What is owed to a place, what may not be deleted here before it is there, and what is to be read again. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Copies;
use crate::ids::{Label, PlaceName};
use crate::state_db::catalogue::{Entry, Verdict};
use crate::state_db::copies::{Copy, CopyState};

/// How long retention waits for a copy, from when it first found it lacking: after two weeks somebody has been told often enough, and other archives need the room.
pub const WAITS: TimeDelta = TimeDelta::days(14);

/// Retention waits for copies only while there is room for this many archives as large as the largest: the next backups go first.
pub const RESERVE: u64 = 2;

/// Whether an archive is one that is copied: whole, of a moment that has come, and of a kind that is asked for or pinned.
#[must_use]
pub fn is_wanted(entry: &Entry, copies: &Copies, now: DateTime<Utc>) -> bool {
    let kind = copies.kinds.contains(&entry.kind) || entry.pinned.is_some();
    kind && entry.verdict == Verdict::Whole && !entry.from_the_future(now)
}

/// The archives of a target that are not at a place, as far as was seen, newest first: the exposure ends with the first.
fn lacking<'a>(entries: &'a [Entry], seen: &[Copy], place: &PlaceName, copies: &Copies, now: DateTime<Utc>) -> Vec<&'a Entry> {
    let there = |label: &Label| seen.iter().any(|copy| copy.place == *place && copy.label == *label && copy.is_there());
    let mut lacking: Vec<&Entry> =
        entries.iter().filter(|entry| is_wanted(entry, copies, now) && !there(&entry.label)).collect();
    lacking.sort_by(|a, b| (b.taken_at, &b.label).cmp(&(a.taken_at, &a.label)));
    lacking
}

/// Those of them that can be sent: where something stands in the way of one, a person has to move it first.
#[must_use]
pub fn owed<'a>(entries: &'a [Entry], seen: &[Copy], place: &PlaceName, copies: &Copies, now: DateTime<Utc>) -> Vec<&'a Entry> {
    let barred = |label: &Label| {
        let bars = |copy: &Copy| matches!(copy.state, CopyState::Damaged | CopyState::Foreign);
        seen.iter().any(|copy| copy.place == *place && copy.label == *label && bars(copy))
    };
    lacking(entries, seen, place, copies, now).into_iter().filter(|entry| !barred(&entry.label)).collect()
}

/// Which of the archives that retention would delete wait for a copy (with where), and which do not wait although they have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// They stay, until they are at these places.
    pub stay: BTreeMap<Label, Vec<PlaceName>>,
    /// They go without a copy at these places, and somebody should know.
    pub lost: BTreeMap<Label, Vec<PlaceName>>,
}

/// Since when an archive is waited for: since it was first found doomed without its copy, which `since` remembers, or since the copy that it
/// had was found not to be well. A moment that has not come says nothing.
fn waits_since(entry: &Entry, seen: &[Copy], since: &BTreeMap<Label, DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    let ill = |copy: &&Copy| matches!(copy.state, CopyState::Damaged | CopyState::Foreign | CopyState::Missing);
    let ill = seen.iter().filter(ill).filter(|copy| copy.label == entry.label).map(|copy| copy.at);
    let first = since.get(&entry.label).copied().filter(|first| *first <= now).unwrap_or(now);
    ill.filter(|at| *at <= now).fold(first, DateTime::max)
}

/// Decides which of `doomed` wait. `since` remembers from when each is waited for, `free` is the room where they lie, `largest` the length
/// of the largest archive.
#[must_use]
pub fn waiting(
    doomed: &[&Entry],
    seen: &[Copy],
    copies: &Copies,
    since: &BTreeMap<Label, DateTime<Utc>>,
    (free, largest): (Option<u64>, u64),
    now: DateTime<Utc>,
) -> Waiting {
    let mut waiting = Waiting::default();
    let lacks = |entry: &Entry| -> Vec<PlaceName> {
        let there =
            |place: &PlaceName| seen.iter().any(|copy| copy.place == *place && copy.label == entry.label && copy.is_there());
        if !is_wanted(entry, copies, now) {
            return Vec::new();
        }
        copies.to.iter().filter(|place| !there(place)).cloned().collect()
    };
    let (uncopied, copied): (Vec<&Entry>, Vec<&Entry>) = doomed.iter().partition(|entry| !lacks(entry).is_empty());
    // What goes anyway makes room too.
    let mut room = free.map(|free| free.saturating_add(copied.iter().map(|entry| entry.size).sum()));
    let mut uncopied = uncopied;
    uncopied.sort_by_key(|entry| entry.taken_at);
    for entry in uncopied {
        let tight = room.is_some_and(|room| room < largest.saturating_mul(RESERVE));
        let to = lacks(entry);
        if tight || now - waits_since(entry, seen, since, now) > WAITS {
            room = room.map(|room| room.saturating_add(entry.size));
            waiting.lost.insert(entry.label.clone(), to);
        } else {
            waiting.stay.insert(entry.label.clone(), to);
        }
    }
    waiting
}

/// The copies to be read back now, those first that were not for longest: as many as keep up with `reread` when this is asked every `every`.
#[must_use]
pub fn to_reread(there: &[Copy], reread: Duration, every: Duration, now: DateTime<Utc>) -> Vec<&Copy> {
    let reread = TimeDelta::from_std(reread).unwrap_or(TimeDelta::MAX);
    let last = |copy: &Copy| copy.verified_at.filter(|at| *at <= now);
    let mut due: Vec<&Copy> =
        there.iter().filter(|copy| copy.is_there() && last(copy).is_none_or(|at| now - at >= reread)).collect();
    due.sort_by_key(|copy| last(copy));
    let rounds = u64::try_from(reread.num_seconds()).unwrap_or(u64::MAX) / every.as_secs().max(1);
    let share = (there.len() as u64).div_ceil(rounds.max(1));
    due.truncate(usize::try_from(share).unwrap_or(usize::MAX));
    due
}

#[cfg(test)]
mod tests;
