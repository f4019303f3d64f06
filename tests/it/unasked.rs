//! What nobody asked for does not happen: an upgrade or a rollback is killed, no daemon runs, and a person types something. What
//! only reads changes nothing, what notes writes its note, what changes something says that it must wait; and who goes back
//! means what has not ended.

mod elsewhere;
mod two;

use std::os::unix::process::ExitStatusExt as _;

use crate::support::engines::on_every_engine;
use crate::support::world::{Db, World, text};

fn ok(world: &World, arguments: &[&str]) -> String {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

/// A server at 1.0.0 with an archive, and 1.1.0 installed.
fn due(db: Db) -> World {
    let world = World::new(db);
    ok(&world, &["backup", "notes"]);
    world.start_server();
    world.install("1.1.0");
    world
}

/// The points that a command passes, by name; the world is put back afterwards.
fn points(world: &World, command: &[&str]) -> Vec<String> {
    world.keep();
    let trace = world.root().join("trace");
    world.command(command).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap().lines().map(str::to_owned).collect();
    world.reset();
    points
}

/// Runs a command that is killed at its `number`-th point.
fn killed(world: &World, command: &[&str], number: usize) {
    let output = world.command(command).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
    assert_eq!(output.status.signal(), Some(9), "{}", text(&output));
}

/// The upgrade that status tells of: its phase, and the version it leads to.
fn upgrade(world: &World) -> (String, String) {
    let upgrade = &world.json(&["status", "notes"])["targets"][0]["upgrade"];
    let text = |name: &str| upgrade[name].as_str().unwrap_or("none").to_owned();
    (text("phase"), text("to"))
}

/// Everything that nobody may have touched: archives, journal and holds, the database's schema and rows, the server.
fn everything(world: &World) -> (String, String, String, Option<String>) {
    (world.journal(), world.columns(), world.ask("SELECT count(*) FROM note"), world.serving())
}

fn killed_in_the_middle_of_an_upgrade(db: Db) {
    let world = due(db);
    let points = points(&world, &["upgrade", "notes"]);
    let at = 1 + points.iter().position(|point| point == "journal.after.intended.migrate").expect("it migrates");
    killed(&world, &["upgrade", "notes"], at);
    let found = everything(&world);
    assert_eq!(upgrade(&world), ("running".to_owned(), "1.1.0".to_owned()));
    let label = world.json(&["list", "notes"])[0]["label"].as_str().unwrap().to_owned();

    for reads in [
        &["plan", "notes"][..],
        &["restore", "notes", "--replace", "--dry-run"],
        &["migrate", "info", "notes"],
        &["migrate", "validate", "notes"],
        &["migrate", "apply", "notes", "--dry-run"],
        &["prune", "notes", "--dry-run"],
        &["gate", "notes", "--look"],
        &["status"],
        &["list"],
        &["events"],
        &["verify", "--all"],
        &["verify", &label],
    ] {
        let output = world.run(reads);
        assert_eq!(everything(&world), found, "{reads:?} changed something: {}", text(&output));
    }
    for notes in [&["hold", "notes", "--reason", "month end"][..], &["release-hold", "notes"], &["pin", &label]] {
        let said = ok(&world, notes);
        assert_eq!(upgrade(&world).0, "running", "{notes:?} carried the upgrade on: {said}");
        let (_, columns, rows, serving) = everything(&world);
        assert_eq!((&columns, &rows, &serving), (&found.1, &found.2, &found.3), "{notes:?}: {said}");
    }
    let noted = everything(&world);
    for changes in [
        &["backup", "notes"][..],
        &["restore", "notes", "--replace"],
        &["prune", "notes"],
        &["migrate", "apply", "notes"],
        &["migrate", "repair", "notes"],
        &["migrate", "baseline", "notes"],
        &["migrate", "undo", "notes"],
    ] {
        let output = world.run(changes);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(75), "{changes:?}: {said}");
        for words in ["the upgrade of `notes` to 1.1.0 has not ended", "upkeep upgrade notes", "upkeep rollback notes"] {
            assert!(said.contains(words), "{changes:?}: {said}");
        }
        assert_eq!(everything(&world), noted, "{changes:?} changed something: {said}");
    }
    ok(&world, &["upgrade", "notes"]);
    assert_eq!(upgrade(&world).0, "committed");
    assert_eq!((world.whole_version(), world.serving().as_deref()), ("1.1.0", Some("1.1.0")));
    ok(&world, &["backup", "notes"]);
    // Nor by another upkeep, which knows nothing of this one.
    two::do_not_undo_each_other(&world);
}

