//! PostgreSQL: what is replaced is what was kept, beside the database and in it; who and what keeps a database from being replaced.

use std::path::{Path, PathBuf};

use upkeep::archive::Archive;
use upkeep::config::Database;
use upkeep::engine::{Engine, EngineError, Keep, Keeping, LoadMode, Loaded, MayRestore, Standing, postgres};
use upkeep::progress::Progress;

use crate::support::held::Held;
use crate::support::postgres::{Cluster, cluster, dump, load, name_of, newer_cluster, own_cluster, said};
use crate::support::wait::until;
use crate::support::world::{Db, World, text};

/// Keeps into a directory.
#[derive(Debug)]
struct Keeper(PathBuf);

impl Keep for Keeper {
    fn keep<'a>(&'a self, there: &'a Database) -> Keeping<'a> {
        Box::pin(async move { Ok(Archive::open(&dump(there, &self.0, 1).await.unwrap().path).unwrap()) })
    }
}

async fn replace(database: &Database, with: &Path, kept: Option<&Path>, dir: &Path) -> Result<Loaded, EngineError> {
    let (archive, kept) = (Archive::open(with).unwrap(), kept.map(|kept| Archive::open(kept).unwrap()));
    let keeper = Keeper(dir.to_owned());
    let standing = Standing::Kept { archive: kept.as_ref(), keep: &keeper };
    Engine::of(database).load(&archive, LoadMode::Replace, standing, 2, &Progress::default()).await
}

/// A role that owns a database and all that is in it, and the database as this role sees it.
fn owned(cluster: &Cluster, attributes: &str) -> (Database, String) {
    let database = cluster.fresh();
    let (name, role) = (name_of(&database), format!("owner_{}", name_of(&database)));
    cluster.psql("postgres", &format!("CREATE ROLE {role} LOGIN {attributes}; ALTER DATABASE {name} OWNER TO {role}"));
    cluster.psql(name, &format!("ALTER SCHEMA public OWNER TO {role}"));
    (cluster.database_as(name, &role), role)
}

fn beside(cluster: &Cluster, name: &str) -> String {
    let sql = format!("SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname ~ '^{name}($|__)'");
    cluster.psql("postgres", &sql)
}

const CONTENT: &str = "CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 500) g; CREATE TABLE u (b int); CREATE SEQUENCE s; \
    CREATE UNLOGGED TABLE w (c int); SELECT lo_from_bytea(77, 'one');";

