//! Migrations on a real PostgreSQL.

use upkeep::config::{Database, Location, Migrations};
use upkeep::failure::{Class, Explain};
use upkeep::migrate::{self, ApplyError, Info, MigrateError, Report};
use upkeep::progress::Progress;

use crate::support::postgres::{Cluster, cluster};
use crate::support::scripts::{put, settings};
use crate::support::wait::until;

/// A release folder and a fresh database.
struct Place {
    cluster: &'static Cluster,
    database: Database,
    root: tempfile::TempDir,
    settings: Migrations,
}

impl Place {
    fn new(scripts: &[(&str, &str)]) -> Option<Self> {
        let cluster = cluster()?;
        let place = Self { cluster, database: cluster.fresh(), root: tempfile::tempdir().unwrap(), settings: settings() };
        for (path, text) in scripts {
            place.put(path, text);
        }
        std::fs::create_dir_all(place.root.path().join("sql")).unwrap();
        Some(place)
    }

    fn put(&self, path: &str, text: &str) {
        put(self.root.path(), &format!("sql/{path}"), text);
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.root.path().join("sql").join(path)).unwrap();
    }

    async fn apply(&self) -> Result<Report, ApplyError> {
        migrate::apply(&self.database, &self.settings, self.root.path(), &Progress::default()).await
    }

    async fn info(&self) -> Info {
        migrate::info(&self.database, &self.settings, self.root.path()).await.unwrap()
    }

    #[track_caller]
    fn sql(&self, sql: &str) -> Vec<String> {
        let Location::Postgres { database, .. } = &self.database.location else { panic!("not PostgreSQL") };
        self.cluster.psql(database, sql).lines().map(str::to_owned).collect()
    }

    fn history(&self) -> Vec<String> {
        self.sql("SELECT installed_rank, version, type, script, success FROM flyway_schema_history ORDER BY 1")
    }
}

