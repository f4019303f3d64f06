//! Random upgrades under random blows: releases of every kind dropped in beside a daemon, while daemon, database server and the
//! vendor's tool are killed, stopped, held up and started again, and somebody writes all the time.
//!
//! After each upgrade: it ended, the database is wholly at one of the two versions, the release of that version serves, and
//! every row whose commit was acknowledged is in the database or in an archive. None ends stuck: no blow is more than what
//! passes by itself.
//!
//! `TEST_RANDOM_UPGRADES` says how many, `TEST_RANDOM_SEED` with which seed; each run prints its own. Otherwise there are a few, the same
//! each time: every kind of release and every kind of blow once, and chance has only the pauses.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use upkeep::config::Migrations;
use upkeep::migrate;

use crate::support::daemon::{Running, ask};
use crate::support::held::{gate, hold};
use crate::support::mysql::{Server, Which, mortal_server};
use crate::support::postgres::mortal_cluster;
use crate::support::scripts;
use crate::support::servers::Mortal;
use crate::support::wait::until_within;
use crate::support::world::{Db, World, text};
use crate::support::writer::Writer;

/// The seed of the pauses in what every run of the tests makes.
const USUAL: u64 = 21;

/// How long an upgrade may take with everything that happens to it.
const BOUND: Duration = Duration::from_secs(900);

#[test]
fn sqlite() {
    tell(Db::Sqlite, None);
}

#[test]
fn postgresql() {
    if let Some((cluster, mortal)) = mortal_cluster("-random") {
        tell(Db::Postgres(cluster), Some(mortal));
    }
}

#[test]
fn mariadb() {
    if let Some((server, mortal)) = mortal_server(Which::MariaDb) {
        tell(Db::MySql(server), Some(mortal));
    }
}

#[test]
fn mysql() {
    if let Some((server, mortal)) = mortal_server(Which::MySql) {
        tell(Db::MySql(server), Some(mortal));
    }
}

/// The server: lives as long as its release says. Who looks for its process would still find one that nobody has buried, so it takes
/// the file that names it along.
const SERVER: &str = "trap 'kill $p; exit' TERM\nsleep \"$(cat current/lives)\" & p=$!\nwait $p\nrm -f run/pid\n";

/// What is wrong with a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    Good,
    /// One statement a script, three of them.
    Several,
    /// The second of its scripts fails, behind a statement that went through.
    Failing,
    NeverHealthy,
    /// Its server ends at once.
    Crashing,
}

const RELEASES: [Release; 7] = [
    Release::Good,
    Release::Several,
    Release::Good,
    Release::Failing,
    Release::NeverHealthy,
    Release::Several,
    Release::Crashing,
];

#[derive(Debug, Clone, Copy)]
enum Blow {
    Nothing,
    KillDaemon,
    StopDaemon,
    KillServer,
    RestartServer,
    HoldServer,
    /// The vendor's tool, where one runs: alone, so that what it has begun goes on for a while, or with all that it has begun.
    EndTool(Signal, Whom),
}

#[derive(Debug, Clone, Copy)]
enum Whom {
    Alone,
    Group,
}

/// What falls on an upgrade of our own runner.
const BLOWS: [Blow; 8] = [
    Blow::Nothing,
    Blow::KillDaemon,
    Blow::StopDaemon,
    Blow::KillDaemon,
    Blow::KillServer,
    Blow::KillServer,
    Blow::RestartServer,
    Blow::HoldServer,
];

/// What falls on one of the vendor's tool.
const BLOWS_WITH_A_TOOL: [Blow; 10] = [
    Blow::Nothing,
    Blow::KillDaemon,
    Blow::StopDaemon,
    Blow::KillServer,
    Blow::RestartServer,
    Blow::HoldServer,
    Blow::EndTool(Signal::KILL, Whom::Alone),
    Blow::EndTool(Signal::KILL, Whom::Group),
    Blow::EndTool(Signal::TERM, Whom::Alone),
    Blow::EndTool(Signal::TERM, Whom::Group),
];