/// What somebody did since it was kept, and whether an archive would then have something else.
const SINCE: [(&str, bool); 12] = [
    ("SELECT 1", false),
    ("VACUUM FULL t", false),
    ("INSERT INTO t VALUES (501)", true),
    ("UPDATE t SET a = -a WHERE a = 7", true),
    ("INSERT INTO w VALUES (1)", true),
    ("CREATE TABLE more (a int)", true),
    ("DROP TABLE u", true),
    ("ALTER TABLE t ADD COLUMN z int DEFAULT 9", true),
    ("GRANT SELECT ON t TO PUBLIC", true),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", true),
    ("SELECT nextval('s')", true),
    ("SELECT lo_put(77, 0, 'two')", true),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_since_it_was_kept_is_archived_again_and_what_did_not_is_not() {
    for cluster in [cluster(), newer_cluster()].into_iter().flatten() {
        for attributes in ["CREATEDB", ""] {
            let (database, role) = owned(cluster, attributes);
            let name = name_of(&database);
            let dir = tempfile::tempdir().unwrap();
            cluster.psql(name, &format!("SET ROLE {role}; {CONTENT}"));
            let original = cluster.content(name);
            let sealed = dump(&database, dir.path(), 1).await.unwrap();
            for (since, changed) in SINCE {
                let at = format!("PostgreSQL {}, {attributes:?}, {since}", cluster.major);
                let kept = dump(&database, dir.path(), 1).await.unwrap();
                cluster.psql(name, &format!("SET ROLE {role}; {since}"));
                let there = cluster.content(name);
                let loaded = replace(&database, &sealed.path, Some(&kept.path), dir.path()).await;
                let loaded = loaded.unwrap_or_else(|error| panic!("{at}: {}", said(error)));
                assert_eq!(loaded.kept.is_some(), changed, "{at}: {loaded:?}");
                assert_eq!(cluster.content(name), original, "{at}");
                assert_eq!(beside(cluster, name), name, "{at}");
                if let Some(again) = loaded.kept {
                    let to = cluster.fresh();
                    cluster.restore_by_hand(&dir.path().join(format!("{again}.sql.zst")), name_of(&to)).unwrap();
                    assert_eq!(cluster.content(name_of(&to)), there, "{at}");
                }
            }
            // Nothing is known of any archive: then it is kept before it goes.
            let loaded = replace(&database, &sealed.path, None, dir.path()).await.unwrap();
            assert!(loaded.kept.is_some());
        }
    }
}

/// What could not be kept is not replaced, and has its name, its settings and its doors as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_again_stands() {
    #[derive(Debug)]
    struct Refuses;
    impl Keep for Refuses {
        fn keep<'a>(&'a self, _: &'a Database) -> Keeping<'a> {
            let error = EngineError::Unfit("no room".to_owned());
            Box::pin(async move { Err(upkeep::engine::NotKept::of(&error)) })
        }
    }
    let Some(cluster) = cluster() else { return };
    for attributes in ["CREATEDB", ""] {
        let (database, role) = owned(cluster, attributes);
        let name = name_of(&database);
        let dir = tempfile::tempdir().unwrap();
        cluster.psql(
            name,
            &format!(
                "SET ROLE {role}; {CONTENT}; ALTER DATABASE {name} CONNECTION LIMIT 40; COMMENT ON DATABASE {name} IS 'mine'"
            ),
        );
        let about = format!(
            "SELECT datconnlimit, datallowconn, datacl, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{name}'"
        );
        let before = (cluster.content(name), cluster.psql("postgres", &about));
        let sealed = dump(&database, dir.path(), 1).await.unwrap();
        let archive = Archive::open(&sealed.path).unwrap();
        let standing = Standing::Kept { archive: None, keep: &Refuses };
        let refused = Engine::of(&database).load(&archive, LoadMode::Replace, standing, 2, &Progress::default()).await;
        let refused = said(refused.unwrap_err());
        assert!(refused.contains("no room") && refused.contains("the old content is still in place"), "{refused}");
        assert_eq!((cluster.content(name), cluster.psql("postgres", &about)), before);
        assert_eq!(beside(cluster, name), name);
        // Rows where none were expected: neither loaded over nor replaced.
        for mode in [LoadMode::Replace, LoadMode::DataOnly] {
            let filled = Engine::of(&database).load(&archive, mode, Standing::Rowless, 2, &Progress::default()).await;
            assert!(matches!(filled, Err(EngineError::Filled { .. })), "{mode:?}: {filled:?}");
            assert_eq!((cluster.content(name), beside(cluster, name).as_str()), (before.0.clone(), name));
        }
    }
}

