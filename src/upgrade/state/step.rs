//! The steps of an upgrade, by the names that stand in journals.

use std::fmt;

use serde::{Deserialize, Serialize};

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
