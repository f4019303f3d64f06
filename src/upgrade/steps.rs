//! What each step looks at, and what it does.
//!
//! Owns `check` and `apply` of every step. Never records and never decides what comes next. Invariants: `check` changes
//! nothing; `apply` may run again from wherever it was cut off; what `apply` says it did was looked at afterwards by a
//! fresh connection or process. Held by the driver's tests, which cut every step off at every call.

mod back;
mod forward;

use chrono::{DateTime, Utc};

use super::hands::{Hands, InParts};
use super::plan::{Plan, Purpose};
use super::state::{Failed, ReleaseAt, State, Step};
use crate::archive::manifest::Kind;
use crate::engine::Compared;
use crate::failure::Class;
use crate::ids::Label;
use crate::service::ServiceState;

pub(crate) use back::{not_as_left, way_back};

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
    /// What an earlier step had done no longer holds: it is to be done again first.
    Outdated {
        /// That step.
        to: Step,
        /// Why.
        why: String,
    },
}

/// Since when it is known what was done to server and database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// Since the newest archive: it was taken, or proved, by this run, which stopped the server before.
    Begun,
    /// Since now: another run was at it before, and whatever happened between the two is not known.
    Resumed,
}

/// What a step did or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// One sentence.
    pub note: String,
    /// The archive it made, for the steps that make one.
    pub label: Option<Label>,
    /// The moment between its two parts, for the steps that have two.
    pub between: Option<DateTime<Utc>>,
}

impl Outcome {
    fn answered(InParts { what, between }: InParts<String>) -> Self {
        Self { between, ..Self::said(what) }
    }

    fn said(note: impl Into<String>) -> Self {
        Self { note: note.into(), label: None, between: None }
    }
}

