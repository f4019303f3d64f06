//! PostgreSQL: what an archive does not hold is said, and what it could not hold as it is is refused with its object.

use upkeep::archive::Archive;
use upkeep::engine::{Engine, EngineError, LoadMode, MayRestore, Standing};
use upkeep::progress::Progress;

use crate::support::postgres::{bare_cluster, cluster, dump, load, name_of, newer_cluster, said};

/// `pg_dump` leaves out what a role may not see, and calls that a success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_role_may_not_see_is_named_in_the_archive() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let (name, role) = (name_of(&source), format!("plain_{}", name_of(&source)));
    cluster.psql(
        name,
        &format!(
            "CREATE ROLE {role} LOGIN; CREATE TABLE t (a int); GRANT SELECT ON t TO {role}; \
             SET client_min_messages = error; CREATE SUBSCRIPTION told CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE); \
             CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password 'x'); \
             CREATE TYPE half;"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let database = cluster.database_as(name, &role);
    let of = |sealed: &upkeep::archive::writer::Sealed| {
        sealed.manifest.left_out.iter().map(|left| left.what.clone()).collect::<Vec<_>>()
    };
    let sealed = dump(&database, dir.path(), 1).await.unwrap();
    let wanted = ["type public.half", "subscription told", "options of the user mapping for public on server s"];
    assert_eq!(of(&sealed), wanted, "{:?}", sealed.manifest.left_out);
    assert_eq!(of(&dump(&source, dir.path(), 1).await.unwrap()), ["type public.half"]);
    let hidden = upkeep::engine::postgres::hidden(&database).await.unwrap();
    assert_eq!(hidden.iter().map(|left| left.what.as_str()).collect::<Vec<_>>(), wanted[1..]);
    cluster.psql(name, "DROP SUBSCRIPTION told");
}

/// What nothing could restore is not archived as if it could.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_language_that_pg_dump_prints_by_its_name_alone_is_refused() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    cluster.psql(name_of(&source), "CREATE LANGUAGE \"half printed\" HANDLER plpgsql_call_handler");
    let dir = tempfile::tempdir().unwrap();
    let error = dump(&source, dir.path(), 1).await.unwrap_err();
    assert!(said(error).contains("language half printed"));
    upkeep::engine::postgres::can_read_all(&source).await.unwrap_err();
    cluster.psql(name_of(&source), "DROP LANGUAGE \"half printed\"");
    dump(&source, dir.path(), 1).await.unwrap();
}

/// `pg_dump` of 18 prints such a name without its quotes, whatever it makes of what follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_pg_dump_prints_without_quotes_is_refused_until_it_is_another() {
    let Some(cluster) = newer_cluster().filter(|cluster| cluster.major >= 18) else { return };
    let source = cluster.fresh();
    let tables =
        "CREATE TABLE p (a int); CREATE TABLE c (CONSTRAINT \"a NOT NULL); DROP TABLE t; --\" NOT NULL a) INHERITS (p)";
    cluster.psql(name_of(&source), tables);
    let dir = tempfile::tempdir().unwrap();
    let said = said(dump(&source, dir.path(), 1).await.unwrap_err());
    let rename = "ALTER TABLE public.c RENAME CONSTRAINT \"a NOT NULL); DROP TABLE t; --\" TO";
    assert!(said.contains(rename), "{said}");
    upkeep::engine::postgres::can_read_all(&source).await.unwrap_err();
    cluster.psql(name_of(&source), &format!("{rename} filled"));
    dump(&source, dir.path(), 1).await.unwrap();
}

