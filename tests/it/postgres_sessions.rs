//! What a session of ours stands on: the server itself, its own settings, few locks, and a server that takes them.

use upkeep::engine::{self, Engine, EngineError, LoadMode, MayRestore};
use upkeep::failure::{Class, Explain};
use upkeep::migrate;

use crate::support::pooler::Pooler;
use crate::support::postgres::{Cluster, cluster, dump, load, name_of, own_cluster, said};
use crate::support::scripts::{self, settings};
use crate::support::wait::until;

/// Whoever shares a backend with us must not meet our settings: a pooler is refused before anything is set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_is_named_and_refused_in_every_mode_and_no_setting_stays_behind_it() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    cluster.psql(name_of(&source), "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let forgiving = "extra_float_digits,options";
    for (name, mode, ignored) in
        [("t", "transaction", forgiving), ("s", "session", forgiving), ("n", "transaction", ""), ("f", "statement", forgiving)]
    {
        let Some(pooler) = Pooler::start(cluster, name, mode, ignored) else { return };
        let pooled = pooler.before(&source);
        let engine = Engine::of(&pooled);
        let mut errors = vec![dump(&pooled, dir.path(), 2).await.unwrap_err(), engine.survey(&[]).await.unwrap_err()];
        errors.push(engine.shape(&[]).await.unwrap_err());
        errors.push(engine.identity().await.unwrap_err());
        errors.push(load(&pooled, &sealed, LoadMode::Replace).await.unwrap_err());
        errors.push(load(&pooled, &sealed, LoadMode::DataOnly).await.unwrap_err());
        for error in errors {
            assert!(matches!(error, EngineError::Pooler { .. }), "{mode}: {error:?}");
            assert!(error.class() == Class::Config && !error.transient());
            let said = said(error);
            assert!(said.contains("is a connection pooler") && said.contains("the server's own address"), "{said}");
        }
        let scripts = tempfile::tempdir().unwrap();
        std::fs::create_dir(scripts.path().join("sql")).unwrap();
        let error = migrate::info(&pooled, &settings(), scripts.path()).await.unwrap_err();
        assert!(error.to_string().contains("is a connection pooler"), "{error}");
        let answer = pooler
            .ask(name_of(&source), "SELECT a, current_setting('search_path'), current_setting('statement_timeout') FROM t");
        assert_eq!(answer.unwrap(), "1|\"$user\", public|0", "{mode}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "and nothing half-made stays");
}

/// What anybody may set for a role, a database, or a role in a database, and each of which ends a session or changes what it prints or may do.
const UNFIT: [&str; 20] = [
    "idle_session_timeout = '60ms'",
    "idle_in_transaction_session_timeout = '60ms'",
    "statement_timeout = '60ms'",
    "lock_timeout = '60ms'",
    "default_transaction_read_only = on",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "DateStyle = 'German'",
    "IntervalStyle = 'sql_standard'",
    "extra_float_digits = -10",
    "bytea_output = 'escape'",
    "TimeZone = 'Asia/Kathmandu'",
    "search_path = 'nowhere'",
    "row_security = on",
    "quote_all_identifiers = on",
    "array_nulls = off",
    "transform_null_equals = on",
    "client_encoding = 'LATIN1'",
    "standard_conforming_strings = off",
    // `1.234,50 €`, which no session with another setting can read.
    "lc_monetary = 'de_DE.UTF-8'",
];

const CONTENT: &str = "CREATE TABLE t AS SELECT g, repeat('x', 1000) AS b, '2026-02-03 04:05:06+00'::timestamptz + g * '1 s'::interval AS at, \
    '-1 day 2 hours'::interval AS i, 1.0/g::float8 AS f, '\\x00'::bytea AS y, (g * 1234.5)::numeric::money AS m, ARRAY[g::text, NULL, 'NULL'] AS n \
    FROM generate_series(1, 20000) g; \
    ALTER TABLE t ADD COLUMN price money DEFAULT '$9.95'::money; CREATE TABLE \"Quoted\" (a int CHECK (a > 0)); \
    CREATE VIEW v AS SELECT g, m FROM t WHERE b LIKE '%\\x' AND m > '$5.25'::money; SELECT lo_from_bytea(7, 'seven');";

/// Settings of others, wherever they are kept, neither end a session of ours nor change what is archived, compared or loaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_set_for_role_and_database_changes_nothing() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let name = name_of(&source).to_owned();
    cluster.psql(&name, CONTENT);
    let dir = tempfile::tempdir().unwrap();
    let calm = dump(&source, dir.path(), 2).await.unwrap();
    let role = "unfit";
    cluster.psql("postgres", &format!("CREATE ROLE {role} SUPERUSER LOGIN"));
    let copy = cluster.fresh();
    let german = cluster.try_psql("postgres", "SET lc_monetary = 'de_DE.UTF-8'").is_ok();
    assert!(german || std::env::var_os("CI").is_none(), "the locale de_DE.UTF-8 is required here; tests/run makes it");
    let set_all = |name: &str| {
        let unfit = UNFIT.iter().filter(|setting| german || !setting.starts_with("lc_monetary"));
        let unfit = unfit.filter(|setting| cluster.major >= 14 || !setting.starts_with("idle_session_timeout"));
        for (at, setting) in unfit.enumerate() {
            let whose = [format!("ROLE {role}"), format!("DATABASE {name}"), format!("ROLE {role} IN DATABASE {name}")];
            cluster.psql("postgres", &format!("ALTER {} SET {setting}", whose[at % 3]));
        }
    };
    set_all(&name);
    set_all(name_of(&copy));
    let unfit = cluster.database_as(&name, role);
    let hasty = dump(&unfit, dir.path(), 2).await.unwrap();
    assert_eq!(hasty.manifest.tables, calm.manifest.tables);
    assert_eq!(hasty.manifest.shape, calm.manifest.shape);
    let loaded = load(&cluster.database_as(name_of(&copy), role), &hasty, LoadMode::Replace).await.unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(plain_content(cluster, name_of(&copy)), plain_content(cluster, &name));
    // Nor what `psql` makes of the archive, in the database that it is told to.
    let by_hand = cluster.fresh();
    if german {
        cluster.psql("postgres", &format!("ALTER DATABASE {} SET lc_monetary = 'de_DE.UTF-8'", name_of(&by_hand)));
    }
    cluster.restore_by_hand(&hasty.path, name_of(&by_hand)).unwrap();
    assert_eq!(plain_content(cluster, name_of(&by_hand)), plain_content(cluster, &name));
}

