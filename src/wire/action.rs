//! Everything an operator can ask for, as one closed enum: the form it has on the socket and in the table `run`.
//!
//! Reading questions (status, list, inspect, events) are not actions. What each one does is in `verbs`, by the same names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Address, Private};
use crate::ids::{Label, OwnerName, PlaceName, TargetName};

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Take an archive now.
    Backup(Backup),
    /// Read archives back, every byte.
    Verify(Verify),
    /// Put an archive's content into a database.
    Restore(Restore),
    /// Say what an upgrade would do now, or why it would refuse.
    Plan(Plan),
    /// Run the plan now, carry on one that was cut short, or settle a stuck one.
    Upgrade(Upgrade),
    /// Back to the version and data before the last upgrade.
    Rollback(Rollback),
    /// No upgrades for now.
    Hold(Hold),
    /// Upgrades again: every hold of the target ends.
    ReleaseHold(ReleaseHold),
    /// Flyway's verbs.
    Migrate(Migrate),
    /// Retention now.
    Prune(Prune),
    /// Keep an archive from retention.
    Pin(Pin),
    /// Let retention have it again.
    Unpin(Unpin),
    /// May the server start on this database? When migrations are pending: upgrade first.
    Gate(Gate),
    /// Send what is owed to a place.
    Copy(Copy),
    /// Read copies at a place back, every byte.
    VerifyCopies(VerifyCopies),
    /// Set a place up for this host.
    OffsiteInit(OffsiteInit),
    /// Can a place be used?
    OffsiteCheck(OffsiteCheck),
    /// Try a person's keys on a copy that is encrypted.
    OffsiteProve(OffsiteProve),
    /// Restore an archive into a scratch and compare.
    Drill(Drill),
    /// Run a release's migrations in a scratch.
    Rehearse(Rehearse),
}

/// `backup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Of this target.
    pub target: TargetName,
    /// What to say of it.
    #[serde(default)]
    pub note: Option<String>,
    /// Pin it, with this reason.
    #[serde(default)]
    pub pin: Option<String>,
    /// The moment it was due, when the schedule asked.
    #[serde(default)]
    pub scheduled_for: Option<DateTime<Utc>>,
}

/// `verify`: one archive, those of a target, or all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// Only this one.
    #[serde(default)]
    pub label: Option<Label>,
    /// Only of this target.
    #[serde(default)]
    pub target: Option<TargetName>,
}

/// `restore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The target the archive is of.
    pub target: TargetName,
    /// This archive; else by `at`, else the newest verified one.
    #[serde(default)]
    pub label: Option<Label>,
    /// The newest verified archive not younger than this.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
    /// Into this database instead of the target's own.
    #[serde(default)]
    pub into: Option<Address>,
    /// Also when the database holds rows; a safety archive is taken first.
    #[serde(default)]
    pub replace: bool,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Stop the server first and start it again afterwards.
    #[serde(default)]
    pub stop_server: bool,
    /// From the copy at this place instead of the archive here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceName>,
    /// The copy that another host wrote there under this name; else this host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerName>,
    /// What opens the copy, where it is encrypted: the content of an identity file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Private>,
}

/// `plan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Of this target.
    pub target: TargetName,
}

/// `upgrade`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// Of this target.
    pub target: TargetName,
    /// What to do with a stuck one.
    #[serde(default)]
    pub settle: Option<Settle>,
}

/// What an operator says of a stuck upgrade. Also a word of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settle {
    /// Try the step it stands at once more.
    Resume,
    /// Give up and put everything back.
    Abort,
    /// A person has fixed it: record the present state as the new known-good one.
    Accept,
}

/// `rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// Of this target.
    pub target: TargetName,
}

/// `hold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Of this target.
    pub target: TargetName,
    /// Until then; until released when not given.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Who asks, as the kernel says. What a client sends here is not believed: the daemon writes its peer's name over it.
    #[serde(default)]
    pub who: Option<String>,
}

/// `release-hold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseHold {
    /// Of this target.
    pub target: TargetName,
}

/// `migrate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrate {
    /// Of this target.
    pub target: TargetName,
    /// Which.
    pub verb: MigrateVerb,
    /// What else was asked for.
    #[serde(default, flatten)]
    pub ask: MigrateAsk,
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

/// `prune`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prune {
    /// Of this target.
    pub target: TargetName,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// A person has looked at the archive that holds suddenly less: deletion goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub looked: bool,
}

/// `pin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Which.
    pub label: Label,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// `unpin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpin {
    /// Which.
    pub label: Label,
}

/// `gate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Of this target.
    pub target: TargetName,
}

/// `copy`: one archive, what is owed of a target, or all that is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// To this place.
    pub place: PlaceName,
    /// Only this archive.
    #[serde(default)]
    pub label: Option<Label>,
    /// Only what is owed of this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<TargetName>,
}

/// `verify-copies`: one copy, those of a target, or all at the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyCopies {
    /// At this place.
    pub place: PlaceName,
    /// Only this one.
    #[serde(default)]
    pub label: Option<Label>,
    /// Only those of this target.
    #[serde(default)]
    pub of: Option<TargetName>,
    /// What opens them, where they are encrypted, so that what is inside is read as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Private>,
}

/// `offsite-init`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsiteInit {
    /// This place.
    pub place: PlaceName,
    /// Also when another host wrote there under this host's name.
    #[serde(default)]
    pub adopt: bool,
}

/// `offsite-check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsiteCheck {
    /// This place.
    pub place: PlaceName,
}

