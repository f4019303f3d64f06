//! The one loop that carries an upgrade from wherever it stands to its end.
//!
//! Owns the protocol: look, intent on disk, effect, outcome on disk. Start-up after a crash calls the same loop; there is no
//! other recovery. What comes next is a pure function of plan and journal ([`next`]). Invariants: from every state the loop
//! reaches a terminal phase, `stuck`, or a pause of its way back in a bounded number of moves; killed after any event or effect and
//! begun again, it ends as it would have; whoever acts in whatever gap, no committed row is missing from database and archives
//! together; held by the tests beside this file.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::UpgradeError;
use super::hands::Hands;
use super::plan::{AfterFailure, Applies, Back, Plan, Purpose};
use super::state::{Direction, Event, Failed, Phase, State, Step};
use super::steps::{self, Reality, Since};
use crate::text::shell;

/// How often a step on the way forward that failed for a reason that passes is tried: past that, waiting longer has not helped
/// and the upgrade turns back. On the way back: how often before an alarm is raised, and before a person is asked where trying
/// again does not help.
pub(crate) const TRIES: u32 = 3;

/// The pause before the second try, doubled for each one after.
pub(crate) const BACKOFF: Duration = Duration::from_secs(2);

/// The longest pause between two tries of the way back: nobody serves meanwhile, and a look every few minutes costs nothing.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A longer pause is not spent waiting here: whoever drives may let others at the target (a backup, a person's answer) and drives
/// again then.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a drive ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// There was nothing to drive.
    NothingOpen,
    /// The new version is the good one.
    Committed,
    /// The old version is.
    RolledBack {
        /// Why.
        why: String,
        /// What a person does next; empty when the old server runs again.
        next_steps: Vec<String>,
    },
    /// Nothing was changed.
    Refused {
        /// Why.
        why: String,
        /// Whether that does not pass while nobody does anything about it.
        lasts: bool,
    },
    /// A person mended it.
    Accepted,
    /// A person is needed.
    Stuck {
        /// Why.
        why: String,
        /// Exact commands.
        next_steps: Vec<String>,
    },
    /// The daemon stops; the next start goes on here.
    Paused,
    /// The way back cannot go on for a cause that may pass; it is to be driven again, after a pause.
    Waiting {
        /// The cause.
        why: String,
        /// What a person may do meanwhile.
        next_steps: Vec<String>,
        /// How long to wait.
        pause: Duration,
    },
}

/// What the driver does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    /// Write this down.
    Record(Event),
    /// Do this step, after a pause.
    Try(Step, Duration),
    /// Nothing: it has ended, or waits for a person.
    Rest,
}

/// What comes next. Pure.
#[must_use]
pub(crate) fn next(plan: &Plan, state: &State) -> Move {
    match state.phase {
        Phase::Idle | Phase::Stuck | Phase::Committed | Phase::RolledBack | Phase::Refused | Phase::Accepted => Move::Rest,
        Phase::Aborting => {
            let cause = state.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let why = format!("a person aborted it{cause}");
            // Nothing was changed and the server was not touched: there is nothing to go back from.
            if state.touched.iter().all(|step| *step == Step::Preflight) {
                return Move::Record(Event::Refused { why });
            }
            turn_back(plan, state, why)
        }
        Phase::Running | Phase::RollingBack => match state.step() {
            None if state.direction == Direction::Forward => Move::Record(Event::Committed),
            None => Move::Record(Event::RolledBack { next_steps: by_hand(plan, state) }),
            Some(step) if state.open.is_some() && state.unanswered >= plan.attempts => {
                let times = state.unanswered;
                halt(plan, state, format!("step {step} was interrupted {times} times before it finished"))
            }
            Some(step) => match &state.failure {
                Some(failure) if !again(plan, state, step, failure) => give_up(plan, state, step, failure),
                Some(_) => Move::Try(step, pause(state.failures)),
                None if step.one_way() && state.direction == Direction::Forward && !state.no_return => {
                    Move::Record(Event::NoReturn)
                }
                None => Move::Try(step, Duration::ZERO),
            },
        },
    }
}

