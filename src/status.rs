//! Where everything stands, put together from what is already known.
//!
//! Owns the [`Status`] of the control socket and of the command line. [`look`] asks the world (database server, release,
//! service) and may take its time; [`observe`] only reads the state database and what was last looked at, so that no answer
//! waits for a server. Never changes anything. Held by `tests/it/daemon.rs` and the golden files in `tests/golden/api`.

mod copies;
pub mod downtime;
pub mod drills;
pub mod rehearsals;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{Config, Target};
use crate::context::Context;
use crate::durable;
use crate::engine::Engine;
use crate::expire;
use crate::failure::Failure;
use crate::gate::Standing;
use crate::ids::TargetName;
use crate::retention::Fate;
use crate::schedule::{self, Failed};
use crate::service::{self, ServiceState};
use crate::state_db::StateDb;
use crate::state_db::catalogue::{self, Entry, Verdict};
use crate::state_db::holds::Hold;
use crate::state_db::runs::{FailedRun, Outcome, Run};
use crate::store::{self, room};
use crate::upgrade::judge::Stand;
use crate::upgrade::{self, Asked, Decision, Observation};
use crate::version::Version;
use crate::wire::{
    Action, ArchiveStatus, ExpectedDowntime, HistoryStatus, HoldStatus, Job, JobState, KeptStatus, Migrate, MigrateVerb,
    OutageStatus, ReleaseStatus, Restore, RuleStatus, RunStatus, ShapeStatus, Status, Step, TargetStatus, UpgradeStatus,
};

/// The program and its version, as status and manifests name it.
pub const TOOL: &str = concat!("upkeep ", env!("CARGO_PKG_VERSION"));

/// What a look at the world saw of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// When; none before the first look, and after a change of ours that was not looked at yet.
    pub at: Option<DateTime<Utc>>,
    /// The release that the running server is of, where that is not the installed one.
    pub serving: Option<Version>,
    /// Free bytes where its archives go.
    pub free_bytes: Option<u64>,
    /// The database server, as it says it is.
    pub server: Option<String>,
    /// The installed release.
    pub release: Option<ReleaseStatus>,
    /// What the database is at.
    pub shape: Option<ShapeStatus>,
    /// Whether the managed server runs.
    pub service: Option<String>,
    /// What keeps it down.
    pub outage: Option<OutageStatus>,
    /// What stands against an upgrade now.
    pub refusals: Vec<String>,
    /// What a person should look at.
    pub problems: Vec<String>,
    /// The restore into the database that has begun and not ended, in words.
    pub unfinished: Option<String>,
    /// What downtime the upgrade that is pending may need.
    pub expected: Option<ExpectedDowntime>,
}

/// A look, and what follows from it.
#[derive(Debug, Clone)]
pub struct Look {
    /// What was seen.
    pub seen: Seen,
    /// While it changes, the release is being unpacked; none when it could not be read.
    pub fingerprint: Option<String>,
    /// What the daemon would do by itself.
    pub decision: Decision,
    /// All of it.
    pub observation: Observation,
}

/// The process that answers.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Its process id, when it is the daemon.
    pub pid: Option<u32>,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// `running`, `reloading`, `draining`, or `no daemon`.
    pub state: String,
    /// What a person should look at that concerns no single target.
    pub problems: Vec<String>,
}

