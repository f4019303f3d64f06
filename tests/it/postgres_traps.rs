//! Traps other tools fell into, one test each, named after it.

use sqlx::{Connection, Executor};
use upkeep::config::Secret;
use upkeep::engine::{DumpRequest, Engine, EngineError, LoadMode};
use upkeep::failure::{Class, Explain};

use crate::support::engines::Db;
use crate::support::held::Held;
use crate::support::postgres::{Cluster, cluster, dump, load, name_of, newer_cluster, said};
use crate::support::wait::until;
use crate::support::world::{World, text};

/// T-PG1: a client newer than the server writes settings the server cannot read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg1_an_archive_of_a_newer_major_holds_no_setting_an_older_one_cannot_read() {
    let (Some(older), Some(newer)) = (cluster(), newer_cluster()) else { return };
    let source = newer.fresh();
    newer.psql(
        name_of(&source),
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 100) g",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    assert!(!sealed.manifest.data_only, "the newer major's own pg_dump was found");
    let (by_hand, by_upkeep) = (older.fresh(), older.fresh());
    older.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    load(&by_upkeep, &sealed, LoadMode::Clean).await.unwrap();
    for copy in [&by_hand, &by_upkeep] {
        assert_eq!(older.content(name_of(copy)), newer.content(name_of(&source)));
    }
}

/// T-PG2: `\restrict` lines that only a recent psql reads: it is asked first, and no line is for psql alone but that question's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg2_psql_is_asked_before_it_is_shown_what_only_a_recent_one_reads() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.torture();
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let text = text_of(&sealed.path);
    let meta: Vec<&str> = text.lines().filter(|line| line.starts_with('\\') && *line != "\\.").collect();
    assert_eq!(meta, ["\\gset", "\\restrict not a meta command"], "the end of the question, and the body of a function");
    assert!(!text.contains("\nSET transaction_timeout"));
    assert!(text.starts_with("-- a preamble\n"), "{}", &text[..80]);
}

/// T-PG3: what a narrower dump silently leaves behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg3_large_objects_extensions_event_triggers_and_publications_are_in_the_archive() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.torture();
    let dir = tempfile::tempdir().unwrap();
    let text = text_of(&dump(&source, dir.path(), 1).await.unwrap().path);
    for statement in [
        "SELECT pg_catalog.lo_create('4242');",
        "ALTER LARGE OBJECT 4242 OWNER TO \"torture\";",
        "GRANT SELECT ON LARGE OBJECT 4242 TO \"We ird\" WITH GRANT OPTION;",
        "COMMENT ON LARGE OBJECT 4243 IS 'an empty one; it''s';",
        "CREATE EXTENSION IF NOT EXISTS citext",
        "CREATE EVENT TRIGGER watching",
        "CREATE PUBLICATION told",
        "CREATE SERVER elsewhere",
    ] {
        assert!(text.contains(statement), "{statement}");
    }
}

