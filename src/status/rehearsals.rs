//! Rehearsals as a status tells of them. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::Rehearsals;
use crate::failure::Failure;
use crate::ids::TargetName;
use crate::pen::human;
use crate::schedule;
use crate::state_db::StateDb;
use crate::state_db::rehearsals::{Rehearsal, Verdict};
use crate::upgrade::{Phase, Summary};
use crate::wire::RehearsalStatus;

/// What our own state says of a target's rehearsals.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownRehearsal {
    last: Option<Rehearsal>,
    /// The moment the newest served run of the schedule was due.
    mark: Option<DateTime<Utc>>,
}

pub(super) async fn known(state: &StateDb, target: &TargetName) -> Result<KnownRehearsal, Failure> {
    let last = state.last_rehearsal(target, None).await?;
    Ok(KnownRehearsal { last, mark: state.schedule_mark(target, "rehearse").await? })
}

pub(super) fn standing(known: &KnownRehearsal, settings: &Rehearsals, now: DateTime<Utc>) -> Option<RehearsalStatus> {
    let next = settings.schedule.as_ref().and_then(|schedule| {
        schedule.next_after(schedule::believed(schedule, known.mark, now).map_or(now, |mark| mark.max(now)))
    });
    let last = of(known.last.as_ref());
    if last.is_none() && next.is_none() {
        return None;
    }
    Some(RehearsalStatus { next, ..last.unwrap_or_default() })
}

/// One, as the socket tells it.
pub(crate) fn of(rehearsal: Option<&Rehearsal>) -> Option<RehearsalStatus> {
    let last = rehearsal?;
    Some(RehearsalStatus {
        outcome: Some(last.verdict.as_str().to_owned()),
        at: Some(last.at),
        label: last.label.clone(),
        from: last.from.clone(),
        to: Some(last.to.clone()),
        message: last.said.clone(),
        restore_ms: last.restore_ms,
        migrate_ms: last.migrate_ms,
        downtime_ms: last.downtime_ms,
        next: None,
    })
}

/// A release that did not pass, until one does or it was upgraded to all the same.
pub(super) fn problem(known: &KnownRehearsal, upgrade: Option<&Summary>) -> Option<String> {
    let last = known.last.as_ref().filter(|last| last.verdict == Verdict::Failed)?;
    let is_behind = |upgrade: &&Summary| {
        matches!(upgrade.phase, Phase::Committed | Phase::Accepted)
            && upgrade.ended_at.is_some_and(|at| at > last.at)
            && upgrade.to >= last.to
    };
    if upgrade.filter(is_behind).is_some() {
        return None;
    }
    let (why, target, to) = (last.said.clone().unwrap_or_default(), &last.target, &last.to);
    Some(format!("release {to} did not pass its rehearsal: {why}; once the cause is mended: `upkeep rehearse {target}`"))
}

/// In words, as of `now`.
#[must_use]
pub fn said(rehearsal: &RehearsalStatus, now: DateTime<Utc>) -> String {
    let last = rehearsal.at.map(|at| said_at(rehearsal, &human::when(at, now))).filter(|said| !said.is_empty());
    let next = rehearsal.next.map(|at| format!("the next {} UTC", human::moment(at)));
    [last, next].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The same with its moment in words; empty where there was none.
#[must_use]
pub fn said_at(rehearsal: &RehearsalStatus, when: &str) -> String {
    let span = |ms| human::span(Duration::from_millis(ms));
    let said = rehearsal.to.as_ref().map(|to| {
        let why = rehearsal.message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        match rehearsal.outcome.as_deref() {
            Some("passed") => format!(
                "release {to} passed {when}: migrated in {}, an upgrade may be expected to take {}",
                span(rehearsal.migrate_ms),
                span(rehearsal.downtime_ms)
            ),
            Some("failed") => format!("release {to} failed {when}{why}"),
            _ => format!("release {to} could not be tried {when}{why}"),
        }
    });
    said.unwrap_or_default()
}
