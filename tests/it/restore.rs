//! Backups and restores of a target from end to end, on SQLite: the table of what a restore does, and what a failed one leaves.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use upkeep::archive::manifest::{FrameKind, Kind, Manifest, ReleaseNote};
use upkeep::archive::{Archive, FrameEncoder, PendingArchive};
use upkeep::backup::{self, BackupError, BackupRequest};
use upkeep::clock::{Clock as _, SystemClock};
use upkeep::config::{Database, Location};
use upkeep::engine::{LoadMode, Standing};
use upkeep::failure::{Class, Explain, Failure};
use upkeep::ids::Label;
use upkeep::progress::Progress;
use upkeep::restore::{self, Mode, Replace, RestoreError, RestoreRequest, Restored, Safety, ServerState, Which};
use upkeep::state_db::catalogue::{self, Entry, Verdict};
use upkeep::version::Version;

use crate::support::env::{Bystander, Env, SmallDisk, connect, execute, names, noon, put, texts};
use crate::support::wait::until;

const NOTES: &str = "PRAGMA journal_mode = WAL; CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
                     INSERT INTO notes (text) VALUES ('first'), ('second');";

async fn backup(env: &Env, kind: Kind) -> Result<Entry, BackupError> {
    let release = Some(ReleaseNote { version: Version::parse("1.1").expect("a version"), probe: "test".to_owned() });
    let request = BackupRequest { kind, note: Some("a note".to_owned()), pin: None, release, told_by: None };
    backup::backup(&env.ctx, &env.target, &request, &Progress::default()).await
}

async fn notes(env: &Env) -> Vec<String> {
    texts(&env.database(), "SELECT text FROM notes ORDER BY id").await
}

fn asked(which: Which, replace: Replace) -> RestoreRequest {
    RestoreRequest { which, place: None, owner: None, identity: None, into: None, home: None, replace, installed: None }
}

/// What is archived bears the host's moment; to a clock that stands before it, it would be of the future and nobody's newest.
fn today(env: &Env) {
    env.clock.set(SystemClock.now());
}

async fn run(env: &Env, request: &RestoreRequest) -> Result<Restored, RestoreError> {
    today(env);
    restore::restore(&env.ctx, &env.target, request, ServerState::Stopped, Mode::Run, &Progress::default()).await
}

async fn entries(env: &Env) -> Vec<Entry> {
    catalogue::list(&env.ctx.state, Some(&env.target.name)).await.expect("listed")
}

fn unfinished(env: &Env) -> Option<restore::Unfinished> {
    restore::unfinished(&env.ctx.config.daemon.state_dir, &env.target.name).expect("read")
}

