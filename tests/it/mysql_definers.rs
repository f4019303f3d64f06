//! MySQL and MariaDB: whose views, routines, triggers and events are, in an archive and after a restore.

use upkeep::config::{Database, Definers};
use upkeep::engine::LoadMode;

use crate::mysql_backup::text_of;
use crate::support::engines::Db;
use crate::support::mysql::{Server, Which, dump, load, name_of, on_every_server, server};
use crate::support::world::World;

on_every_server! { shared;
    an_archive_has_the_definers_that_are_configured: in_the_archive;
    a_restore_gives_objects_to_whom_it_is_told: at_the_restore;
    triggers_that_were_set_aside_come_back_whosever_they_can_be: set_aside;
    what_stands_on_what_an_absent_account_made_is_restored_and_handed_back: absent;
    what_stands_on_what_an_account_without_rights_here_made_is_restored: without_rights;
}

/// One object of each kind, all of an account that does not exist.
fn filled(server: &Server) -> Database {
    let source = server.fresh();
    server.sql(
        name_of(&source),
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE DEFINER=`gh``ost`@`localhost` SQL SECURITY DEFINER VIEW v AS SELECT a FROM t; \
         CREATE DEFINER=`gh``ost`@`localhost` TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 7; \
         CREATE DEFINER=`gh``ost`@`localhost` PROCEDURE p() SELECT 'DEFINER=`x`@`y`'; \
         CREATE DEFINER=`gh``ost`@`localhost` FUNCTION f() RETURNS int DETERMINISTIC RETURN 1; \
         CREATE DEFINER=`gh``ost`@`localhost` EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO DO 1",
    );
    source
}

const GHOST: &str = "gh`ost@localhost";

/// Who owns the objects of a database, as the dictionary has them: five, all the same.
#[track_caller]
fn owner(server: &Server, database: &str) -> String {
    let here =
        |schema: &str, table: &str| format!("SELECT definer FROM information_schema.{table} WHERE {schema} = '{database}'");
    let all = [
        here("table_schema", "views"),
        here("trigger_schema", "triggers"),
        here("routine_schema", "routines"),
        here("event_schema", "events"),
    ];
    let owners = server.sql(database, &all.join(" UNION ALL "));
    let owners: Vec<&str> = owners.lines().collect();
    assert!(owners.len() == 5 && owners.iter().all(|owner| *owner == owners[0]), "{owners:?}");
    owners[0].to_owned()
}

fn account(user: &str, host: &str) -> Definers {
    Definers::Rewrite { user: user.to_owned(), host: host.to_owned() }
}

/// What the archive holds is what stock tools restore; the manifest says what was done, and to whom.
async fn in_the_archive(server: &Server) {
    let source = filled(server);
    let dir = tempfile::tempdir().unwrap();
    server.sql("", "CREATE USER IF NOT EXISTS 'own`er'@'localhost'");
    let mut shapes = Vec::new();
    for (rule, said, whose) in [
        (Definers::Keep, "kept: `gh``ost`@`localhost`", GHOST),
        (Definers::Strip, "stripped: `gh``ost`@`localhost`", "root@localhost"),
        (account("own`er", "localhost"), "rewritten to `own``er`@`localhost`: `gh``ost`@`localhost`", "own`er@localhost"),
    ] {
        let sealed = dump(&Database { definers: rule.clone(), ..source.clone() }, dir.path(), 1).await.unwrap();
        assert_eq!(sealed.manifest.server.extra["definers"], said);
        let text = text_of(&sealed.path);
        assert_eq!(text.contains("gh``ost"), rule == Definers::Keep, "{text}");
        assert!(text.contains("SELECT 'DEFINER=`x`@`y`'"), "a body is nobody's to change: {text}");
        let copy = server.fresh();
        server.restore_by_hand(&sealed.path, name_of(&copy)).unwrap();
        assert_eq!(owner(server, name_of(&copy)), whose, "{rule:?}");
        shapes.push(sealed.manifest.shape);
    }
    assert!(shapes.iter().all(|shape| shape.same_as(&shapes[0])), "who made an object is not the shape");
}

