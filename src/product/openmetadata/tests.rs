use super::*;
use crate::shape::Applied;

/// A history as `tool@table: version version!/KIND`: `!` did not end well.
fn history(text: &str) -> History {
    let (name, rows) = text.split_once(':').unwrap();
    let (tool, table) = name.trim().split_once('@').unwrap();
    let row = |(rank, word): (i64, &str)| {
        let (version, kind) = word.split_once('/').unwrap_or((word, "NATIVE"));
        Applied {
            rank,
            version: Some(version.trim_end_matches('!').to_owned()),
            description: String::new(),
            kind: kind.to_owned(),
            script: String::new(),
            checksum: None,
            success: !version.ends_with('!'),
        }
    };
    History { tool: tool.to_owned(), table: table.to_owned(), applied: (1..).zip(rows.split_whitespace()).map(row).collect() }
}

/// Histories between semicolons: `own:`, `log:` and `flyway:` for those of OpenMetadata.
fn shape(text: &str) -> Shape {
    let long = |text: &str| {
        text.replace("own:", "openmetadata@public.server_change_log:")
            .replace("log:", "openmetadata-statements@public.server_migration_sql_logs:")
            .replace("flyway:", "flyway@public.\"DATABASE_CHANGE_LOG\":")
    };
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    Shape { histories: parts.map(|part| history(&long(part))).collect(), fingerprint: None }
}

/// What a release has: `native + extension / flyway`, and behind it names that are no versions.
fn files(text: &str) -> Files {
    let (dirs, flyway) = text.split_once('/').unwrap_or((text, ""));
    let (native, extension) = dirs.split_once('+').unwrap_or((dirs, ""));
    let set = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Files {
        native_path: "native".to_owned(),
        native: set(native),
        extension: set(extension),
        flyway: set(flyway),
        strange: Vec::new(),
    }
}

fn in_words(shape_text: &str, files_text: &str, release: &str) -> String {
    let verdict = judge(&shape(shape_text), &files(files_text), &Version::parse(release).unwrap());
    let mut words = Vec::new();
    for (word, list) in
        [("blocked", &verdict.blocked), ("failed", &verdict.failed), ("ahead", &verdict.ahead), ("pending", &verdict.pending)]
    {
        if !list.is_empty() {
            words.push(format!("{word} {}", list.join(", ")));
        }
    }
    if words.is_empty() { "in step".to_owned() } else { words.join("; ") }
}

/// What the database says, what the release has, the release: the judgement.
const CASES: &[(&str, &str, &str, &str)] = &[
    // By the set, in whatever order and with whatever maximum.
    ("own: 1.1.0 1.2.0", "1.1.0 1.2.0", "1.2.0", "in step"),
    ("own: 1.1.0 1.2.0", "1.1.0 1.2.0", "1.2.0-SNAPSHOT", "in step"),
    ("own: 1.1.0", "1.1.0 1.1.1 1.2.0", "1.2.0", "pending 1.1.1, 1.2.0"),
    ("own: 1.1.0 1.3.0", "1.1.0 1.2.0 1.3.0", "1.3.0", "pending 1.2.0"),
    ("own: 1.11.10 1.12.1", "1.11.10 1.11.11 1.12.1 1.12.2", "1.12.2", "pending 1.11.11, 1.12.2"),
    ("own: 1.5.9 1.5.11", "1.5.9 1.5.10 1.5.11 1.10.0", "1.10.0", "pending 1.5.10, 1.10.0"),
    // A patch release without migrations of its own, and one with those of the next.
    ("own: 1.7.0", "1.7.0", "1.7.2", "in step"),
    ("own: 1.7.0 1.7.3", "1.7.0 1.7.3", "1.7.2", "in step"),
    // Newer than the release; and directories that later releases lack.
    ("own: 1.1.0 1.2.0", "1.1.0", "1.1.5", "ahead 1.2.0"),
    ("own: 1.7.0 1.7.3", "1.7.0", "1.7.1", "ahead 1.7.3"),
    ("own: 1.9.0 1.10.0", "1.9.0", "1.9.9", "ahead 1.10.0"),
    ("own: 1.8.0 1.8.5 1.9.0 1.10.2", "1.8.0 1.9.0", "1.10.3", "in step"),
    // An extension's, where one is configured.
    ("own: 1.2.0 1.2.0-collate", "1.2.0", "1.2.0", "in step"),
    ("own: 1.2.0", "1.2.0 + 1.2.0-collate", "1.2.0", "pending 1.2.0-collate"),
    ("own: 1.2.0 1.3.0-collate", "1.2.0", "1.2.0", "ahead 1.3.0-collate"),
    // Flyway's time, the way out of it, and its scripts replayed.
    ("flyway: 001 009 010", "/ 001 009 010", "1.0.1", "in step"),
    ("flyway: 001 009", "/ 001 009 010", "1.0.1", "pending v010 (Flyway)"),
    ("flyway: 001 009 011", "/ 001 009 010", "1.0.1", "ahead 011 (public.\"DATABASE_CHANGE_LOG\")"),
    ("flyway: 003/BASELINE 004", "/ 001 002 003 004", "1.0.1", "in step"),
    ("flyway: 010", "1.1.0 1.2.0 / 010 011", "1.2.0", "pending v011 (Flyway), 1.1.0, 1.2.0"),
    ("flyway: 015; own: 1.1.0 1.2.0", "1.1.0 1.2.0 / 010 015", "1.2.0", "in step"),
    ("flyway: 015; own: 1.1.0 0.0.016", "1.1.0 / 015 016", "1.11.0", "in step"),
    ("flyway: 015; own: 1.1.0", "1.1.0 / 015 016", "1.10.0", "pending v016 (Flyway)"),
    ("own: 0.0.15 1.1.0 2.0.0", "1.1.0 2.0.0 / 015", "2.0.0", "in step"),
    // From a baseline on, what is before it is in it.
    ("own: 2.0.0-baseline/BASELINE", "1.13.4 2.0.0 2.1.0", "2.1.0", "pending 2.0.0, 2.1.0"),
    ("own: 2.0.0-baseline", "1.13.4 2.0.0", "2.0.3", "pending 2.0.0"),
    ("own: 2.0.0-baseline/BASELINE 2.1.0", "2.0.0 2.1.0", "2.1.0", "pending 2.0.0"),
    ("own: 2.0.0-baseline/BASELINE 2.0.0 2.1.0", "1.13.4 2.0.0 2.1.0", "2.1.0", "in step"),
    // What did not end is not in force; that it failed is in the history itself, or told by its statements.
    ("own: 2.0.0 2.1.0!", "2.0.0 2.1.0", "2.1.0", "pending 2.1.0"),
    (
        "own: 1.5.0; log: 1.5.0 1.6.0 1.6.0 1.5.0",
        "1.5.0 1.6.0",
        "1.6.0",
        "failed 1.6.0 (public.server_migration_sql_logs): 2 statements ran, and it did not end; pending 1.6.0",
    ),
    ("own: 0.0.1 1.5.0; log: 0.0.1 0.0.2 1.5.0", "1.5.0", "1.5.0", "in step"),
    ("own: 2.0.0-baseline/BASELINE 2.0.0; log: 1.13.4 2.0.0", "2.0.0", "2.0.1", "in step"),
    (
        "own: 2.0.0-baseline/BASELINE; log: 1.13.4 2.0.0",
        "2.0.0",
        "2.0.1",
        "failed 2.0.0 (public.server_migration_sql_logs): 1 statement ran, and it did not end; pending 2.0.0",
    ),
    // 2.1 goes by way of 2.0.
    (
        "own: 1.13.4",
        "2.0.0 2.1.0",
        "2.1.0",
        "blocked release 2.1.0 takes no database from before 2.0.0, and this one is at 1.13.4: install the newest 2.0 release first and \
         upgrade to it, then install 2.1.0 again; pending 2.0.0, 2.1.0",
    ),
    ("own: 1.13.4 2.0.0", "2.0.0 2.1.0", "2.1.0", "pending 2.1.0"),
    ("own: 1.13.4", "1.13.4 2.0.0", "2.0.3", "pending 2.0.0"),
];