macro_rules! place {
    ($($script:expr),* $(,)?) => {
        match Place::new(&[$($script),*]) {
            Some(place) => place,
            None => return,
        }
    };
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

#[tokio::test]
async fn a_new_database_gets_every_script_and_flyways_own_history() {
    let place = place![
        ("V1__init.sql", "CREATE TABLE note (id int PRIMARY KEY, body text);"),
        (
            "V2__functions.sql",
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN; RETURN 1; END $$;\n\
             CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;\n\
             CREATE RULE r AS ON DELETE TO note DO ALSO (SELECT 1; SELECT 2);\n\
             INSERT INTO note VALUES (1, E'it\\'s; so'), (2, 'a;b'); /* /* ; */ ; */",
        ),
        (
            "V3__rows.sql",
            "COPY note (id, body) FROM STDIN; -- rows\n3\tthree; or so\n4\t\\N\n\\.\nUPDATE note SET body = 'four' WHERE id = 4;\n"
        ),
        ("R__views.sql", "CREATE OR REPLACE VIEW v AS SELECT count(*) FROM note;"),
    ];
    // PL/pgSQL does not take the semicolon after BEGIN; the splitter must not care, the server does.
    let failure = place.apply().await.unwrap_err();
    assert_eq!(failure.to_string(), "V2__functions.sql line 1 (statement 1) failed");
    place.put(
        "V2__functions.sql",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;\n\
         CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;\n\
         CREATE RULE r AS ON DELETE TO note DO ALSO (SELECT 1; SELECT 2);\n\
         INSERT INTO note VALUES (1, E'it\\'s; so'), (2, 'a;b'); /* /* ; */ ; */",
    );
    let report = place.apply().await.unwrap();
    assert_eq!(scripts(&report), ["V2__functions.sql", "V3__rows.sql", "R__views.sql"]);
    assert_eq!((report.table.as_str(), report.head.as_deref()), ("public.flyway_schema_history", Some("3")));
    assert_eq!(place.sql("SELECT g(), f()"), ["2|1"]);
    assert_eq!(place.sql("SELECT body FROM note ORDER BY id"), ["it's; so", "a;b", "three; or so", "four"]);
    assert_eq!(
        place.sql("SELECT installed_rank, version, description, type, script, installed_by, installed_on <= localtimestamp + '15h', execution_time >= 0, success FROM flyway_schema_history ORDER BY 1"),
        [
            "1|1|init|SQL|V1__init.sql|postgres|t|t|t",
            "2|2|functions|SQL|V2__functions.sql|postgres|t|t|t",
            "3|3|rows|SQL|V3__rows.sql|postgres|t|t|t",
            "4||views|SQL|R__views.sql|postgres|t|t|t",
        ]
    );
    assert_eq!(
        place.sql("SELECT column_name, data_type, character_maximum_length, is_nullable, column_default FROM information_schema.columns WHERE table_name = 'flyway_schema_history' ORDER BY ordinal_position"),
        [
            "installed_rank|integer||NO|",
            "version|character varying|50|YES|",
            "description|character varying|200|NO|",
            "type|character varying|20|NO|",
            "script|character varying|1000|NO|",
            "checksum|integer||YES|",
            "installed_by|character varying|100|NO|",
            "installed_on|timestamp without time zone||NO|now()",
            "execution_time|integer||NO|",
            "success|boolean||NO|",
        ]
    );
    assert_eq!(
        place.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'flyway_schema_history' ORDER BY 1"),
        ["flyway_schema_history_pk", "flyway_schema_history_s_idx"]
    );
    assert!(place.info().await.in_step());
    assert_eq!(scripts(&place.apply().await.unwrap()), Vec::<&str>::new());
    place.put("R__views.sql", "CREATE OR REPLACE VIEW v AS SELECT count(*) FROM note WHERE id > 1;");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["R__views.sql"]);
}

#[tokio::test]
async fn a_failing_script_leaves_nothing_and_says_where() {
    let place = place![
        ("V1__init.sql", "CREATE TABLE a (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);"),
        ("V2__broken.sql", "CREATE TABLE half (a int);\n\nINSERT INTO half\n  VALUES (1),\n  (nope);\nSELECT 1;"),
    ];
    let failure = place.apply().await.unwrap_err();
    assert_eq!(scripts(&failure.report), ["V1__init.sql"]);
    assert_eq!(failure.to_string(), "V2__broken.sql line 5 (statement 2) failed", "the line the server points to");
    let said = std::error::Error::source(&failure).unwrap().to_string();
    assert_eq!(said, "column \"nope\" does not exist (42703)");
    assert_eq!(place.history(), ["1|1|SQL|V1__init.sql|t"]);
    assert_eq!(place.sql("SELECT to_regclass('half') IS NULL"), ["t"]);

    // A constraint that is looked at only when the transaction ends.
    place.put("V2__broken.sql", "CREATE TABLE half (a int); INSERT INTO a VALUES (1), (1);");
    let failure = place.apply().await.unwrap_err();
    assert_eq!(failure.to_string(), "cannot commit V2__broken.sql");
    assert_eq!(place.history().len(), 1);
    assert_eq!(place.sql("SELECT to_regclass('half') IS NULL, (SELECT count(*) FROM a)"), ["t|0"]);

    place.put("V2__broken.sql", "COPY a FROM STDIN;\n1\nx\n\\.\n");
    let failure = place.apply().await.unwrap_err();
    assert_eq!(failure.to_string(), "V2__broken.sql line 1 (statement 1) failed");
    assert_eq!(place.sql("SELECT count(*) FROM a"), ["0"]);

    place.put("V2__broken.sql", "SELECT 1;\n\\connect other\n");
    let refused = place.apply().await.unwrap_err();
    assert_eq!(
        problems(&refused.error),
        ["V2__broken.sql line 2: a command of the psql client (a backslash outside quotes) is not SQL"]
    );
}

#[tokio::test]
async fn an_index_is_built_concurrently_and_a_failure_outside_a_transaction_is_remembered() {
    let mut place = place![
        ("V1__init.sql", "CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 1000);"),
        ("V2__index.sql", "CREATE INDEX CONCURRENTLY t_a ON t (a);"),
        ("V3__vacuum.sql", "VACUUM t; VACUUM (ANALYZE) t;"),
        ("V4__own.sql", "BEGIN; INSERT INTO t VALUES (0); COMMIT;"),
    ];
    place.apply().await.unwrap();
    assert_eq!(place.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass"), ["t"]);
    assert_eq!(place.sql("SELECT count(*) FROM t WHERE a = 0"), ["1"]);
    assert_eq!(place.history()[1], "2|2|SQL|V2__index.sql|t");

    place.settings.mixed = true;
    place.put("V5__half.sql", "CREATE TABLE half (a int);\nCREATE UNIQUE INDEX CONCURRENTLY u ON nowhere (a);");
    let failure = place.apply().await.unwrap_err();
    assert_eq!(failure.to_string(), "V5__half.sql line 2 (statement 2) failed");
    assert!(failure.safe().unwrap().contains("earlier statements stay"));
    assert_eq!(place.history()[4], "5|5|SQL|V5__half.sql|f");
    assert_eq!(problems(&place.apply().await.unwrap_err().error), ["migration 5 (V5__half.sql) failed earlier"]);
    migrate::repair(&place.database, &place.settings, place.root.path()).await.unwrap();
    place.put("V5__half.sql", "CREATE TABLE IF NOT EXISTS half (a int);");
    place.apply().await.unwrap();

    place.put("V6__open.sql", "BEGIN; CREATE TABLE lost (a int);");
    assert_eq!(place.apply().await.unwrap_err().to_string(), "V6__open.sql leaves a transaction open");
    assert_eq!(place.sql("SELECT to_regclass('lost') IS NULL"), ["t"]);
}

#[tokio::test]
async fn a_transaction_that_a_callback_or_a_script_ends_is_not_taken_for_ours() {
    let place = place![
        ("V1__init.sql", "CREATE TABLE t (a int);"),
        ("V2__rows.sql", "INSERT INTO t VALUES (1);\nINSERT INTO nowhere VALUES (1);"),
        ("beforeEachMigrate.sql", "COMMIT;"),
    ];
    assert_eq!(place.apply().await.unwrap_err().to_string(), "V2__rows.sql line 2 (statement 2) failed");
    assert_eq!(place.sql("SELECT a FROM t"), ["1"]);
    assert_eq!(place.history(), ["1|1|SQL|V1__init.sql|t", "2|2|SQL|V2__rows.sql|f"], "half of it is there, and said to be");

    let place = place![("V1__own.sql", "CREATE TABLE t (a int);\nCOMMIT;\nCREATE TABLE u (a int);")];
    place.put("V1__own.sql.conf", "executeInTransaction=true");
    let refused = problems(&place.apply().await.unwrap_err().error);
    assert!(refused[0].contains("V1__own.sql line 2") && refused[0].contains("leave the key out"), "{refused:?}");
    assert_eq!(place.sql("SELECT to_regclass('t') IS NULL"), ["t"]);
}

#[tokio::test]
async fn a_row_that_somebody_removes_meanwhile_is_written_again() {
    // As a repair does, which waits for nobody.
    let place = place![("V1__a.sql", "CREATE TABLE a (n int); DELETE FROM flyway_schema_history WHERE NOT success;")];
    place.put("V1__a.sql.conf", "executeInTransaction=false");
    place.apply().await.unwrap();
    assert_eq!(place.history(), ["1|1|SQL|V1__a.sql|t"]);
    assert!(place.apply().await.unwrap().applied.is_empty());
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_anything_changes() {
    let place = place![("V1__init.sql", "CREATE TABLE a (a int);"), ("V2__two.sql", "CREATE TABLE b (a int);")];
    place.apply().await.unwrap();
    place.put("V1__init.sql", "CREATE TABLE a (a bigint);");
    place.put("V3__three.sql", "CREATE TABLE c (a int);");
    let changed = place.apply().await.unwrap_err();
    assert!(problems(&changed.error)[0].starts_with("V1__init.sql was changed after it was applied as 1"), "{changed}");
    assert_eq!(changed.class(), Class::Data);
    place.put("V1__init.sql", "CREATE TABLE a (a int);\r\n");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V3__three.sql"]);

    place.remove("V3__three.sql");
    assert_eq!(
        problems(&place.apply().await.unwrap_err().error),
        ["the database is ahead of the release: it has 3, which the release does not know"]
    );
    place.put("V3__three.sql", "CREATE TABLE c (a int);");
    place.remove("V2__two.sql");
    assert_eq!(problems(&place.apply().await.unwrap_err().error), ["2 (V2__two.sql) was applied and is not in the release"]);
    place.put("V2__two.sql", "CREATE TABLE b (a int);");

    place.put("V2_1__late.sql", "CREATE TABLE late (a int);");
    assert_eq!(
        problems(&place.apply().await.unwrap_err().error),
        ["V2_1__late.sql was never applied, but versions newer than 2.1 were"]
    );
    let relaxed = Migrations { out_of_order: true, ..place.settings.clone() };
    let report = migrate::apply(&place.database, &relaxed, place.root.path(), &Progress::default()).await.unwrap();
    assert_eq!(scripts(&report), ["V2_1__late.sql"]);
    assert!(place.info().await.in_step());
}

#[tokio::test]
async fn two_runs_at_once_apply_each_script_once() {
    let place = place![];
    for n in 1..=8 {
        place.put(&format!("V{n}__t.sql"), &format!("CREATE TABLE t{n} (a int); INSERT INTO t{n} VALUES ({n});"));
    }
    place.put("V9__i.sql", "CREATE INDEX CONCURRENTLY i ON t1 (a);");
    let (a, b) = tokio::join!(place.apply(), place.apply());
    let applied: Vec<usize> = [a, b].into_iter().map(|report| report.unwrap().applied.len()).collect();
    assert_eq!(applied.iter().sum::<usize>(), 9, "{applied:?}");
    assert_eq!(place.history().len(), 9);
}

#[tokio::test]
async fn flyways_own_lock_keeps_us_out_until_it_is_free() {
    let place = place![("V1__init.sql", "CREATE TABLE a (a int);")];
    let Location::Postgres { database, .. } = &place.database.location else { panic!("not PostgreSQL") };
    // What a real Flyway takes for "public"."flyway_schema_history".
    let flyway = place.cluster;
    let name = database.clone();
    let holder = std::thread::spawn(move || {
        flyway.psql(
            &name,
            "BEGIN; SELECT pg_advisory_xact_lock(77433833903597); CREATE TABLE held (a int); SELECT pg_sleep(1); COMMIT;",
        )
    });
    let locked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    for _ in 0..500 {
        if place.sql(locked) == ["1"] {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(place.sql(locked), ["1"]);
    // The table made under the lock is seen, so we waited: without a baseline it is refused.
    let refused = place.apply().await.unwrap_err();
    assert_eq!(problems(&refused.error), ["the database has objects but no migration history"]);
    holder.join().unwrap();
    // A session that said goodbye ends on the server a moment later.
    until("our own lock is gone too", || place.sql(locked) == ["0"]);
}

#[tokio::test]
async fn what_a_script_sets_does_not_reach_the_next_or_the_history() {
    let place = place![
        (
            "V1__a.sql",
            "CREATE ROLE nobody_much; CREATE SCHEMA other; GRANT ALL ON SCHEMA other TO nobody_much;\n\
             SET search_path = other; SET DateStyle = 'ISO, DMY'; CREATE TEMP TABLE scratch (a int);\nSET ROLE nobody_much; CREATE TABLE inside (a int);"
        ),
        ("V2__b.sql", "CREATE TABLE outside AS SELECT '02/01/2026'::date AS d, current_user::text AS who;"),
    ];
    place.apply().await.unwrap();
    assert_eq!(place.sql("SELECT d, who FROM public.outside"), ["2026-02-01|postgres"]);
    assert_eq!(
        place.sql("SELECT tableowner FROM pg_tables WHERE schemaname = 'other' AND tablename = 'inside'"),
        ["nobody_much"]
    );
    assert_eq!(place.sql("SELECT installed_by FROM flyway_schema_history"), ["postgres", "postgres"]);
    place.sql("DROP OWNED BY nobody_much; DROP ROLE nobody_much");
}

/// The second script takes longer to read than the first one's session is let live without work.
#[tokio::test]
async fn a_session_that_dies_between_two_scripts_is_replaced() {
    let place = place![(
        "V1__a.sql",
        "CREATE TABLE a (pid int); INSERT INTO a VALUES (pg_backend_pid()); SET idle_session_timeout = 1;"
    )];
    let long = "-- a remark that is read and cut before the script begins\n".repeat(40_000);
    place.put("V2__b.sql", &format!("INSERT INTO a VALUES (pg_backend_pid());\n{long}"));
    place.put("V3__c.sql", "INSERT INTO a VALUES (pg_backend_pid());");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V1__a.sql", "V2__b.sql", "V3__c.sql"]);
    assert_eq!(place.sql("SELECT count(*), count(DISTINCT pid) FROM a"), ["3|2"], "and what lives is used again");
}

#[tokio::test]
async fn a_schema_of_ones_own_is_made_and_comes_first_in_the_search_path() {
    let mut place = place![
        ("V1__init.sql", "CREATE TABLE here (a int); CREATE TABLE public.there (a int);"),
        ("V2__use.sql", "SELECT * FROM there, here;")
    ];
    place.settings.schema = "App Schema".to_owned();
    place.settings.table = "History".to_owned();
    let report = place.apply().await.unwrap();
    assert_eq!(report.table, "App Schema.History");
    assert_eq!(
        place.sql(
            r#"SELECT installed_rank, version, description, type, script, success FROM "App Schema"."History" ORDER BY 1"#
        ),
        [
            r#"0||<< Flyway Schema Creation >>|SCHEMA|"App Schema"|t"#,
            "1|1|init|SQL|V1__init.sql|t",
            "2|2|use|SQL|V2__use.sql|t",
        ]
    );
    assert_eq!(place.sql(r#"SELECT to_regclass('"App Schema".here') IS NOT NULL"#), ["t"]);
    assert!(place.info().await.in_step());
}

#[tokio::test]
async fn openmetadatas_settings_work() {
    let mut place = place![
        ("v001__create.sql", "CREATE TABLE a (a int);"),
        ("v002__more.sql", "CREATE TABLE ${flyway:defaultSchema}.b (a int);")
    ];
    place.settings.prefix = "v".to_owned();
    place.settings.table = "DATABASE_CHANGE_LOG".to_owned();
    place.settings.baseline_on_migrate = Some("000".to_owned());
    place.sql("CREATE TABLE already_there (a int)");
    place.apply().await.unwrap();
    assert_eq!(
        place.sql(r#"SELECT installed_rank, version, type, success FROM "DATABASE_CHANGE_LOG" ORDER BY 1"#),
        ["1|000|BASELINE|t", "2|001|SQL|t", "3|002|SQL|t"]
    );
    assert_eq!(
        place.sql(r#"SELECT max(version::int), (SELECT string_agg(indexname, ',' ORDER BY 1) FROM pg_indexes WHERE tablename = 'DATABASE_CHANGE_LOG') FROM "DATABASE_CHANGE_LOG""#),
        ["2|DATABASE_CHANGE_LOG_pk,DATABASE_CHANGE_LOG_s_idx"]
    );
}

#[tokio::test]
async fn the_session_means_to_a_script_what_the_server_means() {
    let place = place![(
        "V1__probe.sql",
        "CREATE TABLE probe AS SELECT current_setting('extra_float_digits') AS digits, current_setting('DateStyle') AS style, \
         current_setting('TimeZone') AS zone, current_setting('search_path') AS path, current_setting('standard_conforming_strings') AS strings;"
    )];
    place.apply().await.unwrap();
    let zone = std::fs::canonicalize("/etc/localtime").ok();
    let zone = zone.and_then(|path| path.to_str()?.split_once("/zoneinfo/").map(|(_, zone)| zone.to_owned()));
    let zone = zone.unwrap_or_else(|| "UTC".to_owned());
    assert_eq!(
        place.sql("SELECT digits, style, zone, path, strings FROM probe"),
        [format!("1|ISO, MDY|{zone}|\"public\", \"$user\", public|on")]
    );
}

#[tokio::test]
async fn without_a_server_or_a_password_it_says_so() {
    let place = place![("V1__init.sql", "SELECT 1;")];
    let location = Location::Postgres {
        host: "/nowhere".to_owned(),
        port: 5432,
        user: "postgres".to_owned(),
        database: "x".to_owned(),
        sslmode: "prefer".to_owned(),
    };
    let nowhere = Database::at(location);
    let error = migrate::info(&nowhere, &place.settings, place.root.path()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to postgres:///x?host=/nowhere&port=5432&user=postgres for migrations");
    assert_eq!((error.class(), error.transient()), (Class::Unavailable, true));
}