/// The content as a session without anybody's settings sees it.
fn plain_content(cluster: &Cluster, name: &str) -> String {
    let mut plain = "RESET ALL; SET statement_timeout = 0; SET lc_monetary = 'C'; SET DateStyle = ISO; SET IntervalStyle = postgres; SET TimeZone = 'UTC'; \
        SET bytea_output = hex; SET extra_float_digits = 3; SET search_path = public; SET client_encoding = 'UTF8'; \
        SET array_nulls = on;".to_owned();
    if cluster.major >= 14 {
        plain.push_str(" SET idle_session_timeout = 0;");
    }
    let rows = "SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY g)) FROM t; SELECT count(*), sum(m) FROM v; SELECT md5(lo_get(7)); \
        SELECT pg_get_viewdef('v'::regclass);";
    cluster.psql(name, &format!("{plain}\n{rows}"))
}

/// More tables than the server has room for locks of several sessions; and what does not fit in it is said with the setting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tables_need_few_locks_and_what_needs_more_is_told_with_the_setting() {
    // Room for six hundred locks; a hundred of them are taken by reading the catalogue.
    let Some(cluster) =
        own_cluster("locks", &["max_locks_per_transaction=10", "max_connections=60", "max_prepared_transactions=0"])
    else {
        return;
    };
    let (source, role) = (cluster.fresh(), "unprivileged");
    let name = name_of(&source);
    cluster.psql(name, &format!("CREATE ROLE {role} LOGIN; ALTER DATABASE {name} OWNER TO {role}"));
    let many = "SELECT format('CREATE TABLE t%s (id serial PRIMARY KEY, a int)', g) FROM generate_series(1, 300) g \\gexec\n\
        SELECT format('INSERT INTO t%s (a) VALUES (%s)', g, g) FROM generate_series(1, 300) g \\gexec\n\
        SELECT lo_from_bytea(g, g::text::bytea) FROM generate_series(1, 20) g;";
    cluster.psql(name, &format!("SET ROLE {role};\n{many}"));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 4).await.unwrap();
    assert_eq!(sealed.manifest.tables.len(), 301);
    let copy = cluster.fresh();
    load(&copy, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(cluster.content(name_of(&copy)), cluster.content(name_of(&source)));
    // Inside the database everything is dropped and made in one transaction: refused before it is begun, in `check` as well.
    let unprivileged = cluster.database_as(name, role);
    for error in [
        engine::postgres::may_restore(&unprivileged).await.unwrap_err(),
        load(&unprivileged, &sealed, LoadMode::Replace).await.unwrap_err(),
    ] {
        let said = said(error);
        assert!(
            said.contains("`max_locks_per_transaction` is 10")
                && said.contains("ALTER SYSTEM SET max_locks_per_transaction = "),
            "{said}"
        );
    }
    // Large objects take none, into a database that has its shape, and has them already.
    let few = cluster.fresh();
    cluster
        .psql(name_of(&few), "CREATE TABLE t (a int); SELECT lo_from_bytea(g, g::text::bytea) FROM generate_series(1, 1000) g");
    let sealed = dump(&few, dir.path(), 2).await.unwrap();
    let shaped = cluster.fresh();
    cluster.psql(name_of(&shaped), "CREATE TABLE t (a int)");
    for _ in 0..2 {
        load(&shaped, &sealed, LoadMode::DataOnly).await.unwrap();
        assert_eq!(cluster.content(name_of(&shaped)), cluster.content(name_of(&few)));
        cluster
            .psql(name_of(&shaped), "SELECT lo_unlink(7); SELECT lo_put(8, 0, 'another, and longer'); SELECT lo_create(99999)");
    }
}

