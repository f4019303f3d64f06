//! Where an upgrade stands, in one word.

use std::fmt;

use serde::{Deserialize, Serialize};

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
