//! MySQL and MariaDB: texts of definitions that mislead who looks for one word in them. Dumped, and loaded into a database of
//! another name.

use upkeep::engine::{Engine, LoadMode};

use crate::mysql_backup::{same, text_of};
use crate::support::mysql::{Server, dump, load, name_of, on_every_server};

on_every_server! { shared;
    a_function_with_a_from_names_no_table: functions_with_from;
    a_triggers_head_names_no_database: heads;
    a_view_calls_the_package_beside_it: packages;
    a_body_may_have_lines_of_semicolons: semicolons;
    a_comment_is_no_counter: comments;
    a_comment_has_the_backslashes_it_had: backslashes;
}

/// In a database that is called like its table and has a column that is called like one of another.
async fn functions_with_from(server: &Server) {
    let (source, copy) = (server.fresh(), server.fresh());
    let name = name_of(&source);
    server.sql(
        name,
        &format!(
            "CREATE TABLE {name} (id int, name varchar(10), d date); INSERT INTO {name} VALUES (1, 'xa', '2001-02-03'); \
             CREATE TABLE other (id int, name varchar(10), d date); INSERT INTO other VALUES (7, 'xb', '2007-08-09'); \
             CREATE VIEW v AS SELECT (SELECT trim(LEADING 'x' FROM {name}.name) FROM other o LIMIT 1) AS n, \
               (SELECT extract(YEAR FROM {name}.d) FROM other o LIMIT 1) AS y, \
               trim(LEADING (SELECT 'x' FROM {name}.other LIMIT 1) FROM {name}.name) AS m FROM {name}.{name}"
        ),
    );
    assert_eq!(server.sql(name, "SELECT * FROM v"), "a\t2001\ta");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    server.sql("", &format!("DROP DATABASE {name}"));
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        load(&copy, &sealed, mode).await.unwrap();
        assert_eq!(server.sql(name_of(&copy), "SELECT * FROM v"), "a\t2001\ta", "{mode:?}");
    }
}

/// MariaDB keeps them as they were typed.
async fn heads(server: &Server) {
    let (source, copy) = (server.fresh(), server.fresh());
    let name = name_of(&source);
    server.sql(
        name,
        &format!(
            "CREATE TABLE t (a varchar(200)); CREATE TABLE `for each row` (a int); \
             CREATE TRIGGER {name} . t1 BEFORE INSERT ON {name} . t FOR EACH ROW SET NEW.a = concat(NEW.a, '1'); \
             CREATE TRIGGER {name}/*c*/./* d */t2 BEFORE INSERT ON/**/{name}/**/./**/t FOR EACH/*x*/ROW/**/SET NEW.a = concat(NEW.a, '2'); \
             CREATE TRIGGER `for each row` BEFORE INSERT ON {name}.`for each row` for each row SET NEW.a = 3; \
             CREATE TRIGGER IF NOT EXISTS `{name}`.`t4` BEFORE INSERT ON`{name}`.t FOR EACH ROW SET NEW.a = concat(NEW.a, '4'); \
             CREATE TRIGGER {name}.t5 -- it's\nBEFORE INSERT # it's\nON {name}.t FOR EACH\n ROW FOLLOWS t2 SET NEW.a = concat(NEW.a, '5'); \
             SET sql_mode = 'ANSI_QUOTES'; \
             CREATE TRIGGER \"{name}\".\"t\"\"6\" BEFORE INSERT ON \"{name}\".\"t\" FOR EACH ROW SET NEW.\"a\" = concat(NEW.a, '6')"
        ),
    );
    let look = "SELECT trigger_name, event_object_schema = trigger_schema, event_object_table, action_order, action_statement, sql_mode \
        FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY event_object_table, action_order; \
        INSERT INTO t VALUES ('x'); SELECT * FROM t; DELETE FROM t";
    let triggers = server.sql(name, look);
    assert!(triggers.ends_with("x12546") || triggers.ends_with("x12564"), "{triggers}");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        load(&copy, &sealed, mode).await.unwrap();
        assert_eq!(server.sql(name_of(&copy), look), triggers, "{mode:?}");
        assert!(Engine::of(&copy).shape(&[]).await.unwrap().same_as(&sealed.manifest.shape), "{mode:?}");
    }
    assert_eq!(server.sql(name, look), triggers);
}

