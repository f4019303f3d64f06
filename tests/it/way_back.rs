//! A way back that was cut short, and what others do to server and database before it goes on: no row that anybody committed is missing
//! from database and archives together. The real binary is killed at the points it passes; between the kill and the next run somebody
//! starts the server by hand, which writes.

use std::io::{Read as _, Write as _};

use crate::support::wait::until;
use crate::support::world::{Db, World, text};

/// How many points of each story are tried: those around what is kept, replaced and told. Every gap there is, is tried on the driver alone.
const POINTS: usize = 9;

fn ok(world: &World, arguments: &[&str]) {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
}

/// Whether a text is in the database, or in an archive as stock tools read it.
fn is_kept(world: &World, body: &str) -> bool {
    if world.ask(&format!("SELECT count(*) FROM note WHERE body = '{body}'")) != "0" {
        return true;
    }
    let archives = std::fs::read_dir(world.root().join("archives")).unwrap().flatten().map(|entry| entry.path());
    archives.filter(|path| path.extension().is_some_and(|extension| extension == "zst")).any(|path| {
        let mut content = Vec::new();
        let mut decoder = zstd::Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
        // Behind the content is what only we read; stock zstd passes over it as well.
        decoder.read_to_end(&mut content).ok();
        content.windows(body.len()).any(|window| window == body.as_bytes())
    })
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

/// Runs a command once to learn its points, then once for each of those behind `from`, killed there, with others acting in between.
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
    let told: Vec<usize> = (first..points.len()).filter(|at| points[*at].starts_with("journal.after")).take(POINTS).collect();
    for at in &told {
        world.reset();
        let what = format!("{db}, {name}, killed at {} ({})", points[*at], at + 1);
        world.command(command).env("UPKEEP_FAULT_KILL", (at + 1).to_string()).output().unwrap();
        let written = serve(&world, *at);
        if !leaves_it {
            world.stop_server();
        }
        // Until it ends: whatever a person is asked meanwhile, they say to go on.
        let mut said = String::new();
        for arguments in [&["upgrade", "notes"][..], &["upgrade", "notes", "--resume"], &["upgrade", "notes", "--resume"]] {
            said.push_str(&text(&world.run(arguments)));
            for body in &written {
                assert!(is_kept(&world, body), "{what}: `{body}` is nowhere\n{said}");
            }
        }
        let status = world.json(&["status", "notes"]);
        let phase = status["targets"][0]["upgrade"]["phase"].as_str().unwrap_or("none").to_owned();
        assert!(["rolled-back", "committed", "refused"].contains(&phase.as_str()), "{what}: it is left {phase}: {said}");
    }
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{db}: {name}: {} gaps tried", told.len()).unwrap();
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
