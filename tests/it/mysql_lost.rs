//! MySQL and MariaDB: what a restore would lose without a word is kept, or named.

use upkeep::engine::{Engine, EngineError, LoadMode};
use upkeep::failure::{Class, Explain as _};

use crate::mysql_backup::text_of;
use crate::support::engines::Db;
use crate::support::mysql::{Server, Which, dump, load, name_of, on_every_server, server};
use crate::support::world::{World, text};

on_every_server! { shared;
    grants_on_routines_outlive_a_replacement: grants;
    events_whose_time_has_passed_are_named: events;
    what_the_server_was_told_of_database_and_columns_is_kept: told;
    a_table_in_a_directory_of_its_own_is_restored_beside_itself: directories;
    accounts_that_are_turned_away_are_told_why: turned_away;
}

const ROUTINES: &str = "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1; \
    CREATE PROCEDURE `p ``q`() SELECT 1; CREATE FUNCTION late() RETURNS int DETERMINISTIC RETURN 1;";

/// Given again by who may, named for who may not; beside the database and in it.
async fn grants(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(name, ROUTINES);
    let dir = tempfile::tempdir().unwrap();
    let (app, plain) = (format!("app_{name}"), format!("plain_{name}"));
    server.sql(name, "DROP FUNCTION late");
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    server.sql(name, "CREATE FUNCTION late() RETURNS int DETERMINISTIC RETURN 1");
    server.user(&app, name, "");
    let grant = format!(
        "GRANT EXECUTE ON FUNCTION {name}.f TO {app}; GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE {name}.`p ``q` TO {app} WITH GRANT OPTION; \
         GRANT EXECUTE ON FUNCTION {name}.late TO {app}"
    );
    server.sql(name, &grant);
    let shown = || server.sql("", &format!("SHOW GRANTS FOR {app}"));
    let before = shown();
    let loaded = load(&source, &sealed, LoadMode::Replace).await.unwrap();
    let [said] = &loaded.warnings[..] else { panic!("{:?}", loaded.warnings) };
    assert!(said.starts_with("the archive has no such routine") && said.contains("`late`"), "{said}");
    let kept: Vec<&str> = before.lines().filter(|line| !line.contains("late")).collect();
    assert_eq!(shown().lines().collect::<Vec<_>>(), kept);
    // What one in place had noted that was cut short is given by the next, wherever it works; who is gone meanwhile is no account again.
    let noted = |user: &str| format!("('grant', 'GRANT EXECUTE ON FUNCTION `{name}`.`f` TO `{user}`@`%`')");
    let gone = format!("gone_{name}");
    server.sql(
        name,
        &format!(
            "DROP FUNCTION f; CREATE TABLE upkeep_unfinished_load (n INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, kind VARCHAR(16) NOT NULL, \
             note LONGTEXT NOT NULL); INSERT INTO upkeep_unfinished_load (kind, note) VALUES {}, {}, ('half', 'an archive')",
            noted(&app),
            noted(&gone)
        ),
    );
    let loaded = load(&source, &sealed, LoadMode::Replace).await.unwrap();
    let [said] = &loaded.warnings[..] else { panic!("{:?}", loaded.warnings) };
    assert!(said.starts_with("a grant on a routine is gone") && said.contains(&gone), "{said}");
    assert_eq!(shown().lines().collect::<Vec<_>>(), kept);
    assert_eq!(server.sql("", &format!("SELECT COUNT(*) FROM mysql.user WHERE user = '{gone}'")), "0");
    // Who may neither see nor give them, and makes no databases.
    server.user(&plain, name, "ALL");
    if !server.is_mariadb() {
        // Whose an administrator's routines are not to drop.
        server.sql("", &format!("GRANT SYSTEM_USER ON *.* TO {plain}"));
    }
    let loaded = load(&server.database_as(name, &plain), &sealed, LoadMode::Replace).await.unwrap();
    let said = loaded
        .warnings
        .iter()
        .find(|said| said.starts_with("grants on the routines "))
        .unwrap_or_else(|| panic!("{:?}", loaded.warnings));
    assert!(said.contains("f, p `q") && said.contains("procs_priv"), "{said}");
}

