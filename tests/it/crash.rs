//! Power cuts: the real binary is killed at every fault point it passes, by the list that the code itself provides, and the
//! promise is looked for afterwards.
//!
//! After each kill, one ordinary command recovers; then: (1) a verified archive of the last good version exists, (2) the
//! database is wholly at one version, (3) `status` says what the journal says, (4) no temporary file, scratch database, lock
//! or child is left, (5) recovering a second time changes nothing.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;

use serde_json::Value;

use crate::support::mysql::{Which, server};
use crate::support::world::{Db, World, text};

/// One story: how the world is prepared, the command that is killed, and the versions that may come out.
struct Story {
    name: &'static str,
    prepare: fn(&World),
    command: &'static [&'static str],
    /// Whole versions that keep the promise.
    allowed: &'static [&'static str],
    /// Names of points that this story must pass, or it does not tell what it says.
    passes: &'static [&'static str],
}

fn with_one_archive(world: &World) {
    let output = world.run(&["backup", "notes"]);
    assert!(output.status.success(), "{}", text(&output));
}

fn serving_1_0(world: &World) {
    with_one_archive(world);
    world.start_server();
}

const STORIES: &[Story] = &[
    Story {
        name: "backup",
        prepare: with_one_archive,
        command: &["backup", "notes"],
        allowed: &["1.0.0"],
        passes: &["archive.before_seal", "archive.sealed", "backup.verified"],
    },
    Story {
        name: "prune",
        prepare: |world| {
            for _ in 0..4 {
                with_one_archive(world);
            }
            world.write_config(
                "[targets.notes.retention]\nkeep_last = 1\nkeep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0\nminimum = 1\n",
            );
        },
        command: &["prune", "notes"],
        allowed: &["1.0.0"],
        passes: &["prune.before_delete", "prune.deleted"],
    },
    Story {
        name: "restore",
        prepare: |world| {
            with_one_archive(world);
            world.sql("UPDATE note SET body = 'changed'");
        },
        command: &["restore", "notes", "--replace"],
        allowed: &["1.0.0"],
        passes: &["archive.sealed"],
    },
    Story {
        name: "upgrade",
        prepare: |world| {
            serving_1_0(world);
            world.install("1.1.0");
        },
        command: &["upgrade", "notes"],
        allowed: &["1.0.0", "1.1.0"],
        passes: &[],
    },
    Story {
        name: "upgrade whose migration fails half-way",
        prepare: |world| {
            serving_1_0(world);
            world.install("1.1.0");
            let output = world.run(&["upgrade", "notes"]);
            assert!(output.status.success(), "{}", text(&output));
            world.install("1.2.0");
        },
        command: &["upgrade", "notes"],
        allowed: &["1.1.0"],
        passes: &[],
    },
    Story {
        name: "upgrade that never gets healthy",
        prepare: |world| {
            serving_1_0(world);
            world.install("1.1.0");
            let output = world.run(&["upgrade", "notes"]);
            assert!(output.status.success(), "{}", text(&output));
            world.install("1.3.0");
        },
        command: &["upgrade", "notes"],
        allowed: &["1.1.0"],
        passes: &[],
    },
    Story {
        name: "rollback of a committed upgrade",
        prepare: |world| {
            serving_1_0(world);
            world.install("1.1.0");
            let output = world.run(&["upgrade", "notes"]);
            assert!(output.status.success(), "{}", text(&output));
        },
        command: &["rollback", "notes"],
        allowed: &["1.0.0", "1.1.0"],
        passes: &[],
    },
    // A drill, and what goes on in its scratch.
    Story {
        name: "rehearsal",
        prepare: with_one_archive,
        command: &["rehearse", "notes", "--to", "1.1.0"],
        allowed: &["1.0.0"],
        passes: &[
            "drill.begun",
            "drill.tried",
            "drill.ended",
            "rehearse.migrating",
            "rehearse.renewed",
            "rehearse.referred",
            "rehearse.migrated",
            "drill.removed",
            "rehearse.noted",
        ],
    },
];

