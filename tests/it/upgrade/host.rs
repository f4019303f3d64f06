//! A host in a directory: releases side by side or in place, a server that is a real process, its database.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use upkeep::archive::manifest::Kind;
use upkeep::clock::Clock as _;
use upkeep::config::{Health, Probe, Release, Runner, Service, ServiceControl, Target};
use upkeep::context::Context;
use upkeep::progress::Progress;
use upkeep::service::{self, ServiceState};
use upkeep::state_db::StateDb;
use upkeep::state_db::catalogue::{self, Entry};
use upkeep::upgrade::{self, Asked, Decision, Ended};

use crate::support::env::{Env, execute, names, texts};
use crate::support::mysql::{Server, name_of};
use crate::support::scripts;

pub(super) const V1: (&str, &str) = ("V1__notes.sql", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);");
pub(super) const V2: (&str, &str) = ("V2__colour.sql", "ALTER TABLE notes ADD COLUMN colour TEXT;");
pub(super) const V3_BAD: (&str, &str) = ("V3__bad.sql", "UPDATE notes SET colour = 'lost'; INSERT INTO nowhere VALUES (1);");

/// The server: a process in the background that says which version it is. It goes wrong on request.
const START: &str = "cd \"$0\" && test -e pid && exit 0; test -e state/gate/notes && touch gate-token; \
                     sleep 600 </dev/null >/dev/null 2>&1 & echo $! > pid.new && cp current/VERSION running && mv pid.new pid";
const STOP: &str = "cd \"$0\" && { test -e pid || exit 0; }; kill $(cat pid); rm -f pid running";
const STATUS: &str = "cd \"$0\" && test -e pid && kill -0 $(cat pid) && exit 0; exit 3";
const HEALTH: &str = "cd \"$0\" && version=$(cat running) && ! test -e sick-$version";

/// How a release that replaces its own files goes back.
pub(super) enum InPlace {
    NoWayBack,
    Revert,
}

pub(super) struct Host {
    pub(super) env: Env,
    pub(super) target: Target,
    in_place: bool,
}

impl Host {
    /// Release 1.0 behind a symlink, in step, its server running, and taken for good.
    pub(super) async fn new() -> Self {
        Box::pin(Self::make(None)).await
    }

    /// The same with a release that replaces its own files.
    pub(super) async fn in_place(way: InPlace) -> Self {
        Box::pin(Self::make(Some(way))).await
    }

    /// The same on a MySQL or MariaDB server.
    pub(super) async fn mysql(server: &Server) -> Self {
        let database = server.fresh();
        let dir = tempfile::tempdir().unwrap();
        let env = Env::of(dir, database.location.clone(), |path| path.join("archives")).await;
        let host = Box::pin(Self::migrated(env, None)).await;
        server.sql(name_of(&database), "INSERT INTO notes VALUES (1, 'first'), (2, 'second')");
        Box::pin(host.begun()).await
    }

    async fn make(way: Option<InPlace>) -> Self {
        let host = Box::pin(Self::migrated(Env::sqlite().await, way)).await;
        execute(&host.env.database(), "INSERT INTO notes (text) VALUES ('first'), ('second')").await;
        Box::pin(host.begun()).await
    }

    async fn begun(self) -> Self {
        service::start(self.target.service.as_ref().unwrap()).await.unwrap();
        self.look().await;
        self
    }

    async fn migrated(env: Env, way: Option<InPlace>) -> Self {
        let root = env.dir.path().to_owned();
        let mut target = env.target.clone();
        let revert = "cd \"$0\" && rm current/sql/V[23]* && echo \"$1\" > current/VERSION";
        let revert = matches!(way, Some(InPlace::Revert))
            .then(|| ["sh", "-c", revert, &root.display().to_string(), "{version}"].map(str::to_owned).to_vec());
        let mut probes = vec![Probe::File("VERSION".into())];
        if way.is_none() {
            probes.push(Probe::Symlink);
        }
        target.release = Some(Release { path: root.join("current"), probes, settle: Duration::ZERO, revert });
        target.migrations = Some(scripts::settings());
        let sh = |script: &str| ["sh", "-c", script, &root.display().to_string()].map(str::to_owned).to_vec();
        target.service = Some(Service {
            control: ServiceControl::Commands { start: sh(START), stop: sh(STOP), status: sh(STATUS) },
            health: vec![Health::Command(sh(HEALTH))],
            healthy_for: Duration::from_millis(10),
            deadline: Duration::from_secs(3),
        });
        target.upgrade.auto = true;
        let host = Self { env, target, in_place: way.is_some() };
        host.install("1.0", &[V1]);
        host.migrate().await;
        host
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.env.clock.now()
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.env.dir.path().join(below)
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        scripts::put(self.env.dir.path(), path, text);
    }

    pub(super) fn touch(&self, name: &str) {
        self.put(name, "");
    }

