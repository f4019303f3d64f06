//! From an observation to nothing, a plan, or refusals with their reasons.
//!
//! Pure. A refusal names its next step; the same observation always gives the same decision; held by the table in the tests
//! of `plan`.

use chrono::{DateTime, NaiveTime, Utc};

use super::{AfterFailure, Applies, Back, Database, FORMAT, Observation, Outside, Plan, Purpose, Refusal};
use crate::config::{BeforeUpgrade, OnFailure, Runner, Window};
use crate::gate;
use crate::gate::cause::Cause;
use crate::release::WayBack;
use crate::service::ServiceState;
use crate::state_db::rehearsals::Verdict;
use crate::upgrade::judge::{Judgement, Stand, Unknown};
use crate::upgrade::state::{Direction, ReleaseAt, Step};
use crate::version::Version;

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
const HALF: &str = "a restore into it was interrupted, so it is incomplete; restore an archive into it";

/// Decides what an observation asks for.
#[must_use]
pub fn decide(seen: &Observation, asked: Asked, now: DateTime<Utc>) -> Decision {
    if let Some((id, phase)) = &seen.open {
        return Decision::Refuse(vec![Refusal::Open { id: id.clone(), phase: *phase }]);
    }
    if let Some(lost) = &seen.lost {
        return Decision::Refuse(vec![Refusal::Lost(lost.to_string())]);
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
    let to = ReleaseAt { version: installed.version.clone(), path: installed.path.clone() };
    let Some(judged) = seen.judgement() else { return Decision::Nothing("nothing is known of it".to_owned()) };
    match (judged.stand(), &seen.good) {
        (Stand::InStep, Some(good)) if good.version == to.version => {
            return Decision::Nothing(format!("{} is installed and in step with its database", to.version));
        }
        // Also what somebody brought in step beside us: it is written down, and nothing else happens.
        (Stand::InStep, _) => return Decision::Adopt(Box::new(plan(seen, to, database, &judged, Purpose::Adopt))),
        (Stand::Unknown, None) if asked == Asked::ByDaemon => {
            // Nobody is to be woken for what the server's next start settles.
            if let Some(Unknown::FirstSight(why)) = &judged.unknown {
                return Decision::Nothing(why.clone());
            }
        }
        _ => {}
    }
    let refusals = refusals(seen, &to, database, &judged, asked, now);
    if !refusals.is_empty() {
        return Decision::Refuse(refusals);
    }
    Decision::Plan(Box::new(plan(seen, to, database, &judged, Purpose::Upgrade)))
}

/// How release and database stand, for the gate and for status.
#[must_use]
pub fn standing(seen: &Observation) -> gate::Standing {
    if let Some(lost) = &seen.lost {
        return gate::Standing::Contradicts(Cause::Lost(lost.to_string()));
    }
    if let Some(mark) = seen.half_restored() {
        let (label, command) = (mark.label.to_string(), mark.command(&seen.target));
        return gate::Standing::Contradicts(Cause::HalfRestored { label, command });
    }
    if seen.database.as_ref().is_ok_and(|database| database.half_loaded) {
        return gate::Standing::Contradicts(Cause::Database(HALF.to_owned()));
    }
    match &seen.release {
        None => return gate::Standing::InStep,
        Some(Err(unread)) => return gate::Standing::Unknown(unread.why.clone()),
        Some(Ok(_)) => {}
    }
    if let Err(why) = &seen.database {
        return gate::Standing::Unknown(why.clone());
    }
    let Some(judged) = seen.judgement() else { return gate::Standing::Unknown("nothing is known of it".to_owned()) };
    match (judged.stand(), judged.unknown) {
        (Stand::InStep, _) => gate::Standing::InStep,
        (Stand::Pending, _) => gate::Standing::Pending(judged.pending),
        (Stand::Failed, _) => gate::Standing::Failed(judged.failed),
        (Stand::Ahead, _) if !judged.ahead.is_empty() => gate::Standing::Ahead(judged.ahead),
        (Stand::Unknown, _) if !judged.blocked.is_empty() => gate::Standing::Contradicts(Cause::Product(judged.blocked)),
        (Stand::Ahead, _) => judged.release.map_or(gate::Standing::Ahead(Vec::new()), gate::Standing::Newer),
        // A start at first sight is an upgrade like any other: archived first, and looked at afterwards.
        (Stand::Unknown, Some(Unknown::FirstSight(_))) if judged.invalid.is_empty() => gate::Standing::Pending(Vec::new()),
        (Stand::Unknown, Some(Unknown::Outside(why))) if judged.invalid.is_empty() => gate::Standing::Outside(why),
        (Stand::Unknown, Some(unknown)) if judged.invalid.is_empty() => {
            gate::Standing::Contradicts(Cause::Unknown(unknown.why().to_owned()))
        }
        (Stand::Unknown, _) => gate::Standing::Contradicts(Cause::Invalid(judged.invalid)),
    }
}

fn refusals(
    seen: &Observation,
    to: &ReleaseAt,
    database: &Database,
    judged: &Judgement,
    asked: Asked,
    now: DateTime<Utc>,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let newest = seen.good.iter().map(|good| &good.version).chain(&judged.release).max();
    if let Some(from) = newest.filter(|newest| to.version < **newest) {
        refusals.push(Refusal::Downgrade { from: from.clone(), to: to.version.clone() });
    }
    if !judged.ahead.is_empty() {
        refusals.push(Refusal::Ahead(judged.ahead.clone()));
    }
    if !judged.failed.is_empty() {
        refusals.push(Refusal::Failed(judged.failed.clone()));
    }
    if !judged.invalid.is_empty() {
        refusals.push(Refusal::Invalid(judged.invalid.clone()));
    }
    if !judged.blocked.is_empty() {
        refusals.push(Refusal::Product(judged.blocked.clone()));
    }
    match (&judged.unknown, asked) {
        // Whoever asks has looked; and what the gate asks for at first sight is archived before anything starts.
        (None, _) | (_, Asked::ByPerson) | (Some(Unknown::FirstSight(_)), Asked::ByGate) => {}
        (Some(Unknown::Outside(why)), _) => refusals.push(Refusal::Outside(why.clone())),
        (Some(unknown), _) => refusals.push(Refusal::Unknown(unknown.why().to_owned())),
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
            refusals.extend(too_short(seen, now));
        }
    }
    refusals.extend(by_rehearsal(seen, &to.version, asked));
    refusals
}