/// The points a story is killed at, by their numbers. On SQLite at each. On a server, where a story takes ten times as long, at
/// the first passing of those that only its engine has, and at every sixth of the rest, of which each engine takes others.
/// `TEST_CRASH_POINTS=all` is each on every engine (`tests/crash`).
fn chosen(db: Db, points: &[&str]) -> Vec<usize> {
    let all = std::env::var("TEST_CRASH_POINTS").is_ok_and(|which| which == "all");
    let turn = match db {
        Db::Sqlite => return (1..=points.len()).collect(),
        Db::Postgres(_) => 0,
        Db::MySql(server) if server.is_mariadb() => 2,
        Db::MySql(_) => 4,
    };
    let own = |place: usize| {
        let name = points[place];
        let of_the_engine = ["pg.", "my.", "restore.", "migrate.statement."].iter().any(|prefix| name.starts_with(prefix));
        of_the_engine && !points[..place].contains(&name)
    };
    (0..points.len()).filter(|place| all || place % 6 == turn || own(*place)).map(|place| place + 1).collect()
}

/// Runs a story once to learn its points, then once for each chosen one, killed there.
fn tell(db: Db, story: &Story) {
    let world = World::new(db);
    (story.prepare)(&world);
    world.keep();
    let trace = world.root().join("trace");
    let whole = world.command(story.command).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap_or_default();
    let points: Vec<&str> = points.lines().collect();
    assert!(!points.is_empty(), "{}: passed no fault point: {}", story.name, text(&whole));
    for name in story.passes {
        assert!(points.contains(name), "{}: never passed {name}: {points:?}", story.name);
    }
    let mut killed = 0;
    for number in chosen(db, &points) {
        world.reset();
        let at = format!("{}, killed at point {number} ({})", story.name, points[number - 1]);
        let output = world.command(story.command).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{at}: {}", text(&output));
        killed += 1;
        let archives = recover(&world, &at);
        the_promise_holds(&world, story, &archives, &at);
        let journal = world.journal();
        recover(&world, &at);
        assert_eq!(journal, world.journal(), "{at}: a second recovery did something");
    }
    world.reset();
    // Past what captures a test's output: the number is for whoever reads the run.
    let mut told = std::io::stderr();
    writeln!(told, "{db}: {}: killed at {killed} of {} points", story.name, points.len()).unwrap();
}

/// What a person does after a crash where no daemon does it: what is open is carried on by the command that it was asked for with,
/// and whatever works on a target puts the rest in order. Then every archive is read; what was found is the answer.
fn recover(world: &World, at: &str) -> Value {
    let phase = world.json(&["status", "notes"])["targets"][0]["upgrade"]["phase"].as_str().unwrap_or("none").to_owned();
    if !["none", "committed", "rolled-back", "refused", "accepted", "stuck"].contains(&phase.as_str()) {
        let verb = if at.starts_with("rollback") { "rollback" } else { "upgrade" };
        let output = world.run(&[verb, "notes"]);
        // An upgrade that turned out badly was put back, which is no success for whoever asked for it.
        assert!([Some(0), Some(69)].contains(&output.status.code()), "{at}: {verb}: {}", text(&output));
    }
    let output = world.run(&["prune", "notes"]);
    assert!([Some(0), Some(75)].contains(&output.status.code()), "{at}: {}", text(&output));
    let output = world.run(&["verify", "--all", "--json"]);
    assert!(output.status.success(), "{at}: recovery: {}", text(&output));
    let mut said: Value = serde_json::from_slice(&output.stdout).unwrap();
    if at.starts_with("prune") {
        // One that was listed again counts with retention only now that it was read.
        let output = world.run(&["prune", "notes"]);
        assert!(output.status.success(), "{at}: {}", text(&output));
    }
    said["archives"].take()
}

fn the_promise_holds(world: &World, story: &Story, archives: &Value, at: &str) {
    let version = world.whole_version();
    assert!(story.allowed.contains(&version), "{at}: the database is at {version}");
    let whole = archives.as_array().unwrap().iter().filter(|archive| archive["verdict"] == "whole").count();
    assert!(whole >= 1, "{at}: no verified archive is left: {archives}");
    let status = world.json(&["status", "notes"]);
    let target = &status["targets"][0];
    let phase = target["upgrade"]["phase"].as_str().unwrap_or("none").to_owned();
    let settled = ["none", "committed", "rolled-back", "refused"].contains(&phase.as_str());
    assert!(settled, "{at}: the upgrade is left in phase {phase}: {}", target["upgrade"]);
    if story.command[0] == "upgrade" {
        let serving = world.serving();
        assert_eq!(serving.as_deref(), Some(version), "{at}: the server runs {serving:?} on a database at {version}");
    }
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new(), "{at}: temporary files are left");
    assert_eq!(world.scratch_databases(), Vec::<String>::new(), "{at}: scratch databases are left");
    let lock = world.root().join("state/upkeep.lock");
    drop(upkeep::durable::Lock::take(&lock, "the crash test").unwrap_or_else(|error| panic!("{at}: {error}")));
    assert_eq!(world.processes(), Vec::<String>::new(), "{at}: a child is left");
}

