//! PostgreSQL: every kind of object that `pg_dump` of 13 to 18 knows, twice (plain, and named or defined to mislead), through every way of
//! a restore: it is equal afterwards, or it is told.

use std::collections::BTreeSet;

use upkeep::engine::{Engine, EngineError, LoadMode, MayRestore};

use crate::support::postgres::{Cluster, bare_cluster, cluster, dump, load, name_of, newer_cluster, said};

/// The kinds as `pg_dump` names them in its table of contents, by what of it is in a schema. What it has beside these: `TABLE DATA`,
/// `SEQUENCE SET`, `BLOB` and `BLOBS`, `MATERIALIZED VIEW DATA`, which are compared as content; `DATABASE` and its properties, which are
/// the database's own and no part of an archive; `SECURITY LABEL`, for which no server here has a provider and which is told of below;
/// `SHELL TYPE`, which comes with each base type; `SUBSCRIPTION TABLE` and statistics, which only `pg_upgrade` writes or which are collected anew.
const KINDS: [&str; 47] = [
    "ACCESS METHOD",
    "ACL",
    "AGGREGATE",
    "CAST",
    "CHECK CONSTRAINT",
    "COLLATION",
    "COMMENT",
    "CONSTRAINT",
    "CONVERSION",
    "DEFAULT",
    "DEFAULT ACL",
    "DOMAIN",
    "EVENT TRIGGER",
    "EXTENSION",
    "FK CONSTRAINT",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "INDEX",
    "INDEX ATTACH",
    "MATERIALIZED VIEW",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "POLICY",
    "PROCEDURAL LANGUAGE",
    "PROCEDURE",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "ROW SECURITY",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TABLE",
    "TABLE ATTACH",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TRANSFORM",
    "TRIGGER",
    "TYPE",
    "USER MAPPING",
    "VIEW",
];

/// The lines in which `pg_dump` says what comes next.
fn entries(cluster: &Cluster, database: &str, arguments: &[&str]) -> Vec<String> {
    let text = cluster.pg_dump(database, &[&["--schema-only"][..], arguments].concat());
    text.lines().filter(|line| line.starts_with("-- Name: ")).map(str::to_owned).collect()
}

fn schema_of(cluster: &Cluster, database: &str) -> String {
    cluster.pg_dump(database, &["--schema-only"])
}

