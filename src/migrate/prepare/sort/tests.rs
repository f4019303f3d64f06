use super::*;
use crate::migrate::split::{Dialect, split};

fn head(sql: &str) -> Head {
    split(sql, Dialect::MySql).unwrap().remove(0).head
}

#[test]
fn statements_are_told_apart_by_their_first_words() {
    for (sql, sort) in [
        ("insert into t values (1)", Sort::Rows),
        ("(SELECT 1) UNION (SELECT 2)", Sort::Rows),
        ("LOAD DATA INFILE 'x' INTO TABLE t", Sort::Rows),
        ("LOAD INDEX INTO CACHE t", Sort::Definition),
        ("SET @a = 1", Sort::Session),
        ("GET DIAGNOSTICS @n = ROW_COUNT", Sort::Session),
        ("/*!40101 SET NAMES utf8mb4 */", Sort::Session),
        ("SET PASSWORD FOR a = 'x'", Sort::Definition),
        ("SET STATEMENT max_statement_time = 1 FOR DROP TABLE t", Sort::Definition),
        ("DROP PREPARE s", Sort::Session),
        ("DROP TABLE s", Sort::Definition),
        ("CREATE TEMPORARY TABLE t (a int)", Sort::Temporary),
        ("ALTER TABLE t ADD b int", Sort::Definition),
        (
            "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1 */",
            Sort::Definition,
        ),
        ("START TRANSACTION", Sort::Control),
        ("START REPLICA", Sort::Definition),
        ("BEGIN", Sort::Control),
        ("BEGIN NOT ATOMIC DROP TABLE t; END", Sort::Call),
        ("CALL p()", Sort::Call),
        ("EXECUTE s", Sort::Execute),
        ("LOCK TABLES t WRITE", Sort::Lock),
        ("LOCK INSTANCE FOR BACKUP", Sort::Definition),
        ("GRANT SELECT ON a.* TO b", Sort::Definition),
    ] {
        assert_eq!(Sort::of(&head(sql)), sort, "{sql}");
    }
}

#[test]
fn what_runs_twice_without_harm() {
    for sql in [
        "DROP TABLE IF EXISTS a, b",
        "CREATE TABLE IF NOT EXISTS t (a int)",
        "TRUNCATE t",
        "ANALYZE TABLE t",
        "DROP INDEX IF EXISTS i ON t",
    ] {
        assert!(repeatable(&head(sql)), "{sql}");
    }
    for sql in [
        "DROP TABLE a",
        "CREATE TABLE IF NOT EXISTS t SELECT 1",
        "ALTER TABLE t ADD a int",
        "CREATE USER u",
        "RENAME TABLE a TO b",
    ] {
        assert!(!repeatable(&head(sql)), "{sql}");
    }
}