#[test]
fn a_database_is_judged_by_what_its_histories_and_the_release_say() {
    for (shape, files, release, expect) in CASES {
        assert_eq!(in_words(shape, files, release), *expect, "{shape} | {files} | {release}");
    }
}

#[test]
fn what_cannot_be_known_is_never_in_step() {
    for (shape, files, release, words) in [
        ("", "1.1.0", "1.1.0", "keeps no history of OpenMetadata's"),
        ("own: ; flyway:", "1.1.0", "1.1.0", "keeps no history of OpenMetadata's"),
        ("flyway@public.flyway_schema_history: 1", "1.1.0", "1.1.0", "keeps no history of OpenMetadata's"),
        ("own: 1.1.0", "", "1.1.0", "has no migrations in native"),
        ("flyway: 010", "/ 010", "1.2.0", "has no migrations in native"),
        ("flyway: 010", "", "1.0.1", "has no scripts below bootstrap/sql"),
        ("own: 1.1.0; openmetadata@before.history: 1.1.0 1.2.0", "1.1.0", "1.1.0", "before.history"),
        ("flyway: 010", "2.0.0 2.1.0", "2.1.0", "this one is from before 1.1"),
        ("own: 2.0.0!", "2.0.0 2.1.0", "2.1.0", "this one is from before 1.1"),
    ] {
        let verdict = judge(&self::shape(shape), &self::files(files), &Version::parse(release).unwrap());
        assert!(verdict.blocked.iter().any(|why| why.contains(words)), "{shape} | {files} | {release}: {verdict:?}");
    }
    let odd = Files { strange: vec!["native/1.2".to_owned()], ..files("1.1.0") };
    let verdict = judge(&shape("own: 1.1.0"), &odd, &Version::parse("1.1.0").unwrap());
    assert!(verdict.blocked[0].contains("is no version: native/1.2;"), "{verdict:?}");
}

#[test]
fn a_release_s_directories_are_read_as_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    let make = |path: &str| crate::durable::make_dir(&dir.path().join(path)).unwrap();
    for path in ["1.1.0/mysql", "1.10.1-collate", "1.2/postgres", ".git", "old"] {
        make(&format!("bootstrap/sql/migrations/native/{path}"));
    }
    let put = |path: &str| crate::durable::write(&dir.path().join(path), b"").unwrap();
    put("bootstrap/sql/migrations/native/README.md");
    make("bootstrap/sql/migrations/flyway/org.postgresql.Driver");
    put("bootstrap/sql/migrations/flyway/org.postgresql.Driver/v016__a.sql");
    put("bootstrap/sql/migrations/flyway/org.postgresql.Driver/v016__b.sql");
    put("bootstrap/sql/migrations/flyway/org.postgresql.Driver/notes.sql");
    let found = files::read(dir.path(), &std::collections::BTreeMap::new()).unwrap();
    assert_eq!(found.native.iter().collect::<Vec<_>>(), ["1.1.0", "1.10.1-collate"]);
    assert_eq!(found.flyway.iter().collect::<Vec<_>>(), ["016"]);
    assert!(found.strange[0].ends_with("native/1.2") && found.strange.len() == 1, "{found:?}");
}