/// Looks at one target: its database server, release and service. Takes as long as these take to answer.
///
/// # Errors
/// When our own state database cannot be read; a server that does not answer is an answer.
pub async fn look(ctx: &Context, target: &Target) -> Result<Look, Failure> {
    let now = ctx.clock.now();
    let observation = upgrade::observe(ctx, target).await?;
    let decision = upgrade::decide(&observation, Asked::ByDaemon, now);
    let mut seen = Seen {
        at: Some(observation.at),
        release: release(&observation),
        service: service_state(&observation),
        serving: serving(&observation),
        free_bytes: durable::free_bytes(nearest(&target.backup.directory)).ok(),
        ..Seen::default()
    };
    seen.shape = Some(shape(&observation));
    if seen.shape.as_ref().is_some_and(|shape| shape.step == Step::Pending) {
        seen.expected = Some(expected_downtime(ctx, &target.name).await?);
    }
    match &decision {
        Decision::Refuse(refusals) => seen.refusals = refusals.iter().map(ToString::to_string).collect(),
        // Why nothing happens, where more than nothing might be expected.
        Decision::Nothing(why) if observation.judgement().is_some_and(|judged| judged.stand() == Stand::Unknown) => {
            seen.refusals.push(why.clone());
        }
        _ => {}
    }
    seen.outage = upgrade::outage(ctx, target, &observation).await?.map(|outage| OutageStatus {
        cause: outage.cause.code().to_owned(),
        why: outage.words.why,
        next_step: outage.words.next_step,
    });
    if let Err(why) = &observation.database {
        seen.problems.push(format!("the database does not answer: {why}"));
    } else {
        seen.server = Engine::of(&target.database).called().await.ok();
    }
    // That a package is being installed is told among the refusals; it passes, and is nobody's to mend.
    if let Some(Err(unread)) = observation.release.as_ref().filter(|release| release.as_ref().is_err_and(|unread| !unread.busy))
    {
        seen.problems.push(format!("the release cannot be read: {}", unread.why));
    }
    let entries = catalogue::list(&ctx.state, Some(&target.name)).await?;
    // Those that are known to be missing are told below; the others only this look finds.
    let gone = entries.iter().filter(|entry| entry.verdict != Verdict::Missing && store::is_gone(entry));
    seen.problems.extend(gone.map(store::told_of_gone));
    seen.unfinished = observation.unfinished.as_ref().map(|mark| {
        let half = match (observation.half_restored(), &observation.database) {
            (Some(_), _) => "stopped half-way",
            (None, Ok(_)) => "was cut short, and the database is whole",
            (None, Err(_)) => "was cut short",
        };
        format!("the restore of {} {half}: run it again, `{}`", mark.label, mark.command(&target.name))
    });
    if let Some(ServiceState::Unknown(why)) = &observation.service {
        let name = target.service.as_ref().map(service::name).unwrap_or_default();
        seen.problems.push(format!("cannot determine whether {name} runs: {why}"));
    }
    let installed = observation.release.as_ref().and_then(|release| release.as_ref().ok());
    let fingerprint = installed.map(|installed| installed.fingerprint.clone());
    Ok(Look { seen, fingerprint, decision, observation })
}

/// How long an upgrade may be expected to keep the server from serving: by what upgrades took here, and what archives take now.
///
/// # Errors
/// When our own state database cannot be read.
pub async fn expected_downtime(ctx: &Context, target: &TargetName) -> Result<ExpectedDowntime, Failure> {
    let known = upgrade::expected(&ctx.state, target).await?;
    let archives = catalogue::list(&ctx.state, Some(target)).await?;
    let newest = catalogue::newest_good(&archives, ctx.clock.now());
    Ok(downtime::expected(known.as_ref(), newest.map(|archive| archive.duration_ms)))
}

fn release(observation: &Observation) -> Option<ReleaseStatus> {
    let installed = observation.release.as_ref()?.as_ref().ok()?;
    Some(ReleaseStatus {
        version: installed.version.clone(),
        path: installed.path.display().to_string(),
        probe: installed.probe.clone(),
    })
}

fn service_state(observation: &Observation) -> Option<String> {
    observation.service.as_ref().map(ToString::to_string)
}

/// A server that runs while a release waits for its upgrade was started before that release was there.
fn serving(observation: &Observation) -> Option<Version> {
    let (good, installed) = (observation.good.as_ref()?, observation.release.as_ref()?.as_ref().ok()?);
    let runs = observation.service == Some(ServiceState::Running);
    (runs && good.version != installed.version).then(|| good.version.clone())
}

fn shape(observation: &Observation) -> ShapeStatus {
    let judged = observation.judgement().unwrap_or_default();
    let step = match upgrade::standing(observation) {
        _ if observation.release.is_none() => Step::Unknown,
        Standing::InStep => Step::InStep,
        Standing::Pending(_) => Step::Pending,
        Standing::Ahead(_) | Standing::Newer(_) => Step::Ahead,
        Standing::Failed(_) => Step::Failed,
        Standing::Unknown(_) | Standing::Contradicts(_) | Standing::Outside(_) => Step::Unknown,
    };
    // At first sight the gate asks for an upgrade, and status says what it is: not known yet.
    let step = if judged.stand() == Stand::Unknown { Step::Unknown } else { step };
    let head = observation.head().map(str::to_owned);
    ShapeStatus { head, step, pending: judged.pending, ahead: judged.ahead, at: observation.at }
}