/// Those who stay are named, whatever the role may see of them; those who pass are waited for, and the server's own make way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_stays_is_in_the_way() {
    // Where other tests have databases, those would keep the server's workers from this one for as long as they please.
    let Some(cluster) = own_cluster("fence", &["autovacuum_naptime=1s"]) else { return };
    for attributes in ["CREATEDB", ""] {
        let (database, role) = owned(cluster, attributes);
        let name = name_of(&database);
        let dir = tempfile::tempdir().unwrap();
        cluster.psql(name, &format!("SET ROLE {role}; {CONTENT}"));
        let sealed = dump(&database, dir.path(), 1).await.unwrap();
        let stays = cluster.connect(name).await;
        let refused = replace(&database, &sealed.path, Some(&sealed.path), dir.path()).await.unwrap_err();
        assert!(
            matches!(&refused, EngineError::InUse { sessions, .. } if sessions[0].contains("user postgres")),
            "{refused:?}"
        );
        sqlx::Connection::close(stays).await.unwrap();
        cluster.psql(name, "BEGIN; INSERT INTO t VALUES (0); PREPARE TRANSACTION 'half way'");
        let refused = replace(&database, &sealed.path, Some(&sealed.path), dir.path()).await.unwrap_err();
        assert!(matches!(&refused, EngineError::InUse { sessions, .. } if sessions[0].contains("'half way'")), "{refused:?}");
        cluster.psql(name, "ROLLBACK PREPARED 'half way'");
        assert_eq!(beside(cluster, name), name);
        // A vacuum that takes minutes, of which this role is told nothing but that it is there.
        cluster.psql(
            name,
            "INSERT INTO t SELECT generate_series(1, 30000); DELETE FROM t WHERE a > 500; \
            ALTER TABLE t SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)",
        );
        let vacuums =
            format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND backend_type = 'autovacuum worker'");
        until("the server vacuums", || cluster.psql("postgres", &vacuums) != "0");
        let survey = Engine::of(&database).survey(&[]).await.unwrap();
        assert_eq!(survey.sessions, Vec::<String>::new());
        let stopping = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let passing = std::thread::spawn({
            let (stopping, name) = (std::sync::Arc::clone(&stopping), name.to_owned());
            // While the database has no name nobody comes in.
            move || {
                while !stopping.load(std::sync::atomic::Ordering::SeqCst) {
                    cluster.try_psql(&name, "SELECT 1").ok();
                }
            }
        });
        let loaded = replace(&database, &sealed.path, Some(&sealed.path), dir.path()).await;
        stopping.store(true, std::sync::atomic::Ordering::SeqCst);
        passing.join().unwrap();
        loaded.unwrap_or_else(|error| panic!("{attributes:?}: {}", said(error)));
        if attributes.is_empty() {
            broken_at_its_commit(cluster, &database, &sealed.path, dir.path()).await;
        }
    }
}

/// Whose connection breaks while the server acknowledges the commit that publishes is told what the server knows of it.
async fn broken_at_its_commit(cluster: &'static Cluster, database: &Database, sealed: &Path, dir: &Path) {
    let name = name_of(database).to_owned();
    // It waits for a standby that never comes, and has committed.
    let set = |how: &str| cluster.psql("postgres", &format!("ALTER SYSTEM {how}; SELECT pg_reload_conf()"));
    cluster.psql(&name, "INSERT INTO t VALUES (501)");
    set("SET synchronous_standby_names = 'nobody'");
    let waits = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event = 'SyncRep'"
    );
    let breaking = std::thread::spawn(move || until("the commit waits", || cluster.psql("postgres", &waits) == "1"));
    let loaded = replace(database, sealed, None, dir).await;
    breaking.join().unwrap();
    set("RESET synchronous_standby_names");
    let loaded = loaded.unwrap_or_else(|error| panic!("{}", said(error)));
    assert!(loaded.warnings.iter().any(|told| told.contains("broke at the commit, which was made")), "{:?}", loaded.warnings);
    assert_eq!(cluster.psql(&name, "SELECT count(*) FROM t"), "500");
}

