//! From what is observed to nothing, a plan, or refusals with their reasons.
//!
//! Owns the decision and the immutable plan. Pure: no clock, no disk. Invariants: a plan says everything its steps need, so
//! that carrying it out makes no choices; a refusal names its next step; the same observation always gives the same
//! decision; held by the table in the tests beside this file.

mod refusal;

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::state::{Direction, Phase, ReleaseAt, Step};
use crate::config::{OnFailure, Runner, Window};
use crate::gate;
use crate::ids::{Label, TargetName, UpgradeId};
use crate::release::{Installed, WayBack};
use crate::service::ServiceState;
use crate::shape::Shape;
use crate::state_db::holds::Hold;

pub use refusal::Refusal;

/// The plan format written now.
pub const FORMAT: u32 = 1;

/// Who wants the upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The daemon, because it saw a new release.
    ByDaemon,
    /// The gate, because the server was about to start on it: `window` does not apply, for the server is down meanwhile.
    ByGate,
    /// A person: neither `auto = false` nor `window` applies.
    ByPerson,
}

/// How the scripts of the release and the history in the database stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scripts {
    /// Migrations the database lacks, in the order they would be applied.
    pub pending: Vec<String>,
    /// Migrations the release does not know.
    pub ahead: Vec<String>,
    /// Migrations the history says failed.
    pub failed: Vec<String>,
    /// What else keeps release and history apart: changed checksums, missing scripts, versions out of order.
    pub invalid: Vec<String>,
}

/// Everything a decision is made of; one look at the world.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The target.
    pub target: TargetName,
    /// When it was looked at.
    pub at: DateTime<Utc>,
    /// The installed release, or why it cannot be read; none for a target without one.
    pub release: Option<Result<Installed, String>>,
    /// The release that the newest ended upgrade left as the good one; none at first sight.
    pub good: Option<ReleaseAt>,
    /// How the good release could be put back.
    pub way_back: WayBack,
    /// The database, or why it does not answer.
    pub database: Result<Database, String>,
    /// The managed server; none when none is configured.
    pub service: Option<ServiceState>,
    /// Holds that stand.
    pub holds: Vec<Hold>,
    /// An upgrade that has not ended.
    pub open: Option<(UpgradeId, Phase)>,
    /// Free bytes where archives go.
    pub free_bytes: u64,
    /// The size of the newest whole archive, if there is one.
    pub last_archive_bytes: Option<u64>,
    /// The rules of the target.
    pub rules: Rules,
}

/// What is asked of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its shape.
    pub shape: Shape,
    /// Its size in bytes.
    pub bytes: u64,
    /// How it stands to the release's scripts; none when the release has none configured.
    pub scripts: Option<Scripts>,
}

/// What the configuration says of upgrades of this target.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether the daemon upgrades without being asked.
    pub auto: bool,
    /// The window of the day.
    pub window: Option<Window>,
    /// What a failure does.
    pub on_failure: OnFailure,
    /// How many restarts of one step without an outcome are tried.
    pub attempts: u32,
    /// Who applies the migrations; none when there are none.
    pub runner: Option<Runner>,
    /// The release's symlink or directory, as configured.
    pub release_path: PathBuf,
    /// The server, as messages name it (`notes.service`).
    pub service: String,
}

/// Who applies the migrations, as a plan writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applies {
    /// Nobody: there are none.
    Nobody,
    /// Our own engine.
    Upkeep,
    /// The vendor's tool.
    Tool,
    /// The server at its first start.
    Server,
}

/// What an upgrade's failure does, as a plan writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterFailure {
    /// Put everything back.
    PutBack,
    /// Past the point of no return: wait for a person. Before it, put back: the database is as it was.
    AskPerson,
}

/// What a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "kebab-case")]
pub enum Purpose {
    /// To the installed release.
    Upgrade,
    /// Only to write down that the present state is the good one.
    Adopt,
    /// Back to before an earlier upgrade.
    Rollback {
        /// That upgrade.
        of: UpgradeId,
        /// Its pre-upgrade archive.
        archive: Label,
    },
}

