//! A way back that was cut short, and what others do to server and database before it goes on: no row that anybody committed is missing
//! from database and archives together. The real binary is killed at the points it passes, the daemon is told to stop there, or an older
//! copy of its state is put back after its end; between that and the next run somebody starts the server by hand, which writes.
//!
//! Each engine takes others of the journal's points, so that together they take all, and those of the exchange. `TEST_CRASH_POINTS=all` is every point on every engine, cut in each way.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::daemon::Running;
use crate::support::mysql::Which;
use crate::support::wait::until;
use crate::support::world::{Db, World, text};

/// How a run is cut short at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The daemon is told to stop, as systemd tells it.
    Told,
    /// The process is killed.
    Killed,
    /// The process is killed, the next one comes to its end, and then the state directory is put back as it was at the kill.
    OldState,
}

const CUTS: [Cut; 3] = [Cut::Told, Cut::Killed, Cut::OldState];

/// Points of the exchange itself and behind it, before the journal has it; the last is each engine's own.
const EXCHANGED: [&str; 4] = ["restore.loaded", "sqlite.replaced", "pg.swap.published", "my.swap.renamed"];

fn are_all_asked() -> bool {
    std::env::var("TEST_CRASH_POINTS").is_ok_and(|which| which == "all")
}

/// Where a story is cut, and how.
fn chosen(db: Db, points: &[&str], first: usize) -> Vec<(usize, Cut)> {
    let behind = |prefixes: &[&str]| -> Vec<usize> {
        (first..points.len()).filter(|at| prefixes.iter().any(|prefix| points[*at].starts_with(prefix))).collect()
    };
    let journal = behind(&["journal.after"]);
    if are_all_asked() {
        let every = journal.into_iter().chain(behind(&["restore.", "sqlite.", "pg.", "my."]));
        return every.flat_map(|at| CUTS.map(|cut| (at, cut))).collect();
    }
    let turn = match db {
        Db::MySql(server) if server.which == Which::MySql => 0,
        Db::MySql(_) => 1,
        Db::Postgres(_) => 2,
        Db::Sqlite => 3,
    };
    let exchange = (0..).zip(behind(&EXCHANGED)).map(|(number, at)| (at, CUTS[(1 + number) % CUTS.len()]));
    let journal = journal.into_iter().enumerate().filter(|(number, _)| number % 4 == turn);
    // The order of the cuts is another for each.
    journal.map(|(number, at)| (at, CUTS[number % CUTS.len()])).chain(exchange).collect()
}

fn ok(world: &World, arguments: &[&str]) {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
}

/// Somebody starts the server by hand, and it writes.
fn serve(world: &World, at: usize) -> Vec<String> {
    world.start_server();
    let bodies: Vec<String> = (0..5).map(|row| format!("written at {at} row {row}")).collect();
    for (row, body) in bodies.iter().enumerate() {
        world.sql(&format!("INSERT INTO note (id, body) VALUES ({}, '{body}')", 1000 + row));
    }
    bodies
}

/// Cuts a command short at its `number`-th point, which has that name.
fn cut(world: &World, command: &[&str], number: usize, name: &str, how: Cut) {
    if how == Cut::Told {
        let mut told = world.command(&["daemon"]);
        told.env("UPKEEP_FAULT_TERM", name);
        let mut daemon = Running::run(told, &world.root(), world.root().join("state/upkeep.sock"));
        // A rollback is asked for; an upgrade it may have begun by itself.
        world.command(command).output().unwrap();
        daemon.ends();
        return;
    }
    world.command(command).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
    if how == Cut::OldState {
        copy(&world.root().join("state"), &world.root().join("older"));
        world.command(command).output().unwrap();
    }
}