/// In which tablespace everything is, where not in the database's own.
const TABLESPACES: &str = "SELECT string_agg(c.relname || ' in ' || t.spcname, E'\\n' ORDER BY c.relname) FROM pg_class c \
    JOIN pg_tablespace t ON t.oid = c.reltablespace JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'app'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_object_is_equal_after_every_restore_on_its_host() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.kinds();
    let name = name_of(&source);
    let all = entries(cluster, name, &[]);
    for kind in KINDS {
        let count = all.iter().filter(|line| line.contains(&format!("; Type: {kind}; "))).count();
        println!("{kind}: {count}");
        assert!(count >= 2, "{kind} is not there twice");
    }
    let (schema, content, places) = (schema_of(cluster, name), cluster.content(name), cluster.psql(name, TABLESPACES));
    assert_eq!(places.lines().count(), 8, "{places}");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    let left: Vec<&str> = sealed.manifest.left_out.iter().map(|left| left.what.as_str()).collect();
    let told = [
        "rows of table app.far_away",
        "rows of table app.foreign; OWNER TO x",
        "type app.shell OWNER TO x",
        "type app.shell_plain",
    ];
    assert_eq!(left, told);
    let equal = |copy: &str, way: &str| {
        assert_eq!(schema_of(cluster, copy), schema, "{way}");
        assert_eq!(cluster.content(copy), content, "{way}");
        assert_eq!(cluster.psql(copy, TABLESPACES), places, "{way}");
    };
    let by_hand = cluster.fresh();
    cluster.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    equal(name_of(&by_hand), "by hand");
    let clean = cluster.fresh();
    assert_eq!(load(&clean, &sealed, LoadMode::Clean).await.unwrap().warnings, Vec::<String>::new());
    equal(name_of(&clean), "into an empty database");
    // Beside what is there, which is another such database.
    load(&clean, &sealed, LoadMode::Replace).await.unwrap();
    equal(name_of(&clean), "beside");
    // And where it stands: a slot belongs to its database, and would go with it.
    let copy = name_of(&clean);
    cluster.psql(
        copy,
        &format!(
            "SELECT pg_create_logical_replication_slot('{copy}', 'pgoutput'); CREATE TEXT SEARCH DICTIONARY public.more (TEMPLATE = simple); \
             ALTER DEFAULT PRIVILEGES FOR ROLE torture GRANT SELECT ON TABLES TO PUBLIC; REVOKE USAGE ON SCHEMA public FROM PUBLIC"
        ),
    );
    load(&clean, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(cluster.psql(copy, &format!("SELECT pg_drop_replication_slot('{copy}')")), "");
    equal(copy, "in place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_another_host_what_is_not_equal_is_told() {
    let (Some(cluster), Some(bare)) = (cluster(), bare_cluster()) else { return };
    let source = cluster.kinds();
    let name = name_of(&source);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    let of_host = ["--no-owner", "--no-privileges", "--no-tablespaces"];
    let wanted: BTreeSet<String> = entries(cluster, name, &of_host).into_iter().collect();
    // Rows, counters and the bytes of large objects, without whose they are.
    let content = |host: &Cluster, database: &str| {
        let all = host.content(database);
        all.lines().filter(|line| !line.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned).collect::<Vec<_>>()
    };
    let (by_hand, clean) = (bare.fresh(), bare.fresh());
    bare.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    let mut warnings = load(&clean, &sealed, LoadMode::Clean).await.unwrap().warnings;
    for copy in [&by_hand, &clean] {
        let here: BTreeSet<String> = entries(bare, name_of(copy), &of_host).into_iter().collect();
        let missing: Vec<&String> = wanted.difference(&here).collect();
        let of_roles = |line: &&&String| line.contains("; Type: USER MAPPING; ") || line.contains("; Type: POLICY; ");
        assert_eq!(missing.iter().filter(|line| !of_roles(line)).count(), 0, "{missing:#?}");
        assert_eq!(missing.len(), 4, "two user mappings, two policies: {missing:#?}");
        assert!(here.is_subset(&wanted), "{:#?}", here.difference(&wanted).collect::<Vec<_>>());
        assert_eq!(content(bare, name_of(copy)), content(cluster, name));
        assert_eq!(bare.psql(name_of(copy), TABLESPACES), "");
    }
    warnings.sort();
    for what in [
        "role \"We ird\" does not exist here",
        "role torture does not exist here",
        "tablespace TO slow; OWNER TO x does not exist here",
        "tablespace fast does not exist here",
    ] {
        assert!(warnings.iter().any(|warning| warning.starts_with(what)), "{what}: {warnings:#?}");
    }
}

/// What came with later majors has no kind of its own in `pg_dump`'s table, and goes the same ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_newer_majors_brought_is_equal_after_every_restore() {
    let Some(cluster) = newer_cluster() else { return };
    brought_is_equal(cluster, include_str!("support/kinds_17.sql")).await;
    if cluster.major >= 18 {
        brought_is_equal(cluster, include_str!("support/kinds_18.sql")).await;
    }
}

async fn brought_is_equal(cluster: &'static Cluster, kinds: &str) {
    let source = cluster.fresh();
    let name = name_of(&source);
    cluster.psql(name, &format!("SET client_min_messages = error; {kinds}"));
    let (schema, content) = (schema_of(cluster, name), cluster.content(name));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    assert_eq!(sealed.manifest.left_out, []);
    let equal = |copy: &str, way: &str| {
        assert_eq!(schema_of(cluster, copy), schema, "{way}");
        assert_eq!(cluster.content(copy), content, "{way}");
    };
    let by_hand = cluster.fresh();
    cluster.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    equal(name_of(&by_hand), "by hand");
    for way in ["beside", "in place"] {
        if way == "in place" {
            cluster.psql(
                name_of(&by_hand),
                &format!("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", name_of(&by_hand)),
            );
        }
        load(&by_hand, &sealed, LoadMode::Replace).await.unwrap();
        equal(name_of(&by_hand), way);
    }
    cluster.psql("postgres", &format!("SELECT pg_drop_replication_slot('{}')", name_of(&by_hand)));
}

/// A server that does not load the provider of a label refuses it. The one here knows none, and is told of two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_of_a_provider_that_is_not_loaded_are_left_out_and_told() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let name = name_of(&source);
    cluster.psql(
        name,
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1); \
         INSERT INTO pg_seclabel VALUES ('t'::regclass, 'pg_class'::regclass, 0, 'plain', 'x OWNER TO y;'), \
           ('t'::regclass, 'pg_class'::regclass, 1, 'label IS FOR x', 'it''s ON $upkeep0$ x'); \
         INSERT INTO pg_shseclabel SELECT oid, 'pg_database'::regclass, 'plain', 'the whole''s; $x$' FROM pg_database WHERE datname = current_database()",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let of_database = &sealed.manifest.left_out[0];
    assert!(of_database.why.contains("SECURITY LABEL FOR plain ON DATABASE"), "{of_database:?}");
    let (by_hand, clean) = (cluster.fresh(), cluster.fresh());
    cluster.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    let told = load(&clean, &sealed, LoadMode::Clean).await.unwrap().warnings;
    // The labels of what is replaced, too, which cannot be set again.
    let replaced = load(&source, &sealed, LoadMode::Replace).await.unwrap().warnings;
    for warnings in [told, replaced] {
        for provider in ["plain", "label IS FOR x"] {
            let line = format!("security label provider {provider} is not loaded here");
            assert!(warnings.iter().any(|warning| warning.starts_with(&line)), "{warnings:?}");
        }
    }
    for copy in [&by_hand, &clean, &source] {
        assert_eq!(cluster.psql(name_of(copy), "SELECT count(*) FROM t"), "1");
    }
}