/// An immutable plan: what will be done, in which order, and what is expected at each point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The format, [`FORMAT`] when written now.
    pub format: u32,
    /// The target.
    pub target: TargetName,
    /// What it is for.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// The release before; none at first sight.
    pub from: Option<ReleaseAt>,
    /// The release after.
    pub to: ReleaseAt,
    /// Whether and how the release before can be installed again.
    pub back: Back,
    /// Who applies the migrations.
    pub applies: Applies,
    /// The migrations to apply, in order.
    pub pending: Vec<String>,
    /// The shape before.
    pub before: Shape,
    /// Which way the steps lead.
    pub direction: Direction,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What a failure does.
    pub after_failure: AfterFailure,
    /// How many restarts of one step without an outcome are tried.
    pub attempts: u32,
    /// The release's symlink or directory, for the commands a person is told.
    pub release_path: PathBuf,
    /// The server, for the same.
    pub service: String,
}

/// Whether and how the release before can be installed again, as a plan writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Back {
    /// The symlink is swapped.
    Symlink,
    /// The configured command.
    Command,
    /// Not by us: a person installs it.
    Nothing,
}

/// What is to be done about an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, and why.
    Nothing(String),
    /// At first sight, all in step: the present state is written down as the good one. Nothing else happens.
    Adopt(Box<Plan>),
    /// This plan.
    Plan(Box<Plan>),
    /// Not now or not at all; every reason.
    Refuse(Vec<Refusal>),
}

/// Decides what an observation asks for.
#[must_use]
pub fn decide(seen: &Observation, asked: Asked, now: DateTime<Utc>) -> Decision {
    if let Some((id, phase)) = &seen.open {
        return Decision::Refuse(vec![Refusal::Open { id: id.clone(), phase: *phase }]);
    }
    let Some(release) = &seen.release else {
        return Decision::Nothing("no release is configured: this target is only backed up".to_owned());
    };
    let installed = match release {
        Ok(installed) => installed,
        Err(why) => return Decision::Refuse(vec![Refusal::Release(why.clone())]),
    };
    let database = match &seen.database {
        Ok(database) => database,
        Err(why) => return Decision::Refuse(vec![Refusal::Database(why.clone())]),
    };
    let scripts = database.scripts.clone().unwrap_or_default();
    let in_step = scripts == Scripts::default();
    let to = ReleaseAt { version: installed.version.clone(), path: installed.path.clone() };
    match &seen.good {
        Some(good) if good.version == to.version && in_step => {
            return Decision::Nothing(format!("{} is installed and in step with its database", to.version));
        }
        None if in_step => return Decision::Adopt(Box::new(plan(seen, to, database, Purpose::Adopt))),
        _ => {}
    }
    let refusals = refusals(seen, &to, database, &scripts, asked, now);
    if !refusals.is_empty() {
        return Decision::Refuse(refusals);
    }
    Decision::Plan(Box::new(plan(seen, to, database, Purpose::Upgrade)))
}

/// How release and database stand, for the gate and for status.
#[must_use]
pub fn standing(seen: &Observation) -> gate::Standing {
    let installed = match &seen.release {
        None => return gate::Standing::InStep,
        Some(Err(why)) => return gate::Standing::Unknown(why.clone()),
        Some(Ok(installed)) => installed,
    };
    let scripts = match &seen.database {
        Err(why) => return gate::Standing::Unknown(why.clone()),
        Ok(database) => database.scripts.clone().unwrap_or_default(),
    };
    if !scripts.ahead.is_empty() {
        return gate::Standing::Ahead(scripts.ahead);
    }
    if !scripts.failed.is_empty() || !scripts.invalid.is_empty() {
        return gate::Standing::Unknown([scripts.failed, scripts.invalid].concat().join("; "));
    }
    let taken_over = seen.good.as_ref().is_none_or(|good| good.version == installed.version);
    if scripts.pending.is_empty() && taken_over { gate::Standing::InStep } else { gate::Standing::Pending(scripts.pending) }
}