/// `offsite-prove`: opens one copy, the newest that is encrypted where none is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsiteProve {
    /// At this place.
    pub place: PlaceName,
    /// This copy.
    #[serde(default)]
    pub label: Option<Label>,
    /// The content of an identity file.
    pub identity: Private,
}

/// `drill`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// Of this target.
    pub target: TargetName,
    /// This archive; else the newest verified one.
    #[serde(default)]
    pub label: Option<Label>,
    /// From the copy at this place instead of the archive here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceName>,
    /// What opens the copy, where it is encrypted: the content of an identity file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Private>,
    /// The moment it was due, when the schedule asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<DateTime<Utc>>,
}

/// `rehearse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearse {
    /// Of this target.
    pub target: TargetName,
    /// This archive; else the newest verified one.
    #[serde(default)]
    pub from: Option<Label>,
    /// A version, or the directory of a release beside the installed one; else that.
    #[serde(default)]
    pub to: Option<String>,
    /// The moment it was due, when the schedule asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<DateTime<Utc>>,
}

/// On whose behalf something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person asked.
    Person,
    /// The daemon, by schedule or because it saw something.
    Daemon,
    /// The gate: the server is down and waits.
    Gate,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// In which role.
    pub by: By,
    /// By name, as the kernel told it: of the socket's peer, or of the user at the terminal. Never what a client says of itself.
    pub who: String,
}

impl Asker {
    /// A person of this name.
    #[must_use]
    pub fn person(who: impl Into<String>) -> Self {
        Self { by: By::Person, who: who.into() }
    }

    /// The daemon itself.
    #[must_use]
    pub fn daemon() -> Self {
        Self { by: By::Daemon, who: "upkeep".to_owned() }
    }

    /// The gate of a server that waits to start.
    #[must_use]
    pub fn gate() -> Self {
        Self { by: By::Gate, who: "gate".to_owned() }
    }
}

impl Action {
    /// The target it is about, where it names one.
    #[must_use]
    pub fn target(&self) -> Option<&TargetName> {
        match self {
            Self::Backup(Backup { target, .. })
            | Self::Restore(Restore { target, .. })
            | Self::Plan(Plan { target })
            | Self::Upgrade(Upgrade { target, .. })
            | Self::Rollback(Rollback { target })
            | Self::Hold(Hold { target, .. })
            | Self::ReleaseHold(ReleaseHold { target })
            | Self::Migrate(Migrate { target, .. })
            | Self::Prune(Prune { target, .. })
            | Self::Gate(Gate { target })
            | Self::Drill(Drill { target, .. })
            | Self::Rehearse(Rehearse { target, .. }) => Some(target),
            Self::Verify(Verify { target, .. }) => target.as_ref(),
            Self::Pin(_) | Self::Unpin(_) => None,
            Self::Copy(_) | Self::VerifyCopies(_) | Self::OffsiteInit(_) | Self::OffsiteCheck(_) | Self::OffsiteProve(_) => {
                None
            }
        }
    }

    /// The place it is about, where it is about one as a whole.
    #[must_use]
    pub fn place(&self) -> Option<&PlaceName> {
        match self {
            Self::Copy(Copy { place, .. })
            | Self::VerifyCopies(VerifyCopies { place, .. })
            | Self::OffsiteInit(OffsiteInit { place, .. })
            | Self::OffsiteCheck(OffsiteCheck { place })
            | Self::OffsiteProve(OffsiteProve { place, .. }) => Some(place),
            _ => None,
        }
    }

    /// What opens encrypted copies for it, where somebody gave that.
    #[must_use]
    pub fn identity(&self) -> Option<&Private> {
        match self {
            Self::Restore(Restore { identity, .. }) | Self::VerifyCopies(VerifyCopies { identity, .. }) => identity.as_ref(),
            Self::Drill(Drill { identity, .. }) => identity.as_ref(),
            Self::OffsiteProve(OffsiteProve { identity, .. }) => Some(identity),
            _ => None,
        }
    }

    /// Whether it may be ended at any moment of its run: what it leaves is removed, and nobody goes on from the middle of it.
    #[must_use]
    pub fn may_be_cut_off(&self) -> bool {
        matches!(
            self,
            Self::Backup(_)
                | Self::Verify(_)
                | Self::Copy(_)
                | Self::VerifyCopies(_)
                | Self::OffsiteProve(_)
                | Self::Drill(_)
                | Self::Rehearse(_)
        )
    }

    /// The target whose archives it tries in a scratch, where it is such.
    #[must_use]
    pub fn tries(&self) -> Option<&TargetName> {
        match self {
            Self::Drill(Drill { target, .. }) | Self::Rehearse(Rehearse { target, .. }) => Some(target),
            _ => None,
        }
    }

    /// Its name, as on the command line and in events.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backup(_) => "backup",
            Self::Verify(_) => "verify",
            Self::Restore(_) => "restore",
            Self::Plan(_) => "plan",
            Self::Upgrade(_) => "upgrade",
            Self::Rollback(_) => "rollback",
            Self::Hold(_) => "hold",
            Self::ReleaseHold(_) => "release-hold",
            Self::Migrate(_) => "migrate",
            Self::Prune(_) => "prune",
            Self::Pin(_) => "pin",
            Self::Unpin(_) => "unpin",
            Self::Gate(_) => "gate",
            Self::Copy(_) => "copy",
            Self::VerifyCopies(_) => "verify-copies",
            Self::OffsiteInit(_) => "offsite-init",
            Self::OffsiteCheck(_) => "offsite-check",
            Self::OffsiteProve(_) => "offsite-prove",
            Self::Drill(_) => "drill",
            Self::Rehearse(_) => "rehearse",
        }
    }
}
