//! What is asked for, and what becomes of it.

use std::time::{Duration, Instant};

use super::Life;
use crate::control::board::Ask;
use crate::control::convert;
use crate::daemon::agenda::What;
use crate::daemon::eyes::How;
use crate::daemon::jobs::{Ended, LIVING, Piece};
use crate::failure::{Class, Failure};
use crate::ids::{JobId, RequestId, TargetName};
use crate::progress::Snapshot;
use crate::schedule;
use crate::state_db::catalogue::{self, Verdict};
use crate::state_db::runs::{End, Outcome, Run};
use crate::status;
use crate::upgrade;
use crate::wire::{Action, Asker, Backup, By, DowntimeStatus, Drill, Job, JobState, Rehearse, Rollback, Upgrade, Verify};

/// How long the end of a job that changed the database or the server waits to be told together with what it left: a look takes
/// milliseconds, and where it takes longer nothing is said of what is not known.
const LOOKED_AT: Duration = Duration::from_secs(5);

/// How many unread archives of a target are read at a start: each is a job, and each may take long.
const READ_AT_START: usize = 8;

/// How long systemd may take to make of the gate's answer what becomes of the server.
const AFTER_GATE: Duration = Duration::from_secs(1);

/// What the events say of a job that went well.
fn went_well(name: &str, result: &serde_json::Value) -> String {
    let label = result.get("label").and_then(|label| label.as_str());
    // None where the answer has none, or one of another form.
    let downtime = result.get("downtime").cloned().and_then(|downtime| serde_json::from_value::<DowntimeStatus>(downtime).ok());
    match (label, downtime) {
        (Some(label), _) => format!("{name} went well: {label}"),
        (None, Some(downtime)) => format!("{name} went well: {}", status::downtime::said(&downtime, true)),
        (None, None) => format!("{name} went well"),
    }
}

/// Who hears of the end of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The log and the events.
    ToAll,
    /// Only whoever asks for the job: it is no news.
    Quietly,
}

impl Life {
    pub(super) async fn request(&mut self, ask: Ask) {
        // A client that has gone away does not wait for its answer.
        match ask {
            Ask::Submit { action, request, asker, reply } => {
                let who = asker.who.clone();
                let job = self.submit(*action, request, asker).await;
                if let Ok(job) = &job {
                    tracing::info!(job = %job.id, action = job.action.name(), who, "asked for");
                }
                reply.send(job).ok();
            }
            Ask::Cancel { id, who, reply } => {
                let answer = self.cancel(&id, &who).await;
                reply.send(answer).ok();
            }
            Ask::Reload { reply } => {
                reply.send(self.reload().await).ok();
            }
        }
    }

    /// Takes an action as a job; the same request twice is the same job.
    pub(super) async fn submit(&mut self, action: Action, request: Option<RequestId>, asker: Asker) -> Result<Job, Failure> {
        if let Some(request) = &request
            && let Some(run) = self.ctx.state.run_by_request(request).await?
        {
            let known = self.board.job(&run.id).await.or_else(|_| convert::job(run))?;
            if known.action == action {
                return Ok(known);
            }
            let failure = Failure::new(Class::Usage, format!("request `{request}` was already used for another request"));
            return Err(failure.hint("choose a new request id for each request"));
        }
        if self.drain_until.is_some() {
            let failure = Failure::new(Class::TempFail, "the daemon is stopping");
            return Err(failure.hint("try again when it runs: `systemctl status upkeepd`"));
        }
        if self.jobs.full() {
            let failure = Failure::new(Class::TempFail, format!("{LIVING} jobs are queued or running already"));
            return Err(failure.hint("wait for some to end: `upkeep status`"));
        }
        let job = Job {
            id: JobId::random(),
            request,
            state: JobState::Queued,
            created_at: self.ctx.clock.now(),
            ended_at: None,
            progress: Snapshot::default(),
            result: None,
            failure: None,
            action,
        };
        let begun = self.ctx.state.begin_run(&run_of(&job)?).await;
        if let Err(error) = &begun {
            self.refused(error);
        }
        begun?;
        self.wrote(Ok(()));
        let by = asker.by;
        self.jobs.add(Piece::Job(Box::new(job.clone()), asker), self.ctx.clone());
        match by {
            By::Person => self.publish_progress().await,
            // Nobody waits for it, and there may be many at once.
            By::Daemon | By::Gate => self.publish_soon(),
        }
        Ok(job)
    }

