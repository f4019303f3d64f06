//! What is told: the snapshot, the events, the supervisor's sentence.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::{LONGEST_SLEEP, Life, SOON};
use crate::count::many;
use crate::daemon::alarms::Sent;
use crate::daemon::supervisor;
use crate::failure::Failure;
use crate::ids::TargetName;
use crate::status;
use crate::wire::{Job, JobState, Status, TargetStatus};

impl Life {
    /// Publishes soon, together with what else comes meanwhile.
    pub(super) fn publish_soon(&mut self) {
        self.beats.soon.get_or_insert(Instant::now() + SOON);
    }

    /// Reads again what our own state says of the targets of which it says something else by now.
    pub(super) async fn refresh(&mut self) -> Result<(), Failure> {
        let now = self.ctx.clock.now();
        let config = Arc::clone(&self.ctx.config);
        if !self.stale.is_empty() {
            self.strays = status::drills::strays(&self.ctx.state, &config).await?;
        }
        while let Some(name) = self.stale.first().cloned() {
            if let Some(target) = config.targets.get(&name) {
                let known = status::known(&self.ctx.state, &config, target, now).await?;
                self.known.insert(name.clone(), known);
            }
            self.stale.remove(&name);
            self.news.insert(name);
        }
        if self.tallies.is_none() {
            self.tallies = Some(self.ctx.state.tally_runs().await?);
        }
        Ok(())
    }

    /// Publishes a new snapshot and tells of new problems. What our state cannot say now is told as it was.
    pub(super) async fn publish(&mut self) {
        if !self.hold_still() {
            let refreshed = self.refresh().await;
            self.log(refreshed);
        }
        let status = self.put_together();
        let before = sentence(&self.board.snapshot().status);
        let after = sentence(&status);
        self.alarms.look(self.ctx.config.alarms.as_ref(), &status, status.at);
        self.tell_problems(&status).await;
        self.board.publish(status, self.tallies.as_deref().unwrap_or_default());
        (self.beats.published, self.beats.soon) = (Instant::now(), None);
        // Only now, so that whoever waited for the end finds it in the status, the events and the job alike.
        for id in std::mem::take(&mut self.unpublished) {
            if self.awaited.contains_key(&id) {
                self.unpublished.push(id);
            } else {
                self.board.ended(&id);
            }
        }
        if before != after {
            supervisor::status(&after);
        }
    }

    /// The status: of targets of which nothing is news, as it was put together within the last minute, while that is still true.
    fn put_together(&mut self) -> Status {
        let now = self.ctx.clock.now();
        let mut jobs = self.board.living();
        jobs.retain(|job| !self.unpublished.contains(&job.id) || self.awaited.contains_key(&job.id));
        let all = self.beats.whole.is_none_or(|whole| whole.elapsed() >= LONGEST_SLEEP);
        if all {
            self.beats.whole = Some(Instant::now());
        }
        let mut news = std::mem::take(&mut self.news);
        // Those that are worked on now, and those that were when they were last told.
        news.extend(jobs.iter().filter_map(|job| job.action.target()).cloned());
        news.extend(self.shown.values().filter(|target| target.work.is_some()).map(|target| target.name.clone()));
        let config = Arc::clone(&self.ctx.config);
        self.shown.retain(|name, _| config.targets.contains_key(name));
        // Each is told anew now, or is gone.
        news.extend(self.true_until.iter().filter(|(_, until)| **until <= now).map(|(name, _)| name.clone()));
        self.true_until.retain(|_, until| *until > now);
        for target in config.targets.values() {
            if !all && !news.contains(&target.name) && self.shown.contains_key(&target.name) {
                continue;
            }
            let Some(known) = self.known.get(&target.name) else { continue };
            let seen = self.eyes.get(&target.name).map(|eye| &eye.seen);
            match status::true_until(target, known, now) {
                Some(until) => self.true_until.insert(target.name.clone(), until),
                None => self.true_until.remove(&target.name),
            };
            self.shown.insert(target.name.clone(), status::one(target, known, seen, &jobs, now));
        }
        let mut host = self.host.clone();
        host.problems.extend(self.strays.iter().cloned());
        host.problems.extend(self.trouble.as_ref().map(|trouble| trouble.words.clone()));
        status::whole(&host, self.shown.values().cloned().collect(), jobs, now)
    }

