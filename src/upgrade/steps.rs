//! What each step looks at, and what it does.
//!
//! Owns `check` and `apply` of every step. Never records and never decides what comes next. Invariants: `check` changes
//! nothing; `apply` may run again from wherever it was cut off; what `apply` says it did was looked at afterwards by a
//! fresh connection or process. Held by the driver's tests, which cut every step off at every call.

use super::hands::Hands;
use super::plan::{Applies, Back, Plan, Purpose, Scripts};
use super::state::{Failed, State, Step};
use crate::archive::manifest::Kind;
use crate::count::{few, many};
use crate::failure::Class;
use crate::ids::Label;
use crate::service::ServiceState;

/// What `check` finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reality {
    /// The step's effect is there.
    Done(Outcome),
    /// It is not.
    NotStarted,
    /// Some of it is; `apply` goes on from there.
    Partial,
    /// Somebody else changed what the plan was made for.
    Foreign(String),
}

/// What a step did or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// One sentence.
    pub note: String,
    /// The archive it made, for the steps that make one.
    pub label: Option<Label>,
}

impl Outcome {
    fn said(note: impl Into<String>) -> Self {
        Self { note: note.into(), label: None }
    }
}

fn failed(class: Class, message: impl Into<String>) -> Failed {
    Failed { class, message: message.into(), transient: false, hints: Vec::new(), partial: false }
}

/// Looks how far the step is.
///
/// # Errors
/// When that cannot be told.
pub(crate) async fn check(hands: &impl Hands, plan: &Plan, state: &State, step: Step) -> Result<Reality, Failed> {
    match step {
        // Cheap to do again, or an effect that may have been undone by others since: always done anew.
        Step::Preflight | Step::Inspect | Step::Healthy | Step::HealthyOld | Step::StartOld | Step::Hold => {
            Ok(Reality::NotStarted)
        }
        Step::Stop | Step::StopNew => Ok(match hands.service().await {
            ServiceState::Stopped => Reality::Done(Outcome::said("it was stopped already")),
            ServiceState::Running | ServiceState::Unknown(_) => Reality::NotStarted,
        }),
        Step::Archive => {
            if let Some(foreign) = drift(hands, plan).await? {
                return Ok(Reality::Foreign(foreign));
            }
            found(hands, Kind::PreUpgrade, 0).await
        }
        Step::Migrate => {
            if let Some(foreign) = drift(hands, plan).await? {
                return Ok(Reality::Foreign(foreign));
            }
            let look = hands.look().await?;
            Ok(match &look.scripts {
                Some(scripts) if *scripts == Scripts::default() => Reality::Done(Outcome::said("nothing is pending")),
                _ if look.shape == plan.before => Reality::NotStarted,
                _ => Reality::Partial,
            })
        }
        // Never "found done": only an intent of ours on disk tells the way back that the new server may have written.
        Step::Start => Ok(match drift(hands, plan).await? {
            Some(foreign) => Reality::Foreign(foreign),
            None => Reality::NotStarted,
        }),
        Step::KeepFailed => match unchanged(hands, plan, state).await? {
            Some(why) => Ok(Reality::Done(Outcome::said(format!("nothing to keep: {why}")))),
            None => found(hands, failed_kind(plan), 0).await,
        },
        Step::Restore => Ok(match unchanged(hands, plan, state).await? {
            Some(why) => Reality::Done(Outcome::said(format!("nothing to restore: {why}"))),
            None => Reality::NotStarted,
        }),
        Step::PointBack => Ok(match (hands.release().await, plan.earlier()) {
            (Ok(now), Some(earlier)) if now == *earlier => {
                Reality::Done(Outcome::said(format!("{} is installed", now.version)))
            }
            // A release that cannot be read is exactly what pointing back mends.
            _ => Reality::NotStarted,
        }),
    }
}

