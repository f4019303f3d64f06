//! The effects of an upgrade on the real world.
//!
//! Owns nothing but the joints: each effect is one call to the module that knows how (`backup`, `restore`, `migrate`,
//! `release`, `service`), and each of their errors becomes plain data for the journal. Logs every event once.

mod tool;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::hands::{Hands, InParts, Look, Migrated};
use super::plan::{Plan, Scripts};
use super::record::{self, Record};
use super::state::{Event, Failed, ReleaseAt, Step, Tool};
use super::{UpgradeError, left, note, observe, token};
use crate::archive::Archive;
use crate::archive::manifest::{Kind, ReleaseNote};
use crate::backup::{self, BackupRequest};
use crate::config::{Reference, Runner, Service, Target};
use crate::context::Context;
use crate::count::{few, many};
use crate::engine::{Compared, Engine};
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

/// The real world, for one upgrade.
pub(super) struct RealHands<'a> {
    ctx: &'a Context,
    target: &'a Target,
    progress: &'a Progress,
    id: UpgradeId,
    plan: Plan,
    /// The sequence number of the newest event on disk.
    seq: AtomicU32,
    /// When the present step was first intended.
    begun: Mutex<Option<DateTime<Utc>>>,
    /// The tool this run began.
    tool: tool::Begun,
    /// What this run saw of the database behind the migrations.
    looked: Mutex<Option<Shape>>,
}

impl<'a> RealHands<'a> {
    /// Hands for an upgrade that is in no journal: to look with, and for nothing else.
    pub(super) fn looking(ctx: &'a Context, target: &'a Target, progress: &'a Progress, plan: &Plan) -> Self {
        let id = UpgradeId::compose(&plan.target, &plan.to.version, ctx.clock.now());
        let (plan, seq) = (plan.clone(), AtomicU32::new(0));
        let (begun, looked) = (Mutex::default(), Mutex::default());
        Self { ctx, target, progress, id, plan, seq, begun, tool: tool::Begun::default(), looked }
    }

    /// Hands for an upgrade as the journal has it now.
    pub(super) fn new(ctx: &'a Context, target: &'a Target, progress: &'a Progress, record: &Record) -> Self {
        let (id, plan, seq) = (record.id.clone(), record.plan.clone(), AtomicU32::new(record.events));
        let begun = Mutex::new(record.begun);
        Self { ctx, target, progress, id, plan, seq, begun, tool: tool::Begun::default(), looked: Mutex::default() }
    }

    fn server(&self) -> Result<&Service, Failed> {
        self.target.service.as_ref().ok_or_else(|| missing("no service is configured any more", "[targets.T.service]"))
    }

    fn release_settings(&self) -> Result<&crate::config::Release, Failed> {
        self.target.release.as_ref().ok_or_else(|| missing("no release is configured any more", "[targets.T.release]"))
    }

    /// The words in an archive's note by which this upgrade finds it again.
    fn mark(&self) -> String {
        format!("upgrade {}", self.id)
    }

    /// Whether an archive of a kind is one that this upgrade took. Earlier releases of ours put more words behind the mark.
    fn is_ours(&self, entry: &catalogue::Entry, kind: Kind) -> bool {
        let mark = self.mark();
        let rest = entry.note.as_deref().and_then(|note| note.strip_prefix(&mark));
        entry.kind == kind && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
    }

    /// A pre-upgrade archive that another one took the place of is no way back any more, and retention may judge it. What was kept of
    /// failed states is of rows that are nowhere else, and stays.
    async fn let_superseded_go(&self, newest: &Label) {
        let unpin = async || -> Result<(), crate::failure::Failure> {
            for entry in catalogue::list(&self.ctx.state, Some(&self.target.name)).await? {
                if self.is_ours(&entry, Kind::PreUpgrade) && entry.label != *newest && entry.pinned.is_some() {
                    store::unpin(&self.ctx.state, &entry).await?;
                }
            }
            Ok(())
        };
        if let Err(failure) = unpin().await {
            // One archive more is kept than need be.
            tracing::warn!(target = %self.target.name, reason = failure.message, "a superseded archive stays pinned");
        }
    }

