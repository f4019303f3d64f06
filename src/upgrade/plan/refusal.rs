//! Why an upgrade is not begun, each reason with its next step.

use std::fmt;

use super::super::state::Phase;
use super::Unread;
use crate::config::Window;
use crate::count::few;
use crate::failure::Class;
use crate::ids::{Label, TargetName, UpgradeId};
use crate::state_db::holds::Hold;
use crate::text;
use crate::version::Version;

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// An upgrade of the target has not ended.
    Open {
        /// Which.
        id: UpgradeId,
        /// Its phase.
        phase: Phase,
    },
    /// There are traces of an upgrade that is in no journal, in words.
    Lost(String),
    /// A restore stopped half-way.
    HalfRestored(Label),
    /// The release cannot be read, or is two at once.
    Release(Unread),
    /// The database does not answer.
    Database(String),
    /// The installed release is older than the good one.
    Downgrade {
        /// The good one.
        from: Version,
        /// The installed one.
        to: Version,
    },
    /// The database holds migrations the release does not know.
    Ahead(Vec<String>),
    /// The history says that migrations failed.
    Failed(Vec<String>),
    /// Scripts and history contradict each other.
    Invalid(Vec<String>),
    /// What is known of the product speaks against it, each with its way out.
    Product(Vec<String>),
    /// Whether the database belongs to the release cannot be told.
    Unknown(String),
    /// The schema was changed outside of migrations, in words.
    Outside(String),
    /// No service is configured.
    NoService,
    /// The server's state cannot be told.
    Service(String),
    /// A hold.
    Hold(Hold),
    /// No room for archives.
    Room {
        /// Free bytes.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// `auto = false` and nobody asked.
    NotAsked,
    /// Outside the window.
    Window(Window),
    /// The release is to be rehearsed first.
    NotRehearsed(Version),
    /// It was, and did not pass, or could not be tried where it must be; why.
    Rehearsal(Version, String),
    /// What is left of the window is shorter than what the rehearsal says.
    Short {
        /// The window.
        window: Window,
        /// How long an upgrade is expected to take, in milliseconds.
        needed_ms: u64,
        /// Whether the whole window is long enough.
        ever: bool,
    },
}

impl Refusal {
    /// Its name for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open-upgrade",
            Self::Lost(_) => "lost-journal",
            Self::HalfRestored(_) => "half-restored",
            Self::Release(_) => "release",
            Self::Database(_) => "database",
            Self::Downgrade { .. } => "downgrade",
            Self::Ahead(_) => "ahead",
            Self::Failed(_) => "failed-migration",
            Self::Invalid(_) => "invalid-migrations",
            Self::Product(_) => "product",
            Self::Unknown(_) => "unknown",
            Self::Outside(_) => "changed-outside",
            Self::NoService => "no-service",
            Self::Service(_) => "service",
            Self::Hold(_) => "hold",
            Self::Room { .. } => "room",
            Self::NotAsked => "not-asked",
            Self::Window(_) => "window",
            Self::NotRehearsed(_) => "not-rehearsed",
            Self::Rehearsal(..) => "rehearsal",
            Self::Short { .. } => "window-too-short",
        }
    }

    /// The class of the failure behind it, where it is another than "try later".
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Release(unread) => Some(unread.class),
            Self::HalfRestored(_) | Self::Lost(_) => Some(Class::Data),
            _ => None,
        }
    }

    /// Whether it passes by itself (a window opens, a package manager ends) and is no cause for alarm.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(
            self,
            Self::NotAsked | Self::Window(_) | Self::Hold(_) | Self::NotRehearsed(_) | Self::Short { ever: true, .. }
        )
    }

    /// What a person does about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { phase: Phase::Stuck, .. } => {
                "see `upkeep status`, then settle it: `upkeep upgrade TARGET --resume`, `--abort` or `--accept`"
            }
            Self::Open { .. } => "watch it: `upkeep status --watch`",
            Self::Lost(_) => "check release and data, then: `upkeep upgrade TARGET --accept`",
            Self::HalfRestored(_) => "finish the restore first: `upkeep restore TARGET LABEL`",
            Self::Release(_) => "reinstall the release, or correct `[targets.T.release]`; then look again: `upkeep check`",
            Self::Database(_) => "is the database server running? `upkeep check`",
            Self::Downgrade { .. } => "install the newer release again, or go back with its data: `upkeep rollback TARGET`",
            Self::Ahead(_) => "install the release that knows them, or go back: `upkeep rollback TARGET`",
            Self::Failed(_) => "see each of them, and what to do: `upkeep migrate validate TARGET`",
            Self::Invalid(_) => "compare: `upkeep migrate validate TARGET`",
            Self::Product(_) => "see everything that prevents it: `upkeep check`",
            Self::Unknown(_) => {
                "see what changed (`upkeep diff TARGET`); archive it, restart the server on it and record it as the known-good release: \
                 `upkeep upgrade TARGET`"
            }
            Self::Outside(_) => {
                "see what changed (`upkeep diff TARGET`), then archive it as it is and go on: `upkeep upgrade TARGET`; \
                 or put back what was there: `upkeep list TARGET`, `upkeep restore TARGET LABEL --replace`"
            }
            Self::NoService => "tell upkeep how to stop and start the server: `[targets.T.service]`",
            Self::Service(_) => "check `unit` or `status` in `[targets.T.service]`",
            Self::Hold(_) => "allow it again: `upkeep release-hold TARGET`",
            Self::Room { .. } => "make room where the archives are: `upkeep prune TARGET --dry-run`",
            Self::NotAsked => "run it: `upkeep upgrade TARGET`",
            Self::Window(_) => "wait, or run it now: `upkeep upgrade TARGET`",
            Self::NotRehearsed(_) => "wait for it, or rehearse it now: `upkeep rehearse TARGET`",
            Self::Rehearsal(..) => "see why, and rehearse it again: `upkeep rehearse TARGET`",
            Self::Short { .. } => "make `window` in `[targets.T.upgrade]` longer, or run it now: `upkeep upgrade TARGET`",
        }
    }
}

