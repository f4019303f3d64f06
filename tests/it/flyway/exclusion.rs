//! Flyway and upkeep on one database at the same time: each script runs once, whoever comes first.

use std::io::Write;
use std::path::Path;

use upkeep::config::Migrations;
use upkeep::migrate;
use upkeep::progress::Progress;

use super::ground::{Base, Ground};
use crate::support::flyway::{Settings, Version, alone};
use crate::support::scripts::{put, settings};
use crate::support::wait::until;

/// How often they meet: half of the times both begin at once, the other half Flyway is under way when upkeep begins.
const ROUNDS: usize = 100;
/// How many databases at the same moment: the tools wait for each other's lock most of the time.
const AT_ONCE: usize = 10;

const SCRIPTS: usize = 6;

/// What came of one round.
#[derive(Debug)]
struct Round {
    /// Flyway's complaint.
    theirs: Option<String>,
    /// upkeep's.
    ours: Option<String>,
    /// How many scripts upkeep ran.
    applied: usize,
}

/// Starts both on each of a few fresh databases. `head_start` is how many scripts Flyway has run on the first database when upkeep
/// begins there, and so on.
fn together(ground: &Ground, head_start: &[usize; AT_ONCE]) -> Vec<Round> {
    let Some(mut flyway) = alone() else { return Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let root = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.ignore_patterns = vec!["*:future".to_owned()];
    put(root.path(), "sql/V1__ran.sql", "CREATE TABLE ran (script int);");
    let mut bases: Vec<Base> = (0..AT_ONCE).map(|_| ground.fresh()).collect();
    // The history is there: whether an empty schema is still empty is looked at before Flyway takes its lock.
    for base in &bases {
        runtime.block_on(migrate::apply(&base.database, &settings, root.path(), &Progress::default())).unwrap();
    }
    for number in 2..=SCRIPTS {
        put(root.path(), &format!("sql/V{number}__t.sql"), &format!("INSERT INTO ran VALUES ({number});"));
    }
    let urls: Vec<&str> = bases.iter().map(|base| base.jdbc[0].1.as_str()).collect();
    let mut theirs: Settings = vec![("urls".to_owned(), urls.join(" "))];
    theirs.extend(bases[0].jdbc[1..].iter().cloned());
    theirs.push(("locations".to_owned(), format!("filesystem:{}", root.path().join("sql").display())));
    let (answer, ours) = std::thread::scope(|scope| {
        let flyway = &mut *flyway;
        let flyways = scope.spawn(|| flyway.ask("race", &theirs));
        let (settings, root) = (&settings, root.path());
        let ours: Vec<_> = bases
            .iter_mut()
            .zip(head_start)
            .map(|(base, &scripts)| scope.spawn(move || after(ground, base, scripts, settings, root)))
            .collect();
        (flyways.join().unwrap(), ours.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>())
    });
    assert_eq!((answer.failed, answer.rows.len()), (None, AT_ONCE));
    let said = answer.rows.into_iter().map(|row| Some(row.concat()).filter(|said| said != "ok"));
    let rounds = bases.iter().zip(said).zip(ours).map(|((base, theirs), ours)| {
        let round = Round { theirs, applied: *ours.as_ref().unwrap_or(&0), ours: ours.err() };
        // Each script once, whoever ran it, and the history says so.
        let expected: Vec<String> = (2..=SCRIPTS).map(|number| number.to_string()).collect();
        assert_eq!(ground.sql(base, "SELECT script FROM ran ORDER BY script"), expected, "{round:?}");
        assert_eq!(ground.history(base, &settings).len(), SCRIPTS);
        round
    });
    rounds.collect()
}

/// What upkeep does once Flyway has run so many of the scripts.
fn after(ground: &Ground, base: &mut Base, scripts: usize, settings: &Migrations, root: &Path) -> Result<usize, String> {
    if scripts > 0 {
        let ran = || ground.sql(base, "SELECT COUNT(*) FROM ran").concat().parse::<usize>().unwrap() >= scripts;
        until("Flyway is under way", ran);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(migrate::apply(&base.database, settings, root, &Progress::default()));
    done.map(|report| report.applied.len()).map_err(|error| format!("{error}: {:?}", error.error))
}

fn a_hundred_times(ground: Option<Ground>) -> Vec<Round> {
    let Some(ground) = ground else { return Vec::new() };
    // Whoever looks into a file may keep Flyway from writing to it.
    let seen = !matches!(ground, Ground::Sqlite { .. });
    let head_starts = |batch: usize| -> [usize; AT_ONCE] {
        std::array::from_fn(|base| if seen && batch % 2 == 1 { 1 + (batch / 2 + base) % (SCRIPTS - 1) } else { 0 })
    };
    let rounds: Vec<Round> = (0..ROUNDS / AT_ONCE).flat_map(|batch| together(&ground, &head_starts(batch))).collect();
    let ours: usize = rounds.iter().map(|round| round.applied).sum();
    let all = rounds.iter().filter(|round| round.applied == SCRIPTS - 1).count();
    let some = rounds.iter().filter(|round| (1..SCRIPTS - 1).contains(&round.applied)).count();
    let refused = rounds.iter().filter(|round| round.theirs.is_some()).count();
    let mut told = std::io::stderr();
    writeln!(
        told,
        "Flyway {} and upkeep together on {}, {} times: upkeep ran {ours} of {} scripts, all of them in {all} rounds and some in {some}; \
         none ran twice; Flyway gave up {refused} times",
        Version::Current.number(),
        ground.name(),
        rounds.len(),
        rounds.len() * (SCRIPTS - 1)
    )
    .unwrap();
    rounds
}

fn both_go_through(ground: Option<Ground>) {
    let rounds = a_hundred_times(ground);
    let ours: usize = rounds.iter().map(|round| round.applied).sum();
    for round in &rounds {
        assert_eq!((&round.theirs, &round.ours), (&None, &None));
    }
    // Both were at work, or it shows nothing.
    assert!(rounds.is_empty() || (ours > 0 && ours < rounds.len() * (SCRIPTS - 1)), "{ours}");
}

#[test]
fn on_postgresql_both_go_through() {
    both_go_through(Ground::postgres());
}

#[test]
fn on_mysql_both_go_through() {
    both_go_through(Ground::mysql());
}

#[test]
fn on_mariadb_both_go_through() {
    both_go_through(Ground::mariadb());
}

/// Flyway takes no lock on SQLite and gives up when the file is busy; upkeep waits for it, and nothing runs twice.
#[test]
fn on_sqlite_upkeep_goes_through() {
    for round in a_hundred_times(Some(Ground::sqlite())) {
        assert_eq!(round.ours, None);
    }
}
