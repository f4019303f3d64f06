//! The way forward: what each of its steps has to be sure of before it changes anything.
//!
//! Owns the questions whether this is still the database, and the release, that the plan was made for, and whether somebody else
//! works on it. Never records. Held by the driver's tests, which have others act in every gap.

use super::{Outcome, Reality, Since, drift, still_archived};
use crate::count::{few, many};
use crate::engine::Compared;
use crate::failure::Class;
use crate::service::ServiceState;
use crate::shape::{Difference, Shape};
use crate::upgrade::hands::{Hands, Migrated};
use crate::upgrade::plan::{Applies, Back, Plan, Purpose, Scripts};
use crate::upgrade::state::{Failed, ReleaseAt, State, Step, Tool};

pub(super) async fn preflight(hands: &impl Hands, plan: &Plan) -> Result<Outcome, Failed> {
    if let Some(foreign) = drift(hands, plan).await? {
        return Err(Failed::new(Class::TempFail, foreign));
    }
    if hands.shape().await? != plan.before {
        return Err(Failed::new(Class::TempFail, "the database is no longer as it was when the plan was made"));
    }
    if let Some(earlier) = plan.earlier().filter(|earlier| plan.back != Back::Nothing && earlier.version != plan.to.version) {
        let ahead = hands.ahead_of(earlier).await?;
        if !ahead.is_empty() {
            return Err(no_way_back(plan, earlier, &ahead));
        }
    }
    hands.ready().await?;
    match hands.service().await {
        ServiceState::Unknown(why) => {
            Err(Failed::new(Class::Unavailable, format!("cannot tell whether the server is running: {why}")))
        }
        state => Ok(Outcome::said(format!("release and database are those of the plan; the server is {state}"))),
    }
}

/// A database that is ahead of the release to go back to was migrated before this upgrade began: an archive of it now would be
/// no way back to that release.
fn no_way_back(plan: &Plan, earlier: &ReleaseAt, ahead: &[String]) -> Failed {
    let (target, version) = (&plan.target, &earlier.version);
    let message = format!(
        "the database already holds migrations that {version} does not know ({}): they were applied before this upgrade began, \
         and no archive taken now is a way back to {version}",
        few(ahead, "; ")
    );
    Failed::undecided(
        message,
        vec![
            format!("where release and data are right as they are: `upkeep upgrade {target} --accept`, then start the server"),
            format!("or put back an archive from before them (`upkeep list {target}`), and the upgrade applies them itself"),
        ],
    )
}

/// The histories are still those of the plan: an archive of anything else would not be the way back that it is taken for.
pub(super) async fn still_planned(hands: &impl Hands, plan: &Plan) -> Result<(), Failed> {
    let now = hands.shape().await?;
    if now.same_histories(&plan.before) {
        return Ok(());
    }
    let message = format!("somebody migrated the database since the plan was made{}", moved(plan, &now));
    Err(Failed::new(Class::TempFail, message))
}

pub(super) async fn check_migrate(hands: &impl Hands, plan: &Plan, state: &State, since: Since) -> Result<Reality, Failed> {
    if let Some(foreign) = drift(hands, plan).await? {
        return Ok(Reality::Foreign(foreign));
    }
    let look = hands.look().await?;
    let begun = state.touched.contains(&Step::Migrate);
    if !begun && !look.shape.same_histories(&plan.before) {
        return Ok(Reality::Foreign(format!(
            "the database was migrated by somebody else since the server was stopped, and no migration of this upgrade had begun{}",
            moved(plan, &look.shape)
        )));
    }
    if look.scripts.as_ref().is_some_and(|scripts| *scripts == Scripts::default()) {
        return still_archived(hands, state, since, Reality::Done(Outcome::said("nothing is pending"))).await;
    }
    if !begun {
        return still_archived(hands, state, since, Reality::NotStarted).await;
    }
    if let Some(tool) = state.tool.as_ref().filter(|_| plan.applies == Applies::Tool && !state.tool_judged) {
        return begun_tool(hands, state, tool).await;
    }
    Ok(if look.shape == plan.before { Reality::NotStarted } else { Reality::Partial })
}

/// A vendor's tool that an earlier run began and that nobody saw end. What it did is not ours to repeat: it is begun again only
/// where it did nothing at all; a run that systemd still knows is judged by its outcome.
async fn begun_tool(hands: &impl Hands, state: &State, tool: &Tool) -> Result<Reality, Failed> {
    if hands.outcome_known(tool).await? {
        return Ok(Reality::Partial);
    }
    let untouched = match &state.archive {
        Some(label) => hands.compare(label).await? == Compared::Same,
        None => false,
    };
    if untouched {
        return Ok(Reality::NotStarted);
    }
    let message = format!(
        "the migration tool that an earlier run of upkeep began ({tool}) has ended, how is not known, and migrations are still pending; \
         it is not run a second time on what it left"
    );
    Err(Failed { partial: true, ..Failed::new(Class::Data, message) })
}