/// T-PG3: roles are the cluster's, not the database's: where one is missing its objects still arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg3_roles_missing_at_the_destination_cost_owners_and_grants_only() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let role = format!("gone_{}", name_of(&source));
    cluster.psql(
        name_of(&source),
        &format!(
            "CREATE ROLE {role}; CREATE TABLE t (a int); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO {role}; \
             CREATE TABLE u (a int); GRANT SELECT ON u TO {role}; ALTER TABLE u ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY p ON u TO {role} USING (true); SELECT lo_create(1); ALTER LARGE OBJECT 1 OWNER TO {role};"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    cluster.psql(name_of(&source), &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    let (by_hand, by_upkeep) = (cluster.fresh(), cluster.fresh());
    cluster.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    let loaded = load(&by_upkeep, &sealed, LoadMode::Clean).await.unwrap();
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains(&format!("role {role} does not exist here")), "{:?}", loaded.warnings);
    assert!(loaded.warnings[1].contains("does not read back word for word"), "{:?}", loaded.warnings);
    for copy in [&by_hand, &by_upkeep] {
        assert_eq!(cluster.psql(name_of(copy), "SELECT count(*), current_user FROM t GROUP BY 2"), "1|postgres");
    }
}

/// T-PG4: row-level security filters a dump without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg4_row_level_security_is_refused_and_never_a_smaller_dump() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let (name, role) = (name_of(&source), format!("reader_{}", name_of(&source)));
    cluster.psql(
        name,
        &format!(
            "CREATE ROLE {role} LOGIN; CREATE TABLE t (who text); INSERT INTO t VALUES ('{role}'), ('other'); \
             ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON t USING (who = current_user); GRANT SELECT ON t TO {role};"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let error = dump(&cluster.database_as(name, &role), dir.path(), 1).await.unwrap_err();
    assert_eq!(error.class(), Class::NoPermission);
    let said = said(error);
    assert!(said.contains("public.t") && said.contains(&format!("ALTER ROLE \"{role}\" BYPASSRLS;")), "{said}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing half-made stays");
    cluster.psql(name, &format!("ALTER ROLE {role} BYPASSRLS"));
    assert_eq!(dump(&cluster.database_as(name, &role), dir.path(), 1).await.unwrap().manifest.rows(), 2);
}

/// T-PG4: unlogged tables have rows too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg4_rows_of_unlogged_tables_are_in_the_archive() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    cluster.psql(name_of(&source), "CREATE UNLOGGED TABLE u (a int); INSERT INTO u VALUES (1), (2)");
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(dump(&source, dir.path(), 1).await.unwrap().manifest.rows(), 2);
}

/// T-PG5: a schema change that queues up behind the dump's locks stops the dump's own workers; and one that is forgotten stops whoever
/// looks, for the functions that measure a table or print a view wait for its locks as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg5_what_somebody_keeps_locked_is_named_and_so_is_he() {
    let Some(cluster) = cluster() else { return };
    let newer = newer_cluster().unwrap_or(cluster);
    let (table, view) = ("LOCK TABLE t IN ACCESS EXCLUSIVE MODE", "CREATE OR REPLACE VIEW v AS SELECT a FROM t");
    tokio::join!(is_named(cluster, table), is_named(cluster, view), is_named(newer, table), is_named(newer, view));
}

async fn is_named(cluster: &Cluster, kept: &str) {
    let source = cluster.fresh();
    let body = "CREATE TABLE t (a int DEFAULT 1); INSERT INTO t VALUES (7); CREATE VIEW v AS SELECT a FROM t";
    cluster.psql(name_of(&source), body);
    let mut other = cluster.connect(name_of(&source)).await;
    other.execute(sqlx::AssertSqlSafe(format!("BEGIN; {kept}"))).await.unwrap();
    let (engine, dir) = (Engine::of(&source), tempfile::tempdir().unwrap());
    let survey = engine.survey(&[]).await.unwrap();
    assert!(survey.exists && survey.holds_rows && survey.tables.len() == 1, "{survey:?}");
    let (looked, dumped) = tokio::join!(engine.shape(&[]), dump(&source, dir.path(), 2));
    for error in [looked.map(drop).unwrap_err(), dumped.map(drop).unwrap_err()] {
        assert!(matches!(error, EngineError::InUse { .. }), "{error:?}");
        assert!(error.transient());
        assert!(said(error).contains(kept), "{kept} is named");
    }
    other.close().await.unwrap();
    engine.shape(&[]).await.unwrap();
    dump(&source, dir.path(), 2).await.unwrap();
}

/// T-PG5: who locks a view between our look and that of `pg_dump`, which waits for views without an end, is named as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg5_who_keeps_a_view_from_pg_dump_is_named() {
    let Some(cluster) = cluster() else { return };
    let world = World::new(Db::Postgres(cluster));
    world.sql("CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t");
    let held = Held::at(&world, &["backup", "notes"], "pg.dump.looked");
    let kept = "CREATE OR REPLACE VIEW v AS SELECT a FROM t";
    let database = world.database();
    let mut other = cluster.connect(name_of(&database)).await;
    // Our look has the view's lock as well: he stands in line behind it, and `pg_dump` behind him.
    let other = tokio::spawn(async move {
        other.execute(sqlx::AssertSqlSafe(format!("BEGIN; {kept}"))).await.unwrap();
        other
    });
    let asks = "SELECT count(*) FROM pg_locks WHERE relation = 'v'::regclass AND mode = 'AccessExclusiveLock'";
    until("he asks for the view", || cluster.psql(name_of(&database), asks) == "1");
    let output = held.go_on();
    assert_eq!(output.status.code(), Some(75), "{}", text(&output));
    assert!(text(&output).contains(kept), "{}", text(&output));
    other.await.unwrap().close().await.unwrap();
}