/// Does the step.
///
/// # Errors
/// When it did not go through; what it did until then is for the next `check` to find.
pub(crate) async fn apply(hands: &impl Hands, plan: &Plan, state: &State, step: Step) -> Result<Outcome, Failed> {
    match step {
        Step::Preflight => preflight(hands, plan).await,
        Step::Stop | Step::StopNew => hands.stop().await.map(|()| Outcome::said("stopped")),
        Step::Archive => {
            still_stopped(hands).await?;
            let outcome = archive(hands, Kind::PreUpgrade, 0).await?;
            if let Some(label) = &outcome.label {
                hands.leave_note(label).await;
            }
            Ok(outcome)
        }
        Step::Migrate => {
            still_stopped(hands).await?;
            hands.migrate(state.tool.as_ref()).await.map(Outcome::said)
        }
        Step::Inspect => inspect(hands, plan).await,
        Step::Start | Step::StartOld => match hands.service().await {
            ServiceState::Running => Ok(Outcome::said("it runs already")),
            ServiceState::Stopped | ServiceState::Unknown(_) => hands.start().await.map(|()| Outcome::said("started")),
        },
        Step::Healthy => match hands.healthy().await {
            Ok(said) => Ok(Outcome::said(said)),
            Err(failed) => superseded(hands, plan, failed).await,
        },
        Step::HealthyOld => hands.healthy().await.map(Outcome::said),
        Step::KeepFailed => keep_failed(hands, plan, state).await,
        Step::Restore => restore(hands, plan, state).await,
        Step::PointBack => {
            let earlier = plan.earlier().ok_or_else(|| failed(Class::Software, "the plan names no earlier release"))?;
            hands.point_back(earlier).await?;
            Ok(Outcome::said(format!("{} is installed again", earlier.version)))
        }
        Step::Hold => match plan.newer() {
            Some(newer) => {
                let reason = match &plan.purpose {
                    Purpose::Rollback { of, .. } => format!("rolled back to before {of}"),
                    Purpose::Upgrade | Purpose::Adopt => state.why.clone().unwrap_or_default(),
                };
                hands.hold(&newer.version, &reason).await?;
                Ok(Outcome::said(format!("{} is held", newer.version)))
            }
            None => Ok(Outcome::said("no version to hold")),
        },
    }
}

/// A server that a newer release replaced before it had been healthy for long enough is not a failed one. To restore would
/// throw away what it wrote, for the sake of a release that is gone; the next upgrade archives it instead. Not where the
/// server itself migrates: then nobody has looked at the database yet.
async fn superseded(hands: &impl Hands, plan: &Plan, failed: Failed) -> Result<Outcome, Failed> {
    let looked = plan.applies != Applies::Server && matches!(plan.purpose, Purpose::Upgrade);
    match hands.release().await {
        Ok(now) if looked && now.version > plan.to.version => {
            Ok(Outcome::said(format!("it was replaced by {} meanwhile; {}", now.version, failed.message)))
        }
        _ => Err(failed),
    }
}

/// The steps back from where the upgrade stands. Pure.
#[must_use]
pub(crate) fn way_back(plan: &Plan, state: &State) -> Vec<Step> {
    let touched = |step| state.touched.contains(&step);
    let mut steps = Vec::new();
    // The server may run: ours, or one that somebody started while we thought it down. Before the archive nothing but
    // stopping was tried, and a server that would not stop is left running on its old database.
    if touched(Step::Archive) || touched(Step::Migrate) || touched(Step::Start) {
        steps.push(Step::StopNew);
    }
    if state.touched.iter().any(|step| step.one_way()) {
        steps.extend([Step::KeepFailed, Step::Restore]);
    }
    if plan.back != Back::Nothing {
        steps.extend([Step::PointBack, Step::StartOld, Step::HealthyOld]);
    }
    steps.push(Step::Hold);
    steps
}

/// Why the database needs no restore, if it needs none.
///
/// Safe because: with no one-way step ever intended, no step of ours wrote; and where our own engine migrated and nothing
/// died under it, a migration commits together with its history row or has a failed row while a part of it is in effect, so
/// a history and a schema wholly equal to those before (failed rows included) mean that no migration took effect. A server
/// that was started, a vendor's tool, a migration that stopped half-way and a crash in the middle leave no such certainty,
/// and are always restored.
async fn unchanged(hands: &impl Hands, plan: &Plan, state: &State) -> Result<Option<&'static str>, Failed> {
    if matches!(plan.purpose, Purpose::Rollback { .. }) {
        return Ok(None);
    }
    if !state.touched.iter().any(|step| step.one_way()) {
        return Ok(Some("no step that changes the database had begun"));
    }
    if state.touched.contains(&Step::Start) || plan.applies != Applies::Upkeep || state.crashed || state.partial {
        return Ok(None);
    }
    let Ok(shape) = hands.shape().await else {
        // A database that cannot be looked at is no proof of anything.
        return Ok(None);
    };
    let whole = shape.fingerprint.is_some() && shape == plan.before;
    Ok(whole.then_some("the server never started, and schema and history are those before the upgrade"))
}

/// What somebody else changed since the plan was made, if anything.
async fn drift(hands: &impl Hands, plan: &Plan) -> Result<Option<String>, Failed> {
    let now = hands.release().await?;
    let here = now == plan.to;
    Ok((!here).then(|| {
        format!(
            "the plan was made for release {} at {}, and now {} at {} is installed",
            plan.to.version,
            plan.to.path.display(),
            now.version,
            now.path.display()
        )
    }))
}

async fn found(hands: &impl Hands, kind: Kind, round: u32) -> Result<Reality, Failed> {
    // One archive of a kind per upgrade, never a second: a later one would hold what the migrations made of the database.
    Ok(match hands.find_archive(kind, round).await? {
        Some(label) => Reality::Done(Outcome { note: format!("{label} is there and whole"), label: Some(label) }),
        None => Reality::NotStarted,
    })
}

