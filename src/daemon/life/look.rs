//! What time and the disk say: schedules that are due, and looks at the world.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::runtime::Handle;
use tokio::task::Id;

use super::{Glance, LONGEST_SLEEP, Life, Looking};
use crate::config::Target;
use crate::daemon::agenda::{Agenda, Next, What};
use crate::daemon::eyes::{Eye, Sight, Verdict};
use crate::daemon::jobs::Piece;
use crate::daemon::watch::Watch;
use crate::failure::Failure;
use crate::fault;
use crate::ids::TargetName;
use crate::schedule;
use crate::status::{self, Seen};
use crate::upgrade;
use crate::wire::{Action, Asker, Backup, Drill, JobState, Rehearse, Upgrade};

/// A scheduled run that our own state database would not take is tried again after this long.
const RETRY: TimeDelta = TimeDelta::seconds(60);

/// When there is no room for another job, schedules are looked at again after this long; the end of a job has us look at once.
const CROWDED: TimeDelta = TimeDelta::seconds(5);

/// How many targets are looked at at once: a start looks at all of them, and a server may have five hundred.
const LOOKS_AT_ONCE: usize = 16;

/// How many looks there may be with those that were given up and hang in a call to the kernel: below the threads there are.
const LOOKS_IN_ALL: usize = 40;

/// Beyond so many targets, each one more lengthens the time between two looks at the same by a second: idle ones must not cost a
/// core together, and what changes on disk is told by the kernel.
const FEW: usize = 30;
const LOOK_SPACING: Duration = Duration::from_secs(1);

/// A look may take twice the poll, but at least and at most this long: longer than connecting may take, so that a server that does not
/// answer is told as that.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(60));

/// How much longer a look that hangs where nothing can end it is waited for.
const GRACE: Duration = Duration::from_secs(2);

impl Life {
    /// Looks at the schedules, whatever they said when they were last asked.
    pub(super) async fn ticked(&mut self) {
        if self.drain_until.is_none() {
            self.beats.scheduled = None;
            self.schedules().await;
        }
    }

    /// Gives every scheduled backup and drill that is due to a job.
    pub(super) async fn schedules(&mut self) {
        let now = self.ctx.clock.now();
        let set_back = self.agenda.tick(now) | self.drills.tick(now) | self.rehearsals.tick(now);
        let fresh = self.beats.scheduled.is_some_and(|at| at.elapsed() < LONGEST_SLEEP);
        if fresh && !set_back && self.beats.schedule.is_none_or(|at| at > now) {
            return;
        }
        self.beats.scheduled = Some(Instant::now());
        let config = Arc::clone(&self.ctx.config);
        let mut soonest: Option<DateTime<Utc>> = None;
        let all = [What::Backup, What::Drill, What::Rehearse];
        for (target, what) in config.targets.values().flat_map(|target| all.map(|what| (target, what))) {
            let at = match self.agenda_of(what).next(target, now) {
                Next::At(at) => at,
                Next::Now { .. } if self.jobs.crowded() => Some(now + CROWDED),
                // One that could not be begun is still due then.
                Next::Now { .. } if self.trouble.is_some() => Some(now + RETRY),
                Next::Now { scheduled_for, missed, failed } => {
                    self.begin_scheduled(target, what, scheduled_for, (missed, failed)).await
                }
            };
            soonest = [soonest, at].into_iter().flatten().min();
        }
        self.beats.schedule = soonest;
    }

    fn agenda_of(&mut self, what: What) -> &mut Agenda {
        match what {
            What::Backup => &mut self.agenda,
            What::Drill => &mut self.drills,
            What::Rehearse => &mut self.rehearsals,
        }
    }

    /// Begins a scheduled backup or drill; says when to look again at the latest.
    async fn begin_scheduled(
        &mut self,
        target: &Target,
        what: What,
        scheduled_for: DateTime<Utc>,
        (missed, failed): (u32, u32),
    ) -> Option<DateTime<Utc>> {
        if missed > 0 {
            tracing::warn!(target = %target.name, missed, what = what.name(), "scheduled runs were missed; one stands for them");
        }
        if failed > 0 {
            tracing::info!(target = %target.name, failed, what = what.name(), "a scheduled run that failed is tried again");
        }
        let name = target.name.clone();
        let scheduled = Some(scheduled_for);
        let action = match what {
            What::Backup => Action::Backup(Backup { target: name, note: None, pin: None, scheduled_for: scheduled }),
            What::Drill => {
                Action::Drill(Drill { target: name, label: None, place: None, identity: None, scheduled_for: scheduled })
            }
            What::Rehearse => Action::Rehearse(Rehearse { target: name, from: None, to: None, scheduled_for: scheduled }),
        };
        match self.submit(action, None, Asker::daemon()).await {
            Ok(_) => {
                self.agenda_of(what).give(&target.name, scheduled_for);
                None
            }
            Err(failure) => {
                self.log(Err(failure));
                Some(self.ctx.clock.now() + RETRY)
            }
        }
    }