/// Some of the points, spread over all of them: on SQLite more, where each costs little.
fn some(db: Db, points: usize) -> impl Iterator<Item = usize> {
    let how_many = if matches!(db, Db::Sqlite) { 14 } else { 4 };
    (1..=how_many).map(move |n| (n * points / (how_many + 1)).max(1))
}

/// Whoever goes back after an upgrade that was killed means that upgrade, and not the one before it.
fn back_after_a_killed_upgrade(db: Db) {
    let world = due(db);
    ok(&world, &["upgrade", "notes"]);
    world.mend();
    world.install("1.2.0");
    let points = points(&world, &["upgrade", "notes"]);
    let mut turned = 0;
    for number in some(db, points.len()) {
        world.reset();
        killed(&world, &["upgrade", "notes"], number);
        let (phase, to) = upgrade(&world);
        if to != "1.2.0" {
            // It was not begun: going back now would be another thing.
            continue;
        }
        let at = format!("killed at {number} ({}), {phase}", points[number - 1]);
        let said = ok(&world, &["rollback", "notes"]);
        assert_eq!(world.whole_version(), "1.1.0", "{at}: {said}");
        assert_eq!(world.serving().as_deref(), Some("1.1.0"), "{at}: {said}");
        assert!(["rolled-back", "refused"].contains(&upgrade(&world).0.as_str()), "{at}: {said}");
        if phase == "running" {
            turned += 1;
            assert!(
                said.contains("which had not ended, was turned back") || said.contains("was abandoned before"),
                "{at}: {said}"
            );
        }
    }
    assert!(turned > 0, "no point lies in the middle: {points:?}");
}

/// A rollback that was killed is finished by whoever asks for it again, and that is a success.
fn back_after_a_killed_rollback(db: Db) {
    let world = due(db);
    ok(&world, &["upgrade", "notes"]);
    let points = points(&world, &["rollback", "notes"]);
    let mut finished = 0;
    for number in some(db, points.len()) {
        world.reset();
        killed(&world, &["rollback", "notes"], number);
        let (phase, to) = upgrade(&world);
        let at = format!("killed at {number} ({}), {phase} to {to}", points[number - 1]);
        if phase == "rolled-back" {
            continue;
        }
        if phase == "rolling-back" {
            finished += 1;
            let refused = world.run(&["backup", "notes"]);
            assert_eq!(refused.status.code(), Some(75), "{at}: {}", text(&refused));
            assert!(text(&refused).contains("finish it: `upkeep rollback notes`"), "{at}: {}", text(&refused));
        }
        let said = ok(&world, &["rollback", "notes"]);
        assert_eq!(phase == "rolling-back", said.contains("which was cut short, is finished"), "{at}: {said}");
        assert_eq!((world.whole_version(), world.serving().as_deref()), ("1.0.0", Some("1.0.0")), "{at}: {said}");
        assert_eq!(upgrade(&world).0, "rolled-back", "{at}: {said}");
    }
    assert!(finished > 0, "no point lies in the middle: {points:?}");
    world.reset();
    elsewhere::is_guarded_as_the_targets_own(&world);
}

on_every_engine! {
    an_upgrade_that_was_killed_is_carried_on_by_nobody_else: super::killed_in_the_middle_of_an_upgrade;
    who_goes_back_after_a_killed_upgrade_means_that_one: super::back_after_a_killed_upgrade;
    a_killed_rollback_is_finished_by_asking_again: super::back_after_a_killed_rollback;
}
