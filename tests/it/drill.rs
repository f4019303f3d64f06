//! Drills: an archive is restored into a scratch and compared, nothing of it stays, and nobody waits for it. That nothing is left after a kill at any
//! point is told in `crash.rs`.

use serde_json::json;

use crate::support::daemon::Running;
use crate::support::engines::{Db, on_every_engine};
use crate::support::held::Held;
use crate::support::wait::until;
use crate::support::world::{World, text};

on_every_engine! {
    an_archive_is_proven_in_a_scratch_that_nothing_acts_in: proves;
    what_only_has_the_name_of_a_scratch_is_left_alone: is_left_alone;
}

fn archived(db: Db) -> World {
    let world = World::new(db);
    if let Db::MySql(_) = db {
        world.sql("CREATE EVENT tick ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' ENABLE DO DELETE FROM note");
    }
    assert!(world.run(&["backup", "notes"]).status.success());
    world
}

/// What a server says of a scratch, asked where it stands.
fn ask_server(world: &World, sql: &str) -> String {
    match world.home().db {
        Db::Sqlite => String::new(),
        Db::Postgres(cluster) => cluster.psql("postgres", sql),
        Db::MySql(server) => server.sql("", sql),
    }
}

fn proves(db: Db) {
    let world = archived(db);
    let held = Held::at(&world, &["drill", "notes"], "drill.tried");
    let scratches = world.scratch_databases();
    match (db, scratches.as_slice()) {
        (Db::Sqlite, []) => {}
        (Db::Postgres(_), [name]) => {
            let asked = format!("SELECT has_database_privilege('public', '{name}', 'CONNECT')");
            assert_eq!(ask_server(&world, &asked), "f", "everybody may connect to {name}");
        }
        (Db::MySql(_), [name]) => {
            let asked = format!("SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{name}'");
            assert_eq!(ask_server(&world, &asked).trim(), "DISABLED", "the event of {name} may run");
        }
        (_, other) => panic!("one scratch is to be there: {other:?}"),
    }
    let done = held.go_on();
    assert!(done.status.success() && text(&done).contains("is proven: restored into"), "{}", text(&done));
    assert_eq!((world.scratch_databases(), world.leftovers()), (vec![], vec![]));
    assert_eq!(world.whole_version(), "1.0.0");
    let status = world.json(&["status", "notes"]);
    let drill = &status["targets"][0]["drill"];
    assert_eq!((&drill["outcome"], &drill["proven"]["rows"]), (&json!("proven"), &json!(101)), "{drill}");
    assert_eq!(status["targets"][0]["problems"], json!([]));
    assert!(text(&world.run(&["status", "notes"])).contains("proven"), "not in words");
}

fn is_left_alone(db: Db) {
    let point = match db {
        // A file has no name that anybody else could use.
        Db::Sqlite => return,
        Db::Postgres(_) => "pg.scratch.closed",
        Db::MySql(_) => "my.scratch.marked",
    };
    let world = archived(db);
    Held::at(&world, &["drill", "notes"], point).kill();
    let [name] = world.scratch_databases().try_into().unwrap();
    // Somebody makes a database of his own under that very name.
    ask_server(&world, &format!("DROP DATABASE {name}"));
    ask_server(&world, &format!("CREATE DATABASE {name}"));
    if let Db::MySql(_) = db {
        ask_server(&world, &format!("CREATE TABLE {name}.his (id int PRIMARY KEY)"));
    }
    let refused = world.run(&["drill", "notes"]);
    assert!(!refused.status.success() && text(&refused).contains("left alone"), "{}", text(&refused));
    assert_eq!(world.scratch_databases(), std::slice::from_ref(&name), "it was dropped");
    let problems = world.json(&["status", "notes"])["targets"][0]["problems"].to_string();
    assert!(problems.contains(&name), "{problems}");
    ask_server(&world, &format!("DROP DATABASE {name}"));
    let proven = world.run(&["drill", "notes"]);
    assert!(proven.status.success(), "{}", text(&proven));
    assert_eq!(world.json(&["status", "notes"])["targets"][0]["problems"], json!([]));
    what_a_target_left_that_is_gone(&world, point);
}

