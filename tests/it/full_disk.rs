//! Full disks, real ones: a small tmpfs under the archives, the database, or the state directory, filled up before a command
//! or in the middle of an upgrade. Needs root for `mount`; said loudly where it is not.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::daemon::Running;
use crate::support::engines::{Db, on_every_engine};
use crate::support::upkeep::Upkeep;
use crate::support::wait::until;
use crate::support::world::{World, text};

/// A small file system in place of one of the world's directories; taken away again when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Moves what is there onto a tmpfs of `size` (as `mount -o size=` takes it).
    fn over(dir: PathBuf, size: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            crate::support::skipped("only root may mount a small file system", crate::support::ROOT);
            return None;
        }
        let aside = dir.with_extension("aside");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::rename(&dir, &aside).unwrap();
        std::fs::create_dir(&dir).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", dir.to_str().unwrap()]);
        run("cp", &["-a", aside.join(".").to_str().unwrap(), dir.to_str().unwrap()]);
        std::fs::remove_dir_all(&aside).unwrap();
        Some(Self(dir))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let filler = self.0.join("filler");
        Command::new("dd").args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}", filler.display())).output().unwrap();
    }

    /// Gives back so many bytes of a full one.
    fn leave(&self, bytes: u64) {
        let filler = std::fs::OpenOptions::new().write(true).open(self.0.join("filler")).unwrap();
        filler.set_len(filler.metadata().unwrap().len() - bytes).unwrap();
    }

    /// Makes room again.
    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().unwrap();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The error is clear: exit code 73, what is safe and what to do.
#[track_caller]
fn says_no_room(output: &Output) {
    let said = text(output);
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(said.contains("safe:") && said.contains("hint:"), "{said}");
}

#[track_caller]
fn archives(world: &World) -> usize {
    let list = world.json(&["list", "notes"]);
    let list = list.as_array().unwrap();
    assert!(list.iter().all(|archive| archive["verdict"] == "whole"), "{list:?}");
    list.len()
}

#[track_caller]
fn works(world: &World, arguments: &[&str]) {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
}

on_every_engine! {
    archives_on_a_full_disk: no_room_for_archives;
    a_disk_that_fills_up_while_the_archive_is_written: fills_up;
    a_safety_archive_that_finds_no_room_leaves_the_database_alone: no_room_for_safety;
}

fn no_room_for_archives(db: Db) {
    let world = World::new(db);
    works(&world, &["backup", "notes"]);
    let before = archives(&world);
    let Some(disk) = Tmpfs::over(world.root().join("archives"), "2m") else { return };
    disk.fill();
    says_no_room(&world.run(&["backup", "notes"]));
    assert_eq!(archives(&world), before);
    assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
    disk.free();
    works(&world, &["backup", "notes"]);
    assert_eq!(archives(&world), before + 1);
    works(&world, &["verify", "--all"]);
}

fn fills_up(db: Db) {
    let world = World::new(db);
    works(&world, &["backup", "notes"]);
    let before = archives(&world);
    for point in ["archive.write", "durable.sync", "durable.rename"] {
        let output = world.command(&["backup", "notes"]).env("UPKEEP_FAULT_FAIL", point).output().unwrap();
        says_no_room(&output);
        assert_eq!(archives(&world), before, "{point}");
        assert_eq!(world.leftovers(), Vec::<PathBuf>::new(), "{point}");
    }
}

fn no_room_for_safety(db: Db) {
    let world = World::new(db);
    works(&world, &["backup", "notes"]);
    world.sql("UPDATE note SET body = 'changed' WHERE id = 1");
    let Some(disk) = Tmpfs::over(world.root().join("archives"), "2m") else { return };
    disk.fill();
    says_no_room(&world.run(&["restore", "notes", "--replace"]));
    assert_eq!(world.ask("SELECT body FROM note WHERE id = 1"), "changed");
    disk.free();
    works(&world, &["restore", "notes", "--replace"]);
    assert_eq!(world.ask("SELECT body FROM note WHERE id = 1"), "note 1");
    assert_eq!(world.scratch_databases(), Vec::<String>::new());
}