/// What 18.4 itself does not take back of what its `pg_dump` prints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_constraint_whose_indexes_18_does_not_join_again_is_refused() {
    let Some(cluster) = newer_cluster().filter(|cluster| cluster.major >= 18) else { return };
    for constraint in ["EXCLUDE USING gist (a WITH =, b WITH &&)", "PRIMARY KEY (a, b WITHOUT OVERLAPS)"] {
        let source = cluster.fresh();
        let parted = format!("CREATE TABLE p (a int4range, b int4range, CONSTRAINT c {constraint}) PARTITION BY LIST (a)");
        cluster.psql(name_of(&source), &parted);
        let dir = tempfile::tempdir().unwrap();
        dump(&source, dir.path(), 1).await.unwrap();
        cluster.psql(name_of(&source), "CREATE TABLE rest PARTITION OF p DEFAULT");
        let stock = cluster.pg_dump(name_of(&source), &[]);
        let refused = cluster.try_psql(name_of(&cluster.fresh()), &stock).unwrap_err();
        assert!(refused.contains("cannot attach index"), "the server takes it back, and so should we: {refused}");
        let said = said(dump(&source, dir.path(), 1).await.unwrap_err());
        assert!(said.contains("ALTER TABLE public.p DROP CONSTRAINT c"), "{said}");
        cluster.psql(
            name_of(&source),
            &format!("ALTER TABLE p DROP CONSTRAINT c; ALTER TABLE rest ADD CONSTRAINT c {constraint}"),
        );
        dump(&source, dir.path(), 1).await.unwrap();
    }
}

/// Without the policy its rows would be shown to whoever it keeps them from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_takes_rows_away_is_never_left_out() {
    let (Some(cluster), Some(bare)) = (cluster(), bare_cluster()) else { return };
    let source = cluster.fresh();
    let role = format!("kept_out_{}", name_of(&source));
    cluster.psql(
        name_of(&source),
        &format!(
            "CREATE ROLE {role}; CREATE TABLE t (a int); INSERT INTO t VALUES (1); ALTER TABLE t ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY all_rows ON t USING (true); CREATE POLICY but_not_these ON t AS RESTRICTIVE TO {role} USING (a > 1);"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let to = bare.fresh();
    let error = load(&to, &sealed, LoadMode::Clean).await.unwrap_err();
    let said = said(error);
    assert!(said.contains("policy but_not_these on public.t") && said.contains(&format!("CREATE ROLE {role}")), "{said}");
    let by_hand = bare.restore_by_hand(&sealed.path, name_of(&bare.fresh())).unwrap_err();
    assert!(by_hand.contains("takes rows away"), "{by_hand}");
    bare.psql("postgres", &format!("CREATE ROLE {role}"));
    let to = bare.fresh();
    assert_eq!(load(&to, &sealed, LoadMode::Clean).await.unwrap().warnings, Vec::<String>::new());
    assert_eq!(bare.psql(name_of(&to), &format!("SET ROLE {role}; SELECT count(*) FROM pg_policy")), "2");
}

/// Bytes that are no text are kept in rows; in a definition or a comment they would be replaced, so they are refused by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_not_utf8_are_kept_in_rows_and_refused_elsewhere() {
    let Some(cluster) = cluster() else { return };
    let name = cluster.fresh_name();
    cluster.psql(
        "postgres",
        &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"),
    );
    let source = cluster.database(&name);
    cluster.psql(&name, "CREATE TABLE t (a text); INSERT INTO t VALUES (E'caf\\351')");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let copy = cluster.database(&cluster.fresh_name());
    load(&copy, &sealed, LoadMode::Clean).await.unwrap();
    assert_eq!(cluster.psql(name_of(&copy), "SELECT encode(a::bytea, 'hex') FROM t"), "636166e9");
    for (make, undo, shown) in [
        ("COMMENT ON TABLE t IS E'caf\\351'", "COMMENT ON TABLE t IS NULL", "COMMENT ON TABLE public.t"),
        (
            "DO $do$ BEGIN EXECUTE E'CREATE VIEW v AS SELECT ''caf\\351''::text AS a'; END $do$",
            "DROP VIEW v",
            "CREATE VIEW public.v",
        ),
        (
            "DO $do$ BEGIN EXECUTE E'CREATE TABLE \"caf\\351\" (a int)'; END $do$",
            "DO $do$ BEGIN EXECUTE E'DROP TABLE \"caf\\351\"'; END $do$",
            "",
        ),
        (
            "DO $do$ BEGIN EXECUTE E'CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $f$ SELECT ''caf\\351''::text $f$'; END $do$",
            "DROP FUNCTION f()",
            "CREATE FUNCTION public.f",
        ),
    ] {
        upkeep::engine::postgres::can_read_all(&source).await.unwrap();
        cluster.psql(&name, make);
        let seen = said(upkeep::engine::postgres::can_read_all(&source).await.unwrap_err());
        assert!(seen.contains("not UTF-8"), "`check` names what a backup refuses: {seen}");
        let error = dump(&source, dir.path(), 1).await.unwrap_err();
        let said = said(error);
        assert!(said.contains("not UTF-8") || said.contains("utf-8"), "{said}");
        assert!(said.contains(shown) || !said.contains("not UTF-8"), "{said}");
        cluster.psql(&name, undo);
        dump(&source, dir.path(), 1).await.unwrap();
    }
}

