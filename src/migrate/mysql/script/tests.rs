use super::*;
use crate::migrate::prepare::{How, prepare};

#[test]
fn the_servers_line_is_found_in_its_message() {
    let message =
        "You have an error in your SQL syntax; check the manual for the right syntax to use near 'at line 9' at line 3";
    assert_eq!(line_in(message), Some(3));
    assert_eq!(line_in("Unknown column 'a' in 'field list'"), None);
    for (message, name) in [
        ("Unknown column 't.a' in 'field list'", Some("a")),
        ("Table 'd.nowhere' doesn't exist", Some("nowhere")),
        ("Duplicate entry '1' for key 'PRIMARY'", None),
    ] {
        assert_eq!(missing(message), name, "{message}");
    }
}

#[test]
fn a_counter_is_no_part_of_a_definition() {
    let table = |counter| format!("CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB{counter} DEFAULT CHARSET=latin1");
    assert_eq!(without_counter(&table(" AUTO_INCREMENT=123")), table(""));
    assert_eq!(without_counter(&table("")), table(""));
}

fn script(text: &str) -> Prepared {
    prepare("V1__x.sql", text.to_owned(), Dialect::MySql, How { mixed: true, in_transaction: None }).unwrap()
}

#[test]
fn what_was_prepared_is_one_statement_unless_it_may_be_a_procedure() {
    let whole = |text: &str, lasting| {
        let script = script(text);
        let all = statements(&script);
        is_whole(&all, all.len() - 1, lasting)
    };
    let conditional = "SET @s = IF(1, 'ALTER TABLE t ADD recall int', 'SELECT 1'); PREPARE s FROM @s; EXECUTE s";
    assert!(whole(conditional, false) && whole(conditional, true));
    assert!(!whole("SET @s = 'call p()'; PREPARE s FROM @s; EXECUTE s", false));
    assert!(!whole("EXECUTE IMMEDIATE 'CALL p()'", false));
    let rows = "SET @s = 'INSERT INTO t VALUES (1)'; PREPARE s FROM @s; EXECUTE s";
    assert!(whole(rows, false) && !whole(rows, true));
}

#[test]
fn an_object_of_another_database_is_not_looked_for_in_ours() {
    let text = "ALTER TABLE a ADD b int; USE other; ALTER TABLE a ADD b int; ALTER TABLE other.a ADD b int; ALTER TABLE `o.a` ADD b int";
    let script = script(text);
    let all = statements(&script);
    let is_shown: Vec<bool> = (0..=all.len()).map(|index| shown(&all, index).is_some()).collect();
    assert_eq!(is_shown, [true, false, false, true, false, false]);
}