/// What whoever restores a machine from a snapshot does with it.
fn put_back_the_older_state(world: &World) {
    std::fs::remove_dir_all(world.root().join("state")).unwrap();
    copy(&world.root().join("older"), &world.root().join("state"));
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Runs a command once to learn its points, then once for each that is chosen of those behind `from`, cut short there, with others acting in
/// between.
fn tell(db: Db, name: &str, from: &str, command: &[&str], prepare: impl Fn(&World), leaves_it: bool) {
    let world = World::new(db);
    ok(&world, &["backup", "notes"]);
    world.start_server();
    prepare(&world);
    world.keep();
    let trace = world.root().join("trace");
    world.command(command).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap();
    let points: Vec<&str> = points.lines().collect();
    let first = points.iter().position(|point| *point == from).unwrap_or_else(|| panic!("never came to {from}: {points:?}"));
    let mut tried = [0; CUTS.len()];
    for (at, how) in chosen(db, &points, first) {
        if how == Cut::Told && points.iter().filter(|point| **point == points[at]).count() > 1 {
            // Told at the first of that name, it would be told elsewhere.
            continue;
        }
        world.reset();
        let what = format!("{db}, {name}, {how:?} at {} ({})", points[at], at + 1);
        cut(&world, command, at + 1, points[at], how);
        tried[CUTS.iter().position(|one| *one == how).unwrap()] += 1;
        let written = serve(&world, at);
        if !leaves_it {
            world.stop_server();
        }
        if how == Cut::OldState {
            put_back_the_older_state(&world);
        }
        // Until it ends: whatever a person is asked meanwhile, they say to go on.
        let mut said = String::new();
        for arguments in [&["upgrade", "notes"][..], &["upgrade", "notes", "--resume"], &["upgrade", "notes", "--resume"]] {
            said.push_str(&text(&world.run(arguments)));
            for body in &written {
                assert!(world.keeps(body), "{what}: `{body}` is nowhere\n{said}");
            }
        }
        let status = world.json(&["status", "notes"]);
        let phase = status["targets"][0]["upgrade"]["phase"].as_str().unwrap_or("none").to_owned();
        assert!(["rolled-back", "committed", "refused"].contains(&phase.as_str()), "{what}: it is left {phase}: {said}");
    }
    let [told, killed, older] = tried;
    let mut stderr = std::io::stderr();
    let all = told + killed + older;
    writeln!(
        stderr,
        "{db}: {name}: {all} gaps tried: killed in {killed}, told to stop in {told}, an older state put back in {older}"
    )
    .unwrap();
}

fn never_healthy(db: Db) {
    let install = |world: &World| world.install("1.3.0");
    tell(db, "a release that is never healthy", "journal.after.turned-back", &["upgrade", "notes"], install, false);
}

fn asked_back(db: Db) {
    let commit = |world: &World| {
        world.install("1.1.0");
        ok(world, &["upgrade", "notes"]);
    };
    tell(db, "a rollback that was asked for", "journal.after.planned", &["rollback", "notes"], commit, true);
}

crate::support::engines::on_every_engine! {
    nothing_is_lost_when_a_release_is_never_healthy: super::never_healthy;
    nothing_is_lost_when_a_rollback_is_asked_for: super::asked_back;
}

/// The deadline runs on while nobody waits: each crash of ours would else give a server that is never healthy all of it again.
#[test]
fn a_server_that_is_never_healthy_is_not_waited_for_anew_after_a_crash() {
    let world = World::new(Db::Sqlite);
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), config.replace("deadline = \"200ms\"", "deadline = \"1s\"")).unwrap();
    ok(&world, &["backup", "notes"]);
    world.start_server();
    world.install("1.3.0");
    world.keep();
    let trace = world.root().join("trace");
    world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let within = |words: &str| words.split(" s within ").nth(1).unwrap().split(' ').next().unwrap().parse::<f32>().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap();
    let number = 1 + points.lines().position(|point| point == "journal.after.intended.healthy").unwrap();
    world.reset();
    world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
    let killed = std::time::Instant::now();
    until("the deadline has passed twice", || killed.elapsed().as_millis() > 2_000);
    let again = text(&world.run(&["upgrade", "notes"]));
    assert!(within(&again) >= 2.0, "it was waited for anew: {again}");
    assert_eq!((world.whole_version(), world.serving().as_deref()), ("1.0.0", Some("1.0.0")), "{again}");
}
