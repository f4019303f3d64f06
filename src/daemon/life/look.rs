//! What time and the disk say: schedules that are due, and looks at the world.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::tell::log;
use super::{Glance, Life};
use crate::config::Target;
use crate::daemon::agenda::Next;
use crate::daemon::eyes::{Eye, Sight, Verdict};
use crate::daemon::jobs::Piece;
use crate::daemon::watch::Watch;
use crate::failure::Failure;
use crate::ids::TargetName;
use crate::wire::{Action, Asker, Backup, Upgrade};
use crate::{status, upgrade};

/// A scheduled run that our own state database would not take is tried again after this long.
const RETRY: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

impl Life {
    /// Gives every scheduled backup that is due to a job.
    pub(super) async fn schedules(&mut self) {
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
                    let action =
                        Action::Backup(Backup { target: name, note: None, pin: None, scheduled_for: Some(scheduled_for) });
                    // The one after it at the next look; one that could not be begun is still due then.
                    let again = match self.submit(action, None, Asker::daemon()).await {
                        Ok(_) => {
                            self.agenda.give(&target.name, scheduled_for);
                            now
                        }
                        Err(failure) => {
                            log(Err(failure));
                            now + RETRY
                        }
                    };
                    soonest = [soonest, Some(again)].into_iter().flatten().min();
                }
                Ok(Next::At(at)) => soonest = [soonest, at].into_iter().flatten().min(),
                Err(failure) => log(Err(failure)),
            }
        }
        self.beats.schedule = soonest;
    }

    /// Begins the looks that are due; all of them when the poll is.
    pub(super) fn poll(&mut self, now: Instant) {
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
                    (target.name, Glance::Looked(look.map(Box::new)))
                }));
            }
        }
    }

    pub(super) fn hint(&mut self) {
        let now = Instant::now();
        for (name, eye) in &mut self.eyes {
            let release = self.ctx.config.targets.get(name).and_then(|target| target.release.as_ref());
            if let Some(release) = release {
                eye.hint(release.settle, now);
            }
        }
    }

    pub(super) async fn looked(&mut self, name: TargetName, glance: Glance) {
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
                log(self
                    .submit(Action::Upgrade(Upgrade { target: name, settle: None }), None, Asker::daemon())
                    .await
                    .map(|_| ()));
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

    pub(super) fn may_upgrade(&self, target: &Target) -> bool {
        let same = |action: &Action| matches!(action, Action::Upgrade(Upgrade { target: other, .. }) if *other == target.name);
        self.drain_until.is_none() && !self.jobs.any(same)
    }
}

fn eye_forgets(eye: Option<&mut Eye>) {
    if let Some(eye) = eye {
        eye.forget();
    }
}