/// Whoever begins to read a database's changes while an archive is loaded beside it does not lose his place: not with the database that
/// is replaced, and not where he came when it was replaced already.
#[test]
fn a_slot_that_is_made_while_an_archive_is_loaded_is_never_dropped_unsaid() {
    let Some(cluster) = cluster() else { return };
    let world = World::new(Db::Postgres(cluster));
    let (database, slot) = (world.database(), format!("late_{}", name_of(&world.database())));
    let name = name_of(&database);
    let archived = world.run(&["backup", "notes"]);
    assert!(archived.status.success(), "{}", text(&archived));
    let make = |database: &str| {
        cluster.psql(database, &format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"));
    };
    let of = || cluster.psql("postgres", &format!("SELECT database FROM pg_replication_slots WHERE slot_name = '{slot}'"));
    let let_go = || cluster.psql("postgres", &format!("SELECT pg_drop_replication_slot('{slot}')"));
    let held = Held::at(&world, &["restore", "notes", "--replace"], "pg.load.created");
    make(name);
    let output = held.go_on();
    assert!(!output.status.success() && text(&output).contains(&slot), "{}", text(&output));
    assert_eq!((of(), beside(cluster, name)), (name.to_owned(), name.to_owned()));
    // The next restore is made where the slot stays.
    let again = world.run(&["restore", "notes", "--replace"]);
    assert!(again.status.success() && of() == name, "{}", text(&again));
    let_go();
    // What was replaced keeps its slot and stands beside until that is let go of.
    std::fs::remove_file(world.root().join("held-at-pg.load.created")).unwrap();
    let held = Held::at(&world, &["restore", "notes", "--replace"], "pg.swap.marked");
    let old =
        cluster.psql("postgres", &format!("SELECT datname FROM pg_database WHERE datname ~ '^{name}__' AND datname ~ 'old'"));
    make(&old);
    let output = held.go_on();
    let way_out = format!("SELECT pg_drop_replication_slot('{slot}');");
    assert!(output.status.success() && text(&output).contains(&way_out), "{}", text(&output));
    assert_eq!((of(), cluster.psql(name, "SELECT 1")), (old.clone(), "1".to_owned()));
    // Until then its name is taken, which is known, and restores are made inside; our own mark is nobody's comment.
    let checked = text(&world.run(&["check"]));
    assert!(checked.contains(&old) && checked.contains(&way_out), "{checked}");
    let archived = world.run(&["backup", "notes"]);
    assert!(archived.status.success() && !text(&archived).contains("upkeep: compared"), "{}", text(&archived));
    let inside = world.run(&["restore", "notes", "--replace"]);
    assert!(inside.status.success() && of() == old, "{}", text(&inside));
    let_go();
    let settled = world.run(&["restore", "notes", "--replace"]);
    assert!(settled.status.success(), "{}", text(&settled));
    assert_eq!(beside(cluster, name), name);
}

/// The same of whole commands: it is told beforehand, a rollback ends where it should, and what fails behind the commit is a warning.
#[test]
fn a_rollback_leaves_settings_that_its_role_may_not_write() {
    let Some(cluster) = cluster() else { return };
    let mut world = World::new(Db::Postgres(cluster));
    world.confine();
    let name = world.home().name.clone();
    cluster.psql(
        "postgres",
        &format!(
            "ALTER ROLE confined_{name} CREATEDB; CREATE ROLE other_{name}; ALTER DATABASE {name} SET log_statement = 'ddl'; \
             ALTER ROLE other_{name} IN DATABASE {name} SET work_mem = '8MB'"
        ),
    );
    let settings = || {
        cluster.psql(
            "postgres",
            &format!(
                "SELECT d.oid, string_agg(setrole || setconfig::text, ';' ORDER BY setrole) FROM pg_database d \
                 JOIN pg_db_role_setting ON setdatabase = d.oid WHERE datname = '{name}' GROUP BY 1"
            ),
        )
    };
    let before = settings();
    let run = |arguments: &[&str], code: i32| {
        let output = world.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
        text(&output)
    };
    run(&["backup", "notes"], 0);
    world.start_server();
    let restore = ["restore", "notes", "--replace", "--stop-server"];
    let told = run(&["check"], 0);
    assert!(told.contains("a restore rewrites the database where it stands") && told.contains("log_statement"), "{told}");
    let told = run(&[&restore[..], &["--dry-run"]].concat(), 0);
    assert!(told.contains("it is loaded inside the database") && told.contains("log_statement"), "{told}");
    world.install("1.3.0");
    let told = run(&["upgrade", "notes"], 69);
    assert_eq!(world.json(&["status", "notes"])["targets"][0]["upgrade"]["phase"], "rolled-back", "{told}");
    assert_eq!((world.whole_version(), world.serving().as_deref()), ("1.0.0", Some("1.0.0")), "{told}");
    assert_eq!(settings(), before, "{told}");

    let held = Held::at(&world, &restore, "pg.load.committed");
    let ours = format!("FROM pg_stat_activity WHERE datname = '{name}' AND usename = 'confined_{name}'");
    assert_ne!(cluster.psql("postgres", &format!("SELECT count(pg_terminate_backend(pid)) {ours}")), "0");
    until("its connection is gone", || cluster.psql("postgres", &format!("SELECT count(*) {ours}")) == "0");
    let restored = held.go_on();
    let told = text(&restored);
    assert!(restored.status.success() && told.contains("statistics could not be collected, run ANALYZE"), "{told}");
    assert_eq!((world.whole_version(), world.serving().as_deref()), ("1.0.0", Some("1.0.0")), "{told}");
    assert_eq!(settings(), before, "{told}");
}

/// What only others may set of a database stays as it is: then the content is exchanged and not the database. It is known beforehand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_the_role_may_not_write_are_as_before() {
    for cluster in [cluster(), newer_cluster()].into_iter().flatten() {
        let (database, role) = owned(cluster, "CREATEDB");
        let (name, dir) = (name_of(&database), tempfile::tempdir().unwrap());
        cluster.psql(name, &format!("SET ROLE {role}; {CONTENT}"));
        let sealed = dump(&database, dir.path(), 1).await.unwrap();
        cluster.psql("postgres", &format!("CREATE ROLE other_{name} LOGIN"));
        let cases = [
            ("ALTER DATABASE {} SET work_mem = '7MB'", MayRestore::Beside),
            ("ALTER DATABASE {} SET log_statement = 'ddl'", MayRestore::InPlace("log_statement".to_owned())),
            ("ALTER DATABASE {} SET app.tenant = 'seven'", MayRestore::InPlace("app.tenant".to_owned())),
            ("ALTER ROLE other_{} IN DATABASE {} SET work_mem = '8MB'", MayRestore::InPlace("CREATEROLE".to_owned())),
            ("SELECT pg_create_logical_replication_slot('slot_{}', 'pgoutput')", MayRestore::InPlace("slot_".to_owned())),
        ];
        let about = format!(
            "SELECT oid, datconnlimit, (SELECT string_agg(setrole::regrole || setconfig::text, ';' ORDER BY setrole) FROM pg_db_role_setting \
             WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = '{name}'"
        );
        for (setting, may) in cases {
            let logical = cluster.psql("postgres", "SHOW wal_level") == "logical";
            if setting.contains("logical") && !logical {
                continue;
            }
            cluster.psql(name, &setting.replace("{}", name));
            let (found, before) = (postgres::may_restore(&database).await.unwrap(), cluster.psql("postgres", &about));
            let loaded = replace(&database, &sealed.path, Some(&sealed.path), dir.path()).await;
            loaded.unwrap_or_else(|error| panic!("PostgreSQL {}, {setting}: {}", cluster.major, said(error)));
            let after = cluster.psql("postgres", &about);
            match (&may, &found) {
                (MayRestore::Beside, MayRestore::Beside) => {
                    assert_eq!(before.split_once('|').unwrap().1, after.split_once('|').unwrap().1, "{setting}");
                }
                (MayRestore::InPlace(word), MayRestore::InPlace(words)) if words.contains(word.as_str()) => {
                    assert_eq!(before, after, "{setting}: the database itself stays");
                }
                _ => panic!("PostgreSQL {}, {setting}: {found:?}", cluster.major),
            }
            cluster.psql(
                "postgres",
                &format!("ALTER DATABASE {name} RESET ALL; ALTER ROLE other_{name} IN DATABASE {name} RESET ALL"),
            );
        }
        // A superuser carries all of it over, with the tablespace and what the owner took from himself.
        cluster.psql("postgres", &format!("SET allow_in_place_tablespaces = on; CREATE TABLESPACE space_{name} LOCATION ''"));
        cluster.psql("postgres", &format!(
            "ALTER DATABASE {name} SET TABLESPACE space_{name}; ALTER DATABASE {name} SET log_statement = 'ddl'; ALTER DATABASE {name} IS_TEMPLATE true; \
             REVOKE TEMPORARY ON DATABASE {name} FROM {role}, PUBLIC; GRANT CREATE ON DATABASE {name} TO other_{name} WITH GRANT OPTION"
        ));
        let all = format!(
            "SELECT datistemplate, datdba::regrole, (SELECT spcname FROM pg_tablespace t WHERE t.oid = dattablespace), \
             (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(datacl) a), \
             (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = '{name}'"
        );
        let before = cluster.psql("postgres", &all);
        replace(&cluster.database(name), &sealed.path, Some(&sealed.path), dir.path()).await.unwrap();
        assert_eq!((cluster.psql("postgres", &all), beside(cluster, name).as_str()), (before, name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_is_seen_beforehand_and_its_copy_has_no_slot() {
    for cluster in [cluster(), newer_cluster()].into_iter().flatten() {
        let database = cluster.fresh();
        let (name, dir) = (name_of(&database), tempfile::tempdir().unwrap());
        let subscription = format!("news_{name}");
        cluster.psql(name, &format!(
            "{CONTENT} CREATE SUBSCRIPTION {subscription} CONNECTION 'host=/nowhere dbname=x' PUBLICATION p WITH (connect = false)"
        ));
        let sealed = dump(&database, dir.path(), 1).await.unwrap();
        for refused in [
            Engine::of(&database).may_replace().await.map(drop).unwrap_err(),
            replace(&database, &sealed.path, Some(&sealed.path), dir.path()).await.map(drop).unwrap_err(),
        ] {
            let refused = said(refused);
            assert!(refused.contains(&subscription) && refused.contains("slot_name = NONE"), "{refused}");
        }
        assert_eq!(beside(cluster, name), name);
        cluster.psql(name, &format!("ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE)"));
        // A load that fails behind the copy takes the copy with it.
        let elsewhere = cluster.fresh();
        let keeper = Standing::Rowless;
        cluster.psql(name_of(&elsewhere), "CREATE TABLE mine AS SELECT 1 AS a");
        let archive = Archive::open(&sealed.path).unwrap();
        let failed = Engine::of(&elsewhere).load(&archive, LoadMode::Replace, keeper, 1, &Progress::default()).await;
        assert!(matches!(failed, Err(EngineError::Filled { .. })), "{failed:?}");
        assert_eq!(beside(cluster, name_of(&elsewhere)), name_of(&elsewhere));
        let loaded = replace(&database, &sealed.path, None, dir.path()).await.unwrap();
        assert!(loaded.warnings.iter().any(|said| said.contains(&subscription)), "{:?}", loaded.warnings);
        let copy = format!("SELECT subenabled, subslotname IS NULL FROM pg_subscription WHERE subname = '{subscription}'");
        assert_eq!((cluster.psql(name, &copy).as_str(), beside(cluster, name).as_str()), ("f|t", name));
        assert_eq!(Engine::of(&database).settle().await.unwrap(), Vec::<String>::new());
        load(&database, &sealed, LoadMode::Replace).await.unwrap();
    }
}

/// Behind the exchange nothing is an error: the new content has the place, and what is left to do is told and done later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_dropped_after_the_exchange_is_a_warning_and_does_not_hold_up_anybody() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.fresh();
    let (name, dir) = (name_of(&database).to_owned(), tempfile::tempdir().unwrap());
    cluster.psql(&name, CONTENT);
    let sealed = dump(&database, dir.path(), 1).await.unwrap();
    // As it is after an exchange whose old content somebody sits in.
    let old = format!("{name}__upkeep_old");
    cluster.psql(
        "postgres",
        &format!("CREATE DATABASE {old} TEMPLATE template0; COMMENT ON DATABASE {name} IS 'upkeep: compared with t-1'"),
    );
    let sits = cluster.connect(&old).await;
    let engine = Engine::of(&database);
    let told = engine.settle().await.unwrap();
    assert!(told.len() == 1 && told[0].contains("could not be dropped yet"), "{told:?}");
    let refused = said(replace(&database, &sealed.path, None, dir.path()).await.unwrap_err());
    assert!(refused.contains(&old), "{refused}");
    sqlx::Connection::close(sits).await.unwrap();
    assert_eq!(engine.settle().await.unwrap().len(), 1);
    assert_eq!(engine.settle().await.unwrap(), Vec::<String>::new());
    assert_eq!(beside(cluster, &name), name);
}