/// Looks how far the step is.
///
/// # Errors
/// When that cannot be told.
pub(crate) async fn check(hands: &impl Hands, plan: &Plan, state: &State, step: Step, since: Since) -> Result<Reality, Failed> {
    if let Some((why, _)) = not_as_left(plan, state, step) {
        return Ok(Reality::Foreign(why));
    }
    match step {
        // What is healthy may be another release, where this is an old copy of the journal; a newer one is told by the step itself.
        Step::Healthy if since == Since::Resumed => Ok(match hands.release().await {
            Ok(now) if now.version < plan.to.version => Reality::Foreign(drifted(plan, &now)),
            _ => Reality::NotStarted,
        }),
        // Cheap to do again, or an effect that may have been undone by others since: always done anew.
        Step::Preflight | Step::Inspect | Step::Healthy | Step::HealthyOld | Step::StartOld | Step::Hold => {
            Ok(Reality::NotStarted)
        }
        Step::Stop | Step::StopNew => Ok(match hands.service().await {
            ServiceState::Stopped => Reality::Done(Outcome::said("it was already stopped")),
            ServiceState::Running | ServiceState::Unknown(_) => Reality::NotStarted,
        }),
        Step::Archive => {
            if let Some(foreign) = drift(hands, plan).await? {
                return Ok(Reality::Foreign(foreign));
            }
            proved(hands, Kind::PreUpgrade).await
        }
        Step::Migrate => forward::check_migrate(hands, plan, state, since).await,
        // Never "found done": only an intent of ours on disk tells the way back that the new server may have written.
        Step::Start => match drift(hands, plan).await? {
            Some(foreign) => Ok(Reality::Foreign(foreign)),
            None => still_archived(hands, state, since, Reality::NotStarted).await,
        },
        Step::KeepFailed => back::check_keep(hands, plan, state, since).await,
        Step::Restore => back::check_restore(hands, plan, state, since).await,
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
pub(crate) async fn apply(hands: &impl Hands, plan: &Plan, state: &State, step: Step, since: Since) -> Result<Outcome, Failed> {
    match step {
        Step::Preflight => forward::preflight(hands, plan).await,
        Step::Stop | Step::StopNew => hands.stop().await.map(|()| Outcome::said("stopped")),
        Step::Archive => {
            still_stopped(hands).await?;
            forward::still_planned(hands, plan).await?;
            let outcome = archive(hands, Kind::PreUpgrade).await?;
            if let Some(label) = &outcome.label {
                hands.leave_note(label).await;
            }
            Ok(outcome)
        }
        Step::Migrate => {
            still_stopped(hands).await?;
            let migrated = hands.migrate(state.tool.as_ref()).await?;
            forward::by_ourselves(hands, plan, state, &migrated).await?;
            Ok(Outcome::said(migrated.said))
        }
        Step::Inspect => forward::inspect(hands, plan).await,
        Step::Start => forward::start_new(hands, plan).await,
        Step::StartOld => back::start_old(hands, plan, state).await,
        Step::Healthy => match hands.healthy().await {
            Ok(said) => Ok(Outcome::answered(said)),
            Err(failed) => forward::superseded(hands, plan, failed).await,
        },
        Step::HealthyOld => {
            // One that was down when it was asked the last time has to be started again to become healthy.
            if state.failures > 0 {
                back::start_old(hands, plan, state).await?;
            }
            hands.healthy().await.map(Outcome::answered)
        }
        Step::KeepFailed => {
            back::still_stopped(hands, plan).await?;
            archive(hands, back::failed_kind(plan)).await
        }
        Step::Restore => back::restore(hands, plan, state, since).await,
        Step::PointBack => {
            let earlier = plan.earlier().ok_or_else(|| Failed::new(Class::Software, "the plan names no earlier release"))?;
            hands.point_back(earlier).await?;
            Ok(Outcome::said(format!("{} is installed again", earlier.version)))
        }
        Step::Hold => match plan.newer() {
            Some(newer) => {
                let reason = match &plan.purpose {
                    Purpose::Rollback { of, .. } => format!("rolled back to before {of}"),
                    // What began the way back, and not what was in its way.
                    Purpose::Upgrade | Purpose::Adopt => {
                        state.turned_back.clone().or_else(|| state.why.clone()).unwrap_or_default()
                    }
                };
                hands.hold(&newer.version, &reason).await?;
                Ok(Outcome::said(format!("{} is held", newer.version)))
            }
            None => Ok(Outcome::said("no version to hold")),
        },
    }
}

/// What somebody else changed since the plan was made, if anything.
async fn drift(hands: &impl Hands, plan: &Plan) -> Result<Option<String>, Failed> {
    let now = hands.release().await?;
    Ok((now != plan.to).then(|| drifted(plan, &now)))
}

fn drifted(plan: &Plan, now: &ReleaseAt) -> String {
    format!(
        "the plan was made for release {} at {}, and now {} at {} is installed",
        plan.to.version,
        plan.to.path.display(),
        now.version,
        now.path.display()
    )
}

/// The newest archive of a kind that this upgrade took, if the database is still what it says. One that it is not any more is
/// none: somebody wrote since, and another is taken.
async fn proved(hands: &impl Hands, kind: Kind) -> Result<Reality, Failed> {
    let Some(label) = hands.find_archive(kind).await? else { return Ok(Reality::NotStarted) };
    Ok(match hands.compare(&label).await? {
        Compared::Same => Reality::Done(Outcome {
            note: format!("{label} is there and whole, and the database matches it"),
            label: Some(label),
            between: None,
        }),
        Compared::Gone | Compared::Differs(_) => Reality::NotStarted,
    })
}

async fn archive(hands: &impl Hands, kind: Kind) -> Result<Outcome, Failed> {
    let InParts { what: label, between } = hands.archive(kind).await?;
    Ok(Outcome { note: format!("{label} is sealed, verified and pinned"), label: Some(label), between })
}

async fn still_stopped(hands: &impl Hands) -> Result<(), Failed> {
    match hands.service().await {
        ServiceState::Stopped => Ok(()),
        ServiceState::Running => Err(Failed::new(Class::TempFail, "somebody started the server during the upgrade")),
        ServiceState::Unknown(why) => {
            Err(Failed::new(Class::Unavailable, format!("cannot tell whether the server is running: {why}")))
        }
    }
}

/// Before the first step that changes the database for good: whether what was archived is what is there. A run that took the
/// archive itself, with the server stopped, knows.
async fn still_archived(hands: &impl Hands, state: &State, since: Since, then: Reality) -> Result<Reality, Failed> {
    let (Since::Resumed, Some(label)) = (since, &state.archive) else { return Ok(then) };
    // Once one of them began, what is there may be its own doing, and the way back keeps it.
    if state.touched.iter().any(|step| step.one_way()) {
        return Ok(then);
    }
    Ok(match hands.compare(label).await? {
        Compared::Same => then,
        Compared::Gone => Reality::Foreign("the database no longer exists".to_owned()),
        Compared::Differs(how) => {
            Reality::Outdated { to: Step::Archive, why: format!("somebody wrote since {label} was taken: {how}") }
        }
    })
}
