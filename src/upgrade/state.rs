//! Where an upgrade stands: the fold of its events, by one total function.
//!
//! Owns the words of the journal ([`Event`], [`Step`]) and which event may follow which. Never touches the world and never
//! mends a journal: an event that cannot follow is an [`IllegalEvent`]. Invariants: every prefix of a legal journal folds; a
//! terminal phase takes no event; held by the property tests beside this file.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::Class;
use crate::ids::Label;
use crate::version::Version;

/// One step of an upgrade or of its way back. The names are in journals; none is ever renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The world is still what the plan was made for.
    Preflight,
    /// The old server stops.
    Stop,
    /// The pre-upgrade archive: sealed, verified, pinned.
    Archive,
    /// The pending migrations.
    Migrate,
    /// The shape, with a fresh connection, is what the plan expects.
    Inspect,
    /// The new server starts.
    Start,
    /// It answers, and goes on answering.
    Healthy,
    /// Way back: the new server stops.
    StopNew,
    /// Way back: what the failed upgrade left is archived.
    KeepFailed,
    /// Way back: the pre-upgrade archive takes the database's place.
    Restore,
    /// Way back: the old release is the installed one again.
    PointBack,
    /// Way back: the old server starts.
    StartOld,
    /// Way back: it answers.
    HealthyOld,
    /// Way back: the version that failed is held.
    Hold,
}

impl Step {
    /// Every step.
    pub const ALL: [Step; 14] = [
        Step::Preflight,
        Step::Stop,
        Step::Archive,
        Step::Migrate,
        Step::Inspect,
        Step::Start,
        Step::Healthy,
        Step::StopNew,
        Step::KeepFailed,
        Step::Restore,
        Step::PointBack,
        Step::StartOld,
        Step::HealthyOld,
        Step::Hold,
    ];

    /// The name, as in the journal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Step::Preflight => "preflight",
            Step::Stop => "stop",
            Step::Archive => "archive",
            Step::Migrate => "migrate",
            Step::Inspect => "inspect",
            Step::Start => "start",
            Step::Healthy => "healthy",
            Step::StopNew => "stop-new",
            Step::KeepFailed => "keep-failed",
            Step::Restore => "restore",
            Step::PointBack => "point-back",
            Step::StartOld => "start-old",
            Step::HealthyOld => "healthy-old",
            Step::Hold => "hold",
        }
    }

    /// Whether the only way back from this step is a restore.
    #[must_use]
    pub fn one_way(self) -> bool {
        matches!(self, Step::Migrate | Step::Start)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which way a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the new version.
    Forward,
    /// To the old version.
    Back,
}

/// What an operator says of a stuck upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settle {
    /// Try the step it stands at once more.
    Resume,
    /// Give up and put everything back.
    Abort,
    /// A person has mended it: take the present state as the new good one.
    Accept,
}

/// A release as a plan and the journal name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseAt {
    /// Its version.
    pub version: Version,
    /// Where it is, symlinks resolved.
    pub path: std::path::PathBuf,
}

/// Why a step failed; plain data, for another build reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The class of the failure.
    pub class: Class,
    /// What was attempted and why it stopped, causes included, on one line.
    pub message: String,
    /// Whether the same attempt may succeed later by itself.
    pub transient: bool,
    /// Next steps that the failure itself suggests.
    #[serde(default)]
    pub hints: Vec<String>,
    /// Whether the step is known to have left a part of itself: of a migration that no transaction held together.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// What a journal is made of. An intent is on disk before its effect, an outcome after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// The plan was accepted; always the first event.
    Planned {
        /// Which way its steps lead.
        direction: Direction,
        /// The steps, in order.
        steps: Vec<Step>,
    },
    /// The step is about to be done.
    Intended {
        /// Which.
        step: Step,
        /// The how-many-th time, from 1.
        attempt: u32,
    },
    /// The step is done, or was found done.
    Done {
        /// Which.
        step: Step,
        /// What was done or found, one sentence.
        note: String,
        /// The archive it made, for the steps that make one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<Label>,
    },
    /// The step did not go through.
    Failed {
        /// Which.
        step: Step,
        /// Why.
        failed: Failed,
    },
    /// From here on the only way back is a restore.
    NoReturn,
    /// The upgrade turns back.
    TurnedBack {
        /// Why.
        why: String,
        /// The way back, in order.
        steps: Vec<Step>,
    },
    /// A person is needed.
    Halted {
        /// Why.
        why: String,
        /// Exact commands.
        next_steps: Vec<String>,
    },
    /// A person answered.
    Said {
        /// What.
        settle: Settle,
        /// Who.
        who: String,
        /// For `accept`: the release found, which is the good one from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<ReleaseAt>,
    },
    /// The new version is the good one.
    Committed,
    /// The old version is the good one again.
    RolledBack {
        /// What a person does next, when the server could not be started again.
        next_steps: Vec<String>,
    },
    /// Nothing was changed, nothing will be.
    Refused {
        /// Why.
        why: String,
    },
}

