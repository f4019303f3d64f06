//! Another configuration while everything goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Life;
use super::tell::sentence;
use crate::config::{Config, load};
use crate::daemon::eyes::Eye;
use crate::daemon::jobs::Piece;
use crate::daemon::supervisor;
use crate::daemon::watch::Watch;
use crate::failure::Failure;

impl Life {
    /// Reads the configuration again. Jobs underway keep the one they began with; an invalid one changes nothing.
    pub(super) async fn reload(&mut self) -> Result<(), Failure> {
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
                let why = failure.causes.first().unwrap_or(&failure.message);
                let problem = format!("the configuration on disk is invalid; the previous one stays in force: {why}");
                self.event(None, "daemon.reload-failed", &problem).await;
                self.host.problems = vec![problem];
                Err(failure.safe("the daemon keeps the configuration it has"))
            }
        };
        self.publish().await;
        supervisor::ready(&sentence(&self.board.snapshot().status));
        result
    }

    /// Puts another configuration in force.
    pub(super) async fn take(&mut self, mut config: Config) {
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
            if old.is_none_or(|old| old.drill.schedule != target.drill.schedule) {
                self.drills.changed(&target.name, now);
            }
            if old.is_none_or(|old| old.rehearse.schedule != target.rehearse.schedule) {
                self.rehearsals.changed(&target.name, now);
            }
            if old.is_none() {
                self.jobs.add(Piece::Tidy(target.name.clone()), self.ctx.clone());
            }
            let now = Instant::now();
            self.eyes.entry(target.name.clone()).or_insert_with(|| Eye::after(Duration::ZERO, now)).ask_soon(now);
            self.stale.insert(target.name.clone());
        }
        let marked = self.first_seen().await;
        self.log(marked);
        self.known.retain(|name, _| self.ctx.config.targets.contains_key(name));
        self.watch = Watch::on(&self.ctx.config);
        self.metronome.tune(&self.ctx.config);
        (self.beats.scheduled, self.beats.whole) = (None, None);
        self.schedules().await;
    }
}
