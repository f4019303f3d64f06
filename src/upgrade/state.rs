//! Where an upgrade stands: the fold of its events, by one total function.
//!
//! Owns which event may follow which; the words are in [`event`], [`step`] and [`phase`]. Never touches the world and never
//! mends a journal: an event that cannot follow is an [`IllegalEvent`]. Invariants: every prefix of a legal journal folds; a
//! terminal phase takes no event; held by the property tests beside this file.

mod event;
mod phase;
mod step;

use std::collections::BTreeSet;

use crate::ids::Label;

pub use event::{Direction, Event, Failed, ReleaseAt, Settle, Tool};
pub use phase::Phase;
pub use step::Step;

/// An event that cannot follow what the journal holds: a bug, or a journal that was tampered with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal holds `{event}`, which cannot follow in phase {phase}{}", at.map(|step| format!(" at step {step}")).unwrap_or_default())]
pub struct IllegalEvent {
    /// The event's kind.
    pub event: &'static str,
    /// The phase it came in.
    pub phase: Phase,
    /// The step the route stood at.
    pub at: Option<Step>,
}

/// Everything the events add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The phase.
    pub phase: Phase,
    /// Which way the route leads.
    pub direction: Direction,
    /// The steps of the present direction.
    pub route: Vec<Step>,
    /// How many of them are done.
    pub at: usize,
    /// An intent without an outcome: its effect may or may not have happened.
    pub open: Option<Step>,
    /// Intents of the present step, ever.
    pub attempts: u32,
    /// Intents of the present step that never had an outcome, the open one included: each is a crash.
    pub unanswered: u32,
    /// Failures of the present step since a person last said something.
    pub failures: u32,
    /// The newest failure of the present step.
    pub failure: Option<Failed>,
    /// The first of them: what began the trouble, where the newest may only be what came of it.
    pub first_failure: Option<Failed>,
    /// Every step ever intended.
    pub touched: BTreeSet<Step>,
    /// Whether we ever died between an intent and its outcome: then what a step did is known only by looking.
    pub crashed: bool,
    /// Whether a migration ever stopped half-way and left its part.
    pub partial: bool,
    /// Whether the point of no return was passed.
    pub no_return: bool,
    /// The pre-upgrade archive.
    pub archive: Option<Label>,
    /// The failed-state archive.
    pub kept: Option<Label>,
    /// The vendor's tool, from its beginning until the step that ran it is done: while it lives, nothing else may be begun.
    /// After an intent it is the one whose outcome nobody wrote down; an outcome that is known is never taken for a new one.
    pub tool: Option<Tool>,
    /// Whether the outcome of that tool was written down.
    pub tool_judged: bool,
    /// Whether a person answered and nothing was begun since.
    pub told: bool,
    /// Why it turned back, stopped, or was refused: the newest of these, and at the end of a rollback what began it.
    pub why: Option<String>,
    /// Why it turned back.
    pub turned_back: Option<String>,
    /// What a person does next.
    pub next_steps: Vec<String>,
    /// The release that `accept` found.
    pub accepted: Option<ReleaseAt>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::Idle,
            direction: Direction::Forward,
            route: Vec::new(),
            at: 0,
            open: None,
            attempts: 0,
            unanswered: 0,
            failures: 0,
            failure: None,
            first_failure: None,
            touched: BTreeSet::new(),
            crashed: false,
            partial: false,
            no_return: false,
            archive: None,
            kept: None,
            tool: None,
            tool_judged: false,
            told: false,
            why: None,
            turned_back: None,
            next_steps: Vec::new(),
            accepted: None,
        }
    }
}