/// A database that is in a tablespace is made in it, or says that it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_made_in_its_tablespace_where_there_is_one() {
    let (Some(cluster), Some(bare)) = (cluster(), bare_cluster()) else { return };
    let name = cluster.fresh_name();
    let tablespace = format!("of_{name}");
    let made = format!(
        "SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE {tablespace} LOCATION '';\nCREATE DATABASE {name} TEMPLATE template0 TABLESPACE {tablespace}"
    );
    cluster.psql("postgres", &made);
    cluster.psql(&name, "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE t1 PARTITION OF t DEFAULT; CREATE TABLE u (a int) TABLESPACE pg_default");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&cluster.database(&name), dir.path(), 1).await.unwrap();
    let place = "SELECT t.spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE datname = current_database()";
    let here = cluster.fresh_name();
    assert_eq!(load(&cluster.database(&here), &sealed, LoadMode::Clean).await.unwrap().warnings, Vec::<String>::new());
    assert_eq!(cluster.psql(&here, place), tablespace);
    let there = bare.fresh_name();
    let warnings = load(&bare.database(&there), &sealed, LoadMode::Clean).await.unwrap().warnings;
    assert!(warnings[0].starts_with(&format!("tablespace {tablespace}")), "{warnings:?}");
    assert_eq!(bare.psql(&there, place), "pg_default");
}

/// What a plain role may make it may also take out again; what it may not is said before anything is changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_createdb_replaces_every_kind_it_may_make_and_names_the_others() {
    let Some(cluster) = cluster() else { return };
    let (source, target) = (cluster.fresh(), cluster.fresh());
    let name = name_of(&target);
    let role = cluster.plain_role(&[name_of(&source), name]);
    let fill = format!(
        "SET ROLE {role}; CREATE TABLE t (a int, b int); CREATE STATISTICS st ON a, b FROM t; CREATE TYPE mood AS ENUM ('a'); \
         CREATE FUNCTION eq(mood, mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; \
         CREATE FUNCTION to_int(mood) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1'; \
         CREATE OPERATOR === (LEFTARG = mood, RIGHTARG = mood, FUNCTION = eq); CREATE CAST (mood AS integer) WITH FUNCTION to_int(mood); \
         CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple); CREATE TEXT SEARCH CONFIGURATION english (COPY = pg_catalog.english); \
         ALTER TEXT SEARCH CONFIGURATION public.english ALTER MAPPING FOR asciiword WITH dict; \
         CREATE COLLATION german (provider = icu, locale = 'de'); CREATE CONVERSION conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8; \
         CREATE PUBLICATION pub FOR TABLE t; CREATE SCHEMA more; CREATE TEXT SEARCH CONFIGURATION more.c (COPY = english);"
    );
    cluster.psql(name_of(&source), &format!("{fill} ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"));
    cluster.psql(
        name,
        &format!(
            "{fill} CREATE TEXT SEARCH CONFIGURATION other (COPY = english); ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC; \
             ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO PUBLIC; REVOKE USAGE ON SCHEMA public FROM PUBLIC"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&cluster.database_as(name_of(&source), &role), dir.path(), 1).await.unwrap();
    let as_role = cluster.database_as(name, &role);
    let before = schema_of(cluster, name);
    cluster.psql(name, "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER theirs ON ddl_command_end EXECUTE FUNCTION f()");
    let MayRestore::Not(why) = upkeep::engine::postgres::may_restore(&as_role).await.unwrap() else { panic!("it may not") };
    assert!(why.contains("event trigger theirs"), "{why}");
    let error = load(&as_role, &sealed, LoadMode::Replace).await.unwrap_err();
    assert!(matches!(error, EngineError::Privilege { .. }), "{error:?}");
    assert!(said(error).contains("event trigger theirs"));
    cluster.psql(name, "DROP EVENT TRIGGER theirs; DROP FUNCTION f()");
    assert_eq!(schema_of(cluster, name), before, "nothing was changed");
    let MayRestore::InPlace(_) = upkeep::engine::postgres::may_restore(&as_role).await.unwrap() else { panic!("it may") };
    load(&as_role, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(schema_of(cluster, name), schema_of(cluster, name_of(&source)));
    assert_eq!(Engine::of(&as_role).settle().await.unwrap(), Vec::<String>::new());
}
