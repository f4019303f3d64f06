use super::*;
use crate::migrate::mysql::resume::statements;
use crate::migrate::prepare::{How, prepare};

fn asks_about_the_last(sql: &str) -> bool {
    let how = How { mixed: true, in_transaction: None };
    let script = prepare("V1__x.sql", sql.to_owned(), Dialect::MySql, how).unwrap();
    asks_back(statements(&script)[0].sql, statements(&script)[0].head)
}

#[test]
fn who_asks_about_the_statement_before() {
    for sql in [
        "SET @n = ROW_COUNT()",
        "INSERT INTO audit SELECT found_rows()",
        "GET DIAGNOSTICS @n = ROW_COUNT",
        "SHOW COUNT(*) WARNINGS",
        "SELECT @@warning_count",
        "SELECT @@session.error_count + 1",
    ] {
        assert!(asks_about_the_last(sql), "{sql}");
    }
    for sql in [
        "INSERT INTO errors (row_count, error_count) VALUES (1, 2)",
        "SELECT t.warning_count FROM warnings t",
        "SET @row_count = 1",
        "SHOW TABLES",
        "SELECT 'ROW_COUNT()'",
    ] {
        assert!(!asks_about_the_last(sql), "{sql}");
    }
}

#[test]
fn who_asks_for_the_last_number() {
    for sql in [
        "SELECT LAST_INSERT_ID()",
        "INSERT INTO b VALUES (last_insert_id ())",
        "SET @a = @@identity",
        "SELECT @@LAST_INSERT_ID",
    ] {
        assert!(asks_last_id(sql), "{sql}");
    }
    for sql in ["SELECT identity FROM a", "SELECT @identity", "SELECT last_insert_id FROM a"] {
        assert!(!asks_last_id(sql), "{sql}");
    }
}

#[test]
fn what_may_be_a_stored_function() {
    for sql in ["SET @id = add_row()", "SET @id = d.count(1)", "SET @id = `count`(1)", "SET @a = (SELECT CONCAT(f (1), ''))"] {
        assert!(calls_stored(sql), "{sql}");
    }
    for sql in [
        "SET @s = (SELECT IF(COUNT(*) > 0, 'f()', 'SELECT 1') FROM x WHERE a IN (1) AND (b = DATABASE()))",
        "SET @a = (1), @b = NOW(6)",
        "SET @a = LAST_INSERT_ID()",
    ] {
        assert!(!calls_stored(sql), "{sql}");
    }
}

#[test]
fn what_a_set_sets_and_reads() {
    let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let cases: [(&str, &[&str], &[&str], bool); 7] = [
        ("SET @a = 1, @`B` := @c + 1", &["a", "b"], &["c"], false),
        ("SET sql_mode = @old", &[], &["old"], true),
        ("/*!40101 SET @OLD=@@SQL_MODE, SQL_MODE='X' */", &["old"], &[], true),
        ("SET @a = CONCAT(1, @b)", &["a"], &["b"], false),
        ("SET @@SESSION.time_zone = 'x'", &[], &[], true),
        ("SET GLOBAL x = @a", &[], &["a"], false),
        ("SET @@GLOBAL.x = 1", &[], &[], false),
    ];
    for (sql, given, read, session) in cases {
        let expected = Assignment { given: names(given), read: names(read), session };
        assert_eq!(assignment(sql), expected, "{sql}");
    }
}
