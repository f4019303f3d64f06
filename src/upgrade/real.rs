//! The effects of an upgrade on the real world.
//!
//! Owns nothing but the joints: each effect is one call to the module that knows how (`backup`, `restore`, `migrate`,
//! `release`, `service`), and each of their errors becomes plain data for the journal. Logs every event once.

mod tool;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::hands::{Hands, Look};
use super::observe;
use super::plan::Plan;
use super::record::{self, Record};
use super::state::{Event, Failed, ReleaseAt, Tool};
use super::{UpgradeError, note, token};
use crate::archive::manifest::{Kind, ReleaseNote};
use crate::backup::{self, BackupRequest};
use crate::config::{Runner, Service, Target};
use crate::context::Context;
use crate::count::many;
use crate::engine::Engine;
use crate::failure::{Chain, Class};
use crate::ids::{Label, UpgradeId};
use crate::progress::Progress;
use crate::service::{self, ServiceState};
use crate::shape::Shape;
use crate::state_db::belongs::By;
use crate::state_db::catalogue::{self, Verdict};
use crate::state_db::holds::Hold;
use crate::state_db::journal::Ends;
use crate::version::Version;
use crate::{migrate, release, restore, store, verify};

/// Who sets the holds of a rollback.
const US: &str = "upkeep";

/// The real world, for one upgrade.
pub(super) struct RealHands<'a> {
    ctx: &'a Context,
    target: &'a Target,
    progress: &'a Progress,
    id: UpgradeId,
    plan: Plan,
    /// The sequence number of the newest event on disk.
    seq: AtomicU32,
    /// The tool this run began.
    tool: tool::Begun,
}

impl<'a> RealHands<'a> {
    /// Hands for an upgrade as the journal has it now.
    pub(super) fn new(ctx: &'a Context, target: &'a Target, progress: &'a Progress, record: &Record) -> Self {
        let (id, plan, seq) = (record.id.clone(), record.plan.clone(), AtomicU32::new(record.events));
        Self { ctx, target, progress, id, plan, seq, tool: tool::Begun::default() }
    }

    fn server(&self) -> Result<&Service, Failed> {
        self.target.service.as_ref().ok_or_else(|| missing("no service is configured any more", "[targets.T.service]"))
    }

    fn release_settings(&self) -> Result<&crate::config::Release, Failed> {
        self.target.release.as_ref().ok_or_else(|| missing("no release is configured any more", "[targets.T.release]"))
    }

    /// The words in an archive's note by which this upgrade finds it again.
    fn mark(&self, round: u32) -> String {
        match round {
            0 => format!("upgrade {}", self.id),
            answer => format!("upgrade {}, after answer {answer}", self.id),
        }
    }

    fn say(&self, event: &Event) {
        let (target, upgrade, kind) = (&self.target.name, &self.id, event.kind());
        match event {
            Event::Failed { step, failed } => {
                tracing::warn!(%target, %upgrade, %step, reason = failed.message, "a step failed");
            }
            Event::Halted { why, .. } => tracing::error!(%target, %upgrade, reason = why, "the upgrade needs a person"),
            Event::TurnedBack { why, .. } => tracing::warn!(%target, %upgrade, reason = why, "the upgrade turns back"),
            Event::Done { step, note, .. } => tracing::info!(%target, %upgrade, %step, outcome = note, "a step is done"),
            Event::Intended { step, attempt } => tracing::info!(%target, %upgrade, %step, attempt, "a step begins"),
            Event::Spawned { step, process } => {
                tracing::info!(%target, %upgrade, %step, process = process.pid, "the vendor's tool begins");
            }
            Event::Handed { step, run } => {
                tracing::info!(%target, %upgrade, %step, unit = run.unit, "the vendor's tool begins")
            }
            _ => tracing::info!(%target, %upgrade, kind, "the upgrade goes on"),
        }
    }
}

fn missing(message: &str, section: &str) -> Failed {
    let hints = vec![format!("put `{section}` back into the configuration")];
    Failed { class: Class::Config, message: message.to_owned(), transient: false, hints, partial: false }
}

