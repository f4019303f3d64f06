//! What is told of copies, from what was last seen of them: no answer waits for a place.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{Config, Copies, Target};
use crate::ids::PlaceName;
use crate::offsite::{due, unproven};
use crate::state_db::catalogue::Entry;
use crate::state_db::copies::{Copy, CopyState, Known};
use crate::state_db::{StateDb, StateError};
use crate::wire::{CopiesStatus, CopyStatus};

/// How many labels a problem names.
const NAMED: usize = 3;

/// What our own state says of a target's copies.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownCopies {
    places: Vec<(PlaceName, &'static str, Option<Known>)>,
    seen: Vec<Copy>,
    keys: Vec<Keys>,
}

/// To whom copies at a place are encrypted.
#[derive(Debug, Clone)]
struct Keys {
    place: PlaceName,
    encrypt_to: Vec<String>,
    unproven: Vec<String>,
}

/// Reads it.
pub(super) async fn known(state: &StateDb, config: &Config, target: &Target) -> Result<KnownCopies, StateError> {
    let mut known = KnownCopies::default();
    if target.offsite.to.is_empty() {
        return Ok(known);
    }
    for name in &target.offsite.to {
        let Some(offsite) = config.offsite.get(name) else { continue };
        let encrypt_to: Vec<String> = offsite.encrypt_to.iter().map(ToString::to_string).collect();
        if !encrypt_to.is_empty() {
            let unproven = unproven(state, offsite).await?;
            known.keys.push(Keys { place: name.clone(), encrypt_to, unproven });
        }
        known.places.push((name.clone(), offsite.kind.word(), state.place(name).await?.filter(Known::is_set_up)));
    }
    known.seen = state.copies(None, Some(&target.name)).await?;
    Ok(known)
}

/// How a target's copies stand, one for each place.
pub(super) fn standing(known: &KnownCopies, entries: &[Entry], copies: &Copies, now: DateTime<Utc>) -> Vec<CopiesStatus> {
    let one = |(name, kind, place): &(PlaceName, &'static str, Option<Known>)| {
        let there = || known.seen.iter().filter(|copy| copy.place == *name && copy.is_there());
        let owed = due::owed(entries, &known.seen, name, copies, now);
        let newest = there().max_by_key(|copy| copy.taken_at);
        let reads: Option<Vec<DateTime<Utc>>> = there().map(|copy| copy.verified_at).collect();
        let keys = known.keys.iter().find(|keys| keys.place == *name);
        let error = match place {
            None => Some((format!("it is not set up on this host: `upkeep offsite init {name}`"), None)),
            Some(place) => place.error.clone().map(|(why, since)| (why, Some(since))),
        };
        CopiesStatus {
            place: name.clone(),
            kind: (*kind).to_owned(),
            copied: there().count() as u64,
            owed: owed.len() as u64,
            owed_bytes: owed.iter().map(|entry| entry.size).sum(),
            oldest_owed: owed.last().map(|entry| entry.taken_at),
            newest: newest.map(|copy| CopyStatus { label: copy.label.clone(), taken_at: copy.taken_at }),
            verified_since: reads.and_then(|reads| reads.into_iter().min()),
            error_since: error.as_ref().and_then(|(_, since)| *since),
            error: error.map(|(why, _)| why),
            reached_at: place.as_ref().and_then(|place| place.reached_at),
            encrypt_to: keys.map(|keys| keys.encrypt_to.clone()).unwrap_or_default(),
            unproven: keys.map(|keys| keys.unproven.clone()).unwrap_or_default(),
        }
    };
    known.places.iter().map(one).collect()
}

/// What a person should look at. What changes while it lasts stands behind a colon, or nowhere: it is one problem.
pub(super) fn problems(known: &KnownCopies, standing: &[CopiesStatus], copies: &Copies, now: DateTime<Utc>) -> Vec<String> {
    let mut problems = Vec::new();
    for one in standing {
        let place = &one.place;
        let late = one.oldest_owed.filter(|oldest| is_late(*oldest, copies, now));
        match (&one.error, late) {
            (Some(why), _) => {
                let since = one.error_since.map(|at| format!(" (since {})", at.format("%F %R UTC"))).unwrap_or_default();
                problems.push(format!(
                    "copies to {place} cannot be made: {why}{since}; archives are taken all the same, and sent when they can be"
                ));
            }
            (None, Some(oldest)) => problems.push(format!(
                "copies to {place} are late: one of {} is still owed; send it now: `upkeep copy --to {place}`",
                oldest.format("%F %R UTC")
            )),
            (None, None) => {}
        }
        let of = |state: CopyState| known.seen.iter().filter(move |copy| copy.place == *place && copy.state == state);
        for bad in of(CopyState::Damaged).chain(of(CopyState::Foreign)) {
            let why = bad.why.clone().unwrap_or_default();
            let hint = "move it out of the way at that place; upkeep sends it again as long as the archive is here";
            problems.push(format!("the copy of {} at {place} is {}: {why}; {hint}", bad.label, bad.state));
        }
        for bad in of(CopyState::Failed) {
            problems.push(format!(
                "archive {} cannot be copied to {place}: {}",
                bad.label,
                bad.why.clone().unwrap_or_default()
            ));
        }
        problems.extend(several(
            of(CopyState::Missing),
            &format!("copies are missing at {place}"),
            "somebody deleted them there",
        ));
        let lost = format!("archives were deleted before they were copied to {place}");
        problems.extend(several(of(CopyState::Lost), &lost, "retention needed the room, or had waited for two weeks"));
    }
    problems
}

fn several<'a>(copies: impl Iterator<Item = &'a Copy>, what: &str, why: &str) -> Option<String> {
    let labels: Vec<&str> = copies.map(|copy| copy.label.as_str()).collect();
    let more = labels.len().saturating_sub(NAMED);
    let named = labels.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!labels.is_empty()).then(|| format!("{what}: {named}{more}; {why}"))
}

fn is_late(oldest: DateTime<Utc>, copies: &Copies, now: DateTime<Utc>) -> bool {
    limit(copies).is_some_and(|limit| now - oldest > limit)
}

fn limit(copies: &Copies) -> Option<TimeDelta> {
    copies.max_age.and_then(|age| TimeDelta::from_std(age).ok())
}

/// The moments at which one of them becomes late though nothing happens.
pub(super) fn late_at(known: &KnownCopies, entries: &[Entry], copies: &Copies, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let Some(limit) = limit(copies) else { return Vec::new() };
    let oldest = standing(known, entries, copies, now).into_iter().filter_map(|one| one.oldest_owed);
    oldest.map(|oldest| oldest + limit + TimeDelta::milliseconds(1)).collect()
}

#[cfg(test)]
mod tests;
