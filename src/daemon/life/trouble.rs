//! What goes wrong with our own state while the daemon lives: told once and with growing pauses, shown in the status, over by itself.
//!
//! Owns the log lines of what the loop cannot return, and whether the state database takes what is written. Invariant: one cause is one
//! line, however often it is met; a full disk is a problem in the status, which needs no disk.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Life;
use crate::failure::{Chain, Failure};
use crate::state_db::StateError;

/// The same cause is logged again after this long, and after twice as long the next time, up to [`LONGEST`].
const QUIET: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);

/// How long is waited before something is written again, at first and at most: room comes back without a word to us.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The state database does not take what is written.
#[derive(Debug)]
pub(super) struct Trouble {
    /// For the status.
    pub(super) words: String,
    /// When to try again.
    pub(super) next: Instant,
    pause: Duration,
}

/// What was logged, and when the same may be again.
#[derive(Debug, Default)]
pub(super) struct Grumbles(BTreeMap<String, Grumble>);

#[derive(Debug)]
struct Grumble {
    quiet_until: Instant,
    quiet: Duration,
    /// How often it was met in silence.
    unsaid: u32,
}

impl Grumbles {
    /// Whether a cause is to be logged now, and how often it was met since it last was.
    fn say(&mut self, cause: &str, now: Instant) -> Option<u32> {
        // What has not come back for an hour is over: the next time is news.
        self.0.retain(|_, grumble| grumble.quiet_until + LONGEST > now);
        match self.0.get_mut(cause) {
            Some(grumble) if grumble.quiet_until > now => {
                grumble.unsaid += 1;
                None
            }
            Some(grumble) => {
                grumble.quiet = (grumble.quiet * 2).min(LONGEST);
                grumble.quiet_until = now + grumble.quiet;
                Some(std::mem::take(&mut grumble.unsaid))
            }
            None => {
                self.0.insert(cause.to_owned(), Grumble { quiet_until: now + QUIET, quiet: QUIET, unsaid: 0 });
                Some(0)
            }
        }
    }
}

impl Life {
    /// The one place where what the loop cannot return is told.
    pub(super) fn log<E: Into<Failure>>(&mut self, result: Result<(), E>) {
        let Err(error) = result else { return };
        let failure: Failure = error.into();
        let causes = failure.causes.join(": ");
        let cause = format!("{} {}", failure.message, causes);
        if let Some(unsaid) = self.grumbles.say(&cause, Instant::now()) {
            let target = failure.target.unwrap_or_default();
            tracing::error!(target, error = %failure.message, causes, unsaid, "the daemon could not do something and goes on");
        }
    }

    /// Takes note of whether the state database took something.
    pub(super) fn wrote<T>(&mut self, result: Result<T, StateError>) -> Option<T> {
        match result {
            Ok(done) => {
                if self.trouble.take().is_some() {
                    tracing::info!("the state database takes what is written again");
                    self.beats.scheduled = None;
                    self.publish_soon();
                }
                Some(done)
            }
            Err(error) => {
                self.refused(&error);
                self.log(Err(error));
                None
            }
        }
    }

    /// The state database did not take something.
    pub(super) fn refused(&mut self, error: &StateError) {
        let (first, longest) = PAUSE;
        // Whoever asks in between does not make the pause longer.
        let (pause, next) = match &self.trouble {
            Some(trouble) if trouble.next > Instant::now() => (trouble.pause, trouble.next),
            Some(trouble) => ((trouble.pause * 2).min(longest), Instant::now() + (trouble.pause * 2).min(longest)),
            None => (first, Instant::now() + first),
        };
        let advice = if error.disk_full() { ": make room on its file system" } else { "" };
        let words = format!(
            "the state database cannot be written, so that no backup or upgrade begins and events are lost{advice} ({})",
            Chain(error)
        );
        self.trouble = Some(Trouble { words, next, pause });
        self.publish_soon();
    }

    /// Whether nothing is written for now, because it would not be taken.
    pub(super) fn hold_still(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.next > Instant::now())
    }

    /// Tries whether the state database takes something again, where nothing else is to be written.
    pub(super) async fn probe(&mut self) {
        if self.trouble.is_none() || self.hold_still() || !self.unwritten.is_empty() {
            return;
        }
        let (now, words) =
            (self.ctx.clock.now(), "the state database could not be written for a while; events of that time are lost");
        let wrote = self.ctx.state.add_event(now, None, "daemon.state-back", words, &serde_json::Value::Null).await;
        self.wrote(wrote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_is_one_line_and_the_same_again_grows_rare() {
        let start = Instant::now();
        let mut grumbles = Grumbles::default();
        let second = |second: u64| start + Duration::from_secs(second);
        let mut said: Vec<u64> = (0..10_000).filter(|at| grumbles.say("no room", second(*at)).is_some()).collect();
        assert_eq!(said, [0, 60, 180, 420, 900, 1860, 3780, 7380]);
        assert_eq!(grumbles.say("something else", second(10_001)), Some(0));
        said.clear();
        assert_eq!(grumbles.say("no room", second(20_000)), Some(0), "after hours without it, it is news");
    }
}