/// CVE-2025-8714: whoever rules the source must not run commands where its archive is restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_an_archive_is_a_command_of_psql_s() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let dir = tempfile::tempdir().unwrap();
    let touched = dir.path().join("touched");
    cluster.psql(name_of(&source), "CREATE VIEW v AS SELECT 1 AS a; CREATE TABLE t AS SELECT 1 AS a");
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let output = std::process::Command::new("zstd").arg("-dc").arg(&sealed.path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let command = format!("\\! touch {}\n", touched.display());
    // This psql knows the restriction: nothing that somebody got into the text is run.
    let hostile = text.replace("CREATE TABLE", &format!("{command}CREATE TABLE"));
    let said = cluster.try_psql(name_of(&cluster.fresh()), &hostile).unwrap_err();
    assert!(said.contains("restricted") && !touched.exists(), "{said}");
    // To one that does not know it nothing of it is shown.
    let older = text.replace(":VERSION_NUM", "150013").replace("\\restrict", "\\unknown").replace("\\unrestrict", "\\unknown");
    let copy = cluster.fresh();
    cluster.psql(name_of(&copy), &older);
    assert_eq!(cluster.psql(name_of(&copy), "SELECT a FROM t"), "1");
    // And what the source's superuser makes pg_dump print is not archived.
    cluster.psql(
        name_of(&source),
        &format!(
            "CREATE OPERATOR public.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq); SET allow_system_table_mods = on; \
             UPDATE pg_catalog.pg_operator SET oprname = E'=\\n\\{}' WHERE oprname = '==='",
            command.replace('\n', "\\n")
        ),
    );
    let error = dump(&source, dir.path(), 1).await.unwrap_err();
    assert!(matches!(error, EngineError::Inexact { .. }), "{error:?}");
    let said = crate::support::postgres::said(error);
    assert!(said.contains("a backslash outside of quotes") && said.contains("CREATE OPERATOR public."), "{said}");
    assert!(!touched.exists());
}

