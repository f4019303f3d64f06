//! The pieces of work underway: who may run beside whom, and what becomes of each.
//!
//! Owns every job's task, in a `JoinSet` that is joined before the daemon ends. Invariants: in one lane one piece of work at a
//! time, in the order asked for; a job's end is known exactly once, also when its task panicked or was cut off; one that was cut off has its
//! end, and its lane is free, when no thread of it goes on.

mod gate;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::control::board::Board;
use crate::failure::{Class, Failure};
use crate::ids::{JobId, TargetName};
use crate::progress::Progress;
use crate::verbs::{self, Effect, InLane, Lane, Lanes, Spec, Subject, Work};
use crate::wire::{Action, Asker, Job, JobState};

/// How many jobs may be queued or running; another is told to come back. More than a person or a script asks for at once.
pub(super) const LIVING: usize = 64;

/// How many of these the daemon asks for itself: the rest of the room is for people, also when five hundred backups fall due at once.
const OWN: usize = LIVING / 2;

/// How many lanes are worked in at once: each may use every core and 64 MiB.
const LANES_AT_ONCE: usize = 4;

/// A piece of work.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// What somebody asked for.
    Job(Box<Job>, Asker),
    /// What a crash may have left of a target is put in order.
    Tidy(TargetName),
    /// What drills of a target left is removed.
    Sweep(TargetName),
}

struct Waiting {
    piece: Piece,
    lane: Lane,
    ctx: Context,
    progress: Progress,
}

/// How a piece of work ended.
pub(super) struct Ended {
    pub(super) piece: Piece,
    /// None when it was cut off by the daemon's own end.
    pub(super) result: Option<Result<serde_json::Value, Failure>>,
}

/// All pieces of work.
pub(super) struct Jobs {
    board: Arc<Board>,
    waiting: VecDeque<Waiting>,
    running: BTreeMap<Id, (Piece, InLane, Lane)>,
    /// Of each of these: by it the work is given up.
    progress: BTreeMap<Id, Progress>,
    /// Who had a running job cut off.
    cancelled: BTreeMap<JobId, String>,
    /// What a drill was cut off for.
    gave_way: BTreeMap<JobId, &'static str>,
    lanes: Lanes,
    /// None comes of what was cut off.
    tasks: JoinSet<Option<Result<serde_json::Value, Failure>>>,
    /// Told to work that can stop at a step boundary.
    stop: CancellationToken,
}

impl Jobs {
    pub(super) fn new(board: Arc<Board>) -> Self {
        let (waiting, running) = (VecDeque::new(), BTreeMap::new());
        let (lanes, tasks, stop) = (Lanes::default(), JoinSet::new(), CancellationToken::new());
        let (progress, cancelled, gave_way) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { board, waiting, running, progress, cancelled, gave_way, lanes, tasks, stop }
    }

    pub(super) fn full(&self) -> bool {
        self.jobs() >= LIVING
    }

    /// Whether what the daemon itself would ask for had better wait.
    pub(super) fn crowded(&self) -> bool {
        // Drills of many targets wait for one lane: no backup is put off for them.
        let is_drill = |piece: &&Piece| piece.job().is_some_and(|job| job.action.tries().is_some());
        self.jobs() - self.pieces().filter(is_drill).count() >= OWN
    }

