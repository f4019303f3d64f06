//! Flyway and upkeep started together on one database: each script runs once.

use std::io::Write;

use upkeep::migrate;
use upkeep::progress::Progress;

use super::ground::Ground;
use crate::support::flyway::{Flyway, Version, flyway};
use crate::support::scripts::{put, settings};

/// How often they are started together. `TEST_FLYWAY_ORDERS=all` makes it a hundred times.
fn rounds() -> usize {
    if super::all_orders() { 100 } else { 10 }
}

const SCRIPTS: usize = 6;

fn together(
    ground: &Ground,
    flyway: &mut Flyway,
    runtime: &tokio::runtime::Runtime,
) -> (Option<String>, Option<String>, usize) {
    let (root, base) = (tempfile::tempdir().unwrap(), ground.fresh());
    let mut settings = settings();
    settings.ignore_patterns = vec!["*:future".to_owned()];
    put(root.path(), "sql/V1__ran.sql", "CREATE TABLE ran (script int);");
    let mut theirs = base.jdbc.clone();
    theirs.push(("locations".to_owned(), format!("filesystem:{}", root.path().join("sql").display())));
    // The history is there: whether an empty schema is still empty is looked at before Flyway takes its lock.
    runtime.block_on(migrate::apply(&base.database, &settings, root.path(), &Progress::default())).unwrap();
    for number in 2..=SCRIPTS {
        put(root.path(), &format!("sql/V{number}__t.sql"), &format!("INSERT INTO ran VALUES ({number});"));
    }
    let (answer, ours) = std::thread::scope(|scope| {
        let theirs = &theirs;
        let flyway = scope.spawn(move || flyway.ask("migrate", theirs));
        let ours = runtime.block_on(migrate::apply(&base.database, &settings, root.path(), &Progress::default()));
        (flyway.join().unwrap(), ours)
    });
    let applied = ours.as_ref().map_or(0, |report| report.applied.len());
    let failed = ours.err().map(|error| format!("{error}: {:?}", error.error));
    // Each script once, whoever ran it, and the history says so.
    let expected: Vec<String> = (2..=SCRIPTS).map(|number| number.to_string()).collect();
    assert_eq!(ground.sql(&base, "SELECT script FROM ran ORDER BY script"), expected, "{failed:?} {answer:?}");
    assert_eq!(ground.history(&base, &settings).len(), SCRIPTS);
    (answer.failed, failed, applied)
}

fn many_times(ground: &Ground, version: Version) -> Vec<(Option<String>, Option<String>, usize)> {
    let Some(mut flyway) = flyway(version) else { return Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rounds: Vec<_> = (0..rounds()).map(|_| together(ground, &mut flyway, &runtime)).collect();
    let ours: usize = rounds.iter().map(|round| round.2).sum();
    let refused = rounds.iter().filter(|round| round.0.is_some()).count();
    let mut told = std::io::stderr();
    writeln!(
        told,
        "Flyway {} and upkeep together on {}, {} times: upkeep ran {ours} of {} scripts, none ran twice; Flyway gave up {refused} times",
        version.number(),
        ground.name(),
        rounds.len(),
        rounds.len() * (SCRIPTS - 1)
    )
    .unwrap();
    rounds
}

#[test]
fn on_postgresql_both_go_through() {
    let Some(ground) = Ground::postgres() else { return };
    for (flyways, ours, _) in many_times(&ground, Version::Current) {
        assert_eq!((flyways, ours), (None, None));
    }
}

/// Flyway takes no lock on SQLite and gives up when the file is busy; upkeep waits for it, and nothing runs twice.
#[test]
fn on_sqlite_upkeep_goes_through() {
    for (_, ours, _) in many_times(&Ground::sqlite(), Version::Current) {
        assert_eq!(ours, None);
    }
}
