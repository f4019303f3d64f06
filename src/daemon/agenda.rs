//! Which scheduled backups and drills are due, and when to look again.
//!
//! Owns what the table of marks and the runs say of each schedule, read once at the start and kept up with what this daemon does: nobody
//! else writes them while it lives. The decision itself is `schedule`'s. A schedule's mark is committed when its run ended *well*,
//! or as what a person must mend; a run that failed for what may pass is tried again, one that a crash cut short is due again
//! at the next start, up to [`What::attempts`] times. Held by the tests beside this file and by `tests/it/daemon.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Target;
use crate::failure::{Class, Failure};
use crate::ids::TargetName;
use crate::schedule::{self, CatchUp, Due, Failed, Schedule};
use crate::state_db::StateDb;
use crate::status::failed_of;

/// What is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Backups.
    Backup,
    /// Drills.
    Drill,
    /// Rehearsals.
    Rehearse,
}

impl What {
    /// The name of a target's schedule in the table of marks, and of the action.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Drill => "drill",
            Self::Rehearse => "rehearse",
        }
    }

    pub(super) fn schedule(self, target: &Target) -> Option<&Schedule> {
        match self {
            Self::Backup => target.backup.schedule.as_ref(),
            Self::Drill => target.drill.schedule.as_ref(),
            Self::Rehearse => target.rehearse.schedule.as_ref(),
        }
    }

    fn catch_up(self, target: &Target) -> CatchUp {
        let once = self != Self::Backup || target.backup.catch_up;
        if once { CatchUp::Once } else { CatchUp::No }
    }

    fn jitter(self, target: &Target) -> Duration {
        if self == Self::Backup { target.backup.jitter } else { Duration::ZERO }
    }

    /// How often one run is tried that fails for what may pass. A drill is a heavy load that nobody waits for.
    fn tries(self) -> u32 {
        if self == Self::Backup { u32::MAX } else { 2 }
    }

    /// How often one may be cut short by the end of the process before it counts as had: what brings the daemon down must not do so for ever.
    pub(super) fn attempts(self) -> u64 {
        if self == Self::Backup { 3 } else { 1 }
    }
}

/// What is known of schedules.
#[derive(Debug)]
pub(super) struct Agenda {
    what: What,
    /// When we began to look.
    since: DateTime<Utc>,
    /// The moment of the last look: one before it says that the clock was set back.
    looked: DateTime<Utc>,
    marks: BTreeMap<TargetName, DateTime<Utc>>,
    /// Runs that failed and may succeed by themselves.
    failed: BTreeMap<TargetName, Failed>,
    /// The newest run given to a job, or the moment a schedule was changed by a reload: nothing earlier is due.
    given: BTreeMap<TargetName, DateTime<Utc>>,
    /// Targets whose run is queued or runs: it stands for what falls due meanwhile.
    underway: BTreeSet<TargetName>,
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
        /// How often it failed before.
        failed: u32,
    },
    /// Look again then; never when there is no next run.
    At(Option<DateTime<Utc>>),
}

impl Agenda {
    pub(super) fn new(what: What, since: DateTime<Utc>) -> Self {
        let (marks, failed, given) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { what, since, looked: since, marks, failed, given, underway: BTreeSet::new() }
    }

    /// Reads what earlier daemons left.
    pub(super) async fn remember(&mut self, state: &StateDb) -> Result<(), Failure> {
        self.marks = state.schedule_marks(self.what.name()).await?;
        let failed = state.failed_runs(self.what.name(), None).await?;
        let failed = failed.into_iter().filter_map(|(target, run)| Some((target, failed_of(run)?)));
        // One that was tried often enough was given up, and is not taken up again because we were started.
        self.failed = failed.filter(|(_, run)| run.times < self.what.tries()).collect();
        Ok(())
    }

    /// What is next for a target.
    pub(super) fn next(&self, target: &Target, now: DateTime<Utc>) -> Next {
        let (Some(schedule), name) = (self.what.schedule(target), &target.name) else { return Next::At(None) };
        if self.underway.contains(name) {
            // Its end has us look again.
            return Next::At(None);
        }
        let failed = self.failed.get(name);
        let known = [self.marks.get(name).copied(), self.given.get(name).copied(), failed.map(|failed| failed.scheduled_for)];
        let served = known.into_iter().filter_map(|moment| schedule::believed(schedule, moment, now)).max();
        let (catch_up, jitter) = (self.what.catch_up(target), self.what.jitter(target));
        let later = |due: DateTime<Utc>| due + delta(schedule::jitter(name, due, jitter));
        match schedule::due(schedule, served, self.since, now, catch_up) {
            Due::Run { scheduled_for, missed } if later(scheduled_for) <= now => Next::Now { scheduled_for, missed, failed: 0 },
            Due::Run { scheduled_for, .. } => Next::At(Some(later(scheduled_for))),
            Due::Nothing { next } => {
                let next = next.map(later);
                match failed.and_then(|failed| Some((failed, failed.again(name, next, now)?))) {
                    Some((failed, at)) if at <= now => {
                        Next::Now { scheduled_for: failed.scheduled_for, missed: 0, failed: failed.times }
                    }
                    Some((_, at)) => Next::At(Some(at)),
                    None => Next::At(next),
                }
            }
        }
    }

    /// Takes note of the clock; says whether it was set back. Then what was due before is not due again, and nothing waits for a moment
    /// that was ahead only by mistake.
    pub(super) fn tick(&mut self, now: DateTime<Utc>) -> bool {
        let back = now < self.looked;
        self.looked = now;
        if back {
            self.since = self.since.min(now);
            self.failed.values_mut().for_each(|failed| failed.last = failed.last.min(now));
        }
        back
    }

    /// A run was given to a job: it is not due again while that lives.
    pub(super) fn give(&mut self, target: &TargetName, scheduled_for: DateTime<Utc>) {
        self.given.insert(target.clone(), scheduled_for);
        self.underway.insert(target.clone());
    }

    /// The schedule is another one since now: what it would have said before is not missed.
    pub(super) fn changed(&mut self, target: &TargetName, now: DateTime<Utc>) {
        self.given.insert(target.clone(), now);
        self.failed.remove(target);
    }

    /// A run has ended. Says whether it counts as had; none, where it was cut off, does not.
    pub(super) fn ended(
        &mut self,
        target: &TargetName,
        scheduled_for: DateTime<Utc>,
        at: DateTime<Utc>,
        result: Option<Result<(), Class>>,
    ) -> bool {
        self.underway.remove(target);
        match result {
            None => false,
            Some(Err(class)) if schedule::may_pass(class) => {
                let before = self.failed.get(target).filter(|failed| failed.scheduled_for == scheduled_for);
                let times = before.map_or(0, |failed| failed.times) + 1;
                if times >= self.what.tries() {
                    self.failed.remove(target);
                    self.marks.insert(target.clone(), scheduled_for);
                    return true;
                }
                self.failed.insert(target.clone(), Failed { scheduled_for, times, last: at });
                false
            }
            Some(Ok(()) | Err(_)) => {
                self.failed.remove(target);
                self.marks.insert(target.clone(), scheduled_for);
                true
            }
        }
    }
}

fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or_default()
}

#[cfg(test)]
mod tests;