/// What our own state says of one target.
#[derive(Debug, Clone)]
pub struct Known {
    entries: Vec<Entry>,
    last_run: Option<Run>,
    upgrade: Option<upgrade::Summary>,
    holds: Vec<Hold>,
    mark: Option<DateTime<Utc>>,
    failed: Option<Failed>,
    frozen: Option<String>,
    lost: Option<String>,
    first_seen: Option<DateTime<Utc>>,
    copies: copies::KnownCopies,
    drills: drills::KnownDrills,
    rehearsal: rehearsals::KnownRehearsal,
}

/// The name under which it is marked when a daemon first knew of a target.
pub const FIRST_SEEN: &str = "first-seen";

/// Reads what our own state says of one target.
///
/// # Errors
/// When it cannot be read.
pub async fn known(state: &StateDb, config: &Config, target: &Target, now: DateTime<Utc>) -> Result<Known, Failure> {
    let read = async {
        let failed = state.failed_runs("backup", Some(&target.name)).await?.remove(&target.name);
        Ok::<_, Failure>(Known {
            entries: catalogue::list(state, Some(&target.name)).await?,
            last_run: state.last_run(&target.name, "backup").await?,
            upgrade: upgrade::current(state, &target.name).await?,
            holds: state.active_holds(&target.name, now).await?,
            mark: state.schedule_mark(&target.name, "backup").await?,
            failed: failed.and_then(failed_of),
            frozen: expire::frozen(&config.daemon.state_dir, &target.name)?,
            lost: upgrade::lost(state, target).await?.map(|lost| lost.to_string()),
            first_seen: state.schedule_mark(&target.name, FIRST_SEEN).await?,
            copies: copies::known(state, config, target).await?,
            drills: drills::known(state, &target.name).await?,
            rehearsal: rehearsals::known(state, &target.name).await?,
        })
    };
    read.await.map_err(|failure: Failure| failure.on(&target.name))
}

/// A failed run that may succeed later by itself, with what the schedule needs of it.
#[must_use]
pub fn failed_of(run: FailedRun) -> Option<Failed> {
    let failure: Failure = serde_json::from_value(run.result).ok()?;
    if failure.cancelled {
        return None;
    }
    let failed = Failed { scheduled_for: run.scheduled_for, times: run.times, last: run.last };
    schedule::may_pass(failure.class).then_some(failed)
}

/// Puts the status together without asking anybody but our own state database and file system.
///
/// # Errors
/// When the state database cannot be read.
pub async fn observe(
    state: &StateDb,
    config: &Config,
    seen: &BTreeMap<TargetName, Seen>,
    jobs: Vec<Job>,
    host: &Host,
    now: DateTime<Utc>,
) -> Result<Status, Failure> {
    let mut targets = Vec::with_capacity(config.targets.len());
    for target in config.targets.values() {
        let known = known(state, config, target, now).await?;
        targets.push(one(target, &known, seen.get(&target.name), &jobs, now));
    }
    let mut host = host.clone();
    host.problems.extend(drills::strays(state, config).await?);
    Ok(whole(&host, targets, jobs, now))
}

/// The whole answer.
#[must_use]
pub fn whole(host: &Host, targets: Vec<TargetStatus>, jobs: Vec<Job>, now: DateTime<Utc>) -> Status {
    Status {
        tool: TOOL.to_owned(),
        pid: host.pid,
        started_at: host.started_at,
        state: host.state.clone(),
        at: now,
        targets,
        jobs,
        problems: host.problems.clone(),
    }
}

/// The job that changes what a look would see of a target: what was seen before it began is not true any more, and what is seen
/// meanwhile is of its making.
#[must_use]
pub fn work<'a>(target: &TargetName, jobs: &'a [Job]) -> Option<&'a Job> {
    jobs.iter().find(|job| job.state == JobState::Running && changes(&job.action, target))
}

