//! The state database lost, emptied or damaged in the middle of an upgrade: the recovery note and the archives still say that there was
//! one, so nothing is adopted, upgraded or let start before a person said so.

use std::path::Path;

use crate::support::engines::{Db, on_every_engine};
use crate::support::world::{World, text};

/// Loses it, given the state directory.
type Loss = fn(&Path);

/// Ways to lose it.
const LOSSES: [(&str, Loss); 4] = [
    ("deleted", |state| {
        for name in ["state.db", "state.db-wal", "state.db-shm"] {
            std::fs::remove_file(state.join(name)).ok();
        }
    }),
    ("emptied", |state| {
        for name in ["state.db-wal", "state.db-shm"] {
            std::fs::remove_file(state.join(name)).ok();
        }
        std::fs::write(state.join("state.db"), b"").unwrap();
    }),
    // Its header is whole, and what was committed since the file was last brought up to date is gone.
    ("its log cut to the header", |state| {
        let log = std::fs::OpenOptions::new().write(true).open(state.join("state.db-wal")).unwrap();
        assert!(log.metadata().unwrap().len() > 32, "there is nothing to be cut");
        log.set_len(32).unwrap();
        std::fs::remove_file(state.join("state.db-shm")).ok();
    }),
    ("deleted with the note", |state| {
        std::fs::remove_dir_all(state).unwrap();
        std::fs::remove_file(state.parent().unwrap().join("archives/RECOVERY-notes.txt")).unwrap();
    }),
];

/// Where the upgrade is killed: before its first migration, while the new server runs, and while the old content is about to have its
/// place again, with the marks of that in the database; each engine passes one of the last.
const POINTS: [&[&str]; 3] = [
    &["journal.after.intended.migrate"],
    &["journal.after.turned-back"],
    &["sqlite.staged", "pg.swap.marked", "my.swap.noted"],
];

/// A world with an upgrade due to a release that is never healthy, and the points that it passes.
fn due(db: Db) -> (World, Vec<String>) {
    let world = World::new(db);
    assert!(world.run(&["backup", "notes"]).status.success());
    world.start_server();
    world.install("1.3.0");
    let trace = world.root().join("trace");
    world.keep();
    world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap().lines().map(str::to_owned).collect();
    (world, points)
}

/// Kills the upgrade at the last passing of a point; that point.
fn kill_at<'a>(world: &World, points: &'a [String], names: &[&str]) -> &'a str {
    world.reset();
    let at =
        points.iter().rposition(|point| names.contains(&point.as_str())).unwrap_or_else(|| panic!("{names:?}: {points:?}"));
    world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_KILL", (at + 1).to_string()).output().unwrap();
    &points[at]
}

fn lost(db: Db) {
    let (world, points) = due(db);
    for (turn, names) in POINTS.into_iter().enumerate() {
        // On a server, where each takes longer, every point and every loss once.
        let is_told = |number: usize| matches!(db, Db::Sqlite) || number % POINTS.len() == turn;
        for (_, (how, lose)) in LOSSES.into_iter().enumerate().filter(|(number, _)| is_told(*number)) {
            let point = kill_at(&world, &points, names);
            let at = format!("{db}, {how} at {point}");
            lose(&world.root().join("state"));
            // What was compared and marked so gets its place, for the mark in the database explains itself.
            let is_old = turn == 0 || point == "pg.swap.marked";
            nothing_is_adopted(&world, &at, if is_old { "1.0.0" } else { "1.3.0" });
        }
    }
}

fn nothing_is_adopted(world: &World, at: &str, version: &str) {
    let output = world.run(&["upgrade", "notes"]);
    let words = text(&output);
    assert_eq!(output.status.code(), Some(65), "{at}: {words}");
    assert!(words.contains("the journal knows nothing of it") && words.contains("--accept"), "{at}: {words}");
    let gate = world.run(&["gate", "notes", "--look"]);
    assert!(!gate.status.success(), "{at}: {}", text(&gate));
    let status = world.json(&["status", "notes"]);
    let problems = status["targets"][0]["problems"].to_string();
    assert!(problems.contains("the journal knows nothing of it"), "{at}: {problems}");
    assert_eq!(world.whole_version(), version, "{at}: nothing is restored by itself");
    // The way out that it names.
    let archives = world.json(&["list", "notes"]);
    let kept = archives.as_array().unwrap().iter().find(|archive| archive["kind"] == "pre-upgrade").unwrap();
    let label = kept["label"].as_str().unwrap();
    assert!(words.contains(&format!("upkeep restore notes {label} --replace --stop-server")), "{at}: {words}");
    let restored = world.run(&["restore", "notes", label, "--replace", "--stop-server"]);
    assert!(restored.status.success(), "{at}: {}", text(&restored));
    world.install("1.0.0");
    let accepted = world.run(&["upgrade", "notes", "--accept"]);
    assert!(accepted.status.success(), "{at}: {}", text(&accepted));
    assert_eq!(world.whole_version(), "1.0.0", "{at}");
    assert_eq!(world.scratch_databases(), Vec::<String>::new(), "{at}");
    let gate = world.run(&["gate", "notes", "--look"]);
    assert!(gate.status.success(), "{at}: {}", text(&gate));
}

on_every_engine! {
    a_failed_release_is_not_adopted_when_the_journal_is_lost: lost;
}

#[test]
fn a_damaged_state_database_says_what_helps() {
    let (world, points) = due(Db::Sqlite);
    kill_at(&world, &points, POINTS[1]);
    let state = world.root().join("state/state.db");
    for name in ["state.db-wal", "state.db-shm"] {
        std::fs::remove_file(world.root().join("state").join(name)).ok();
    }
    std::fs::write(&state, [b'x'; 8192]).unwrap();
    let words = text(&world.run(&["upgrade", "notes"]));
    let mv = format!("mv {0} {0}.damaged", state.display());
    assert!(words.contains(&mv) && !words.contains("newer upkeep"), "{words}");
    std::fs::rename(&state, state.with_extension("db.damaged")).unwrap();
    let words = text(&world.run(&["upgrade", "notes"]));
    assert!(words.contains("the journal knows nothing of it"), "{words}");
}
