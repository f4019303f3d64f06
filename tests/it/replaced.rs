//! Whoever writes while a database is replaced loses nothing: each row whose commit was acknowledged is in the database or in an
//! archive afterwards, whatever gap of the restore or of the way back it was written in.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use crate::support::engines::{Db, on_every_engine};
use crate::support::held::Held;
use crate::support::wait::until;
use crate::support::world::{World, text};
use crate::support::writer::Writer;

on_every_engine! {
    a_row_written_in_any_gap_of_a_restore_is_not_lost: restored;
    a_row_written_in_any_gap_of_a_way_back_is_not_lost: rolled_back;
}

mod on_the_newest_postgresql {
    use crate::support::engines::Db;
    use crate::support::postgres::{cluster, newer_cluster};

    #[test]
    fn a_row_written_in_any_gap_of_a_restore_is_not_lost() {
        if let Some(cluster) = newer_cluster() {
            super::restored(Db::Postgres(cluster));
        }
    }

    /// Over one connection, in one transaction, where the role may not create a database; on the oldest as well.
    #[test]
    fn nor_is_one_where_the_content_is_exchanged_inside_the_database() {
        for cluster in [cluster(), newer_cluster()].into_iter().flatten() {
            super::restored_inside(Db::Postgres(cluster));
        }
    }

    #[test]
    fn a_row_written_in_any_gap_of_a_way_back_is_not_lost() {
        if let Some(cluster) = newer_cluster() {
            super::rolled_back(Db::Postgres(cluster));
        }
    }
}

/// Whose loads hold what they replace to its archive.
fn is_fenced(db: Db) -> bool {
    matches!(db, Db::Postgres(_) | Db::Sqlite | Db::MySql(_))
}

fn restored(db: Db) {
    if !is_fenced(db) {
        return;
    }
    let world = World::new(db);
    assert!(world.run(&["backup", "notes"]).status.success());
    world.keep();
    let command = ["restore", "notes", "--replace"];
    let gaps = somebody_writes(&world, &command, |_| true);
    as_archived(&world);
    // A single row, for with many a proof that overlooks one would see the others; from where nothing but that proof can see it.
    let after: Vec<&str> = gaps.iter().map(String::as_str).skip_while(|gap| *gap != "restore.kept").collect();
    assert!(!after.is_empty(), "{gaps:?}");
    let (every, alone) =
        (after.len().div_ceil(SAMPLES).max(1), std::env::var("TEST_CRASH_POINTS").is_ok_and(|all| all == "all"));
    for gap in after.iter().enumerate().filter(|(place, _)| alone || place % every == 0).map(|(_, gap)| *gap) {
        world.reset();
        let mut once = true;
        somebody_writes(&world, &command, |name| name == gap && std::mem::take(&mut once));
        as_archived(&world);
    }
}

fn restored_inside(db: Db) {
    let mut world = World::new(db);
    world.confine();
    assert!(world.run(&["backup", "notes"]).status.success());
    let gaps = somebody_writes(&world, &["restore", "notes", "--replace"], |_| true);
    assert!(gaps.iter().any(|gap| gap == "pg.load.locked"), "{gaps:?}");
    as_archived(&world);
}

/// In how many gaps a single row is tried, where not in all.
const SAMPLES: usize = 4;

fn rolled_back(db: Db) {
    if !is_fenced(db) {
        return;
    }
    let world = World::new(db);
    assert!(world.run(&["backup", "notes"]).status.success());
    world.start_server();
    world.install("1.1.0");
    let upgraded = world.run(&["upgrade", "notes"]);
    assert!(upgraded.status.success(), "{}", text(&upgraded));
    somebody_writes(&world, &["rollback", "notes"], |_| true);
    as_archived(&world);
    assert_eq!(world.serving().as_deref(), Some("1.0.0"));
    // The same of a way back that nobody asked for.
    world.install("1.3.0");
    let gaps = somebody_writes_and(&world, &["upgrade", "notes"], 69, 10_000, |_| true);
    assert!(gaps.iter().any(|gap| gap == "journal.after.rolled-back"), "{gaps:?}");
    as_archived(&world);
    assert_eq!(world.serving().as_deref(), Some("1.0.0"));
}

/// What the archive has is there, whatever was written since.
#[track_caller]
fn as_archived(world: &World) {
    assert_eq!(world.ask("SELECT count(*) FROM note WHERE body LIKE 'note %'"), "100");
    assert_eq!(world.scratch_databases(), Vec::<String>::new());
    assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
}

/// Runs a command to its good end while somebody connects, commits a row and leaves in each gap that `here` names. Gives the gaps.
#[track_caller]
fn somebody_writes(world: &World, command: &[&str], here: impl FnMut(&str) -> bool) -> Vec<String> {
    somebody_writes_and(world, command, 0, 0, here)
}