/// T-PG5: the same change, arriving while rows are being read, waits for us and does not hang us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg5_a_schema_change_during_the_dump_waits_and_changes_nothing_in_it() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let name = name_of(&source).to_owned();
    cluster.psql(
        &name,
        "CREATE TABLE t AS SELECT g AS a, repeat('x', 500) AS b FROM generate_series(1, 100000) g; CREATE TABLE v (a int)",
    );
    let others = tokio::spawn(async move {
        for at in 0..20 {
            let mut other = cluster.connect(&name).await;
            let change =
                format!("ALTER TABLE t ADD COLUMN c{at} int; TRUNCATE v; ALTER TABLE v ADD COLUMN c{at} int DEFAULT random()");
            other.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(change))).await.unwrap();
            other.close().await.unwrap();
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let mut made = 0;
    for _ in 0..8 {
        match dump(&source, dir.path(), 2).await {
            Ok(sealed) => {
                made += 1;
                let copy = cluster.fresh();
                load(&copy, &sealed, LoadMode::Clean).await.unwrap();
                assert_eq!(cluster.psql(name_of(&copy), "SELECT count(*) FROM t"), "100000");
            }
            // Busy with schema changes each time: said, and never hung.
            Err(error) => assert!(matches!(error, EngineError::InUse { .. } | EngineError::Moved { .. }), "{error:?}"),
        }
    }
    others.await.unwrap();
    assert!(made > 0);
}

/// T-PG5: what rows are found and printed by changes under no lock of ours, while they are being read: no archive is made of two moments.
#[test]
fn t_pg5_a_name_or_a_label_that_changes_while_rows_are_read_is_in_no_archive() {
    let Some(cluster) = cluster() else { return };
    let world = World::new(Db::Postgres(cluster));
    world.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (a int, b int); \
         CREATE SCHEMA live CREATE TABLE t (a text) CREATE SEQUENCE s; CREATE SCHEMA staging CREATE TABLE t (a text) CREATE SEQUENCE s; \
         INSERT INTO live.t VALUES ('live'); INSERT INTO staging.t VALUES ('staging'); CREATE SEQUENCE one; CREATE SEQUENCE two; \
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE TABLE held (m mood, p pair, r regclass, who aclitem); INSERT INTO held VALUES ('glad', '(1,2)', 'live.s')",
    );
    let swap = |kind: &str, one: &str, other: &str| {
        format!("ALTER {kind} {one} RENAME TO tmp; ALTER {kind} {other} RENAME TO {one}; ALTER {kind} tmp RENAME TO {other};")
    };
    let schemas = swap("SCHEMA", "live", "staging");
    for (change, told) in [
        ("ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'", "type public.mood"),
        ("ALTER TYPE mood RENAME VALUE 'happy' TO 'x'; ALTER TYPE mood RENAME VALUE 'x' TO 'happy'", "type public.mood"),
        ("ALTER TYPE pair ADD ATTRIBUTE c int", "type public.pair"),
        (&*schemas, "schema live"),
        (&*format!("{schemas}{schemas}"), "schema staging"),
        ("ALTER SCHEMA staging RENAME TO gone", "read everything by the name it had"),
        (&*swap("SEQUENCE", "one", "two"), "public.one was altered"),
        (
            "ALTER FUNCTION f() RENAME TO g; CREATE TYPE unused AS ENUM ('a'); ALTER TYPE mood ADD VALUE 'dull' BEFORE 'sad'; GRANT USAGE ON SCHEMA live TO PUBLIC; GRANT USAGE ON SEQUENCE one TO PUBLIC; CREATE TABLE n (i serial)",
            "",
        ),
        // Given once more as it was; where that happens twice, something else may have been in between.
        ("GRANT USAGE ON SCHEMA live TO PUBLIC; GRANT USAGE ON SEQUENCE one TO PUBLIC", ""),
        ("GRANT USAGE ON SCHEMA live TO PUBLIC; GRANT USAGE ON SCHEMA live TO PUBLIC", "schema live"),
    ] {
        let (before, held) = (world.json(&["list", "notes"]), Held::at(&world, &["backup", "notes"], "pg.dump.held"));
        world.sql(change);
        let output = held.go_on();
        std::fs::remove_file(world.root().join("held-at-pg.dump.held")).unwrap();
        if told.is_empty() {
            assert!(output.status.success(), "{change}: {}", text(&output));
            continue;
        }
        assert_eq!(output.status.code(), Some(75), "{change}: {}", text(&output));
        assert!(text(&output).contains(told), "{change}: {}", text(&output));
        assert_eq!(world.json(&["list", "notes"]), before, "{change}");
    }
}

