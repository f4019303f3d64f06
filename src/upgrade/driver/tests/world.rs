//! A small world for the driver: a database that is a number of migrations and a list of writes, a server that writes when
//! it starts, archives that are copies. Any call may fail, or never return.

mod hands;
pub(super) mod key;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::super::{Ended, drive};
use crate::archive::manifest::Kind;
use crate::engine::Compared;
use crate::failure::Class;
use crate::ids::{Label, TargetName, UpgradeId};
use crate::service::ServiceState;
use crate::service::tool::ToolRun;
use crate::shape::{Applied, History, Shape};
use crate::upgrade::UpgradeError;
use crate::upgrade::hands::{Hands, Look, Migrated};
use crate::upgrade::plan::{AfterFailure, Applies, Back, FORMAT, Plan, Purpose, Scripts, forward};
use crate::upgrade::state::{Direction, Event, Failed, ReleaseAt, Settle, State, Step, Tool};
use crate::version::Version;

/// Every call that may be made to fail.
pub(super) const CALLS: [&str; 20] = [
    "release",
    "ready",
    "stop",
    "start:1.0",
    "start:2.0",
    "healthy:1.0",
    "healthy:2.0",
    "look",
    "find:pre-upgrade",
    "archive:pre-upgrade",
    "archive:failed-state",
    "migrate",
    "migrate-half",
    "migrate-second",
    "restore",
    "point-back",
    "hold",
    "find:failed-state",
    "compare",
    "ahead",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Db {
    pub(super) migrations: usize,
    /// A migration was begun, and some of its statements are in effect.
    pub(super) half: bool,
    pub(super) writes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Before,
    After,
}

#[derive(Debug, Clone)]
pub(super) struct Fault {
    call: String,
    times: u32,
    transient: bool,
    class: Class,
}

impl Fault {
    pub(super) fn always(call: &str) -> Self {
        Self::failing(call, u32::MAX)
    }
    pub(super) fn failing(call: &str, times: u32) -> Self {
        Self { call: call.to_owned(), times, transient: false, class: Class::Unavailable }
    }
    pub(super) fn passing(call: &str, times: u32) -> Self {
        Self { transient: true, ..Self::failing(call, times) }
    }
    /// One that stays, however often it is tried.
    pub(super) fn lasting(call: &str) -> Self {
        Self { class: Class::Data, ..Self::always(call) }
    }
}

type Hook = Box<dyn FnOnce(&mut Inner) + Send>;

pub(super) struct Inner {
    plan: Plan,
    installed: ReleaseAt,
    db: Db,
    server: Option<Version>,
    archives: Vec<(Kind, Label, Db)>,
    holds: Vec<String>,
    journal: Vec<Event>,
    written: Vec<String>,
    pauses: Vec<Duration>,
    calls: usize,
    kill: Option<(usize, Cut)>,
    deadly: Option<String>,
    faults: Vec<Fault>,
    hooks: BTreeMap<String, Hook>,
    /// A tool that outlived the run that began it.
    pub(super) tool: Option<u32>,
    /// The tool that the last call of `migrate` was told of.
    pub(super) begun: Option<Tool>,
    /// Whether what runs goes on without us.
    pub(super) handed: bool,
    /// Whether it is known how a tool of an earlier run ended.
    pub(super) outcome_known: bool,
    /// Somebody connects, writes and leaves right before this call.
    write_at: Option<usize>,
    /// Whether somebody else wrote, or started the server.
    disturbed: bool,
    /// What the journal added up to before its first event here; nothing for a whole one.
    base: State,
    /// The names of the calls of this run.
    pub(super) called: Vec<String>,
    /// What is to happen at one call of this run, counted from 1.
    pub(super) twist: Option<(usize, Twist)>,
    pub(super) others: Others,
    /// What upkeep did that it must never do.
    wrong: Vec<String>,
}

/// What others have a hand in since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Others {
    pub(super) rows: bool,
    /// Since the newest archive, while nothing was driven.
    pub(super) unseen: bool,
    pub(super) server: bool,
    pub(super) release: bool,
    pub(super) database: bool,
}

/// What happens at a call, once.
#[derive(Clone, Copy)]
pub(super) enum Twist {
    /// It fails, and has had no effect or all of it.
    Fails { failure: fn(&str) -> Failed, after: bool },
    /// Somebody acts right before it.
    Act(fn(&mut Inner)),
}

impl Inner {
    pub(super) fn install(&mut self, version: &str) {
        self.installed = at(version);
    }