    /// How often a target is looked at when nothing calls for it; not the same for all, so that they do not crowd.
    fn pace(&self, target: &TargetName) -> Duration {
        let every = self.pace_of_all();
        every + schedule::jitter(target, DateTime::UNIX_EPOCH, every / 10)
    }

    pub(super) fn pace_of_all(&self) -> Duration {
        let targets = u32::try_from(self.eyes.len().saturating_sub(FEW)).unwrap_or(u32::MAX);
        self.ctx.config.daemon.poll.max(LOOK_SPACING.saturating_mul(targets))
    }

    /// How long a look may take.
    fn bound(&self) -> Duration {
        (self.ctx.config.daemon.poll * 2).clamp(PATIENCE.0, PATIENCE.1)
    }

    /// When a look is given up that does not end although it is out of time.
    pub(super) fn patience(&self) -> Duration {
        self.bound() + GRACE
    }

    /// Whether there is room for another look.
    pub(super) fn may_look(&self) -> bool {
        self.drain_until.is_none() && self.looking.len() < LOOKS_AT_ONCE && self.looks.len() < LOOKS_IN_ALL
    }

    /// Targets that a job changes now.
    fn changing(&self) -> BTreeSet<TargetName> {
        let jobs = self.board.living();
        let running = jobs.iter().filter(|job| job.state == JobState::Running && !self.awaited.contains_key(&job.id));
        running.filter_map(|job| job.action.target().filter(|target| status::changes(&job.action, target)).cloned()).collect()
    }