fn refusals(
    seen: &Observation,
    to: &ReleaseAt,
    database: &Database,
    scripts: &Scripts,
    asked: Asked,
    now: DateTime<Utc>,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if let Some(good) = seen.good.as_ref().filter(|good| to.version < good.version) {
        refusals.push(Refusal::Downgrade { from: good.version.clone(), to: to.version.clone() });
    }
    if !scripts.ahead.is_empty() {
        refusals.push(Refusal::Ahead(scripts.ahead.clone()));
    }
    if !scripts.failed.is_empty() {
        refusals.push(Refusal::Failed(scripts.failed.clone()));
    }
    if !scripts.invalid.is_empty() {
        refusals.push(Refusal::Invalid(scripts.invalid.clone()));
    }
    match &seen.service {
        None => refusals.push(Refusal::NoService),
        Some(ServiceState::Unknown(why)) => refusals.push(Refusal::Service(why.clone())),
        Some(ServiceState::Running | ServiceState::Stopped) => {}
    }
    refusals.extend(seen.holds.iter().filter(|hold| hold.active(now) && hold.covers(&to.version)).cloned().map(Refusal::Hold));
    let needed = room(database.bytes, seen.last_archive_bytes);
    if seen.free_bytes < needed {
        refusals.push(Refusal::Room { free: seen.free_bytes, needed });
    }
    match asked {
        Asked::ByPerson => {}
        Asked::ByDaemon | Asked::ByGate if !seen.rules.auto => refusals.push(Refusal::NotAsked),
        Asked::ByGate => {}
        Asked::ByDaemon => {
            if let Some(window) = seen.rules.window.filter(|window| !open_at(window, now)) {
                refusals.push(Refusal::Window(window));
            }
        }
    }
    refusals
}

/// Bytes that two archives may need, the one before and the one of what a failure left: by the last archive with half as
/// much again for growth, or, without one, half the database's size each, which SQL text, compressing to a fifth, never is.
fn room(database_bytes: u64, last_archive_bytes: Option<u64>) -> u64 {
    last_archive_bytes.map_or(database_bytes, |last| last.saturating_mul(3))
}

/// Whether the window is open at `now`. One that ends before it begins passes midnight; one of no length is never closed.
#[must_use]
pub fn open_at(window: &Window, now: DateTime<Utc>) -> bool {
    let time = now.with_timezone(&window.zone).time();
    if window.from < window.to { window.from <= time && time < window.to } else { window.from <= time || time < window.to }
}

fn plan(seen: &Observation, to: ReleaseAt, database: &Database, purpose: Purpose) -> Plan {
    let applies = match &seen.rules.runner {
        None => Applies::Nobody,
        Some(Runner::Flyway) => Applies::Upkeep,
        Some(Runner::Command { .. }) => Applies::Tool,
        Some(Runner::OnStart) => Applies::Server,
    };
    let steps = if purpose == Purpose::Adopt { Vec::new() } else { forward(applies) };
    // Without a known good release there is nowhere to go back to, and a command that installs the version that is installed
    // already brings nothing back.
    let other = seen.good.as_ref().is_some_and(|good| good.version != to.version);
    let back = match seen.way_back {
        WayBack::Symlink if seen.good.is_some() => Back::Symlink,
        WayBack::Command if other => Back::Command,
        _ => Back::Nothing,
    };
    Plan {
        format: FORMAT,
        target: seen.target.clone(),
        purpose,
        from: seen.good.clone(),
        to,
        back,
        applies,
        pending: database.scripts.clone().unwrap_or_default().pending,
        before: database.shape.clone(),
        direction: Direction::Forward,
        steps,
        after_failure: match seen.rules.on_failure {
            OnFailure::Rollback => AfterFailure::PutBack,
            OnFailure::Hold => AfterFailure::AskPerson,
        },
        attempts: seen.rules.attempts,
        release_path: seen.rules.release_path.clone(),
        service: seen.rules.service.clone(),
    }
}

/// The steps to the new version.
#[must_use]
pub fn forward(applies: Applies) -> Vec<Step> {
    let begin = [Step::Preflight, Step::Stop, Step::Archive];
    let rest: &[Step] = match applies {
        Applies::Nobody => &[Step::Start, Step::Healthy],
        Applies::Upkeep | Applies::Tool => &[Step::Migrate, Step::Inspect, Step::Start, Step::Healthy],
        // The first start is the migration; what it made of the database is looked at when it is through.
        Applies::Server => &[Step::Start, Step::Healthy, Step::Inspect],
    };
    [&begin, rest].concat()
}

