//! The words of the journal: what may be written down of an upgrade.
//!
//! Plain data that other builds read: a field is added with a default, a name is never changed. What may follow what is
//! decided by the fold, beside this file.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Step;
use crate::failure::Class;
use crate::ids::Label;
use crate::process::Identity;
use crate::service::tool::ToolRun;
use crate::version::Version;

pub use crate::wire::Settle;

/// Which way a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the new version.
    Forward,
    /// To the old version.
    Back,
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
    /// Whether it is a person's to decide: to try again changes nothing, and to go on could do harm.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub person: bool,
}

impl Failed {
    /// A failure without a next step of its own.
    #[must_use]
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), transient: false, hints: Vec::new(), partial: false, person: false }
    }

    /// One that only a person can decide about.
    #[must_use]
    pub fn undecided(message: impl Into<String>, hints: Vec<String>) -> Self {
        Self { hints, person: true, ..Self::new(Class::Data, message) }
    }

    /// Whether it may pass while nobody but the cause itself does anything about it (a server comes back, room is made), so that
    /// trying again is worth it. What is damaged, refused or not configured stays so.
    #[must_use]
    pub fn passes(&self) -> bool {
        let lasting = matches!(
            self.class,
            Class::Usage
                | Class::NoInput
                | Class::Protocol
                | Class::NoPermission
                | Class::Config
                | Class::Data
                | Class::Software
        );
        !self.person && (self.transient || !lasting)
    }
}

/// The vendor's tool, as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// A child process of a run of ours.
    Process(Identity),
    /// A unit of systemd.
    Unit(ToolRun),
}

impl std::fmt::Display for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process(process) => write!(f, "process group {}", process.pid),
            Self::Unit(run) => f.write_str(&run.unit),
        }
    }
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
    /// The vendor's tool is about to begin, as this process: it may outlive us.
    Spawned {
        /// The step that runs it.
        step: Step,
        /// Who it is.
        process: Identity,
    },
    /// The vendor's tool is about to begin, as a unit of systemd: it outlives us.
    Handed {
        /// The step that runs it.
        step: Step,
        /// Which run of which unit.
        run: ToolRun,
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
        /// The moment between its two parts, for the steps that have two: an archive was sealed and is read back from then on, a server
        /// gave the first of the good answers that lasted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        between: Option<DateTime<Utc>>,
    },
    /// The step did not go through.
    Failed {
        /// Which.
        step: Step,
        /// Why.
        failed: Failed,
    },
    /// An earlier step of the route is done again: what it had done no longer holds.
    Retraced {
        /// Which.
        to: Step,
        /// Why.
        why: String,
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
            Event::Spawned { .. } => "spawned",
            Event::Handed { .. } => "handed",
            Event::Done { .. } => "done",
            Event::Failed { .. } => "failed",
            Event::Retraced { .. } => "retraced",
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
            Event::Intended { step, .. }
            | Event::Spawned { step, .. }
            | Event::Handed { step, .. }
            | Event::Done { step, .. }
            | Event::Failed { step, .. } => Some(*step),
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