    /// What waits and what runs.
    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.waiting.iter().map(|waiting| &waiting.piece).chain(self.running.values().map(|(piece, ..)| piece))
    }

    /// Whether a piece is a drill whose target is being changed, or soon will be.
    fn gives_way(&self, piece: &Piece) -> bool {
        let Some(tried) = piece.job().and_then(|job| job.action.tries()) else { return false };
        self.pieces().filter_map(Piece::job).any(|job| changes(&job.action).is_some_and(|target| target == *tried))
    }

    /// Putting in order what a crash left is no job: it takes nobody's room.
    fn jobs(&self) -> usize {
        self.pieces().filter(|piece| piece.job().is_some()).count()
    }

    pub(super) fn idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// How many run now.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether a living job of a target satisfies a predicate.
    pub(super) fn any(&self, wanted: impl Fn(&Action) -> bool) -> bool {
        self.pieces().filter_map(Piece::job).any(|job| wanted(&job.action))
    }

    /// Takes a piece of work; it runs as soon as its lane is free.
    pub(super) fn add(&mut self, piece: Piece, ctx: Context) {
        let (lane, progress) = (piece.lane(), Progress::default());
        if let Piece::Job(job, _) = &piece {
            self.board.queued((**job).clone(), progress.clone());
        }
        self.waiting.push_back(Waiting { piece, lane, ctx, progress });
        self.advance();
    }

    fn advance(&mut self) {
        // A place may hang as long as it likes: its lane takes nobody's turn.
        // Nor is a drill in anybody's way.
        let counts = |lane: &Lane| !matches!(lane, Lane::Aside | Lane::Drill | Lane::Place(_));
        let mut at = 0;
        // Lanes that are worked in, and those that an earlier one waits for, which goes first.
        let mut busy: BTreeSet<Lane> =
            self.running.values().map(|(.., lane)| lane).filter(|lane| **lane != Lane::Aside).cloned().collect();
        let mut worked_in = busy.iter().filter(|lane| counts(lane)).count();
        while at < self.waiting.len() {
            let lane = &self.waiting[at].lane;
            if self.gives_way(&self.waiting[at].piece) {
                at += 1;
                continue;
            }
            if *lane != Lane::Aside && ((counts(lane) && worked_in >= LANES_AT_ONCE) || busy.contains(lane)) {
                busy.insert(lane.clone());
                at += 1;
                continue;
            }
            // Work in another lane may have taken this one as well.
            let Some(entered) = self.lanes.enter(lane) else {
                busy.insert(lane.clone());
                at += 1;
                continue;
            };
            if *lane != Lane::Aside {
                busy.insert(lane.clone());
                worked_in += usize::from(counts(lane));
            }
            let Some(Waiting { piece, lane, ctx, progress }) = self.waiting.remove(at) else { return };
            if let Piece::Job(job, _) = &piece {
                self.board.running(&job.id);
                self.make_way(&job.action);
            }
            let around = Around { stop: self.stop.clone(), board: Arc::clone(&self.board), lanes: self.lanes.clone() };
            let task = work(piece.clone(), ctx, progress.clone(), around);
            let id = self.tasks.spawn(unless_given_up(Box::pin(task), progress.clone())).id();
            self.running.insert(id, (piece, entered, lane));
            self.progress.insert(id, progress);
        }
    }

    /// Cuts a drill off whose target's database or server changes from now on: what is at work on it shall have the server and the disk.
    fn make_way(&mut self, action: &Action) {
        let Some(target) = changes(action) else { return };
        for (task, (piece, ..)) in &self.running {
            let drill = piece.job().filter(|job| job.action.tries() == Some(&target));
            if let (Some(job), Some(progress)) = (drill, self.progress.get(task)) {
                self.gave_way.insert(job.id.clone(), action.name());
                progress.give_up();
            }
        }
    }

    /// The next end. Cancel-safe, as `join_next_with_id` is. To be called while something runs.
    pub(super) async fn next_end(&mut self) -> Option<Ended> {
        let (id, result) = match self.tasks.join_next_with_id().await? {
            Ok((id, result)) => (id, result),
            Err(error) if error.is_cancelled() => (error.id(), None),
            Err(error) => {
                let failure = Failure::new(Class::Software, "a bug: the job panicked; the daemon's log has the place");
                let failure = failure.safe("the daemon goes on, and sealed archives are untouched");
                (error.id(), Some(Err(failure.hint("see `journalctl -u upkeepd`, and report it"))))
            }
        };
        let (piece, entered, _) = self.running.remove(&id)?;
        self.progress.remove(&id);
        drop(entered);
        let who = piece.job().and_then(|job| self.cancelled.remove(&job.id));
        let what = piece.job().and_then(|job| self.gave_way.remove(&job.id));
        let result = match (result, who, what) {
            (None, Some(who), _) => Some(Err(cancelled(&who))),
            (None, None, Some(what)) => Some(Err(gave_way(what))),
            (result, ..) => result,
        };
        self.advance();
        Some(Ended { piece, result })
    }

    /// Lets a job that waits go, or cuts one off that runs. One that did not begin has its end at once.
    pub(super) fn cancel(&mut self, id: &JobId, who: &str) -> Result<Option<Ended>, Failure> {
        let is_it = |piece: &Piece| piece.job().is_some_and(|job| job.id == *id);
        if let Some(at) = self.waiting.iter().position(|waiting| is_it(&waiting.piece)) {
            let waiting = self.waiting.remove(at);
            self.advance();
            return Ok(waiting.map(|waiting| Ended { piece: waiting.piece, result: Some(Err(cancelled(who))) }));
        }
        let Some((task, job)) =
            self.running.iter().find_map(|(task, (piece, ..))| Some((task, piece.job().filter(|job| job.id == *id)?)))
        else {
            let failure = Failure::new(Class::NoInput, format!("job `{id}` neither waits nor runs"));
            return Err(failure.hint("see what does: `upkeep status`"));
        };
        if !job.action.may_be_cut_off() {
            let what = format!("the {} runs, and is not cut off in the middle", job.action.name());
            let failure = Failure::new(Class::TempFail, what).safe("it goes on");
            return Err(failure.hint("watch it to its end: `upkeep status --watch`"));
        }
        self.cancelled.insert(id.clone(), who.to_owned());
        if let Some(progress) = self.progress.get(task) {
            progress.give_up();
        }
        Ok(None)
    }

    /// Tells running work to stop at its next step boundary and gives back what has not begun.
    pub(super) fn drain(&mut self) -> Vec<Ended> {
        self.stop.cancel();
        self.waiting.drain(..).map(|waiting| Ended { piece: waiting.piece, result: None }).collect()
    }

    /// Cuts off what still runs: each task ends at its next await, and its half-done files with it.
    pub(super) fn abort(&mut self) {
        self.progress.values().for_each(Progress::give_up);
        self.tasks.abort_all();
    }
}

