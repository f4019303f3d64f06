//! What migrations are asked beyond applying all: targets, picks, dry runs, undoing; callbacks and companions; other tools.

use upkeep::config::{Callbacks, Database, Location, Migrations};
use upkeep::migrate::{self, MigrateError, Selection};
use upkeep::progress::Progress;

use crate::support::postgres::{cluster, name_of};
use crate::support::scripts::{put, settings};

/// A release folder and a SQLite file.
struct Place {
    root: tempfile::TempDir,
    settings: Migrations,
}

impl Place {
    fn new(scripts: &[(&str, &str)]) -> Self {
        let place = Self { root: tempfile::tempdir().unwrap(), settings: settings() };
        scripts.iter().for_each(|(path, text)| place.put(path, text));
        place
    }

    fn put(&self, path: &str, text: &str) {
        put(self.root.path(), &format!("sql/{path}"), text);
    }

    fn database(&self) -> Database {
        Database::at(Location::Sqlite { path: self.root.path().join("app.db") })
    }

    async fn apply(&self, picks: &[&str]) -> Result<Vec<String>, String> {
        let selection = Selection { cherry_pick: picks.iter().map(|pick| (*pick).to_owned()).collect() };
        let report =
            migrate::apply_some(&self.database(), &self.settings, self.root.path(), &selection, &Progress::default()).await;
        let report = report.map_err(|error| said(&error.error))?;
        Ok(report.applied.into_iter().map(|script| script.script).collect())
    }

