//! From an observation to nothing, a plan, or refusals with their reasons.
//!
//! Pure. A refusal names its next step; the same observation always gives the same decision; held by the table in the tests
//! of `plan`.

use chrono::{DateTime, Utc};

use super::{AfterFailure, Applies, Back, Database, FORMAT, Observation, Plan, Purpose, Refusal, Scripts};
use crate::config::{OnFailure, Runner, Window};
use crate::gate;
use crate::release::WayBack;
use crate::service::ServiceState;
use crate::upgrade::state::{Direction, ReleaseAt, Step};

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

/// A database that says so of itself, and of which nobody remembers what it was to be.
const HALF: &str = "it holds a load that was not finished; restore an archive into it";

/// Decides what an observation asks for.
#[must_use]
pub fn decide(seen: &Observation, asked: Asked, now: DateTime<Utc>) -> Decision {
    if let Some((id, phase)) = &seen.open {
        return Decision::Refuse(vec![Refusal::Open { id: id.clone(), phase: *phase }]);
    }
    if let Some(mark) = seen.half_restored() {
        return Decision::Refuse(vec![Refusal::HalfRestored(mark.label.clone())]);
    }
    if seen.database.as_ref().is_ok_and(|database| database.half_loaded) {
        return Decision::Refuse(vec![Refusal::Database(HALF.to_owned())]);
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
    if let Some(mark) = seen.half_restored() {
        let (label, target) = (&mark.label, &seen.target);
        let why = format!("the restore of {label} stopped half-way; end it first: `upkeep restore {target} {label}`");
        return gate::Standing::Unknown(why);
    }
    if seen.database.as_ref().is_ok_and(|database| database.half_loaded) {
        return gate::Standing::Unknown(HALF.to_owned());
    }
    let installed = match &seen.release {
        None => return gate::Standing::InStep,
        Some(Err(unread)) => return gate::Standing::Unknown(unread.why.clone()),
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