/// Every byte of a directory's files, to see that nothing changed.
fn content(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let files = names(directory).into_iter().filter(|name| directory.join(name).is_file());
    files.map(|name| (name.clone(), std::fs::read(directory.join(name)).expect("read"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_listed_read_back_and_alone_in_its_directory() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    let entry = backup(&env, Kind::Manual).await.expect("taken");
    assert_eq!(entry.label.as_str(), "notes-1.1-20261122T120000Z");
    assert_eq!(
        (entry.verdict, entry.rows, entry.kind, entry.note.as_deref()),
        (Verdict::Whole, 2, Kind::Manual, Some("a note"))
    );
    assert_eq!(entries(&env).await, std::slice::from_ref(&entry));
    assert_eq!(env.archive_files(), ["notes-1.1-20261122T120000Z.sqlite.zst"]);
    let manifest = Archive::open(&entry.path).expect("opens").manifest().clone();
    assert_eq!((&manifest.target, manifest.rows(), manifest.level), (&env.target.name, 2, 3));
    assert!(manifest.consistency.technique.contains("one read transaction"));
    // A second one in the same second has a name of its own.
    let again = backup(&env, Kind::Scheduled).await.expect("taken");
    assert_eq!(again.label.as_str(), "notes-1.1-20261122T120000Z-1");
    env.clock.set(noon() + chrono::TimeDelta::seconds(1));
    let later = backup(&env, Kind::Scheduled).await.expect("taken");
    assert_eq!(later.label.as_str(), "notes-1.1-20261122T120001Z");
    assert_eq!(entries(&env).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_comes_back() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    let entry = backup(&env, Kind::Scheduled).await.expect("taken");
    std::fs::remove_file(env.database()).expect("lost");
    // A log without its database: it must not be read into the restored one, and not be thrown away on a guess either.
    let log = env.database().with_file_name("notes.db-wal");
    put(&log, b"frames of another life");
    let restored = run(&env, &asked(Which::Newest, Replace::Refuse)).await.expect("restored");
    assert_eq!(
        (restored.plan.label, restored.plan.mode, restored.plan.safety),
        (entry.label, LoadMode::Clean, Safety::NotNeeded)
    );
    assert_eq!(restored.loaded.expect("loaded").rows, 2);
    assert_eq!(notes(&env).await, ["first", "second"]);
    assert!(!log.exists());
    assert_eq!(
        std::fs::read(env.database().with_file_name("notes.db-wal.upkeep-aside")).expect("kept"),
        b"frames of another life"
    );
    assert_eq!(unfinished(&env), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_same_shape_without_rows_is_filled() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    backup(&env, Kind::Scheduled).await.expect("taken");
    execute(&env.database(), "DELETE FROM notes").await;
    let restored = run(&env, &asked(Which::Newest, Replace::Refuse)).await.expect("restored");
    assert_eq!((restored.plan.mode, restored.safety), (LoadMode::DataOnly, None));
    assert_eq!(notes(&env).await, ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_replaced_only_when_asked_and_are_kept_first() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    let entry = backup(&env, Kind::Scheduled).await.expect("taken");
    execute(&env.database(), "CREATE TABLE more (a); INSERT INTO notes (text) VALUES ('third')").await;
    std::fs::set_permissions(env.database(), std::fs::Permissions::from_mode(0o604)).expect("mode");
    std::os::unix::fs::chown(env.database(), Some(1234), Some(4321)).ok();
    let owner = std::fs::metadata(env.database()).map(|found| (found.uid(), found.gid(), found.mode())).expect("there");

    let before = content(env.dir.path());
    let refused = run(&env, &asked(Which::Newest, Replace::Refuse)).await.expect_err("refused");
    assert_eq!(refused.class(), Class::Data);
    let failure = Failure::of(&refused);
    assert!(
        failure.message.contains("their histories agree, but their schemas differ; the destination holds rows"),
        "{failure}"
    );
    assert!(failure.hints.iter().any(|hint| hint.contains("--replace")), "{failure}");
    assert_eq!(content(env.dir.path()), before, "a refusal changes nothing");

    let restored = run(&env, &asked(Which::Newest, Replace::Allow)).await.expect("restored");
    assert_eq!(restored.plan.label, entry.label);
    assert_eq!(notes(&env).await, ["first", "second"]);
    let now = std::fs::metadata(env.database()).map(|found| (found.uid(), found.gid(), found.mode())).expect("there");
    assert_eq!(now, owner, "owner and mode are the old file's");
    let safety = restored.safety.expect("what was there is kept");
    let kept = catalogue::find(&env.ctx.state, &safety).await.expect("found").expect("listed");
    assert_eq!((kept.kind, kept.verdict, kept.rows, kept.pinned.is_some()), (Kind::PreRestore, Verdict::Whole, 3, true));

    // The way back, by name; "the newest" still means the ordinary one.
    run(&env, &asked(Which::Label(safety), Replace::Allow)).await.expect("restored");
    assert_eq!(notes(&env).await, ["first", "second", "third"]);
    let newest = run(&env, &asked(Which::Newest, Replace::Allow)).await.expect("restored");
    assert_eq!(newest.plan.label, entry.label);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_in_the_past_is_the_newest_archive_of_then() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    let first = backup(&env, Kind::Scheduled).await.expect("taken");
    execute(&env.database(), "INSERT INTO notes (text) VALUES ('third')").await;
    let second = backup(&env, Kind::Scheduled).await.expect("taken");
    assert!(first.taken_at < second.taken_at);
    let just_before = second.taken_at - chrono::TimeDelta::milliseconds(1);
    for (at, label, rows) in [(just_before, &first.label, 2), (second.taken_at, &second.label, 3)] {
        let restored = run(&env, &asked(Which::At(at), Replace::Allow)).await.expect("restored");
        assert_eq!(&restored.plan.label, label);
        assert_eq!(notes(&env).await.len(), rows);
    }
    let too_early = first.taken_at - chrono::TimeDelta::days(1);
    let error = run(&env, &asked(Which::At(too_early), Replace::Allow)).await.expect_err("there was none");
    assert_eq!(error.class(), Class::NoInput, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    backup(&env, Kind::Scheduled).await.expect("taken");
    execute(&env.database(), "INSERT INTO notes (text) VALUES ('third')").await;
    let before = (content(env.dir.path()), env.archive_files(), entries(&env).await);
    let mut request = asked(Which::Newest, Replace::Allow);
    request.installed = Some(Version::parse("1.2").expect("a version"));
    today(&env);
    let dry = restore::restore(&env.ctx, &env.target, &request, ServerState::Stopped, Mode::DryRun, &Progress::default()).await;
    let dry = dry.expect("planned");
    assert_eq!((dry.plan.safety, &dry.safety, &dry.loaded), (Safety::ArchiveFirst, &None, &None));
    assert!(dry.plan.to_string().contains("an upgrade will follow"), "{}", dry.plan);
    assert_eq!((content(env.dir.path()), env.archive_files(), entries(&env).await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_can_be_the_destination() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    backup(&env, Kind::Scheduled).await.expect("taken");
    let path = env.dir.path().join("elsewhere.db");
    let mut request = asked(Which::Newest, Replace::Refuse);
    request.into = Some(Database::at(Location::Sqlite { path: path.clone() }));
    // The server may run: it does not use that one.
    let running = ServerState::Running;
    today(&env);
    let restored = restore::restore(&env.ctx, &env.target, &request, running, Mode::Run, &Progress::default()).await;
    assert_eq!(restored.expect("restored").plan.mode, LoadMode::Clean);
    assert_eq!(texts(&path, "SELECT text FROM notes").await, ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_use_is_left_alone() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    let entry = backup(&env, Kind::Scheduled).await.expect("taken");
    execute(&env.database(), "INSERT INTO notes (text) VALUES ('third')").await;

    let request = asked(Which::Newest, Replace::Allow);
    today(&env);
    let running =
        restore::restore(&env.ctx, &env.target, &request, ServerState::Running, Mode::Run, &Progress::default()).await;
    let running = running.expect_err("the server runs");
    assert!(running.to_string().contains("the server of target notes is running"), "{running}");

    let other = Bystander::reading(&env.database(), &["sleep", "600"]);
    let named = format!("pid {}, sleep", other.pid());
    let refused = run(&env, &request).await.expect_err("in use");
    assert!(refused.to_string().contains(&named), "{refused}");
    assert_eq!((refused.class(), refused.transient()), (Class::TempFail, true));
    // Nor does the way an upgrade goes back, which asks for no plan, pull the file away under somebody.
    let progress = Progress::default();
    let rollback = restore::restore_archive_for_rollback(&env.ctx, &env.target, &entry.label, None, &progress);
    let rollback = rollback.await.expect_err("in use");
    assert!(rollback.to_string().contains(&named), "{rollback}");
    assert_eq!((notes(&env).await.len(), unfinished(&env)), (3, None));
    drop(other);

    // A connection within this process is seen by its lock.
    let mut reader = connect(&env.database()).await;
    sqlx::raw_sql("BEGIN; SELECT * FROM notes").execute(&mut reader).await.expect("reading");
    let engine = upkeep::engine::sqlite::Sqlite::new(env.database()).patient_for(std::time::Duration::from_millis(50));
    let archive = Archive::open(&entry.path).expect("opens");
    let engine = upkeep::engine::Engine::Sqlite(engine);
    let error = engine.load(&archive, LoadMode::Replace, Standing::Nobodys, 2, &Progress::default()).await.expect_err("in use");
    assert_eq!(error.class(), Class::TempFail, "{error}");
    sqlx::Connection::close(reader).await.expect("closed");
    assert_eq!(texts(&env.database(), "SELECT journal_mode FROM pragma_journal_mode").await, ["wal"]);
    assert_eq!(names(env.dir.path()), ["archives", "notes.db", "state"], "nothing is left beside it");

    restore::restore_archive_for_rollback(&env.ctx, &env.target, &entry.label, None, &Progress::default())
        .await
        .expect("free now");
    assert_eq!(notes(&env).await, ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_database_any_more_is_set_aside_and_not_lost() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    let entry = backup(&env, Kind::Scheduled).await.expect("taken");
    let rubble = b"not a database any more ".repeat(500);
    put(&env.database(), &rubble);
    let progress = Progress::default();
    let rollback = restore::restore_archive_for_rollback(&env.ctx, &env.target, &entry.label, None, &progress);
    let loaded = rollback.await.expect("restored");
    assert_eq!(notes(&env).await, ["first", "second"]);
    assert_eq!(std::fs::read(env.dir.path().join("notes.db.upkeep-aside")).expect("kept"), rubble);
    assert!(loaded.warnings.iter().any(|line| line.contains("notes.db.upkeep-aside")), "{:?}", loaded.warnings);
}

/// Seals an archive by hand and lists it.
async fn listed(env: &Env, label: &str, change: impl FnOnce(&mut Manifest)) -> Entry {
    let real = entries(env).await.pop().expect("there is one archive already");
    let mut manifest = Archive::open(&real.path).expect("opens").manifest().clone();
    change(&mut manifest);
    let label = Label::parse(label).expect("a label");
    let pending = PendingArchive::create(&env.target.backup.directory, &label, "sqlite.zst").expect("created");
    let mut frame = FrameEncoder::new(FrameKind::Image, None, 3).expect("an encoder");
    frame.write(b"something else", 0).expect("written");
    pending.sink().append(frame.finish().expect("finished")).expect("appended");
    let sealed = pending.seal(manifest).expect("sealed");
    catalogue::record(&env.ctx.state, &env.target.name, &sealed).await.expect("listed")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_damaged_archive_changes_nothing() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    let good = backup(&env, Kind::Scheduled).await.expect("taken");
    let before = content(env.dir.path());
    let by_name = |entry: &Entry| asked(Which::Label(entry.label.clone()), Replace::Allow);

    let foreign = listed(&env, "foreign", |manifest| manifest.server.flavour = "postgresql".to_owned()).await;
    let error = run(&env, &by_name(&foreign)).await.expect_err("of another engine");
    assert!(error.to_string().contains("of a postgresql database and the destination is sqlite"), "{error}");

    // Sealed and whole, and yet its content is no database.
    let hollow = listed(&env, "hollow", |_| ()).await;
    let error = run(&env, &by_name(&hollow)).await.expect_err("no database in it");
    assert_eq!(error.class(), Class::Data, "{error}");
    assert_eq!(unfinished(&env), None, "the old content stands, so nothing is half done");

    // Whole pages, and rows that are not those the manifest counted.
    let other = Env::sqlite().await;
    execute(
        &other.database(),
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes (text) VALUES ('x'), ('y')",
    )
    .await;
    let lying = Archive::open(&backup(&other, Kind::Manual).await.expect("taken").path).expect("opens");
    let mut pages = Vec::new();
    for index in 0..lying.manifest().frames.len() {
        lying
            .read_frame(index, &mut |bytes| {
                pages.extend_from_slice(bytes);
                Ok(())
            })
            .expect("read");
    }
    let pending = PendingArchive::create(&env.target.backup.directory, &Label::parse("lying").expect("a label"), "sqlite.zst");
    let pending = pending.expect("created");
    let mut frame = FrameEncoder::new(FrameKind::Image, None, 3).expect("an encoder");
    frame.write(&pages, 0).expect("written");
    pending.sink().append(frame.finish().expect("finished")).expect("appended");
    let sealed = pending.seal(Archive::open(&good.path).expect("opens").manifest().clone()).expect("sealed");
    let lying = catalogue::record(&env.ctx.state, &env.target.name, &sealed).await.expect("listed");
    let error = run(&env, &by_name(&lying)).await.expect_err("other rows");
    assert!(error.to_string().contains("1 of the loaded tables differ from the archive, the first is notes"), "{error}");

    let mut bytes = std::fs::read(&good.path).expect("read");
    bytes[100] ^= 1;
    put(&good.path, &bytes);
    let error = run(&env, &by_name(&good)).await.expect_err("damaged");
    assert_eq!(error.class(), Class::Data, "{error}");
    let verdict = catalogue::find(&env.ctx.state, &good.label).await.expect("found").expect("listed").verdict;
    assert_eq!(verdict, Verdict::Damaged, "and known to be from now on");

    let unknown = asked(Which::Label(Label::parse("nothing").expect("a label")), Replace::Allow);
    assert_eq!(run(&env, &unknown).await.expect_err("unknown").class(), Class::NoInput);
    assert_eq!(content(env.dir.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suddenly_empty_database_is_no_ground_for_an_upgrade() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    let good = backup(&env, Kind::PreUpgrade).await.expect("taken");
    today(&env);
    execute(&env.database(), "DELETE FROM notes").await;
    let error = backup(&env, Kind::PreUpgrade).await.expect_err("hollow");
    assert!(matches!(&error, BackupError::Hollow { rows: 2, previous, .. } if *previous == good.label), "{error}");
    assert_eq!(error.class(), Class::Data);
    assert_eq!((env.archive_files().len(), entries(&env).await.len()), (1, 1), "the good one is the only one");
    // Whoever empties it on purpose may say so, and then upgrade.
    backup(&env, Kind::Manual).await.expect("a person's word counts");
    backup(&env, Kind::PreUpgrade).await.expect("taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_during_a_backup_leaves_what_there_was() {
    let Some(disk) = SmallDisk::of(16 * 1024) else { return };
    let env = Env::sqlite_with_archives(&disk.path().join("archives")).await;
    execute(&env.database(), NOTES).await;
    let good = backup(&env, Kind::Scheduled).await.expect("taken");
    let files = env.archive_files();

    // Room for the image, and not for the archive of it, even if its last frames are written when the image is gone.
    execute(&env.database(), "CREATE TABLE blob (b); INSERT INTO blob VALUES (randomblob(12000000))").await;
    let error = backup(&env, Kind::Scheduled).await.expect_err("full");
    let failure = Failure::of(&error);
    assert_eq!(failure.code, 73, "{failure}");
    assert!(failure.to_string().contains("no space") || failure.to_string().contains("No space"), "{failure}");
    assert!(failure.safe.is_some() && !failure.hints.is_empty(), "{failure}");
    assert_eq!(env.archive_files(), files, "no temporary file is left");

    // Room for neither: known before anything is written.
    execute(&env.database(), "INSERT INTO blob VALUES (randomblob(12000000))").await;
    let error = backup(&env, Kind::Scheduled).await.expect_err("full");
    assert!(matches!(error, BackupError::NoRoom { .. }), "{error}");
    assert_eq!(Failure::of(&error).code, 73);
    assert_eq!((env.archive_files(), entries(&env).await), (files, vec![good]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_during_a_restore_leaves_the_old_database() {
    let Some(disk) = SmallDisk::of(5 * 1024) else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let archives = dir.path().join("archives");
    let env = Env::of(dir, Location::Sqlite { path: disk.path().join("notes.db") }, |_| archives.clone()).await;
    execute(&env.database(), NOTES).await;
    execute(&env.database(), "CREATE TABLE blob (b); INSERT INTO blob VALUES (randomblob(2500000))").await;
    backup(&env, Kind::Scheduled).await.expect("taken");
    execute(&env.database(), "INSERT INTO notes (text) VALUES ('third')").await;

    disk.fill(1024);
    let files = names(disk.path());
    let error = run(&env, &asked(Which::Newest, Replace::Allow)).await.expect_err("full");
    assert_eq!(Failure::of(&error).code, 73, "{error:?}");
    assert_eq!((notes(&env).await.len(), unfinished(&env)), (3, None));
    assert_eq!(names(disk.path()), files, "no temporary file is left");

    // Into nothing, a load that stopped is marked, and can be run again.
    std::fs::remove_file(env.database()).expect("lost");
    std::fs::remove_file(disk.path().join("ballast")).expect("removed");
    // A process another test is just starting may hold the removed file for a moment.
    until("the room is free again", || upkeep::durable::free_bytes(disk.path()).expect("free bytes") > 4 * 1024 * 1024);
    disk.fill(1024);
    run(&env, &asked(Which::Newest, Replace::Refuse)).await.expect_err("full");
    let mark = unfinished(&env).expect("status can say so");
    assert_eq!((mark.mode, mark.location), (LoadMode::Clean, env.target.database.location.to_string()));
    std::fs::remove_file(disk.path().join("ballast")).expect("removed");
    run(&env, &asked(Which::Newest, Replace::Refuse)).await.expect("restored");
    assert_eq!((notes(&env).await.len(), unfinished(&env)), (2, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crashed_load_left_is_settled() {
    let env = Env::sqlite().await;
    execute(&env.database(), NOTES).await;
    put(&env.dir.path().join(".notes.db.upkeep-new.tmp"), b"half an image");
    put(&env.dir.path().join(".notes.db.tmp"), b"somebody else's");
    let engine = upkeep::engine::Engine::of(&env.target.database);
    let lines = engine.settle().await.expect("settled");
    assert!(lines.len() == 1 && lines[0].contains(".notes.db.upkeep-new.tmp"), "{lines:?}");
    assert_eq!(engine.settle().await.expect("settled"), [""; 0]);
    assert_eq!(names(env.dir.path()), [".notes.db.tmp", "notes.db", "state"]);
}