/// The pause after so many failures.
#[must_use]
pub(crate) fn pause(failures: u32) -> Duration {
    (BACKOFF * 2_u32.pow(failures.saturating_sub(1).min(8))).min(LONGEST_PAUSE)
}

fn again(plan: &Plan, state: &State, step: Step, failure: &Failed) -> bool {
    match (state.direction, step) {
        // Until it is through nobody serves: what may pass is waited for, as long as it takes.
        (Direction::Back, _) if failure.passes() => true,
        (Direction::Back, _) => state.failures < TRIES,
        // Our own migrations stop between two whole ones, or know the statement they stopped at; a vendor's tool that failed is not run a second time on a guess.
        (Direction::Forward, Step::Migrate) => {
            failure.transient && !failure.person && plan.applies == Applies::Upkeep && state.failures < TRIES
        }
        (Direction::Forward, Step::Start | Step::Healthy) => false,
        (Direction::Forward, _) => failure.transient && !failure.person && state.failures < TRIES,
    }
}

fn give_up(plan: &Plan, state: &State, step: Step, failure: &Failed) -> Move {
    // The first is the cause; the later ones may only tell what came of it.
    let why = match state.first_failure.as_ref().filter(|first| first.message != failure.message) {
        Some(first) => {
            format!("step {step} failed: {}; on the last of {} tries: {}", first.message, state.failures, failure.message)
        }
        None => format!("step {step} failed: {}", failure.message),
    };
    match state.direction {
        Direction::Back => halt(plan, state, why),
        Direction::Forward if failure.person => halt(plan, state, why),
        Direction::Forward if step == Step::Preflight => Move::Record(Event::Refused { why: failure.message.clone() }),
        Direction::Forward if state.no_return && plan.after_failure == AfterFailure::AskPerson => halt(plan, state, why),
        Direction::Forward => turn_back(plan, state, why),
    }
}

fn turn_back(plan: &Plan, state: &State, why: String) -> Move {
    Move::Record(Event::TurnedBack { why, steps: steps::way_back(plan, state) })
}

fn halt(plan: &Plan, state: &State, why: String) -> Move {
    let next_steps = commands(plan, state);
    Move::Record(Event::Halted { why, next_steps })
}

/// What a person does after a rollback that could not install the old release itself.
fn by_hand(plan: &Plan, state: &State) -> Vec<String> {
    if plan.back != Back::Nothing {
        return Vec::new();
    }
    // Nothing came after the stop that failed: server and database are as they were.
    if plan.direction == Direction::Forward && !state.touched.contains(&Step::Archive) {
        return vec![format!(
            "the server was never stopped, and nothing was changed: see why it will not stop ({})",
            plan.service
        )];
    }
    let version =
        plan.earlier().map_or_else(|| "the earlier version".to_owned(), |earlier| format!("version {}", earlier.version));
    vec![format!("install {version} of the server again"), format!("then start it: {}", start_command(plan))]
}

fn start_command(plan: &Plan) -> String {
    if plan.service.ends_with(".service") {
        format!("`{}`", shell(&["systemctl", "start", &plan.service]))
    } else {
        format!("`{}`", plan.service)
    }
}