/// One of the few: its release, who applies the migrations, and what falls on it.
type Few = (Release, Runner, &'static [Blow]);

/// What every run of the tests makes. Where the vendor's tool is to be ended it is known where it stands: between two of its statements,
/// where it waits, and what comes before its end falls there as well. Everything else falls where chance has it.
const FEW: [Few; 5] = [
    (Release::Several, Runner::Ours, &[Blow::KillDaemon, Blow::KillServer]),
    (Release::Failing, Runner::Tool, &[Blow::KillServer, Blow::EndTool(Signal::KILL, Whom::Alone), Blow::StopDaemon]),
    (Release::Crashing, Runner::Tool, &[Blow::KillDaemon, Blow::EndTool(Signal::TERM, Whom::Group)]),
    (Release::NeverHealthy, Runner::Tool, &[Blow::EndTool(Signal::KILL, Whom::Group), Blow::RestartServer]),
    (Release::Good, Runner::Tool, &[Blow::HoldServer, Blow::EndTool(Signal::TERM, Whom::Alone)]),
];

/// Who applies the migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// We do.
    Ours,
    /// A tool of the vendor's.
    Tool,
}

/// The vendor's tool: one statement after the other in a session of its own, each migration's row in the history behind it, so that
/// whoever ends it finds half a migration; it goes on behind the last whole one.
const TOOL: &str = "echo $$ > run/tool\n\
    done=$(client 'SELECT max(installed_rank) FROM flyway_schema_history') || exit 1\n\
    for file in current/tool/*.sql; do\n\
        number=${file##*/}; number=$((1${number%%_*} - 1000))\n\
        [ $number -gt $done ] || continue\n\
        sleep 0.1\n\
        client \"$(cat $file)\" || exit 1\n\
        while [ -e run/hold ]; do : > run/held; sleep 0.05; done\n\
    done\n";