async fn packages(server: &Server) {
    if !server.is_mariadb() {
        return;
    }
    let (source, copy) = (server.fresh(), server.fresh());
    let name = name_of(&source);
    server.sql(
        name,
        &format!(
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1); SET sql_mode = 'ORACLE';\nDELIMITER $$\n\
             CREATE PACKAGE p1 AS FUNCTION f(a int) RETURN int; END$$\n\
             CREATE PACKAGE BODY p1 AS FUNCTION f(a int) RETURN int AS BEGIN RETURN a + 6; END; END$$\nDELIMITER ;\n\
             CREATE VIEW v1 AS SELECT p1.f(t.a) AS a FROM t; SET sql_mode = DEFAULT; \
             CREATE VIEW v2 AS SELECT {name}.p1.f({name}.p1.f({name}.t.a)) AS a, '{name}.p1.f()' AS s FROM {name}.t"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        let loaded = load(&copy, &sealed, mode).await.unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{mode:?}");
        same(server, name, name_of(&copy));
        assert!(Engine::of(&copy).shape(&[]).await.unwrap().same_as(&sealed.manifest.shape), "{mode:?}");
    }
    server.sql("", &format!("DROP DATABASE {name}"));
    let all = "SELECT v1.a, v2.a FROM v1 JOIN v2";
    assert_eq!(server.sql(name_of(&copy), all), "7\t13");
    server.sql("", &format!("CREATE DATABASE {name}"));
    server.restore_by_hand(&sealed.path, name).unwrap();
    assert_eq!(server.sql(name, all), "7\t13");
}

async fn semicolons(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(
        name,
        "CREATE TABLE t (a varchar(100));\nDELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT '\n;;\n;; \n ;;\n;;;;\n'; SELECT 1; END$$\n\
         CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = '\n;; \t\n'; END$$\n\
         CREATE FUNCTION f() RETURNS int DETERMINISTIC BEGIN RETURN 1; END$$\nDELIMITER ;\nINSERT INTO t VALUES ('')",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let text = text_of(&sealed.path);
    for delimiter in ["DELIMITER ;;\n", "DELIMITER ;;;\n", "DELIMITER ;;;;;\n"] {
        assert!(text.contains(delimiter), "{delimiter} {text}");
    }
    for by_hand in [false, true] {
        let copy = server.fresh();
        if by_hand {
            server.restore_by_hand(&sealed.path, name_of(&copy)).unwrap();
        } else {
            load(&copy, &sealed, LoadMode::Clean).await.unwrap();
        }
        same(server, name, name_of(&copy));
    }
}

/// In a table that is large enough for its indexes to come after its rows.
async fn comments(server: &Server) {
    let (source, copy) = (server.fresh(), server.fresh());
    let name = name_of(&source);
    server.sql(
        name,
        "CREATE TABLE big (a int PRIMARY KEY COMMENT 'not an AUTO_INCREMENT', b int AUTO_INCREMENT, v longtext, KEY (b)) \
           COMMENT 'it''s\n) ENGINE=InnoDB AUTO_INCREMENT=9 y'; \
         INSERT INTO big (a, v) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) \
           SELECT i, REPEAT(SHA2(i, 256), 1000) FROM n; ALTER TABLE big AUTO_INCREMENT = 1000; \
         CREATE TABLE small (a int AUTO_INCREMENT PRIMARY KEY COMMENT ' AUTO_INCREMENT=3') AUTO_INCREMENT = 5; ANALYZE TABLE big",
    );
    let size = "SELECT data_length FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'big'";
    assert!(server.sql(name, size).parse::<u64>().unwrap() > 16 << 20, "it is no large table");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        load(&copy, &sealed, mode).await.unwrap();
        same(server, name, name_of(&copy));
    }
}

/// Servers print the comment of a routine and of an event with escapes; the mode some of these were made under knows none.
async fn backslashes(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(
        name,
        r"CREATE PROCEDURE p1() COMMENT 'a\\b''c\nd\\' SELECT 'q\\w'; CREATE TABLE t1 (a int COMMENT 'c\\d''\\') COMMENT 't\\';
          CREATE EVENT e1 ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' COMMENT 'e\\v\\' DO DO 1;
          SET sql_mode = 'NO_BACKSLASH_ESCAPES';
          CREATE PROCEDURE p2() COMMENT 'a\b''c\' SELECT 'COMMENT ''a\b'''; CREATE FUNCTION f2() RETURNS int DETERMINISTIC COMMENT 'x\' RETURN 1;
          CREATE EVENT e2 ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' COMMENT 'e\v\' DO SELECT 'DO\';
          CREATE TABLE t2 (a int COMMENT 'c\d''\') COMMENT 't\';
          SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'; CREATE PROCEDURE p3() COMMENT 'a\b' SELECT 1",
    );
    let asked = "SELECT ROUTINE_NAME, HEX(ROUTINE_COMMENT) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() \
        UNION ALL SELECT EVENT_NAME, HEX(EVENT_COMMENT) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() \
        UNION ALL SELECT TABLE_NAME, HEX(TABLE_COMMENT) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1";
    let comments = server.sql(name, asked);
    assert!(comments.contains("f2\t785C") && !comments.contains("785C5C"), "{comments}");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    for by_hand in [false, true] {
        let copy = server.fresh();
        if by_hand {
            server.restore_by_hand(&sealed.path, name_of(&copy)).unwrap();
        } else {
            assert_eq!(load(&copy, &sealed, LoadMode::Clean).await.unwrap().warnings, Vec::<String>::new());
        }
        assert_eq!(server.sql(name_of(&copy), asked), comments, "by hand: {by_hand}");
    }
}