async fn archive(hands: &impl Hands, kind: Kind, round: u32) -> Result<Outcome, Failed> {
    let label = hands.archive(kind, round).await?;
    Ok(Outcome { note: format!("{label} is sealed, verified and pinned"), label: Some(label) })
}

async fn preflight(hands: &impl Hands, plan: &Plan) -> Result<Outcome, Failed> {
    if let Some(foreign) = drift(hands, plan).await? {
        return Err(failed(Class::TempFail, foreign));
    }
    if hands.shape().await? != plan.before {
        return Err(failed(Class::TempFail, "the database is no longer as it was when the plan was made"));
    }
    hands.ready().await?;
    match hands.service().await {
        ServiceState::Unknown(why) => Err(failed(Class::Unavailable, format!("whether the server runs cannot be told: {why}"))),
        state => Ok(Outcome::said(format!("release and database are those of the plan; the server is {state}"))),
    }
}

async fn still_stopped(hands: &impl Hands) -> Result<(), Failed> {
    match hands.service().await {
        ServiceState::Stopped => Ok(()),
        ServiceState::Running => Err(failed(Class::TempFail, "somebody started the server during the upgrade")),
        ServiceState::Unknown(why) => Err(failed(Class::Unavailable, format!("whether the server runs cannot be told: {why}"))),
    }
}

async fn inspect(hands: &impl Hands, plan: &Plan) -> Result<Outcome, Failed> {
    let look = hands.look().await?;
    let head = look.shape.head().unwrap_or("no history").to_owned();
    let wrong = |what: &str, migrations: &[String]| {
        failed(Class::Data, format!("after the migrations, {what}: {}", few(migrations, ", ")))
    };
    match &look.scripts {
        Some(scripts) if !scripts.failed.is_empty() => Err(wrong("the history says these failed", &scripts.failed)),
        Some(scripts) if !scripts.pending.is_empty() => Err(wrong("these are still pending", &scripts.pending)),
        Some(scripts) if !scripts.ahead.is_empty() => {
            Err(wrong("the database holds ones the release does not know", &scripts.ahead))
        }
        Some(scripts) if !scripts.invalid.is_empty() => Err(wrong("release and history disagree", &scripts.invalid)),
        Some(_) => Ok(Outcome::said(format!("nothing is pending; the database is at {head}"))),
        None if look.shape.histories.iter().any(|history| history.applied.iter().any(|row| !row.success)) => {
            Err(failed(Class::Data, "after the migrations, the history holds a failed one"))
        }
        None => Ok(Outcome::said(format!(
            "{} left the database at {head}",
            if plan.applies == Applies::Server { "the server" } else { "the tool" }
        ))),
    }
}

fn failed_kind(plan: &Plan) -> Kind {
    match plan.purpose {
        Purpose::Rollback { .. } => Kind::PreRestore,
        Purpose::Upgrade | Purpose::Adopt => Kind::FailedState,
    }
}

async fn keep_failed(hands: &impl Hands, plan: &Plan, state: &State) -> Result<Outcome, Failed> {
    match archive(hands, failed_kind(plan), 0).await {
        Ok(outcome) => Ok(outcome),
        // Nobody but the migrations wrote: what cannot be kept is of interest, but nothing of anybody's is lost with it.
        Err(failed) if matches!(plan.purpose, Purpose::Upgrade) && !state.touched.contains(&Step::Start) => {
            Ok(Outcome::said(format!("not kept, and nobody wrote to it: {}", failed.message)))
        }
        Err(failed) => Err(failed),
    }
}

async fn restore(hands: &impl Hands, plan: &Plan, state: &State) -> Result<Outcome, Failed> {
    still_stopped(hands).await?;
    let label = match &plan.purpose {
        Purpose::Rollback { archive, .. } => Some(archive),
        Purpose::Upgrade | Purpose::Adopt => state.archive.as_ref(),
    };
    let label = label.ok_or_else(|| failed(Class::Software, "the journal names no pre-upgrade archive"))?;
    // Whoever answered may have started the server to see what is wrong, and it may have written: what was kept before that
    // is not all there is.
    if state.answers > 0 && hands.find_archive(failed_kind(plan), state.answers).await?.is_none() {
        hands.archive(failed_kind(plan), state.answers).await?;
    }
    let said = hands.restore(label).await?;
    // The shape alone: the release that is left may be damaged, and it comes back only after this.
    let differences = hands.shape().await?.difference(&plan.before).len();
    if differences == 0 {
        Ok(Outcome::said(said))
    } else {
        Err(failed(
            Class::Data,
            format!("after restoring {label}, {} not as before the upgrade", many(differences as u64, "migration")),
        ))
    }
}
