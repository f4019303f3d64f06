//! Scripts that defeat splitters, run on the real servers: what took effect is what was written.
//!
//! Each engine has a table of cases. All of a server's cases are versions of one folder that `apply` runs in one database, so that
//! a case costs a few statements; each has objects of its own. A case that is named by a number is what Flyway's issue of that number
//! is about, in words of our own.

mod mysql;
mod postgres;
mod sqlite;

use std::error::Error as _;
use std::io::Write;

use upkeep::config::{Database, Migrations};
use upkeep::migrate::{self, MigrateError};
use upkeep::progress::Progress;

use crate::support::scripts::{put, settings};

/// One script.
struct Case {
    name: &'static str,
    script: &'static str,
    /// A question about what it did.
    ask: &'static str,
    /// Columns joined by `|`, rows by a blank.
    answer: &'static str,
}

/// A script that is refused before anything runs: where, and why.
struct Refused {
    script: &'static str,
    line: usize,
    why: &'static str,
}

/// Applies the cases and asks about each.
async fn check(database: &Database, cases: &[&Case], on: &str, ask: impl Fn(&str) -> String) {
    let root = tempfile::tempdir().unwrap();
    for (number, case) in (1..).zip(cases) {
        put(root.path(), &format!("sql/V{number}__{}.sql", case.name.replace(' ', "_")), case.script);
    }
    let settings = Migrations { mixed: true, ..settings() };
    let report = match migrate::apply(database, &settings, root.path(), &Progress::default()).await {
        Ok(report) => report,
        Err(failure) => panic!("on {on}: {failure}: {:?} {:?}", failure.error, failure.source().map(ToString::to_string)),
    };
    assert_eq!(report.applied.len(), cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let answer = ask(case.ask);
            (answer != case.answer).then(|| format!("{}: {answer:?}, not {:?}", case.name, case.answer))
        })
        .collect();
    assert_eq!(wrong, Vec::<String>::new(), "on {on}");
    // Past the test harness, which keeps what a passing test prints to itself.
    let mut told = std::io::stderr();
    writeln!(told, "{} scripts that defeat splitters did on {on} what they say", cases.len()).unwrap();
}

/// Nothing of a folder runs that holds such a script.
async fn refuse(database: &Database, all: &[Refused], ask: impl Fn(&str) -> String) {
    for Refused { script, line, why } in all {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "sql/V1__fine.sql", "CREATE TABLE never_made (a int);");
        put(root.path(), "sql/V2__x.sql", script);
        let failure = migrate::apply(database, &settings(), root.path(), &Progress::default()).await.unwrap_err();
        let MigrateError::Refused(problems) = *failure.error else { panic!("{script:?}: {failure}") };
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said, [format!("V2__x.sql line {line}: {why}")], "{script:?}");
    }
    assert_eq!(ask("SELECT count(*) FROM information_schema.tables WHERE table_name = 'never_made'"), "0");
}