/// What a person does about these, each thing once.
#[must_use]
pub fn next_steps(refusals: &[Refusal], target: &TargetName) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for step in refusals.iter().map(|refusal| text::naming(refusal.hint(), target.as_str())) {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { id, phase } => write!(f, "upgrade {id} is {phase}"),
            Self::Lost(why) => f.write_str(why),
            Self::HalfRestored(label) => write!(f, "the restore of {label} into the database stopped half-way"),
            Self::Release(unread) => f.write_str(&unread.why),
            Self::Database(why) => write!(f, "the database cannot be looked at: {why}"),
            Self::Downgrade { from, to } => write!(f, "{to} is older than {from}, which the database belongs to"),
            Self::Ahead(migrations) => {
                write!(f, "the database holds migrations the release does not know: {}", few(migrations, ", "))
            }
            Self::Failed(migrations) => {
                write!(f, "the history says that these migrations failed or never finished: {}", few(migrations, ", "))
            }
            Self::Invalid(problems) => {
                write!(f, "scripts and history contradict each other: {}", few(problems, "; "))
            }
            Self::Product(reasons) => write!(f, "{}", few(reasons, "; ")),
            Self::Unknown(why) | Self::Outside(why) => f.write_str(why),
            Self::NoService => f.write_str("no service is configured, so the server cannot be stopped and started"),
            Self::Service(why) => write!(f, "cannot tell whether the server is running: {why}"),
            Self::Hold(hold) => {
                let what = hold.version.as_ref().map_or_else(|| "upgrades are".to_owned(), |version| format!("{version} is"));
                let until =
                    hold.until.map(|until| format!(" until {}", until.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
                write!(f, "{what} on hold{until} by {}: {}", hold.who, hold.reason)
            }
            Self::Room { free, needed } => write!(f, "{free} bytes are free for archives, and up to {needed} are needed"),
            Self::NotAsked => f.write_str("`auto = false`: the upgrade waits for a person"),
            Self::NotRehearsed(version) => write!(f, "release {version} is to be rehearsed first, and was not yet"),
            Self::Rehearsal(version, why) => write!(f, "release {version} did not pass its rehearsal: {why}"),
            Self::Short { window, needed_ms, ever } => {
                let (from, to, needed) = (window.from.format("%H:%M"), window.to.format("%H:%M"), needed_ms.div_ceil(1000));
                let what = if *ever { "what is left of the window" } else { "the window" };
                write!(f, "{what} {from}-{to} ({}) is shorter than the {needed} s that its rehearsal foretells", window.zone)
            }
            Self::Window(window) => {
                write!(f, "outside the window {}-{} ({})", window.from.format("%H:%M"), window.to.format("%H:%M"), window.zone)
            }
        }
    }
}
