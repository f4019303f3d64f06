use super::*;

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
