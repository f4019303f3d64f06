use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::archive::manifest::Manifest;
use crate::archive::writer::Sealed;
use crate::archive::{FrameEncoder, PendingArchive, manifest::FrameKind};
use crate::clock::FixedClock;
use crate::config::{Config, Control, Daemon, Database, Location};
use crate::context::Context;
use crate::engine::Engine;
use crate::progress::Progress;

/// A target whose archives live in `directory`, and which keeps the last two.
pub(crate) fn target(directory: &Path) -> Target {
    crate::targets::target(Location::Sqlite { path: "/nowhere/notes.db".into() }, directory.to_owned(), 2)
}

pub(crate) async fn context(state_dir: &Path, now: &str) -> Context {
    let second = std::time::Duration::from_secs(1);
    let config = Config {
        daemon: Daemon { state_dir: state_dir.to_owned(), poll: second, stop_timeout: second },
        control: Control {
            socket: state_dir.join("sock"),
            observers: Vec::new(),
            operators: Vec::new(),
            restore_into: Vec::new(),
        },
        alarms: None,
        offsite: BTreeMap::new(),
        targets: BTreeMap::new(),
    };
    Context {
        config: Arc::new(config),
        state: StateDb::open(state_dir).await.unwrap(),
        clock: Arc::new(FixedClock::at(now.parse().unwrap())),
    }
}

/// Seals an archive of target `notes`, taken at `taken_at`, that says it holds `rows` rows.
pub(crate) fn seal(directory: &Path, taken_at: &str, rows: u64) -> Sealed {
    let text = include_str!("../../tests/golden/manifest/format-1-sqlite.json");
    let mut manifest: Manifest = serde_json::from_str(text).unwrap();
    manifest.taken_at = taken_at.parse().unwrap();
    manifest.tables[0].rows = rows;
    let label = next_label(directory, &manifest.target, None, manifest.taken_at).unwrap();
    let pending = PendingArchive::create(directory, &label, "sqlite.zst").unwrap();
    let mut frame = FrameEncoder::new(FrameKind::Image, None, 3).unwrap();
    frame.write(taken_at.repeat(50).as_bytes(), 0).unwrap();
    pending.sink().append(frame.finish().unwrap()).unwrap();
    pending.seal(manifest).unwrap()
}

fn postgres() -> Database {
    let [host, user, database, sslmode] = ["h", "u", "d", "prefer"].map(str::to_owned);
    Database::at(Location::Postgres { host, port: 5432, user, database, sslmode })
}

const DAYS: [&str; 3] = ["2026-11-20T02:30:00Z", "2026-11-21T02:30:00Z", "2026-11-22T02:30:00Z"];

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    durable::write(path, &bytes).unwrap();
}

#[tokio::test]
async fn a_catalogue_made_anew_is_the_one_that_was_lost() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let db = StateDb::open(state.path()).await.unwrap();
    let target = target(archives.path());
    for day in DAYS {
        catalogue::record(&db, &target.name, &seal(archives.path(), day, 9)).await.unwrap();
    }
    let oldest = catalogue::list(&db, None).await.unwrap().pop().unwrap();
    pin(&db, &oldest, "before 2.0", oldest.taken_at).await.unwrap();
    let original = catalogue::list(&db, None).await.unwrap();
    assert_eq!(original.last().unwrap().pinned.as_deref(), Some("before 2.0"));

    catalogue::replace(&db, &[]).await.unwrap();
    assert_eq!(rebuild(&db, &[archives.path().to_owned()]).await.unwrap(), Vec::<String>::new());
    assert_eq!(catalogue::list(&db, None).await.unwrap(), original);

    catalogue::replace(&db, &[]).await.unwrap();
    assert_eq!(reconcile(&db, &target).await.unwrap().len(), 3);
    assert_eq!(catalogue::list(&db, None).await.unwrap(), original, "a start-up finds them as well");
    assert_eq!(reconcile(&db, &target).await.unwrap(), Vec::<String>::new(), "at rest it says nothing");
}

