//! How long an upgrade kept the server from serving, and with what.
//!
//! Owns the turn from a journal's events to seconds. Pure, and decides nothing. Invariant: every moment from the stop to the first good answer
//! belongs to one part, so that the parts add up to the whole; held by the tests beside this file.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::state::{Event, Step};

/// The part of archiving that reads back what was sealed.
const VERIFY: &str = "verify";
/// The part that a person's answer was waited for.
const PERSON: &str = "waiting for a person";
/// The time in which the server did not serve because of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downtime {
    /// When it was first told to stop; where it was down already, when the upgrade was begun.
    pub from: DateTime<Utc>,
    /// When it gave the first of the good answers that lasted; none while it has not, and where nobody waited for one.
    pub until: Option<DateTime<Utc>>,
    /// Whether it was down before the upgrade was begun.
    pub already: bool,
    /// What of it took how long, in the order in which they came first.
    pub parts: Vec<Part>,
}

/// One part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// A step's name, `verify`, or that a person was waited for.
    pub what: String,
    /// How long.
    pub took: Duration,
}

impl Downtime {
    /// All of it, as far as the journal goes.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.parts.iter().map(|part| part.took).sum()
    }

    /// Where the clock was set back nothing has passed.
    fn add(&mut self, what: &str, from: DateTime<Utc>, to: DateTime<Utc>) {
        let took = (to - from).to_std().unwrap_or_default();
        match self.parts.iter_mut().find(|part| part.what == what) {
            Some(part) => part.took += took,
            None => self.parts.push(Part { what: what.to_owned(), took }),
        }
    }
}

/// The downtime that a journal tells of; none where no server was stopped.
#[must_use]
pub(super) fn of(events: &[(DateTime<Utc>, Event)]) -> Option<Downtime> {
    let (begun, _) = events.first()?;
    // From here on, unless it turns out that the server served until we stopped it.
    let mut down = Downtime { from: *begun, until: None, already: true, parts: Vec::new() };
    let (mut stopping, mut stopped, mut last, mut what) = (false, false, *begun, "");
    for (at, event) in events {
        let begins = matches!(event, Event::Intended { step: Step::Stop | Step::StopNew, .. });
        if begins && !stopping {
            down = Downtime { from: *at, until: None, already: false, parts: Vec::new() };
            last = *at;
        }
        if begins && down.until.take().is_some() {
            // It served in between.
            last = *at;
        }
        stopping |= begins;
        stopped |= matches!(event, Event::Done { step: Step::Stop | Step::StopNew, .. });
        stopping |= stopped;
        if down.until.is_none() {
            what = match event {
                Event::Planned { steps, .. } => steps.first().map_or(what, |step| step.name()),
                event => event.step().map_or(what, Step::name),
            };
            split(&mut down, what, last, *at, event);
        }
        last = *at;
    }
    stopped.then_some(down)
}

/// Puts the time up to an event down to what was done in it.
fn split(down: &mut Downtime, what: &str, last: DateTime<Utc>, at: DateTime<Utc>, event: &Event) {
    let between = |between: &Option<DateTime<Utc>>| between.unwrap_or(at).clamp(last.min(at), at);
    match event {
        Event::Done { step: Step::Healthy | Step::HealthyOld, between: answered, .. } => {
            let answered = between(answered);
            down.add(what, last, answered);
            down.until = Some(answered);
        }
        Event::Done { between: Some(sealed), .. } => {
            let sealed = between(&Some(*sealed));
            down.add(what, last, sealed);
            down.add(VERIFY, sealed, at);
        }
        Event::Said { .. } => down.add(PERSON, last, at),
        Event::Planned { .. } => {}
        _ => down.add(what, last, at),
    }
}

#[cfg(test)]
mod tests;
