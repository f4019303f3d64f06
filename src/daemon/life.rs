//! The loop.
//!
//! Owns everything that changes while the daemon lives. Each wake is handled to its end before the next is taken; handling
//! never waits for a database server or a job, only for our own state database. A failure of that is logged and the wake is
//! lost, not the daemon: the next look finds what it left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::agenda::{ATTEMPTS, Agenda, BACKUP, Next};
use super::eyes::{Eye, Sight, Verdict};
use super::jobs::{Ended, Jobs, LIVING, Piece};
use super::signals::{Inbox, Signal};
use super::watch::Watch;
use super::{Source, supervisor};
use crate::actions::{Action, By};
use crate::config::{Target, load};
use crate::context::Context;
use crate::control::api::{Job, JobState, Status};
use crate::control::board::{Ask, Board};
use crate::control::convert;
use crate::failure::{Class, Failure};
use crate::ids::{JobId, RequestId, TargetName};
use crate::progress::Snapshot;
use crate::state_db::runs::{End, Outcome, Run};
use crate::status::{self, Host, Look, Seen};
use crate::upgrade;

/// No sleep is longer: a clock that was set, or a host that slept, is noticed within this.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// While a job runs, the snapshot's progress is refreshed this often. Nothing is while none runs.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Everything that can wake the daemon.
enum Wake {
    /// Time has passed: look what is due (schedules, the poll, the watchdog, the snapshot).
    Clock,
    /// Something changed near a release.
    Hint,
    /// A client asks.
    Request(Ask),
    /// A piece of work has ended.
    JobEnded(Box<Ended>),
    /// A look has ended; none when it panicked.
    Looked(Option<(TargetName, Box<Glance>)>),
    /// A signal came.
    Signal(Signal),
}

/// What became of looking.
enum Glance {
    Looked(Result<Look, Failure>),
    Remembered(Result<(), Failure>),
}

pub(super) struct Life {
    /// Its configuration is the one in force.
    ctx: Context,
    board: Arc<Board>,
    source: Source,
    host: Host,
    agenda: Agenda,
    eyes: BTreeMap<TargetName, Eye>,
    jobs: Jobs,
    looks: JoinSet<(TargetName, Glance)>,
    watch: Watch,
    /// Targets that a crash may have left something of, and that could not be asked yet.
    untidy: Vec<TargetName>,
    /// Ends that the state database would not take yet.
    unwritten: Vec<(JobId, End)>,
    /// Jobs whose end is written and not published: they are shown as living until the snapshot tells of their end too.
    unpublished: Vec<JobId>,
    /// When the daemon must be done; set while it drains.
    drain_until: Option<Instant>,
    watchdog: Option<Duration>,
    beats: Beats,
    /// The problems already told as events.
    told: Vec<String>,
}

/// When what was done last.
struct Beats {
    polled: Instant,
    published: Instant,
    alive: Instant,
    extended: Instant,
    schedule: Option<DateTime<Utc>>,
}

impl Life {
    pub(super) fn new(ctx: Context, board: Arc<Board>, source: Source, started_at: DateTime<Utc>) -> Self {
        let now = Instant::now();
        let host = Host {
            pid: Some(std::process::id()),
            started_at: Some(started_at),
            state: "running".to_owned(),
            problems: Vec::new(),
        };
        Self {
            agenda: Agenda::new(started_at),
            eyes: ctx.config.targets.keys().map(|name| (name.clone(), Eye::default())).collect(),
            jobs: Jobs::new(Arc::clone(&board)),
            looks: JoinSet::new(),
            watch: Watch::on(&ctx.config),
            untidy: Vec::new(),
            unwritten: Vec::new(),
            unpublished: Vec::new(),
            drain_until: None,
            watchdog: supervisor::watchdog(),
            beats: Beats { polled: now, published: now, alive: now, extended: now, schedule: None },
            told: Vec::new(),
            ctx,
            board,
            source,
            host,
        }
    }

