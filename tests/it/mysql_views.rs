//! MySQL and MariaDB: a view that reads what is not there keeps nothing else from being restored.

use upkeep::engine::{Engine, LoadMode};

use crate::mysql_backup::same;
use crate::support::mysql::{Server, dump, load, name_of, on_every_server};

on_every_server! { shared;
    a_broken_view_is_named_and_everything_else_is_restored: broken;
    a_view_that_breaks_with_the_exchange_leaves_a_finished_database: breaks;
}

const OBJECTS: &str = "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE TABLE u (x int, y int); \
    CREATE VIEW v AS SELECT * FROM u; CREATE VIEW on_it AS SELECT x FROM v; CREATE VIEW whole AS SELECT a FROM t; \
    CREATE TRIGGER kept BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 7; CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1;";

async fn broken(server: &Server) {
    let source = server.fresh();
    server.sql(name_of(&source), &format!("{OBJECTS} DROP TABLE u;"));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    for (mode, alone) in [(LoadMode::Clean, false), (LoadMode::Replace, false), (LoadMode::Replace, true)] {
        let target = server.fresh();
        let (name, user) = (name_of(&target), format!("plain_{}", name_of(&target)));
        // Who may not make databases replaces in place.
        server.user(&user, name, "ALL");
        if mode == LoadMode::Replace {
            server.sql(name, "CREATE TABLE mine (a int)");
        }
        let destination = if alone { server.database_as(name, &user) } else { target.clone() };
        let loaded = load(&destination, &sealed, mode).await.unwrap();
        for view in ["VIEW `v`", "VIEW `on_it`"] {
            let named = loaded.warnings.iter().any(|said| said.contains(view) && said.contains("cannot be made"));
            assert!(named, "{view}: {:?}", loaded.warnings);
        }
        assert_eq!(server.sql(name, "SELECT a, f() FROM whole"), "1\t1", "{mode:?}");
        assert_eq!(server.sql(name, "SHOW TRIGGERS").lines().count(), 1, "{mode:?}");
        assert_eq!(server.sql(name, "SHOW TABLES"), "t\nwhole", "{mode:?}");
        assert!(!Engine::of(&destination).survey(&[]).await.unwrap().half_loaded);
        assert_eq!(Engine::of(&destination).settle().await.unwrap(), Vec::<String>::new());
    }
}

/// A view of a view of another database, which reads this one's new table: what was tried with the old table fails with the new.
async fn breaks(server: &Server) {
    let (target, beside) = (server.fresh(), server.fresh());
    let (name, far) = (name_of(&target), name_of(&beside));
    server.sql(
        name,
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE TRIGGER kept BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 7;",
    );
    server.sql(far, &format!("CREATE VIEW w AS SELECT a FROM {name}.t"));
    server.sql(name, &format!("CREATE VIEW v AS SELECT a FROM {far}.w"));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&target, dir.path(), 1).await.unwrap();
    let copy = server.fresh();
    load(&copy, &sealed, LoadMode::Clean).await.unwrap();
    server.sql(name, "ALTER TABLE t ADD COLUMN more int DEFAULT 5");
    server.sql(far, &format!("ALTER VIEW w AS SELECT a, more FROM {name}.t"));
    let loaded = load(&target, &sealed, LoadMode::Replace).await.unwrap();
    assert!(loaded.warnings.iter().any(|said| said.contains("VIEW `v`")), "{:?}", loaded.warnings);
    assert_eq!(server.sql(name, "SHOW TRIGGERS").lines().count(), 1);
    assert_eq!(server.databases(name), name);
    server.sql(far, &format!("ALTER VIEW w AS SELECT a FROM {name}.t"));
    load(&target, &sealed, LoadMode::Replace).await.unwrap();
    same(server, name_of(&copy), name);
}
