//! PostgreSQL: tables whose rows are checked or computed by functions that read other tables come after those, whoever loads them.

use upkeep::engine::{Engine, LoadMode};

use crate::support::postgres::{cluster, dump, load, name_of};

/// The tables that are read are smaller than those that read them, and stand behind them by name.
const TABLES: &str = "CREATE SCHEMA app; SET search_path = app; SET check_function_bodies = off; \
    CREATE FUNCTION app.known(i integer) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM app.\"the lookup\" WHERE id = i)'; \
    CREATE FUNCTION app.name_of(i integer) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT name FROM app.\"the lookup\" WHERE id = i); END'; \
    CREATE FUNCTION app.through(i integer) RETURNS boolean LANGUAGE sql AS 'SELECT app.known(i)'; \
    CREATE FUNCTION app.in_z(i integer) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM app.z_checked WHERE id = i)'; \
    CREATE FUNCTION app.dynamic(i integer) RETURNS boolean LANGUAGE plpgsql AS $$ DECLARE found boolean; \
      BEGIN EXECUTE 'SELECT EXISTS (SELECT FROM app.' || quote_ident('the ' || 'lookup') || ' WHERE id = $1)' INTO found USING i; RETURN found; END $$; \
    CREATE DOMAIN app.known_id AS integer CHECK (app.through(VALUE)); \
    CREATE TYPE app.holder AS (one app.known_id); \
    CREATE OPERATOR app.?! (RIGHTARG = integer, FUNCTION = app.known); \
    CREATE TABLE app.\"the lookup\" (id integer PRIMARY KEY, name text); \
    CREATE TABLE app.a_checked (id integer CHECK (app.known(id)), pad text); \
    CREATE TABLE app.b_generated (id integer, pad text, name text GENERATED ALWAYS AS (app.name_of(id)) STORED); \
    CREATE TABLE app.c_of_domain (id app.known_id, more app.known_id[], held app.holder, pad text); \
    CREATE TABLE app.d_dynamic (id integer CONSTRAINT \"d CHECK\" CHECK (app.dynamic(id)), pad text); \
    CREATE TABLE app.e_by_operator (id integer CHECK (?! id), pad text); \
    CREATE TABLE app.f_in_a_chain (id integer CHECK (app.in_z(id)), pad text); \
    CREATE TABLE app.z_checked (id integer CHECK (app.known(id)), pad text); \
    CREATE TABLE app.g_parted (id integer, pad text) PARTITION BY LIST (app.name_of(id)); \
    CREATE TABLE app.g_parted_rest PARTITION OF app.g_parted DEFAULT; \
    CREATE TABLE app.h_indexed (id integer, pad text); \
    INSERT INTO app.\"the lookup\" SELECT g, 'n' || g FROM generate_series(1, 200) g;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_functions_read_is_there_before_they_are_called() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let name = name_of(&source);
    cluster.psql(name, TABLES);
    for table in
        ["a_checked", "z_checked", "b_generated", "d_dynamic", "e_by_operator", "f_in_a_chain", "g_parted", "h_indexed"]
    {
        let rows = "SELECT 1 + g % 200, repeat('x', 200) FROM generate_series(1, 600) g";
        cluster.psql(name, &format!("INSERT INTO app.{table} (id, pad) {rows}"));
    }
    cluster.psql(
        name,
        "INSERT INTO app.c_of_domain SELECT 1 + g % 200, ARRAY[1, 2], ROW(3)::app.holder, repeat('x', 200) FROM generate_series(1, 600) g; \
         CREATE INDEX by_name ON app.h_indexed (app.name_of(id)); CREATE INDEX of_some ON app.h_indexed (id) WHERE app.name_of(id) <> 'n9'",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 3).await.unwrap();
    let (by_hand, by_upkeep, replaced) = (cluster.fresh(), cluster.fresh(), cluster.fresh());
    cluster.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    load(&by_upkeep, &sealed, LoadMode::Clean).await.unwrap();
    cluster.psql(name_of(&replaced), "CREATE TABLE old_content (a int)");
    load(&replaced, &sealed, LoadMode::Replace).await.unwrap();
    // Rows alone, into the shape that is there, over one connection.
    let shaped = cluster.fresh();
    cluster.psql(name_of(&shaped), &format!("{} SELECT 1", cluster.pg_dump(name, &["--schema-only"])));
    load(&shaped, &sealed, LoadMode::DataOnly).await.unwrap();
    // A value that could not be computed today is another one after a restore: that is told.
    cluster.psql(name, "UPDATE app.\"the lookup\" SET name = 'other' WHERE id = 8");
    let changed = dump(&source, dir.path(), 1).await.unwrap();
    let warnings = load(&cluster.database(&cluster.fresh_name()), &changed, LoadMode::Clean).await.unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.starts_with("table app.b_generated: its generated columns")), "{warnings:?}");
    cluster.psql(name, "UPDATE app.\"the lookup\" SET name = 'n8' WHERE id = 8");
    let through_the_index = "SET enable_seqscan = off; SELECT count(*) FROM app.h_indexed WHERE app.name_of(id) = 'n7'";
    for (copy, way) in [(&by_hand, "by hand"), (&by_upkeep, "clean"), (&replaced, "replaced"), (&shaped, "rows alone")] {
        assert_eq!(cluster.content(name_of(copy)), cluster.content(name), "{way}");
        assert_eq!(cluster.psql(name_of(copy), through_the_index), "3", "{way}");
    }
}