    /// What a start does before it is ready: settles our own tables, and lets each target's lane begin by tidying up.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        let now = self.ctx.clock.now();
        for run in self.ctx.state.interrupt_runs(now).await? {
            self.interrupted(&run).await;
        }
        self.ctx.state.trim_runs().await?;
        for target in self.ctx.config.targets.keys() {
            self.jobs.add(Piece::Tidy(target.clone()), self.ctx.clone());
        }
        for target in self.ctx.state.targets_with_open_upgrade().await? {
            // A stuck one waits for a person, and status says so.
            let current = upgrade::current(&self.ctx.state, &target).await?;
            let stuck = current.is_some_and(|current| current.phase == upgrade::Phase::Stuck);
            if !stuck && self.ctx.config.targets.contains_key(&target) {
                tracing::info!(target = %target, "an upgrade is open and goes on");
                self.submit(Action::Upgrade { target, settle: None }, None, By::Daemon).await?;
            }
        }
        self.publish().await?;
        let targets = self.ctx.config.targets.len();
        self.event(None, "daemon.started", &format!("{} started with {targets} targets", status::TOOL)).await;
        supervisor::ready(&sentence(&self.board.snapshot().status));
        Ok(())
    }

    /// Tells of a run that the end of the process cut short; one too many counts as had.
    async fn interrupted(&mut self, run: &Run) {
        self.event(run.target.as_ref(), &format!("{}.interrupted", run.action), &format!("{} was cut short", run.action)).await;
        let (Some(target), Some(due)) = (&run.target, run.scheduled_for) else { return };
        match self.ctx.state.interruptions(target, due).await {
            Ok(times) if times >= ATTEMPTS => {
                let message = format!("the backup due {due} was cut short {times} times and is let go");
                tracing::error!(target = %target, "a scheduled backup was cut short too often and is let go");
                self.event(Some(target), "backup.let-go", &message).await;
                log(self.ctx.state.mark_schedule(target, BACKUP, due).await);
            }
            other => log(other.map(|_| ())),
        }
    }

    /// Lives until told to stop and drained.
    pub(super) async fn live(&mut self, mut inbox: Inbox, mut asks: mpsc::Receiver<Ask>) -> Result<(), Failure> {
        self.clock().await;
        while !(self.drain_until.is_some() && self.jobs.idle()) {
            match self.next(&mut inbox, &mut asks).await {
                Wake::Clock => self.clock().await,
                Wake::Hint => self.hint(),
                Wake::Request(ask) => self.request(ask).await,
                Wake::JobEnded(ended) => self.job_ended(*ended).await,
                Wake::Looked(Some((target, glance))) => self.looked(target, *glance).await,
                Wake::Looked(None) => {}
                Wake::Signal(Signal::Stop) => self.stop().await,
                Wake::Signal(Signal::Reload) => {
                    // Told by events and status; a signal has no other answer.
                    self.reload().await.ok();
                }
            }
        }
        // Looks only read; nothing is lost with them.
        self.looks.shutdown().await;
        self.write_ends().await;
        log(self.publish().await);
        self.event(None, "daemon.stopped", "the daemon stopped").await;
        Ok(())
    }

    async fn next(&mut self, inbox: &mut Inbox, asks: &mut mpsc::Receiver<Ask>) -> Wake {
        let pause = self.pause().await;
        let Self { jobs, looks, watch, .. } = self;
        // Every arm is cancel-safe, as each says of itself: what is not taken now is taken in the next round.
        tokio::select! {
            signal = inbox.next() => Wake::Signal(signal),
            Some(ask) = asks.recv() => Wake::Request(ask),
            Some(ended) = jobs.next_end() => Wake::JobEnded(Box::new(ended)),
            Some(look) = looks.join_next() => Wake::Looked(look.ok().map(|(target, glance)| (target, Box::new(glance)))),
            () = watch.hint() => Wake::Hint,
            () = tokio::time::sleep(pause) => Wake::Clock,
        }
    }

    /// How long until the clock has something to say.
    async fn pause(&self) -> Duration {
        let now = Instant::now();
        let mut until = vec![self.beats.published + LONGEST_SLEEP, self.beats.polled + self.ctx.config.daemon.poll];
        until.extend(self.watchdog.map(|every| self.beats.alive + every));
        until.extend((self.jobs.running() > 0).then(|| self.beats.published + PROGRESS_EVERY));
        until.extend(self.drain_until);
        until.extend(self.drain_until.map(|_| self.beats.extended + supervisor::EXTEND_EVERY));
        until.extend(self.eyes.values().filter_map(Eye::next));
        let clock = until.into_iter().map(|at| at.saturating_duration_since(now)).min().unwrap_or(LONGEST_SLEEP);
        let wall = self.beats.schedule.map(|at| (at - self.ctx.clock.now()).to_std().unwrap_or_default());
        clock.min(wall.unwrap_or(LONGEST_SLEEP)).min(LONGEST_SLEEP)
    }

    async fn clock(&mut self) {
        let now = Instant::now();
        if self.watchdog.is_some_and(|every| now.duration_since(self.beats.alive) >= every) {
            supervisor::alive();
            self.beats.alive = now;
        }
        if let Some(until) = self.drain_until {
            if now >= until {
                tracing::warn!(left = self.jobs.running(), "work did not end in time and is cut off");
                self.jobs.abort();
                self.drain_until = Some(now + LONGEST_SLEEP);
            }
            if now.duration_since(self.beats.extended) >= supervisor::EXTEND_EVERY {
                supervisor::more_time();
                self.beats.extended = now;
            }
        } else {
            self.schedules().await;
            self.poll(now);
        }
        self.write_ends().await;
        let whole = now.duration_since(self.beats.published) >= LONGEST_SLEEP;
        if whole || !self.unpublished.is_empty() {
            log(self.publish().await);
        } else if self.jobs.running() > 0 {
            self.publish_progress().await;
        }
    }

    /// Gives every scheduled backup that is due to a job.
    async fn schedules(&mut self) {
        let now = self.ctx.clock.now();
        let config = Arc::clone(&self.ctx.config);
        let mut soonest: Option<DateTime<Utc>> = None;
        for target in config.targets.values() {
            match self.agenda.next(&self.ctx.state, target, now).await {
                Ok(Next::Now { scheduled_for, missed }) => {
                    if missed > 0 {
                        tracing::warn!(target = %target.name, missed, "scheduled backups were missed; one stands for them");
                    }
                    let name = target.name.clone();
                    let action = Action::Backup { target: name, note: None, pin: None, scheduled_for: Some(scheduled_for) };
                    match self.submit(action, None, By::Daemon).await {
                        Ok(_) => self.agenda.give(&target.name, scheduled_for),
                        // Still due at the next look.
                        Err(failure) => log(Err(failure)),
                    }
                    // The one after it, at the next look.
                    soonest = Some(now + chrono::TimeDelta::seconds(1)).min(soonest.or(Some(DateTime::<Utc>::MAX_UTC)));
                }
                Ok(Next::At(at)) => soonest = [soonest, at].into_iter().flatten().min(),
                Err(failure) => log(Err(failure)),
            }
        }
        self.beats.schedule = soonest;
    }

    /// Begins the looks that are due; all of them when the poll is.
    fn poll(&mut self, now: Instant) {
        if now.duration_since(self.beats.polled) >= self.ctx.config.daemon.poll {
            self.beats.polled = now;
            for eye in self.eyes.values_mut() {
                eye.again(now);
            }
            for target in std::mem::take(&mut self.untidy) {
                self.jobs.add(Piece::Tidy(target), self.ctx.clone());
            }
            if self.watch.outdated(&self.ctx.config) {
                self.watch = Watch::on(&self.ctx.config);
            }
        }
        for (name, eye) in &mut self.eyes {
            let Some(target) = self.ctx.config.targets.get(name).cloned() else { continue };
            if eye.begin(now) {
                let ctx = self.ctx.clone();
                self.looks.spawn(Box::pin(async move {
                    let look = status::look(&ctx, &target).await;
                    (target.name, Glance::Looked(look))
                }));
            }
        }
    }

    fn hint(&mut self) {
        let now = Instant::now();
        for (name, eye) in &mut self.eyes {
            let release = self.ctx.config.targets.get(name).and_then(|target| target.release.as_ref());
            if let Some(release) = release {
                eye.hint(release.settle, now);
            }
        }
    }

    async fn looked(&mut self, name: TargetName, glance: Glance) {
        let Some(target) = self.ctx.config.targets.get(&name).cloned() else { return };
        let Some(eye) = self.eyes.get_mut(&name) else { return };
        let look = match glance {
            Glance::Looked(look) => look.map_err(|failure| log(Err(failure.on(&name)))).ok(),
            Glance::Remembered(Ok(())) => return,
            Glance::Remembered(Err(failure)) => {
                eye.forget();
                return log(Err(failure.on(&name)));
            }
        };
        let sight = look.as_ref().map(|look| Sight {
            seen: look.seen.clone(),
            fingerprint: look.fingerprint.clone(),
            wants_upgrade: matches!(look.decision, upgrade::Decision::Plan(_)),
        });
        let settle = target.release.as_ref().map_or(Duration::ZERO, |release| release.settle);
        let verdict = eye.saw(sight, settle, self.ctx.config.daemon.poll, Instant::now());
        match (verdict, look) {
            (Verdict::Upgrade, _) if self.may_upgrade(&target) => {
                tracing::info!(target = %name, "a new release has settled");
                log(self.submit(Action::Upgrade { target: name, settle: None }, None, By::Daemon).await.map(|_| ()));
            }
            // Not while an upgrade works on the same journal.
            (Verdict::Remember, Some(look)) if self.may_upgrade(&target) => {
                let ctx = self.ctx.clone();
                self.looks.spawn(Box::pin(async move {
                    let kept = upgrade::remember_release(&ctx, &target, &look.observation).await;
                    (target.name, Glance::Remembered(kept.map_err(Failure::from)))
                }));
            }
            (Verdict::Remember, _) => eye_forgets(self.eyes.get_mut(&target.name)),
            (Verdict::Settling, _) => tracing::debug!(target = %name, "a release is seen and not yet believed"),
            (Verdict::Upgrade | Verdict::Nothing, _) => {}
        }
        if self.watch.outdated(&self.ctx.config) {
            self.watch = Watch::on(&self.ctx.config);
        }
        log(self.publish().await);
    }

    fn may_upgrade(&self, target: &Target) -> bool {
        let same = |action: &Action| matches!(action, Action::Upgrade { target: other, .. } if *other == target.name);
        self.drain_until.is_none() && !self.jobs.any(same)
    }

    async fn request(&mut self, ask: Ask) {
        // A client that has gone away does not wait for its answer.
        match ask {
            Ask::Submit { action, request, who, by, reply } => {
                let job = self.submit(*action, request, by).await;
                if let Ok(job) = &job {
                    tracing::info!(job = %job.id, action = job.action.name(), who, "asked for");
                }
                reply.send(job).ok();
            }
            Ask::Reload { reply } => {
                reply.send(self.reload().await).ok();
            }
        }
    }

    /// Takes an action as a job; the same request twice is the same job.
    async fn submit(&mut self, action: Action, request: Option<RequestId>, by: By) -> Result<Job, Failure> {
        if let Some(request) = &request
            && let Some(run) = self.ctx.state.run_by_request(request).await?
        {
            let known = self.board.job(&run.id).await.or_else(|_| convert::job(run))?;
            if known.action == action {
                return Ok(known);
            }
            let failure = Failure::new(Class::Usage, format!("request `{request}` asked for something else before"));
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
        self.ctx.state.begin_run(&run_of(&job)?).await?;
        self.jobs.add(Piece::Job(Box::new(job.clone()), by), self.ctx.clone());
        self.publish_progress().await;
        Ok(job)
    }

    async fn job_ended(&mut self, ended: Ended) {
        match ended.piece {
            Piece::Job(job, _) => self.end(&job, ended.result).await,
            Piece::Tidy(target) => self.tidied(target, ended.result).await,
        }
        log(self.publish().await);
    }

    async fn tidied(&mut self, target: TargetName, result: Option<Result<serde_json::Value, Failure>>) {
        match result {
            Some(Ok(lines)) => {
                for line in lines.as_array().into_iter().flatten().filter_map(|line| line.as_str()) {
                    tracing::info!(target = %target, what = line, "put in order after a crash");
                    self.event(Some(&target), "daemon.tidied", line).await;
                }
            }
            Some(Err(failure)) => {
                tracing::warn!(target = %target, error = %failure.message, causes = ?failure.causes, "cannot be put in order yet");
                self.untidy.push(target.clone());
            }
            None => {}
        }
        if let Some(eye) = self.eyes.get_mut(&target) {
            eye.again(Instant::now());
        }
    }

    /// Writes down how a job ended and tells of it.
    async fn end(&mut self, job: &Job, result: Option<Result<serde_json::Value, Failure>>) {
        let at = self.ctx.clock.now();
        let target = job.action.target();
        let name = job.action.name();
        let elapsed_ms = (at - job.created_at).num_milliseconds();
        let shown = target.map_or_else(String::new, ToString::to_string);
        let (end, message) = match result {
            Some(Ok(result)) => {
                tracing::info!(target = shown, job = %job.id, action = name, elapsed_ms, "done");
                let label = result.get("label").and_then(|label| label.as_str());
                let message = label.map_or_else(|| format!("{name} went well"), |label| format!("{name} went well: {label}"));
                (End { at, outcome: Outcome::Ok, result }, message)
            }
            Some(Err(mut failure)) => {
                failure.target = failure.target.or_else(|| target.map(ToString::to_string));
                let causes = failure.causes.join(": ");
                tracing::error!(target = shown, job = %job.id, action = name, elapsed_ms, error = %failure.message, causes, "failed");
                let message = format!("{name} failed: {}", failure.message);
                (End { at, outcome: Outcome::Failed, result: serde_json::to_value(failure).unwrap_or_default() }, message)
            }
            None => {
                tracing::warn!(target = shown, job = %job.id, action = name, elapsed_ms, "cut off by the daemon's stop");
                (End { at, outcome: Outcome::Interrupted, result: serde_json::Value::Null }, format!("{name} was cut off"))
            }
        };
        if let Action::Backup { target, scheduled_for: Some(due), .. } = &job.action
            && end.outcome != Outcome::Interrupted
        {
            log(self.ctx.state.mark_schedule(target, BACKUP, *due).await);
        }
        let kind = format!("{name}.{}", end.outcome.as_str());
        self.unwritten.push((job.id.clone(), end));
        self.write_ends().await;
        self.event(target, &kind, &message).await;
        let looked_at = |eye: &mut Eye| eye.again(Instant::now());
        match target {
            Some(target) => self.eyes.get_mut(target).map(looked_at).unwrap_or_default(),
            None => self.eyes.values_mut().for_each(looked_at),
        }
    }

    /// Writes the ends that are not written yet.
    async fn write_ends(&mut self) {
        for (id, end) in std::mem::take(&mut self.unwritten) {
            match self.ctx.state.end_run(&id, &end).await {
                Ok(()) => self.unpublished.push(id),
                Err(error) => {
                    log(Err(error));
                    self.unwritten.push((id, end));
                }
            }
        }
    }

    /// Begins to drain. A second signal ends the process in its handler.
    async fn stop(&mut self) {
        if self.drain_until.is_some() {
            return;
        }
        let now = Instant::now();
        self.drain_until = Some(now + self.ctx.config.daemon.stop_timeout);
        self.beats.extended = now;
        "draining".clone_into(&mut self.host.state);
        supervisor::stopping(&format!("stopping; {} pieces of work end first", self.jobs.running()));
        tracing::info!(running = self.jobs.running(), "stopping");
        for ended in self.jobs.drain() {
            self.job_ended(ended).await;
        }
        self.event(None, "daemon.stopping", "the daemon was told to stop").await;
        log(self.publish().await);
    }

    /// Reads the configuration again. Jobs underway keep the one they began with; an invalid one changes nothing.
    async fn reload(&mut self) -> Result<(), Failure> {
        supervisor::reloading();
        let read = load::load(&self.source.path, &self.source.environment).map_err(|error| Failure::of(&error));
        let result = match read {
            Ok(config) => {
                self.host.problems.clear();
                self.take(config).await;
                self.event(None, "daemon.reloaded", "the configuration was read again").await;
                Ok(())
            }
            Err(failure) => {
                tracing::error!(error = %failure.message, causes = failure.causes.join("; "), "the new configuration is invalid; the old one stays");
                let problem =
                    format!("the configuration on disk is invalid and the one before stays in force: {}", failure.message);
                self.event(None, "daemon.reload-failed", &problem).await;
                self.host.problems = vec![problem];
                Err(failure.safe("the daemon keeps the configuration it has"))
            }
        };
        log(self.publish().await);
        supervisor::ready(&sentence(&self.board.snapshot().status));
        result
    }

    /// Puts another configuration in force.
    async fn take(&mut self, mut config: crate::config::Config) {
        let before = Arc::clone(&self.ctx.config);
        if config.daemon.state_dir != before.daemon.state_dir || config.control.socket != before.control.socket {
            let problem = "daemon.state_dir and control.socket change only with a restart";
            tracing::warn!("{problem}");
            self.host.problems.push(problem.to_owned());
            config.daemon.state_dir.clone_from(&before.daemon.state_dir);
            config.control.socket.clone_from(&before.control.socket);
        }
        let now = self.ctx.clock.now();
        self.ctx.config = Arc::new(config);
        self.board.set_config(Arc::clone(&self.ctx.config));
        self.eyes.retain(|name, _| self.ctx.config.targets.contains_key(name));
        for target in self.ctx.config.targets.values() {
            let old = before.targets.get(&target.name);
            if old.is_none_or(|old| old.backup.schedule != target.backup.schedule) {
                self.agenda.changed(&target.name, now);
            }
            if old.is_none() {
                self.jobs.add(Piece::Tidy(target.name.clone()), self.ctx.clone());
            }
            self.eyes.entry(target.name.clone()).or_default().again(Instant::now());
        }
        self.watch = Watch::on(&self.ctx.config);
        self.schedules().await;
    }

    /// Publishes a whole new snapshot and tells of new problems.
    async fn publish(&mut self) -> Result<(), Failure> {
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
    async fn publish_progress(&mut self) {
        let last = self.board.snapshot();
        let status = Status { jobs: self.board.living(), at: self.ctx.clock.now(), ..last.status.clone() };
        match self.ctx.state.tally_runs().await {
            Ok(tallies) => self.board.publish(status, &tallies),
            Err(error) => log(Err(error)),
        }
        self.beats.published = Instant::now();
    }

    /// Writes an event down; one that cannot be is logged, for nothing depends on it.
    async fn event(&self, target: Option<&TargetName>, kind: &str, message: &str) {
        let now = self.ctx.clock.now();
        log(self.ctx.state.add_event(now, target, kind, message, &serde_json::Value::Null).await.map(|_| ()));
    }
}

fn run_of(job: &Job) -> Result<Run, Failure> {
    let body = serde_json::to_value(&job.action)
        .map_err(|error| Failure::new(Class::Software, format!("cannot write an action: {error}")))?;
    let scheduled_for = match &job.action {
        Action::Backup { scheduled_for, .. } => *scheduled_for,
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

/// One sentence for `systemctl status`.
fn sentence(status: &Status) -> String {
    if status.state == "draining" {
        return "stopping".to_owned();
    }
    let running: Vec<String> = status.jobs.iter().filter(|job| job.state == JobState::Running).map(job_phrase).collect();
    let mut problems = status.problems.clone();
    problems.extend(status.targets.iter().flat_map(|t| t.problems.iter().map(move |problem| format!("{}: {problem}", t.name))));
    let next = status.targets.iter().filter_map(|target| target.next_run.map(|at| (at, &target.name))).min();
    match (problems.first(), running.as_slice(), next) {
        (Some(first), _, _) if problems.len() > 1 => format!("{first}, and {} more problems", problems.len() - 1),
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

fn eye_forgets(eye: Option<&mut Eye>) {
    if let Some(eye) = eye {
        eye.forget();
    }
}

/// The one place where what the loop cannot return is told.
fn log<E: Into<Failure>>(result: Result<(), E>) {
    if let Err(error) = result {
        let failure: Failure = error.into();
        tracing::error!(error = %failure.message, causes = failure.causes.join(": "), "the daemon could not do something and goes on");
    }
}