/// An event that no server makes again is named where the archive is taken, by a look, and where it is restored.
async fn events(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    let event = |name: &str, when: &str| format!("CREATE EVENT {name} ON SCHEDULE {when} DO DO 1;");
    let soon = "CURRENT_TIMESTAMP + INTERVAL 1 SECOND";
    server.sql(
        name,
        &format!(
            "CREATE TABLE t (a int); {} {} {} {} DO SLEEP(2);",
            event("once", &format!("AT {soon} ON COMPLETION NOT PRESERVE")),
            event("kept", &format!("AT {soon} ON COMPLETION PRESERVE")),
            event("ends", "EVERY 1 SECOND ENDS CURRENT_TIMESTAMP + INTERVAL 1 SECOND"),
            event("lasts", "EVERY 1 YEAR STARTS '2037-01-01 00:00:00'"),
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let named: Vec<&str> = sealed.manifest.left_out.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(named, ["event ends as one that is made again", "event once as one that is made again"]);
    let may = upkeep::engine::mysql::may_read(&source).await.unwrap();
    assert_eq!(may.obstacles, sealed.manifest.left_out);
    let target = server.fresh();
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        let mut warnings = load(&target, &sealed, mode).await.unwrap().warnings;
        warnings.sort();
        // They are not there, so the schema is another.
        let last = warnings.pop().unwrap();
        assert!(last.contains("word for word") && last.contains("(event ends, event kept, event once)"), "{last}");
        assert_eq!(
            warnings,
            [
                "event ends: its time has passed, and no server makes such an event again",
                "event kept: its time has passed, and the server has it disabled",
                "event once: its time has passed, and no server makes such an event again",
            ],
            "{mode:?}"
        );
        let there = "SELECT GROUP_CONCAT(event_name ORDER BY 1) FROM information_schema.events WHERE event_schema = DATABASE()";
        assert_eq!(server.sql(name_of(&target), there), "kept,lasts");
    }
}

/// A comment of the database, and statistics of columns.
async fn told(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(name, "CREATE TABLE t (a int PRIMARY KEY, `b ``c` int, d int); INSERT INTO t VALUES (1, 2, 5), (3, 4, 6)");
    let look = if server.is_mariadb() {
        server.sql(name, &format!("ALTER DATABASE {name} COMMENT 'it''s \\\\ a \"comment\"'; ANALYZE TABLE t PERSISTENT FOR COLUMNS (`b ``c`) INDEXES (PRIMARY)"));
        "SELECT schema_comment FROM information_schema.schemata WHERE schema_name = DATABASE(); \
         SELECT table_name, column_name, max_value FROM mysql.column_stats WHERE db_name = DATABASE(); \
         SELECT table_name, index_name FROM mysql.index_stats WHERE db_name = DATABASE()"
    } else {
        // The tables that are there stay as they are; those made later are encrypted.
        server.sql(name, &format!("ALTER DATABASE {name} DEFAULT ENCRYPTION = 'Y'"));
        server.sql(name, "ANALYZE TABLE t UPDATE HISTOGRAM ON d WITH 7 BUCKETS; ANALYZE TABLE t UPDATE HISTOGRAM ON `b ``c` WITH 9 BUCKETS AUTO UPDATE");
        "SELECT table_name, column_name, histogram->'$.buckets', histogram->'$.\"auto-update\"', histogram->'$.\"number-of-buckets-specified\"' \
         FROM information_schema.column_statistics WHERE schema_name = DATABASE() ORDER BY 1, 2"
    };
    let encrypts = |database: &str| {
        let sql = format!("SELECT default_encryption FROM information_schema.schemata WHERE schema_name = '{database}'");
        server.is_mariadb() || server.sql("", &sql).trim() == "YES"
    };
    let before = server.sql(name, look);
    assert!(before.lines().count() >= 2, "{before}");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    if server.is_mariadb() {
        server.sql(name, &format!("ALTER DATABASE {name} COMMENT 'another'"));
    }
    let target = server.fresh();
    for (database, mode) in [(&target, LoadMode::Clean), (&target, LoadMode::Replace), (&source, LoadMode::Replace)] {
        let loaded = load(database, &sealed, mode).await.unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{mode:?}");
        assert_eq!(server.sql(name_of(database), look), before, "{mode:?}");
        assert!(encrypts(name_of(database)), "{mode:?}");
    }
    let by_hand = server.fresh();
    server.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    assert_eq!(server.sql(name_of(&by_hand), look), before);
    // Who is not shown them says so, and what would show them.
    let reader = format!("reader_{name}");
    server.user(&reader, name, "SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES");
    for shown in [false, true] {
        let sealed = dump(&server.database_as(name, &reader), dir.path(), 1).await.unwrap();
        let unseen = sealed.manifest.left_out.iter().find(|left| left.what.starts_with("kept statistics"));
        assert_eq!(unseen.is_some(), server.is_mariadb() && !shown, "{:?}", sealed.manifest.left_out);
        if let Some(left) = unseen {
            let (_, grants) = left.why.split_once("; ").unwrap();
            server.sql("", grants.split(" or ").next().unwrap());
        }
        let has = text_of(&sealed.path).contains("ANALYZE TABLE");
        assert_eq!(has, unseen.is_none());
    }
}

/// A tablespace of the server that a table is in, and that is not there where it is restored.
async fn tablespaces(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(name, &format!("CREATE TABLESPACE ts_{name} ADD DATAFILE 'ts_{name}.ibd'; CREATE TABLE t (a int) TABLESPACE ts_{name}; INSERT INTO t VALUES (7)"));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    for (database, moves) in [(source.clone(), false), (server.fresh(), true)] {
        if moves {
            server.sql("", &format!("DROP TABLE {name}.t; DROP TABLESPACE ts_{name}"));
        }
        let warnings =
            load(&database, &sealed, if moves { LoadMode::Clean } else { LoadMode::Replace }).await.unwrap().warnings;
        let said = warnings.iter().any(|said| {
            said.starts_with(&format!("table t was put where the server keeps its tables, because ts_{name} is not available"))
        });
        assert_eq!(said, moves, "{warnings:?}");
        assert_eq!(server.sql(name_of(&database), "SELECT a FROM t"), "7");
    }
}

/// Another table has the files already: the new one is in the server's own directory, and that is said. In place of itself it stays.
async fn directories(server: &Server) {
    if !server.is_mariadb() {
        return tablespaces(server).await;
    }
    let source = server.fresh();
    let name = name_of(&source);
    let directory = server.sql("", "SELECT @@tmpdir");
    server.sql(name, &format!("CREATE TABLE tm_{name} (a int) ENGINE=MyISAM DATA DIRECTORY='{directory}' INDEX DIRECTORY='{directory}'; INSERT INTO tm_{name} VALUES (7)"));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let target = server.fresh();
    let plain = format!("plain_{name}");
    server.user(&plain, name, "ALL");
    server.sql("", &format!("GRANT FILE ON *.* TO {plain}"));
    for (database, mode, moves) in [
        (server.database_as(name, &plain), LoadMode::Replace, false),
        (target, LoadMode::Clean, true),
        (source.clone(), LoadMode::Replace, true),
    ] {
        let loaded = load(&database, &sealed, mode).await.unwrap();
        let said = loaded
            .warnings
            .iter()
            .any(|said| said.contains("was put where the server keeps its tables, because") && said.contains(&directory));
        assert_eq!(said, moves, "{mode:?}: {:?}", loaded.warnings);
        assert_eq!(server.sql(name_of(&database), &format!("SELECT a FROM tm_{name}")), "7");
        assert_eq!(server.sql(name_of(&database), &format!("SHOW CREATE TABLE tm_{name}")).contains("DIRECTORY"), !moves);
    }
}

async fn turned_away(server: &Server) {
    let name = server.fresh_name();
    server.sql("", &format!("CREATE DATABASE {name}"));
    let tried = |user: &str| {
        let database = server.database_as(&name, user);
        async move { Engine::of(&database).identify().await.unwrap_err() }
    };
    let expired = format!("old_{name}");
    server.user(&expired, &name, "ALL");
    server.sql("", &format!("ALTER USER {expired} IDENTIFIED BY '' PASSWORD EXPIRE"));
    let error = tried(&expired).await;
    assert!(matches!(error, EngineError::TurnedAway { .. }) && error.class() == Class::NoPermission, "{error:?}");
    assert!(error.to_string().contains("password has expired"), "{error}");
    let crowded = format!("crowded_{name}");
    server.user(&crowded, &name, "ALL");
    server.sql("", &format!("ALTER USER {crowded} WITH MAX_USER_CONNECTIONS 1"));
    let database = server.database_as(&name, &crowded);
    let held = server.connect_as(&name, &crowded).await;
    let error = Engine::of(&database).identify().await.unwrap_err();
    assert!(error.class() == Class::TempFail && error.transient(), "{error:?}");
    assert!(error.hints()[0].contains("MAX_USER_CONNECTIONS"), "{:?}", error.hints());
    drop(held);
    if server.is_mariadb() && server.try_sql("", "INSTALL SONAME 'auth_ed25519'").is_ok() {
        let ed = format!("ed_{name}");
        server.sql("", &format!("CREATE USER {ed} IDENTIFIED VIA ed25519 USING PASSWORD('x')"));
        let error = tried(&ed).await;
        assert!(error.to_string().contains("plugin"), "{error:?}");
    }
}

/// What cannot be written to is found before it is archived once more.
#[test]
fn a_schema_that_is_read_only_is_not_archived_to_be_replaced() {
    let Some(server) = server(Which::MySql) else { return };
    let _guard = server.shared_blocking();
    let world = World::new(Db::MySql(server));
    let archived = world.run(&["backup", "notes"]);
    assert!(archived.status.success(), "{}", text(&archived));
    let name = world.ask("SELECT DATABASE()");
    let archives = || world.json(&["list", "notes"]).as_array().unwrap().len();
    let before = archives();
    server.sql("", &format!("ALTER SCHEMA {name} READ ONLY = 1"));
    let refused = world.run(&["restore", "notes", "--replace"]);
    assert!(!refused.status.success() && text(&refused).contains("READ ONLY = 0"), "{}", text(&refused));
    assert_eq!(archives(), before);
    server.sql("", &format!("ALTER SCHEMA {name} READ ONLY = 0"));
    let restored = world.run(&["restore", "notes", "--replace"]);
    assert!(restored.status.success(), "{}", text(&restored));
}