#[tokio::test]
async fn the_catalogue_follows_the_directory() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ctx = context(state.path(), "2026-11-22T12:00:00Z").await;
    let (db, target) = (&ctx.state, target(archives.path()));
    let sealed = DAYS.map(|day| seal(archives.path(), day, 9));
    for sealed in &sealed {
        let entry = catalogue::record(db, &target.name, sealed).await.unwrap();
        let verified = crate::verify::verify(&ctx, &entry, &Progress::default()).await.unwrap();
        assert_eq!(catalogue::find(db, &entry.label).await.unwrap(), Some(verified));
    }
    let verdicts = async || {
        let entries = catalogue::list(db, None).await.unwrap();
        entries.iter().rev().map(|entry| entry.verdict).collect::<Vec<_>>()
    };
    // One vanishes, one is cut short, one comes from elsewhere, and a dead writer left something.
    let aside = state.path().join("aside");
    fs::rename(&sealed[0].path, &aside).unwrap();
    fs::OpenOptions::new().write(true).open(&sealed[1].path).unwrap().set_len(60).unwrap();
    fs::copy(&sealed[2].path, archives.path().join("foreign.sqlite.zst")).unwrap();
    durable::create_temporary(&archives.path().join("dead.sqlite.zst")).unwrap();
    let living = PendingArchive::create(archives.path(), &Label::parse("living").unwrap(), "sqlite.zst").unwrap();

    let lines = reconcile(db, &target).await.unwrap();
    assert_eq!(verdicts().await, [Verdict::Missing, Verdict::Torn, Verdict::Whole], "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains(".dead.sqlite.zst.tmp")).count(), 1);
    assert_eq!(lines.iter().filter(|line| line.contains("foreign")).count(), 1);
    assert!(!names(archives.path()).unwrap().iter().any(|name| name.contains("dead")));
    assert!(names(archives.path()).unwrap().iter().any(|name| name.contains("living")), "a living writer is left alone");
    drop(living);

    fs::rename(&aside, &sealed[0].path).unwrap();
    fs::remove_file(archives.path().join("foreign.sqlite.zst")).unwrap();
    reconcile(db, &target).await.unwrap();
    assert_eq!(verdicts().await, [Verdict::Unverified, Verdict::Torn, Verdict::Whole], "what came back is to be read again");
}

#[tokio::test]
async fn a_verdict_is_noted_whatever_it_is() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ctx = context(state.path(), "2026-11-22T12:00:00Z").await;
    let target = target(archives.path());
    let sealed = seal(archives.path(), DAYS[0], 9);
    let entry = catalogue::record(&ctx.state, &target.name, &sealed).await.unwrap();
    let look = async || {
        let answer = crate::verify::verify(&ctx, &entry, &Progress::default()).await;
        let noted = catalogue::find(&ctx.state, &entry.label).await.unwrap().unwrap();
        assert_eq!(noted.verified_at, Some(ctx.clock.now()));
        (answer.map_err(|error| error.class()), noted.verdict)
    };
    assert_eq!(look().await.1, Verdict::Whole);
    flip(&sealed.path, 30);
    assert_eq!(look().await, (Err(Class::Data), Verdict::Damaged));
    fs::OpenOptions::new().write(true).open(&sealed.path).unwrap().set_len(60).unwrap();
    assert_eq!(look().await, (Err(Class::Data), Verdict::Torn));
    fs::copy(seal(archives.path(), DAYS[1], 9).path, &sealed.path).unwrap();
    assert_eq!(look().await, (Err(Class::Data), Verdict::Damaged), "another archive under its name");
    fs::remove_file(&sealed.path).unwrap();
    assert_eq!(look().await, (Err(Class::NoInput), Verdict::Missing));
}

#[tokio::test]
async fn a_pinned_archive_is_not_deleted_and_a_half_deleted_one_is_listed_again() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let db = StateDb::open(state.path()).await.unwrap();
    let target = target(archives.path());
    let entry = catalogue::record(&db, &target.name, &seal(archives.path(), DAYS[0], 9)).await.unwrap();
    let entry = pin(&db, &entry, "mine", entry.taken_at).await.unwrap();
    // The catalogue's word alone does not unpin.
    catalogue::pinned(&db, &entry.label, None).await.unwrap();
    assert!(matches!(delete(&db, &entry).await, Err(StoreError::Pinned { .. })));
    durable::write(&archives.path().join(format!(".{}.pin.json", entry.label)), b"{").unwrap();
    assert!(matches!(delete(&db, &entry).await, Err(StoreError::Pinned { .. })), "a pin that cannot be read pins");
    let entry = unpin(&db, &entry).await.unwrap();

    // As after a crash between the two steps of a deletion.
    catalogue::delete(&db, &entry.label).await.unwrap();
    reconcile(&db, &target).await.unwrap();
    assert_eq!(catalogue::find(&db, &entry.label).await.unwrap(), Some(entry.clone()));

    delete(&db, &entry).await.unwrap();
    assert_eq!((names(archives.path()).unwrap(), catalogue::list(&db, None).await.unwrap()), (Vec::new(), Vec::new()));
    // As after a crash between the removal of an archive by hand and that of its pin.
    durable::write(&archives.path().join(".gone.pin.json"), b"{}").unwrap();
    assert_eq!(sweep(archives.path()).unwrap().len(), 1);
    assert_eq!(names(archives.path()).unwrap(), Vec::<String>::new());
}

