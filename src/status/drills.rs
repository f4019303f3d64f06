//! Drills as a status tells of them. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{Config, Drills, Target};
use crate::failure::Failure;
use crate::ids::TargetName;
use crate::pen::human;
use crate::schedule;
use crate::state_db::StateDb;
use crate::state_db::catalogue::{Entry, Verdict};
use crate::state_db::drills::{Drill, Outcome};
use crate::wire::{DrillStatus, ProvenStatus};

/// What our own state says of a target's drills.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownDrills {
    last: Option<Drill>,
    proven: Option<Drill>,
    /// Why scratches are still there.
    left: Vec<String>,
    /// The moment the newest served run of the schedule was due.
    mark: Option<DateTime<Utc>>,
}

pub(super) async fn known(state: &StateDb, target: &TargetName) -> Result<KnownDrills, Failure> {
    let (last, proven) = state.last_drills(target).await?;
    let left = state.drills_left(target).await?.into_iter().filter_map(|drill| drill.left).collect();
    Ok(KnownDrills { last, proven, left, mark: state.schedule_mark(target, "drill").await? })
}

/// What drills may have left of targets that the configuration has no more.
pub(crate) async fn strays(state: &StateDb, config: &Config) -> Result<Vec<String>, Failure> {
    let rows = state.drills_left_anywhere().await?.into_iter().filter(|row| !config.targets.contains_key(&row.target));
    let told = |row: Drill| {
        let (target, scratch) = (row.target, row.scratch);
        row.left.unwrap_or_else(|| format!("a drill of {target}, which is no target now, may have left its scratch {scratch}"))
    };
    Ok(rows.map(told).collect())
}

/// When the next scheduled one is due.
fn next(known: &KnownDrills, drills: &Drills, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let schedule = drills.schedule.as_ref()?;
    schedule.next_after(schedule::believed(schedule, known.mark, now).map_or(now, |mark| mark.max(now)))
}

pub(super) fn standing(known: &KnownDrills, drills: &Drills, entries: &[Entry], now: DateTime<Utc>) -> Option<DrillStatus> {
    let next = next(known, drills, now);
    let last = known.last.as_ref();
    if last.is_none() && next.is_none() {
        return None;
    }
    let ended = last.and_then(|last| last.ended.as_ref());
    let proven = known.proven.as_ref().and_then(|proven| {
        let ended = proven.ended.as_ref()?;
        let gone = |entry: &Entry| entry.verdict == Verdict::Missing;
        Some(ProvenStatus {
            label: proven.label.clone(),
            digest: proven.digest.clone(),
            is_here: entries.iter().any(|entry| entry.label == proven.label && !gone(entry)),
            at: ended.at,
            took_ms: u64::try_from((ended.at - proven.began_at).num_milliseconds()).unwrap_or_default(),
            tables: ended.tables,
            rows: ended.rows,
            scratch: proven.scratch.clone(),
        })
    });
    Some(DrillStatus {
        ended_at: ended.map(|ended| ended.at),
        outcome: ended.map(|ended| ended.outcome.as_str().to_owned()),
        label: last.map(|last| last.label.clone()),
        place: last.and_then(|last| last.place.clone()),
        message: ended.and_then(|ended| ended.said.clone()),
        next,
        proven,
    })
}

/// What a person should look at: an archive that did not come back, and what stands where nothing should.
pub(super) fn problems(known: &KnownDrills, target: &Target, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<String> {
    let mut problems = known.left.clone();
    if late_at(known, target, since, now).is_some_and(|late| late <= now) {
        let name = &target.name;
        let last =
            known.proven.as_ref().map_or_else(|| "none was yet".to_owned(), |drill| format!("the last was {}", drill.label));
        problems.push(format!("no archive was proven by a drill for too long ({last}): see why, `upkeep drill {name}`"));
    }
    let failed = known.last.as_ref().filter(|last| last.ended.as_ref().is_some_and(|ended| ended.outcome == Outcome::Failed));
    problems.extend(failed.map(|drill| {
        let why = drill.ended.as_ref().and_then(|ended| ended.said.clone()).unwrap_or_default();
        let from = drill.place.as_ref().map(|place| format!(" from {place}")).unwrap_or_default();
        let target = &drill.target;
        format!(
            "a drill could not restore {}{from}: {why}; take a new archive and try it: `upkeep backup {target}`, `upkeep drill {target}`",
            drill.label
        )
    }));
    problems
}

/// When it is too long that an archive was proven. A moment that has not come decides nothing.
pub(super) fn late_at(
    known: &KnownDrills,
    target: &Target,
    since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let limit = TimeDelta::from_std(target.drill.max_age?).ok()?;
    let proven = known.proven.as_ref().and_then(|proven| proven.ended.as_ref()).map(|ended| ended.at).filter(|at| *at <= now);
    Some(proven.or(since)? + limit + TimeDelta::milliseconds(1))
}

/// In words, as of `now`.
#[must_use]
pub fn said(drill: &DrillStatus, now: DateTime<Utc>) -> String {
    let proven = drill.proven.as_ref().map(|proven| {
        let gone = if proven.is_here { "" } else { ", which is no longer here" };
        let (rows, took) = (human::many(proven.rows, "row"), human::span(Duration::from_millis(proven.took_ms)));
        format!("proven {}: {}{gone}, {rows}, restored in {took}", human::when(proven.at, now), proven.label)
    });
    let last = drill.outcome.as_deref().zip(drill.ended_at).filter(|(outcome, _)| *outcome != Outcome::Proven.as_str());
    let last = last.map(|(outcome, at)| {
        let of = drill.label.as_ref().map(|label| format!(" of {label}")).unwrap_or_default();
        let word = if outcome == Outcome::Failed.as_str() { "failed" } else { "did not come to its end" };
        let why = drill.message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("the last{of} {word} {}{why}", human::when(at, now))
    });
    let next = drill.next.map(|at| format!("the next {} UTC", human::moment(at)));
    [last, proven, next].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