/// Where it stands.
struct Tale {
    world: World,
    server: Option<Mortal>,
    daemon: Option<Running>,
    chance: fastrand::Rng,
    /// The configuration with our own runner, and whose is in effect.
    config: String,
    runner: Runner,
    /// The version that serves, and its scripts.
    version: u32,
    scripts: Vec<(String, String)>,
    columns: Vec<String>,
    /// How often a blow fell, and how often it ended the vendor's tool.
    blows: u32,
    tools_ended: u32,
    /// Milliseconds a server is away at the most.
    away: u64,
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn tell(db: Db, server: Option<Mortal>) {
    let rounds = variable("TEST_RANDOM_UPGRADES");
    // A short run is the same each time; a long one is for what nobody thought of.
    let chance = || if rounds.is_some() { fastrand::u64(..1 << 32) } else { USUAL };
    let seed = variable("TEST_RANDOM_SEED").unwrap_or_else(chance);
    // Past what captures a test's output: whoever reads the run wants to tell it again.
    let mut told = std::io::stderr();
    writeln!(told, "{db}: random upgrades with TEST_RANDOM_SEED={seed}").unwrap();
    let away = if rounds.is_some() { 60_000 } else { 2_000 };
    let mut tale = Tale::begin(db, server, fastrand::Rng::with_seed(seed), away);
    if let Db::MySql(server) = db {
        a_read_only_server_is_known_beforehand(&tale.world, server);
    }
    let (mut committed, mut back) = (0, 0);
    let upgrades: Vec<Option<&Few>> =
        rounds.map_or_else(|| FEW.iter().map(Some).collect(), |rounds| (0..rounds).map(|_| None).collect());
    for few in upgrades {
        if tale.upgrade(few) { committed += 1 } else { back += 1 }
    }
    if rounds.is_none() {
        tale.a_server_that_stays_away_is_waited_for();
    }
    let (blows, tools) = (tale.blows, tale.tools_ended);
    if rounds.is_none() {
        assert_eq!((blows, tools), (11, 4), "every blow of the few fell");
    }
    tale.daemon.take().unwrap().stop_and_tell();
    writeln!(
        told,
        "{db}: {committed} upgrades committed, {back} rolled back, under {blows} blows, {tools} of them to the vendor's tool"
    )
    .unwrap();
}

/// Migrations do not begin on a server that takes none, with an archive taken for them: whether there is a history yet or not.
fn a_read_only_server_is_known_beforehand(world: &World, server: &Server) {
    let (root, user) = (world.root().join("releases/1.1.0"), format!("plain_{}", world.home().name));
    let settings = Migrations { locations: vec!["migrations".to_owned()], ..scripts::settings() };
    let empty = server.fresh_name();
    server.sql("", &format!("CREATE DATABASE {empty}"));
    server.user(&user, &world.home().name, "ALL");
    server.sql("", &format!("GRANT ALL ON `{empty}`.* TO '{user}'@'%'"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = migrate::Selection::default();
    for read_only in [true, false] {
        server.sql("", &format!("SET GLOBAL read_only = {}", u8::from(read_only)));
        for name in [&world.home().name, &empty] {
            let database = server.database_as(name, &user);
            let foreseen = runtime.block_on(migrate::foresee(&database, &settings, &root, &migrate::Intent::Apply(&all)));
            assert_eq!(matches!(foreseen, Err(migrate::MigrateError::MayNot { .. })), read_only, "{name}: {foreseen:?}");
            assert_eq!(matches!(foreseen, Ok(migrate::Foreseen::Changes)), !read_only, "{name}: {foreseen:?}");
        }
    }
}

impl Tale {
    fn begin(db: Db, server: Option<Mortal>, chance: fastrand::Rng, away: u64) -> Self {
        let world = World::new(db);
        let config = std::fs::read_to_string(world.config()).unwrap();
        let config = config.replace("[ $(cat run/serving) != releases/1.3.0 ]", "! test -e $(cat run/serving)/sick");
        let config = config.replace("(sleep 600 ", "(sh serve ");
        // A long run is for a night in which the machine has other work as well.
        let deadline = if away > 2_000 { "\"5s\"" } else { "\"1s\"" };
        // A server that ends at once may have been asked before its end.
        let config = config.replace("healthy_for = \"0s\"", "healthy_for = \"300ms\"").replace("\"200ms\"", deadline);
        std::fs::write(world.config(), &config).unwrap();
        std::fs::write(world.root().join("serve"), SERVER).unwrap();
        std::fs::write(world.root().join("tool"), format!("client() {{ {}; }}\n{TOOL}", client(&world))).unwrap();
        std::fs::write(world.root().join("releases/1.0.0/lives"), "6000").unwrap();
        let script = std::fs::read_to_string(world.root().join("releases/1.0.0/migrations/V1__init.sql")).unwrap();
        world.start_server();
        // It remembers the release that serves: where the first new one comes before the daemon has looked, there is none to go back to.
        let backup = world.run(&["backup", "notes"]);
        assert!(backup.status.success(), "{}", text(&backup));
        let daemon = Some(world.daemon());
        let scripts = vec![("V1__init.sql".to_owned(), script)];
        Self {
            world,
            server,
            daemon,
            chance,
            config,
            runner: Runner::Ours,
            version: 0,
            scripts,
            columns: vec!["id".to_owned(), "body".to_owned()],
            blows: 0,
            tools_ended: 0,
            away,
        }
    }

    /// One release dropped in, one of the few or as chance has it; whether it was taken.
    fn upgrade(&mut self, few: Option<&Few>) -> bool {
        let (release, runner, blows) = match few {
            Some((release, runner, blows)) => (*release, *runner, blows.to_vec()),
            None => self.any(),
        };
        let next = self.next_version();
        let (scripts, columns) = self.release(release, next);
        self.take_runner(runner);
        let known: BTreeSet<PathBuf> = self.archives().into_iter().collect();
        let before = self.rows();
        let writer = Writer::begin(self.world.home());
        let waits = few.is_some() && blows.iter().any(|blow| matches!(blow, Blow::EndTool(..)));
        if waits {
            self.have_the_tool_wait();
        }
        self.world.install(&format!("1.0.{next}"));
        if waits {
            let held = self.held();
            until_within(BOUND, "the vendor's tool stands between two statements", || held.exists());
        }
        for blow in blows {
            self.strike(blow);
        }
        let committed = self.end_of(next, release);
        let written = writer.end();
        if committed {
            assert!(matches!(release, Release::Good | Release::Several), "1.0.{next} is {release:?}");
            (self.version, self.scripts, self.columns) = (next, scripts, columns);
        }
        self.is_whole(next);
        self.nothing_is_lost(&before, &written, &known, committed);
        committed
    }

    /// The database's server goes in the middle of a migration, and comes back when that is a problem and an alarm: the upgrade comes to its
    /// end by itself.
    fn a_server_that_stays_away_is_waited_for(&mut self) {
        let Some(server) = self.server.take() else { return };
        self.runner = Runner::Ours;
        let root = self.world.root();
        let (told, fifo) = (root.join("told"), root.join("held-in-the-middle"));
        let alarms = format!("[alarms]\nafter = \"0s\"\ncommand = [\"sh\", \"-c\", \"cat >> {}\"]\n", told.display());
        std::fs::write(self.world.config(), format!("{}\n{alarms}", self.config)).unwrap();
        let mut daemon = self.daemon.take().unwrap();
        daemon.signal(Signal::TERM);
        daemon.ends();
        let next = self.next_version();
        self.release(Release::Several, next);
        let mut command = self.world.command(&["daemon"]);
        hold(&mut command, &format!("migrate.after.V{}", self.scripts.len() + 1), &fifo);
        self.daemon = Some(Running::run(command, &root, root.join("state/upkeep.sock")));
        let before = self.rows();
        let known: BTreeSet<PathBuf> = self.archives().into_iter().collect();
        self.world.install(&format!("1.0.{next}"));
        let held = gate("the first of its scripts is applied", &fifo, || false);
        server.end(Signal::KILL);
        drop(held);
        let words = "cannot continue yet and will be tried again";
        until_within(BOUND, "it is a problem", || {
            let target = ask(self.daemon.as_ref().unwrap().socket(), "GET", "/v1/targets/notes", "").unwrap().json();
            target["problems"].to_string().contains(words)
        });
        until_within(BOUND, "it is an alarm", || std::fs::read_to_string(&told).is_ok_and(|alarms| alarms.contains(words)));
        server.begin();
        assert!(!self.end_of(next, Release::Several), "it was on its way back");
        self.is_whole(next);
        self.nothing_is_lost(&before, &BTreeSet::new(), &known, false);
    }

    /// An upgrade as chance has it.
    fn any(&mut self) -> (Release, Runner, Vec<Blow>) {
        let release = *self.chance.choice(&RELEASES).unwrap();
        let (runner, blows) =
            if self.chance.bool() { (Runner::Ours, &BLOWS[..]) } else { (Runner::Tool, &BLOWS_WITH_A_TOOL[..]) };
        let blows = (0..self.chance.u32(0..3)).map(|_| *self.chance.choice(blows).unwrap()).collect();
        (release, runner, blows)
    }

    /// Has the vendor's tool wait behind the first of its statements, and say so.
    fn have_the_tool_wait(&self) {
        std::fs::remove_file(self.held()).ok();
        std::fs::write(self.hold(), "").unwrap();
    }

    /// The file by which it says so.
    fn held(&self) -> PathBuf {
        self.world.root().join("run/held")
    }

    /// The file at which the vendor's tool waits between two statements.
    fn hold(&self) -> PathBuf {
        self.world.root().join("run/hold")
    }

    /// Has somebody apply the migrations, now this one and now that.
    fn take_runner(&mut self, runner: Runner) {
        if runner == self.runner {
            return;
        }
        self.runner = runner;
        let command =
            format!("runner = \"command\"\ncommand = [\"sh\", \"tool\"]\ndirectory = \"{}\"", self.world.root().display());
        let config = match runner {
            Runner::Ours => self.config.clone(),
            Runner::Tool => self.config.replace("runner = \"flyway\"", &command),
        };
        std::fs::write(self.world.config(), config).unwrap();
        self.daemon_again(Signal::TERM);
    }

    fn next_version(&self) -> u32 {
        let releases = std::fs::read_dir(self.world.root().join("releases")).unwrap().flatten();
        let versions = releases.filter_map(|entry| entry.file_name().to_str()?.strip_prefix("1.0.")?.parse::<u32>().ok());
        versions.max().unwrap_or(0) + 1
    }

    /// Puts a release on the disk; gives its scripts, and what the notes' columns are with it.
    fn release(&self, release: Release, version: u32) -> (Vec<(String, String)>, Vec<String>) {
        let (mut scripts, mut columns) = (self.scripts.clone(), self.columns.clone());
        let first = scripts.len() + 1;
        let more = if release == Release::Several { 3 } else { 1 };
        for number in first..first + more {
            let column = format!("c{version}_{number}");
            let sql = format!("ALTER TABLE note ADD COLUMN {column} INTEGER NOT NULL DEFAULT {number};\n");
            scripts.push((format!("V{number}__more.sql"), sql));
            columns.push(column);
        }
        if release == Release::Failing {
            let sql = "CREATE TABLE half (id INTEGER);\nINSERT INTO no_such_table VALUES (1);\n";
            scripts.push((format!("V{}__fails.sql", first + 1), sql.to_owned()));
        }
        let root = self.world.root().join(format!("releases/1.0.{version}"));
        std::fs::create_dir_all(root.join("migrations")).unwrap();
        std::fs::create_dir_all(root.join("tool")).unwrap();
        for (number, (name, sql)) in (1..).zip(&scripts) {
            std::fs::write(root.join("migrations").join(name), sql).unwrap();
            for (place, statement) in (0..).zip(statements(number, name, sql)) {
                std::fs::write(root.join(format!("tool/{number:03}_{place}.sql")), statement).unwrap();
            }
        }
        if release == Release::NeverHealthy {
            std::fs::write(root.join("sick"), "").unwrap();
        }
        std::fs::write(root.join("lives"), if release == Release::Crashing { "0.1" } else { "6000" }).unwrap();
        std::fs::write(root.join("VERSION"), format!("1.0.{version}\n")).unwrap();
        (scripts, columns)
    }

    /// Waits a while, and hits.
    fn strike(&mut self, blow: Blow) {
        // Short ones are more frequent than long ones.
        let away = self.chance.u64(0..=self.away) * self.chance.u64(0..=self.away) / self.away;
        let waits = self.hold().exists();
        let pause = if waits { 0 } else { self.chance.u64(0..1500) };
        idle(pause);
        self.blows += 1;
        let server = self.server.as_ref();
        match (blow, server) {
            (Blow::Nothing, _) => self.blows -= 1,
            (Blow::KillDaemon, _) => self.daemon_again(Signal::KILL),
            (Blow::StopDaemon, _) => self.daemon_again(Signal::TERM),
            (Blow::EndTool(signal, whom), _) if waits => self.end_waiting_tool(signal, whom),
            (Blow::EndTool(signal, whom), _) => self.end_tool(signal, whom, pause / 3),
            (Blow::KillServer, Some(server)) => {
                server.end(Signal::KILL);
                idle(away);
                server.begin();
            }
            (Blow::RestartServer, Some(server)) => {
                server.shut_down();
                idle(away);
                server.begin();
            }
            (Blow::HoldServer, Some(server)) => {
                server.signal(Signal::STOP);
                idle(away);
                server.signal(Signal::CONT);
            }
            // A file is not a server; somebody who holds its lock comes next to it.
            (Blow::KillServer | Blow::RestartServer | Blow::HoldServer, None) => self.lock_the_file(away.min(4_000)),
        }
    }

    /// The vendor's tool, if it runs.
    fn tool(&self) -> Option<Pid> {
        let pid = std::fs::read_to_string(self.world.root().join("run/tool")).ok()?;
        let pid = Pid::from_raw(pid.trim().parse().ok()?)?;
        let words = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
        (words == b"sh\0tool\0").then_some(pid)
    }

    /// Waits a moment for the tool and ends it in the middle; none runs where the upgrade is at its end, or held up.
    fn end_tool(&mut self, signal: Signal, whom: Whom, behind: u64) {
        let mut found = None;
        for _ in 0..100 {
            found = self.tool();
            if found.is_some() {
                break;
            }
            idle(20);
        }
        idle(behind);
        match found.and_then(|_| self.tool()) {
            Some(pid) if hit(pid, signal, whom) => self.tools_ended += 1,
            _ => self.blows -= 1,
        }
    }

    /// Ends the tool where it waits.
    fn end_waiting_tool(&mut self, signal: Signal, whom: Whom) {
        let pid = self.tool().expect("the vendor's tool waits");
        assert!(hit(pid, signal, whom), "the vendor's tool {pid:?} was hit");
        std::fs::remove_file(self.hold()).unwrap();
        self.tools_ended += 1;
    }

    fn daemon_again(&mut self, signal: Signal) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.signal(signal);
        daemon.ends();
        idle(self.chance.u64(0..300));
        self.daemon = Some(self.world.daemon());
    }

    fn lock_the_file(&self, held: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = self.world.home().connect().await;
            connection.execute("BEGIN EXCLUSIVE").await;
            tokio::time::sleep(Duration::from_millis(held)).await;
            connection.execute("COMMIT").await;
        });
    }