/// Its configuration says nothing of it any more; a target on the same server leads there.
fn what_a_target_left_that_is_gone(world: &World, point: &str) {
    std::fs::remove_file(world.root().join(format!("held-at-{point}"))).unwrap();
    Held::at(world, &["drill", "notes"], point).kill();
    let [name] = world.scratch_databases().try_into().unwrap();
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), config.replace("[targets.notes.", "[targets.others.")).unwrap();
    let problems = world.json(&["status"])["problems"].to_string();
    assert!(problems.contains(&name) && problems.contains("notes"), "{problems}");
    let backup = world.run(&["backup", "others"]);
    assert!(backup.status.success(), "{}", text(&backup));
    assert_eq!(world.scratch_databases(), Vec::<String>::new());
    assert_eq!(world.json(&["status"])["problems"], json!([]));
}

#[test]
fn a_damaged_archive_is_not_proven_and_is_a_problem_until_one_is() {
    let world = archived(Db::Sqlite);
    let listed = world.json(&["list", "notes"]);
    let (path, label) = (listed[0]["path"].as_str().unwrap(), listed[0]["label"].as_str().unwrap());
    let whole = std::fs::read(path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 3] ^= 1;
    std::fs::write(path, damaged).unwrap();
    let failed = world.run(&["drill", "notes"]);
    assert_eq!(failed.status.code(), Some(65), "{}", text(&failed));
    let status = world.json(&["status", "notes"]);
    assert_eq!(status["targets"][0]["drill"]["outcome"], "failed", "{status}");
    let problems = status["targets"][0]["problems"].to_string();
    assert!(problems.contains(&format!("a drill could not restore {label}")), "{problems}");
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
    assert!(world.run(&["backup", "notes"]).status.success() && world.run(&["drill", "notes"]).status.success());
    assert_eq!(world.json(&["status", "notes"])["targets"][0]["drill"]["outcome"], "proven");
}

#[test]
fn nobody_waits_for_a_drill_and_it_makes_way_for_what_changes_the_database() {
    let world = archived(Db::Sqlite);
    let fifo = world.root().join("held");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut command = world.command(&["daemon"]);
    command.env("UPKEEP_FAULT_HOLD", format!("sqlite.scratch.made:{}", fifo.display()));
    let daemon = Running::run(command, &world.root(), world.root().join("state/upkeep.sock"));
    let drill = daemon.ask("POST", "/v1/targets/notes/drill", "");
    assert_eq!(drill.status, 202, "{drill:?}");
    let id = drill.json()["id"].as_str().unwrap().to_owned();
    let mut gate = None;
    until("the drill is held", || {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
        gate = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(&fifo).ok();
        gate.is_some()
    });
    let backup = daemon.job("/v1/targets/notes/backup", "");
    assert_eq!(backup["state"], "ok", "{backup}");
    let restore = daemon.job("/v1/targets/notes/restore", "{\"replace\": true}");
    assert_eq!(restore["state"], "ok", "{restore}");
    drop(gate);
    let drill = daemon.ended(&id);
    let message = drill["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("it was ended for the restore, which goes first"), "{drill}");
    let again = daemon.job("/v1/targets/notes/drill", "");
    assert_eq!(again["state"], "ok", "{again}");
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_daemon_drills_when_it_is_due_and_status_and_metrics_tell() {
    let world = World::new(Db::Sqlite);
    let config = std::fs::read_to_string(world.config()).unwrap();
    let scheduled =
        config.replace("[targets.notes.release]", "[targets.notes.drill]\nschedule = \"* * * * * *\"\n[targets.notes.release]");
    std::fs::write(world.config(), scheduled).unwrap();
    let daemon = world.daemon();
    let backup = daemon.job("/v1/targets/notes/backup", "");
    assert_eq!(backup["state"], "ok", "{backup}");
    let drill = || daemon.ask("GET", "/v1/targets/notes", "").json()["drill"].clone();
    until("a drill has proven it", || drill()["proven"]["label"] == backup["result"]["label"]);
    assert!(drill()["next"].is_string(), "{}", drill());
    let metrics = daemon.ask("GET", "/metrics", "").body;
    assert!(metrics.contains("upkeep_drill_failed{target=\"notes\"} 0\n"), "{metrics}");
}