/// Rows with large values take locks of their own, and others take theirs: what is loaded together is then loaded one by one, and waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_for_whose_locks_there_is_no_room_together_are_loaded_one_by_one() {
    let Some(cluster) =
        own_cluster("few", &["max_locks_per_transaction=10", "max_connections=30", "max_prepared_transactions=0"])
    else {
        return;
    };
    let (source, copy) = (cluster.fresh(), cluster.fresh());
    cluster.psql(
        name_of(&source),
        "SELECT format('CREATE TABLE t%s (a text)', g) FROM generate_series(1, 100) g \\gexec\n\
         SELECT format('INSERT INTO t%s SELECT string_agg(md5((%s + n)::text), '''') FROM generate_series(1, 300) n', g, g) \
         FROM generate_series(1, 100) g \\gexec",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    // Somebody takes all that the server has room for, and gives back as many as one of us needs.
    let mut other = cluster.connect("postgres").await;
    let mut taken = 0;
    while sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SELECT pg_advisory_lock({taken})"))).execute(&mut other).await.is_ok() {
        taken += 1;
    }
    let back = format!("SELECT pg_advisory_unlock(g) FROM generate_series({}, {}) g", taken - 200, taken - 1);
    sqlx::raw_sql(sqlx::AssertSqlSafe(back)).execute(&mut other).await.unwrap();
    load(&copy, &sealed, LoadMode::Clean).await.unwrap();
    drop(other);
    assert_eq!(cluster.content(name_of(&copy)), cluster.content(name_of(&source)));
}