    pub(super) fn seen(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// A package puts a release on the disk.
    pub(super) fn install(&self, version: &str, migrations: &[(&str, &str)]) {
        let dir = if self.in_place { "current".to_owned() } else { format!("app-{version}") };
        std::fs::remove_dir_all(self.path(&dir)).ok();
        self.put(&format!("{dir}/VERSION"), version);
        for (name, sql) in migrations {
            self.put(&format!("{dir}/sql/{name}"), sql);
        }
        if !self.in_place {
            self.point(version);
        }
    }

    pub(super) fn point(&self, version: &str) {
        std::fs::remove_file(self.path("current")).ok();
        symlink(format!("app-{version}"), self.path("current")).unwrap();
    }

    pub(super) fn probe_libs(&mut self) {
        self.target.release.as_mut().unwrap().probes.push(Probe::Glob("libs/notes-*.jar".to_owned()));
    }

    /// The migrations are a vendor's tool from now on.
    pub(super) fn tool(&mut self, script: &str) {
        self.target.migrations.as_mut().unwrap().runner = Runner::Command {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            directory: Some(self.env.dir.path().to_owned()),
            environment: std::collections::BTreeMap::new(),
            environment_file: None,
            deadline: Duration::from_secs(300),
            user: None,
        };
    }

    pub(super) fn sick(&self, version: &str) {
        self.touch(&format!("sick-{version}"));
    }

    pub(super) fn well(&self, version: &str) {
        std::fs::remove_file(self.path(&format!("sick-{version}"))).unwrap();
    }

    /// Applies what the installed release has, as a server or tool that embeds Flyway would.
    pub(super) async fn migrate(&self) {
        let settings = self.target.migrations.as_ref().unwrap();
        let database = &self.target.database;
        upkeep::migrate::apply(database, settings, &self.path("current"), &Progress::default()).await.unwrap();
    }

    /// What the daemon does on every wake: look, remember, decide.
    pub(super) async fn look(&self) -> upgrade::Observation {
        let seen = upgrade::observe(&self.env.ctx, &self.target).await.unwrap();
        upgrade::remember_release(&self.env.ctx, &self.target, &seen).await.unwrap();
        seen
    }

    /// The decision in words.
    pub(super) async fn decision(&self, asked: Asked) -> String {
        match upgrade::decide(&self.look().await, asked, self.now()) {
            Decision::Nothing(why) => format!("nothing: {why}"),
            Decision::Adopt(plan) => format!("adopt: {}", plan.headline()),
            Decision::Plan(plan) => format!("plan: {}", plan.headline()),
            Decision::Refuse(refusals) => {
                format!("refuse: {}", refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            }
        }
    }

    /// Plans and begins.
    pub(super) async fn begin(&self) {
        let decision = upgrade::decide(&self.look().await, Asked::ByPerson, self.now());
        let Decision::Plan(plan) = decision else { panic!("no plan: {decision:?}") };
        upgrade::begin(&self.env.ctx, *plan).await.unwrap();
    }

    pub(super) async fn drive(&self) -> Ended {
        upgrade::drive(&self.env.ctx, &self.target, &Progress::default(), &CancellationToken::new()).await.unwrap()
    }

    pub(super) async fn upgrade(&self) -> Ended {
        self.begin().await;
        self.drive().await
    }

    /// The context a process that starts later has.
    pub(super) async fn reopened(&self) -> Context {
        let state = StateDb::open(&self.env.ctx.config.daemon.state_dir).await.unwrap();
        Context { state, ..self.env.ctx.clone() }
    }

    /// The version that serves, if one does.
    pub(super) async fn serving(&self) -> Option<String> {
        match service::status(self.target.service.as_ref().unwrap()).await {
            ServiceState::Running => Some(std::fs::read_to_string(self.path("running")).unwrap().trim().to_owned()),
            ServiceState::Stopped => None,
            ServiceState::Unknown(why) => panic!("{why}"),
        }
    }

    /// Waits until that version serves.
    pub(super) async fn when_serving(&self, version: &str) {
        self.when(|| std::fs::read_to_string(self.path("running")).is_ok_and(|running| running.trim() == version)).await;
    }

    pub(super) async fn when_there(&self, name: &str) {
        self.when(|| self.path(name).exists()).await;
    }

    async fn when(&self, answer: impl Fn() -> bool) {
        for _ in 0..2000 {
            if answer() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it did not come");
    }

    pub(super) async fn rows(&self) -> Vec<String> {
        texts(&self.env.database(), "SELECT text FROM notes ORDER BY id").await
    }

    pub(super) async fn columns(&self) -> Vec<String> {
        texts(&self.env.database(), "SELECT name FROM pragma_table_info('notes')").await
    }

    /// The archives of a kind, oldest first.
    pub(super) async fn archives(&self, kind: Kind) -> Vec<Entry> {
        let mut entries = catalogue::list(&self.env.ctx.state, Some(&self.target.name)).await.unwrap();
        entries.retain(|entry| entry.kind == kind);
        entries.sort_by_key(|entry| entry.taken_at);
        entries
    }

    /// The notes in an archive, read by stock means: decompressed, it is a database.
    pub(super) async fn texts_in(&self, entry: &Entry) -> Vec<String> {
        let image = self.path("image.db");
        let mut input = zstd::Decoder::new(std::fs::File::open(&entry.path).unwrap()).unwrap();
        std::io::copy(&mut input, &mut std::fs::File::create(&image).unwrap()).unwrap();
        texts(&image, "SELECT text FROM notes ORDER BY id").await
    }

    /// Recovery notes beside the archives.
    pub(super) fn notes_for_recovery(&self) -> Vec<String> {
        let mut files = names(&self.target.backup.directory);
        files.retain(|name| name.starts_with("RECOVERY"));
        files
    }
}

impl Drop for Host {
    /// The server ends with its host.
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(Path::new(self.env.dir.path()).join("pid")).ok();
        let pid = pid.and_then(|pid| pid.trim().parse().ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
    }
}
