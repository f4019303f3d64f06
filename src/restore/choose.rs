//! Which archive a restore takes, and which nearer ones it does not. Pure.

use chrono::{DateTime, Utc};

use super::{RestoreError, Which};
use crate::ids::TargetName;
use crate::state_db::catalogue::{self, Entry, Verdict};

/// The archive that is meant. What restores and rollbacks kept of a database they replaced is only taken by name.
/// One dated in the future is taken by name, or by who asks for such a moment.
pub(crate) fn choose<'a>(
    entries: &'a [Entry],
    target: &TargetName,
    which: &Which,
    now: DateTime<Utc>,
) -> Result<&'a Entry, RestoreError> {
    let at = match which {
        Which::Label(label) => {
            let named = entries.iter().find(|entry| entry.label == *label);
            return named.ok_or_else(|| RestoreError::NoSuchArchive { target: target.clone(), label: label.clone() });
        }
        Which::At(at) => Some(*at),
        Which::Newest => None,
    };
    let newest = match at {
        Some(at) => entries.iter().filter(|entry| entry.good() && entry.taken_at <= at).max_by_key(|entry| entry.taken_at),
        None => catalogue::newest_good(entries, now),
    };
    newest.ok_or_else(|| RestoreError::NoneSuitable { target: target.clone(), at })
}

/// How many archives that were not chosen are named.
const NAMED: usize = 5;

/// Names the archives that are nearer to what was asked for than the one chosen, and why none of them was: whoever meant one of
/// them takes it by its label.
pub(super) fn passed_over(entries: &[Entry], chosen: &Entry, which: &Which, now: DateTime<Utc>) -> Vec<String> {
    let at = match which {
        Which::Label(_) => return Vec::new(),
        Which::At(at) => Some(*at),
        Which::Newest => None,
    };
    let nearer = |entry: &&Entry| entry.taken_at > chosen.taken_at && at.is_none_or(|at| entry.taken_at <= at);
    let mut nearer: Vec<&Entry> = entries.iter().filter(nearer).collect();
    nearer.sort_by_key(|entry| std::cmp::Reverse(entry.taken_at));
    let mut notes: Vec<String> = nearer
        .iter()
        .take(NAMED)
        .map(|entry| {
            let why = match entry.verdict {
                _ if entry.set_aside() => format!("{}, what a restore or a failed upgrade put aside", entry.kind),
                Verdict::Whole if entry.from_the_future(now) => "dated in the future".to_owned(),
                // Not chosen although good: not possible, for the chosen one is the newest of these.
                Verdict::Whole => entry.kind.to_string(),
                verdict => format!("{}, {verdict}", entry.kind),
            };
            format!("{} of {} is newer but was not chosen: it is {why}", entry.label, entry.taken_at.format("%F %T UTC"))
        })
        .collect();
    if let Some(more) = nearer.len().checked_sub(NAMED).filter(|more| *more > 0) {
        notes.push(format!("{more} more are newer but were not chosen: `upkeep list {}`", chosen.target));
    }
    notes
}