/// A hot standby has no content of unlogged tables and sequences, and takes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_standby_gives_what_it_has_and_says_what_not() {
    let Some(primary) = own_cluster("primary", &[]) else { return };
    let source = primary.fresh();
    let name = name_of(&source).to_owned();
    primary.psql(
        &name,
        "CREATE TABLE t (id serial PRIMARY KEY, a text); INSERT INTO t (a) VALUES ('x'), ('y'); SELECT lo_from_bytea(7, 'seven'); \
         CREATE UNLOGGED TABLE u (id int GENERATED ALWAYS AS IDENTITY, a text); INSERT INTO u (a) VALUES ('gone')",
    );
    let standby = primary.standby();
    let copy = standby.database(&name);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&copy, dir.path(), 2).await.unwrap();
    let left_out: Vec<&str> = sealed.manifest.left_out.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(left_out, ["rows of table public.u", "value of sequence public.u_id_seq"]);
    assert!(sealed.manifest.left_out[0].why.contains("back up the primary server"), "{:?}", sealed.manifest.left_out);
    assert_eq!(Engine::of(&copy).survey(&[]).await.unwrap().tables.len(), 2);
    let missing = engine::postgres::missing_on_standby(&copy).await.unwrap();
    assert_eq!(missing.unwrap(), ["public.u"]);
    assert_eq!(engine::postgres::missing_on_standby(&source).await.unwrap(), None);
    let elsewhere = standby.database("not_there");
    for (to, mode) in
        [(&copy, LoadMode::Replace), (&copy, LoadMode::DataOnly), (&copy, LoadMode::Clean), (&elsewhere, LoadMode::Clean)]
    {
        let said = said(load(to, &sealed, mode).await.unwrap_err());
        assert!(said.contains("is a standby") && said.contains("name the primary server"), "{mode:?}: {said}");
    }
    assert!(engine::postgres::may_restore(&copy).await.is_err());
    // Nor do migrations begin there, with an archive taken for them: whether there is a history yet or not.
    scripts::put(dir.path(), "sql/V1__more.sql", "CREATE TABLE more (id int);");
    let settings = upkeep::config::Migrations { baseline_on_migrate: Some("0".to_owned()), ..scripts::settings() };
    let all = migrate::Selection::default();
    let intent = migrate::Intent::Apply(&all);
    let of = |database| migrate::foresee(database, &settings, dir.path(), &intent);
    for has_history in [false, true] {
        if has_history {
            migrate::baseline(&source, &settings, dir.path(), "0", None).await.unwrap();
            let found = "SELECT to_regclass('flyway_schema_history') IS NOT NULL";
            until("the standby has the history", || standby.psql(&name, found) == "t");
        }
        let foreseen = of(&copy).await;
        assert!(matches!(foreseen, Err(migrate::MigrateError::MayNot { .. })), "{has_history}: {foreseen:?}");
        let foreseen = of(&source).await;
        assert!(matches!(foreseen, Ok(migrate::Foreseen::Changes)), "{has_history}: {foreseen:?}");
    }
    primary.psql(&name, "DROP TABLE flyway_schema_history");
    let back = primary.fresh();
    let loaded = load(&back, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(loaded.rows, 3);
    assert_eq!(
        primary.psql(name_of(&back), "SELECT count(*) FROM t; SELECT count(*) FROM u; SELECT lo_get(7)"),
        "2\n0\n\\x736576656e"
    );
    assert!(matches!(engine::postgres::may_restore(&back).await.unwrap(), MayRestore::Beside));
}

/// That passes, and is nothing that a person has to mend first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_free_connection_is_told_as_that() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let role = format!("none_{}", name_of(&source));
    cluster.psql("postgres", &format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 0"));
    let dir = tempfile::tempdir().unwrap();
    let error = dump(&cluster.database_as(name_of(&source), &role), dir.path(), 1).await.unwrap_err();
    assert!(error.class() == Class::TempFail && error.transient(), "{error:?}");
    let said = said(error);
    assert!(said.contains("no free connection") && said.contains(&format!("ALTER ROLE \"{role}\" CONNECTION LIMIT")), "{said}");
}
