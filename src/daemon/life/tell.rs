//! What is told: the snapshot, the events, the supervisor's sentence.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Life;
use crate::count::many;
use crate::daemon::alarms::Sent;
use crate::daemon::supervisor;
use crate::failure::Failure;
use crate::ids::TargetName;
use crate::status::{self, Seen};
use crate::wire::{Job, JobState, Status};

impl Life {
    /// Publishes a whole new snapshot and tells of new problems.
    pub(super) async fn publish(&mut self) -> Result<(), Failure> {
        let now = self.ctx.clock.now();
        let seen: BTreeMap<TargetName, Seen> = self.eyes.iter().map(|(name, eye)| (name.clone(), eye.seen.clone())).collect();
        let mut jobs = self.board.living();
        jobs.retain(|job| !self.unpublished.contains(&job.id));
        let ctx = &self.ctx;
        let status = status::observe(&ctx.state, &ctx.config, &seen, jobs, &self.host, now).await?;
        let tallies = ctx.state.tally_runs().await?;
        let before = sentence(&self.board.snapshot().status);
        let problems: Vec<(Option<TargetName>, String)> = status
            .targets
            .iter()
            .flat_map(|target| target.problems.iter().map(|problem| (Some(target.name.clone()), problem.clone())))
            .collect();
        let after = sentence(&status);
        // Before the first look has an answer, that nothing is wrong means nothing: it would end an incident that goes on.
        if seen.values().all(|seen| seen.server.is_some() || !seen.problems.is_empty()) {
            self.alarms.look(ctx.config.alarms.as_ref(), &status, now);
        }
        self.board.publish(status, &tallies);
        self.beats.published = Instant::now();
        // Only now, so that whoever waited for the end finds it in the status, the events and the job alike.
        for id in self.unpublished.drain(..) {
            self.board.ended(&id);
        }
        if before != after {
            supervisor::status(&after);
        }
        let key = |(target, problem): &(Option<TargetName>, String)| format!("{target:?} {problem}");
        for problem in problems.iter().filter(|problem| !self.told.contains(&key(problem))) {
            self.event(problem.0.as_ref(), "target.problem", &problem.1).await;
        }
        self.told = problems.iter().map(key).collect();
        Ok(())
    }

    /// Publishes the last snapshot again with the jobs as they are now.
    pub(super) async fn publish_progress(&mut self) {
        let last = self.board.snapshot();
        let status = Status { jobs: self.board.living(), at: self.ctx.clock.now(), ..last.status.clone() };
        match self.ctx.state.tally_runs().await {
            Ok(tallies) => self.board.publish(status, &tallies),
            Err(error) => log(Err(error)),
        }
        self.beats.published = Instant::now();
    }

    /// Writes down that somebody was told, so that the next start knows.
    pub(super) async fn sent(&mut self, sent: Option<Box<Sent>>) {
        let now = self.ctx.clock.now();
        let Some((kind, target, message, body)) = sent.and_then(|sent| self.alarms.sent(*sent, now)) else { return };
        let target = target.and_then(|target| TargetName::parse(&target).ok());
        log(self.ctx.state.add_event(now, target.as_ref(), kind, &message, &body).await.map(|_| ()));
    }

    /// Writes an event down; one that cannot be is logged, for nothing depends on it.
    pub(super) async fn event(&self, target: Option<&TargetName>, kind: &str, message: &str) {
        let now = self.ctx.clock.now();
        log(self.ctx.state.add_event(now, target, kind, message, &serde_json::Value::Null).await.map(|_| ()));
    }
}

/// One sentence for `systemctl status`.
pub(super) fn sentence(status: &Status) -> String {
    if status.state == "draining" {
        return "stopping".to_owned();
    }
    let running: Vec<String> = status.jobs.iter().filter(|job| job.state == JobState::Running).map(job_phrase).collect();
    let mut problems = status.problems.clone();
    problems.extend(status.targets.iter().flat_map(|t| t.problems.iter().map(move |problem| format!("{}: {problem}", t.name))));
    let next = status.targets.iter().filter_map(|target| target.next_run.map(|at| (at, &target.name))).min();
    match (problems.first(), running.as_slice(), next) {
        (Some(first), _, _) if problems.len() > 1 => {
            format!("{first}, and {}", many(problems.len() as u64 - 1, "more problem"))
        }
        (Some(first), _, _) => first.clone(),
        (None, [], Some((at, target))) => format!("all is well; next backup of {target} at {}", at.format("%F %R UTC")),
        (None, [], None) => "all is well".to_owned(),
        (None, running, _) => running.join(", "),
    }
}

fn job_phrase(job: &Job) -> String {
    match job.action.target() {
        Some(target) => format!("{} of {target}", job.action.name()),
        None => job.action.name().to_owned(),
    }
}

/// The one place where what the loop cannot return is told.
pub(super) fn log<E: Into<Failure>>(result: Result<(), E>) {
    if let Err(error) = result {
        let failure: Failure = error.into();
        tracing::error!(error = %failure.message, causes = failure.causes.join(": "), "the daemon could not do something and goes on");
    }
}
