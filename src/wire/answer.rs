//! What comes of an action, where no module below has a type for it already: the job's `result`.
//!
//! What these wrap (archives, plans) is the work's own, so they are generic over it: nothing below is imported.

use serde::{Deserialize, Serialize};

use super::{ExpectedDowntime, RehearsalStatus, UpgradeStatus};

/// `verify` of several archives: all of them are whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified<E> {
    /// How many were read back.
    pub verified: u64,
    /// Which.
    pub archives: Vec<E>,
}

/// `plan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decided<P> {
    /// There is nothing to upgrade to.
    Nothing {
        /// Why.
        why: String,
    },
    /// An upgrade would be refused.
    Refuse {
        /// Why, one sentence each.
        refusals: Vec<String>,
        /// What a person does about each.
        #[serde(default)]
        next_steps: Vec<String>,
    },
    /// The release would be taken for the good one, with nothing done.
    Adopt {
        /// One sentence.
        headline: String,
        /// The plan.
        plan: P,
    },
    /// An upgrade would be done.
    Plan {
        /// One sentence.
        headline: String,
        /// The plan.
        plan: P,
        /// How long the server may be expected not to serve.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        downtime: Option<ExpectedDowntime>,
        /// The newest rehearsal of this very release, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rehearsal: Option<Box<RehearsalStatus>>,
    },
}

/// `upgrade` and `rollback`: there was nothing to do, or an upgrade that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Upgraded {
    /// No upgrade was begun.
    Undecided(Undecided),
    /// One has ended.
    Ended {
        /// Its phase.
        outcome: String,
        /// What was ended beside or before what was asked for, in one sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        carried_on: Option<String>,
        /// The upgrade.
        #[serde(flatten)]
        upgrade: Box<UpgradeStatus>,
    },
}

/// Why no upgrade was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undecided {
    /// `nothing` or `adopted`.
    pub outcome: String,
    /// Why.
    pub why: String,
}

/// `release-hold`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// How many holds ended.
    pub released: u64,
}

/// `gate`: the server may start. That it may not is a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// `pass`.
    pub gate: String,
    /// Why.
    pub why: String,
}

impl Passed {
    /// It may, for this reason.
    #[must_use]
    pub fn because(why: impl Into<String>) -> Self {
        Self { gate: "pass".to_owned(), why: why.into() }
    }
}

/// `migrate apply` as a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldRun<S> {
    /// The scripts, in order.
    pub would_run: Vec<S>,
}
