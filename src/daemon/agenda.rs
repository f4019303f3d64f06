//! Which scheduled backups are due, and when to look again.
//!
//! Owns what was given to a job and is not written down yet; the decision itself is `schedule::due`. A schedule's mark is
//! committed when its run *ends*: a run that a crash cut short is due again at the next start, up to [`ATTEMPTS`] times.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Target;
use crate::failure::Failure;
use crate::ids::TargetName;
use crate::schedule::{self, CatchUp, Due};
use crate::state_db::StateDb;

/// The name of a target's backup schedule in the table of marks.
pub(super) const BACKUP: &str = "backup";

/// How often one scheduled run may be cut short by the end of the process before it counts as had: a backup that brings the
/// daemon down must not do so for ever.
pub(super) const ATTEMPTS: u64 = 3;

/// What is known of schedules beyond the table of marks.
#[derive(Debug)]
pub(super) struct Agenda {
    /// When we began to look.
    since: DateTime<Utc>,
    /// The newest run given to a job, or the moment a schedule was changed by a reload: nothing earlier is due.
    given: BTreeMap<TargetName, DateTime<Utc>>,
}

/// What a look at one target's schedule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Begin a run now.
    Now {
        /// The moment it was due.
        scheduled_for: DateTime<Utc>,
        /// How many earlier ones it stands for.
        missed: u32,
    },
    /// Look again then; never when there is no next run.
    At(Option<DateTime<Utc>>),
}

impl Agenda {
    pub(super) fn new(since: DateTime<Utc>) -> Self {
        Self { since, given: BTreeMap::new() }
    }

    /// What is next for a target.
    pub(super) async fn next(&self, state: &StateDb, target: &Target, now: DateTime<Utc>) -> Result<Next, Failure> {
        let Some(schedule) = &target.backup.schedule else { return Ok(Next::At(None)) };
        let mark = state.schedule_mark(&target.name, BACKUP).await?;
        let served = mark.max(self.given.get(&target.name).copied());
        let catch_up = if target.backup.catch_up { CatchUp::Once } else { CatchUp::No };
        let later = |due: DateTime<Utc>| {
            let jitter = schedule::jitter(&target.name, due, target.backup.jitter);
            due + TimeDelta::from_std(jitter).unwrap_or_default()
        };
        Ok(match schedule::due(schedule, served, self.since, now, catch_up) {
            Due::Run { scheduled_for, missed } if later(scheduled_for) <= now => Next::Now { scheduled_for, missed },
            Due::Run { scheduled_for, .. } => Next::At(Some(later(scheduled_for))),
            Due::Nothing { next } => Next::At(next.map(later)),
        })
    }

    /// A run was given to a job: it is not due again while that lives.
    pub(super) fn give(&mut self, target: &TargetName, scheduled_for: DateTime<Utc>) {
        self.given.insert(target.clone(), scheduled_for);
    }

    /// The schedule is another one since now: what it would have said before is not missed.
    pub(super) fn changed(&mut self, target: &TargetName, now: DateTime<Utc>) {
        self.given.insert(target.clone(), now);
    }
}
