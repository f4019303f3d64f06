//! A restore that stopped: what was written since is not taken for what it left.

use crate::support::engines::{Db, on_every_engine};
use crate::support::world::{World, text};

on_every_engine! {
    what_was_written_after_a_restore_that_stopped_is_archived_before_it_is_ended: written_since;
}

/// Killed before its first change. Somebody uses the database, and then the restore is ended, as status says.
fn written_since(db: Db) {
    let world = World::new(db);
    assert!(world.run(&["backup", "notes"]).status.success());
    let label = world.json(&["list", "notes"])[0]["label"].as_str().unwrap().to_owned();
    world.sql("DELETE FROM note");
    let trace = world.root().join("trace");
    let command = ["restore", "notes", &label];
    let whole = world.command(&command).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole));
    let points = std::fs::read_to_string(&trace).unwrap();
    let marked = points.lines().position(|point| point == "restore.marked").unwrap() + 1;
    world.sql("DELETE FROM note");
    let killed = world.command(&command).env("UPKEEP_FAULT_KILL", marked.to_string()).output().unwrap();
    assert!(!killed.status.success());
    world.sql("INSERT INTO note (id, body) VALUES (4711, 'written since')");
    let ended = world.run(&command);
    assert!(ended.status.success(), "{}", text(&ended));
    assert_eq!(world.ask("SELECT count(*) FROM note"), "100");
    let list = world.json(&["list", "notes"]);
    let kept = list.as_array().unwrap().iter().find(|row| row["kind"] == "pre-restore").unwrap_or_else(|| panic!("{list}"));
    assert_eq!(kept["verdict"], "whole");
    let back = world.run(&["restore", "notes", kept["label"].as_str().unwrap(), "--replace"]);
    assert!(back.status.success(), "{}", text(&back));
    assert_eq!(world.ask("SELECT id, body FROM note"), "4711|written since");
}