/// The exact commands for a stuck upgrade: first what this step needs, then the three answers.
#[must_use]
pub(crate) fn commands(plan: &Plan, state: &State) -> Vec<String> {
    let target = &plan.target;
    if let Some((_, ways)) = state.step().and_then(|step| steps::not_as_left(plan, state, step)) {
        return ways;
    }
    let mut lines = Vec::new();
    let archive = match &plan.purpose {
        Purpose::Rollback { archive, .. } => Some(archive),
        Purpose::Upgrade | Purpose::Adopt => state.archive.as_ref(),
    };
    lines.extend(state.failure.iter().flat_map(|failure| failure.hints.clone()));
    match (state.step(), plan.earlier()) {
        (Some(Step::Restore | Step::KeepFailed), _) => {
            lines.extend(archive.map(|label| format!("restore by hand: `upkeep restore {target} {label} --replace`")));
        }
        (Some(Step::PointBack), Some(earlier)) if plan.back == Back::Symlink => {
            let (to, link) = (earlier.path.to_string_lossy(), plan.release_path.to_string_lossy());
            lines.push(format!("`{}`", shell(&["ln", "-sfnT", "--", &*to, &*link])));
        }
        (Some(Step::PointBack), Some(earlier)) => {
            lines.push(format!("install version {} of the server by hand", earlier.version))
        }
        (Some(Step::Start | Step::Healthy | Step::StartOld | Step::HealthyOld), _) => {
            lines.push(format!("start the server by hand and see why it does not start: {}", start_command(plan)));
        }
        (Some(Step::Migrate | Step::Inspect), _) => lines.push(format!("see what was applied: `upkeep migrate info {target}`")),
        _ => {}
    }
    lines.push(format!("once the cause is fixed, go on: `upkeep upgrade {target} --resume`"));
    if state.direction == Direction::Forward {
        lines.push(format!("or put everything back: `upkeep upgrade {target} --abort`"));
    }
    lines.push(format!("or record the present state as known-good: `upkeep upgrade {target} --accept`"));
    lines
}

/// Carries the upgrade on until it ends, needs a person, or `stop` is set. `stop` is looked at between steps only: a step once
/// begun is finished, except for a vendor's tool that goes on without us.
///
/// # Errors
/// When the journal cannot be written, or holds what cannot be: then nothing more is done.
pub(crate) async fn drive(
    hands: &impl Hands,
    plan: &Plan,
    state: State,
    stop: &CancellationToken,
) -> Result<Ended, UpgradeError> {
    let mut drive = Drive::begin(state);
    loop {
        match drive.turn(hands, plan, stop).await? {
            ControlFlow::Continue(next) => drive = next,
            ControlFlow::Break(ended) => return Ok(ended),
        }
    }
}

/// One run at an upgrade: what the journal adds up to, and what only this run knows.
#[derive(Debug, Clone)]
struct Drive {
    state: State,
    since: Since,
    /// Whether a step was tried.
    moved: bool,
}

impl Drive {
    fn begin(state: State) -> Self {
        // Whoever begins to drive in the middle does not know what was done meanwhile, and by whom.
        let since = if state.at == 0 && state.open.is_none() && state.failures == 0 { Since::Begun } else { Since::Resumed };
        Self { state, since, moved: false }
    }

    /// One move. All of what is known between two is in `self` and in the journal.
    async fn turn(
        self,
        hands: &impl Hands,
        plan: &Plan,
        stop: &CancellationToken,
    ) -> Result<ControlFlow<Ended, Self>, UpgradeError> {
        match next(plan, &self.state) {
            Move::Rest => Ok(ControlFlow::Break(ended(self.state))),
            _ if stop.is_cancelled() => Ok(ControlFlow::Break(Ended::Paused)),
            Move::Record(event) => Ok(ControlFlow::Continue(Self { state: record(hands, self.state, event).await?, ..self })),
            Move::Try(_, pause) if pause > PATIENCE && self.moved => Ok(ControlFlow::Break(waiting(plan, &self.state, pause))),
            Move::Try(step, pause) => {
                // Whoever drives anew wants it tried now.
                if self.moved && !pause.is_zero() {
                    // Cancel-safe on both sides: nothing is underway during a pause.
                    tokio::select! {
                        () = hands.pause(pause) => {}
                        () = stop.cancelled() => return Ok(ControlFlow::Break(Ended::Paused)),
                    }
                }
                self.tried(hands, plan, step, stop).await
            }
        }
    }