    /// Waits for the end of the upgrade; whether it was committed.
    fn end_of(&self, version: u32, release: Release) -> bool {
        let daemon = self.daemon.as_ref().unwrap();
        let wanted = format!("1.0.{version}");
        let mut upgrade = serde_json::Value::Null;
        until_within(BOUND, &format!("the upgrade to {wanted} ({release:?}) ends in {}", self.world.root().display()), || {
            let Ok(answer) = ask(daemon.socket(), "GET", "/v1/targets/notes", "") else { return false };
            upgrade = answer.json()["upgrade"].clone();
            let phase = upgrade["phase"].as_str().unwrap_or_default();
            assert_ne!(phase, "stuck", "{wanted} ({release:?}): {upgrade}\n{}", daemon.log());
            upgrade["to"] == *wanted && matches!(phase, "committed" | "rolled-back") && !upgrade["ended_at"].is_null()
        });
        upgrade["phase"] == "committed"
    }

    /// Schema, history, release and server are those of the version that stands.
    fn is_whole(&self, tried: u32) {
        let version = format!("1.0.{}", self.version);
        let expected = format!("{}|flyway_schema_history,note|1", self.columns.join(","));
        assert_eq!(self.world.columns(), expected, "after 1.0.{tried}");
        let history = self.world.ask("SELECT count(*) FROM flyway_schema_history");
        assert_eq!(history, self.scripts.len().to_string(), "after 1.0.{tried}");
        let link = std::fs::read_link(self.world.root().join("current")).unwrap();
        assert!(link.ends_with(&version), "after 1.0.{tried} {} is installed", link.display());
        assert_eq!(self.world.serving(), Some(version), "after 1.0.{tried}");
    }

