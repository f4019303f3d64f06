use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::shape::{Applied, History};

/// A history as `tool: version version! version?`: `!` failed.
fn history(text: &str) -> History {
    let (tool, rows) = text.split_once(':').unwrap();
    let (tool, table) = tool.split_once('@').unwrap_or((tool, tool));
    let row = |(rank, word): (i64, &str)| Applied {
        rank,
        version: Some(word.trim_end_matches('!').to_owned()),
        description: String::new(),
        kind: "SQL".to_owned(),
        script: String::new(),
        checksum: None,
        success: !word.ends_with('!'),
    };
    History { tool: tool.to_owned(), table: table.to_owned(), applied: (1..).zip(rows.split_whitespace()).map(row).collect() }
}

/// A shape as histories between semicolons and a fingerprint behind a slash.
fn shape(text: &str) -> Shape {
    let (histories, fingerprint) = text.split_once('/').unwrap();
    let histories = histories.split(';').map(str::trim).filter(|text| !text.is_empty()).map(history).collect();
    Shape { histories, fingerprint: Some(fingerprint.to_owned()).filter(|fingerprint| !fingerprint.is_empty()) }
}

fn v(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn command() -> Runner {
    Runner::Command {
        argv: vec!["migrate".to_owned()],
        directory: None,
        environment: BTreeMap::new(),
        environment_file: None,
        deadline: Duration::from_secs(1),
        user: None,
    }
}

/// What is on record: a release (`?` for one nobody knows) and the shape it left.
fn left(text: &str) -> Option<Left> {
    let (release, shape_text) = text.split_once(' ')?;
    let release = Some(release).filter(|release| *release != "?").map(v);
    let shape = Some(shape_text).filter(|text| *text != "-").map(shape);
    Some(Left { release, shape, source: "restore of notes-1".to_owned() })
}

fn in_words(judged: &Judgement) -> String {
    let release = judged.release.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
    let stand = match judged.stand() {
        Stand::InStep => "in step".to_owned(),
        Stand::Pending => format!("pending {}", judged.pending.join(", ")),
        Stand::Ahead => format!("ahead {}", judged.ahead.join(", ")),
        Stand::Failed => format!("failed {}", judged.failed.join(", ")),
        Stand::Unknown => match &judged.unknown {
            Some(Unknown::FirstSight(_)) => "first sight".to_owned(),
            Some(Unknown::Contradicts(_)) => "unknown".to_owned(),
            Some(Unknown::Outside(_)) => "changed outside".to_owned(),
            None => format!("invalid {}", judged.invalid.join(", ")),
        },
    };
    format!("{} of {release}", stand.trim_end())
}

const UP: Serving = Serving::Yes;
const DOWN: Serving = Serving::No;
const NONE: Serving = Serving::NoServer;

/// Installed release, what is on record, what is there, whose shape that is known to be, the server: the judgement without scripts.
type ByRecord = (&'static str, &'static str, &'static str, &'static [&'static str], Serving, &'static str);

/// Scripts, installed release, what is on record, what is there, whose shape that is known to be: the judgement with scripts.
type ByScripts<'a> = (&'a Scripts, &'static str, &'static str, &'static str, &'static [&'static str], &'static str);

const BY_RECORD: &[ByRecord] = &[
    // What was left is what is there.
    ("2.0", "2.0 flyway:1 2/f", "flyway:1 2/f", &[], DOWN, "in step of 2.0"),
    ("2.0", "2.0 /f", "/f", &[], DOWN, "in step of 2.0"),
    ("2.1", "2.0 flyway:1 2/f", "flyway:1 2/f", &[], UP, "pending of 2.0"),
    ("1.9", "2.0 flyway:1 2/f", "flyway:1 2/f", &[], UP, "ahead of 2.0"),
    ("2.0", "2.0 -", "flyway:1 2/f", &[], DOWN, "in step of 2.0"),
    // A restore set what it belongs to, whatever is installed and whatever runs.
    ("26.5.6", "26.4.7 liquibase:a b/f", "liquibase:a b/f", &[], DOWN, "pending of 26.4.7"),
    ("26.5.6", "26.4.7 liquibase:a b/f", "liquibase:a b/f", &["26.4.7"], UP, "pending of 26.4.7"),
    ("26.5.6", "26.4.7 liquibase:a b/f", "liquibase:a b c/g", &["26.5.6"], UP, "in step of 26.5.6"),
    ("26.5.6", "26.4.7 liquibase:a b/f", "liquibase:a b c/g", &[], UP, "unknown of ?"),
    ("26.4.7", "26.5.6 liquibase:a b c/g", "liquibase:a b c/g", &[], DOWN, "ahead of 26.5.6"),
    ("2.0", "? flyway:1/f", "flyway:1/f", &[], UP, "unknown of ?"),
    ("2.0", "? flyway:1/f", "flyway:1/f", &["1.0"], UP, "pending of 1.0"),
    // Somebody restored by hand, beside upkeep.
    ("2.0", "2.0 rails:1 2/f", "rails:1/e", &["1.0"], UP, "pending of 1.0"),
    ("2.0", "2.0 rails:1 2/f", "rails:1/e", &[], UP, "pending 2 of ?"),
    ("2.0", "2.0 /f", "/e", &["1.0"], UP, "pending of 1.0"),
    ("2.0", "2.0 /f", "/g", &["3.0"], DOWN, "ahead of 3.0"),
    ("2.0", "2.0 rails:1 2/f", "rails:1 3/g", &[], UP, "unknown of ?"),
    // Two releases that leave one shape.
    ("2.0.1", "2.0.1 rails:1 2/f", "rails:1 2/f", &["2.0", "2.0.1"], DOWN, "in step of 2.0.1"),
    ("2.0.1", "2.0 rails:1 2/f", "rails:1 2/f", &["2.0", "2.0.1"], DOWN, "pending of 2.0"),
    // It changed: by the server whose release it is, or by somebody else.
    ("2.0", "2.0 rails:1 2/f", "rails:1 2 3/g", &[], UP, "in step of 2.0"),
    ("2.0", "2.0 rails:1 2/f", "rails:1 2 3/g", &[], DOWN, "unknown of ?"),
    ("2.0", "2.0 rails:1 2/f", "rails:1 2 3/g", &[], NONE, "in step of 2.0"),
    ("1.0", "2.0 rails:1 2/f", "rails:1 2 3/g", &[], DOWN, "ahead 3 of ?"),
    ("2.0", "1.0 rails:1 2/f", "rails:1 2 3/g", &[], UP, "unknown of ?"),
    ("2.0", "2.0 rails:1 2/f", "rails:1 2/g", &[], DOWN, "in step of 2.0"),
    ("2.0", "2.0 /f", "/g", &[], UP, "in step of 2.0"),
    ("2.0", "2.0 /f", "/g", &[], DOWN, "unknown of ?"),
    ("2.0", "2.0 /f", "/", &[], DOWN, "in step of 2.0"),
    // Nothing is on record.
    ("2.0", "", "rails:1 2/f", &[], UP, "in step of ?"),
    ("2.0", "", "rails:1 2/f", &[], DOWN, "first sight of ?"),
    ("2.0", "", "rails:1 2/f", &[], NONE, "in step of ?"),
    ("2.0", "", "rails:1/e", &["1.0"], UP, "pending of 1.0"),
    // What failed or did not end is never in step, whatever is on record.
    (
        "2.1.1",
        "2.1.1 openmetadata:2.0.0 2.1.0! 2.1.1!/f",
        "openmetadata:2.0.0 2.1.0! 2.1.1!/f",
        &["2.1.1"],
        UP,
        "failed 2.1.0 (openmetadata), 2.1.1 (openmetadata) of ?",
    ),
    ("2.1.1", "", "openmetadata:2.1.0! 2.1.1!/f", &[], UP, "failed 2.1.0 (openmetadata), 2.1.1 (openmetadata) of ?"),
    ("2.0", "", "golang-migrate:7!/f", &[], UP, "failed 7 (golang-migrate) of ?"),
    ("2.0", "2.0 sqlx:1 2!/f", "sqlx:1 2!/f", &[], UP, "failed 2 (sqlx) of ?"),
    ("2.0", "2.0 flyway:1/f", "flyway:1 2!/f", &[], DOWN, "failed 2 (flyway) of ?"),
    ("2.0", "2.0 liquibase:a/f", "liquibase:a b!/f", &[], DOWN, "failed b (liquibase) of ?"),
    // Changed past every history, and where there is none.
    ("2.0", "1.0 rails:1/f", "rails:1/a column more", &[], UP, "changed outside of ?"),
    ("2.0", "1.0 rails:1/f", "rails:1/a column more", &[], DOWN, "changed outside of ?"),
    ("2.0", "1.0 /f", "/a column more", &[], DOWN, "changed outside of ?"),
    ("1.0", "1.0 rails:1/f", "rails:1/an index more", &[], DOWN, "in step of 1.0"),
    // A product that numbers its migrations as its releases.
    ("1.2.0", "", "openmetadata:1.1.0 1.1.7/f", &[], UP, "pending all after 1.1.7 up to 1.2.0 of ?"),
    ("1.2.0", "1.2.0 openmetadata:1.1.7/f", "openmetadata:1.1.7/f", &[], UP, "pending all after 1.1.7 up to 1.2.0 of ?"),
    ("1.2.0", "1.1.7 openmetadata:1.1.7/f", "openmetadata:1.1.7/f", &[], UP, "pending all after 1.1.7 up to 1.2.0 of 1.1.7"),
    ("1.10.1", "", "openmetadata:1.9.12 1.10.0 1.9.13 1.10.1-collate 1.9.2/f", &[], UP, "in step of ?"),
    ("1.9.13", "", "openmetadata:1.9.12 1.10.0 1.9.13 1.10.1-collate 1.9.2/f", &[], UP, "ahead 1.10.1-collate of ?"),
    ("1.2.3", "", "openmetadata:1.2.1/f", &[], UP, "in step of ?"),
    ("1.2.0-SNAPSHOT", "", "openmetadata:1.2.0/f", &[], UP, "in step of ?"),
    ("1.2.0", "", "flyway@public.DATABASE_CHANGE_LOG:001 012/f", &[], UP, "first sight of ?"),
    ("1.0.1", "", "flyway@public.DATABASE_CHANGE_LOG:001 012/f", &[], UP, "in step of ?"),
];

#[test]
fn without_scripts_the_record_is_what_counts() {
    for (runner, expected_at) in [(Runner::OnStart, 0), (command(), 1)] {
        for (installed, record, there, known, serving, expected) in BY_RECORD {
            let (installed, left, there) = (v(installed), left(record), shape(there));
            let known: Vec<Version> = known.iter().map(|version| v(version)).collect();
            let case = Case {
                installed: &installed,
                runner: Some(&runner),
                scripts: None,
                table: None,
                shape: &there,
                left: left.as_ref(),
                known: &known,
                comparable: true,
                serving: *serving,
            };
            assert_eq!(
                in_words(&judge(&case)),
                *expected,
                "{expected_at}: {installed}, record `{record}`, known {known:?}, {serving:?}"
            );
        }
    }
}

#[test]
fn a_fingerprint_by_another_server_says_nothing_and_no_migrations_are_no_first_sight() {
    let (installed, record, there) = (v("2.0"), left("2.0 /f").unwrap(), shape("/g"));
    let case = Case {
        installed: &installed,
        runner: None,
        scripts: None,
        table: None,
        shape: &there,
        left: Some(&record),
        known: &[],
        comparable: false,
        serving: DOWN,
    };
    assert_eq!(in_words(&judge(&case)), "in step of 2.0");
    assert_eq!(in_words(&judge(&Case { comparable: true, ..case })), "unknown of ?");
    assert_eq!(in_words(&judge(&Case { left: None, ..case })), "in step of ?", "an upgrade only starts it anew");
    let first = shape("flyway@public.DATABASE_CHANGE_LOG:012/f");
    let mut first = first;
    first.histories[0].applied[0].script = "v001__create_db_connection_info.sql".to_owned();
    let installed = v("1.2.0");
    let old = Case { installed: &installed, shape: &first, left: None, ..case };
    assert_eq!(
        in_words(&judge(&old)),
        "pending all after 012 up to 1.2.0 of ?",
        "of OpenMetadata before it had a history of its own"
    );
}

#[test]
fn scripts_say_what_should_be_there_and_the_record_whose_it_is() {
    let pending = Scripts { pending: vec!["2 add".to_owned()], ..Scripts::default() };
    let ahead = Scripts { ahead: vec!["3".to_owned()], ..Scripts::default() };
    let failed = Scripts { failed: vec!["2 (V2__x.sql)".to_owned()], ..Scripts::default() };
    let invalid = Scripts { invalid: vec!["V1 was changed".to_owned()], ..Scripts::default() };
    let fits = Scripts::default();
    let cases: &[ByScripts<'_>] = &[
        (&fits, "2.0", "2.0 flyway:1/f", "flyway:1/f", &[], "in step of 2.0"),
        (&fits, "2.0", "", "flyway:1/f", &[], "in step of 2.0"),
        (&fits, "2.0", "1.0 -", "flyway:1/f", &[], "pending of 1.0"),
        (&fits, "2.0", "1.0 flyway:1/f", "flyway:1/f", &[], "pending of 1.0"),
        // Migrated by hand: what is there is the installed release's.
        (&fits, "2.0", "1.0 flyway:1/f", "flyway:1 2/g", &[], "pending of 2.0"),
        (&pending, "2.0", "1.0 flyway:1/f", "flyway:1/f", &[], "pending 2 add of 1.0"),
        // Changed past the migrations: by whom, nobody knows. What the recorded release does while it serves is its own.
        (&pending, "2.0", "1.0 flyway:1/f", "flyway:1/a column more", &[], "changed outside of ?"),
        (&fits, "2.0", "1.0 flyway:1/f", "flyway:1/a column more", &[], "changed outside of ?"),
        (&fits, "1.0", "1.0 flyway:1/f", "flyway:1/an index more", &[], "in step of 1.0"),
        (&pending, "2.0", "1.0 flyway:1/f", "flyway:1/this month's partition", &["1.0"], "pending 2 add of 1.0"),
        (&pending, "2.0", "1.0 flyway:1/f", "flyway:1/", &[], "pending 2 add of 1.0"),
        (&pending, "2.0", "2.0 flyway:1 2/f", "flyway:1/e", &["1.0"], "pending 2 add of 1.0"),
        (&pending, "2.0", "2.0 flyway:1 2/f", "flyway:1/e", &[], "pending 2 add of ?"),
        (&pending, "2.0", "", "flyway:1/e", &[], "pending 2 add of ?"),
        (&ahead, "1.0", "2.0 flyway:1 3/f", "flyway:1 3/f", &[], "ahead 3 of 2.0"),
        (&fits, "1.0", "2.0 flyway:1/f", "flyway:1/f", &[], "ahead of 2.0"),
        (&failed, "2.0", "1.0 flyway:1/f", "flyway:1 2!/f", &[], "failed 2 (V2__x.sql) of ?"),
        (&invalid, "2.0", "2.0 flyway:1/f", "flyway:1/f", &[], "invalid V1 was changed of 2.0"),
        // Another tool's history beside Flyway's counts as well.
        (&fits, "2.1.1", "2.1.1 -", "flyway:1; openmetadata:2.1.0 2.1.1!/f", &[], "failed 2.1.1 (openmetadata) of ?"),
        (&fits, "2.0", "2.0 -", "flyway:1; golang-migrate:4!/f", &[], "failed 4 (golang-migrate) of ?"),
        (&fits, "1.2.0", "", "flyway:1; openmetadata:1.1.0/f", &[], "pending all after 1.1.0 up to 1.2.0 of ?"),
    ];
    for (scripts, installed, record, there, known, expected) in cases {
        let (installed, left, there, runner) = (v(installed), left(record), shape(there), command());
        let known: Vec<Version> = known.iter().map(|version| v(version)).collect();
        let case = Case {
            installed: &installed,
            runner: Some(&runner),
            scripts: Some(scripts),
            table: Some("flyway"),
            shape: &there,
            left: left.as_ref(),
            known: &known,
            comparable: true,
            serving: UP,
        };
        assert_eq!(in_words(&judge(&case)), *expected, "{installed}, record `{record}`, {scripts:?}");
    }
}