async fn at_the_restore(server: &Server) {
    let source = filled(server);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    server.sql("", "CREATE USER IF NOT EXISTS 'own`er'@'localhost'");
    let five = "does not exist here: 5 objects fail when they are used: function f, procedure p, view v, trigger tr, event e";
    let gone = [format!("definer `gh``ost`@`localhost` {five}")];
    for (rule, whose, warnings) in [
        (Definers::Keep, GHOST, &gone[..]),
        (Definers::Strip, "root@localhost", &[]),
        (account("own`er", "localhost"), "own`er@localhost", &[]),
        (account("nobody", "%"), "nobody@%", &[format!("definer `nobody`@`%` {five}")]),
    ] {
        let target = Database { definers: rule.clone(), ..server.fresh() };
        for mode in [LoadMode::Clean, LoadMode::Replace] {
            let loaded = load(&target, &sealed, mode).await.unwrap();
            assert_eq!(loaded.warnings, warnings, "{rule:?} {mode:?}");
            assert_eq!(owner(server, name_of(&target)), whose, "{rule:?} {mode:?}");
        }
        let works = server.try_sql(name_of(&target), "SELECT a FROM v");
        assert_eq!(works.is_ok(), rule == Definers::Strip, "{works:?}");
        if rule == Definers::Keep {
            assert_eq!(server.schema(name_of(&source)), server.schema(name_of(&target)));
        }
    }
}

/// Every definition, without what the server thinks of a view at the moment.
fn defined(server: &Server, database: &str) -> Vec<String> {
    server.schema(database).lines().filter(|line| line.contains("CREATE ")).map(str::to_owned).collect()
}

/// Views over views, and over functions, of an account that is not where they are restored: all are made, in every way, and belong to
/// whom they did. The account is gone after the archive was taken, and then before.
async fn absent(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    let app = format!("app_{name}");
    server.user(&app, name, "ALL");
    let package = match server.is_mariadb() {
        true => format!(
            "DELIMITER $$\nSET sql_mode = 'ORACLE'$$\n\
             CREATE DEFINER={app} PACKAGE pk AS FUNCTION g RETURN int; END$$\n\
             CREATE DEFINER={app} PACKAGE BODY pk AS FUNCTION g RETURN int AS BEGIN RETURN 2; END; END$$\nDELIMITER ;\n\
             SET sql_mode = DEFAULT; CREATE VIEW over_package AS SELECT {name}.pk.g() AS z;"
        ),
        false => String::new(),
    };
    server.sql(
        name,
        &format!(
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE DEFINER={app} VIEW v1 AS SELECT a FROM t; \
             CREATE DEFINER={app} VIEW a_v2 AS SELECT a + 1 AS b FROM v1; CREATE SQL SECURITY INVOKER VIEW a_v3 AS SELECT b FROM a_v2; \
             CREATE DEFINER={app} FUNCTION f(x int) RETURNS int DETERMINISTIC RETURN x + 1; CREATE VIEW vf AS SELECT f(a) AS z FROM v1; \
             CREATE DEFINER={app} TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = (SELECT max(z) FROM vf);\n{package}"
        ),
    );
    let (before, dir) = (defined(server, name), tempfile::tempdir().unwrap());
    let whole = dump(&source, dir.path(), 1).await.unwrap();
    server.sql("", &format!("DROP USER {app}"));
    let late = dump(&source, dir.path(), 1).await.unwrap();
    for sealed in [&whole, &late] {
        let target = server.fresh();
        for mode in [LoadMode::Clean, LoadMode::Replace] {
            let loaded = load(&target, sealed, mode).await.unwrap();
            let [said] = &loaded.warnings[..] else { panic!("{mode:?}: {:?}", loaded.warnings) };
            assert!(said.starts_with(&format!("definer `{app}`@`%` does not exist here: ")), "{said}");
            for object in ["view v1", "view a_v2", "function f", "trigger tr"] {
                assert!(said.contains(object), "{object}: {said}");
            }
            let fails = server.try_sql(name_of(&target), "SELECT * FROM a_v3");
            assert!(fails.is_err(), "an absent definer's view works for nobody: {fails:?}");
        }
        // With its account all is as it was.
        server.user(&app, name_of(&target), "ALL");
        assert_eq!(server.sql(name_of(&target), "SELECT b, z FROM a_v3, vf"), "2\t2");
        if std::ptr::eq(sealed, &whole) {
            assert_eq!(defined(server, name_of(&target)), before);
        }
        server.sql("", &format!("DROP USER {app}"));
    }
}

