//! Everything an operator can ask for, as one closed enum, and the one place that carries it out.
//!
//! The daemon's jobs and the command line without a daemon perform the same [`Action`] the same way. Reading questions
//! (status, list, inspect, events) are not actions.

mod perform;
mod settle;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{Label, TargetName};

pub use crate::upgrade::Settle;
pub use perform::{By, gate, gate_answer, perform, perform_by, target};
pub use settle::{Settled, settle, tidy};

/// Something to do. The form it has on the socket and in the table `run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Take an archive now.
    Backup {
        /// Of this target.
        target: TargetName,
        /// What to say of it.
        #[serde(default)]
        note: Option<String>,
        /// Pin it, with this reason.
        #[serde(default)]
        pin: Option<String>,
        /// The moment it was due, when the schedule asked.
        #[serde(default)]
        scheduled_for: Option<DateTime<Utc>>,
    },
    /// Read archives back, every byte.
    Verify {
        /// Only this one.
        #[serde(default)]
        label: Option<Label>,
        /// Only of this target.
        #[serde(default)]
        target: Option<TargetName>,
    },
    /// Put an archive's content into a database.
    Restore {
        /// The target the archive is of.
        target: TargetName,
        /// This archive; else by `at`, else the newest verified one.
        #[serde(default)]
        label: Option<Label>,
        /// The newest verified archive not younger than this.
        #[serde(default)]
        at: Option<DateTime<Utc>>,
        /// Into this database instead of the target's own.
        #[serde(default)]
        into: Option<String>,
        /// Also when the database holds rows; a safety archive is taken first.
        #[serde(default)]
        replace: bool,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
        /// Stop the server first and start it again after.
        #[serde(default)]
        stop_server: bool,
    },
    /// Say what an upgrade would do now, or why it would refuse.
    Plan {
        /// Of this target.
        target: TargetName,
    },
    /// Run the plan now, or settle a stuck upgrade.
    Upgrade {
        /// Of this target.
        target: TargetName,
        /// What to do with a stuck one.
        #[serde(default)]
        settle: Option<Settle>,
    },
    /// Back to the version and data before the last upgrade.
    Rollback {
        /// Of this target.
        target: TargetName,
    },
    /// No upgrades for now.
    Hold {
        /// Of this target.
        target: TargetName,
        /// Until then; for ever when not given.
        #[serde(default)]
        until: Option<DateTime<Utc>>,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
        /// Who asks.
        #[serde(default)]
        who: Option<String>,
    },
    /// Upgrades again: every hold of the target ends.
    ReleaseHold {
        /// Of this target.
        target: TargetName,
    },
    /// Flyway's verbs.
    Migrate {
        /// Of this target.
        target: TargetName,
        /// Which.
        verb: MigrateVerb,
        /// What else was asked for.
        #[serde(default, flatten)]
        ask: MigrateAsk,
    },
    /// Retention now.
    Prune {
        /// Of this target.
        target: TargetName,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
    },
    /// Keep an archive from retention.
    Pin {
        /// Which.
        label: Label,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Let retention have it again.
    Unpin {
        /// Which.
        label: Label,
    },
    /// May the server start on this database? When migrations are pending: upgrade first.
    Gate {
        /// Of this target.
        target: TargetName,
    },
}

/// Flyway's verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigrateVerb {
    /// States of all migrations.
    Info,
    /// Do scripts and history agree?
    Validate,
    /// Apply what is pending.
    Apply,
    /// Write a baseline row.
    Baseline,
    /// Remove failed rows, realign checksums.
    Repair,
    /// Take the newest version back.
    Undo,
}

/// What a `migrate` verb is asked beside its target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MigrateAsk {
    /// Apply: nothing newer. Undo: everything newer. Baseline: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Apply: only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cherry_pick: Vec<String>,
    /// Apply: only say what would run.
    #[serde(default)]
    pub dry_run: bool,
}

impl Action {
    /// The target it is about, where it names one.
    #[must_use]
    pub fn target(&self) -> Option<&TargetName> {
        match self {
            Self::Backup { target, .. }
            | Self::Restore { target, .. }
            | Self::Plan { target }
            | Self::Upgrade { target, .. }
            | Self::Rollback { target }
            | Self::Hold { target, .. }
            | Self::ReleaseHold { target }
            | Self::Migrate { target, .. }
            | Self::Prune { target, .. }
            | Self::Gate { target } => Some(target),
            Self::Verify { target, .. } => target.as_ref(),
            Self::Pin { .. } | Self::Unpin { .. } => None,
        }
    }

    /// Its name, as on the command line and in events.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backup { .. } => "backup",
            Self::Verify { .. } => "verify",
            Self::Restore { .. } => "restore",
            Self::Plan { .. } => "plan",
            Self::Upgrade { .. } => "upgrade",
            Self::Rollback { .. } => "rollback",
            Self::Hold { .. } => "hold",
            Self::ReleaseHold { .. } => "release-hold",
            Self::Migrate { .. } => "migrate",
            Self::Prune { .. } => "prune",
            Self::Pin { .. } => "pin",
            Self::Unpin { .. } => "unpin",
            Self::Gate { .. } => "gate",
        }
    }
}