/// One test a story and engine, so that they run side by side.
macro_rules! told {
    ($engine:ident on $db:expr; $($name:ident: $story:literal),+ $(,)?) => {
        mod $engine {
            #[allow(unused_imports, reason = "of use to two engines only")]
            use super::{Which, server};
            $(#[test] fn $name() {
                if let Some(db) = $db {
                    super::tell(db, super::story($story));
                }
            })+
        }
    };
}

/// All of them on one engine.
macro_rules! all_told {
    ($engine:ident on $db:expr) => {
        told! { $engine on $db;
            backup: "backup",
            prune: "prune",
            restore: "restore",
            upgrade: "upgrade",
            failing_migration: "upgrade whose migration fails half-way",
            never_healthy: "upgrade that never gets healthy",
            rollback: "rollback of a committed upgrade",
            rehearsal: "rehearsal",
        }
    };
}

all_told! { sqlite on Some(super::Db::Sqlite) }
all_told! { postgresql on crate::support::postgres::cluster().map(super::Db::Postgres) }
all_told! { mysql on server(Which::MySql).map(super::Db::MySql) }
all_told! { mariadb on server(Which::MariaDb).map(super::Db::MySql) }
told! { newer_mariadb on server(Which::NewerMariaDb).map(super::Db::MySql); restore: "restore" }

/// Whoever asks again for an upgrade that was killed while it failed is told that it was rolled back, and not that there is nothing
/// to do.
#[test]
fn an_upgrade_that_is_found_rolled_back_is_no_success() {
    let world = World::new(Db::Sqlite);
    let story = story("upgrade whose migration fails half-way");
    (story.prepare)(&world);
    world.keep();
    let trace = world.root().join("trace");
    world.command(story.command).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap().lines().count();
    let phase = || world.json(&["status", "notes"])["targets"][0]["upgrade"]["phase"].as_str().unwrap_or("none").to_owned();
    let mut put_back = 0;
    // Every third: each is a whole upgrade and more.
    for number in (1..=points).rev().step_by(3) {
        world.reset();
        world.command(story.command).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
        let was = phase();
        let again = world.run(story.command);
        if was == "running" || was == "rolling-back" {
            put_back += 1;
            assert_eq!(again.status.code(), Some(69), "killed at point {number} while {was}: {}", text(&again));
            assert!(text(&again).contains("was rolled back"), "killed at point {number} while {was}: {}", text(&again));
        }
        assert_eq!(world.whole_version(), "1.1.0");
    }
    assert!(put_back > 0);
}

/// Where the account may not create databases a replacement is no longer whole or not at all; but what is half never passes for
/// whole, and the same restore finishes it.
fn tell_in_place(db: Db) {
    let mut world = World::new(db);
    world.confine();
    with_one_archive(&world);
    world.sql("UPDATE note SET body = 'changed'");
    world.keep();
    let (trace, command) = (world.root().join("trace"), ["restore", "notes", "--replace"]);
    let whole = world.command(&command).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole));
    let points = std::fs::read_to_string(&trace).unwrap_or_default();
    let points: Vec<&str> = points.lines().collect();
    let mut halves = 0;
    for number in chosen(db, &points) {
        world.reset();
        let at = format!("killed at point {number} ({})", points[number - 1]);
        let output = world.command(&command).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{at}: {}", text(&output));
        recover(&world, &at);
        assert!(world.json(&["list", "notes"])[0]["verdict"] == "whole", "{at}");
        if world.ask("SHOW TABLES LIKE 'upkeep%'").is_empty() {
            assert_eq!(world.whole_version(), "1.0.0", "{at}");
        } else {
            halves += 1;
            let output = world.run(&["backup", "notes"]);
            assert!(!output.status.success() && text(&output).contains("was not finished"), "{at}: {}", text(&output));
            let status = text(&world.run(&["status", "notes"]));
            assert!(status.contains("stopped half-way") && status.contains("SERVER DOWN"), "{at}: {status}");
            let gate = world.run(&["gate", "notes"]);
            assert!(!gate.status.success() && text(&gate).contains("stopped half-way"), "{at}: {}", text(&gate));
        }
        let again = world.run(&command);
        assert!(again.status.success(), "{at}: {}", text(&again));
        assert_eq!(
            (world.whole_version(), world.ask("SELECT body FROM note WHERE id = 1").as_str()),
            ("1.0.0", "note 1"),
            "{at}"
        );
        assert_eq!(world.ask("SHOW TABLES LIKE 'upkeep%'"), "", "{at}");
    }
    assert!(halves > 0, "no point lies between the first drop and the last comparison: {points:?}");
}