impl State {
    /// The step the route stands at; none when every step is done.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        self.route.get(self.at).copied()
    }

    /// What these events add up to.
    ///
    /// # Errors
    /// When one of them cannot follow the ones before it.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, IllegalEvent> {
        events.into_iter().try_fold(Self::default(), State::apply)
    }

    /// The state after one more event.
    ///
    /// # Errors
    /// When the event cannot follow.
    pub fn apply(mut self, event: &Event) -> Result<Self, IllegalEvent> {
        let underway = matches!(self.phase, Phase::Running | Phase::RollingBack);
        let here = event.step().is_some() && event.step() == self.step();
        match (self.phase, event) {
            (Phase::Idle, Event::Planned { direction, steps }) => self.set_out(*direction, steps),
            (_, Event::Intended { step, attempt }) if underway && here && *attempt == self.attempts + 1 => {
                self.crashed |= self.open.is_some();
                if self.tool_judged {
                    self.tool = None;
                }
                self.open = Some(*step);
                self.told = false;
                self.attempts += 1;
                self.unanswered += 1;
                self.touched.insert(*step);
            }
            (_, Event::Spawned { step, process }) if underway && self.open == Some(*step) => {
                self.tool = Some(Tool::Process(process.clone()));
                self.tool_judged = false;
            }
            (_, Event::Handed { step, run }) if underway && self.open == Some(*step) => {
                self.tool = Some(Tool::Unit(run.clone()));
                self.tool_judged = false;
            }
            (_, Event::Done { step, label, .. }) if underway && here => {
                match step {
                    Step::Archive => self.archive.clone_from(label),
                    Step::KeepFailed => self.kept.clone_from(label),
                    Step::Migrate => self.tool = None,
                    _ => {}
                }
                self.at += 1;
                self.attempts = 0;
                self.forget_trouble();
            }
            (_, Event::Failed { failed, .. }) if underway && here => {
                if self.open.take().is_some() {
                    self.unanswered -= 1;
                }
                // Where a person must decide, nobody knows yet how it ends.
                self.tool_judged |= !failed.person;
                self.failures += 1;
                self.partial |= failed.partial;
                self.first_failure.get_or_insert_with(|| failed.clone());
                self.failure = Some(failed.clone());
            }
            (_, Event::Retraced { to, .. }) if underway && self.route[..self.at].contains(to) => {
                self.crashed |= self.open.is_some();
                self.at = self.route.iter().position(|step| step == to).unwrap_or(self.at);
                self.told = false;
                self.attempts = 0;
                self.forget_trouble();
            }
            (Phase::Running, Event::NoReturn) if !self.no_return && self.open.is_none() => self.no_return = true,
            (Phase::Running | Phase::Aborting, Event::TurnedBack { why, steps }) => {
                self.crashed |= self.open.is_some();
                self.why = Some(why.clone());
                self.turned_back = Some(why.clone());
                self.set_out(Direction::Back, steps);
            }
            (_, Event::Halted { why, next_steps }) if underway => {
                self.crashed |= self.open.is_some();
                self.why = Some(why.clone());
                self.next_steps.clone_from(next_steps);
                self.phase = Phase::Stuck;
            }
            (Phase::Stuck, Event::Said { settle, release, .. }) => self.listen(*settle, release.as_ref()),
            // Whoever put everything back by hand while we could not run says so before we go on with what we were at.
            (phase, Event::Said { settle: Settle::Accept, release, .. }) if !phase.terminal() => {
                self.listen(Settle::Accept, release.as_ref());
            }
            // A way back that waits between two tries may be told as well what to do.
            (Phase::RollingBack, Event::Said { settle, release, .. }) if self.failure.is_some() => {
                self.listen(*settle, release.as_ref());
            }
            (Phase::Running, Event::Committed) if self.step().is_none() => self.phase = Phase::Committed,
            (Phase::RollingBack, Event::RolledBack { next_steps }) if self.step().is_none() => {
                self.next_steps.clone_from(next_steps);
                if self.turned_back.is_some() {
                    self.why = self.turned_back.clone();
                }
                self.phase = Phase::RolledBack;
            }
            (Phase::Running | Phase::Aborting, Event::Refused { why })
                if self.touched.iter().all(|step| *step == Step::Preflight) =>
            {
                self.why = Some(why.clone());
                self.phase = Phase::Refused;
            }
            _ => return Err(IllegalEvent { event: event.kind(), phase: self.phase, at: self.step() }),
        }
        Ok(self)
    }

    fn set_out(&mut self, direction: Direction, steps: &[Step]) {
        self.phase = match direction {
            Direction::Forward => Phase::Running,
            Direction::Back => Phase::RollingBack,
        };
        self.direction = direction;
        self.route = steps.to_vec();
        self.at = 0;
        self.attempts = 0;
        self.forget_trouble();
    }

    fn forget_trouble(&mut self) {
        self.open = None;
        self.unanswered = 0;
        self.failures = 0;
        self.failure = None;
        self.first_failure = None;
    }

    fn listen(&mut self, settle: Settle, release: Option<&ReleaseAt>) {
        self.next_steps.clear();
        self.told = true;
        self.phase = match (settle, self.direction) {
            (Settle::Accept, _) => {
                self.accepted = release.cloned();
                Phase::Accepted
            }
            (Settle::Resume, Direction::Forward) => Phase::Running,
            // Already on its way back: giving up means going on with that.
            (Settle::Resume | Settle::Abort, Direction::Back) => Phase::RollingBack,
            (Settle::Abort, Direction::Forward) => Phase::Aborting,
        };
        self.forget_trouble();
    }
}

#[cfg(test)]
mod tests;