    /// Begins the looks that are due.
    pub(super) fn poll(&mut self, now: Instant) {
        if now.duration_since(self.beats.polled) >= self.pace_of_all() {
            self.beats.polled = now;
            for target in std::mem::take(&mut self.unswept) {
                self.jobs.add(Piece::Sweep(target), self.ctx.clone());
            }
            for target in std::mem::take(&mut self.untidy) {
                self.jobs.add(Piece::Tidy(target), self.ctx.clone());
            }
        }
        let changing = self.changing();
        let due: Vec<TargetName> = self
            .eyes
            .iter()
            .filter(|(_, eye)| eye.next().is_some_and(|next| next <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            if !self.may_look() {
                return;
            }
            let (pace, config) = (self.pace(&name), Arc::clone(&self.ctx.config));
            let (Some(target), Some(eye)) = (config.targets.get(&name), self.eyes.get_mut(&name)) else { continue };
            if changing.contains(&name) {
                // The end of the job has us look at once.
                eye.postpone(now + pace);
            } else if let Some(world) = eye.begin(now) {
                self.look(target.clone(), world, now);
            }
        }
    }

    /// Looks, in a thread of its own: a directory on a server that is gone holds its thread up, and nobody else.
    fn look(&mut self, target: Target, world: u64, begun: Instant) {
        let (ctx, bound, blind, runtime) = (self.ctx.clone(), self.bound(), self.blind.clone(), Handle::current());
        let name = target.name.clone();
        let handle = self.looks.spawn_blocking(move || {
            fault::aside("look.begun");
            runtime.block_on(async move {
                // Both arms are cancel-safe: a look only reads.
                tokio::select! {
                    () = blind.cancelled() => Glance::Hung,
                    look = tokio::time::timeout(bound, Box::pin(status::look(&ctx, &target))) => match look {
                        Ok(look) => Glance::Looked(look.map(Box::new)),
                        Err(_) => Glance::Hung,
                    },
                }
            })
        });
        self.looking.insert(handle.id(), Looking { target: name, world, begun });
    }

    pub(super) fn hint(&mut self) {
        let now = Instant::now();
        for name in self.watch.touched() {
            let release = self.ctx.config.targets.get(&name).and_then(|target| target.release.as_ref());
            if let (Some(release), Some(eye)) = (release, self.eyes.get_mut(&name)) {
                eye.hint(release.settle, now);
            }
        }
    }

    /// Gives up the looks that hang where nothing can end them.
    pub(super) fn give_up(&mut self, now: Instant) {
        let patience = self.patience();
        let hung: Vec<Id> =
            self.looking.iter().filter(|(_, looking)| looking.begun + patience <= now).map(|(id, _)| *id).collect();
        for id in hung {
            if let Some(looking) = self.looking.remove(&id) {
                self.blinded(&looking.target, &Glance::Hung);
            }
        }
    }

    /// A look has ended, or what was to be remembered of one.
    pub(super) async fn glanced(&mut self, id: Id, glance: Glance) {
        // One that was given up long ago says nothing about now.
        let Some(Looking { target, world, .. }) = self.looking.remove(&id) else { return };
        match glance {
            Glance::Looked(look) => self.looked(target, world, look).await,
            Glance::Hung | Glance::Broken => self.blinded(&target, &glance),
            Glance::Free(is_free) => {
                if let Some(eye) = self.eyes.get_mut(&target).filter(|_| is_free) {
                    eye.reconsider(Instant::now());
                }
            }
            Glance::Remembered(Ok(())) => {
                self.stale.insert(target);
                self.publish_soon();
            }
            Glance::Remembered(Err(failure)) => {
                eye_forgets(self.eyes.get_mut(&target));
                self.log(Err(failure.on(&target)));
            }
        }
    }

    /// A look did not end: a problem while it lasts, and tried again.
    fn blinded(&mut self, name: &TargetName, glance: &Glance) {
        let now = Instant::now();
        let why = match glance {
            Glance::Broken => "checking it failed on a bug in upkeep: see `journalctl -u upkeepd`, and report it".to_owned(),
            _ => format!(
                "checking it took longer than {} s: the database server, the release's directory or a program that upkeep runs hangs",
                self.bound().as_secs()
            ),
        };
        let Some(eye) = self.eyes.get_mut(name) else { return };
        let seen = Seen { at: Some(self.ctx.clock.now()), problems: vec![why.clone()], ..Seen::default() };
        let pause = eye.trouble(seen, now);
        tracing::warn!(target = %name, why, again_in_s = pause.as_secs(), "a target cannot be looked at");
        self.looked_again(name);
        self.news.insert(name.clone());
        self.publish_soon();
    }

    /// Whoever waits for a look at a target has one.
    fn looked_again(&mut self, name: &TargetName) -> bool {
        let before = self.awaited.len();
        self.awaited.retain(|_, (target, _)| target != name);
        self.awaited.len() < before
    }

    async fn looked(&mut self, name: TargetName, world: u64, look: Result<Box<status::Look>, Failure>) {
        let now = Instant::now();
        let (pace, changing) = (self.pace(&name), self.changing().contains(&name));
        let Some(target) = self.ctx.config.targets.get(&name).cloned() else { return };
        let Some(eye) = self.eyes.get_mut(&name) else { return };
        if changing || !eye.is_of(world) {
            return eye.dismiss(pace, now);
        }
        let look = match look {
            Ok(look) => Some(look),
            Err(failure) => {
                self.log(Err(failure.on(&name)));
                None
            }
        };
        let sight = look.as_ref().map(|look| Sight {
            seen: look.seen.clone(),
            fingerprint: look.fingerprint.clone(),
            wants_upgrade: matches!(look.decision, upgrade::Decision::Plan(_)) || to_rehearse(&look.decision),
        });
        let settle = target.release.as_ref().map_or(Duration::ZERO, |release| release.settle);
        let Some(eye) = self.eyes.get_mut(&name) else { return };
        let before = eye.seen.clone();
        let wants = look.as_ref().is_some_and(|look| matches!(look.decision, upgrade::Decision::Plan(_)));
        let verdict = eye.saw(sight, settle, pace, now);
        if let Some(why) = waits(&name, verdict, self.ctx.clock.now()).filter(|_| wants) {
            eye.seen.refusals.push(why);
        }
        if wants && !matches!(verdict, Verdict::Tried(_) | Verdict::Refused | Verdict::Ask) {
            // Nobody is to be called for what we begin ourselves.
            eye.seen.outage = None;
        }
        if !same(&before, &eye.seen) {
            self.news.insert(name.clone());
            self.publish_soon();
        }
        if self.watch.outdated(&target) {
            self.watch = Watch::on(&self.ctx.config);
        }
        // Before an upgrade begins: what the job before it left is told as it was seen.
        if self.looked_again(&name) {
            self.publish().await;
        }
        self.follow(target, verdict, look).await;
    }

    /// Does what a look leads to.
    async fn follow(&mut self, target: Target, verdict: Verdict, look: Option<Box<status::Look>>) {
        let name = target.name.clone();
        match (verdict, look) {
            // The upgrade comes after it: a release that was rehearsed is looked at again.
            (Verdict::Upgrade, Some(look)) if to_rehearse(&look.decision) => {
                let underway = |action: &Action| matches!(action, Action::Rehearse(ask) if ask.target == name);
                if self.drain_until.is_none() && !self.jobs.any(underway) {
                    tracing::info!(target = %name, "a new release has settled, and is rehearsed");
                    let ask = Rehearse { target: name.clone(), from: None, to: None, scheduled_for: None };
                    let asked = self.submit(Action::Rehearse(ask), None, Asker::daemon()).await;
                    self.log(asked.map(|_| ()));
                }
                if let Some(eye) = self.eyes.get_mut(&name) {
                    eye.untried();
                }
            }
            (Verdict::Upgrade, _) if self.may_upgrade(&target) => {
                tracing::info!(target = %name, "a new release has settled");
                let asked = self.submit(Action::Upgrade(Upgrade { target: name, settle: None }), None, Asker::daemon()).await;
                self.log(asked.map(|_| ()));
            }
            // Not while an upgrade works on the same journal.
            (Verdict::Remember, Some(look)) if self.may_upgrade(&target) => {
                let ctx = self.ctx.clone();
                let handle = self.looks.spawn(Box::pin(async move {
                    let kept = upgrade::remember_release(&ctx, &target, &look.observation).await;
                    Glance::Remembered(kept.map_err(Failure::from))
                }));
                // Never given up: it reads files that were just read, and writes what is ours.
                let begun = Instant::now() + LONGEST_SLEEP * 60;
                self.looking.insert(handle.id(), Looking { target: name, world: 0, begun });
            }
            (Verdict::Ask, Some(look)) if self.may_upgrade(&target) => {
                let upgrade::Decision::Plan(plan) = look.decision else { return };
                let ctx = self.ctx.clone();
                let handle = self
                    .looks
                    .spawn(Box::pin(async move { Glance::Free(upgrade::nothing_in_the_way(&ctx, &target, &plan).await) }));
                self.looking.insert(handle.id(), Looking { target: name, world: 0, begun: Instant::now() });
            }
            (Verdict::Nothing | Verdict::Tried(_) | Verdict::Refused, Some(look))
                if self.may_upgrade(&target) && upgrade::grown(&look.observation) =>
            {
                let ctx = self.ctx.clone();
                let handle = self.looks.spawn(Box::pin(async move {
                    let kept = upgrade::remember_shape(&ctx, &target, &look.observation).await;
                    Glance::Remembered(kept.map_err(Failure::from))
                }));
                let begun = Instant::now() + LONGEST_SLEEP * 60;
                self.looking.insert(handle.id(), Looking { target: name, world: 0, begun });
            }
            (Verdict::Remember, _) => eye_forgets(self.eyes.get_mut(&target.name)),
            (Verdict::Settling(_), _) => {
                tracing::debug!(target = %name, "a new release is seen, and is watched until it stops changing")
            }
            (Verdict::Upgrade | Verdict::Nothing | Verdict::Tried(_) | Verdict::Refused | Verdict::Ask, _) => {}
        }
    }

    pub(super) fn may_upgrade(&self, target: &Target) -> bool {
        let same = |action: &Action| matches!(action, Action::Upgrade(Upgrade { target: other, .. }) if *other == target.name);
        self.drain_until.is_none() && !self.jobs.any(same)
    }
}

/// Whether nothing stands against an upgrade but that its release was not rehearsed yet, and that its time has not come.
fn to_rehearse(decision: &upgrade::Decision) -> bool {
    use upgrade::Refusal::{NotAsked, NotRehearsed, Window};
    let upgrade::Decision::Refuse(refusals) = decision else { return false };
    // Before the night in which it is upgraded, or the person who asks for it, it is known how it goes.
    refusals.iter().any(|refusal| matches!(refusal, NotRehearsed(_)))
        && refusals.iter().all(|refusal| matches!(refusal, NotRehearsed(_) | NotAsked | Window(_)))
}

fn eye_forgets(eye: Option<&mut Eye>) {
    if let Some(eye) = eye {
        eye.forget();
    }
}

/// Why an upgrade that nothing stands against has still not begun, and when it will.
fn waits(target: &TargetName, verdict: Verdict, now: DateTime<Utc>) -> Option<String> {
    let at = |wait: Duration| (now + TimeDelta::from_std(wait).unwrap_or_default()).format("%F %T UTC");
    match verdict {
        Verdict::Settling(wait) => Some(format!("the release is acted on if it has not changed by {}", at(wait))),
        Verdict::Tried(wait) => {
            Some(format!("it was tried already; the next try is at {}, or now with `upkeep upgrade {target}`", at(wait)))
        }
        Verdict::Refused | Verdict::Ask => {
            Some(format!("it begins when nothing stands in its way any more; to try it now: `upkeep upgrade {target}`"))
        }
        Verdict::Nothing | Verdict::Remember | Verdict::Upgrade => None,
    }
}

/// Whether two looks saw the same, whenever they were.
fn same(before: &Seen, after: &Seen) -> bool {
    let mut before = Seen { at: after.at, free_bytes: after.free_bytes, ..before.clone() };
    if let (Some(shape), Some(after)) = (&mut before.shape, &after.shape) {
        shape.at = after.at;
    }
    before == *after
}