#[test]
fn the_database_on_a_full_disk_is_not_touched_by_a_restore() {
    let world = World::new(Db::Sqlite);
    world.sql("INSERT INTO note (id, body) VALUES (1000, hex(randomblob(300000)))");
    works(&world, &["backup", "notes"]);
    world.sql("UPDATE note SET body = 'changed' WHERE id = 1");
    let Some(disk) = Tmpfs::over(world.root(), "4m") else { return };
    disk.fill();
    // The safety archive is the first to find no room.
    says_no_room(&world.run(&["restore", "notes", "--replace"]));
    assert_eq!(world.ask("SELECT body FROM note WHERE id = 1"), "changed");
    disk.free();
    works(&world, &["restore", "notes", "--replace"]);
    assert_eq!(world.ask("SELECT body FROM note WHERE id = 1"), "note 1");
    assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn check_says_that_neither_an_archive_nor_a_restore_finds_room() {
    let world = World::new(Db::Sqlite);
    world.sql("INSERT INTO note (id, body) VALUES (1000, hex(randomblob(1000000)))");
    let Some(disk) = Tmpfs::over(world.root(), "6m") else { return };
    works(&world, &["check"]);
    disk.fill();
    disk.leave(512 * 1024);
    let output = world.run(&["check"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(73), "{said}");
    for part in
        ["free, and the database holds 2.", "needs up to 2.", "safe:", "make room where the database server keeps its data"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    disk.free();
    works(&world, &["check"]);
}

#[test]
fn the_state_directory_on_a_full_disk() {
    let world = World::new(Db::Sqlite);
    works(&world, &["backup", "notes"]);
    world.start_server();
    let Some(disk) = Tmpfs::over(world.root().join("state"), "2m") else { return };
    disk.fill();
    says_no_room(&world.run(&["backup", "notes"]));
    world.install("1.1.0");
    says_no_room(&world.run(&["upgrade", "notes"]));
    assert_eq!(world.whole_version(), "1.0.0");
    disk.free();
    works(&world, &["upgrade", "notes"]);
    assert_eq!(world.whole_version(), "1.1.0");
    assert_eq!(world.serving().as_deref(), Some("1.1.0"));
    works(&world, &["verify", "--all"]);
}

/// The managed server's own stop command fills the disk the journal is on: the outcome of that step cannot be written.
#[test]
fn the_journal_finds_no_room_in_the_middle_of_an_upgrade() {
    let world = World::new(Db::Sqlite);
    world.start_server();
    let Some(disk) = Tmpfs::over(world.root().join("state"), "2m") else { return };
    let config = std::fs::read_to_string(world.config()).unwrap();
    let fill = format!("dd if=/dev/zero of={}/state/filler bs=4k 2>/dev/null; ", world.root().display());
    std::fs::write(world.config(), config.replace("stop = [\"sh\", \"-c\", \"", &format!("stop = [\"sh\", \"-c\", \"{fill}")))
        .unwrap();
    world.install("1.1.0");
    says_no_room(&world.run(&["upgrade", "notes"]));
    assert_eq!(world.whole_version(), "1.0.0");
    std::fs::write(world.config(), config).unwrap();
    disk.free();
    // It goes on from where the journal ends.
    works(&world, &["upgrade", "notes"]);
    assert_eq!(world.whole_version(), "1.1.0");
    assert_eq!(world.serving().as_deref(), Some("1.1.0"));
    assert_eq!(world.json(&["status", "notes"])["targets"][0]["upgrade"]["phase"], "committed");
}

#[test]
fn the_daemon_lives_on_a_full_disk() {
    let world = World::new(Db::Sqlite);
    let Some(disk) = Tmpfs::over(world.root().join("state"), "3m") else { return };
    let mut daemon = world.command(&["daemon"]).spawn().unwrap();
    let answers = || world.run(&["status"]).status.success() && world.root().join("state/upkeep.sock").exists();
    until("the daemon answers", answers);
    works(&world, &["backup", "notes"]);
    let before = archives(&world);
    disk.fill();
    let output = world.run(&["backup", "notes"]);
    assert!(!output.status.success(), "{}", text(&output));
    assert!(daemon.try_wait().unwrap().is_none(), "the daemon died of a full disk");
    let status = world.json(&["status"]);
    assert_eq!(status["pid"], daemon.id(), "{status}");
    disk.free();
    works(&world, &["backup", "notes"]);
    assert_eq!(archives(&world), before + 1);
    run("kill", &["-TERM", &daemon.id().to_string()]);
    assert!(daemon.wait().unwrap().success());
}

/// A full disk under the state directory of a daemon that lives: a problem in the status and one line in the log, not one a second;
/// and when there is room again it goes on by itself.
#[test]
fn a_full_disk_under_the_state_is_told_once_and_passes_by_itself() {
    let place = Upkeep::with("[targets.notes.database]\nurl = \"sqlite://{dir}/notes.db\"\n");
    place.sqlite("notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY); INSERT INTO note VALUES (1)");
    Running::start(&place).stop();
    let Some(disk) = Tmpfs::over(place.path("state"), "4m") else { return };
    let daemon = Running::start(&place);
    let told = || daemon.ask("GET", "/v1/status", "").json();
    until("it was looked at", || told()["targets"][0]["looked_at"].is_string());
    disk.fill();
    // As much as is asked for is refused, and the daemon says so.
    until("a job is refused", || daemon.ask("POST", "/v1/targets/notes/backup", "").status != 202);
    until("it is a problem", || told()["problems"].to_string().contains("state database cannot be written"));
    for _ in 0..40 {
        daemon.ask("POST", "/v1/targets/notes/backup", "");
    }
    let errors: Vec<String> = daemon.log().lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect();
    assert!(errors.len() <= 6, "{errors:#?}");
    disk.free();
    until("it passes", || told()["problems"] == serde_json::json!([]));
    assert_eq!(daemon.job("/v1/targets/notes/backup", "")["state"], "ok");
    daemon.stop_and_tell();
}