/// Whoever asks a table for its rows has the server work out what its indexes and statistics are made of: a backup does not ask so where
/// that would run what somebody wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_runs_no_function_of_an_index_or_of_statistics() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    // Statistics of expressions came with 14.
    let counted = if cluster.major >= 14 {
        "STATISTICS counted ON (a + noticed(3)) FROM by_statistics"
    } else {
        "INDEX ON by_statistics ((a + noticed(3)))"
    };
    cluster.psql(
        name_of(&source),
        &"CREATE TABLE z_read (id integer); INSERT INTO z_read VALUES (1); \
         CREATE FUNCTION known(i integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT EXISTS (SELECT FROM public.z_read WHERE id = i)'; \
         CREATE FUNCTION noticed(i integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN \
           IF current_setting('application_name') LIKE 'upkeep%' THEN RAISE EXCEPTION 'run by a backup'; END IF; RETURN i; END $$; \
         CREATE TABLE by_index (a integer, b boolean GENERATED ALWAYS AS (public.known(a)) STORED); \
         CREATE TABLE by_part (LIKE by_index INCLUDING ALL); CREATE TABLE by_statistics (LIKE by_index INCLUDING ALL); \
         CREATE INDEX ON by_index ((a + noticed(1))); CREATE INDEX ON by_part (a) WHERE a > noticed(2); \
         CREATE COUNTED; INSERT INTO by_index VALUES (1); \
         ALTER TABLE by_part ADD wide text; INSERT INTO by_part (a, wide) SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 9000) i; \
         CREATE TYPE pair AS (word text); CREATE FUNCTION shown(pair) RETURNS text LANGUAGE plpgsql AS $$ BEGIN \
           IF current_setting('application_name') LIKE 'upkeep%' THEN RAISE EXCEPTION 'run by a backup'; END IF; RETURN $1.word; END $$; \
         CREATE CAST (pair AS text) WITH FUNCTION shown(pair); CREATE TABLE by_cast (p pair); \
         INSERT INTO by_cast (p.word) SELECT string_agg(md5(i::text), '') FROM generate_series(1, 80000) i"
            .replace("COUNTED", counted),
    );
    for table in ["by_index", "by_part", "by_statistics"] {
        let asked = format!("SET application_name = 'upkeep'; SELECT count(b) FROM ONLY {table}");
        assert!(cluster.try_psql(name_of(&source), &asked).unwrap_err().contains("run by a backup"), "{table}");
    }
    let asked = "SET application_name = 'upkeep'; SELECT octet_length(p::text) FROM by_cast";
    assert!(cluster.try_psql(name_of(&source), asked).unwrap_err().contains("run by a backup"));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    assert!(sealed.manifest.tables.iter().all(|table| table.computed.is_none()), "{:?}", sealed.manifest.tables);
    // Nor does whoever looks whether there are rows.
    assert!(Engine::of(&source).survey(&[]).await.unwrap().holds_rows);
}
