//! PostgreSQL: replacing a database as a whole, or not at all.

use upkeep::archive::Archive;
use upkeep::engine::{Engine, EngineError, LoadMode, Standing};
use upkeep::progress::Progress;

use crate::support::postgres::{Cluster, cluster, dump, load, name_of, said};
use crate::support::wait::until;

/// Databases whose names begin with this one.
fn databases(cluster: &Cluster, name: &str) -> String {
    cluster.psql(
        "postgres",
        &format!("SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname ~ '^{name}($|__)'"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_database_has_the_archive_s_content_and_its_own_settings() {
    let Some(cluster) = cluster() else { return };
    let (source, target) = (cluster.torture(), cluster.fresh());
    let name = name_of(&target);
    cluster.psql(
        name,
        &format!(
            "CREATE TABLE old_content (a int); ALTER DATABASE {name} SET search_path = app, public; ALTER DATABASE {name} SET work_mem = '7MB'; \
             ALTER ROLE torture IN DATABASE {name} SET DateStyle = 'German, DMY'; \
             ALTER DATABASE {name} CONNECTION LIMIT 77; ALTER DATABASE {name} OWNER TO torture; COMMENT ON DATABASE {name} IS 'it''s mine'; \
             REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO \"We ird\""
        ),
    );
    let about = format!(
        "SELECT datconnlimit, datdba::regrole, (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(datacl) a), shobj_description(d.oid, 'pg_database'), \
         (SELECT string_agg(setrole::regrole || setconfig::text, ';' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid) \
         FROM pg_database d WHERE datname = '{name}'"
    );
    let before = cluster.psql("postgres", &about);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    load(&target, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(cluster.content(name), cluster.content(name_of(&source)));
    assert_eq!(cluster.psql("postgres", &about), before);
    assert_eq!(databases(cluster, name), name);
    assert_eq!(Engine::of(&target).settle().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_use_is_not_replaced_and_nobody_is_thrown_out() {
    let Some(cluster) = cluster() else { return };
    let (source, target) = (cluster.fresh(), cluster.fresh());
    let name = name_of(&target);
    cluster.psql(name, "CREATE TABLE mine (a int)");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let mut other = cluster.connect(name).await;
    let error = load(&target, &sealed, LoadMode::Replace).await.unwrap_err();
    assert!(matches!(error, EngineError::InUse { .. }), "{error:?}");
    sqlx::raw_sql("SELECT a FROM mine").execute(&mut other).await.unwrap();
    assert_eq!(databases(cluster, name), name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_fails_leaves_the_old_content() {
    let Some(cluster) = cluster() else { return };
    let (source, target) = (cluster.fresh(), cluster.fresh());
    let name = name_of(&target);
    cluster.psql(name_of(&source), "CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g");
    cluster.psql(name, "CREATE TABLE mine AS SELECT 1 AS a");
    let dir = tempfile::tempdir().unwrap();
    let mut sealed = dump(&source, dir.path(), 1).await.unwrap();
    let mut bytes = std::fs::read(&sealed.path).unwrap();
    let data = sealed.manifest.frames.iter().find(|frame| frame.table.is_some()).unwrap();
    bytes[usize::try_from(data.offset + data.stored / 2).unwrap()] ^= 1;
    sealed.path = dir.path().join("damaged.sql.zst");
    std::fs::write(&sealed.path, bytes).unwrap();
    for mode in [LoadMode::Replace, LoadMode::Clean] {
        let to = if mode == LoadMode::Clean { cluster.fresh() } else { target.clone() };
        let error = load(&to, &sealed, mode).await.unwrap_err();
        assert!(said(error).contains("damaged"));
    }
    assert_eq!(cluster.psql(name, "SELECT a FROM mine"), "1");
    assert_eq!(databases(cluster, name), name, "no scratch database stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_privilege_to_create_databases_the_exchange_is_one_transaction() {
    let Some(cluster) = cluster() else { return };
    let (source, target) = (cluster.fresh(), cluster.fresh());
    let name = name_of(&target);
    let role = cluster.plain_role(&[name_of(&source), name]);
    let fill = format!(
        "SET ROLE {role}; CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN pos AS int CHECK (VALUE > 0); \
         CREATE TABLE t (id serial PRIMARY KEY, m mood, p pos, c citext); CREATE VIEW v AS SELECT id FROM t; \
         CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM t; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE SCHEMA other; CREATE TABLE other.u (t int REFERENCES t); SELECT lo_create(77);"
    );
    cluster.psql(
        name_of(&source),
        &format!(
            "{fill} INSERT INTO t (m, p, c) VALUES ('a', 1, 'X'); INSERT INTO other.u VALUES (1); REFRESH MATERIALIZED VIEW mv;"
        ),
    );
    cluster.psql(
        name,
        &format!("{fill} CREATE TABLE more (a int); INSERT INTO t (m, p) SELECT 'a', g FROM generate_series(1, 50) g;"),
    );
    let before = cluster.content(name);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&cluster.database_as(name_of(&source), &role), dir.path(), 1).await.unwrap();
    let as_role = cluster.database_as(name, &role);
    // What it cannot undo makes it fail, and then nothing has changed.
    cluster.psql(name, "CREATE SCHEMA theirs; CREATE TABLE theirs.t (a int)");
    let error = load(&as_role, &sealed, LoadMode::Replace).await.unwrap_err();
    assert!(matches!(error, EngineError::Privilege { .. }), "{error:?}");
    cluster.psql(name, "DROP SCHEMA theirs CASCADE");
    assert_eq!(cluster.content(name), before);
    load(&as_role, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(cluster.content(name), cluster.content(name_of(&source)));
    assert_eq!(cluster.pg_dump(name, &["--schema-only"]), cluster.pg_dump(name_of(&source), &["--schema-only"]));
}

/// Every state a crash between two steps of a swap can leave, and what `settle` makes of it. Twice each: the second time
/// there is nothing left to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settle_finishes_or_undoes_every_state_a_crash_leaves() {
    let Some(cluster) = cluster() else { return };
    const MARKED: &str = "upkeep: compared with t-1\nan old comment";
    // (databases present: own, new, old), comment on new, comment on own, content afterwards, comment afterwards
    let cases = [
        ((true, true, false), "", "an old comment", "own", "an old comment"),
        ((true, true, false), MARKED, "an old comment", "own", "an old comment"),
        ((false, true, true), MARKED, "", "new", "an old comment"),
        ((false, true, true), "", "", "old", ""),
        ((false, false, true), "", "", "old", ""),
        ((true, false, true), "", MARKED, "own", "an old comment"),
        ((true, false, false), "", MARKED, "own", "an old comment"),
    ];
    for (present, on_new, on_own, content, comment) in cases {
        let own = cluster.fresh_name();
        let (new, old) = (format!("{own}__upkeep_new"), format!("{own}__upkeep_old"));
        for (is_there, name, what, on) in
            [(present.0, &own, "own", on_own), (present.1, &new, "new", on_new), (present.2, &old, "old", "")]
        {
            if is_there {
                cluster.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
                cluster.psql("postgres", &format!("COMMENT ON DATABASE {name} IS '{on}'"));
                cluster.psql(name, &format!("CREATE TABLE content AS SELECT '{what}' AS what"));
            }
        }
        let engine = Engine::of(&cluster.database(&own));
        let done = engine.settle().await.unwrap();
        assert_eq!(done.len(), 1, "{present:?}: {done:?}");
        assert_eq!(cluster.psql(&own, "SELECT what FROM content"), content, "{present:?}");
        assert_eq!(databases(cluster, &own), own, "{present:?}");
        let says = format!("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{own}'");
        assert_eq!(cluster.psql("postgres", &says), comment, "{present:?}");
        assert_eq!(engine.settle().await.unwrap(), Vec::<String>::new(), "{present:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_alone_fail_whole_when_one_table_does_not_fit() {
    let Some(cluster) = cluster() else { return };
    let (source, target) = (cluster.fresh(), cluster.fresh());
    let name = name_of(&target);
    cluster.psql(name_of(&source), "CREATE TABLE a AS SELECT 1 AS x; CREATE TABLE b AS SELECT 'text' AS y");
    cluster.psql(name, "CREATE TABLE a AS SELECT 9 AS x; CREATE TABLE b AS SELECT 7 AS y");
    let before = cluster.content(name);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    load(&target, &sealed, LoadMode::DataOnly).await.unwrap_err();
    assert_eq!(cluster.content(name), before);
    // An archive of a view's rows where a trigger changes what arrives: counted, compared, refused.
    cluster.psql(name, "DROP TABLE b; CREATE TABLE b (y text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.y = 1; RETURN NEW; END'");
    load(&target, &sealed, LoadMode::DataOnly).await.unwrap();
    assert_eq!(cluster.psql(name, "SELECT x, y FROM a, b"), "1|text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_arrives_different_is_an_error_that_names_the_table() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    cluster.psql(
        name_of(&source),
        "CREATE TABLE padded (c char(10)); INSERT INTO padded VALUES ('x'); CREATE TABLE same (c text)",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let shaped = cluster.fresh();
    cluster.psql(name_of(&shaped), "CREATE TABLE padded (c char(12)); CREATE TABLE same (c text)");
    let error = load(&shaped, &sealed, LoadMode::DataOnly).await.unwrap_err();
    let EngineError::Differs(mismatches) = &error else { panic!("{error:?}") };
    assert_eq!((mismatches.len(), mismatches[0].table.as_str(), mismatches[0].rows), (1, "public.padded", (1, 1)));
    assert_eq!(cluster.psql(name_of(&shaped), "SELECT count(*) FROM padded"), "0", "and nothing of it stays");
}

/// A worker's backend that dies in the middle of a load: said, and with a replacement the old content stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_dies_fails_the_load_and_leaves_the_old_content() {
    let Some(cluster) = cluster() else { return };
    let (source, target) = (cluster.fresh(), cluster.fresh());
    let name = name_of(&target).to_owned();
    cluster.psql(name_of(&source), "CREATE TABLE t AS SELECT g, repeat(md5(g::text), 40) FROM generate_series(1, 200000) g");
    cluster.psql(&name, "CREATE TABLE mine AS SELECT 1 AS a");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    let progress = Progress::default();
    let killer = tokio::task::spawn_blocking({
        let (progress, name) = (progress.clone(), name.clone());
        move || {
            until("rows arrive", || progress.snapshot().phase == "loading and comparing" && progress.snapshot().done_bytes > 0);
            cluster.psql(
                "postgres",
                &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}__upkeep_new' AND query LIKE 'COPY%'"),
            );
        }
    });
    let archive = Archive::open(&sealed.path).unwrap();
    let error = Engine::of(&target).load(&archive, LoadMode::Replace, Standing::Nobodys, 2, &progress).await.unwrap_err();
    killer.await.unwrap();
    assert!(matches!(error, EngineError::Lost { .. }), "{error:?}");
    assert_eq!(cluster.psql(&name, "SELECT a FROM mine"), "1");
    assert_eq!(databases(cluster, &name), name, "no scratch database stays");
    load(&target, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(cluster.psql(&name, "SELECT count(*) FROM t"), "200000");
}
