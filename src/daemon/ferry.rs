//! When a place is gone to next. Pure.
//!
//! Owns no queue: that something is owed is found out there. A round is due when archives may have changed, every hour at rest, and after a
//! round that failed at growing distances. Held by the tests beside this file.

use std::time::{Duration, Instant};

use crate::offsite::EVERY;

/// How long after a round that failed the next one is tried: doubled each time, up to [`EVERY`].
const AGAIN: Duration = Duration::from_secs(60);

/// One place's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ferry {
    next: Instant,
    failed: u32,
    /// Archives changed while it was away.
    called: bool,
}

impl Ferry {
    /// At once.
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, failed: 0, called: false }
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Archives may have changed.
    pub(super) fn call(&mut self, now: Instant) {
        self.called = true;
        self.next = self.next.min(now);
    }

    /// It has gone.
    pub(super) fn went(&mut self, now: Instant) {
        self.called = false;
        self.next = now + EVERY;
    }

    /// A round that somebody else asked for is underway: after its end another is due.
    pub(super) fn call_after(&mut self) {
        self.called = true;
    }

    /// It could not go, for a reason that is not the place's.
    pub(super) fn wait(&mut self, now: Instant) {
        self.next = now + AGAIN;
    }

    /// It has come back; whether it did so from a failure that is not the first in a row.
    pub(super) fn came(&mut self, well: bool, now: Instant) -> bool {
        if well {
            self.failed = 0;
            self.next = if self.called { now } else { now + EVERY };
            return false;
        }
        let wait = AGAIN.saturating_mul(1 << self.failed.min(10)).min(EVERY);
        self.failed = self.failed.saturating_add(1);
        self.next = now + wait;
        self.failed > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_when_called_every_hour_at_rest_and_seldom_where_nobody_answers() {
        let start = Instant::now();
        let minutes = |minutes: u64| start + Duration::from_secs(minutes * 60);
        let mut ferry = Ferry::new(start);
        assert_eq!(ferry.next(), start);
        ferry.went(start);
        assert!(!ferry.came(true, minutes(1)));
        assert_eq!(ferry.next(), minutes(61));
        // Called while it is away it goes again; called at rest it goes at once.
        ferry.call(minutes(5));
        assert_eq!(ferry.next(), minutes(5));
        ferry.went(minutes(5));
        ferry.call(minutes(6));
        assert!(!ferry.came(true, minutes(7)));
        assert_eq!(ferry.next(), minutes(7));
        // A week without an answer: the first failure is news, and from the seventh on it is asked once an hour.
        ferry.went(minutes(7));
        let waits: Vec<u64> = (0..8)
            .map(|nth| {
                assert_eq!(ferry.came(false, minutes(10)), nth > 0);
                ferry.next().duration_since(minutes(10)).as_secs() / 60
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(!ferry.came(true, minutes(20)));
        assert!(!ferry.came(false, minutes(21)), "the first of another row is news again");
    }
}