    /// Lets a job go that waits, or cuts one off that runs.
    async fn cancel(&mut self, id: &JobId, who: &str) -> Result<(), Failure> {
        let ended = self.jobs.cancel(id, who)?;
        tracing::info!(job = %id, who, "cancelled");
        if let Some(ended) = ended {
            self.job_ended(ended).await;
        }
        Ok(())
    }

    pub(super) async fn job_ended(&mut self, ended: Ended) {
        match ended.piece {
            Piece::Job(job, _) => {
                let cancelled = matches!(&ended.result, Some(Err(failure)) if failure.cancelled);
                let told = if self.ferried(&job, ended.result.as_ref()).await { Told::Quietly } else { Told::ToAll };
                self.end(&job, ended.result, told).await;
                // Cut off right after its seal it has left an archive that is in no list. Before a start the daemon looks by itself.
                if let (true, None, Action::Backup(backup)) = (cancelled, self.drain_until, &job.action)
                    && self.ctx.config.targets.contains_key(&backup.target)
                {
                    self.jobs.add(Piece::Tidy(backup.target.clone()), self.ctx.clone());
                }
                if let Some(target) = job.action.tries() {
                    self.sweep(target).await;
                }
                self.note_open(&job).await;
                self.publish().await;
            }
            Piece::Tidy(target) => {
                self.sweep(&target).await;
                self.tidied(target, ended.result).await;
            }
            Piece::Sweep(target) => self.swept(target, ended.result).await,
        }
    }

    pub(super) async fn tidied(&mut self, target: TargetName, result: Option<Result<serde_json::Value, Failure>>) {
        match result {
            Some(Ok(lines)) => {
                self.untidy_told.remove(&target);
                let lines: Vec<String> = serde_json::from_value(lines).unwrap_or_default();
                if !lines.is_empty() {
                    self.call_ferries(Some(&target));
                    self.stale.insert(target.clone());
                    self.publish_soon();
                    if let Some(eye) = self.eyes.get_mut(&target) {
                        eye.changed(Instant::now());
                    }
                }
                for line in lines {
                    tracing::info!(target = %target, what = line, "put in order");
                    self.event(Some(&target), "daemon.tidied", &line).await;
                }
                let begun = self.read_unread(&target).await;
                self.log(begun);
            }
            Some(Err(failure)) => {
                let causes = failure.causes.join(": ");
                // Once as a warning: the database server may be down for long, and every poll tries again.
                if self.untidy_told.insert(target.clone()) {
                    tracing::warn!(target = %target, error = %failure.message, causes, "cannot be put in order yet");
                } else {
                    tracing::debug!(target = %target, error = %failure.message, causes, "still cannot be put in order");
                }
                self.untidy.push(target.clone());
            }
            None => {}
        }
    }

    /// Has what drills of a target left removed, where they left anything.
    async fn sweep(&mut self, target: &TargetName) {
        let targets = &self.ctx.config.targets;
        // What is nobody's any more goes along with whoever is swept.
        let concerned = |row: &crate::state_db::drills::Drill| row.target == *target || !targets.contains_key(&row.target);
        let left = self.ctx.state.drills_left_anywhere().await.is_ok_and(|left| left.iter().any(concerned));
        if self.drain_until.is_none() && targets.contains_key(target) && left {
            self.jobs.add(Piece::Sweep(target.clone()), self.ctx.clone());
        }
    }

    async fn swept(&mut self, target: TargetName, result: Option<Result<serde_json::Value, Failure>>) {
        self.stale.insert(target.clone());
        self.publish_soon();
        let lines =
            |swept: &serde_json::Value, of: &str| serde_json::from_value::<Vec<String>>(swept[of].clone()).unwrap_or_default();
        if !self.ctx.config.targets.contains_key(&target) {
            return;
        }
        let Some(Ok(swept)) = result else {
            self.unswept.insert(target);
            return;
        };
        for line in lines(&swept, "done") {
            tracing::info!(target = %target, what = line, "put in order");
            self.event(Some(&target), "daemon.tidied", &line).await;
        }
        // Told by the status; tried again with every poll.
        if !lines(&swept, "left").is_empty() {
            self.unswept.insert(target);
        }
    }

