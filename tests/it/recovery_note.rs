//! The recovery note is run as it is printed: upkeep is killed in the middle of an upgrade, and a person who has nothing but
//! the note gets the database, the release and the server from before, also when he stopped somewhere and begins again; and what was
//! there meanwhile is kept aside.
//!
//! Killed at a sample of the points behind the pre-upgrade archive, of every kind one; `RECOVERY_NOTE_POINTS=all` is all of them.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::support::engines::{Db, on_every_engine};
use crate::support::world::{World, text};
use crate::support::writer::Writer;

on_every_engine! {
    the_way_back_by_hand_works_as_printed: printed;
}

/// The text of that row.
const LEFT: &str = "written before anybody looked";

/// What goes wrong, the release that it goes wrong with, and how many kinds of points there are between two that are tried: a run is a whole
/// upgrade and a way back.
const STORIES: [(&str, &str, usize); 2] =
    [("a release that is never healthy", "1.3.0", 8), ("a migration that fails half-way", "1.2.0", 19)];

fn printed(db: Db) {
    let world = World::new(db);
    ok(&world, &["backup", "notes"]);
    world.start_server();
    world.keep();
    for (number, (story, release, sample)) in STORIES.into_iter().enumerate() {
        world.reset();
        world.install(release);
        world.keep();
        walked(db, &world, story, sample, number == 0);
    }
}

fn walked(db: Db, world: &World, story: &str, sample: usize, stumbles: bool) {
    let before = content(world);
    let trace = world.root().join("trace");
    world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap();
    let points: Vec<&str> = points.lines().collect();
    let (mut tried, mut seen, mut kinds) = (0, BTreeSet::new(), 0);
    let all = std::env::var("RECOVERY_NOTE_POINTS").is_ok_and(|said| said == "all");
    for (number, point) in (1..).zip(&points) {
        let first = seen.insert(*point);
        kinds += usize::from(first);
        let sampled = first && kinds.is_multiple_of(sample);
        if !(all || sampled) {
            continue;
        }
        world.reset();
        world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
        let Ok(note) = std::fs::read_to_string(world.root().join("archives/RECOVERY-notes.txt")) else { continue };
        let at = format!("{db}, {story}, killed at point {number} ({point})");
        // A row that is in no archive, where the kill left a database that takes one.
        let left = Writer::once(world.home(), 5000, LEFT);
        leave_a_log(world);
        let commands: Vec<&str> = note.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        if left && matches!(db, Db::MySql(_)) {
            // What an exchange that was cut short may leave: the dump of it goes on, and says so with its exit code.
            world.sql("CREATE TABLE gone (id INT); CREATE VIEW of_gone AS SELECT id FROM gone; DROP TABLE gone");
            if stumbles && tried == 0 {
                stumble(world, &commands, &at);
            }
        }
        // Somebody stops after one of the steps, each time another, and begins again with the first.
        follow(world, &commands[..number % (commands.len() + 1)], &at);
        follow(world, &commands, &at);
        assert!(!left || is_kept(world), "{at}: what was there is not kept aside\n{note}");
        assert_eq!(content(world), before, "{at}");
        assert_eq!((world.whole_version(), world.serving().as_deref()), ("1.0.0", Some("1.0.0")), "{at}");
        // Whatever upkeep does first when it is back leaves it so.
        world.sql("INSERT INTO note (id, body) VALUES (1000, 'written since')");
        ok(world, &["verify", "--all"]);
        assert_eq!(world.ask("SELECT body FROM note WHERE id = 1000"), "written since", "{at}");
        let status = world.json(&["status", "notes"]);
        let phase = status["targets"][0]["upgrade"]["phase"].as_str().unwrap_or("none").to_owned();
        assert!(["none", "accepted"].contains(&phase.as_str()), "{at}: {phase}");
        assert!(!world.root().join("archives/RECOVERY-notes.txt").exists(), "{at}");
        tried += 1;
    }
    assert!(tried > 0, "no point lies behind the archive: {points:?}");
    let mut told = std::io::stderr();
    writeln!(told, "{db}: {story}: the note was followed after kills at {tried} of {} points", points.len()).unwrap();
}

/// Runs each command of the note in a shell of its own.
fn follow(world: &World, commands: &[&str], at: &str) {
    for command in commands {
        let output = typed(world, command, &[]);
        assert!(output.status.success(), "{at}: {command}\n{}\n{commands:#?}", text(&output));
    }
}

