//! When each target is looked at, and when what was seen is believed.
//!
//! Owns the settle time: nothing is done about a release until its fingerprint has been the same for `release.settle`, so
//! that a package being unpacked is not taken for a release. Never reads a clock. Held by the tests beside this file.

use std::time::{Duration, Instant};

use crate::status::Seen;

/// A hint is followed after this long: whoever changed one file is likely to change the next.
const AFTER_HINT: Duration = Duration::from_secs(1);

/// After a failed attempt the same release is tried again by ourselves only after this long; a person may at any time.
const AFTER_FAILURE: Duration = Duration::from_secs(3600);

/// The watch kept on one target.
#[derive(Debug, Default)]
pub(super) struct Eye {
    /// What was last seen.
    pub(super) seen: Seen,
    /// Whether a look is underway.
    looking: bool,
    /// When the last one began.
    looked: Option<Instant>,
    /// When to look next.
    next: Option<Instant>,
    /// The release last seen, and since when it has been the same.
    still: Option<(String, Instant)>,
    /// The release last remembered.
    remembered: Option<String>,
    /// The release last given to an upgrade by ourselves, and when.
    tried: Option<(String, Instant)>,
}

impl Eye {
    /// Whether to look now; from then on a look is underway.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        if self.looking || self.next.is_some_and(|next| next > now) {
            return false;
        }
        (self.looking, self.looked) = (true, Some(now));
        true
    }

    /// When to look next; none while a look is underway.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.filter(|_| !self.looking)
    }

    /// Something changed on disk: look soon, but not more often than the settle time says while it goes on changing.
    pub(super) fn hint(&mut self, settle: Duration, now: Instant) {
        let soon = now + AFTER_HINT;
        let earliest = match self.looked {
            Some(looked) if looked + settle > soon => looked + settle,
            _ => soon,
        };
        self.next = Some(self.next.map_or(earliest, |next| next.min(earliest)));
    }

    /// Look at once: a job has ended.
    pub(super) fn again(&mut self, now: Instant) {
        self.next = Some(now);
    }

    /// A look has ended (none when it failed). Says what follows from it.
    pub(super) fn saw(&mut self, sight: Option<Sight>, settle: Duration, poll: Duration, now: Instant) -> Verdict {
        self.looking = false;
        // What became known meanwhile (a job ended, a hint came) stands.
        let meanwhile = self.next.filter(|next| *next > self.looked.unwrap_or(now));
        let next = |wait: Duration| Some(meanwhile.map_or(now + wait, |sooner| sooner.min(now + wait)));
        self.next = next(poll);
        let Some(sight) = sight else { return Verdict::Nothing };
        self.seen = sight.seen;
        let Some(fingerprint) = sight.fingerprint else {
            self.still = None;
            return Verdict::Nothing;
        };
        let since = match self.still.take() {
            Some((before, since)) if before == fingerprint => since,
            _ => now,
        };
        self.still = Some((fingerprint.clone(), since));
        let settled = since + settle;
        if settled > now {
            self.next = next((settled - now).min(poll));
            return Verdict::Settling;
        }
        if self.remembered.as_ref() != Some(&fingerprint) {
            self.remembered = Some(fingerprint);
            // And soon again: what is remembered may change the decision.
            self.next = next(AFTER_HINT);
            return Verdict::Remember;
        }
        let tried = self.tried.as_ref().is_some_and(|(before, at)| *before == fingerprint && *at + AFTER_FAILURE > now);
        if !sight.wants_upgrade || tried {
            return Verdict::Nothing;
        }
        self.tried = Some((fingerprint, now));
        Verdict::Upgrade
    }

    /// What was to be remembered could not be; the next look tries again.
    pub(super) fn forget(&mut self) {
        self.remembered = None;
    }
}

/// What matters of a look.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight {
    /// For the status.
    pub(super) seen: Seen,
    /// The release's; none when it could not be read.
    pub(super) fingerprint: Option<String>,
    /// Whether the decision is to upgrade.
    pub(super) wants_upgrade: bool,
}

/// What a look leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Nothing,
    /// The release has not been still for long enough.
    Settling,
    /// It has: its scripts are kept, and at first sight it is taken for the good one.
    Remember,
    /// Upgrade now.
    Upgrade,
}

#[cfg(test)]
mod tests;
