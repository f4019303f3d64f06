use super::*;

#[test]
fn the_object_that_shows_a_definition() {
    for (sql, expected) in [
        ("CREATE TABLE a (b int)", "TABLE a"),
        ("create table if not exists `a b`.`c` (d int)", "TABLE `a b`.`c`"),
        ("/*!40000 ALTER TABLE `t` DISABLE KEYS */", "TABLE `t`"),
        ("ALTER TABLE t ADD COLUMN c int, ADD INDEX (c)", "TABLE t"),
        ("ALTER TABLE t RENAME TO u", "TABLE t"),
        ("RENAME TABLE a TO b", "TABLE a"),
        ("DROP TABLE a", "TABLE a"),
        ("CREATE UNIQUE INDEX i ON t (a, b)", "TABLE t"),
        ("DROP INDEX i ON t", "TABLE t"),
        ("CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY INVOKER VIEW v AS SELECT 1", "VIEW v"),
        ("CREATE DEFINER=CURRENT_USER() PROCEDURE p() SELECT 1", "PROCEDURE p"),
        ("CREATE DEFINER=root@localhost TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.x = 1", "TRIGGER t"),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", "EVENT e"),
        ("DROP FUNCTION f", "FUNCTION f"),
    ] {
        assert_eq!(object(sql).map(|object| format!("{} {}", object.kind, object.name)).as_deref(), Some(expected), "{sql}");
    }
    for sql in [
        "RENAME TABLE a TO b, c TO d",
        "DROP TABLE a, b",
        "CREATE TABLE a AS SELECT 1",
        "ALTER TABLE a EXCHANGE PARTITION p WITH TABLE b",
        "CREATE USER a",
        "GRANT ALL ON a.* TO b",
        "INSERT INTO a VALUES (1)",
        "CREATE DATABASE d",
        "CREATE TABLE 'x' (a int)",
    ] {
        assert_eq!(object(sql), None, "{sql}");
    }
}

#[test]
fn a_name_says_its_database_or_not() {
    let of = |name: &str| Object { kind: "TABLE", name: name.to_owned() }.is_qualified();
    for name in ["a.b", "`a`.`b`", "`a``b`.c", "a.`b.c`"] {
        assert!(of(name), "{name}");
    }
    for name in ["a", "`a`", "`a.b`", "`a``.b`"] {
        assert!(!of(name), "{name}");
    }
}