impl Plan {
    /// Its JSON, the form whose digest is journaled.
    ///
    /// # Errors
    /// When it cannot be written, which no plan of ours is.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// BLAKE3 of a plan's JSON, hex.
    #[must_use]
    pub fn digest(json: &str) -> String {
        blake3::hash(json.as_bytes()).to_hex().to_string()
    }

    /// One sentence: from what to what.
    #[must_use]
    pub fn headline(&self) -> String {
        let from = self.from.as_ref().map_or_else(|| "an unknown release".to_owned(), |from| from.version.to_string());
        match &self.purpose {
            Purpose::Upgrade if self.from.as_ref().is_some_and(|from| from.version == self.to.version) => {
                format!("bring the database of {} in step with release {from}", self.target)
            }
            Purpose::Upgrade => format!("upgrade {} from {from} to {}", self.target, self.to.version),
            Purpose::Adopt => format!("take release {} of {} as the good one", self.to.version, self.target),
            Purpose::Rollback { of, .. } => {
                format!("put {} back from {from} to {} as before {of}", self.target, self.to.version)
            }
        }
    }

    fn says(&self, step: Step) -> String {
        match step {
            Step::Preflight => {
                format!("look again: release {} at {}, the same database", self.to.version, self.to.path.display())
            }
            Step::Stop | Step::StopNew => format!("stop {}", self.service),
            Step::Archive => "archive the database: sealed, verified, pinned".to_owned(),
            Step::Migrate if self.pending.is_empty() => "run the migrations; nothing is known to be pending".to_owned(),
            Step::Migrate => format!("apply {}", self.pending.join(", ")),
            Step::Inspect => "look at the database with a fresh connection: nothing pending, nothing failed".to_owned(),
            Step::Start | Step::StartOld => format!("start {}", self.service),
            Step::Healthy | Step::HealthyOld => "wait until it is healthy and stays so".to_owned(),
            Step::KeepFailed => "archive what is there now, so that nothing anyone wrote is lost".to_owned(),
            Step::Restore => match &self.purpose {
                Purpose::Rollback { archive, .. } => format!("restore {archive}"),
                _ => "restore the pre-upgrade archive".to_owned(),
            },
            Step::PointBack => {
                format!("make {} the installed release again", self.earlier().map_or("?".to_owned(), |r| r.version.to_string()))
            }
            Step::Hold => "hold the version that was left, so that it is not tried again by itself".to_owned(),
        }
    }

    /// The release that the way back leads to.
    #[must_use]
    pub fn earlier(&self) -> Option<&ReleaseAt> {
        match self.purpose {
            Purpose::Rollback { .. } => Some(&self.to),
            Purpose::Upgrade | Purpose::Adopt => self.from.as_ref(),
        }
    }

    /// The release that the way back leaves, and that is held afterwards.
    #[must_use]
    pub fn newer(&self) -> Option<&ReleaseAt> {
        match self.purpose {
            Purpose::Rollback { .. } => self.from.as_ref(),
            Purpose::Upgrade | Purpose::Adopt => Some(&self.to),
        }
    }
}

impl fmt::Display for Plan {
    /// What a person reads before saying yes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.headline())?;
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "\n  {}. {}: {}", number + 1, step, self.says(*step))?;
        }
        if self.direction == Direction::Forward && !self.steps.is_empty() {
            let back = match (self.after_failure, self.back, &self.from) {
                (AfterFailure::AskPerson, _, _) => "the database is left as it is and a person is asked".to_owned(),
                (_, Back::Symlink, Some(from)) => format!(
                    "the archive is restored and {} points to {} again",
                    self.release_path.display(),
                    from.path.display()
                ),
                (_, Back::Command, Some(from)) => {
                    format!("the archive is restored and the revert command installs {} again", from.version)
                }
                (_, _, from) => {
                    let version =
                        from.as_ref().map_or_else(|| "the earlier version".to_owned(), |from| from.version.to_string());
                    format!("the archive is restored and the server stays down until {version} is installed again")
                }
            };
            write!(f, "\n  if a step fails: {back}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