    /// The installed release is damaged: nothing can be read of it until another one is installed.
    pub(super) fn damage(&mut self) {
        self.faults.push(Fault::always("release"));
    }

    /// Takes an archive.
    fn take(&mut self, kind: Kind) -> Label {
        let label = Label::parse(&format!("{kind}-{}-0", self.archives.len() + 1)).unwrap();
        self.archives.push((kind, label.clone(), self.db.clone()));
        self.others.unseen = false;
        label
    }

    pub(super) fn migrations(&self) -> usize {
        self.db.migrations
    }

    pub(super) fn stop(&mut self) {
        self.server = None;
    }

    /// Somebody who is not the server writes.
    pub(super) fn write(&mut self) {
        let write = format!("write {} of somebody", self.written.len());
        self.written.push(write.clone());
        self.db.writes.push(write);
        self.disturbed = true;
    }

    /// Somebody starts the installed server by hand, which serves and writes.
    pub(super) fn serve(&mut self) {
        self.write();
        self.start();
    }

    /// Another upkeep applies what is pending.
    pub(super) fn migrate_elsewhere(&mut self) {
        self.db.migrations = known("2.0");
        self.write();
    }

    /// The journal is an earlier copy of itself.
    pub(super) fn forget_after(&mut self, events: usize) {
        self.journal.truncate(events);
        self.disturbed = true;
    }

    /// The vendor's tool that goes on without us does its next part.
    pub(super) fn tool_goes_on(&mut self) {
        if self.tool.is_some() {
            self.migrate_on();
        }
    }

    pub(super) fn tool_ends(&mut self) {
        self.tool = None;
    }

    /// The next part of the migrations: each of its own, the second in two that no transaction holds together.
    pub(super) fn migrate_on(&mut self) {
        match (self.db.migrations, self.db.half) {
            (1, _) => self.db.migrations = 2,
            (2, false) => self.db.half = true,
            (2, true) => (self.db.migrations, self.db.half) = (3, false),
            _ => {}
        }
    }

    /// Whoever goes on with what another began sees to it that what he changes for good is archived.
    fn is_archived(&mut self) {
        let archived = self.archives.iter().rev().find(|(kind, _, _)| *kind == Kind::PreUpgrade).map(|(_, _, db)| db);
        if self.others.unseen && archived.is_some_and(|archived| *archived != self.db) {
            self.wrong.push("what is changed for good is not what was archived".to_owned());
        }
    }

    /// The installed server starts: it writes, and migrates itself where that is how the product does it.
    pub(super) fn start(&mut self) {
        let version = self.installed.version.clone();
        if version.as_str() == "2.0" {
            if self.plan.applies == Applies::Server {
                self.db.migrations = known("2.0");
            }
            let write = format!("write {} of 2.0", self.written.len());
            self.written.push(write.clone());
            self.db.writes.push(write);
        }
        self.server = Some(version);
    }
}

#[derive(Clone)]
pub(super) struct World(Arc<Mutex<Inner>>);

fn at(version: &str) -> ReleaseAt {
    ReleaseAt { version: Version::parse(version).unwrap(), path: format!("/srv/app-{version}").into() }
}

fn known(version: &str) -> usize {
    if version == "1.0" { 1 } else { 3 }
}

fn shape(db: &Db) -> Shape {
    let applied = (1..=db.migrations).map(|number| Applied {
        rank: i64::try_from(number).unwrap(),
        version: Some(number.to_string()),
        description: "m".to_owned(),
        kind: "SQL".to_owned(),
        script: format!("V{number}__m.sql"),
        checksum: None,
        success: true,
    });
    let half = Applied { success: false, rank: 99, ..applied.clone().next().unwrap() };
    let applied = applied.chain(db.half.then_some(half));
    let history = History { tool: "flyway".to_owned(), table: "flyway_schema_history".to_owned(), applied: applied.collect() };
    Shape { histories: vec![history], fingerprint: Some(format!("shape {}", db.migrations)) }
}

pub(super) fn plan(applies: Applies) -> Plan {
    let old = Db { migrations: 1, half: false, writes: Vec::new() };
    Plan {
        format: FORMAT,
        target: TargetName::parse("notes").unwrap(),
        purpose: Purpose::Upgrade,
        from: Some(at("1.0")),
        to: at("2.0"),
        back: Back::Symlink,
        applies,
        pending: vec!["2 m".to_owned(), "3 m".to_owned()],
        before: shape(&old),
        direction: Direction::Forward,
        steps: forward(applies),
        after_failure: AfterFailure::PutBack,
        attempts: 3,
        release_path: "/srv/app".into(),
        service: "notes.service".to_owned(),
        outside: None,
    }
}