/// T-PG5: settings of the role that would end a long dump do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg5_timeouts_of_the_role_do_not_end_a_dump() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let (name, role) = (name_of(&source), format!("hasty_{}", name_of(&source)));
    cluster.psql(
        name,
        &format!(
            "CREATE ROLE {role} SUPERUSER LOGIN; ALTER ROLE {role} SET statement_timeout = '50ms'; \
             ALTER ROLE {role} SET idle_in_transaction_session_timeout = '50ms'; ALTER ROLE {role} SET DateStyle = 'German'; \
             ALTER ROLE {role} SET extra_float_digits = -10; ALTER ROLE {role} SET IntervalStyle = sql_standard; \
             ALTER ROLE {role} SET bytea_output = escape; ALTER ROLE {role} SET TimeZone = 'Asia/Kathmandu'; \
             CREATE TABLE t AS SELECT g, repeat('x', 1000) AS b, now() AS at, '-1 day 2 hours'::interval AS i, 1.0/g::float8 AS f, '\\x00'::bytea AS y \
             FROM generate_series(1, 60000) g"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let hasty = dump(&cluster.database_as(name, &role), dir.path(), 1).await.unwrap();
    let calm = dump(&source, dir.path(), 1).await.unwrap();
    assert_eq!(hasty.manifest.tables, calm.manifest.tables, "settings of a role do not change what is printed");
    let copy = cluster.fresh();
    load(&cluster.database_as(name_of(&copy), &role), &hasty, LoadMode::Clean).await.unwrap();
    assert_eq!(cluster.content(name_of(&copy)), cluster.content(name));
}

/// T-PG6: the value of a sequence, called or not, and identity columns that only the system may fill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg6_the_next_value_of_every_sequence_is_the_source_s() {
    let Some(cluster) = cluster() else { return };
    let (source, copy) = (cluster.torture(), cluster.fresh());
    let dir = tempfile::tempdir().unwrap();
    load(&copy, &dump(&source, dir.path(), 1).await.unwrap(), LoadMode::Clean).await.unwrap();
    let next =
        "SELECT nextval('app.called'), nextval('app.uncalled'), nextval('app.descending'), nextval('app.every_type_id_seq')";
    assert_eq!(cluster.psql(name_of(&source), next), cluster.psql(name_of(&copy), next));
}

