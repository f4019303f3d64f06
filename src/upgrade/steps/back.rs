//! The way back: what is kept, what is replaced, and what the old server is started on.
//!
//! Owns the rule that nothing is replaced which was not proved to be archived: what is here only saves work, the proof itself is made
//! under the fence of whatever restores. Never records. Held by the driver's tests, which have others write in every gap.

use super::forward::others;
use super::{Outcome, Reality, Since, archive, proved};
use crate::archive::manifest::Kind;
use crate::count::{few, many};
use crate::engine::Compared;
use crate::failure::Class;
use crate::ids::Label;
use crate::service::ServiceState;
use crate::shape::{Applied, Shape};
use crate::upgrade::hands::Hands;
use crate::upgrade::plan::{Applies, Back, Plan, Purpose};
use crate::upgrade::state::{Direction, Failed, State, Step};

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

/// Versioned scripts in a history that were not there before and are not of this plan, where we apply them ourselves and so know: who
/// replaced the database now would undo somebody else's work.
fn strangers(plan: &Plan, now: &Shape) -> Vec<String> {
    if plan.applies != Applies::Upkeep || plan.purpose != Purpose::Upgrade {
        return Vec::new();
    }
    let planned = |version: &str| plan.pending.iter().any(|pending| pending.split(' ').next() == Some(version));
    let mut strangers = Vec::new();
    for before in &plan.before.histories {
        let Some(history) = now.histories.iter().find(|history| history.table == before.table) else { continue };
        let was_there = |row: &Applied| before.applied.iter().any(|known| known.version == row.version);
        let new = history.applied.iter().filter(|row| row.success && row.kind == "SQL" && !was_there(row));
        let named = new.filter_map(|row| Some((row.version.as_deref()?, &row.description)));
        let foreign = named.filter(|(version, _)| !planned(version));
        strangers.extend(foreign.map(|(version, description)| format!("{version} {description}")));
    }
    strangers
}

/// A server that runs although the way back had stopped it. Somebody started it: a person who was asked since may have it stopped
/// again; else it is for a person to say which of the two is wanted.
async fn started_meanwhile(hands: &impl Hands, state: &State) -> Option<Reality> {
    let runs = state.told && matches!(hands.service().await, ServiceState::Running);
    let to = state.route.iter().find(|step| matches!(step, Step::StopNew)).copied()?;
    runs.then(|| Reality::Outdated { to, why: "the server was started meanwhile, and a person said to go on".to_owned() })
}

/// Whether what is to be kept was kept already, or nothing is there that is not.
pub(super) async fn check_keep(hands: &impl Hands, plan: &Plan, state: &State, since: Since) -> Result<Reality, Failed> {
    if let Some(again) = started_meanwhile(hands, state).await {
        return Ok(again);
    }
    if let Some(why) = unchanged(hands, plan, state).await? {
        return Ok(Reality::Done(Outcome::said(format!("nothing to keep: {why}"))));
    }
    match restored(hands, plan, state, since).await? {
        Some(Compared::Same) => {
            Ok(Reality::Done(Outcome::said("nothing to keep: the database is the one to go back to already")))
        }
        Some(Compared::Gone) => Ok(Reality::Done(Outcome::said("nothing to keep: the database is not there"))),
        Some(Compared::Differs(_)) | None => proved(hands, failed_kind(plan)).await,
    }
}

/// Whether the restore is needed, and not done already.
pub(super) async fn check_restore(hands: &impl Hands, plan: &Plan, state: &State, since: Since) -> Result<Reality, Failed> {
    if let Some(again) = started_meanwhile(hands, state).await {
        return Ok(again);
    }
    if let Some(why) = unchanged(hands, plan, state).await? {
        return Ok(Reality::Done(Outcome::said(format!("nothing to restore: {why}"))));
    }
    Ok(match restored(hands, plan, state, since).await? {
        Some(Compared::Same) => Reality::Done(Outcome::said("the database is the one to go back to already")),
        Some(Compared::Gone | Compared::Differs(_)) | None => Reality::NotStarted,
    })
}

/// How the database stands to the archive that the way back leads to. A run that was cut off behind the exchange may have restored it
/// already; one that was not cut off knows that it has not, and need not read everything for that.
async fn restored(hands: &impl Hands, plan: &Plan, state: &State, since: Since) -> Result<Option<Compared>, Failed> {
    if since == Since::Begun && state.attempts == 0 {
        return Ok(None);
    }
    hands.compare(wanted(plan, state)?).await.map(Some)
}

/// Where the way back is to keep or replace what is there, nobody may serve from it. Which of the two is wanted, the old version or the
/// server as it runs, is not ours to say.
pub(super) async fn still_stopped(hands: &impl Hands, plan: &Plan) -> Result<(), Failed> {
    let target = &plan.target;
    super::still_stopped(hands).await.map_err(|failed| match failed.class {
        Class::TempFail => Failed::undecided(
            "the server runs, though the way back had stopped it: somebody started it",
            vec![
                format!("to stop it again, archive what it wrote and go back: `upkeep upgrade {target} --resume`"),
                format!("to keep it as it runs: `upkeep upgrade {target} --accept`"),
            ],
        ),
        _ => failed,
    })
}

