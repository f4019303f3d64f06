//! Migrations on a real SQLite file.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use upkeep::config::{Database, Location, Migrations};
use upkeep::failure::{Class, Explain};
use upkeep::migrate::{self, ApplyError, Info, MigrateError, Report};
use upkeep::progress::Progress;

use crate::support::scripts::{put, settings};

/// A release folder and a database that is not there yet.
struct Place {
    root: tempfile::TempDir,
    settings: Migrations,
}

impl Place {
    fn new(scripts: &[(&str, &str)]) -> Self {
        let place = Self { root: tempfile::tempdir().unwrap(), settings: settings() };
        for (path, text) in scripts {
            place.put(path, text);
        }
        std::fs::create_dir_all(place.root.path().join("sql")).unwrap();
        place
    }

    fn put(&self, path: &str, text: &str) {
        put(self.root.path(), &format!("sql/{path}"), text);
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.root.path().join("sql").join(path)).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.root.path().join("app.db")
    }

    fn database(&self) -> Database {
        Database::at(Location::Sqlite { path: self.file() })
    }

    async fn apply(&self) -> Result<Report, ApplyError> {
        migrate::apply(&self.database(), &self.settings, self.root.path(), &Progress::default()).await
    }

    async fn info(&self) -> Info {
        migrate::info(&self.database(), &self.settings, self.root.path()).await.unwrap()
    }

    /// Rows of a query as text, columns joined by `|`.
    async fn sql(&self, sql: &str) -> Vec<String> {
        let mut connection = open(&self.file()).await;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
        let text = |row: &sqlx::sqlite::SqliteRow, index: usize| {
            row.try_get_unchecked::<Option<String>, _>(index).unwrap().unwrap_or_else(|| "NULL".to_owned())
        };
        let lines = rows.iter().map(|row| (0..row.len()).map(|index| text(row, index)).collect::<Vec<_>>().join("|"));
        let lines = lines.collect();
        connection.close().await.unwrap();
        lines
    }

    async fn history(&self) -> Vec<String> {
        self.sql("SELECT installed_rank, version, type, script, CAST(success AS TEXT) FROM flyway_schema_history ORDER BY 1")
            .await
    }
}

async fn open(path: &Path) -> SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

fn scripts(report: &Report) -> Vec<&str> {
    report.applied.iter().map(|script| script.script.as_str()).collect()
}

fn problems(error: &MigrateError) -> Vec<String> {
    match error {
        MigrateError::Refused(problems) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("not a refusal: {other}"),
    }
}

const NOTES: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT, n INT DEFAULT 0);";

#[tokio::test]
async fn a_new_database_gets_every_script_and_flyways_own_history() {
    let place = Place::new(&[
        ("V1__init.sql", NOTES),
        ("V1_1__add_a_column.sql", "ALTER TABLE note ADD COLUMN done BOOLEAN; -- one\nINSERT INTO note (body) VALUES ('a;b');"),
        ("sub/V010__later.sql", "CREATE TABLE later (a);"),
        ("R__view.sql", "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1;"),
    ]);
    let before = place.info().await;
    assert_eq!(before.pending.iter().map(|script| script.script.as_str()).collect::<Vec<_>>().len(), 4);
    assert!(!before.exists && !place.file().exists(), "looking makes nothing");

    let report = place.apply().await.unwrap();
    assert_eq!(scripts(&report), ["V1__init.sql", "V1_1__add_a_column.sql", "sub/V010__later.sql", "R__view.sql"]);
    assert_eq!(report.head.as_deref(), Some("010"));
    let rows = place
        .sql("SELECT installed_rank, version, description, type, script, checksum IS NOT NULL, installed_by, success FROM flyway_schema_history ORDER BY 1")
        .await;
    assert_eq!(
        rows,
        [
            "1|1|init|SQL|V1__init.sql|1||1",
            "2|1.1|add a column|SQL|V1_1__add_a_column.sql|1||1",
            "3|010|later|SQL|sub/V010__later.sql|1||1",
            "4|NULL|view|SQL|R__view.sql|1||1",
        ]
    );
    let stamps =
        place.sql("SELECT installed_on FROM flyway_schema_history WHERE installed_on GLOB '20??-??-?? ??:??:??.???'").await;
    assert_eq!(stamps.len(), 4);
    assert_eq!(
        place.sql("SELECT name FROM sqlite_schema WHERE tbl_name = 'flyway_schema_history' ORDER BY name").await,
        ["flyway_schema_history", "flyway_schema_history_s_idx", "sqlite_autoindex_flyway_schema_history_1"]
    );
    assert_eq!(place.sql("SELECT body FROM note").await, ["a;b"]);

    let again = place.apply().await.unwrap();
    assert_eq!(scripts(&again), Vec::<&str>::new());
    assert!(place.info().await.in_step());

    place.put("R__view.sql", "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 2 AS two;");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["R__view.sql"]);
    assert_eq!(place.sql("SELECT two FROM v").await, ["2"]);
    assert!(place.info().await.in_step());
}