impl Hands for RealHands<'_> {
    async fn record(&self, event: &Event) -> Result<(), UpgradeError> {
        let seq = self.seq.load(Ordering::SeqCst) + 1;
        let row = record::row(seq, self.ctx.clock.now(), event)?;
        let ends = if event.ends() { Ends::Yes } else { Ends::No };
        // Before the event that makes it count.
        let source = || format!("upgrade {}", self.id);
        match event {
            Event::Committed => {
                observe::note_left(self.ctx, self.target, By::Upgrade, Some(&self.plan.to), source()).await?;
            }
            // Where no earlier release is known, nothing is on record, as at first sight.
            Event::RolledBack { .. } if self.plan.earlier().is_some() => {
                observe::note_left(self.ctx, self.target, By::Upgrade, self.plan.earlier(), source()).await?;
            }
            _ => {}
        }
        self.ctx.state.append_event(&self.id, &row, ends).await?;
        self.seq.store(seq, Ordering::SeqCst);
        if let Some(step) = event.step() {
            self.progress.phase(step.name(), 0);
        }
        if event.ends() {
            note::remove(self.target);
        }
        self.say(event);
        Ok(())
    }

    async fn pause(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }

    async fn release(&self) -> Result<ReleaseAt, Failed> {
        // The package manager may be waiting for this very upgrade, at the gate; and one that works on other packages is none
        // of our business once we have begun.
        let read = release::read_when(self.release_settings()?, release::Wanted::Placed);
        let installed = read.await.map_err(|error| Failed::of(&error))?;
        Ok(ReleaseAt { version: installed.version, path: installed.path })
    }

    async fn service(&self) -> ServiceState {
        match self.server() {
            Ok(server) => service::certain_status(server).await,
            Err(failed) => ServiceState::Unknown(failed.message),
        }
    }

    async fn stop(&self) -> Result<(), Failed> {
        service::stop(self.server()?).await.map_err(|error| Failed::of(&error))
    }

    async fn start(&self) -> Result<(), Failed> {
        let (server, state_dir) = (self.server()?, &self.ctx.config.daemon.state_dir);
        token::grant(state_dir, &self.target.name).map_err(|error| Failed::of(&error))?;
        let started = service::start(server).await;
        // Taken back also when the start failed: the permission was for this start alone.
        token::revoke(state_dir, &self.target.name).map_err(|error| Failed::of(&error))?;
        started.map_err(|error| Failed::of(&error))
    }

    async fn healthy(&self) -> Result<String, Failed> {
        service::wait_healthy(self.server()?).await.map_err(|error| Failed::of(&error))
    }

    async fn shape(&self) -> Result<Shape, Failed> {
        let tables = backup::history_tables(self.target);
        Engine::of(&self.target.database).shape(&tables).await.map_err(|error| Failed::of(&error))
    }

    async fn look(&self) -> Result<Look, Failed> {
        let shape = self.shape().await?;
        let installed = self.release().await?;
        let scripts = Box::pin(observe::scripts(self.target, &installed.path)).await.map_err(|error| Failed::of(&error))?;
        Ok(Look { scripts: observe::with_histories(self.target, scripts, &shape, &installed.version), shape })
    }

    async fn find_archive(&self, kind: Kind, round: u32) -> Result<Option<Label>, Failed> {
        // First the files themselves: a crash right after a seal leaves an archive that the catalogue does not know yet.
        let lines = store::reconcile(&self.ctx.state, self.target).await.map_err(|error| Failed::of(&error))?;
        for line in lines {
            tracing::info!(target = %self.target.name, "{line}");
        }
        let entries = catalogue::list(&self.ctx.state, Some(&self.target.name)).await.map_err(|error| Failed::of(&error))?;
        let ours = |entry: &&catalogue::Entry| entry.kind == kind && entry.note.as_deref() == Some(&self.mark(round));
        for entry in entries.iter().filter(ours) {
            match verify::verify(self.ctx, entry, self.progress).await {
                Ok(entry) if entry.verdict == Verdict::Whole => {
                    store::pin(&self.ctx.state, &entry, &self.mark(round), self.ctx.clock.now())
                        .await
                        .map_err(|error| Failed::of(&error))?;
                    return Ok(Some(entry.label));
                }
                // One that is not whole is none; its verdict stands in the catalogue.
                Ok(entry) => {
                    tracing::warn!(target = %self.target.name, label = %entry.label, "an archive of this upgrade is not whole")
                }
                Err(error) => {
                    tracing::warn!(target = %self.target.name, label = %entry.label, reason = %Chain(&error), "an archive of this upgrade is not whole");
                }
            }
        }
        Ok(None)
    }

    async fn archive(&self, kind: Kind, round: u32) -> Result<Label, Failed> {
        // What the data belongs to, whoever migrated it; what a migration left half-way is no release's.
        let said = Box::pin(observe::release_of_the_data(self.ctx, self.target)).await.map_err(|error| Failed::of(&error))?;
        let release = said.map(|(version, _)| version);
        let request = BackupRequest {
            kind,
            note: Some(self.mark(round)),
            pin: Some(self.mark(round)),
            release: release.map(|version| ReleaseNote { version, probe: "upgrade plan".to_owned() }),
        };
        let backup = Box::pin(backup::backup(self.ctx, self.target, &request, self.progress));
        Ok(backup.await.map_err(|error| Failed::of(&error))?.label)
    }

    async fn ready(&self) -> Result<(), Failed> {
        service::tool::ready(self.target).map_err(|error| Failed::of(&error))?;
        // Before the server is stopped for an archive that would be refused.
        let engine = Engine::of(&self.target.database);
        let server = engine.identify().await.map_err(|error| Failed::of(&error))?;
        engine.can_dump_schema(&server).await.map_err(|error| Failed::of(&error))?;
        // And before what the way back would need turns out to be refused.
        engine.may_replace().await.map(drop).map_err(|error| Failed::of(&error))?;
        let Some(settings) = self.target.migrations.as_ref().filter(|settings| settings.runner == Runner::Flyway) else {
            return Ok(());
        };
        let all = migrate::Selection::default();
        let foreseen =
            migrate::foresee(&self.target.database, settings, &self.plan.to.path, &migrate::Intent::Apply(&all)).await;
        foreseen.map(drop).map_err(|error| Failed::of(&error))
    }

    async fn handed_over(&self) {
        self.tool.handed_over().await;
    }

    async fn migrate(&self, begun: Option<&Tool>) -> Result<String, Failed> {
        let Some(settings) = &self.target.migrations else { return Ok("there are no migrations".to_owned()) };
        if settings.runner != Runner::Flyway {
            return Box::pin(self.run_tool(&settings.runner, begun)).await;
        }
        let apply = Box::pin(migrate::apply(&self.target.database, settings, &self.plan.to.path, self.progress));
        let report = apply.await.map_err(|error| Failed { partial: error.error.leaves_part(), ..Failed::of(&error) })?;
        let head = report.head.as_deref().unwrap_or("no version");
        Ok(format!("{} applied; the database is at {head}", many(report.applied.len() as u64, "migration")))
    }

    async fn outlast(&self, tool: Option<&Tool>) -> Result<(), Failed> {
        self.outlast_tool(tool).await
    }

    async fn restore(&self, label: &Label) -> Result<String, Failed> {
        // What a crash left of an earlier try, first: it may be in the way, or be the old database under another name.
        let settled = Engine::of(&self.target.database).settle().await.map_err(|error| Failed::of(&error))?;
        for line in settled {
            tracing::info!(target = %self.target.name, "{line}");
        }
        let restore = Box::pin(restore::restore_archive_for_rollback(self.ctx, self.target, label, None, self.progress));
        let loaded = restore.await.map_err(|error| Failed::of(&error))?;
        Ok(format!("{label} restored: {}, {} compared", many(loaded.tables, "table"), many(loaded.rows, "row")))
    }

    async fn point_back(&self, to: &ReleaseAt) -> Result<(), Failed> {
        let pointed = release::point_back(self.release_settings()?, &to.version, &to.path).await;
        pointed.map(drop).map_err(|error| Failed::of(&error))
    }

    async fn hold(&self, version: &Version, reason: &str) -> Result<(), Failed> {
        let hold = Hold {
            version: Some(version.clone()),
            reason: reason.to_owned(),
            who: US.to_owned(),
            since: self.ctx.clock.now(),
            until: None,
        };
        self.ctx.state.set_hold(&self.target.name, &hold).await.map_err(|error| Failed::of(&error))
    }

    async fn leave_note(&self, archive: &Label) {
        // Advice for a bad day: the upgrade itself does not depend on it.
        if let Err(error) = note::leave(self.ctx, self.target, &self.id, &self.plan, archive).await {
            tracing::warn!(target = %self.target.name, reason = %Chain(&error), "the recovery note could not be written");
        }
    }
}