/// T-PG7: circular foreign keys and triggers when only rows are loaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_pg7_rows_alone_load_past_circular_keys_and_triggers_without_a_superuser() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let (name, role) = (name_of(&source), format!("owner_{}", name_of(&source)));
    cluster.psql(
        name,
        &format!("CREATE ROLE {role} LOGIN; ALTER DATABASE {name} OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role}"),
    );
    let schema = format!(
        "SET ROLE {role}; CREATE TABLE a (id serial PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a); \
         ALTER TABLE a ADD CONSTRAINT back FOREIGN KEY (b) REFERENCES b; COMMENT ON CONSTRAINT back ON a IS 'and back'; CREATE TABLE log (what text); \
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log VALUES (TG_OP); RETURN NEW; END'; \
         CREATE TRIGGER noted AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE a ENABLE ALWAYS TRIGGER noted; \
         CREATE TABLE flyway_schema_history (installed_rank int, version text, description text, type text, script text, checksum int, success boolean); \
         INSERT INTO flyway_schema_history VALUES (1, '1', 'x', 'SQL', 'x', 1, true);"
    );
    cluster.psql(
        name,
        &format!("{schema} INSERT INTO a (b) VALUES (NULL), (NULL); INSERT INTO b VALUES (1, 2), (2, 1); UPDATE a SET b = id;"),
    );
    let dir = tempfile::tempdir().unwrap();
    let as_owner = cluster.database_as(name, &role);
    let sealed = dump(&as_owner, dir.path(), 1).await.unwrap();
    let shaped = cluster.fresh();
    cluster.psql(
        name_of(&shaped),
        &format!("ALTER DATABASE {} OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role}", name_of(&shaped)),
    );
    cluster.psql(name_of(&shaped), &format!("{schema} INSERT INTO log VALUES ('a migration wrote this');"));
    let to = cluster.database_as(name_of(&shaped), &role);
    for _ in 0..2 {
        load(&to, &sealed, LoadMode::DataOnly).await.unwrap();
        assert_eq!(cluster.content(name_of(&shaped)), cluster.content(name), "and a second time changes nothing");
    }
    assert_eq!(cluster.pg_dump(name_of(&shaped), &["--schema-only"]), cluster.pg_dump(name, &["--schema-only"]));
}

/// A privilege that is missing is named with the statement that gives it.
/// Server down, database missing, no such role: each its own words, and never a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_says_why() {
    let Some(cluster) = cluster() else { return };
    let dir = tempfile::tempdir().unwrap();
    let missing = cluster.database(&cluster.fresh_name());
    let error = dump(&missing, dir.path(), 1).await.unwrap_err();
    assert!(matches!(error, EngineError::Connect { .. }), "{error:?}");
    assert!(said(error).contains("does not exist"));
    let mut stranger = cluster.database_as("postgres", "nobody_of_that_name");
    stranger.password = Some(Secret::new("hunter2".to_owned()));
    let error = Engine::of(&stranger).identify().await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
    assert!(!said(error).contains("hunter2"));
    let mut down = cluster.database("postgres");
    if let upkeep::config::Location::Postgres { port, .. } = &mut down.location {
        *port = 1;
    }
    let error = Engine::of(&down).survey(&[]).await.unwrap_err();
    assert!(matches!(error, EngineError::Connect { .. }), "{error:?}");
    assert!(error.transient());
}

/// A worker's backend that dies in the middle fails the dump, and leaves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_dies_fails_the_dump_and_leaves_nothing() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let name = name_of(&source).to_owned();
    cluster.psql(&name, "CREATE TABLE t AS SELECT g, repeat(md5(g::text), 40) FROM generate_series(1, 300000) g");
    let dir = tempfile::tempdir().unwrap();
    let progress = upkeep::progress::Progress::default();
    let label = upkeep::ids::Label::parse("killed").unwrap();
    let pending = upkeep::archive::PendingArchive::create(dir.path(), &label, "sql.zst").unwrap();
    let request = DumpRequest {
        level: 19,
        jobs: 2,
        preamble: Vec::new(),
        history_tables: Vec::new(),
        expected: None,
        without_rows: Vec::new(),
    };
    let killer = tokio::task::spawn_blocking({
        let progress = progress.clone();
        move || {
            until("rows are read", || progress.snapshot().phase == "dumping" && progress.snapshot().done_rows > 0);
            cluster.psql(
                "postgres",
                &format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND query LIKE 'COPY%'"
                ),
            );
        }
    });
    let error = Engine::of(&source).dump(&request, &pending, &progress).await.unwrap_err();
    killer.await.unwrap();
    assert!(matches!(error, EngineError::Lost { .. }), "{error:?}");
    drop(pending);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'upkeep[' || '%' AND datname = '";
    until("the sessions of the dump are gone", || cluster.psql("postgres", &format!("{left}{}'", name_of(&source))) == "0");
}

fn text_of(path: &std::path::Path) -> String {
    let output = std::process::Command::new("zstd").arg("-dc").arg(path).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