/// Whether an action changes what a look sees of a target.
#[must_use]
pub fn changes(action: &Action, target: &TargetName) -> bool {
    let changing = match action {
        Action::Upgrade(_) | Action::Rollback(_) | Action::Restore(Restore { dry_run: false, .. }) => true,
        Action::Migrate(Migrate { verb, ask, .. }) => {
            !ask.dry_run && !matches!(verb, MigrateVerb::Info | MigrateVerb::Validate)
        }
        _ => false,
    };
    changing && action.target() == Some(target)
}

/// Whether a job decides about the server's next start: one that waits at the gate was not refused yet, and a job that changes the target may
/// start it.
#[must_use]
pub fn undecided(target: &TargetName, jobs: &[Job]) -> bool {
    let starts = |job: &Job| matches!(job.action, Action::Gate(_)) && job.action.target() == Some(target);
    jobs.iter().any(|job| starts(job) || changes(&job.action, target))
}

/// What was seen, as far as it can be told now.
fn tellable(seen: Option<&Seen>, target: &TargetName, jobs: &[Job]) -> Seen {
    let Some(seen) = seen else { return Seen::default() };
    if work(target, jobs).is_some() {
        return Seen { free_bytes: seen.free_bytes, ..Seen::default() };
    }
    // One that waits its turn will end what a crash cut short.
    let comes = jobs.iter().any(|job| changes(&job.action, target));
    Seen {
        unfinished: seen.unfinished.clone().filter(|_| !comes),
        outage: seen.outage.clone().filter(|_| !undecided(target, jobs)),
        ..seen.clone()
    }
}

/// Where one target stands: pure, of what our state says, what was last seen, and the jobs that live.
#[must_use]
pub fn one(target: &Target, known: &Known, seen: Option<&Seen>, jobs: &[Job], now: DateTime<Utc>) -> TargetStatus {
    let seen = tellable(seen, &target.name, jobs);
    let entries = &known.entries;
    let good = catalogue::newest_good(entries, now);
    let growth = room::growth(entries, now);
    let overdue = overdue(target, known, good, now);
    let (next_run, retry_at) = next_run(target, known, now);
    let copies = copies::standing(&known.copies, entries, &target.offsite, now);
    let mut problems = problems(&seen, known, good, overdue, now);
    problems.extend(copies::problems(&known.copies, &copies, &target.offsite, now));
    problems.extend(drills::problems(&known.drills, target, known.first_seen, now));
    problems.extend(rehearsals::problem(&known.rehearsal, known.upgrade.as_ref()));
    TargetStatus {
        name: target.name.clone(),
        profile: target.profile.clone(),
        database: target.database.location.to_string(),
        looked_at: seen.at,
        work: work(&target.name, jobs).map(|job| job.action.name().to_owned()),
        problems,
        server: seen.server,
        release: seen.release,
        shape: seen.shape,
        service: seen.service,
        outage: seen.outage,
        serving: seen.serving,
        last_good: good.map(archive),
        archives: growth.archives,
        archives_bytes: growth.bytes,
        last_run: known.last_run.as_ref().and_then(run_status),
        next_run,
        retry_at,
        then: then(target, next_run),
        overdue,
        upgrade: known.upgrade.clone().map(upgrade_status),
        // Of one that is underway it is told what it has taken.
        expected_downtime: seen.expected.filter(|_| known.upgrade.as_ref().is_none_or(|upgrade| upgrade.ended_at.is_some())),
        refusals: seen.refusals,
        holds: known.holds.iter().filter(|hold| hold.active(now)).cloned().map(hold).collect(),
        free_bytes: seen.free_bytes,
        days_left: seen.free_bytes.and_then(|free| u32::try_from(free.checked_div(growth.bytes_per_day)?).ok()),
        history: history(entries),
        kept: (!entries.is_empty()).then(|| kept(target, entries, now)),
        copies,
        drill: drills::standing(&known.drills, &target.drill, entries, now),
        rehearsal: rehearsals::standing(&known.rehearsal, &target.rehearse, now),
    }
}