/// The archive that the way back leads to.
fn wanted<'a>(plan: &'a Plan, state: &'a State) -> Result<&'a Label, Failed> {
    let label = match &plan.purpose {
        Purpose::Rollback { archive, .. } => Some(archive),
        Purpose::Upgrade | Purpose::Adopt => state.archive.as_ref(),
    };
    label.ok_or_else(|| Failed::new(Class::Software, "the journal names no pre-upgrade archive"))
}

/// Our own start passes the gate, so it asks what the gate would: an old server on a database that it does not know may do
/// anything to it.
pub(super) async fn start_old(hands: &impl Hands, plan: &Plan, state: &State) -> Result<Outcome, Failed> {
    if hands.service().await == ServiceState::Running {
        // Ours, of a try that was cut off; or the old one, which would not stop in the first place.
        if state.attempts > 1 || !state.route.contains(&Step::StopNew) {
            return Ok(Outcome::said("it is already running"));
        }
        // Somebody started one meanwhile, and which release it is was decided before the old one was installed again.
        hands.stop().await?;
    }
    let scripts = hands.look().await?.scripts.unwrap_or_default();
    // What is pending, or a person has to see to, was so before, when the old server served; the restore has seen to that.
    let unknown = [scripts.ahead, scripts.failed, scripts.invalid].concat();
    if !unknown.is_empty() {
        let version = plan.earlier().map_or_else(|| "the earlier release".to_owned(), |earlier| earlier.version.to_string());
        let message =
            format!("the database is not in step with {version}, which is not started on it: {}", few(&unknown, "; "));
        let hints = vec![
            format!("restore an archive that fits {version}: `upkeep list {}`", plan.target),
            format!("compare: `upkeep migrate validate {}`", plan.target),
        ];
        return Err(Failed::undecided(message, hints));
    }
    hands.start().await.map(|()| Outcome::said("started"))
}

/// Why the release before is not let loose unasked on what was put back, and what a person may do: the schema was changed outside of
/// migrations before the upgrade, so what was archived and put back is not what that release left.
#[must_use]
pub(crate) fn not_as_left(plan: &Plan, state: &State, step: Step) -> Option<(String, Vec<String>)> {
    let last = if plan.back == Back::Nothing { Step::Hold } else { Step::StartOld };
    let (outside, earlier) = (plan.outside.as_ref()?, plan.earlier()?);
    let asks = step == last && state.direction == Direction::Back && state.route.contains(&Step::StopNew);
    if !asks || state.told || state.attempts > 0 {
        return None;
    }
    let (target, version) = (&plan.target, &earlier.version);
    let why = format!(
        "the database is again as this upgrade found it, and that is not what release {version} left: its schema was changed outside of \
         migrations before the upgrade, by the package's own script or by hand"
    );
    let mut hints = vec![match plan.back {
        Back::Nothing => format!(
            "if {version} can serve it as it is: `upkeep upgrade {target} --resume`, then install {version} and start it"
        ),
        Back::Symlink | Back::Command => format!("to start {version} on it as it is: `upkeep upgrade {target} --resume`"),
    }];
    if let Some(label) = &outside.archive {
        hints.push(format!(
            "to have what {version} left, without what was written since: `upkeep restore {target} {label} --replace`, install \
             {version}, then `upkeep upgrade {target} --accept` and start it"
        ));
    }
    hints.push(format!("to take release and data as they are now: `upkeep upgrade {target} --accept`"));
    Some((why, hints))
}

pub(super) fn failed_kind(plan: &Plan) -> Kind {
    match plan.purpose {
        Purpose::Rollback { .. } => Kind::PreRestore,
        Purpose::Upgrade | Purpose::Adopt => Kind::FailedState,
    }
}

pub(super) async fn restore(hands: &impl Hands, plan: &Plan, state: &State, since: Since) -> Result<Outcome, Failed> {
    still_stopped(hands, plan).await?;
    let label = wanted(plan, state)?;
    if let Ok(now) = hands.shape().await {
        let strangers = strangers(plan, &now);
        if !strangers.is_empty() {
            return Err(others(
                plan,
                format!(
                    "the database holds migrations that this upgrade did not bring: {}; it is not replaced",
                    few(&strangers, "; ")
                ),
            ));
        }
    }
    // The newest that was kept. Whoever restores proves under its fence that the database is still that, or keeps it again; here it is
    // only spared to do so under the fence where a pause says that it may be needed.
    let kept = match &state.kept {
        Some(kept) if since == Since::Begun && state.attempts == 1 => Some(kept.clone()),
        _ => match proved(hands, failed_kind(plan)).await? {
            Reality::Done(outcome) => outcome.label,
            _ if hands.compare(label).await? == Compared::Gone => None,
            _ => archive(hands, failed_kind(plan)).await?.label,
        },
    };
    let said = hands.restore(label, kept.as_ref()).await?;
    // The shape alone: the release that is left may be damaged, and it comes back only after this.
    let differences = hands.shape().await?.difference(&plan.before).len();
    if differences == 0 {
        Ok(Outcome::said(said))
    } else {
        let message = format!("after restoring {label}, {} not as before the upgrade", many(differences as u64, "migration"));
        Err(Failed::undecided(message, vec![format!("restore an archive that fits: `upkeep list {}`", plan.target)]))
    }
}
