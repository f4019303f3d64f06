//! How fast a job goes, from the answers seen so far.
//!
//! Owns the last few seconds of each job. Time is the answers' own: an answer that was made once and read twice counts once.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use crate::ids::JobId;
use crate::wire::Status;

/// Over how long a rate is taken: long enough to be steady, short enough to follow.
const WINDOW: TimeDelta = TimeDelta::seconds(10);

/// What was seen of the jobs.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<JobId, Seen>);

#[derive(Debug, Default)]
struct Seen {
    phase: String,
    samples: VecDeque<(DateTime<Utc>, u64)>,
}

impl Pace {
    /// Takes an answer in. Jobs that are not in it any more are forgotten.
    pub(super) fn see(&mut self, answer: &Status) {
        let mut jobs = BTreeMap::new();
        for job in &answer.jobs {
            let mut seen = self.0.remove(&job.id).unwrap_or_default();
            let (phase, done) = (&job.progress.phase, job.progress.done_bytes);
            let newest = seen.samples.back().copied();
            // A new phase counts from its beginning.
            if seen.phase != *phase || newest.is_some_and(|(_, before)| before > done) {
                seen = Seen { phase: phase.clone(), ..Seen::default() };
            }
            if newest.is_none_or(|(at, _)| at < answer.at) || seen.samples.is_empty() {
                seen.samples.push_back((answer.at, done));
            }
            while seen.samples.len() > 2 && seen.samples.front().is_some_and(|(at, _)| answer.at - *at > WINDOW) {
                seen.samples.pop_front();
            }
            jobs.insert(job.id.clone(), seen);
        }
        self.0 = jobs;
    }

    /// Bytes in a second; none before there are two answers to compare.
    pub(super) fn of(&self, job: &JobId) -> Option<u64> {
        let samples = &self.0.get(job)?.samples;
        let ((from, before), (to, after)) = (samples.front()?, samples.back()?);
        let ms = u64::try_from((*to - *from).num_milliseconds()).ok().filter(|ms| *ms > 0)?;
        u64::try_from(u128::from(after - before) * 1000 / u128::from(ms)).ok()
    }
}
