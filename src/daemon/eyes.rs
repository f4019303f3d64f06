//! When each target is looked at, and when what was seen is believed.
//!
//! Owns the settle time: nothing is done about a release until its fingerprint has been the same for `release.settle`, so
//! that a package being unpacked is not taken for a release. Owns as well what is no longer believed: whatever was seen before a
//! job of ours changed the world. Never reads a clock. Held by the tests beside this file.

use std::time::{Duration, Instant};

use crate::status::Seen;

/// A hint is followed after this long: whoever changed one file is likely to change the next.
const AFTER_HINT: Duration = Duration::from_secs(1);

/// After a failed attempt the same release is tried again by ourselves only after this long; a person may at any time.
const AFTER_FAILURE: Duration = Duration::from_secs(3600);

/// The same where it failed for what may pass by itself, a database server that restarts say: at first, and each time twice as long.
const AFTER_PASSING: Duration = Duration::from_secs(5);

/// How often it is asked whether what an upgrade was refused for still stands in its way.
const ASK_EVERY: Duration = Duration::from_secs(300);

/// The pause after a look that did not end, at first and at most: whatever hangs is not asked once a second for a day.
const AFTER_TROUBLE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(1800));

/// The watch kept on one target.
#[derive(Debug, Default)]
pub(super) struct Eye {
    /// What was last seen.
    pub(super) seen: Seen,
    /// How often the world was changed by us: a look that began before the last time tells of one that is gone.
    world: u64,
    /// Whether a look is underway.
    looking: bool,
    /// When the last one began.
    looked: Option<Instant>,
    /// When to look next.
    next: Option<Instant>,
    /// How many looks in a row did not end.
    troubles: u32,
    /// The release last seen, and since when it has been the same.
    still: Option<(String, Instant)>,
    /// The release last remembered.
    remembered: Option<String>,
    /// The release last given to an upgrade by ourselves, and when.
    tried: Option<(String, Instant)>,
    /// How often in a row that failed for what may pass by itself.
    passing: u32,
    /// Whether it was refused for what does not.
    refused: bool,
    /// When it was last asked whether that still stands.
    asked: Option<Instant>,
}

/// How an upgrade ended, for when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Well, or for what is not worth another try soon.
    Ended,
    /// It failed for what may pass by itself.
    Passing,
    /// It was not begun for what only a person or a changed world lifts: then it is not tried, but asked whether that still stands.
    Refused,
}

impl Eye {
    /// One that first looks after a while, so that a thousand do not all look at once.
    pub(super) fn after(pause: Duration, now: Instant) -> Self {
        Self { next: Some(now + pause), ..Self::default() }
    }

    /// Whether to look now; from then on a look at this world is underway.
    pub(super) fn begin(&mut self, now: Instant) -> Option<u64> {
        if self.looking || self.next.is_some_and(|next| next > now) {
            return None;
        }
        (self.looking, self.looked) = (true, Some(now));
        Some(self.world)
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

    /// Look by then at the latest.
    pub(super) fn by(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// There is nothing to be looked at before then.
    pub(super) fn postpone(&mut self, until: Instant) {
        self.next = Some(until);
    }

    /// We changed the world: what was seen of it is not true any more, and neither is what a look underway will say.
    pub(super) fn changed(&mut self, now: Instant) {
        self.world += 1;
        self.seen = Seen::default();
        self.again(now);
    }

    /// What was seen stands, and what a look underway will say comes too late.
    pub(super) fn outdated(&mut self, now: Instant) {
        self.world += 1;
        self.again(now);
    }

    /// A person decided: what failed before is tried again at once.
    pub(super) fn reconsider(&mut self, now: Instant) {
        self.tried = None;
        self.again(now);
    }

    /// The configuration was read again: what an upgrade was refused for may stand no longer.
    pub(super) fn ask_soon(&mut self, now: Instant) {
        self.asked = None;
        self.again(now);
    }

    /// An upgrade has ended.
    pub(super) fn ended(&mut self, how: How, now: Instant) {
        let passing = how == How::Passing;
        (self.refused, self.asked) = (how == How::Refused, Some(now));
        self.passing = if passing { self.passing.saturating_add(1) } else { 0 };
        if let Some((_, at)) = self.tried.as_mut().filter(|_| passing) {
            *at = now;
        }
    }

    /// How long the release that was tried last is left alone.
    fn pause(&self) -> Duration {
        match self.passing.checked_sub(1) {
            Some(before) => AFTER_PASSING.saturating_mul(2_u32.saturating_pow(before)).min(AFTER_FAILURE),
            None => AFTER_FAILURE,
        }
    }

    /// A look has ended that nothing is to be made of: the world was changed meanwhile, or is being changed now.
    pub(super) fn dismiss(&mut self, poll: Duration, now: Instant) {
        self.looking = false;
        self.next = Some(self.next.filter(|next| *next >= self.looked.unwrap_or(now)).unwrap_or(now + poll));
    }

    /// Whether a look of that world tells of the present one.
    pub(super) fn is_of(&self, world: u64) -> bool {
        self.world == world
    }

    /// A look did not end. What was seen before is not repeated, and the next look is some time off.
    pub(super) fn trouble(&mut self, seen: Seen, now: Instant) -> Duration {
        let (first, longest) = AFTER_TROUBLE;
        let pause = first.saturating_mul(2_u32.saturating_pow(self.troubles)).min(longest);
        self.troubles = self.troubles.saturating_add(1);
        (self.looking, self.seen, self.still) = (false, seen, None);
        self.next = Some(now + pause);
        pause
    }

    /// A look has ended (none when it failed). Says what follows from it.
    pub(super) fn saw(&mut self, sight: Option<Sight>, settle: Duration, poll: Duration, now: Instant) -> Verdict {
        (self.looking, self.troubles) = (false, 0);
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
            return Verdict::Settling(settled - now);
        }
        if self.remembered.as_ref() != Some(&fingerprint) {
            self.remembered = Some(fingerprint);
            // And soon again: what is remembered may change the decision.
            self.next = next(AFTER_HINT);
            return Verdict::Remember;
        }
        if !sight.wants_upgrade {
            return Verdict::Nothing;
        }
        let tried = self.tried.as_ref().filter(|(before, _)| *before == fingerprint);
        if tried.is_none() {
            (self.passing, self.refused) = (0, false);
        }
        if self.refused {
            return match self.asked.map(|asked| asked + ASK_EVERY).filter(|again| *again > now) {
                Some(_) => Verdict::Refused,
                None => {
                    self.asked = Some(now);
                    Verdict::Ask
                }
            };
        }
        let again = tried.map(|(_, at)| *at + self.pause());
        if let Some(again) = again.filter(|again| *again > now) {
            self.next = next((again - now).min(poll));
            return Verdict::Tried(again - now);
        }
        self.tried = Some((fingerprint, now));
        Verdict::Upgrade
    }

    /// What was begun was no upgrade.
    pub(super) fn untried(&mut self) {
        self.tried = None;
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
    /// The release has not been still for long enough; for so long it must be yet.
    Settling(Duration),
    /// It has: its scripts are kept, and at first sight it is taken for the good one.
    Remember,
    /// Upgrade now.
    Upgrade,
    /// An upgrade was tried lately, and is tried again by ourselves after this long.
    Tried(Duration),
    /// An upgrade was refused for what does not pass by itself.
    Refused,
    /// The same, and it is time to ask whether that still stands.
    Ask,
}

#[cfg(test)]
mod tests;