/// An account that is there, and may do nothing in the database that the archive is restored into: what it made is made again.
async fn without_rights(server: &Server) {
    let source = server.fresh();
    let app = format!("app_{}", name_of(&source));
    server.user(&app, name_of(&source), "ALL");
    server.sql(
        name_of(&source),
        &format!(
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE DEFINER={app} VIEW v1 AS SELECT a FROM t; \
             CREATE VIEW v2 AS SELECT a FROM v1; CREATE DEFINER={app} VIEW v3 AS SELECT a FROM v2"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let target = server.fresh();
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        let loaded = load(&target, &sealed, mode).await.unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{mode:?}");
    }
    server.sql("", &format!("GRANT SELECT, SHOW VIEW ON {}.* TO {app}", name_of(&target)));
    assert_eq!(server.sql(name_of(&target), "SELECT a FROM v3"), "1");
    assert_eq!(defined(server, name_of(&source)), defined(server, name_of(&target)));
}

/// Rows alone are loaded by who may not make another's trigger: it works again, and it is said whose it is now.
async fn set_aside(server: &Server) {
    let (source, target) = (filled(server), filled(server));
    let (name, user) = (name_of(&target).to_owned(), format!("plain_{}", name_of(&target)));
    server.sql(name_of(&source), "DROP TRIGGER tr; INSERT INTO t VALUES (0)");
    server.user(&user, &name, "ALL");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let loaded = load(&server.database_as(&name, &user), &sealed, LoadMode::DataOnly).await.unwrap();
    let said = format!("trigger tr: definer `gh``ost`@`localhost` cannot be set by user {user}, whose it is now");
    assert_eq!(loaded.warnings, [said]);
    server.sql(&name, "INSERT INTO t VALUES (0)");
    assert_eq!(server.sql(&name, "SELECT group_concat(a ORDER BY a), (SELECT count(*) FROM t) FROM t"), "0,1,7\t3");
    assert_eq!(server.sql(&name, "SHOW TABLES LIKE 'upkeep%'"), "");
}

/// The key of the configuration reaches the archive and the restore.
#[test]
fn a_target_says_whose_its_objects_are() {
    let Some(server) = server(Which::MariaDb) else { return };
    let world = World::new(Db::MySql(server));
    world.sql("CREATE DEFINER=ghost@localhost VIEW v AS SELECT id FROM note");
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), config.replace("[targets.notes.backup]", "definers = \"strip\"\n[targets.notes.backup]"))
        .unwrap();
    assert!(world.run(&["backup", "notes"]).status.success());
    let label = world.json(&["list", "notes"])[0]["label"].as_str().unwrap().to_owned();
    assert_eq!(world.json(&["inspect", &label])["server"]["extra"]["definers"], "stripped: `ghost`@`localhost`");
    std::fs::write(world.config(), &config).unwrap();
    assert!(world.run(&["backup", "notes"]).status.success());
    std::fs::write(
        world.config(),
        config.replace("[targets.notes.backup]", "definers = \"root@localhost\"\n[targets.notes.backup]"),
    )
    .unwrap();
    assert!(world.run(&["restore", "notes", "--replace"]).status.success());
    assert_eq!(world.ask("SELECT definer FROM information_schema.views WHERE table_schema = DATABASE()"), "root@localhost");
}
