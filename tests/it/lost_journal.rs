//! The state database lost, emptied or damaged in the middle of an upgrade: the recovery note and the archives still say that there was
//! one, so nothing is adopted, upgraded or let start before a person said so.

use std::path::Path;

use crate::support::world::{Db, World, text};

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

/// An upgrade to a release that is never healthy, killed while the new server runs.
fn killed_in_the_middle() -> World {
    let world = World::new(Db::Sqlite);
    assert!(world.run(&["backup", "notes"]).status.success());
    world.start_server();
    world.install("1.3.0");
    let trace = world.root().join("trace");
    world.keep();
    world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap();
    let number = 1 + points.lines().position(|point| point == "journal.after.turned-back").unwrap();
    world.reset();
    world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
    assert_eq!(world.whole_version(), "1.3.0");
    world
}

#[test]
fn a_failed_release_is_not_adopted_when_the_journal_is_lost() {
    let world = killed_in_the_middle();
    world.keep();
    for (how, lose) in LOSSES {
        world.reset();
        lose(&world.root().join("state"));
        let output = world.run(&["upgrade", "notes"]);
        let words = text(&output);
        assert_eq!(output.status.code(), Some(65), "{how}: {words}");
        assert!(words.contains("the journal knows nothing of it") && words.contains("--accept"), "{how}: {words}");
        let gate = world.run(&["gate", "notes", "--look"]);
        assert!(!gate.status.success(), "{how}: {}", text(&gate));
        let status = world.json(&["status", "notes"]);
        let problems = status["targets"][0]["problems"].to_string();
        assert!(problems.contains("the journal knows nothing of it"), "{how}: {problems}");
        assert_eq!(world.whole_version(), "1.3.0", "{how}: nothing is restored by itself");
        // The way out that it names.
        let archives = world.json(&["list", "notes"]);
        let before = archives.as_array().unwrap().iter().find(|archive| archive["kind"] == "pre-upgrade").unwrap();
        let label = before["label"].as_str().unwrap();
        assert!(words.contains(&format!("upkeep restore notes {label} --replace --stop-server")), "{how}: {words}");
        let restored = world.run(&["restore", "notes", label, "--replace", "--stop-server"]);
        assert!(restored.status.success(), "{how}: {}", text(&restored));
        world.install("1.0.0");
        let accepted = world.run(&["upgrade", "notes", "--accept"]);
        assert!(accepted.status.success(), "{how}: {}", text(&accepted));
        assert_eq!(world.whole_version(), "1.0.0", "{how}");
        let gate = world.run(&["gate", "notes", "--look"]);
        assert!(gate.status.success(), "{how}: {}", text(&gate));
    }
}

#[test]
fn a_damaged_state_database_says_what_helps() {
    let world = killed_in_the_middle();
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