/// A command in a shell, which finds programs in these directories first.
fn typed(world: &World, command: &str, first: &[PathBuf]) -> Output {
    let programs = first.iter().cloned().chain([world.programs()]);
    let path = std::env::join_paths(programs.chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()))).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", &path).env("UPKEEP_CONFIG", world.config()).stdin(Stdio::null());
    shell.output().unwrap()
}

/// Whoever runs the note, and stops at the first command that fails or does not, has lost nothing where a server's program fails: the client at once, the
/// dump before its end, the dump when it was written but for a table, and the archive's reader in the middle.
fn stumble(world: &World, commands: &[&str], at: &str) {
    const CASES: [(&[&str], &str); 4] = [
        (&["mysql", "mariadb"], "exit 1"),
        (&["mysqldump", "mariadb-dump"], "echo 'CREATE TABLE a (b INT);'; exit 2"),
        (
            &["mysqldump", "mariadb-dump"],
            "echo '-- Dump completed on'; echo \"Couldn't execute 'SELECT': Lost connection (2013)\" >&2; exit 2",
        ),
        (&["zstd"], "case \"$*\" in *before-recovery*|-t*) exec /usr/bin/zstd \"$@\";; *) echo 'SELECT 1;'; exit 1;; esac"),
    ];
    for (number, (names, script)) in CASES.into_iter().enumerate() {
        let place = world.root().join(format!("stumbling-{number}"));
        std::fs::create_dir_all(&place).unwrap();
        for name in names {
            let program = place.join(name);
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let failed = commands.iter().find(|command| !typed(world, command, std::slice::from_ref(&place)).status.success());
        let failed = failed.unwrap_or_else(|| panic!("{at}: every command ended well though this failed: {script}"));
        if names.contains(&"mysqldump") {
            // Who pastes the whole note stops at nothing.
            commands.iter().for_each(|command| drop(typed(world, command, std::slice::from_ref(&place))));
        }
        let loads = failed.contains("DROP DATABASE");
        assert_eq!(loads, names.contains(&"zstd"), "{at}: {script}\n{failed}");
        if !loads {
            assert_eq!(world.ask(&format!("SELECT count(*) FROM note WHERE body = '{LEFT}'")), "1", "{at}: {script}");
        }
    }
}

/// Whether the row that was written before is where the note says that things are kept aside.
fn is_kept(world: &World) -> bool {
    let name = &world.home().name;
    let script = match world.home().db {
        Db::Sqlite => format!(
            r#"for file in notes.db.before-*/notes.db*; do case "$file" in *-wal|*-shm|*-journal) ;; *) grep -aq '{LEFT}' "$file" && exit 0;; esac; done; exit 1"#
        ),
        Db::MySql(_) => {
            format!(
                "for file in archives/before-recovery-*; do zstd -dcq < \"$file\" | grep -q '{LEFT}' && exit 0; done; exit 1"
            )
        }
        Db::Postgres(cluster) => {
            let kept = format!("SELECT datname FROM pg_database WHERE datname ~ '^{name}_before_'");
            let found = cluster.psql("postgres", &kept);
            let holds = |name: &str| cluster.psql(name, &format!("SELECT count(*) FROM note WHERE body = '{LEFT}'")) == "1";
            return found.lines().any(holds);
        }
    };
    Command::new("bash").args(["-c", &script]).current_dir(world.root()).status().unwrap().success()
}

/// A server that was killed leaves its log beside an SQLite file, and it must not be played into another.
fn leave_a_log(world: &World) {
    let file = world.root().join("notes.db");
    if !file.exists() {
        return;
    }
    let (log, kept) = (world.root().join("notes.db-wal"), world.root().join("kept-wal"));
    let script = format!(
        "PRAGMA journal_mode = WAL;\nCREATE TABLE left_behind (a);\nINSERT INTO left_behind VALUES (zeroblob(100000));\n.shell cp {} {}\n",
        log.display(),
        kept.display()
    );
    let mut sqlite = Command::new("sqlite3").arg(&file).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    sqlite.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(sqlite.wait().unwrap().success());
    std::fs::rename(kept, log).unwrap();
}

fn content(world: &World) -> String {
    world.ask("SELECT count(*), min(id), max(id), sum(id), min(body), max(body) FROM note")
}

#[track_caller]
fn ok(world: &World, arguments: &[&str]) {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
}