    async fn undo(&self, down_to: Option<&str>) -> Result<Vec<String>, String> {
        let report = migrate::undo(&self.database(), &self.settings, self.root.path(), down_to).await;
        let report = report.map_err(|error| said(&error.error))?;
        Ok(report.applied.into_iter().map(|script| script.script).collect())
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        let output = std::process::Command::new("sqlite3").arg(self.root.path().join("app.db")).arg(sql).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    fn tables(&self) -> String {
        self.sql("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'flyway%' ORDER BY name").join(" ")
    }
}

fn said(error: &MigrateError) -> String {
    match error {
        MigrateError::Refused(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

const THREE: [(&str, &str); 6] = [
    ("V1__a.sql", "CREATE TABLE a (id);"),
    ("V2__b.sql", "CREATE TABLE b (id);\n-- and\nINSERT INTO b VALUES ('x;y');"),
    ("U2__b.sql", "DROP TABLE b;"),
    ("V3__c.sql", "CREATE TABLE c (id);"),
    ("U3__c.sql", "DROP TABLE c;"),
    ("R__r.sql", "CREATE VIEW IF NOT EXISTS r AS SELECT 1;"),
];

#[tokio::test]
async fn a_dry_run_says_every_statement_and_changes_nothing() {
    let place = Place::new(&THREE);
    place.put("beforeMigrate.sql", "SELECT 'before';");
    place.put("V4__pragma.sql", "PRAGMA foreign_keys = ON;");
    let would = migrate::dry_run(&place.database(), &place.settings, place.root.path(), &Selection::default()).await.unwrap();
    let shown: Vec<String> = would
        .iter()
        .flat_map(|script| script.statements.iter().map(move |statement| (script, statement)))
        .map(|(script, statement)| {
            let event = script.event.unwrap_or("-");
            format!("{} {event} {} {}: {}", script.script, script.in_transaction, statement.line, statement.sql)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "beforeMigrate.sql beforeMigrate true 1: SELECT 'before'",
            "V1__a.sql - true 1: CREATE TABLE a (id)",
            "V2__b.sql - true 1: CREATE TABLE b (id)",
            "V2__b.sql - true 3: INSERT INTO b VALUES ('x;y')",
            "V3__c.sql - true 1: CREATE TABLE c (id)",
            "V4__pragma.sql - false 1: PRAGMA foreign_keys = ON",
            "R__r.sql - true 1: CREATE VIEW IF NOT EXISTS r AS SELECT 1",
        ]
    );
    assert!(!place.root.path().join("app.db").exists());
}

#[tokio::test]
async fn picked_scripts_run_in_order_and_none_is_left_behind_unasked() {
    let mut place = Place::new(&THREE);
    assert_eq!(place.apply(&["2"]).await.unwrap_err(), "1 would stay behind, older than what is picked, and then never run");
    assert_eq!(place.apply(&["7"]).await.unwrap_err(), "7 is not pending");
    assert_eq!(place.apply(&["2", "1"]).await.unwrap(), ["V1__a.sql", "V2__b.sql"]);
    assert_eq!(place.apply(&["r"]).await.unwrap(), ["R__r.sql"]);
    place.put("V2_5__late.sql", "CREATE TABLE late (id);");
    place.settings.out_of_order = true;
    assert_eq!(place.apply(&["3"]).await.unwrap(), ["V3__c.sql"]);
    assert_eq!(place.apply(&[]).await.unwrap(), ["V2_5__late.sql"]);
}

#[tokio::test]
async fn a_target_bounds_a_run_and_next_is_one_step() {
    let mut place = Place::new(&THREE);
    place.settings.target = Some("next".to_owned());
    assert_eq!(place.apply(&[]).await.unwrap(), ["V1__a.sql"]);
    assert_eq!(place.apply(&[]).await.unwrap(), ["V2__b.sql"]);
    place.settings.target = Some("7".to_owned());
    assert_eq!(place.apply(&[]).await.unwrap_err(), "target 7 is no version that the release or the history knows");
    place.settings.target = Some("2".to_owned());
    assert_eq!(place.apply(&[]).await.unwrap(), ["R__r.sql"]);
    let info = migrate::info(&place.database(), &place.settings, place.root.path()).await.unwrap();
    assert!(info.in_step(), "what is above the target is not missing: {info:?}");
    place.settings.target = Some("x".to_owned());
    assert_eq!(place.apply(&[]).await.unwrap_err(), "cannot migrate so far");
}

#[tokio::test]
async fn undoing_takes_the_newest_back_and_it_is_pending_again() {
    let place = Place::new(&THREE);
    place.apply(&[]).await.unwrap();
    assert_eq!(place.undo(None).await.unwrap(), ["U3__c.sql"]);
    assert_eq!(place.tables(), "a b");
    assert_eq!(
        place.sql("SELECT installed_rank, version, type, script, success FROM flyway_schema_history ORDER BY 1 DESC LIMIT 1"),
        ["5|3|DELETE|U3__c.sql|1"]
    );
    assert_eq!(place.apply(&[]).await.unwrap(), ["V3__c.sql"]);
    assert_eq!(place.undo(Some("0")).await.unwrap_err(), "the release has no undo script for 1");
    assert_eq!(place.tables(), "a b c", "looked for before the first one runs");
    assert_eq!(place.undo(Some("1")).await.unwrap(), ["U3__c.sql", "U2__b.sql"]);
    assert_eq!(place.tables(), "a");
    place.put("U1__a.sql", "DROP TABLE a; DROP TABLE nowhere;");
    assert_eq!(place.undo(None).await.unwrap_err(), "U1__a.sql line 1 (statement 2) failed");
    assert_eq!(place.tables(), "a", "its transaction was rolled back");
}

#[tokio::test]
async fn a_companion_decides_for_its_script_alone() {
    let mut place = Place::new(&[
        ("V1__a.sql", "CREATE TABLE a (t DEFAULT '${literal}');"),
        ("V1__a.sql.conf", "placeholderReplacement=false"),
        ("V2__never.sql", "broken"),
        ("V2__never.sql.conf", "shouldExecute=false"),
        ("V3__half.sql", "CREATE TABLE half (a);\nSELECT nope;"),
        ("V3__half.sql.conf", "executeInTransaction=false"),
    ]);
    let bytes = [b"INSERT INTO a VALUES ('".as_slice(), b"\xe9');"].concat();
    assert_eq!(place.apply(&[]).await.unwrap_err(), "V3__half.sql line 2 (statement 2) failed");
    assert_eq!(place.tables(), "a half");
    place.put("V3__half.sql.conf", "runInTransaction=false");
    assert!(place.apply(&[]).await.unwrap_err().ends_with("line 1: `runInTransaction` is no setting of a script"));
    place.put("V3__half.sql.conf", "");
    place.put("V3__half.sql", "SELECT 1;");
    migrate::repair(&place.database(), &place.settings, place.root.path()).await.unwrap();
    std::fs::write(place.root.path().join("sql/V4__latin.sql"), bytes).unwrap();
    assert!(place.apply(&[]).await.unwrap_err().ends_with("line 1 is not UTF-8"));
    place.put("V4__latin.sql.conf", "encoding=ISO-8859-1");
    assert_eq!(place.apply(&[]).await.unwrap(), ["V3__half.sql", "V4__latin.sql"]);
    assert_eq!(place.sql("SELECT t FROM a"), ["é"]);
    place.settings.encoding = "klingon".to_owned();
    assert!(place.apply(&[]).await.unwrap_err().contains("encoding `klingon` is not read here"));
}

#[tokio::test]
async fn callbacks_run_at_their_events_or_are_refused_by_name() {
    let mut place = Place::new(&[
        ("beforeMigrate.sql", "CREATE TABLE IF NOT EXISTS said (what); INSERT INTO said VALUES ('before');"),
        ("afterMigrate__b.sql", "INSERT INTO said VALUES ('after b');"),
        ("afterMigrate__a.sql", "INSERT INTO said VALUES ('after a');"),
        ("afterEachMigrate.sql", "INSERT INTO said VALUES ('each');"),
        ("afterMigrateError.sql", "INSERT INTO said VALUES ('error');"),
        ("beforeClean.sql", "nothing is ever cleaned"),
        ("V1__a.sql", "CREATE TABLE a (id);"),
    ]);
    place.apply(&[]).await.unwrap();
    assert_eq!(place.sql("SELECT what FROM said"), ["before", "each", "after a", "after b"]);
    place.put("V2__b.sql", "CREATE TABLE b (id);");
    place.put("afterEachMigrate.sql", "SELECT nope;");
    assert_eq!(place.apply(&[]).await.unwrap_err(), "afterEachMigrate.sql line 1 (statement 1) failed");
    assert_eq!(place.sql("SELECT what FROM said").last().unwrap(), "error");
    assert_eq!(place.tables(), "a said", "it is in its script's transaction");
    place.put("beforeConnect.sql", "SELECT 1;");
    assert_eq!(place.apply(&[]).await.unwrap_err(), "beforeConnect.sql is a callback for beforeConnect, which is not run");
    std::fs::remove_file(place.root.path().join("sql/beforeConnect.sql")).unwrap();
    place.settings.callbacks = Callbacks::Refuse;
    assert!(place.apply(&[]).await.unwrap_err().contains("afterMigrate__a.sql is a callback for afterMigrate"));
}

#[tokio::test]
async fn a_database_that_another_tool_migrates_is_left_to_it() {
    let place = Place::new(&THREE);
    place.sql("CREATE TABLE alembic_version (version_num)");
    let owned = "the history of this database is kept by alembic in alembic_version";
    assert!(place.apply(&[]).await.unwrap_err().starts_with(owned));
    assert!(migrate::baseline(&place.database(), &place.settings, place.root.path(), "1", None).await.is_err());
    assert_eq!(place.tables(), "alembic_version");

    let other = Place::new(&THREE);
    other.apply(&[]).await.unwrap();
    other.sql("CREATE TABLE Schema_Migrations (version)");
    assert_eq!(other.apply(&[]).await.unwrap(), Vec::<String>::new(), "Flyway's history is the older one here");
    other.sql("CREATE TABLE server_change_log (installed_rank, version, migrationFileName, checksum, installed_on, metrics)");
    for refused in [
        other.apply(&[]).await.unwrap_err(),
        other.undo(None).await.unwrap_err(),
        said(&migrate::repair(&other.database(), &other.settings, other.root.path()).await.unwrap_err()),
    ] {
        assert_eq!(refused, "the history of this database is kept by openmetadata in server_change_log");
    }
}

#[tokio::test]
async fn on_postgresql_too() {
    let Some(cluster) = cluster() else { return };
    let (root, database) = (tempfile::tempdir().unwrap(), cluster.fresh());
    for (path, text) in [
        ("sql/V1__a.sql", "CREATE TABLE a (id int);"),
        ("sql/beforeEachMigrate.sql", "CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT 7 AS n;"),
        ("sql/afterMigrate.sql", "VACUUM a;"),
        ("sql/V2__b.sql", "INSERT INTO a SELECT n FROM scratch;"),
        ("sql/U2__b.sql", "DELETE FROM a;"),
    ] {
        put(root.path(), path, text);
    }
    let settings = settings();
    migrate::apply(&database, &settings, root.path(), &Progress::default()).await.unwrap();
    assert_eq!(cluster.psql(name_of(&database), "SELECT id FROM a"), "7", "the callback is in the script's transaction");
    migrate::undo(&database, &settings, root.path(), None).await.unwrap();
    assert_eq!(cluster.psql(name_of(&database), "SELECT count(*) FROM a"), "0");
    let rows = "SELECT installed_rank, type, version, success FROM flyway_schema_history ORDER BY 1";
    assert_eq!(cluster.psql(name_of(&database), rows), "1|SQL|1|t\n2|SQL|2|t\n3|DELETE|2|t");
    cluster.psql(
        name_of(&database),
        "CREATE TABLE SERVER_CHANGE_LOG (installed_rank SERIAL, version VARCHAR(256) PRIMARY KEY, migrationFileName VARCHAR(256), \
         checksum VARCHAR(256), installed_on TIMESTAMP)",
    );
    let refused = migrate::apply(&database, &settings, root.path(), &Progress::default()).await.unwrap_err();
    assert_eq!(said(&refused.error), "the history of this database is kept by openmetadata in server_change_log");

    let missing = Migrations { schema: "not_there".to_owned(), create_schemas: false, ..settings };
    let refused = migrate::apply(&cluster.fresh(), &missing, root.path(), &Progress::default()).await.unwrap_err();
    assert!(refused.to_string().contains("schema not_there does not exist, and `create_schemas` is off"), "{refused}");
}