    async fn tried(
        self,
        hands: &impl Hands,
        plan: &Plan,
        step: Step,
        stop: &CancellationToken,
    ) -> Result<ControlFlow<Ended, Self>, UpgradeError> {
        let Self { state, mut since, .. } = self;
        // Cancel-safe: it only looks.
        let alone = tokio::select! {
            alone = hands.outlast(state.tool.as_ref(), step) => alone,
            () = stop.cancelled() => return Ok(ControlFlow::Break(Ended::Paused)),
        };
        let state = match alone {
            Ok(()) => match attempt(hands, plan, state, step, since, stop).await? {
                Some(state) => state,
                None => return Ok(ControlFlow::Break(Ended::Paused)),
            },
            Err(failed) => {
                let next_steps = [failed.hints, commands(plan, &state)].concat();
                record(hands, state, Event::Halted { why: failed.message, next_steps }).await?
            }
        };
        // From an archive of this very run on, with the server stopped, it is known again.
        if matches!(step, Step::Archive | Step::KeepFailed) && state.step() != Some(step) {
            since = Since::Begun;
        }
        Ok(ControlFlow::Continue(Self { state, since, moved: true }))
    }
}

async fn record(hands: &impl Hands, state: State, event: Event) -> Result<State, UpgradeError> {
    // Folded first: an event that cannot follow must not reach the disk.
    let after = state.apply(&event)?;
    hands.record(&event).await?;
    Ok(after)
}

/// One step: look, intend, do, say. If we die between any two of these, the next look tells. None when it was left to go on
/// without us, which to the next look is the same.
async fn attempt(
    hands: &impl Hands,
    plan: &Plan,
    state: State,
    step: Step,
    since: Since,
    stop: &CancellationToken,
) -> Result<Option<State>, UpgradeError> {
    let found = match steps::check(hands, plan, &state, step, since).await {
        Ok(Reality::NotStarted | Reality::Partial) => None,
        Ok(Reality::Outdated { to, why }) => Some(Event::Retraced { to, why }),
        Ok(Reality::Done(outcome)) => {
            Some(Event::Done { step, note: outcome.note, label: outcome.label, between: outcome.between })
        }
        Ok(Reality::Foreign(why)) => Some(Event::Halted { why, next_steps: commands(plan, &state) }),
        Err(failed) => Some(Event::Failed { step, failed }),
    };
    if let Some(event) = found {
        // An archive of a run that was killed right behind its seal has no note yet.
        if let Event::Done { step: Step::Archive, label: Some(label), .. } = &event {
            hands.leave_note(label).await;
        }
        return record(hands, state, event).await.map(Some);
    }
    let attempt = state.attempts + 1;
    let state = record(hands, state, Event::Intended { step, attempt }).await?;
    let left = async {
        stop.cancelled().await;
        hands.handed_over().await;
    };
    // Cancel-safe: what was handed over does not end with us, and until its end the step only looks.
    let applied = tokio::select! {
        biased;
        applied = steps::apply(hands, plan, &state, step, since) => applied,
        () = left => return Ok(None),
    };
    let event = match applied {
        Ok(outcome) => Event::Done { step, note: outcome.note, label: outcome.label, between: outcome.between },
        Err(failed) => Event::Failed { step, failed },
    };
    record(hands, state, event).await.map(Some)
}

/// What a way back that waits says of itself.
fn waiting(plan: &Plan, state: &State, pause: Duration) -> Ended {
    let why = state.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
    Ended::Waiting { why, next_steps: commands(plan, state), pause }
}

fn ended(state: State) -> Ended {
    let why = state.why.unwrap_or_default();
    match state.phase {
        Phase::Committed => Ended::Committed,
        Phase::RolledBack => Ended::RolledBack { why, next_steps: state.next_steps },
        Phase::Refused => Ended::Refused { why, lasts: state.failure.is_some_and(|failure| !failure.passes()) },
        Phase::Accepted => Ended::Accepted,
        Phase::Stuck => Ended::Stuck { why, next_steps: state.next_steps },
        Phase::Idle | Phase::Running | Phase::Aborting | Phase::RollingBack => Ended::NothingOpen,
    }
}

#[cfg(test)]
mod tests;