#[tokio::test]
async fn a_failing_script_leaves_nothing_and_says_where() {
    let place = Place::new(&[
        ("V1__init.sql", NOTES),
        ("V2__broken.sql", "CREATE TABLE half (a);\n\nINSERT INTO half VALUES (1);\nINSERT INTO\n  nowhere VALUES (1);\n"),
        ("V3__never.sql", "CREATE TABLE never (a);"),
    ]);
    let failure = place.apply().await.unwrap_err();
    assert_eq!(scripts(&failure.report), ["V1__init.sql"]);
    assert_eq!(failure.to_string(), "V2__broken.sql line 5 (statement 3) failed", "the line that names what is not there");
    let said = std::error::Error::source(&failure).unwrap().to_string();
    assert_eq!(said, "no such table: nowhere (1)");
    assert_eq!(failure.class(), Class::Data);
    assert_eq!(place.history().await, ["1|1|SQL|V1__init.sql|1"]);
    assert_eq!(place.sql("SELECT count(*) FROM sqlite_schema WHERE name IN ('half', 'never')").await, ["0"]);

    place.put("V2__broken.sql", "CREATE TABLE whole (a);");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V2__broken.sql", "V3__never.sql"]);
}

#[tokio::test]
async fn triggers_quoted_names_and_comments_are_one_statement_each() {
    let place = Place::new(&[(
        "V1__all.sql",
        "\u{feff}-- a comment; with a semicolon\n\
         CREATE TABLE [odd;name] (`a;b` TEXT, \"c;d\" TEXT /* ; */);\n\
         CREATE TABLE log (n);\n\
         CREATE TRIGGER t AFTER INSERT ON [odd;name] BEGIN\n  INSERT INTO log SELECT CASE WHEN NEW.\"c;d\" = ';' THEN 1 ELSE 2 END;\n  \
         INSERT INTO log VALUES (3);\nEND;\n\
         INSERT INTO [odd;name] VALUES ('it''s', ';');",
    )]);
    place.apply().await.unwrap();
    assert_eq!(place.sql("SELECT n FROM log").await, ["1", "3"]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_anything_changes() {
    let place = Place::new(&[("V1__init.sql", NOTES), ("V2__two.sql", "CREATE TABLE two (a);")]);
    place.apply().await.unwrap();

    place.put("V1__init.sql", "CREATE TABLE note (id INTEGER PRIMARY KEY);");
    place.put("V3__three.sql", "CREATE TABLE three (a);");
    let changed = place.apply().await.unwrap_err();
    assert!(
        problems(&changed.error)[0].starts_with("V1__init.sql was changed after it was applied as 1: checksum "),
        "{changed}"
    );
    // The same text in Windows line ends is the same script.
    place.put("V1__init.sql", &format!("{NOTES}\r\n"));
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V3__three.sql"]);

    place.remove("V2__two.sql");
    let missing = place.apply().await.unwrap_err();
    assert_eq!(problems(&missing.error), ["2 (V2__two.sql) was applied and is not in the release"]);
    place.put("V2__two.sql", "CREATE TABLE two (a);");

    place.remove("V3__three.sql");
    let ahead = place.apply().await.unwrap_err();
    assert_eq!(problems(&ahead.error), ["the database is ahead of the release: it has 3, which the release does not know"]);
    assert_eq!(place.info().await.ahead, ["3"]);
    place.put("V3__three.sql", "CREATE TABLE three (a);");

    place.put("V2_5__between.sql", "CREATE TABLE between_them (a);");
    let skipped = place.apply().await.unwrap_err();
    assert_eq!(problems(&skipped.error), ["V2_5__between.sql was never applied, but versions newer than 2.5 were"]);
    let relaxed = Migrations { out_of_order: true, ..place.settings.clone() };
    let report = migrate::apply(&place.database(), &relaxed, place.root.path(), &Progress::default()).await.unwrap();
    assert_eq!(scripts(&report), ["V2_5__between.sql"]);
    assert!(place.info().await.in_step(), "what is applied out of order is fine afterwards");

    for (file, said) in [
        ("beforeConnect.sql", "beforeConnect.sql is a callback for beforeConnect, which is not run"),
        ("V3.0__drei.sql", "V3.0__drei.sql and V3__three.sql are both migration 3"),
        ("V9__json.sql", "V9__json.sql line 2: placeholder `name` cannot be replaced: it has no value"),
    ] {
        place.put(file, "SELECT 1;\nSELECT '${name}';");
        place.put("V8__fine.sql", "CREATE TABLE fine (a);");
        let refused = place.apply().await.unwrap_err();
        assert_eq!(problems(&refused.error), [said]);
        assert_eq!(refused.report.applied, []);
        let validated = migrate::validate(&place.database(), &place.settings, place.root.path()).await;
        assert_eq!(problems(&validated.unwrap_err()), [said]);
        place.remove(file);
    }
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V8__fine.sql"]);
}

#[tokio::test]
async fn a_location_that_is_not_there_is_an_error_and_not_an_empty_release() {
    let mut place = Place::new(&[("V1__init.sql", NOTES)]);
    place.settings.locations = vec!["sql/{engine}".to_owned()];
    let error = place.apply().await.unwrap_err();
    assert!(error.to_string().starts_with("migration location `sql/sqlite` is not a directory"), "{error}");
    assert_eq!(error.class(), Class::NoInput);
    place.put("sqlite/V1__init.sql", NOTES);
    place.put("postgresql/V1__init.sql", "not for us");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V1__init.sql"]);
}

#[tokio::test]
async fn a_script_that_cannot_run_in_a_transaction_runs_outside_and_its_failure_is_remembered() {
    let mut place = Place::new(&[
        (
            "V1__init.sql",
            "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);",
        ),
        (
            "V2__twelve_steps.sql",
            "PRAGMA foreign_keys = OFF;\nBEGIN;\nCREATE TABLE n (id INTEGER PRIMARY KEY, x);\nINSERT INTO n SELECT id, 0 FROM a;\n\
             DROP TABLE a;\nALTER TABLE n RENAME TO a;\nCOMMIT;\nPRAGMA foreign_keys = ON;",
        ),
        ("V3__compact.sql", "PRAGMA journal_mode = WAL;\nVACUUM;"),
    ]);
    place.apply().await.unwrap();
    assert_eq!(place.sql("SELECT a.x FROM b JOIN a ON a.id = b.a").await, ["0"]);
    assert_eq!(place.sql("PRAGMA journal_mode").await, ["wal"]);

    let unmixed = "PRAGMA foreign_keys = ON;\nCREATE TABLE half (a);";
    place.put("V4__half.sql", unmixed);
    assert_eq!(
        problems(&place.apply().await.unwrap_err().error),
        ["V4__half.sql line 1 cannot run in a transaction, and other statements of the script would"]
    );
    place.settings.mixed = true;
    place.put("V4__half.sql", "PRAGMA foreign_keys = ON;\nCREATE TABLE half (a);\nSELECT nope;");
    let failure = place.apply().await.unwrap_err();
    assert_eq!(failure.to_string(), "V4__half.sql line 3 (statement 3) failed");
    assert!(failure.safe().unwrap().contains("earlier statements stay"));
    assert_eq!(place.history().await[3], "4|4|SQL|V4__half.sql|0");
    let refused = place.apply().await.unwrap_err();
    assert_eq!(problems(&refused.error), ["migration 4 (V4__half.sql) failed earlier"]);

    let repaired = migrate::repair(&place.database(), &place.settings, place.root.path()).await.unwrap();
    assert_eq!(repaired.removed, ["V4__half.sql"]);
    place.put("V4__half.sql", "CREATE TABLE IF NOT EXISTS half (a);");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V4__half.sql"]);

    place.put("V5__open.sql", "BEGIN; CREATE TABLE lost (a);");
    assert_eq!(place.apply().await.unwrap_err().to_string(), "V5__open.sql leaves a transaction open");
    assert_eq!(place.sql("SELECT count(*) FROM sqlite_schema WHERE name = 'lost'").await, ["0"]);
}

#[tokio::test]
async fn what_a_script_sets_does_not_reach_the_next() {
    let place = Place::new(&[
        (
            "V1__a.sql",
            "CREATE TEMP TABLE scratch (a); CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (p REFERENCES parent);",
        ),
        ("V2__b.sql", "INSERT INTO child VALUES (99);"),
        ("V3__c.sql", "INSERT INTO scratch VALUES (1);"),
    ]);
    let failure = place.apply().await.unwrap_err();
    assert_eq!(scripts(&failure.report), ["V1__a.sql", "V2__b.sql"], "foreign keys are off, as SQLite itself has them");
    assert_eq!(failure.to_string(), "V3__c.sql line 1 (statement 1) failed");
}

#[tokio::test]
async fn a_database_with_objects_needs_a_baseline_and_keeps_to_it() {
    let mut place = Place::new(&[("V1__init.sql", NOTES), ("V2__two.sql", "CREATE TABLE two (a);")]);
    open(&place.file()).await.close().await.unwrap();
    place.sql(NOTES).await;
    let refused = place.apply().await.unwrap_err();
    assert_eq!(problems(&refused.error), ["the database has objects but no migration history"]);
    assert!(!place.info().await.exists);

    place.settings.baseline_on_migrate = Some("1".to_owned());
    let report = place.apply().await.unwrap();
    assert_eq!((scripts(&report), report.baseline.as_deref()), (vec!["V2__two.sql"], Some("1")));
    assert_eq!(
        place
            .sql("SELECT installed_rank, version, description, type, script, checksum FROM flyway_schema_history LIMIT 1")
            .await,
        ["1|1|<< Flyway Baseline >>|BASELINE|<< Flyway Baseline >>|NULL"]
    );
    migrate::baseline(&place.database(), &place.settings, place.root.path(), "1.0", None).await.unwrap();
    let error = migrate::baseline(&place.database(), &place.settings, place.root.path(), "2", None).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot set a baseline: history table flyway_schema_history already has 2 rows");

    let error = migrate::baseline(&place.database(), &place.settings, place.root.path(), "1a", None).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.class()), ("version `1a` cannot be a baseline", Class::Config));

    let fresh = Place::new(&[("V1__init.sql", NOTES), ("V2__two.sql", "CREATE TABLE two (a);")]);
    migrate::baseline(&fresh.database(), &fresh.settings, fresh.root.path(), "1", Some("by hand")).await.unwrap();
    assert_eq!(scripts(&fresh.apply().await.unwrap()), ["V2__two.sql"]);
}