    /// Every row of before and every row whose commit was acknowledged since is in the database, or in an archive made since.
    fn nothing_is_lost(
        &self,
        before: &BTreeSet<String>,
        written: &BTreeSet<String>,
        known: &BTreeSet<PathBuf>,
        committed: bool,
    ) {
        let there = self.rows();
        let missing: BTreeSet<&String> = before.union(written).filter(|row| !there.contains(*row)).collect();
        assert!(!committed || missing.is_empty(), "an upgrade that was committed lost {missing:?}");
        if missing.is_empty() {
            return;
        }
        let mut kept = BTreeSet::new();
        for archive in self.archives().into_iter().filter(|archive| !known.contains(archive)) {
            let mut content = Vec::new();
            zstd::Decoder::new(std::fs::File::open(&archive).unwrap()).unwrap().read_to_end(&mut content).unwrap();
            kept.extend(missing.iter().filter(|row| holds(&content, row.as_bytes())).copied());
        }
        let lost: Vec<_> = missing.difference(&kept).collect();
        assert!(lost.is_empty(), "neither in the database nor in an archive: {lost:?}, in {}", self.world.root().display());
    }

    /// The notes.
    fn rows(&self) -> BTreeSet<String> {
        let rows = Writer::rows(self.world.home());
        assert!(rows.len() >= 100, "only {} notes are left", rows.len());
        rows
    }