/// Pins are set beside whatever else goes on. One that was answered with success keeps its archive.
#[tokio::test]
async fn a_pin_set_while_its_archive_is_being_deleted_keeps_it_or_fails() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let db = StateDb::open(state.path()).await.unwrap();
    let target = target(archives.path());
    let entry = catalogue::record(&db, &target.name, &seal(archives.path(), DAYS[0], 9)).await.unwrap();
    // The deletion is polled first: it has looked for a pin when the pin comes.
    let (deleted, pinned) = tokio::join!(delete(&db, &entry), pin(&db, &entry, "mine", entry.taken_at));
    assert_eq!(pinned.is_ok(), entry.path.exists(), "{deleted:?}, {pinned:?}");
}

#[test]
fn labels_are_read_from_names_and_never_given_twice() {
    let cases = [
        ("notes-1.8.2-20261122T023000Z.sql.zst", Some("notes-1.8.2-20261122T023000Z")),
        ("notes-20261122T023000Z-1.sqlite.zst", Some("notes-20261122T023000Z-1")),
        (".notes.sql.zst.tmp", None),
        (".notes.sql.zst", None),
        ("notes.zst", None),
        ("notessql.zst", None),
        ("readme", None),
    ];
    for (name, label) in cases {
        assert_eq!(label_of(name).as_ref().map(Label::as_str), label, "{name}");
    }
    for engine in [Engine::of(&target(Path::new("/nowhere")).database), Engine::of(&postgres())] {
        assert!(EXTENSIONS.contains(&engine.extension()), "archives of {} would not be listed", engine.flavour());
    }
    let archives = tempfile::tempdir().unwrap();
    let labels = [seal(archives.path(), DAYS[0], 1), seal(archives.path(), DAYS[0], 1)].map(|sealed| sealed.label.to_string());
    assert_eq!(labels, ["notes-20261120T023000Z", "notes-20261120T023000Z-1"]);
    let (name, at) = (TargetName::parse("notes").unwrap(), DAYS[0].parse().unwrap());
    let pending = Label::parse("notes-20261120T023000Z-2").unwrap();
    let living = PendingArchive::create(archives.path(), &pending, "sql.zst").unwrap();
    assert_eq!(next_label(archives.path(), &name, None, at).unwrap().as_str(), "notes-20261120T023000Z-3");
    drop(living);
    assert_eq!(list(&archives.path().join("none")).unwrap(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn growth_is_what_comes_in_a_day() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let db = StateDb::open(state.path()).await.unwrap();
    let entry = catalogue::record(&db, &target(archives.path()).name, &seal(archives.path(), DAYS[0], 1)).await.unwrap();
    let of = |day: &str, verdict| Entry { taken_at: day.parse().unwrap(), size: 300, verdict, ..entry.clone() };
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let entries = [of(DAYS[0], Verdict::Whole), of(DAYS[1], Verdict::Whole), of(DAYS[2], Verdict::Missing)];
    let growth = room::growth(&entries, now);
    assert_eq!(growth, room::Growth { archives: 2, bytes: 600, bytes_per_day: 200 });
    assert_eq!(room::growth(&[], now), room::Growth::default());
    let young = room::growth(&entries, "2026-11-21T02:32:00Z".parse().unwrap());
    assert_eq!(young.bytes_per_day, 0, "a day is no growth to go by");
    assert_eq!(room::days_left(archives.path(), room::Growth::default()).unwrap(), None);
    assert!(room::days_left(archives.path(), growth).unwrap() > Some(0));
}
