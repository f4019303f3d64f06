//! One upgrade as the journal has it: its plan, its events, and what they add up to.
//!
//! Owns turning rows into plan and events and back. Never mends: a plan whose digest does not fit, an event that cannot be
//! read, a format newer than ours all stop here. Held by the tests beside this file.

use chrono::{DateTime, Utc};

use super::UpgradeError;
use super::downtime::{self, Downtime};
use super::plan::{Plan, Purpose};
use super::state::{Event, Phase, ReleaseAt, State};
use crate::ids::{Label, TargetName, UpgradeId};
use crate::state_db::StateDb;
use crate::state_db::belongs::{Belongs, By};
use crate::state_db::journal::{Ends, EventRow, FORMAT, UpgradeRow};

/// An upgrade, folded.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Its identity.
    pub(crate) id: UpgradeId,
    /// When it was begun.
    pub(crate) created_at: DateTime<Utc>,
    /// When its newest event was written.
    pub(crate) touched_at: DateTime<Utc>,
    /// How many events it has.
    pub(crate) events: u32,
    /// When the step it stands at was first intended, since it was last told or failed.
    pub(crate) begun: Option<DateTime<Utc>>,
    /// The plan.
    pub(crate) plan: Plan,
    /// What the events add up to.
    pub(crate) state: State,
    /// How long the server was kept from serving so far.
    pub(crate) downtime: Option<Downtime>,
}

/// The row of an event.
///
/// # Errors
/// When it cannot be written as JSON, which no event of ours is.
pub(crate) fn row(seq: u32, at: DateTime<Utc>, event: &Event) -> Result<EventRow, UpgradeError> {
    Ok(EventRow {
        seq,
        at,
        kind: event.kind().to_owned(),
        step: event.step().map(|step| step.name().to_owned()),
        attempt: event.attempt(),
        body_json: serde_json::to_string(event).map_err(UpgradeError::Encode)?,
    })
}

/// When the step that an upgrade stands at was first intended: a crash in it and a further intent leave that as it is, a failure,
/// another step and a person's word begin anew.
pub(crate) fn begun(since: Option<DateTime<Utc>>, event: &Event, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match event {
        Event::Intended { .. } => since.or(Some(at)),
        Event::Spawned { .. } | Event::Handed { .. } => since,
        _ => None,
    }
}

/// Writes a new upgrade with its plan and the first event.
///
/// # Errors
/// When the target has an open upgrade already, or the journal cannot be written.
pub(crate) async fn begin(db: &StateDb, plan: Plan, now: DateTime<Utc>) -> Result<Record, UpgradeError> {
    let target = plan.target.clone();
    if let Some(open) = open(db, &target).await? {
        return Err(UpgradeError::Open { id: open.id, phase: open.state.phase });
    }
    let id = fresh_id(db, &plan, now).await?;
    let plan_json = plan.to_json().map_err(UpgradeError::Encode)?;
    let plan_digest = Plan::digest(&plan_json);
    let upgrade = UpgradeRow { id: id.clone(), target, format: FORMAT, created_at: now, plan_json, plan_digest };
    let first = Event::Planned { direction: plan.direction, steps: plan.steps.clone() };
    let state = State::default().apply(&first)?;
    db.open_upgrade(&upgrade, &row(1, now, &first)?, Ends::No).await?;
    Ok(Record { id, created_at: now, touched_at: now, events: 1, begun: None, plan, state, downtime: None })
}

/// `TARGET-VERSION-STAMP`, with a number behind it when one was begun in the same second.
async fn fresh_id(db: &StateDb, plan: &Plan, now: DateTime<Utc>) -> Result<UpgradeId, UpgradeError> {
    let plain = UpgradeId::compose(&plan.target, &plan.to.version, now);
    let taken = db.upgrades(&plan.target, u32::MAX).await?;
    let same = taken.iter().filter(|row| row.id.as_str().starts_with(plain.as_str())).count();
    if same == 0 {
        return Ok(plain);
    }
    UpgradeId::parse(&format!("{plain}-{same}")).map_err(|error| UpgradeError::Damaged { id: plain, why: error.to_string() })
}

/// Reads one upgrade.
///
/// # Errors
/// When it is of a newer format, damaged, or the database refuses.
pub(crate) async fn load(db: &StateDb, row: UpgradeRow) -> Result<Record, UpgradeError> {
    Ok(with_events(db, row).await?.0)
}

