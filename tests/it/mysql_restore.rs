//! MySQL and MariaDB: replacing a database as a whole, or not at all.

use upkeep::archive::Archive;
use upkeep::engine::{Engine, EngineError, LoadMode, Standing};
use upkeep::failure::Explain;
use upkeep::progress::Progress;

use crate::mysql_backup::same;
use crate::support::mysql::{Server, dump, load, name_of, on_every_server, said};
use crate::support::wait::until;

on_every_server! { shared;
    a_replaced_database_has_the_archive_s_content: replaced;
    a_database_in_use_is_not_replaced_and_nobody_is_thrown_out: in_use;
    a_replacement_that_fails_leaves_the_old_content: failing;
    what_cannot_be_made_is_found_out_before_the_exchange: not_made;
    without_the_privilege_to_create_databases_it_happens_in_place: in_place;
    settle_finishes_or_undoes_every_state_a_crash_leaves: states;
    a_foreign_key_of_another_database_is_named: foreign;
    rows_alone_are_all_there_or_none: data_only;
    rows_alone_pass_by_triggers_and_circular_keys: rows_and_triggers;
    orphans_of_the_source_are_named_and_do_not_stop_a_restore: orphans;
    a_connection_that_dies_fails_the_load_and_leaves_the_old_content: killed;
}