#[tokio::test]
async fn openmetadatas_settings_work() {
    let mut place = Place::new(&[
        ("v001__create.sql", NOTES),
        ("v002__more.sql", "CREATE TABLE more (a);"),
        ("V9__not_ours.sql", "CREATE TABLE never (a);"),
        ("v003__old.sql.orig", "CREATE TABLE never (a);"),
    ]);
    place.settings.prefix = "v".to_owned();
    place.settings.table = "DATABASE_CHANGE_LOG".to_owned();
    place.settings.baseline_on_migrate = Some("000".to_owned());
    open(&place.file()).await.close().await.unwrap();
    place.sql("CREATE TABLE already_there (a)").await;
    place.apply().await.unwrap();
    let rows = place.sql("SELECT installed_rank, version, type FROM DATABASE_CHANGE_LOG ORDER BY 1").await;
    assert_eq!(rows, ["1|000|BASELINE", "2|001|SQL", "3|002|SQL"]);
    assert_eq!(place.info().await.left_alone.len(), 2);
}

#[tokio::test]
async fn placeholders_are_replaced_when_they_are_on() {
    let mut place = Place::new(&[
        (
            "V1__a.sql",
            "CREATE TABLE ${PREFIX}_a (a TEXT);\nINSERT INTO ${prefix}_a VALUES ('${flyway:table} ${flyway:filename}');",
        ),
        ("R__r.sql", "SELECT '${prefix}';"),
    ]);
    place.settings.placeholders.insert("prefix".to_owned(), "x".to_owned());
    place.apply().await.unwrap();
    assert_eq!(place.sql("SELECT a FROM x_a").await, ["flyway_schema_history V1__a.sql"]);
    // The value counts for repeatable scripts, and not for versioned ones.
    place.settings.placeholders.insert("prefix".to_owned(), "y".to_owned());
    assert_eq!(scripts(&place.apply().await.unwrap()), ["R__r.sql"]);
    place.put("V2__b.sql", "SELECT '${flyway:database}';");
    let refused = place.apply().await.unwrap_err();
    let said = "V2__b.sql line 1: placeholder `flyway:database` cannot be replaced: it has no value";
    assert_eq!(problems(&refused.error), [said], "a file has none, for Flyway neither");
    place.remove("V2__b.sql");
    // Flyway's other form of the same checksum, without the values, is accepted.
    place.settings.placeholder_replacement = false;
    assert_eq!(scripts(&place.apply().await.unwrap()), ["R__r.sql"]);
    place.settings.placeholder_replacement = true;
    assert!(place.info().await.in_step());
}