impl Event {
    /// The word in the journal's `kind` column.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Planned { .. } => "planned",
            Event::Intended { .. } => "intended",
            Event::Done { .. } => "done",
            Event::Failed { .. } => "failed",
            Event::NoReturn => "no-return",
            Event::TurnedBack { .. } => "turned-back",
            Event::Halted { .. } => "halted",
            Event::Said { .. } => "said",
            Event::Committed => "committed",
            Event::RolledBack { .. } => "rolled-back",
            Event::Refused { .. } => "refused",
        }
    }

    /// Whether nothing may follow it.
    #[must_use]
    pub fn ends(&self) -> bool {
        matches!(
            self,
            Event::Committed | Event::RolledBack { .. } | Event::Refused { .. } | Event::Said { settle: Settle::Accept, .. }
        )
    }

    /// The step it is about, if any.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        match self {
            Event::Intended { step, .. } | Event::Done { step, .. } | Event::Failed { step, .. } => Some(*step),
            _ => None,
        }
    }

    /// The attempt it is about, if any.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        match self {
            Event::Intended { attempt, .. } => Some(*attempt),
            _ => None,
        }
    }
}

/// Where an upgrade stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing is written yet.
    Idle,
    /// On its way to the new version.
    Running,
    /// An operator said abort; the way back is not written yet.
    Aborting,
    /// On its way back.
    RollingBack,
    /// Needs a person.
    Stuck,
    /// Ended: the new version is the good one.
    Committed,
    /// Ended: the old version is.
    RolledBack,
    /// Ended before anything was changed.
    Refused,
    /// Ended: a person mended it.
    Accepted,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 9] = [
        Phase::Idle,
        Phase::Running,
        Phase::Aborting,
        Phase::RollingBack,
        Phase::Stuck,
        Phase::Committed,
        Phase::RolledBack,
        Phase::Refused,
        Phase::Accepted,
    ];

    /// Whether no event may follow.
    #[must_use]
    pub fn terminal(self) -> bool {
        matches!(self, Phase::Committed | Phase::RolledBack | Phase::Refused | Phase::Accepted)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Idle => "idle",
            Phase::Running => "running",
            Phase::Aborting => "aborting",
            Phase::RollingBack => "rolling-back",
            Phase::Stuck => "stuck",
            Phase::Committed => "committed",
            Phase::RolledBack => "rolled-back",
            Phase::Refused => "refused",
            Phase::Accepted => "accepted",
        })
    }
}

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
    /// Why it turned back, stopped, or was refused.
    pub why: Option<String>,
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
            touched: BTreeSet::new(),
            crashed: false,
            partial: false,
            no_return: false,
            archive: None,
            kept: None,
            why: None,
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
                self.open = Some(*step);
                self.attempts += 1;
                self.unanswered += 1;
                self.touched.insert(*step);
            }
            (_, Event::Done { step, label, .. }) if underway && here => {
                match step {
                    Step::Archive => self.archive.clone_from(label),
                    Step::KeepFailed => self.kept.clone_from(label),
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
                self.failures += 1;
                self.partial |= failed.partial;
                self.failure = Some(failed.clone());
            }
            (Phase::Running, Event::NoReturn) if !self.no_return && self.open.is_none() => self.no_return = true,
            (Phase::Running | Phase::Aborting, Event::TurnedBack { why, steps }) => {
                self.crashed |= self.open.is_some();
                self.why = Some(why.clone());
                self.set_out(Direction::Back, steps);
            }
            (_, Event::Halted { why, next_steps }) if underway => {
                self.crashed |= self.open.is_some();
                self.why = Some(why.clone());
                self.next_steps.clone_from(next_steps);
                self.phase = Phase::Stuck;
            }
            (Phase::Stuck, Event::Said { settle, release, .. }) => self.listen(*settle, release.as_ref()),
            (Phase::Running, Event::Committed) if self.step().is_none() => self.phase = Phase::Committed,
            (Phase::RollingBack, Event::RolledBack { next_steps }) if self.step().is_none() => {
                self.next_steps.clone_from(next_steps);
                self.phase = Phase::RolledBack;
            }
            (Phase::Running, Event::Refused { why }) if self.touched.iter().all(|step| *step == Step::Preflight) => {
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
    }

    fn listen(&mut self, settle: Settle, release: Option<&ReleaseAt>) {
        self.next_steps.clear();
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