/// Rows that an extension keeps from dumps are named, and go with no restore.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_an_extension_that_are_in_no_dump_are_named_and_stay() {
    let Some(cluster) = cluster() else { return };
    let (source, target) = (cluster.fresh(), cluster.fresh());
    for name in [name_of(&source), name_of(&target)] {
        cluster.psql(
            name,
            "CREATE TABLE t (a int); CREATE TABLE kept (a int); CREATE TABLE empty (a int); CREATE SEQUENCE moved; CREATE SEQUENCE new; \
             ALTER EXTENSION plpgsql ADD TABLE kept; ALTER EXTENSION plpgsql ADD TABLE empty; \
             ALTER EXTENSION plpgsql ADD SEQUENCE moved; ALTER EXTENSION plpgsql ADD SEQUENCE new; \
             INSERT INTO kept VALUES (1); SELECT nextval('moved')",
        );
    }
    cluster.psql("postgres", &format!("ALTER DATABASE {} SET app.key TO 'hush'", name_of(&source)));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let left: Vec<&str> = sealed.manifest.left_out.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(left[..2], ["rows of table public.kept", "value of sequence public.moved"]);
    let of_database = &sealed.manifest.left_out[2];
    assert!(of_database.why.contains("SET \"app.key\" TO '…'") && !of_database.why.contains("hush"), "{of_database:?}");
    let told = upkeep::engine::postgres::kept_by_extensions(&source).await.unwrap();
    assert_eq!(told[..], sealed.manifest.left_out[..2]);
    // Whoever keeps such a table locked is not waited for without an end: a backup holds locks on all the others by then.
    let mut keeps = cluster.connect(name_of(&source)).await;
    let lock = sqlx::raw_sql("BEGIN; LOCK TABLE kept IN ACCESS EXCLUSIVE MODE").execute(&mut keeps);
    lock.await.unwrap();
    let locked = said(upkeep::engine::postgres::kept_by_extensions(&source).await.unwrap_err());
    assert!(locked.contains("LOCK TABLE kept IN ACCESS EXCLUSIVE MODE"), "{locked}");
    sqlx::Connection::close(keeps).await.unwrap();
    let may = |database| async move { upkeep::engine::postgres::may_restore(database).await.unwrap() };
    let MayRestore::InPlace(way_out) = may(&target).await else { panic!("not beside") };
    assert_eq!(way_out, "ALTER EXTENSION \"plpgsql\" DROP TABLE public.kept;");
    load(&target, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(cluster.psql(name_of(&target), "SELECT count(*) FROM kept"), "1");
    // Those that came with it, for all that can be seen from outside, are not dropped either.
    let other = cluster.fresh();
    cluster.psql(
        name_of(&other),
        "BEGIN; CREATE TABLE sly (a int); INSERT INTO sly VALUES (1); ALTER EXTENSION plpgsql ADD TABLE sly; COMMIT",
    );
    assert_eq!(may(&other).await, MayRestore::Beside);
    let archive = Archive::open(&sealed.path).unwrap();
    let replace = Engine::of(&other).load(&archive, LoadMode::Replace, Standing::Rowless, 1, &Progress::default()).await;
    let refused = said(replace.unwrap_err());
    assert!(refused.contains("rows of table public.sly") && refused.contains("DROP TABLE public.sly"), "{refused}");
    assert_eq!(cluster.psql(name_of(&other), "SELECT count(*) FROM sly"), "1");
    // A schema that is dropped would take the extension along.
    cluster.psql(
        name_of(&target),
        "CREATE SCHEMA app; CREATE TABLE app.gone (a int); ALTER EXTENSION plpgsql ADD TABLE app.gone; INSERT INTO app.gone VALUES (1)",
    );
    let MayRestore::Not(why) = may(&target).await else { panic!("it may not") };
    assert!(why.starts_with("ALTER EXTENSION \"plpgsql\" DROP TABLE app.gone;"), "{why}");
    load(&target, &sealed, LoadMode::Replace).await.unwrap_err();
    cluster.psql(name_of(&target), "ALTER EXTENSION plpgsql DROP TABLE app.gone; ALTER EXTENSION plpgsql DROP TABLE kept");
    assert_eq!(may(&target).await, MayRestore::Beside);
}