#[tokio::test]
async fn two_runs_at_once_apply_each_script_once() {
    let place = Place::new(&[]);
    for n in 1..=12 {
        place.put(&format!("V{n}__t.sql"), &format!("CREATE TABLE t{n} (a); INSERT INTO t{n} VALUES ({n});"));
    }
    let (a, b, c) = tokio::join!(place.apply(), place.apply(), place.apply());
    let applied: Vec<usize> = [a, b, c].into_iter().map(|report| report.unwrap().applied.len()).collect();
    assert_eq!(applied.iter().sum::<usize>(), 12, "{applied:?}");
    assert_eq!(place.history().await.len(), 12);
}

#[tokio::test]
async fn a_repair_takes_over_what_the_scripts_say() {
    let place = Place::new(&[
        ("V1__init.sql", NOTES),
        ("V2__two.sql", "CREATE TABLE two (a);"),
        ("V3__three.sql", "CREATE TABLE three (a);"),
    ]);
    place.apply().await.unwrap();
    place.remove("V2__two.sql");
    place.put("V1__init.sql", "CREATE TABLE note (edited);");
    place.put("V3__three.sql", "CREATE TABLE three (a);");
    let repaired = migrate::repair(&place.database(), &place.settings, place.root.path()).await.unwrap();
    assert_eq!((repaired.aligned, repaired.deleted), (vec!["V1__init.sql".to_owned()], vec!["2".to_owned()]));
    assert!(place.info().await.in_step());
    assert_eq!(place.history().await[3], "4|2|DELETE|V2__two.sql|1");
    assert_eq!(place.sql("SELECT count(*) FROM sqlite_schema WHERE name = 'two'").await, ["1"], "the schema is not touched");
}