/// What speaks against it by what a rehearsal of this release showed, or because there was none.
fn by_rehearsal(seen: &Observation, to: &Version, asked: Asked) -> Option<Refusal> {
    let verdict = seen.rehearsal.as_ref().map(|rehearsal| rehearsal.verdict);
    let why = || seen.rehearsal.as_ref().and_then(|rehearsal| rehearsal.said.clone()).unwrap_or_default();
    match (seen.rules.before_upgrade, verdict, asked) {
        (BeforeUpgrade::No, ..) | (_, Some(Verdict::Passed), _) => None,
        // A server that is down already is down for longer while that is tried; who asks has seen the plan.
        (BeforeUpgrade::Yes, None, Asked::ByGate | Asked::ByPerson) | (BeforeUpgrade::Yes, Some(Verdict::NotTried), _) => None,
        (BeforeUpgrade::Yes, Some(Verdict::Failed), Asked::ByPerson) => None,
        (_, None, _) => Some(Refusal::NotRehearsed(to.clone())),
        (_, Some(_), _) => Some(Refusal::Rehearsal(to.clone(), why())),
    }
}

/// Whether an upgrade that begins now would, by its rehearsal, still be at work when its window closes.
fn too_short(seen: &Observation, now: DateTime<Utc>) -> Option<Refusal> {
    let rehearsal = seen.rehearsal.as_ref().filter(|rehearsal| rehearsal.verdict == Verdict::Passed)?;
    let window = seen.rules.window.filter(|window| window.from != window.to && open_at(window, now))?;
    let between = |from: NaiveTime| {
        let span = (window.to - from).num_milliseconds();
        // One that passes midnight.
        u64::try_from(if span < 0 { span + 24 * 3_600_000 } else { span }).unwrap_or_default()
    };
    let (left, whole) = (between(now.with_timezone(&window.zone).time()), between(window.from));
    let needed_ms = rehearsal.downtime_ms;
    (left < needed_ms).then_some(Refusal::Short { window, needed_ms, ever: needed_ms <= whole })
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

fn plan(seen: &Observation, to: ReleaseAt, database: &Database, judged: &Judgement, purpose: Purpose) -> Plan {
    let applies = match &seen.rules.runner {
        None => Applies::Nobody,
        Some(Runner::Flyway) => Applies::Upkeep,
        Some(Runner::Command { .. }) => Applies::Tool,
        Some(Runner::OnStart) => Applies::Server,
    };
    let steps = if purpose == Purpose::Adopt { Vec::new() } else { forward(applies) };
    let from = from(seen, &to, judged);
    // Without a known good release there is nowhere to go back to, and a command that installs the version that is installed
    // already brings nothing back. Neither does the good release where the data is another's: it must not start on it.
    let good = from.as_ref().filter(|from| seen.good.as_ref() == Some(*from));
    let other = good.is_some_and(|good| good.version != to.version);
    let back = match seen.way_back {
        WayBack::Symlink if good.is_some() => Back::Symlink,
        WayBack::Command if other => Back::Command,
        _ => Back::Nothing,
    };
    Plan {
        format: FORMAT,
        target: seen.target.clone(),
        purpose,
        from,
        to,
        back,
        applies,
        pending: judged.pending.clone(),
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
        outside: is_outside(judged).then(|| Outside { archive: seen.last_of_good.clone() }),
    }
}

fn is_outside(judged: &Judgement) -> bool {
    matches!(judged.unknown, Some(Unknown::Outside(_)))
}

/// The release that the data is of before the upgrade: the one on record, unless somebody migrated or exchanged the database since.
fn from(seen: &Observation, to: &ReleaseAt, judged: &Judgement) -> Option<ReleaseAt> {
    let good = seen.good.as_ref()?;
    if is_outside(judged) {
        // Not that release's data any more; and still the release that was there.
        return Some(good.clone());
    }
    let release = judged.release.clone()?;
    if release == good.version {
        return Some(good.clone());
    }
    let path = if release == to.version { to.path.clone() } else { std::path::PathBuf::new() };
    Some(ReleaseAt { version: release, path })
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