    fn archives(&self) -> Vec<PathBuf> {
        let output = self.world.run(&["list", "notes", "--json"]);
        assert!(output.status.success(), "{}", text(&output));
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        list.as_array().unwrap().iter().map(|archive| PathBuf::from(archive["path"].as_str().unwrap())).collect()
    }
}

/// How the vendor's tool asks the database, in a shell; the statement is `$1`.
fn client(world: &World) -> String {
    match world.home().db {
        Db::Sqlite => "sqlite3 -bail -cmd '.timeout 5000' notes.db \"$1\"".to_owned(),
        Db::Postgres(cluster) => {
            let (psql, socket) = (cluster.client("psql"), cluster.socket_dir.display());
            let (psql, user, name) = (psql.display(), &cluster.superuser, &world.home().name);
            format!("{psql} -XqAt -v ON_ERROR_STOP=1 -h {socket} -U {user} -d {name} -c \"$1\"")
        }
        Db::MySql(server) => {
            let (programs, socket) = (world.programs(), server.socket.display().to_string());
            format!("{}/mysql --socket={socket} --user=root -NB {} -e \"$1\"", programs.display(), world.home().name)
        }
    }
}

/// Whether there was somebody to hit.
fn hit(pid: Pid, signal: Signal, whom: Whom) -> bool {
    match whom {
        Whom::Alone => rustix::process::kill_process(pid, signal).is_ok(),
        Whom::Group => {
            let group = rustix::process::getpgid(Some(pid));
            group.is_ok_and(|group| rustix::process::kill_process_group(group, signal).is_ok())
        }
    }
}

/// What the vendor's tool does for a script, as it would: its statements, and its row in the history.
fn statements(number: usize, name: &str, sql: &str) -> Vec<String> {
    let checksum = upkeep::migrate::checksum::of(sql);
    let (version, description) = name.trim_start_matches('V').trim_end_matches(".sql").split_once("__").unwrap();
    let row = format!(
        "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success) \
         VALUES ({number}, '{version}', '{description}', 'SQL', '{name}', {checksum}, 'tool', 1, true)"
    );
    sql.lines().map(str::to_owned).chain([row]).collect()
}

fn holds(content: &[u8], row: &[u8]) -> bool {
    memchr::memmem::find(content, row).is_some()
}

/// Lets time pass: how long, is a part of the chance.
fn idle(milliseconds: u64) {
    let (_kept, never) = std::sync::mpsc::channel::<()>();
    never.recv_timeout(Duration::from_millis(milliseconds)).unwrap_err();
}