/// The server asks a new owner for CREATE on the schema, unless a superuser hands over; an archive has that grant behind everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_may_make_things_by_a_grant_alone_gets_what_is_his() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let name = name_of(&source);
    let [boss, owner, account] = ["boss", "owner", "account"].map(|role| format!("{role}_{name}"));
    cluster.psql(
        name,
        &format!(
            "CREATE ROLE {boss}; CREATE ROLE {owner}; CREATE ROLE {account} LOGIN CREATEDB; GRANT {owner} TO {account}; \
             ALTER DATABASE {name} OWNER TO {account}; CREATE SCHEMA \"s. x\" AUTHORIZATION {boss}; \
             GRANT CREATE, USAGE ON SCHEMA \"s. x\" TO {owner}; GRANT USAGE ON SCHEMA \"s. x\" TO {account}; SET ROLE {owner}; \
             SET search_path = \"s. x\"; CREATE TABLE t (a int); INSERT INTO t VALUES (1); GRANT SELECT ON t TO {account}; CREATE TYPE mood AS ENUM ('a'); \
             CREATE FUNCTION f(mood) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE q; GRANT SELECT ON q TO {account}"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let as_account = |name: &str| cluster.database_as(name, &account);
    let sealed = dump(&as_account(name), dir.path(), 1).await.unwrap();
    let owners = "SELECT string_agg(relname || ' ' || relowner::regrole || ' ' || relacl::text, ', ' ORDER BY relname) FROM pg_class \
        WHERE relnamespace = '\"s. x\"'::regnamespace AND relkind IN ('r', 'S')";
    let copy = cluster.fresh_name();
    for way in [LoadMode::Clean, LoadMode::Replace] {
        let warnings = load(&as_account(&copy), &sealed, way).await.unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].starts_with(&format!("role {boss} is not one")), "{warnings:?}");
        assert_eq!(cluster.psql(&copy, owners), cluster.psql(name, owners));
        assert_eq!(cluster.psql(&copy, "SELECT proowner::regrole FROM pg_proc WHERE proname = 'f'"), owner);
    }
    // Whoever lost the grant since keeps what he has, and no restore could give it to him.
    cluster.psql(name, &format!("REVOKE CREATE ON SCHEMA \"s. x\" FROM {owner}"));
    let sealed = dump(&as_account(name), dir.path(), 1).await.unwrap();
    let refused = said(load(&as_account(&cluster.fresh_name()), &sealed, LoadMode::Clean).await.unwrap_err());
    assert!(refused.contains(&format!("GRANT CREATE ON SCHEMA \"s. x\" TO {owner};")), "{refused}");
}

/// Who made a role is a member of it since 16, and may neither act for it nor hand anything over to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_handed_over_is_told_and_stops_no_restore() {
    let Some(cluster) = newer_cluster() else { return };
    let source = cluster.fresh();
    let name = name_of(&source);
    let (maker, owner) = (format!("maker_{name}"), format!("owner_{name}"));
    cluster.psql(
        name,
        &format!(
            "CREATE ROLE {maker} LOGIN CREATEROLE CREATEDB; SET ROLE {maker}; CREATE ROLE {owner}; RESET ROLE; ALTER DATABASE {name} OWNER TO {owner}; \
             SET ROLE {owner}; CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TYPE mood AS ENUM ('a'); \
             ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT UPDATE ON TABLES TO PUBLIC"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let whose = "SELECT pg_get_userbyid(c.relowner) || ' ' || (SELECT count(*) FROM pg_default_acl) FROM pg_class c WHERE c.relname = 't'";
    let as_maker = |name: &str| cluster.database_as(name, &maker);
    let copy = cluster.fresh_name();
    let warnings = load(&as_maker(&copy), &sealed, LoadMode::Clean).await.unwrap().warnings;
    let told = format!("role {owner} is not one that {maker} may act for");
    assert!(warnings.len() == 1 && warnings[0].starts_with(&told), "{warnings:?}");
    assert_eq!(cluster.psql(&copy, whose), format!("{maker} 0"));
    // What is there and not the role's own is not dropped by it, whatever it is a member of.
    cluster.psql(&copy, &format!("ALTER TABLE t OWNER TO {owner}; ALTER ROLE {maker} NOCREATEDB"));
    let MayRestore::Not(why) = upkeep::engine::postgres::may_restore(&as_maker(&copy)).await.unwrap() else {
        panic!("it may not")
    };
    assert!(why.contains("table public.t"), "{why}");
    // Whoever may act for the owner makes everything as it was: the database is the owner's, and so `public` is.
    cluster.psql(&copy, &format!("ALTER ROLE {maker} CREATEDB; GRANT {owner} TO {maker} WITH INHERIT TRUE, SET TRUE"));
    let fresh = cluster.fresh_name();
    for way in [LoadMode::Clean, LoadMode::Replace] {
        let loaded = load(&as_maker(&fresh), &sealed, way).await.unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        assert_eq!(cluster.psql(&fresh, whose), format!("{owner} 2"));
    }
}
