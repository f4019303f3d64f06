//! One look at the world, as plain values: everything a decision is made of.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::config::{BeforeUpgrade, OnFailure, Runner, Window};
use crate::failure::Class;
use crate::ids::{Label, TargetName, UpgradeId};
use crate::release::{Installed, WayBack};
use crate::restore::Unfinished;
use crate::service::ServiceState;
use crate::shape::Shape;
use crate::state_db::holds::Hold;
use crate::state_db::rehearsals::Rehearsal;
use crate::upgrade::judge::{self, Judgement, Left, Scripts, Serving};
use crate::upgrade::state::{Phase, ReleaseAt};
use crate::version::Version;

/// Everything a decision is made of; one look at the world.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The target.
    pub target: TargetName,
    /// When it was looked at.
    pub at: DateTime<Utc>,
    /// The installed release, or why it cannot be read; none for a target without one.
    pub release: Option<Result<Installed, Unread>>,
    /// The release that the newest ended upgrade left as the good one; none at first sight.
    pub good: Option<ReleaseAt>,
    /// What the last upgrade, restore or look left on record; none at first sight.
    pub left: Option<Left>,
    /// How the good release could be put back.
    pub way_back: WayBack,
    /// The database, or why it does not answer.
    pub database: Result<Database, String>,
    /// The managed server; none when none is configured.
    pub service: Option<ServiceState>,
    /// Holds that stand.
    pub holds: Vec<Hold>,
    /// A restore into the target's database that has begun and not ended.
    pub unfinished: Option<Unfinished>,
    /// An upgrade that has not ended.
    pub open: Option<(UpgradeId, Phase)>,
    /// An upgrade that is in no journal, if there are traces of one.
    pub lost: Option<Lost>,
    /// The newest rehearsal of the installed release.
    pub rehearsal: Option<Rehearsal>,
    /// Free bytes where archives go.
    pub free_bytes: u64,
    /// The size of the newest whole archive, if there is one.
    pub last_archive_bytes: Option<u64>,
    /// The newest good archive that is the good release's, if there is one.
    pub last_of_good: Option<Label>,
    /// The rules of the target.
    pub rules: Rules,
}

/// Why a release cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The class of the failure.
    pub class: Class,
    /// In words.
    pub why: String,
    /// Whether it is only that the package manager is running, which passes.
    pub busy: bool,
}

impl Observation {
    /// How release and database stand; none where one of them could not be looked at.
    #[must_use]
    pub fn judgement(&self) -> Option<Judgement> {
        let (Some(Ok(installed)), Ok(database)) = (&self.release, &self.database) else { return None };
        Some(judge::judge(&judge::Case {
            installed: &installed.version,
            runner: self.rules.runner.as_ref(),
            scripts: database.scripts.as_ref(),
            table: self.rules.table.as_deref(),
            shape: &database.shape,
            left: self.left.as_ref(),
            known: &database.known,
            comparable: database.comparable,
            serving: match &self.service {
                None => Serving::NoServer,
                Some(ServiceState::Running) => Serving::Yes,
                Some(ServiceState::Stopped | ServiceState::Unknown(_)) => Serving::No,
            },
        }))
    }

    /// The newest version of the history that counts.
    #[must_use]
    pub fn head(&self) -> Option<&str> {
        let database = self.database.as_ref().ok()?;
        database.shape.head_by(database.scripts.as_ref().and(self.rules.table.as_deref()))
    }

    /// The restore that stopped half-way, if one did: what is in the database now is nobody's.
    #[must_use]
    pub fn half_restored(&self) -> Option<&Unfinished> {
        let says_so = self.database.as_ref().is_ok_and(|database| database.half_loaded);
        self.unfinished.as_ref().filter(|mark| mark.half_way() || says_so)
    }
}

/// What is asked of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its shape.
    pub shape: Shape,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it says of itself that it holds a part of an archive.
    pub half_loaded: bool,
    /// How it stands to the release's scripts; none when nothing says what should be there.
    pub scripts: Option<Scripts>,
    /// The releases that this very shape is known to be of, oldest first.
    pub known: Vec<Version>,
    /// Whether its fingerprint can be compared with the one on record.
    pub comparable: bool,
}

/// What the configuration says of upgrades of this target.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether the daemon upgrades without being asked.
    pub auto: bool,
    /// The window of the day.
    pub window: Option<Window>,
    /// Whether it waits for a rehearsal.
    pub before_upgrade: BeforeUpgrade,
    /// What a failure does.
    pub on_failure: OnFailure,
    /// How many restarts of one step without an outcome are tried.
    pub attempts: u32,
    /// Who applies the migrations; none when there are none.
    pub runner: Option<Runner>,
    /// The history table that scripts are judged by.
    pub table: Option<String>,
    /// The release's symlink or directory, as configured.
    pub release_path: PathBuf,
    /// The server, as messages name it (`notes.service`).
    pub service: String,
}

/// An upgrade that is in no journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Of which target.
    pub target: TargetName,
    /// What says so, as a clause.
    pub says: String,
    /// An archive it took before it changed anything, where that is known.
    pub archive: Option<Label>,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { target, says, archive } = self;
        write!(
            f,
            "{says}, and the journal knows nothing of it: the state database was lost, or is an old copy. Nothing is done by itself. "
        )?;
        match archive {
            Some(label) => write!(
                f,
                "To go back: `upkeep restore {target} {label} --replace --stop-server`, install the release it belongs to, then "
            )?,
            None => {
                write!(f, "To go back: `upkeep list {target}`, `upkeep restore {target} LABEL --replace --stop-server`, then ")?
            }
        }
        write!(
            f,
            "`upkeep upgrade {target} --accept`; where release and data are right as they are: `upkeep upgrade {target} --accept`"
        )
    }
}