/// The same where the command ends with this code, and the rows' numbers begin there: below zero, for migrations delete what is above.
#[track_caller]
fn somebody_writes_and(
    world: &World,
    command: &[&str],
    code: i32,
    first: i64,
    mut here: impl FnMut(&str) -> bool,
) -> Vec<String> {
    let (mut written, mut gaps, mut tried) = (BTreeMap::new(), Vec::new(), 0);
    let ended = Held::at_every(world, command, |passed, name| {
        // One that is not let go at once is come to twice.
        let comes_anew = gaps.len() < passed;
        gaps.resize(passed.max(gaps.len()), name.to_owned());
        if comes_anew && here(name) {
            tried += 1;
            let id = first + tried;
            let row = format!("token-{id}.");
            if Writer::once(world.home(), -id, &row) {
                written.insert(row, format!("{name}, point {passed}"));
            }
        }
    });
    assert_eq!(ended.status.code(), Some(code), "{}", text(&ended));
    let there = Writer::rows(world.home());
    let mut lost: BTreeMap<&String, &String> = written.iter().filter(|(row, _)| !there.contains(*row)).collect();
    let in_archives = lost.len();
    for archive in archives(world) {
        let mut content = Vec::new();
        zstd::Decoder::new(std::fs::File::open(&archive).unwrap()).unwrap().read_to_end(&mut content).unwrap();
        lost.retain(|row, _| !content.windows(row.len()).any(|found| found == row.as_bytes()));
    }
    assert!(lost.is_empty(), "neither in the database nor in an archive: {lost:?}: {}", text(&ended));
    // Past what captures a test's output: the numbers are for whoever reads the run.
    let (db, acknowledged) = (world.home().db, written.len());
    let (what, in_database) = (command.join(" "), acknowledged - in_archives);
    let mut told = std::io::stderr();
    writeln!(
        told,
        "{db}: {what}: a row tried in {tried} of {} gaps, {acknowledged} acknowledged: {in_database} in the database, {in_archives} in archives",
        gaps.len()
    )
    .unwrap();
    gaps
}

fn archives(world: &World) -> Vec<PathBuf> {
    let list = world.json(&["list", "notes"]);
    list.as_array().unwrap().iter().map(|archive| PathBuf::from(archive["path"].as_str().unwrap())).collect()
}

/// Who opened a SQLite file before it was exchanged and waits for its lock would write to a file that has no name any more.
#[test]
fn a_writer_that_waits_for_the_lock_of_a_replaced_file_is_not_told_that_he_wrote() {
    let world = World::new(Db::Sqlite);
    let backup = world.run(&["backup", "notes"]);
    assert!(backup.status.success(), "{}", text(&backup));
    let held = Held::at(&world, &["restore", "notes", "--replace"], "sqlite.fenced");
    let file = std::fs::canonicalize(world.home().file()).unwrap();
    let mut writer = std::process::Command::new("sqlite3");
    // With a journal on the disk SQLite itself sees that the file has lost its name; without one nothing but what is in it tells.
    writer
        .args(["-cmd", ".timeout 30000", "-cmd", "PRAGMA journal_mode = MEMORY"])
        .arg(&file)
        .arg("INSERT INTO note (id, body) VALUES (4711, 'late')");
    let mut writer = writer.spawn().unwrap();
    let open = format!("/proc/{}/fd", writer.id());
    until("he waits", || {
        let open = std::fs::read_dir(&open).into_iter().flatten().flatten();
        open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|path| path == file)
    });
    let restored = held.go_on();
    assert!(restored.status.success(), "{}", text(&restored));
    let wrote = writer.wait().unwrap().success();
    let there = world.ask("SELECT count(*) FROM note WHERE id = 4711");
    assert_eq!(there == "1", wrote, "he was told that he wrote: {wrote}");
    assert_eq!(world.whole_version(), "1.0.0");
}

/// Somebody who connects, is kept out, leaves and comes again has a SQLite file open nearly always; that keeps no restore off for good.
#[test]
fn who_comes_again_and_again_does_not_keep_a_file_from_being_replaced() {
    let world = World::new(Db::Sqlite);
    assert!(world.run(&["backup", "notes"]).status.success());
    let writer = Writer::begin(world.home());
    let restored = world.run(&["restore", "notes", "--replace"]);
    let written = writer.end();
    assert!(restored.status.success(), "{}", text(&restored));
    as_archived(&world);
    let there = Writer::rows(world.home());
    let mut lost: Vec<&String> = written.iter().filter(|row| !there.contains(*row)).collect();
    for archive in archives(&world) {
        let mut content = Vec::new();
        zstd::Decoder::new(std::fs::File::open(&archive).unwrap()).unwrap().read_to_end(&mut content).unwrap();
        lost.retain(|row| !content.windows(row.len()).any(|found| found == row.as_bytes()));
    }
    assert!(lost.is_empty(), "neither in the database nor in an archive: {lost:?}: {}", text(&restored));
}

/// A backup that waits for somebody's lock says so while it waits.
#[test]
fn a_lock_that_a_backup_of_a_file_waits_for_is_told() {
    let world = World::new(Db::Sqlite);
    let mut holder = std::process::Command::new("sqlite3");
    let holder = holder.arg(world.home().file()).current_dir(world.root());
    let mut holder = holder.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = holder.stdin.take().unwrap();
    said.write_all(b"BEGIN EXCLUSIVE;\n.shell touch locked\n").unwrap();
    let mark = world.root().join("locked");
    until("it is locked", || mark.exists());
    let mut backup = world.command(&["backup", "notes"]);
    let mut backup = backup.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut words = std::io::BufReader::new(backup.stderr.take().unwrap());
    let mut heard = String::new();
    while !heard.contains("waiting for the database, which is busy or locked") {
        assert!(std::io::BufRead::read_line(&mut words, &mut heard).unwrap() > 0, "it says nothing of it: {heard}");
    }
    drop(said);
    assert!(holder.wait().unwrap().success());
    std::io::copy(&mut words, &mut std::io::sink()).unwrap();
    assert!(backup.wait().unwrap().success(), "{heard}");
}
