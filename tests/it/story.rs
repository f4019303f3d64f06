//! The story that `upkeep demo` tells on SQLite, on every engine: a daemon looks after a server while releases are dropped in,
//! and nobody types a command until the accident.
//!
//! What counts is seen from outside: the rows and columns of the database, the release that serves, and then what the daemon
//! says of both.

use serde_json::Value;

use crate::support::daemon::Running;
use crate::support::engines::on_every_engine;
use crate::support::wait::until;
use crate::support::world::{Db, World, text};

/// Archives every other second, as the demo has them.
const SCHEDULE: &str = "[targets.notes.backup]\nschedule = \"*/2 * * * * *\"\n[targets.notes.retention]\nkeep_last = 100\n";

/// A world and the daemon that looks after it.
struct Story {
    world: World,
    daemon: Running,
}

impl Story {
    fn begin(db: Db) -> Self {
        let world = World::new(db);
        let more = world.root().join("conf.d");
        std::fs::create_dir(&more).unwrap();
        std::fs::write(more.join("schedule.toml"), SCHEDULE).unwrap();
        world.start_server();
        let daemon = world.daemon();
        Self { world, daemon }
    }

    /// What the daemon says of the target.
    fn target(&self) -> Value {
        self.daemon.ask("GET", "/v1/targets/notes", "").json()
    }

    /// The verified archives of a kind, newest first.
    fn archives(&self, kind: &str) -> Vec<Value> {
        let archives = self.daemon.ask("GET", "/v1/targets/notes/archives", "").json();
        let archives = archives.as_array().unwrap().iter();
        archives.filter(|archive| archive["kind"] == kind && archive["verdict"] == "whole").cloned().collect()
    }

    /// The one archive of a kind that came after so many others of it. The daemon's lists follow what happens by a moment.
    #[track_caller]
    fn the_archive(&self, kind: &str, others: usize) -> Value {
        let mut archives = Vec::new();
        until(&format!("there is another {kind} archive"), || {
            archives = self.archives(kind);
            archives.len() > others
        });
        assert_eq!(archives.len(), others + 1, "{archives:?}");
        archives.remove(0)
    }

    /// Drops a release in and waits for the end of the upgrade to it; gives the upgrade.
    fn install(&self, version: &str, phase: &str) -> Value {
        self.world.install(version);
        let mut upgrade = Value::Null;
        until(&format!("the upgrade to {version} ends"), || {
            upgrade = self.target()["upgrade"].clone();
            upgrade["to"] == version && !upgrade["ended_at"].is_null()
        });
        assert_eq!(upgrade["phase"], phase, "{version}: {upgrade}\n{}", self.daemon.log());
        upgrade
    }

    /// The database is wholly at a version, the release of that version is installed, and it serves.
    #[track_caller]
    fn stands_at(&self, version: &str) {
        assert_eq!(self.world.whole_version(), version);
        assert_eq!(self.world.serving().as_deref(), Some(version));
        let link = std::fs::read_link(self.world.root().join("current")).unwrap();
        assert!(link.ends_with(version), "{} is installed", link.display());
    }

    /// A release that failed is not tried again.
    fn is_held(&self, version: &str) {
        until(&format!("{version} is held"), || {
            self.target()["holds"].as_array().unwrap().iter().any(|hold| hold["version"] == version)
        });
    }
}

fn archives_by_the_schedule(story: &Story) {
    until("two scheduled archives are sealed and verified", || story.archives("scheduled").len() >= 2);
    let archives = story.archives("scheduled");
    assert!(archives.iter().all(|archive| archive["release"] == "1.0.0" && archive["head"] == "1"), "{archives:?}");
    // The notes and the history's one row.
    assert!(archives.iter().all(|archive| archive["rows"] == 101), "{archives:?}");
}

fn a_good_upgrade(story: &Story) {
    story.install("1.1.0", "committed");
    story.stands_at("1.1.0");
    // The older one is of the empty database, from before the world's first migration.
    let [before, _] = &story.archives("pre-upgrade")[..] else { panic!("one archive from before it") };
    assert!(before["release"] == "1.0.0" && before["head"] == "1" && before["pinned"].is_string(), "{before}");
}

fn a_migration_that_fails(story: &Story) {
    let upgrade = story.install("1.2.0", "rolled-back");
    let why = upgrade["message"].as_str().unwrap();
    assert!(why.contains("V3__half.sql") && why.contains("no_such_table"), "{why}");
    story.stands_at("1.1.0");
    story.is_held("1.2.0");
}

fn a_server_that_never_gets_healthy(story: &Story) {
    let failed_before = story.archives("failed-state").len();
    let upgrade = story.install("1.3.0", "rolled-back");
    let why = upgrade["message"].as_str().unwrap();
    assert!(why.contains("step healthy failed"), "{why}");
    story.stands_at("1.1.0");
    story.is_held("1.3.0");
    // What it had left behind: its migration deleted half of the notes.
    let failed = story.the_archive("failed-state", failed_before);
    assert!(failed["release"] == "1.3.0" && failed["head"] == "3" && failed["rows"] == 53, "{failed}");
}

fn an_accident(story: &Story) {
    let world = &story.world;
    let newest = || story.archives("scheduled").into_iter().next().unwrap_or_default();
    let already = newest();
    until("there is an archive from right before the accident", || newest()["label"] != already["label"]);
    let good = newest();
    world.sql("DELETE FROM note WHERE id % 2 = 0");
    // To the last digit: the next archive, with half the notes, may be a fraction of a second away.
    let moment = good["taken_at"].as_str().unwrap();
    let output = world.run(&["restore", "notes", "--at", moment, "--replace", "--stop-server"]);
    assert!(output.status.success(), "{}", text(&output));
    story.stands_at("1.1.0");
    let before = story.the_archive("pre-restore", 0);
    assert_eq!(before["rows"], 52, "{before}");
}

fn the_end(story: Story) {
    until("everything is in step", || {
        let target = story.target();
        target["shape"]["step"] == "in-step" && target["service"] == "running" && target["release"]["version"] == "1.1.0"
    });
    let output = story.world.run(&["status", "notes"]);
    let said = text(&output);
    assert!(output.status.success() && said.contains("1.1.0") && said.contains("in step"), "{said}");
    let Story { world, daemon } = story;
    let errors = daemon.stop_and_tell();
    let [migrate, healthy] = &errors[..] else { panic!("one error for each release that failed: {errors:#?}") };
    assert!(migrate.contains("step migrate failed") && healthy.contains("step healthy failed"), "{errors:#?}");
    let output = world.run(&["verify", "--all"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
    assert_eq!(world.scratch_databases(), Vec::<String>::new());
    // Nobody is left who would upgrade it: what stands now is what the story ends with.
    assert_eq!((world.whole_version(), world.serving().as_deref()), ("1.1.0", Some("1.1.0")));
}

fn tell(db: Db) {
    let story = Story::begin(db);
    archives_by_the_schedule(&story);
    a_good_upgrade(&story);
    a_migration_that_fails(&story);
    a_server_that_never_gets_healthy(&story);
    an_accident(&story);
    the_end(story);
}

on_every_engine! {
    a_daemon_carries_a_server_through_its_releases: super::tell;
}