    /// Writes an event for each problem that is new.
    async fn tell_problems(&mut self, status: &Status) {
        if self.trouble.is_some() {
            // Not taken now; those that last are told when they are.
            return;
        }
        let all = status.targets.iter().flat_map(|target| target.problems.iter().map(|problem| (&target.name, problem)));
        let problems: BTreeSet<(Option<TargetName>, String)> =
            all.map(|(target, problem)| (Some(target.clone()), problem.clone())).collect();
        for problem in problems.difference(&self.told).cloned().collect::<Vec<_>>() {
            self.event(problem.0.as_ref(), "target.problem", &problem.1).await;
        }
        let unseen: BTreeSet<&TargetName> =
            status.targets.iter().filter(|target| target.looked_at.is_none()).map(|target| &target.name).collect();
        let told = std::mem::take(&mut self.told);
        // What is not known now is not over.
        self.told = told.into_iter().filter(|(target, _)| target.as_ref().is_some_and(|name| unseen.contains(name))).collect();
        self.told.extend(problems);
    }

    /// Publishes with the jobs, and what they work on, as they are now.
    pub(super) async fn publish_progress(&mut self) {
        self.stale.extend(self.board.living().iter().filter_map(|job| job.action.target()).cloned());
        self.publish().await;
    }

    /// Writes down that somebody was told, so that the next start knows.
    pub(super) async fn sent(&mut self, sent: Option<Box<Sent>>) {
        let now = self.ctx.clock.now();
        let Some((kind, target, message, body)) = sent.and_then(|sent| self.alarms.sent(*sent, now)) else { return };
        let target = target.and_then(|target| TargetName::parse(&target).ok());
        let written = self.ctx.state.add_event(now, target.as_ref(), kind, &message, &body).await;
        self.wrote(written);
    }

    /// Writes an event down; one that cannot be is lost, for nothing depends on it.
    pub(super) async fn event(&mut self, target: Option<&TargetName>, kind: &str, message: &str) {
        if self.hold_still() {
            return;
        }
        let now = self.ctx.clock.now();
        let written = self.ctx.state.add_event(now, target, kind, message, &serde_json::Value::Null).await;
        self.wrote(written);
    }
}

/// One sentence for `systemctl status`.
pub(super) fn sentence(status: &Status) -> String {
    if status.state == "draining" {
        return "stopping".to_owned();
    }
    let running: Vec<String> = status.jobs.iter().filter(|job| job.state == JobState::Running).map(job_phrase).collect();
    // A server that is down before everything else: it is what people wait for.
    let (down, up): (Vec<_>, Vec<_>) = status.targets.iter().partition(|target| target.outage.is_some());
    let of = |target: &TargetStatus| -> Vec<String> {
        target.problems.iter().map(|problem| format!("{}: {problem}", target.name)).collect()
    };
    let mut problems: Vec<String> = down.into_iter().flat_map(of).collect();
    problems.extend(status.problems.clone());
    problems.extend(up.into_iter().flat_map(of));
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

#[cfg(test)]
mod tests {
    use super::sentence;
    use crate::daemon::alarms::tests::down;

    /// The one line of `systemctl status` begins with why, and the command is whole in it.
    #[test]
    fn whatever_keeps_a_server_down_is_what_systemctl_shows() {
        for (cause, status, problem) in down() {
            assert_eq!(sentence(&status), format!("notes: {problem}, and 1 more problem"), "{cause:?}");
        }
    }
}