/// What a person should look at.
fn problems(seen: &Seen, known: &Known, good: Option<&Entry>, overdue: bool, now: DateTime<Utc>) -> Vec<String> {
    // First, for it is what people wait for.
    let mut problems: Vec<String> = seen.outage.iter().map(down).collect();
    problems.extend(seen.problems.clone());
    problems.extend(seen.unfinished.clone());
    if overdue {
        problems.push(match good {
            Some(good) => {
                format!("the newest verified archive is of {}: older than max_age", good.taken_at.format("%F %R UTC"))
            }
            None => "there is no verified archive".to_owned(),
        });
    }
    for entry in &known.entries {
        if entry.verdict == Verdict::Missing {
            problems.push(store::told_of_gone(entry));
        } else if !matches!(entry.verdict, Verdict::Whole | Verdict::Unverified) {
            problems.push(format!("archive {} is {}", entry.label, entry.verdict));
        } else if entry.from_the_future(now) {
            let (label, at) = (&entry.label, entry.taken_at.format("%F %R UTC"));
            let hint = "the clock was wrong then or is now; it is not counted until that moment has passed";
            problems.push(format!("archive {label} is dated {at}, which is in the future: {hint}"));
        }
    }
    if let Some(good) = good.filter(|good| good.data_only) {
        let hint = "an upgrade is refused until `upkeep check` finds a pg_dump of the server's major";
        problems.push(format!("archive {} holds rows but no schema; {hint}", good.label));
    }
    if let Some(run) = known.last_run.as_ref().filter(|run| run.end.as_ref().is_some_and(|end| end.outcome != Outcome::Ok)) {
        problems.push(format!("the last backup {}", run_message(run)));
    }
    problems.extend(known.frozen.clone());
    if let Some(upgrade) = known.upgrade.as_ref().filter(|upgrade| upgrade.phase == upgrade::Phase::Stuck) {
        problems.push(format!("the upgrade to {} needs a person", upgrade.to));
    }
    problems.extend(known.lost.clone());
    if let Some((upgrade, why)) = known.upgrade.as_ref().and_then(|upgrade| Some((upgrade, upgrade.waits_for.as_ref()?))) {
        problems.push(format!("the rollback from {} cannot continue yet and will be tried again: {why}", upgrade.to));
    }
    problems
}

/// A server that is down, as a problem.
#[must_use]
pub fn down(outage: &OutageStatus) -> String {
    format!("the server is down: {}; {}", outage.why, outage.next_step)
}

/// How many archives of the past are told: more than a terminal has room for.
const HISTORY: usize = 100;

fn history(entries: &[Entry]) -> Vec<HistoryStatus> {
    let mut good: Vec<&Entry> = entries.iter().filter(|entry| entry.good()).collect();
    good.sort_by_key(|entry| entry.taken_at);
    let told = &good[good.len().saturating_sub(HISTORY)..];
    let one = |entry: &&Entry| HistoryStatus { taken_at: entry.taken_at, size: entry.size, duration_ms: entry.duration_ms };
    told.iter().map(one).collect()
}

fn kept(target: &Target, entries: &[Entry], now: DateTime<Utc>) -> KeptStatus {
    let verdicts = expire::foresee(entries, &target.retention, now);
    let (kept, gone): (Vec<_>, Vec<_>) = verdicts.iter().partition(|verdict| verdict.fate == Fate::Keep);
    let mut rules = BTreeMap::<&str, u64>::new();
    for verdict in &kept {
        let mine: BTreeSet<&str> = verdict.reasons.iter().filter_map(|reason| rule(reason)).collect();
        mine.into_iter().for_each(|rule| *rules.entry(rule).or_default() += 1);
    }
    let rules = rules.into_iter().map(|(rule, archives)| RuleStatus { rule: rule.to_owned(), archives });
    KeptStatus { kept: kept.len() as u64, let_go: gone.len() as u64, rules: rules.collect() }
}

/// The rule's own word in a reason of retention; none where no rule is set.
fn rule(reason: &str) -> Option<&str> {
    let word = reason.split([' ', ':']).next()?;
    match word {
        "last" | "hourly" | "daily" | "weekly" | "monthly" | "yearly" | "within" | "version" | "newest" | "minimum"
        | "pinned" => Some(word),
        "no" => None,
        _ => Some("uncounted"),
    }
}

/// How many runs after the next one are told.
const THEN: usize = 2;

fn then(target: &Target, next_run: Option<DateTime<Utc>>) -> Vec<DateTime<Utc>> {
    let Some((schedule, next)) = target.backup.schedule.as_ref().zip(next_run) else { return Vec::new() };
    std::iter::successors(schedule.next_after(next), |at| schedule.next_after(*at)).take(THEN).collect()
}