async fn replaced(server: &Server) {
    let (source, target) = (server.torture(), server.torture());
    let name = name_of(&target);
    server.sql(
        name,
        "CREATE TABLE old_content (a int); CREATE TRIGGER old_trigger BEFORE INSERT ON old_content FOR EACH ROW SET NEW.a = 1; \
         CREATE VIEW old_view AS SELECT a FROM old_content; CREATE PROCEDURE old_procedure() SELECT 1; DROP TABLE no_key; \
         ALTER TABLE many RENAME TO no_key; CREATE VIEW many AS SELECT 1 AS one;",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    for _ in 0..2 {
        let loaded = load(&target, &sealed, LoadMode::Replace).await.unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        same(server, name_of(&source), name);
        assert_eq!(server.databases(name), name);
    }
    assert_eq!(Engine::of(&target).settle().await.unwrap(), Vec::<String>::new());
    // What was made in a scratch database works in this one.
    server.sql(name, "INSERT INTO a_first VALUES (50, 1); SELECT * FROM a_on_top;");
    server.try_sql(name, "INSERT INTO b_second VALUES (9, 999, 1)").unwrap_err();
    if server.is_mariadb() {
        server.sql(name, "INSERT INTO ma_sequenced (v) VALUES ('z')");
    }
}

async fn in_use(server: &Server) {
    let (source, target) = (server.fresh(), server.fresh());
    let name = name_of(&target);
    server.sql(name, "CREATE TABLE mine (a int)");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let mut other = server.connect(name).await;
    let error = load(&target, &sealed, LoadMode::Replace).await.unwrap_err();
    assert!(matches!(error, EngineError::InUse { .. }), "{error:?}");
    sqlx::raw_sql("SELECT a FROM mine").execute(&mut other).await.unwrap();
    assert_eq!(server.databases(name), name);
}

async fn failing(server: &Server) {
    let (source, target) = (server.fresh(), server.fresh());
    let name = name_of(&target);
    server.sql(name_of(&source), "CREATE TABLE t (a int, b varchar(100)); INSERT INTO t SELECT ordinal_position, table_name FROM information_schema.columns WHERE table_schema IN ('information_schema', 'mysql', 'sys') LIMIT 1000");
    server.sql(name, "CREATE TABLE mine AS SELECT 1 AS a");
    let dir = tempfile::tempdir().unwrap();
    let mut sealed = dump(&source, dir.path(), 1).await.unwrap();
    let mut bytes = std::fs::read(&sealed.path).unwrap();
    let data = sealed.manifest.frames.iter().find(|frame| frame.table.is_some()).unwrap();
    bytes[usize::try_from(data.offset + data.stored / 2).unwrap()] ^= 1;
    sealed.path = dir.path().join("damaged.sql.zst");
    std::fs::write(&sealed.path, bytes).unwrap();
    for mode in [LoadMode::Replace, LoadMode::Clean] {
        let to = if mode == LoadMode::Clean { server.fresh() } else { target.clone() };
        let error = load(&to, &sealed, mode).await.unwrap_err();
        assert!(said(error).contains("damaged"));
    }
    assert_eq!(server.sql(name, "SELECT a FROM mine"), "1");
    assert_eq!(server.databases(name), name, "no scratch database stays");
}

/// An event for an account that may make none: known before anything of the old content was touched.
async fn not_made(server: &Server) {
    let (source, target) = (server.fresh(), server.fresh());
    let (name, user) = (name_of(&target), format!("no_events_{}", name_of(&target)));
    server.sql(
        name_of(&source),
        "CREATE TABLE t (a int); CREATE EVENT never ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO DO 1",
    );
    server.sql(
        name,
        "CREATE TABLE mine (a int); INSERT INTO mine VALUES (1); CREATE TRIGGER kept BEFORE INSERT ON mine FOR EACH ROW SET NEW.a = 7",
    );
    let before = server.schema(name);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    server.user(
        &user,
        &format!("{name}%"),
        "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE VIEW, SHOW VIEW, TRIGGER, LOCK TABLES",
    );
    let error = load(&server.database_as(name, &user), &sealed, LoadMode::Replace).await.unwrap_err();
    assert!(matches!(error, EngineError::Privilege { .. }), "{error:?}");
    assert_eq!((server.schema(name), server.databases(name).as_str()), (before, name));
}

async fn in_place(server: &Server) {
    let (source, target) = (server.torture(), server.fresh());
    let (name, user) = (name_of(&target), format!("plain_{}", name_of(&target)));
    server.user(&user, name, "ALL");
    let as_user = server.database_as(name, &user);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    load(&as_user, &sealed, LoadMode::Clean).await.unwrap();
    server.sql(name, "CREATE TABLE more (a int); DELETE FROM many WHERE id > 10");
    let loaded = load(&as_user, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(server.content(name), server.content(name_of(&source)));
    let (wanted, found) = (sealed.manifest.tables.clone(), dump(&target, dir.path(), 1).await.unwrap().manifest.tables);
    assert_eq!(wanted, found);
    // He may not name another as definer, and it is said.
    assert!(
        loaded.warnings.iter().any(|said| said.contains("`torture`@`localhost`") && said.contains(&user)),
        "{:?}",
        loaded.warnings
    );
    assert!(server.schema(name).contains(&format!("DEFINER=`{user}`@`%` TRIGGER")));
    // A load that stops half-way leaves a database that no dump takes for whole, and that the next load begins anew with.
    server.sql(name, "CREATE TABLE upkeep_unfinished_load (n INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, kind VARCHAR(16) NOT NULL, note LONGTEXT NOT NULL)");
    server.sql(name, "INSERT INTO upkeep_unfinished_load (kind, note) VALUES ('half', 'an archive'); DROP TABLE many");
    assert!(Engine::of(&as_user).survey(&[]).await.unwrap().half_loaded);
    let error = dump(&as_user, dir.path(), 1).await.unwrap_err();
    assert!(matches!(error, EngineError::Inexact { .. }), "{error:?}");
    assert_eq!(Engine::of(&as_user).settle().await.unwrap(), Vec::<String>::new());
    load(&as_user, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(server.content(name), server.content(name_of(&source)));
    assert!(!Engine::of(&as_user).survey(&[]).await.unwrap().half_loaded);
}

/// Every state a crash between two steps of an exchange can leave, and what `settle` makes of it. Twice each: the second time
/// there is nothing left to do.
async fn states(server: &Server) {
    let notes = "(n INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, kind VARCHAR(16) NOT NULL, note LONGTEXT NOT NULL)";
    let content = |what: &str| {
        format!("CREATE TABLE content AS SELECT '{what}' AS what; CREATE TABLE {what}_alone (a int) ENGINE=MyISAM;")
    };
    let trigger = r#"{"name":"t","settings":"SET SESSION sql_mode = ''","create":"CREATE TRIGGER t BEFORE INSERT ON content FOR EACH ROW SET NEW.what = 'fired'"}"#;
    let note = format!(
        "CREATE TABLE upkeep_swap {notes}; INSERT INTO upkeep_swap (kind, note) VALUES ('object', 'CREATE VIEW seen AS SELECT what FROM content'), \
         ('trigger', '{}'), ('in', 'content'), ('in', 'new_alone'), ('out', 'content'), ('out', 'old_alone');",
        trigger.replace('\'', "''")
    );
    let ready = "INSERT INTO upkeep_swap (kind, note) VALUES ('ready', '');";
    // What lies in own, new and old; whether the notes are there and whole; the content and the triggers afterwards.
    let (old_and_new, nothing) = ((content("old"), content("new")), String::new());
    let (old, new) = old_and_new;
    let moved = "CREATE TABLE content AS SELECT 'old' AS what;".to_owned();
    let rest_of_old = "CREATE TABLE old_alone (a int) ENGINE=MyISAM;".to_owned();
    let rest_of_new = "CREATE TABLE new_alone (a int) ENGINE=MyISAM;".to_owned();
    let content_of_new = "CREATE TABLE content AS SELECT 'new' AS what;".to_owned();
    let cases = [
        ("databases made", old.clone(), nothing.clone(), nothing.clone(), "old", 0),
        ("loaded", old.clone(), new.clone(), nothing.clone(), "old", 0),
        ("half noted", old.clone(), format!("{new}{note}"), nothing.clone(), "old", 0),
        ("triggers dropped", old.clone(), format!("{new}{note}{ready}"), nothing.clone(), "old", 1),
        ("one table out", rest_of_old.clone(), format!("{new}{note}{ready}"), moved.clone(), "new", 0),
        ("all out", nothing.clone(), format!("{new}{note}{ready}"), old.clone(), "new", 0),
        ("one table in", content_of_new, format!("{rest_of_new}{note}{ready}"), old.clone(), "new", 0),
        ("exchanged", new.clone(), nothing.clone(), format!("{old}{note}{ready}"), "new", 0),
        (
            "exchanged, old views there",
            format!("{new}CREATE VIEW gone AS SELECT 1 AS a;"),
            nothing.clone(),
            format!("{old}{note}{ready}"),
            "new",
            0,
        ),
        (
            "made",
            format!("{new}CREATE VIEW seen AS SELECT what FROM content;"),
            nothing.clone(),
            format!("{old}{note}{ready}INSERT INTO upkeep_swap (kind, note) VALUES ('done', '');"),
            "new",
            0,
        ),
    ];
    for (what, in_own, in_new, in_old, expected, triggers) in cases {
        let own = server.fresh_name();
        for (name, sql) in
            [(own.clone(), in_own), (format!("{own}__upkeep_new"), in_new), (format!("{own}__upkeep_old"), in_old)]
        {
            server.sql("", &format!("CREATE DATABASE {name}"));
            server.sql(&name, &sql);
        }
        let engine = Engine::of(&server.database(&own));
        let done = engine.settle().await.unwrap_or_else(|error| panic!("{what}: {}", said(error)));
        assert!(!done.is_empty(), "{what}");
        let tables = |which: &str| format!("content {which}_alone{}", if which == "new" { " seen" } else { "" });
        let listed = server.sql(&own, "SHOW TABLES").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(listed, tables(expected), "{what}: {done:?}");
        assert_eq!(server.sql(&own, "SELECT what FROM content"), expected, "{what}");
        assert_eq!(server.databases(&own), own, "{what}");
        assert_eq!(server.sql(&own, "SHOW TRIGGERS").lines().count(), triggers, "{what}");
        assert_eq!(engine.settle().await.unwrap(), Vec::<String>::new(), "{what}");
    }
    // The only old content there is.
    let own = server.fresh_name();
    let aside = format!("{own}__upkeep_old");
    server.sql("", &format!("CREATE DATABASE {aside}"));
    server.sql(&aside, &format!("{old}{note}{ready}"));
    for _ in 0..2 {
        let done = Engine::of(&server.database(&own)).settle().await.unwrap();
        assert!(done[0].contains("left alone"), "{done:?}");
    }
    assert_eq!(server.databases(&own), aside);
    // What no note speaks of is nobody's to drop.
    let own = server.fresh_name();
    for name in [own.clone(), format!("{own}__upkeep_old")] {
        server.sql("", &format!("CREATE DATABASE {name}"));
        server.sql(&name, "CREATE TABLE theirs (a int)");
    }
    let done = Engine::of(&server.database(&own)).settle().await.unwrap();
    assert!(done[0].contains("upkeep did not leave these databases like this"), "{done:?}");
    assert_eq!(server.databases(&own), format!("{own} {own}__upkeep_old"));
}

async fn foreign(server: &Server) {
    let (target, beside) = (server.fresh(), server.fresh());
    let name = name_of(&target);
    server.sql(name, "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1)");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&target, dir.path(), 1).await.unwrap();
    server.sql(
        name_of(&beside),
        &format!("CREATE TABLE child (p int, CONSTRAINT far FOREIGN KEY (p) REFERENCES {name}.parent (id)); INSERT INTO child VALUES (1)"),
    );
    let error = said(load(&target, &sealed, LoadMode::Replace).await.unwrap_err());
    assert!(error.contains(&format!("foreign key far of table {}.child", name_of(&beside))), "{error}");
    server.sql(name_of(&beside), "DROP TABLE child");
    load(&target, &sealed, LoadMode::Replace).await.unwrap();
}

async fn data_only(server: &Server) {
    let (source, target) = (server.fresh(), server.fresh());
    let name = name_of(&target);
    server.sql(
        name_of(&source),
        "CREATE TABLE a (x int); INSERT INTO a VALUES (1); CREATE TABLE b (y varchar(10)); INSERT INTO b VALUES ('text')",
    );
    server.sql(name, "CREATE TABLE a (x int); INSERT INTO a VALUES (9); CREATE TABLE b (y int); INSERT INTO b VALUES (7)");
    let before = server.content(name);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    load(&target, &sealed, LoadMode::DataOnly).await.unwrap_err();
    assert_eq!(server.content(name), before);
    // What arrives different is refused as well.
    server.sql(name, "DROP TABLE b; CREATE TABLE b (y varchar(2)); INSERT INTO b VALUES ('b')");
    load(&target, &sealed, LoadMode::DataOnly).await.unwrap_err();
    assert_eq!(server.sql(name, "SELECT x, y FROM a, b"), "9\tb");
    server.sql(name, "DROP TABLE b; CREATE TABLE b (y varchar(10)); INSERT INTO b VALUES ('b'), ('c')");
    load(&target, &sealed, LoadMode::DataOnly).await.unwrap();
    assert_eq!(server.sql(name, "SELECT x, y FROM a, b"), "1\ttext");
}

async fn rows_and_triggers(server: &Server) {
    let (source, shaped) = (server.torture(), server.torture());
    let name = name_of(&shaped);
    server.sql(name, "SET foreign_key_checks = 0; DELETE FROM every_type; DELETE FROM a_first; DELETE FROM b_second; INSERT INTO audit (what) VALUES ('a migration wrote this')");
    let before = server.schema(name);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    for _ in 0..2 {
        let loaded = load(&shaped, &sealed, LoadMode::DataOnly).await.unwrap();
        assert!(loaded.warnings.iter().any(|said| said.contains("my_isam")), "{:?}", loaded.warnings);
        assert_eq!(server.content(name), server.content(name_of(&source)));
        same_but_counters(&server.schema(name), &before);
    }
    assert_eq!(server.sql(name, "SHOW TABLES LIKE 'upkeep%'"), "");
}

#[track_caller]
fn same_but_counters(found: &str, wanted: &str) {
    let plain = |text: &str| {
        text.lines()
            .filter(|line| !line.contains("AUTO_INCREMENT=") && !line.contains("SEQUENCE"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(plain(found), plain(wanted));
}

async fn orphans(server: &Server) {
    let (source, target) = (server.fresh(), server.fresh());
    server.sql(
        name_of(&source),
        "CREATE TABLE parent (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE child (x int, y int, CONSTRAINT lonely FOREIGN KEY (x, y) REFERENCES parent (a, b)); \
         INSERT INTO parent VALUES (1, 1); SET foreign_key_checks = 0; INSERT INTO child VALUES (1, 1), (1, 2), (3, NULL), (7, 7)",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    server.sql(name_of(&target), "CREATE TABLE old (a int)");
    let loaded = load(&target, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(
        loaded.warnings[0].contains("table child: 2 rows") && loaded.warnings[0].contains("lonely"),
        "{:?}",
        loaded.warnings
    );
    same(server, name_of(&source), name_of(&target));
}

/// A worker's connection that the server ends in the middle of a load: said, and with a replacement the old content stands.
async fn killed(server: &'static Server) {
    let (source, target) = (server.fresh(), server.fresh());
    let name = name_of(&target).to_owned();
    server.sql(
        name_of(&source),
        "CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, v varchar(2000)); INSERT INTO t (v) VALUES (REPEAT('some words ', 100)); \
         INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; \
         INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; \
         INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; \
         INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t; INSERT INTO t (v) SELECT v FROM t;",
    );
    server.sql(&name, "CREATE TABLE mine AS SELECT 1 AS a");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    let progress = Progress::default();
    let killer = tokio::task::spawn_blocking({
        let (progress, name) = (progress.clone(), name.clone());
        move || {
            until("rows arrive", || progress.snapshot().phase == "loading" && progress.snapshot().done_bytes > 0);
            let listed =
                format!("SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist WHERE db = '{name}__upkeep_new'");
            // One may have ended by itself in between.
            for kill in server.sql("", &listed).lines() {
                server.try_sql("", kill).ok();
            }
        }
    });
    let archive = Archive::open(&sealed.path).unwrap();
    let error = Engine::of(&target).load(&archive, LoadMode::Replace, Standing::Nobodys, 2, &progress).await.unwrap_err();
    killer.await.unwrap();
    assert!(matches!(error, EngineError::Lost { .. }) && error.transient(), "{error:?}");
    assert_eq!(server.sql(&name, "SELECT a FROM mine"), "1");
    assert_eq!(server.databases(&name), name, "no scratch database stays");
    load(&target, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(server.sql(&name, "SELECT count(*) FROM t"), "32768");
}