    /// What a crash left of an earlier try, first: it may be in the way, or be the old database under another name.
    async fn settled(&self) -> Result<Engine, Failed> {
        let engine = Engine::of(&self.target.database);
        for line in engine.settle().await.map_err(|error| Failed::of(&error))? {
            tracing::info!(target = %self.target.name, "{line}");
        }
        Ok(engine)
    }

    /// An archive of the catalogue, opened.
    async fn opened(&self, label: &Label) -> Result<Archive, Failed> {
        let entry = catalogue::find(&self.ctx.state, label).await.map_err(|error| Failed::of(&error))?;
        let gone = || Failed::undecided(format!("archive {label} no longer exists"), Vec::new());
        let path = entry.ok_or_else(gone)?.path;
        let opened = tokio::task::spawn_blocking(move || Archive::open(&path)).await;
        let worker =
            |_| Failed::new(Class::Software, format!("a worker ended without an answer while opening archive {label}"));
        opened.map_err(worker)?.map_err(|error| Failed::of(&error))
    }

    fn say(&self, event: &Event) {
        let (target, upgrade, kind) = (&self.target.name, &self.id, event.kind());
        match event {
            Event::Failed { step, failed } => {
                tracing::warn!(%target, %upgrade, %step, reason = failed.message, "a step failed");
            }
            Event::Retraced { to, why } => {
                tracing::warn!(%target, %upgrade, step = %to, reason = why, "an earlier step is done again");
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

impl RealHands<'_> {
    /// What the upgrade left: the release, and the schema that is the release's. Where another one was put in its place meanwhile, whose
    /// script may have been at the schema, that is what was seen behind the migrations; where nothing was, nobody knows whose it is.
    async fn what_is_left(&self) -> (Option<&ReleaseAt>, Option<Shape>) {
        let shape = left::shape(self.target).await;
        let overtaken = self.release().await.is_ok_and(|now| now != self.plan.to);
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner).take();
        match looked {
            _ if !overtaken => (Some(&self.plan.to), shape),
            Some(looked) => (Some(&self.plan.to), Some(looked)),
            None => (None, shape),
        }
    }
}

impl RealHands<'_> {
    /// What a database in step lacks of that which the release's rehearsal left and makes of an empty one: a migration that swallowed its errors here and not there.
    async fn as_rehearsed(&self, scripts: Option<Scripts>, release: &ReleaseAt) -> Result<Option<Scripts>, Failed> {
        let is_in_step = scripts.as_ref().is_some_and(|scripts| *scripts == Scripts::default());
        if !is_in_step || self.target.rehearse.reference == Reference::No {
            return Ok(scripts);
        }
        let rehearsal = self.ctx.state.last_rehearsal(&self.target.name, Some((&release.version, &*release.path))).await;
        let Some(expected) = rehearsal.map_err(|error| Failed::of(&error))?.and_then(|rehearsal| rehearsal.expected) else {
            return Ok(scripts);
        };
        let there = Engine::of(&self.target.database).definitions().await.map_err(|error| Failed::of(&error))?;
        let lacking: Vec<String> = expected.into_iter().filter(|line| there.binary_search(line).is_err()).collect();
        if lacking.is_empty() {
            return Ok(scripts);
        }
        let what =
            format!("it lacks {} that its rehearsal left: {}", many(lacking.len() as u64, "definition"), few(&lacking, "; "));
        tracing::warn!(target = %self.target.name, upgrade = %self.id, release = %release.version, what, "the migrated database is not as it was rehearsed");
        match self.target.rehearse.reference {
            Reference::Fail => Ok(Some(Scripts { blocked: vec![what], ..Scripts::default() })),
            Reference::Note | Reference::No => Ok(scripts),
        }
    }
}

fn missing(message: &str, section: &str) -> Failed {
    let hints = vec![format!("put `{section}` back into the configuration")];
    Failed { hints, ..Failed::new(Class::Config, message) }
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
                let (release, shape) = self.what_is_left().await;
                left::note(self.ctx, self.target, By::Upgrade, release, source(), shape).await?;
            }
            // Where no earlier release is known, nothing is on record, as at first sight. Where what was put back is not what the earlier one
            // left, what was on record before stands.
            Event::RolledBack { .. } if self.plan.earlier().is_some() && self.plan.outside.is_none() => {
                left::note_left(self.ctx, self.target, By::Upgrade, self.plan.earlier(), source()).await?;
            }
            // What was seen before the migrations is not what they left.
            Event::Intended { step: Step::Inspect, .. } => {
                *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            _ => {}
        }
        if event.ends() {
            // Before the end is written down: a note that outlives its upgrade leads back from where nobody has to go back from. If
            // we die in between, all that is left to do is to write that down.
            note::remove(self.target);
        }
        self.ctx.state.append_event(&self.id, &row, ends).await?;
        self.seq.store(seq, Ordering::SeqCst);
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        *begun = record::begun(*begun, event, row.at);
        drop(begun);
        if let Some(step) = event.step() {
            self.progress.phase(step.name(), 0);
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

    async fn healthy(&self) -> Result<InParts<String>, Failed> {
        // One deadline, however often we died meanwhile: a server that is never healthy must not be waited for anew each time.
        let begun = *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = begun.map(|begun| (self.ctx.clock.now() - begun).to_std().unwrap_or_default()).unwrap_or_default();
        let healthy = service::wait_healthy(self.server()?, waited).await.map_err(|error| Failed::of(&error))?;
        let lasted = TimeDelta::from_std(healthy.lasted).unwrap_or_default();
        Ok(InParts { what: healthy.said, between: self.ctx.clock.now().checked_sub_signed(lasted) })
    }

    async fn shape(&self) -> Result<Shape, Failed> {
        let tables = backup::history_tables(self.target);
        Engine::of(&self.target.database).shape(&tables).await.map_err(|error| Failed::of(&error))
    }

    async fn look(&self) -> Result<Look, Failed> {
        let shape = self.shape().await?;
        let installed = self.release().await?;
        let scripts = Box::pin(observe::scripts(self.target, (&installed.path, &installed.version), Some(&shape)))
            .await
            .map_err(|error| Failed::of(&error))?;
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(shape.clone());
        let scripts = observe::with_histories(self.target, scripts, &shape, &installed.version);
        Ok(Look { scripts: self.as_rehearsed(scripts, &installed).await?, shape })
    }

    async fn find_archive(&self, kind: Kind) -> Result<Option<Label>, Failed> {
        // First the files themselves: a crash right after a seal leaves an archive that the catalogue does not know yet.
        let lines = store::reconcile(&self.ctx.state, self.target).await.map_err(|error| Failed::of(&error))?;
        for line in lines {
            tracing::info!(target = %self.target.name, "{line}");
        }
        let entries = catalogue::list(&self.ctx.state, Some(&self.target.name)).await.map_err(|error| Failed::of(&error))?;
        let mut ours: Vec<_> = entries.into_iter().filter(|entry| self.is_ours(entry, kind)).collect();
        ours.sort_by(|one, other| (other.taken_at, &other.label).cmp(&(one.taken_at, &one.label)));
        for entry in &ours {
            match verify::verify(self.ctx, entry, self.progress).await {
                Ok(entry) if entry.verdict == Verdict::Whole => {
                    store::pin(&self.ctx.state, &entry, &self.mark(), self.ctx.clock.now())
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

    async fn archive(&self, kind: Kind) -> Result<InParts<Label>, Failed> {
        let begun = self.ctx.clock.now();
        // What the data belongs to: before anything changed that is told by its shape, for somebody may have migrated it by hand;
        // afterwards it is what the new release made of it.
        let (release, told_by) = match kind {
            Kind::PreUpgrade => {
                let of = Box::pin(observe::release_of_the_data(self.ctx, self.target)).await;
                let of = of.map_err(|error| Failed::of(&error))?;
                (of.release.map(|(version, _)| version), of.shape)
            }
            _ => (self.plan.newer().map(|release| release.version.clone()), None),
        };
        let request = BackupRequest {
            kind,
            note: Some(self.mark()),
            pin: Some(self.mark()),
            release: release.map(|version| ReleaseNote { version, probe: "upgrade plan".to_owned() }),
            told_by,
        };
        let backup = Box::pin(backup::backup(self.ctx, self.target, &request, self.progress));
        let entry = backup.await.map_err(|error| Failed::of(&error))?;
        let (label, sealed) = (entry.label, TimeDelta::milliseconds(i64::try_from(entry.duration_ms).unwrap_or_default()));
        if kind == Kind::PreUpgrade {
            self.let_superseded_go(&label).await;
        }
        Ok(InParts { what: label, between: begun.checked_add_signed(sealed) })
    }

    async fn compare(&self, label: &Label) -> Result<Compared, Failed> {
        let engine = self.settled().await?;
        let archive = self.opened(label).await?;
        self.progress.phase("comparing", archive.manifest().raw_bytes);
        let compared = Box::pin(engine.compare(&archive, &backup::history_tables(self.target), self.progress)).await;
        compared.map_err(|error| Failed::of(&error))
    }

    async fn ahead_of(&self, earlier: &ReleaseAt) -> Result<Vec<String>, Failed> {
        // A release that replaced its own files is not there to be asked before it is installed again; its start is not allowed then.
        if earlier.path == self.plan.to.path || !earlier.path.is_dir() {
            return Ok(Vec::new());
        }
        let shape = match self.target.product {
            Some(_) => Some(self.shape().await?),
            None => None,
        };
        let asked = Box::pin(observe::scripts(self.target, (&earlier.path, &earlier.version), shape.as_ref())).await;
        let scripts = asked.map_err(|error| Failed::of(&error))?;
        Ok(scripts.map(|scripts| scripts.ahead).unwrap_or_default())
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

    async fn outcome_known(&self, tool: &Tool) -> Result<bool, Failed> {
        self.tool_outcome_known(tool).await
    }

    async fn migrate(&self, begun: Option<&Tool>) -> Result<Migrated, Failed> {
        let Some(settings) = &self.target.migrations else {
            return Ok(Migrated { said: "there are no migrations".to_owned(), applied: None });
        };
        if settings.runner != Runner::Flyway {
            let said = Box::pin(self.run_tool(&settings.runner, begun)).await?;
            return Ok(Migrated { said, applied: None });
        }
        let apply = Box::pin(migrate::apply(&self.target.database, settings, &self.plan.to.path, self.progress));
        let report = apply.await.map_err(|error| Failed { partial: error.error.leaves_part(), ..Failed::of(&error) })?;
        let head = report.head.as_deref().unwrap_or("no version");
        let said = format!("{} applied; the database is at {head}", many(report.applied.len() as u64, "migration"));
        Ok(Migrated { said, applied: Some(report.applied.len()) })
    }

    async fn outlast(&self, tool: Option<&Tool>, step: Step) -> Result<(), Failed> {
        self.outlast_tool(tool, step).await
    }

    async fn restore(&self, label: &Label, kept: Option<&Label>) -> Result<String, Failed> {
        self.settled().await?;
        let restore = Box::pin(restore::restore_archive_for_rollback(self.ctx, self.target, label, kept, self.progress));
        let loaded = restore.await.map_err(|error| Failed::of(&error))?;
        if let (Some(earlier), None) = (self.plan.earlier(), &self.plan.outside) {
            // However the server prints what was restored: it is the earlier release's.
            let shape = self.shape().await?;
            let noted = self.ctx.state.remember_shape(&self.target.name, &shape, &earlier.version).await;
            noted.map_err(|error| Failed::of(&error))?;
        }
        let again = loaded.kept.map(|kept| format!("; what was written meanwhile is in {kept}")).unwrap_or_default();
        Ok(format!("{label} restored: {}, {} compared{again}", many(loaded.tables, "table"), many(loaded.rows, "row")))
    }

    async fn point_back(&self, to: &ReleaseAt) -> Result<(), Failed> {
        let pointed = release::point_back(self.release_settings()?, &to.version, &to.path).await;
        pointed.map(drop).map_err(|error| Failed::of(&error))
    }

    async fn hold(&self, version: &Version, reason: &str) -> Result<(), Failed> {
        let hold = Hold {
            version: Some(version.clone()),
            reason: reason.to_owned(),
            who: super::US.to_owned(),
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