/// An upgrade whose third statement failed, and which waits for a person who has mended the script: going on is killed at every
/// point, and done again it ends with every statement done once.
fn tell_mended(db: Db) {
    let world = World::new(db);
    serving_1_0(&world);
    world.install("1.1.0");
    let output = world.run(&["upgrade", "notes"]);
    assert!(output.status.success(), "{}", text(&output));
    world.write_config("on_failure = \"hold\"\n");
    world.install("1.2.0");
    let output = world.run(&["upgrade", "notes"]);
    assert!(!output.status.success() && text(&output).contains("statement 3"), "{}", text(&output));
    world.mend();
    world.keep();
    let (trace, command) = (world.root().join("trace"), ["upgrade", "notes", "--resume"]);
    let whole = world.command(&command).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole));
    let points = std::fs::read_to_string(&trace).unwrap_or_default();
    let points: Vec<&str> = points.lines().collect();
    assert!(points.contains(&"migrate.statement.done") && points.contains(&"migrate.journal.ended"), "{points:?}");
    for number in chosen(db, &points) {
        world.reset();
        let at = format!("killed at point {number} ({})", points[number - 1]);
        let output = world.command(&command).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{at}: {}", text(&output));
        let archives = recover(&world, &at);
        assert!(archives.as_array().unwrap().iter().any(|archive| archive["verdict"] == "whole"), "{at}: {archives}");
        let phase = || world.json(&["status", "notes"])["targets"][0]["upgrade"]["phase"].as_str().unwrap_or("none").to_owned();
        if phase() == "stuck" {
            let again = world.run(&command);
            assert!(again.status.success(), "{at}: {}", text(&again));
        }
        assert_eq!((phase().as_str(), world.whole_version()), ("committed", "1.2.0"), "{at}");
        assert_eq!(world.ask("SELECT count(*), count(DISTINCT id) FROM half"), "101|100", "{at}: note 1 is there twice");
        assert_eq!(world.serving().as_deref(), Some("1.2.0"), "{at}");
        assert_eq!(world.scratch_databases(), Vec::<String>::new(), "{at}");
    }
    let what = "an upgrade that goes on after its script was fixed";
    let (killed, points) = (chosen(db, &points).len(), points.len());
    let mut told = std::io::stderr();
    writeln!(told, "{db}: {what}: killed at {killed} of {points} points").unwrap();
}

#[test]
fn a_mended_upgrade_on_mysql() {
    server(Which::MySql).map(Db::MySql).into_iter().for_each(tell_mended);
}

#[test]
fn a_mended_upgrade_on_mariadb() {
    server(Which::MariaDb).map(Db::MySql).into_iter().for_each(tell_mended);
}

#[test]
fn a_restore_in_place_on_mariadb() {
    server(Which::MariaDb).map(Db::MySql).into_iter().for_each(tell_in_place);
}

#[test]
fn a_restore_in_place_on_mysql() {
    server(Which::MySql).map(Db::MySql).into_iter().for_each(tell_in_place);
}

#[test]
fn every_story_is_told() {
    assert_eq!(STORIES.len(), 8, "a story that is added here is added to `all_told` as well");
}

fn story(name: &str) -> &'static Story {
    STORIES.iter().find(|story| story.name == name).unwrap()
}