/// The same with its events, each with the moment it was written at.
pub(super) async fn with_events(db: &StateDb, row: UpgradeRow) -> Result<(Record, Vec<(DateTime<Utc>, Event)>), UpgradeError> {
    if row.format > FORMAT {
        return Err(UpgradeError::TooNew { id: row.id, found: row.format, known: FORMAT });
    }
    let damaged = |why: String| UpgradeError::Damaged { id: row.id.clone(), why };
    if Plan::digest(&row.plan_json) != row.plan_digest {
        return Err(damaged("its plan is not the one that was written".to_owned()));
    }
    let plan: Plan =
        serde_json::from_str(&row.plan_json).map_err(|error| damaged(format!("its plan cannot be read: {error}")))?;
    let rows = db.upgrade_events(&row.id).await?;
    let mut events = Vec::with_capacity(rows.len());
    for (expected, event) in (1..).zip(&rows) {
        if event.seq != expected {
            return Err(damaged(format!("event {expected} is missing")));
        }
        let event: Event = serde_json::from_str(&event.body_json)
            .map_err(|error| damaged(format!("event {expected} cannot be read: {error}")))?;
        events.push(event);
    }
    let state = State::fold(&events)?;
    let begun = events.iter().zip(&rows).fold(None, |since, (event, row)| begun(since, event, row.at));
    let events: Vec<(DateTime<Utc>, Event)> = rows.iter().map(|row| row.at).zip(events).collect();
    let record = Record {
        downtime: downtime::of(&events),
        touched_at: rows.last().map_or(row.created_at, |event| event.at),
        events: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        id: row.id,
        created_at: row.created_at,
        begun,
        plan,
        state,
    };
    Ok((record, events))
}

/// The newest upgrades of a target, newest first.
///
/// # Errors
/// As [`load`].
pub(crate) async fn newest(db: &StateDb, target: &TargetName, limit: u32) -> Result<Vec<Record>, UpgradeError> {
    let mut records = Vec::new();
    for row in db.upgrades(target, limit).await? {
        records.push(load(db, row).await?);
    }
    Ok(records)
}

/// The upgrade of a target that has not ended. It is always the newest: no other is begun before it ends.
///
/// # Errors
/// As [`load`].
pub(crate) async fn open(db: &StateDb, target: &TargetName) -> Result<Option<Record>, UpgradeError> {
    Ok(newest(db, target, 1).await?.pop().filter(|record| !record.state.phase.terminal()))
}

/// The release that the database belongs to: what the newest ended upgrade left, or what was written down since (a restore).
///
/// # Errors
/// As [`load`].
pub(crate) async fn good(db: &StateDb, target: &TargetName) -> Result<Option<ReleaseAt>, UpgradeError> {
    Ok(left(db, target).await?.and_then(|row| {
        let path = row.path;
        row.version.map(|version| ReleaseAt { version, path })
    }))
}

/// What is on record of the database: the row written down last, unless an upgrade ended after it; then what that one left.
///
/// # Errors
/// As [`load`].
pub(crate) async fn left(db: &StateDb, target: &TargetName) -> Result<Option<Belongs>, UpgradeError> {
    let written = db.belongs(target).await?;
    // One by one: however many were refused since, and only as far back as need be.
    for row in db.upgrades(target, u32::MAX).await? {
        let record = load(db, row).await?;
        let here = written.as_ref().filter(|row| row.upgrade.as_ref() == Some(&record.id));
        // A row that an upgrade wrote before its last event counts with that event.
        if let Some(row) = here.filter(|row| row.by == By::Itself || record.state.phase.terminal()) {
            return Ok(Some(row.clone()));
        }
        let (release, shape) = match record.state.phase {
            Phase::Committed => (Some(record.plan.to), None),
            Phase::Accepted => (record.state.accepted.or(Some(record.plan.to)), None),
            // What was put back is not what the release before left: what was on record before stands.
            Phase::RolledBack if record.plan.outside.is_some() => continue,
            Phase::RolledBack => (record.plan.earlier().cloned(), Some(record.plan.before)),
            Phase::Refused | Phase::Idle | Phase::Running | Phase::Aborting | Phase::RollingBack | Phase::Stuck => continue,
        };
        // Where nothing is known of an earlier release there is nothing on record at all, as at first sight.
        return Ok(release.map(|release| Belongs {
            upgrade: Some(record.id.clone()),
            by: By::Upgrade,
            version: Some(release.version),
            path: release.path,
            shape,
            made_by: String::new(),
            source: format!("upgrade {}", record.id),
            at: record.touched_at,
        }));
    }
    Ok(written.filter(|row| row.upgrade.is_none()))
}

/// The newest upgrade that can be rolled back: the last one that was committed and has a pre-upgrade archive, with nothing
/// after it but what was refused or rolled back, which left the database as it was.
///
/// # Errors
/// As [`load`].
pub(crate) async fn last_committed(db: &StateDb, target: &TargetName) -> Result<Option<(Record, Label)>, UpgradeError> {
    for row in db.upgrades(target, u32::MAX).await? {
        let record = load(db, row).await?;
        match (record.state.phase, &record.plan.purpose, record.state.archive.clone()) {
            (Phase::Refused, _, _) | (Phase::RolledBack, Purpose::Upgrade, _) => {}
            (Phase::Committed | Phase::Accepted, Purpose::Upgrade, Some(label)) => return Ok(Some((record, label))),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Whether the last word on a target's newest upgrade was a person's, who took the present state for good. Where the journal had been lost,
/// it stands there as an adoption.
///
/// # Errors
/// As [`load`].
pub(crate) async fn is_accepted(db: &StateDb, target: &TargetName) -> Result<bool, UpgradeError> {
    let Some(row) = db.upgrades(target, 1).await?.into_iter().next() else { return Ok(false) };
    let record = load(db, row).await?;
    Ok(matches!((record.state.phase, &record.plan.purpose), (Phase::Accepted, _) | (Phase::Committed, Purpose::Adopt)))
}

#[cfg(test)]
mod tests;
