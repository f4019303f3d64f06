//! The loop.
//!
//! Owns everything that changes while the daemon lives. Each wake is handled to its end before the next is taken; handling
//! never waits for a database server or a job, only for our own state database. A failure of that is logged and the wake is
//! lost, not the daemon: the next look finds what it left.

mod copies;
mod look;
mod reload;
mod tell;
mod trouble;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use self::tell::sentence;
use self::trouble::{Grumbles, Trouble};
use super::agenda::{Agenda, What};
use super::alarms::{Alarms, Sent};
use super::eyes::Eye;
use super::ferry::Ferry;
use super::jobs::{Ended, Jobs, Piece};
use super::metronome::Metronome;
use super::signals::{Inbox, Signal};
use super::watch::Watch;
use super::{Source, supervisor};
use crate::context::Context;
use crate::control::board::{Ask, Board};
use crate::count::many;
use crate::failure::Failure;
use crate::ids::{JobId, PlaceName, TargetName};
use crate::state_db::runs::{End, Run, Tally};
use crate::status::{self, Host, Known, Look};
use crate::upgrade;
use crate::wire::{Action, Asker, TargetStatus, Upgrade};

/// No sleep is longer: a clock that was set, or a host that slept, is noticed within this.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How long looks have to end when the daemon does.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// While a job runs, the snapshot's progress is refreshed this often. Nothing is while none runs.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// What is news, but nobody waits for, is published after this long, together with what else comes meanwhile.
const SOON: Duration = Duration::from_millis(100);

/// Everything that can wake the daemon.
enum Wake {
    /// Time has passed: look what is due (schedules, the poll, the watchdog, the snapshot).
    Clock,
    /// A schedule's time has come by the clock on the wall: look what is due.
    Tick,
    /// Something changed near a release.
    Hint,
    /// A client asks.
    Request(Ask),
    /// A piece of work has ended.
    JobEnded(Box<Ended>),
    /// A look has ended.
    Looked(Id, Box<Glance>),
    /// Somebody was told of something; none when that needs no note.
    Told(Option<Box<Sent>>),
    /// A signal came.
    Signal(Signal),
}

/// What became of looking.
enum Glance {
    Looked(Result<Box<Look>, Failure>),
    /// It did not end in time.
    Hung,
    /// It panicked.
    Broken,
    Remembered(Result<(), Failure>),
    /// Whether nothing stands in an upgrade's way any more.
    Free(bool),
}

/// A look underway.
struct Looking {
    target: TargetName,
    /// The world it began in.
    world: u64,
    begun: Instant,
}

pub(super) struct Life {
    /// Its configuration is the one in force.
    ctx: Context,
    board: Arc<Board>,
    source: Source,
    host: Host,
    agenda: Agenda,
    drills: Agenda,
    rehearsals: Agenda,
    eyes: BTreeMap<TargetName, Eye>,
    jobs: Jobs,
    looks: JoinSet<Glance>,
    looking: BTreeMap<Id, Looking>,
    /// Ends looks when the daemon ends.
    blind: CancellationToken,
    watch: Watch,
    metronome: Metronome,
    /// What our own state said of each target when it was last read.
    known: BTreeMap<TargetName, Known>,
    /// Targets of which it says something else by now.
    stale: BTreeSet<TargetName>,
    /// What was last published of each target.
    shown: BTreeMap<TargetName, TargetStatus>,
    /// When that is no longer true, though nothing happens.
    true_until: BTreeMap<TargetName, DateTime<Utc>>,
    /// Targets of which something else was seen.
    news: BTreeSet<TargetName>,
    /// Runs counted; none when others have ended since.
    tallies: Option<Vec<Tally>>,
    /// Jobs that have ended and changed what was seen: they are shown as living until it was looked at again, or until then.
    awaited: BTreeMap<JobId, (TargetName, Instant)>,
    trouble: Option<Trouble>,
    grumbles: Grumbles,
    /// Targets that a crash may have left something of, and that could not be asked yet.
    untidy: Vec<TargetName>,
    /// What drills may have left of targets that are none now, in words.
    strays: Vec<String>,
    /// Targets of which a drill has left something that could not be removed yet.
    unswept: BTreeSet<TargetName>,
    /// Those of them that were warned of.
    untidy_told: BTreeSet<TargetName>,
    /// Ends that the state database would not take yet.
    unwritten: Vec<(JobId, End)>,
    /// Jobs whose end is written and not published: they are shown as living until the snapshot tells of their end too.
    unpublished: Vec<JobId>,
    /// When the daemon must be done; set while it drains.
    drain_until: Option<Instant>,
    watchdog: Option<Duration>,
    beats: Beats,
    /// When an upgrade is driven on whose way back waits for a cause to pass.
    driven_again: BTreeMap<TargetName, Instant>,
    /// When each place is gone to next.
    ferries: BTreeMap<PlaceName, Ferry>,
    /// The problems already told as events.
    told: BTreeSet<(Option<TargetName>, String)>,
    alarms: Alarms,
}