impl Piece {
    fn job(&self) -> Option<&Job> {
        match self {
            Self::Job(job, _) => Some(job.as_ref()),
            Self::Tidy(_) | Self::Sweep(_) => None,
        }
    }

    fn lane(&self) -> Lane {
        match self {
            Self::Job(job, _) => verbs::spec(&job.action).lane,
            Self::Tidy(target) => Lane::Target(target.clone()),
            Self::Sweep(_) => Lane::Drill,
        }
    }
}

/// What every piece of work shares.
struct Around {
    stop: CancellationToken,
    board: Arc<Board>,
    lanes: Lanes,
}

/// Does a piece of work, and ends it where it is once it is given up: it is over when its threads are.
async fn unless_given_up<T>(work: impl Future<Output = T>, progress: Progress) -> Option<T> {
    // Both arms are cancel-safe: who is given up on is asked for nothing any more.
    let done = tokio::select! {
        biased;
        () = progress.given_up() => None,
        done = work => Some(done),
    };
    if done.is_none() {
        progress.threads_ended().await;
    }
    done
}

async fn work(piece: Piece, ctx: Context, progress: Progress, around: Around) -> Result<serde_json::Value, Failure> {
    let Around { stop, board, lanes } = around;
    let (job, asker) = match piece {
        Piece::Tidy(target) => return Ok(verbs::tidy(&ctx, verbs::target(&ctx, &target)?).await?.into()),
        Piece::Sweep(target) => {
            let (done, left) = verbs::sweep(&ctx, verbs::target(&ctx, &target)?).await?;
            return Ok(serde_json::json!({ "done": done, "left": left }));
        }
        Piece::Job(job, asker) => (job, asker),
    };
    match &job.action {
        Action::Gate(ask) => gate::answer(&ctx, &ask.target, &board, (&lanes, &stop)).await,
        action => {
            verbs::perform(action, Work { ctx: &ctx, asker: &asker, progress: &progress, stop: &stop, lanes: &lanes }).await
        }
    }
}

/// The target whose database or server an action changes.
fn changes(action: &Action) -> Option<TargetName> {
    match verbs::spec(action) {
        Spec { subject: Subject::Target(target), effect: Effect::Changes, .. } => Some(target.clone()),
        _ => None,
    }
}

/// What changes a target's database now, and is in no journal that the gate would see.
fn at_work(jobs: &[Job], target: &TargetName) -> Option<&'static str> {
    let running = jobs.iter().filter(|job| job.state == JobState::Running);
    let mut changing = running.filter(|job| verbs::keeps_the_gate_shut(&job.action, target));
    changing.next().map(|job| match job.action {
        Action::Migrate(_) => "migration",
        _ => job.action.name(),
    })
}

/// What a job that somebody did not want any more ends with.
fn cancelled(who: &str) -> Failure {
    let failure = Failure::new(Class::TempFail, format!("it was cancelled by {who}"));
    Failure { cancelled: true, ..failure }.safe("earlier archives are untouched")
}

/// What a drill ends with that was in the way of something better.
fn gave_way(what: &str) -> Failure {
    let failure = Failure::new(Class::TempFail, format!("it was ended for the {what}, which goes first"));
    failure.safe("archives are untouched").hint("run the drill again afterwards")
}

fn stopping() -> Failure {
    Failure::new(Class::TempFail, "the daemon is stopping").hint("it goes on at its next start: `systemctl start upkeepd`")
}

#[cfg(test)]
mod tests;
