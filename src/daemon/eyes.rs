//! When each target is looked at, and when what was seen is believed.
//!
//! Owns the settle time: nothing is done about a release until its fingerprint has been the same for `release.settle`, so
//! that a package being unpacked is not taken for a release. Pure but for the moments passed in.

use std::time::{Duration, Instant};

use crate::config::Target;
use crate::status::{Look, Seen};
use crate::upgrade::Decision;

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

    /// A look has ended. Says whether the daemon is to upgrade now.
    pub(super) fn saw(&mut self, look: Option<Look>, target: &Target, poll: Duration, now: Instant) -> Verdict {
        self.looking = false;
        // What became known meanwhile (a job ended, a hint came) stands.
        let meanwhile = self.next.filter(|next| *next > self.looked.unwrap_or(now));
        let next = |wait: Duration| Some(meanwhile.map_or(now + wait, |sooner| sooner.min(now + wait)));
        let Some(Look { seen, fingerprint, decision }) = look else {
            self.next = next(poll);
            return Verdict::Nothing;
        };
        self.seen = seen;
        let settle = target.release.as_ref().map_or(Duration::ZERO, |release| release.settle);
        let Some(fingerprint) = fingerprint else {
            (self.still, self.next) = (None, next(poll));
            return Verdict::Nothing;
        };
        let since = match self.still.take() {
            Some((before, since)) if before == fingerprint => since,
            _ => now,
        };
        self.still = Some((fingerprint.clone(), since));
        if !matches!(decision, Decision::Plan(_) | Decision::Adopt(_)) {
            self.next = next(poll);
            return Verdict::Nothing;
        }
        let settled = since + settle;
        if settled > now {
            self.next = next((settled - now).min(poll));
            return Verdict::Settling;
        }
        self.next = next(poll);
        let tried = self.tried.as_ref().is_some_and(|(before, at)| *before == fingerprint && *at + AFTER_FAILURE > now);
        if tried {
            return Verdict::Nothing;
        }
        self.tried = Some((fingerprint, now));
        Verdict::Upgrade
    }
}

/// What a look leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Nothing,
    /// There is something to do, but the release has not been still for long enough.
    Settling,
    /// Upgrade (or take the release for good, at first sight) now.
    Upgrade,
}