/// When what was done last.
struct Beats {
    polled: Instant,
    published: Instant,
    alive: Instant,
    extended: Instant,
    /// When the schedules were last looked at; none when something about them is another since.
    scheduled: Option<Instant>,
    /// When the next run is due.
    schedule: Option<DateTime<Utc>>,
    /// When every target was last told anew.
    whole: Option<Instant>,
    /// When news are published.
    soon: Option<Instant>,
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
            agenda: Agenda::new(What::Backup, started_at),
            drills: Agenda::new(What::Drill, started_at),
            rehearsals: Agenda::new(What::Rehearse, started_at),
            eyes: ctx.config.targets.keys().map(|name| (name.clone(), Eye::after(Duration::ZERO, now))).collect(),
            jobs: Jobs::new(Arc::clone(&board)),
            looks: JoinSet::new(),
            looking: BTreeMap::new(),
            blind: CancellationToken::new(),
            watch: Watch::on(&ctx.config),
            metronome: Metronome::silent(),
            known: BTreeMap::new(),
            stale: ctx.config.targets.keys().cloned().collect(),
            shown: BTreeMap::new(),
            true_until: BTreeMap::new(),
            news: BTreeSet::new(),
            tallies: None,
            awaited: BTreeMap::new(),
            trouble: None,
            grumbles: Grumbles::default(),
            untidy: Vec::new(),
            strays: Vec::new(),
            unswept: BTreeSet::new(),
            untidy_told: BTreeSet::new(),
            unwritten: Vec::new(),
            unpublished: Vec::new(),
            drain_until: None,
            watchdog: supervisor::watchdog(),
            beats: Beats {
                polled: now,
                published: now,
                alive: now,
                extended: now,
                scheduled: None,
                schedule: None,
                whole: None,
                soon: None,
            },
            driven_again: BTreeMap::new(),
            ferries: BTreeMap::new(),
            told: BTreeSet::new(),
            alarms: Alarms::default(),
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
        self.agenda.remember(&self.ctx.state).await?;
        self.drills.remember(&self.ctx.state).await?;
        self.rehearsals.remember(&self.ctx.state).await?;
        self.first_seen().await?;
        self.ctx.state.trim_runs().await?;
        for target in self.ctx.config.targets.keys() {
            self.jobs.add(Piece::Tidy(target.clone()), self.ctx.clone());
        }
        for target in self.ctx.state.targets_with_open_upgrade().await? {
            // A stuck one waits for a person, and status says so.
            let current = upgrade::current(&self.ctx.state, &target).await?;
            let stuck = current.is_some_and(|current| current.phase == upgrade::Phase::Stuck);
            if !stuck && self.ctx.config.targets.contains_key(&target) {
                tracing::info!(target = %target, "an open upgrade is carried on");
                self.submit(Action::Upgrade(Upgrade { target, settle: None }), None, Asker::daemon()).await?;
            }
        }
        self.metronome.tune(&self.ctx.config);
        self.alarms = Alarms::remember(&self.ctx.state).await?;
        self.refresh().await?;
        self.publish().await;
        let targets = self.ctx.config.targets.len() as u64;
        self.event(None, "daemon.started", &format!("{} started with {}", status::TOOL, many(targets, "target"))).await;
        supervisor::ready(&sentence(&self.board.snapshot().status));
        Ok(())
    }

    /// Marks since when each target is known: one without any archive is overdue only when there could have been one.
    pub(super) async fn first_seen(&mut self) -> Result<(), Failure> {
        let known = self.ctx.state.schedule_marks(status::FIRST_SEEN).await?;
        let now = self.ctx.clock.now();
        let new: Vec<TargetName> = self.ctx.config.targets.keys().filter(|name| !known.contains_key(*name)).cloned().collect();
        Ok(self.ctx.state.mark_schedules(&new, status::FIRST_SEEN, now).await?)
    }

    /// Tells of a run that the end of the process cut short; one too many counts as had.
    async fn interrupted(&mut self, run: &Run) {
        self.event(run.target.as_ref(), &format!("{}.interrupted", run.action), &format!("{} was cut short", run.action)).await;
        let (Some(target), Some(due)) = (&run.target, run.scheduled_for) else { return };
        let what = [What::Drill, What::Rehearse].into_iter().find(|what| what.name() == run.action).unwrap_or(What::Backup);
        match self.ctx.state.interruptions(target, what.name(), due).await {
            Ok(times) if times >= what.attempts() => {
                let name = what.name();
                let message = format!("the {name} due {due} was cut short {} and is given up", many(times, "time"));
                tracing::error!(target = %target, "a scheduled {name} was cut short too often and is given up");
                self.event(Some(target), &format!("{name}.let-go"), &message).await;
                let marked = self.ctx.state.mark_schedule(target, name, due).await;
                self.wrote(marked);
            }
            other => self.log(other.map(|_| ())),
        }
    }

    /// Lives until told to stop and drained.
    pub(super) async fn live(&mut self, mut inbox: Inbox, mut asks: mpsc::Receiver<Ask>) -> Result<(), Failure> {
        self.clock().await;
        while !(self.drain_until.is_some() && self.jobs.idle()) {
            match self.next(&mut inbox, &mut asks).await {
                Wake::Clock => self.clock().await,
                Wake::Tick => self.ticked().await,
                Wake::Hint => self.hint(),
                Wake::Request(ask) => self.request(ask).await,
                Wake::JobEnded(ended) => self.job_ended(*ended).await,
                Wake::Looked(id, glance) => self.glanced(id, *glance).await,
                Wake::Told(sent) => self.sent(sent).await,
                Wake::Signal(Signal::Stop) => self.stop().await,
                Wake::Signal(Signal::Reload) => {
                    // Told by events and status; a signal has no other answer.
                    self.reload().await.ok();
                }
            }
        }
        // Looks only read; nothing is lost with them, and one that hangs for good is left to the end of the process.
        self.blind.cancel();
        tokio::time::timeout(LAST_LOOK, self.looks.shutdown()).await.ok();
        self.alarms.end().await;
        self.write_ends().await;
        self.awaited.clear();
        self.publish().await;
        self.event(None, "daemon.stopped", "the daemon stopped").await;
        Ok(())
    }

    async fn next(&mut self, inbox: &mut Inbox, asks: &mut mpsc::Receiver<Ask>) -> Wake {
        let pause = self.pause();
        let Self { jobs, looks, watch, metronome, alarms, .. } = self;
        // Every arm is cancel-safe, as each says of itself: what is not taken now is taken in the next round.
        tokio::select! {
            signal = inbox.next() => Wake::Signal(signal),
            Some(ask) = asks.recv() => Wake::Request(ask),
            Some(ended) = jobs.next_end() => Wake::JobEnded(Box::new(ended)),
            Some(look) = looks.join_next_with_id() => match look {
                Ok((id, glance)) => Wake::Looked(id, Box::new(glance)),
                Err(error) => Wake::Looked(error.id(), Box::new(Glance::Broken)),
            },
            sent = alarms.next() => Wake::Told(sent.map(Box::new)),
            () = watch.hint() => Wake::Hint,
            () = metronome.tick() => Wake::Tick,
            () = tokio::time::sleep(pause) => Wake::Clock,
        }
    }

    /// How long until the clock has something to say.
    fn pause(&self) -> Duration {
        let now = Instant::now();
        let mut until = vec![self.beats.published + LONGEST_SLEEP];
        until.extend(self.watchdog.map(|every| self.beats.alive + every));
        until.extend((self.jobs.running() > 0).then(|| self.beats.published + PROGRESS_EVERY));
        until.extend(self.awaited.values().map(|(_, until)| *until));
        until.extend(self.trouble.as_ref().map(|trouble| trouble.next));
        until.extend(self.beats.soon);
        let wait = |at: DateTime<Utc>| (at - self.ctx.clock.now()).to_std().unwrap_or_default();
        let mut wall = self.true_until.values().min().copied().into_iter().chain(self.alarms.due_at()).map(wait).min();
        match self.drain_until {
            // Nothing is begun any more: neither schedules nor looks wake us.
            Some(drained) => until.extend([drained, self.beats.extended + supervisor::EXTEND_EVERY]),
            None => {
                until.extend(self.driven_again.values());
                until.extend(self.next_ferry());
                until.push(self.beats.polled + self.pace_of_all());
                until.extend(self.beats.scheduled.is_none().then_some(now));
                until.extend(self.may_look().then(|| self.eyes.values().filter_map(Eye::next).min()).flatten());
                until.extend(self.looking.values().map(|looking| looking.begun + self.patience()));
                wall = wall.into_iter().chain(self.beats.schedule.map(wait)).min();
            }
        }
        let clock = until.into_iter().map(|at| at.saturating_duration_since(now)).min().unwrap_or(LONGEST_SLEEP);
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
            self.give_up(now);
            self.drive_on(now).await;
            self.ferry(now).await;
            self.poll(now);
        }
        self.probe().await;
        self.write_ends().await;
        let waited = self.awaited.len();
        self.awaited.retain(|_, (_, until)| *until > now);
        let moment = self.ctx.clock.now();
        let whole = now.duration_since(self.beats.published) >= LONGEST_SLEEP
            || self.true_until.values().copied().chain(self.alarms.due_at()).any(|at| at <= moment);
        if whole || self.awaited.len() < waited || self.beats.soon.is_some_and(|soon| soon <= now) {
            self.publish().await;
        } else if self.jobs.running() > 0 && now.duration_since(self.beats.published) >= PROGRESS_EVERY {
            self.publish_progress().await;
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
        supervisor::stopping(&match self.jobs.running() {
            0 => "stopping".to_owned(),
            1 => "stopping; waiting for one job to end".to_owned(),
            several => format!("stopping; waiting for {several} jobs to end"),
        });
        tracing::info!(running = self.jobs.running(), "stopping");
        for ended in self.jobs.drain() {
            self.job_ended(ended).await;
        }
        self.event(None, "daemon.stopping", "the daemon was told to stop").await;
        self.awaited.clear();
        self.publish().await;
    }
}