/// The directory itself, or the nearest one above it that exists: the one that will hold it.
fn nearest(directory: &std::path::Path) -> &std::path::Path {
    directory.ancestors().find(|dir| dir.exists()).unwrap_or(directory)
}

/// Older than `max_age`; where there never was an archive, after as long as one may be old.
fn overdue(target: &Target, known: &Known, good: Option<&Entry>, now: DateTime<Utc>) -> bool {
    let Some(max_age) = max_age(target) else { return false };
    match good {
        Some(good) => now - good.taken_at > max_age,
        // What was marked under a clock that was ahead is no reason to wait.
        None if known.entries.is_empty() => known.first_seen.is_some_and(|at| at > now || now - at > max_age),
        None => true,
    }
}

fn max_age(target: &Target) -> Option<TimeDelta> {
    target.backup.max_age.and_then(|age| TimeDelta::from_std(age).ok())
}

/// The first moment after `now` at which what is told of a target is no longer true though nothing happened: its newest archive
/// becomes too old, a hold ends, a run is due. None where only something that happens can change it.
#[must_use]
pub fn true_until(target: &Target, known: &Known, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let good = catalogue::newest_good(&known.entries, now);
    // It is too old when its age is past the limit, and not yet at the limit.
    let since = good.map(|good| good.taken_at).or(known.first_seen);
    let old = since.zip(max_age(target)).map(|(since, max_age)| since + max_age + TimeDelta::milliseconds(1));
    let (next_run, retry_at) = next_run(target, known, now);
    let ends = known.holds.iter().filter_map(|hold| hold.until);
    let late = copies::late_at(&known.copies, &known.entries, &target.offsite, now);
    let unproven = drills::late_at(&known.drills, target, known.first_seen, now);
    [old, next_run, retry_at, unproven].into_iter().flatten().chain(ends).chain(late).filter(|at| *at > now).min()
}

/// When the next scheduled run is due, and when one that failed is tried again before that.
fn next_run(target: &Target, known: &Known, now: DateTime<Utc>) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let Some(schedule) = &target.backup.schedule else { return (None, None) };
    let served = [known.mark, known.failed.map(|failed| failed.scheduled_for)];
    let served = served.into_iter().filter_map(|moment| schedule::believed(schedule, moment, now)).max();
    let next = schedule.next_after(served.map_or(now, |served| served.max(now)));
    let retry = known.failed.and_then(|failed| failed.again(&target.name, next, now));
    (next, retry.map(|retry| retry.max(now)))
}

fn archive(entry: &Entry) -> ArchiveStatus {
    ArchiveStatus {
        label: entry.label.clone(),
        taken_at: entry.taken_at,
        size: entry.size,
        rows: entry.rows,
        release: entry.release.as_ref().map(ToString::to_string),
        verified_at: entry.verified_at,
    }
}

fn run_status(run: &Run) -> Option<RunStatus> {
    let end = run.end.as_ref()?;
    Some(RunStatus { ended_at: end.at, outcome: end.outcome.as_str().to_owned(), message: run_message(run) })
}

fn run_message(run: &Run) -> String {
    let Some(end) = &run.end else { return "runs".to_owned() };
    let text = |key: &str| end.result.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    match end.outcome {
        Outcome::Ok => text("label").map_or_else(|| "went well".to_owned(), |label| format!("took {label}")),
        Outcome::Failed => format!("failed: {}", text("message").unwrap_or_default()),
        Outcome::Interrupted => "was interrupted".to_owned(),
    }
}

/// An upgrade as the socket tells of it.
pub(crate) fn upgrade_status(summary: upgrade::Summary) -> UpgradeStatus {
    UpgradeStatus {
        id: summary.id,
        from: summary.from,
        to: summary.to,
        phase: summary.phase.to_string(),
        step: summary.step,
        started_at: summary.started_at,
        ended_at: summary.ended_at,
        message: summary.message,
        next_steps: summary.next_steps,
        downtime: summary.downtime.as_ref().map(downtime::happened),
    }
}

fn hold(hold: crate::state_db::holds::Hold) -> HoldStatus {
    HoldStatus { version: hold.version, reason: hold.reason, who: hold.who, since: hold.since, until: hold.until }
}