    /// Has archives read back that nobody has read: sealed right before a crash, or listed again after the catalogue was lost. Not in the
    /// target's lane, which has more urgent work; the newest ones, for those are what a restore would take.
    async fn read_unread(&mut self, target: &TargetName) -> Result<(), Failure> {
        let mut unread = catalogue::list(&self.ctx.state, Some(target)).await?;
        unread.retain(|entry| entry.verdict == Verdict::Unverified);
        unread.sort_by_key(|entry| std::cmp::Reverse(entry.taken_at));
        for entry in unread.into_iter().take(READ_AT_START) {
            let action = Action::Verify(Verify { label: Some(entry.label), target: None });
            self.submit(action, None, Asker::daemon()).await?;
        }
        Ok(())
    }

    /// Writes down how a job ended and tells of it.
    pub(super) async fn end(&mut self, job: &Job, result: Option<Result<serde_json::Value, Failure>>, told: Told) {
        let at = self.ctx.clock.now();
        let target = job.action.target();
        let name = job.action.name();
        let elapsed_ms = (at - job.created_at).num_milliseconds();
        let shown = target.map_or_else(String::new, ToString::to_string);
        let class = match &result {
            None => None,
            Some(Ok(_)) => Some(Ok(())),
            // A person did not want it: it is not tried again.
            Some(Err(failure)) if failure.cancelled => Some(Ok(())),
            Some(Err(failure)) => Some(Err(failure.class)),
        };
        let lasting = matches!(&result, Some(Err(failure)) if failure.lasting);
        let (end, message) = match result {
            Some(Ok(result)) => {
                tracing::info!(target = shown, job = %job.id, action = name, elapsed_ms, "done");
                let message = went_well(name, &result);
                (End { at, outcome: Outcome::Ok, result }, message)
            }
            Some(Err(mut failure)) => {
                failure.target = failure.target.or_else(|| target.map(ToString::to_string));
                let causes = failure.causes.join(": ");
                match told {
                    Told::ToAll => {
                        tracing::error!(target = shown, job = %job.id, action = name, elapsed_ms, error = %failure.message, causes, "failed");
                    }
                    Told::Quietly => {
                        tracing::debug!(target = shown, job = %job.id, action = name, error = %failure.message, causes, "failed as before");
                    }
                }
                let message = format!("{name} failed: {}", failure.message);
                (End { at, outcome: Outcome::Failed, result: serde_json::to_value(failure).unwrap_or_default() }, message)
            }
            None => {
                tracing::warn!(target = shown, job = %job.id, action = name, elapsed_ms, "cut off by the daemon's stop");
                (End { at, outcome: Outcome::Interrupted, result: serde_json::Value::Null }, format!("{name} was cut off"))
            }
        };
        if let Action::Backup(Backup { target, scheduled_for: Some(due), .. }) = &job.action {
            self.beats.scheduled = None;
            if self.agenda.ended(target, *due, at, class) {
                // What is not taken now is due again after a restart: one backup more.
                let marked = self.ctx.state.mark_schedule(target, What::Backup.name(), *due).await;
                self.wrote(marked);
            }
            if end.outcome == Outcome::Ok
                && let Some(ping) = self.ctx.config.alarms.as_ref().and_then(|alarms| alarms.ping.as_ref())
            {
                self.alarms.alive(ping.with(ping.reveal().replace("{target}", target.as_str())));
            }
        }
        if let Action::Drill(Drill { target, scheduled_for: Some(due), .. }) = &job.action {
            self.beats.scheduled = None;
            if self.drills.ended(target, *due, at, class) {
                // As above: one drill more.
                let marked = self.ctx.state.mark_schedule(target, What::Drill.name(), *due).await;
                self.wrote(marked);
            }
        }
        if let Action::Rehearse(Rehearse { target, scheduled_for: Some(due), .. }) = &job.action {
            self.beats.scheduled = None;
            if self.rehearsals.ended(target, *due, at, class) {
                let marked = self.ctx.state.mark_schedule(target, What::Rehearse.name(), *due).await;
                self.wrote(marked);
            }
        }
        let kind = format!("{name}.{}", end.outcome.as_str());
        let passing = matches!(class, Some(Err(class)) if schedule::may_pass(class));
        let how = if lasting {
            How::Refused
        } else if passing {
            How::Passing
        } else {
            How::Ended
        };
        self.after(&job.id, &job.action, end.outcome, how);
        self.unwritten.push((job.id.clone(), end));
        self.write_ends().await;
        if told == Told::ToAll {
            self.event(target, &kind, &message).await;
        }
    }