pub(super) fn rollback_plan(world: &World) -> Plan {
    let committed = world.plan();
    let archive = world.state().archive.unwrap();
    let of = UpgradeId::parse("notes-2.0-x").unwrap();
    Plan {
        purpose: Purpose::Rollback { of, archive },
        from: Some(at("2.0")),
        to: at("1.0"),
        direction: Direction::Back,
        steps: [Step::StopNew, Step::KeepFailed, Step::Restore, Step::PointBack, Step::StartOld, Step::HealthyOld, Step::Hold]
            .to_vec(),
        ..committed
    }
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let planned = Event::Planned { direction: plan.direction, steps: plan.steps.clone() };
        // A release that carries no migrations knows exactly what the database has.
        let migrations = if plan.applies == Applies::Nobody { known("2.0") } else { 1 };
        let db = Db { migrations, half: false, writes: vec!["old".to_owned()] };
        let plan = Plan { before: shape(&db), ..plan };
        Self(Arc::new(Mutex::new(Inner {
            installed: plan.to.clone(),
            plan,
            db,
            server: Some(Version::parse("1.0").unwrap()),
            archives: Vec::new(),
            holds: Vec::new(),
            journal: vec![planned],
            written: vec!["old".to_owned()],
            pauses: Vec::new(),
            calls: 0,
            kill: None,
            deadly: None,
            faults: Vec::new(),
            hooks: BTreeMap::new(),
            tool: None,
            begun: None,
            handed: false,
            outcome_known: false,
            write_at: None,
            disturbed: false,
            base: State::default(),
            called: Vec::new(),
            twist: None,
            others: Others::default(),
            wrong: Vec::new(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// A copy that goes its own way.
    pub(super) fn fork(&self) -> Self {
        let inner = self.inner();
        Self(Arc::new(Mutex::new(Inner {
            plan: inner.plan.clone(),
            installed: inner.installed.clone(),
            db: inner.db.clone(),
            server: inner.server.clone(),
            archives: inner.archives.clone(),
            holds: inner.holds.clone(),
            journal: inner.journal.clone(),
            written: inner.written.clone(),
            pauses: Vec::new(),
            calls: 0,
            kill: None,
            deadly: None,
            faults: inner.faults.clone(),
            hooks: BTreeMap::new(),
            tool: inner.tool,
            begun: None,
            handed: inner.handed,
            outcome_known: inner.outcome_known,
            write_at: None,
            disturbed: inner.disturbed,
            base: inner.base.clone(),
            called: Vec::new(),
            twist: None,
            others: inner.others,
            wrong: inner.wrong.clone(),
        })))
    }

    pub(super) fn begin(&self, plan: Plan) {
        let mut inner = self.inner();
        inner.journal = vec![Event::Planned { direction: plan.direction, steps: plan.steps.clone() }];
        inner.plan = plan;
    }

    /// Drives until it returns; none when it was killed.
    pub(super) fn drive(&self) -> Option<Ended> {
        self.drive_until(&CancellationToken::new())
    }

    pub(super) fn drive_until(&self, stop: &CancellationToken) -> Option<Ended> {
        let (plan, state) = (self.plan(), self.state());
        let ended = drive(self, &plan, state, stop).now_or_never();
        if ended.is_none() {
            self.inner().kill = None;
        }
        ended.map(Result::unwrap)
    }

    pub(super) fn kill_at(&self, call: usize, cut: Cut) {
        let mut inner = self.inner();
        inner.kill = Some((inner.calls + call, cut));
    }

    pub(super) fn kill_in(&self, call: &str) {
        self.inner().deadly = Some(call.to_owned());
    }

    pub(super) fn spare(&self) {
        self.inner().kill = None;
    }

    pub(super) fn write_at(&self, call: usize) {
        let mut inner = self.inner();
        inner.write_at = Some(inner.calls + call);
    }

    pub(super) fn disturbed(&self) -> bool {
        self.inner().disturbed
    }

    /// Drives as a daemon does: again and again while it only waits for a cause to pass; at most this often.
    pub(super) fn drive_on(&self, times: usize) -> Ended {
        let mut ended = self.drive().unwrap();
        for _ in 1..times {
            if !matches!(ended, Ended::Waiting { .. }) {
                break;
            }
            ended = self.drive().unwrap();
        }
        ended
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.inner().faults.push(fault);
    }

    pub(super) fn mend(&self, call: &str) {
        let mut inner = self.inner();
        inner.faults.retain(|fault| fault.call != call);
        inner.deadly = None;
    }

    pub(super) fn on(&self, call: &str, hook: impl FnOnce(&mut Inner) + Send + 'static) {
        self.inner().hooks.insert(call.to_owned(), Box::new(hook));
    }

    /// Somebody acts while nothing is driven.
    pub(super) fn meddle(&self, act: impl FnOnce(&mut Inner)) {
        act(&mut self.inner());
    }

    pub(super) fn say(&self, settle: Settle) {
        self.inner().journal.push(Event::Said { settle, who: "root".to_owned(), release: None });
    }

    pub(super) fn plan(&self) -> Plan {
        self.inner().plan.clone()
    }

    pub(super) fn state(&self) -> State {
        let inner = self.inner();
        inner.journal.iter().try_fold(inner.base.clone(), State::apply).unwrap()
    }

    pub(super) fn journal(&self) -> Vec<Event> {
        self.inner().journal.clone()
    }

    pub(super) fn calls(&self) -> usize {
        self.inner().calls
    }

    pub(super) fn pauses(&self) -> Vec<Duration> {
        self.inner().pauses.clone()
    }

    pub(super) fn db(&self) -> Db {
        self.inner().db.clone()
    }

    pub(super) fn old_db(&self) -> Db {
        let migrations = if self.inner().plan.applies == Applies::Nobody { known("2.0") } else { 1 };
        Db { migrations, half: false, writes: vec!["old".to_owned()] }
    }

    pub(super) fn shape(&self) -> Shape {
        shape(&self.inner().db)
    }

    pub(super) fn known(&self, version: &str) -> usize {
        known(version)
    }

    pub(super) fn server(&self) -> Option<String> {
        self.inner().server.as_ref().map(ToString::to_string)
    }

    pub(super) fn installed(&self) -> String {
        self.inner().installed.version.to_string()
    }

    pub(super) fn holds(&self) -> Vec<String> {
        self.inner().holds.clone()
    }

    pub(super) fn written(&self) -> Vec<String> {
        self.inner().written.clone()
    }

    /// Whether a write is in the database or in an archive.
    pub(super) fn keeps(&self, write: &String) -> bool {
        let inner = self.inner();
        inner.db.writes.contains(write) || inner.archives.iter().any(|(_, _, db)| db.writes.contains(write))
    }

    pub(super) fn archives(&self, kind: Kind) -> Vec<Db> {
        self.inner().archives.iter().filter(|(of, _, _)| *of == kind).map(|(_, _, db)| db.clone()).collect()
    }

    /// One call: dies before it, fails, or has its effect and dies after it.
    async fn call<T>(&self, name: &str, effect: impl FnOnce(&mut Inner) -> T) -> Result<T, Failed> {
        let (number, die) = {
            let mut inner = self.inner();
            inner.calls += 1;
            inner.called.push(name.to_owned());
            let number = inner.calls;
            if inner.write_at == Some(number) {
                inner.write();
            }
            if let Some((at, Twist::Act(act))) = inner.twist
                && at == number
            {
                act(&mut inner);
            }
            (number, inner.kill == Some((number, Cut::Before)) || inner.deadly.as_deref() == Some(name))
        };
        if die {
            let hook = self.inner().hooks.remove(&format!("{name} dies"));
            if let Some(hook) = hook {
                hook(&mut self.inner());
            }
            std::future::pending::<()>().await;
        }
        let (value, die) = {
            let mut inner = self.inner();
            let twist = match inner.twist {
                Some((at, Twist::Fails { failure, after })) if at == number => Some((failure(name), after)),
                _ => None,
            };
            let fault = inner.faults.iter_mut().find(|fault| fault.call == name && fault.times > 0);
            let value = match fault {
                _ if twist.is_some() => {
                    let (failed, after) = twist.unwrap();
                    if after {
                        effect(&mut inner);
                    }
                    Err(failed)
                }
                Some(fault) => {
                    fault.times = fault.times.saturating_sub(u32::from(fault.times != u32::MAX));
                    Err(Failed { transient: fault.transient, ..Failed::new(fault.class, format!("{name} failed")) })
                }
                None => {
                    let value = effect(&mut inner);
                    if let Some(hook) = inner.hooks.remove(name) {
                        hook(&mut inner);
                    }
                    Ok(value)
                }
            };
            (value, inner.kill == Some((number, Cut::After)))
        };
        if die {
            std::future::pending::<()>().await;
        }
        value
    }
}