/// Migrations of ours that others applied while we waited to: then two work on this database.
pub(super) async fn by_ourselves(hands: &impl Hands, plan: &Plan, state: &State, migrated: &Migrated) -> Result<(), Failed> {
    let first = state.attempts == 1;
    let Some(applied) = migrated.applied.filter(|applied| first && *applied < plan.pending.len()) else { return Ok(()) };
    if hands.look().await?.scripts.is_none_or(|scripts| scripts != Scripts::default()) {
        // What is missing, and why, is told by the look that follows.
        return Ok(());
    }
    let pending = many(plan.pending.len() as u64, "migration");
    let message = format!(
        "{pending} were pending, and only {applied} had to be applied: somebody else migrated the database at the same time"
    );
    Err(others(plan, message))
}

/// What is told when two work on one database: which of them is right, only a person knows.
pub(super) fn others(plan: &Plan, message: String) -> Failed {
    let target = &plan.target;
    Failed::undecided(
        message,
        vec![
            "is there another upkeep, or another host, on this database? one of them must let it be".to_owned(),
            format!("see what was applied: `upkeep migrate info {target}`"),
        ],
    )
}

/// The migrations that neither were there before nor are of this plan, for a message; empty where there are none.
pub(super) fn moved(plan: &Plan, now: &Shape) -> String {
    let names: Vec<String> = now
        .difference(&plan.before)
        .iter()
        .map(|difference| match difference {
            Difference::OnlyLeft(key) => format!("{key} was applied"),
            Difference::OnlyRight(key) => format!("{key} is gone"),
        })
        .collect();
    if names.is_empty() { String::new() } else { format!(" ({})", few(&names, "; ")) }
}

pub(super) async fn inspect(hands: &impl Hands, plan: &Plan) -> Result<Outcome, Failed> {
    let look = hands.look().await?;
    let head = look.shape.head().unwrap_or("no history").to_owned();
    let wrong = |what: &str, migrations: &[String]| {
        Failed::new(Class::Data, format!("after the migrations, {what}: {}", few(migrations, ", ")))
    };
    match &look.scripts {
        Some(scripts) if !scripts.failed.is_empty() => Err(wrong("the history says these failed", &scripts.failed)),
        Some(scripts) if !scripts.pending.is_empty() => Err(wrong("these are still pending", &scripts.pending)),
        Some(scripts) if !scripts.ahead.is_empty() => {
            Err(wrong("the database holds ones the release does not know", &scripts.ahead))
        }
        Some(scripts) if !scripts.blocked.is_empty() => Err(wrong("a person has to see to this", &scripts.blocked)),
        Some(scripts) if !scripts.invalid.is_empty() => Err(wrong("release and history disagree", &scripts.invalid)),
        Some(_) => Ok(Outcome::said(format!("nothing is pending; the database is at {head}"))),
        None if look.shape.histories.iter().any(|history| history.applied.iter().any(|row| !row.success)) => {
            Err(Failed::new(Class::Data, "after the migrations, the history holds a failed one"))
        }
        None => Ok(Outcome::said(format!(
            "{} left the database at {head}",
            if plan.applies == Applies::Server { "the server" } else { "the tool" }
        ))),
    }
}

/// Our own start passes the gate, so the last thing before it is to see that it starts the release that the plan is for.
pub(super) async fn start_new(hands: &impl Hands, plan: &Plan) -> Result<Outcome, Failed> {
    if hands.service().await == ServiceState::Running {
        return Ok(Outcome::said("it is already running"));
    }
    if let Some(foreign) = drift(hands, plan).await? {
        return Err(Failed::undecided(foreign, Vec::new()));
    }
    hands.start().await.map(|()| Outcome::said("started"))
}

/// A server that a newer release replaced before it had been healthy for long enough is not a failed one. To restore would
/// throw away what it wrote, for the sake of a release that is gone; the next upgrade archives it instead. Not where the
/// server itself migrates: then nobody has looked at the database yet.
pub(super) async fn superseded(hands: &impl Hands, plan: &Plan, failed: Failed) -> Result<Outcome, Failed> {
    let looked = plan.applies != Applies::Server && matches!(plan.purpose, Purpose::Upgrade);
    match hands.release().await {
        Ok(now) if looked && now.version > plan.to.version => {
            Ok(Outcome::said(format!("it was replaced by {} meanwhile; {}", now.version, failed.message)))
        }
        _ => Err(failed),
    }
}