#[tokio::test]
async fn an_older_flyways_checksum_is_recognised() {
    let place = Place::new(&[("V1__init.sql", "  CREATE TABLE a (x);  \n")]);
    place.apply().await.unwrap();
    let trimmed = migrate::checksum::of("CREATE TABLE a (x);");
    place.sql(&format!("UPDATE flyway_schema_history SET checksum = {trimmed}")).await;
    assert_eq!(
        problems(&place.apply().await.unwrap_err().error),
        ["V1__init.sql is unchanged since it was applied as 1, but its checksum was recorded by Flyway 5.1.0 (lines trimmed)"]
    );
    migrate::repair(&place.database(), &place.settings, place.root.path()).await.unwrap();
    assert!(place.info().await.in_step());
}

#[tokio::test]
async fn kept_scripts_apply_after_the_release_is_gone() {
    let place = Place::new(&[("V1__init.sql", NOTES), ("sub/V2__two.sql", "CREATE TABLE two (a);")]);
    let found = migrate::scan::scripts(&place.settings, "sqlite", place.root.path()).unwrap();
    let (store, laid_out) = (place.root.path().join("kept"), place.root.path().join("laid-out"));
    let kept = migrate::keep(&found, &store).unwrap();
    std::fs::remove_dir_all(place.root.path().join("sql")).unwrap();
    migrate::lay_out(&kept, &store, &laid_out).unwrap();
    let report = migrate::apply(&place.database(), &place.settings, &laid_out, &Progress::default()).await.unwrap();
    assert_eq!(scripts(&report), ["V1__init.sql", "sub/V2__two.sql"]);
}