    /// What a job's end means for what was known and seen before it.
    fn after(&mut self, id: &JobId, action: &Action, outcome: Outcome, how: How) {
        self.tallies = None;
        let now = Instant::now();
        let Some(target) = action.target() else { return self.stale.extend(self.ctx.config.targets.keys().cloned()) };
        self.stale.insert(target.clone());
        let Some(eye) = self.eyes.get_mut(target) else { return };
        if matches!(action, Action::Upgrade(_)) {
            eye.ended(how, now);
        }
        if status::changes(action, target) {
            eye.changed(now);
            // Where the next one changes it already, there is nothing to wait for.
            let jobs = self.board.living();
            let next =
                jobs.iter().any(|job| job.id != *id && job.state == JobState::Running && status::changes(&job.action, target));
            if self.drain_until.is_none() && !next {
                self.awaited.insert(id.clone(), (target.clone(), now + LOOKED_AT));
            }
        }
        if matches!(action, Action::Rehearse(_)) {
            // A look that began before it ended would ask for it once more.
            eye.outdated(now);
        }
        if matches!(action, Action::Gate(_)) {
            // What it answered becomes of the server a moment later: it runs, or systemd has skipped its start.
            return eye.by(now + AFTER_GATE);
        }
        if matches!(action, Action::ReleaseHold(_) | Action::Rollback(_)) && outcome == Outcome::Ok {
            eye.reconsider(now);
        } else {
            eye.again(now);
        }
    }

    /// Remembers to drive an upgrade on that ended neither way and needs nobody: its lane was let go, so that others at the target are
    /// not kept waiting meanwhile.
    async fn note_open(&mut self, job: &Job) {
        let (Action::Upgrade(Upgrade { target, .. }) | Action::Rollback(Rollback { target })) = &job.action else { return };
        self.driven_again.remove(target);
        match upgrade::again_in(&self.ctx.state, target).await {
            Ok(Some(pause)) => drop(self.driven_again.insert(target.clone(), Instant::now() + pause)),
            Ok(None) => {}
            Err(error) => self.log(Err(error)),
        }
    }

    /// Drives on what is due.
    pub(super) async fn drive_on(&mut self, now: Instant) {
        let due: Vec<TargetName> =
            self.driven_again.iter().filter(|(_, at)| **at <= now).map(|(target, _)| target.clone()).collect();
        for target in due {
            self.driven_again.remove(&target);
            let underway = |action: &Action| match action {
                Action::Upgrade(Upgrade { target: other, .. }) | Action::Rollback(Rollback { target: other }) => {
                    *other == target
                }
                _ => false,
            };
            if !self.jobs.any(underway) {
                let begun = self.submit(Action::Upgrade(Upgrade { target, settle: None }), None, Asker::daemon()).await;
                self.log(begun.map(|_| ()));
            }
        }
    }

    /// Writes the ends that are not written yet.
    pub(super) async fn write_ends(&mut self) {
        for (id, end) in std::mem::take(&mut self.unwritten) {
            if !self.hold_still() {
                let written = self.ctx.state.end_run(&id, &end).await;
                if self.wrote(written).is_some() {
                    self.unpublished.push(id);
                    self.publish_soon();
                    continue;
                }
            }
            self.unwritten.push((id, end));
        }
    }
}

fn run_of(job: &Job) -> Result<Run, Failure> {
    let body = serde_json::to_value(&job.action)
        .map_err(|error| Failure::new(Class::Software, format!("cannot write an action: {error}")))?;
    let scheduled_for = match &job.action {
        Action::Backup(Backup { scheduled_for, .. })
        | Action::Drill(Drill { scheduled_for, .. })
        | Action::Rehearse(Rehearse { scheduled_for, .. }) => *scheduled_for,
        _ => None,
    };
    Ok(Run {
        id: job.id.clone(),
        request: job.request.clone(),
        target: job.action.target().cloned(),
        action: job.action.name().to_owned(),
        body,
        scheduled_for,
        started_at: job.created_at,
        end: None,
    })
}
