//! Rehearsals: a release's migrations run in a scratch while the old server serves, are judged and timed, and nothing of it stays. That nothing is left after
//! a kill at any point is told in `crash.rs`.

use serde_json::json;
use upkeep::config::Location;

use crate::support::engines::{Db, on_every_engine};
use crate::support::wait::until;
use crate::support::world::{World, text};

on_every_engine! {
    a_release_is_tried_in_a_scratch_and_the_database_is_not_touched: is_tried;
}

fn archived(db: Db) -> World {
    let world = World::new(db);
    assert!(world.run(&["backup", "notes"]).status.success());
    world
}

/// What status says of the last rehearsal.
fn told(world: &World) -> serde_json::Value {
    world.json(&["status", "notes"])["targets"][0]["rehearsal"].clone()
}

fn is_tried(db: Db) {
    let world = archived(db);
    // It lies beside the installed one, and is not installed.
    let passed = world.run(&["rehearse", "notes", "--to", "1.1.0"]);
    assert!(passed.status.success() && text(&passed).contains("release 1.1.0 passed"), "{}", text(&passed));
    assert!(
        text(&passed).contains("applied 2 star") && text(&passed).contains("an upgrade may be expected to take"),
        "{}",
        text(&passed)
    );
    let rehearsal = told(&world);
    assert_eq!((&rehearsal["outcome"], &rehearsal["to"]), (&json!("passed"), &json!("1.1.0")), "{rehearsal}");
    // The next one fails half-way: in the scratch, and nowhere else.
    world.install("1.2.0");
    let failed = world.run(&["rehearse", "notes"]);
    assert_eq!(failed.status.code(), Some(65), "{}", text(&failed));
    assert!(text(&failed).contains("no_such_table"), "{}", text(&failed));
    assert_eq!((world.scratch_databases(), world.leftovers()), (vec![], vec![]));
    assert_eq!(world.whole_version(), "1.0.0");
    let problems = world.json(&["status", "notes"])["targets"][0]["problems"].to_string();
    assert!(problems.contains("release 1.2.0 did not pass its rehearsal"), "{problems}");
    if let Db::MySql(_) = db {
        // A script that names the real database is not run beside it.
        let Location::MySql { database: name, .. } = world.database().location else { panic!("no server's") };
        let script = world.root().join("releases/1.2.0/migrations/V3__half.sql");
        std::fs::write(&script, format!("DELETE FROM {name}.note;\n")).unwrap();
        let refused = world.run(&["rehearse", "notes"]);
        assert!(!refused.status.success() && text(&refused).contains("reaches beyond"), "{}", text(&refused));
        // Nor is any where a trigger of the archive does.
        world.sql(&format!("CREATE TRIGGER back AFTER UPDATE ON note FOR EACH ROW DELETE FROM {name}.note WHERE id = 0"));
        let output = world.run(&["backup", "notes"]);
        assert!(output.status.success(), "{}", text(&output));
        let refused = world.run(&["rehearse", "notes", "--to", "1.1.0"]);
        assert!(!refused.status.success() && text(&refused).contains("TRIGGER back names"), "{}", text(&refused));
        assert_eq!(world.scratch_databases(), Vec::<String>::new());
    }
}

#[test]
fn what_cannot_be_pointed_elsewhere_is_refused_and_what_can_is_pointed() {
    let world = archived(Db::Sqlite);
    let config = std::fs::read_to_string(world.config()).unwrap();
    let with = |runner: &str, more: &str| {
        let text = config.replace("runner = \"flyway\"\nlocations = [\"migrations\"]", runner);
        std::fs::write(world.config(), text.replace("[targets.notes.release]", &format!("{more}\n[targets.notes.release]")))
            .unwrap();
    };
    with("runner = \"on-start\"", "");
    let refused = world.run(&["rehearse", "notes", "--to", "1.1.0"]);
    assert_eq!(refused.status.code(), Some(78), "{}", text(&refused));
    assert!(text(&refused).contains("migrates the database at its start"), "{}", text(&refused));
    // A tool that goes where its own script says.
    let tool = world.root().join("tool.sh");
    let flyway = "locations = [\"migrations\"]";
    let real = world.root().join("notes.db");
    std::fs::write(&tool, format!("set -e\necho \"$NOTES_DB\" > {}/went\n", world.root().display())).unwrap();
    let runner = format!("runner = \"command\"\ncommand = [\"sh\", \"{}\"]\n{flyway}", tool.display());
    with(&runner, "");
    let refused = world.run(&["rehearse", "notes", "--to", "1.1.0"]);
    assert!(!refused.status.success() && text(&refused).contains("pointed to another database"), "{}", text(&refused));
    assert!(!world.root().join("went").exists(), "it ran all the same");
    // Pointed, it goes to the scratch; as it does nothing there, the release is not in step behind it.
    with(&runner, "[targets.notes.rehearse]\nenvironment = { NOTES_DB = \"{path}\" }");
    let failed = world.run(&["rehearse", "notes", "--to", "1.1.0"]);
    assert_eq!(failed.status.code(), Some(65), "{}", text(&failed));
    assert!(text(&failed).contains("still pending: 2 star"), "{}", text(&failed));
    let went = std::fs::read_to_string(world.root().join("went")).unwrap();
    assert!(went.contains("state/scratch-") && went.trim() != real.to_string_lossy(), "{went}");
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
    // What a variable beside it would still say of the real file is found before anything runs.
    std::fs::remove_file(world.root().join("went")).unwrap();
    let both = format!("environment = {{ NOTES_DB = \"{{path}}\", OTHER = \"sqlite://{}\" }}", real.display());
    with(&runner, &format!("[targets.notes.rehearse]\n{both}"));
    let refused = world.run(&["rehearse", "notes", "--to", "1.1.0"]);
    assert_eq!(refused.status.code(), Some(78), "{}", text(&refused));
    assert!(text(&refused).contains("the variable OTHER") && !world.root().join("went").exists(), "{}", text(&refused));
    // One that goes there in spite of all is told as that, and nothing is called safe that may not be.
    let history = "UPDATE flyway_schema_history SET description = 'changed' WHERE version = '1'";
    std::fs::write(&tool, format!("sqlite3 {} \"{history}\"\n", real.display())).unwrap();
    with(&runner, "[targets.notes.rehearse]\nenvironment = { NOTES_DB = \"{path}\" }");
    let strayed = world.run(&["rehearse", "notes", "--to", "1.1.0"]);
    let said = text(&strayed);
    assert!(strayed.status.code() == Some(78) && said.contains("went to the real database"), "{said}");
    assert!(said.contains("the database may not be") && !said.contains("the database, its server"), "{said}");
    assert_eq!(told(&world)["outcome"], json!("failed"), "{said}");
    // A directory that is none of the target's releases is run by nobody.
    let elsewhere = world.run(&["rehearse", "notes", "--to", "/tmp"]);
    assert_eq!(elsewhere.status.code(), Some(66), "{}", text(&elsewhere));
    with(&runner, "[targets.notes.rehearse]\nenvironment = { NOTES_DB = \"/srv/notes.db\" }");
    assert!(text(&world.run(&["check"])).contains("which database is meant"));
}

#[test]
fn the_daemon_rehearses_before_it_upgrades_and_begins_none_that_failed_or_outlasts_its_window() {
    let world = archived(Db::Sqlite);
    world.start_server();
    world.write_config("auto = true\n[targets.notes.rehearse]\nbefore_upgrade = true");
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), config.replace("deadline = \"200ms\"", "deadline = \"30s\"")).unwrap();
    let daemon = world.daemon();
    let target = || daemon.ask("GET", "/v1/targets/notes", "").json();
    until("1.0.0 is in step", || target()["shape"]["step"] == "in-step");
    world.install("1.2.0");
    until("it refuses by its rehearsal", || target()["refusals"].to_string().contains("did not pass its rehearsal"));
    assert_eq!((&target()["upgrade"], world.whole_version()), (&json!(null), "1.0.0"));
    world.install("1.1.0");
    until("the other is rehearsed and upgraded to", || target()["upgrade"]["phase"] == "committed");
    assert_eq!(target()["rehearsal"]["outcome"], "passed");
    let metrics = daemon.ask("GET", "/metrics", "").body;
    assert!(metrics.contains("upkeep_rehearsal_failed{target=\"notes\"} 0\n"), "{metrics}");
    assert_eq!((world.whole_version(), world.leftovers()), ("1.1.0", vec![]));
}
