use super::*;

#[test]
fn the_servers_line_is_found_in_its_message() {
    let message =
        "You have an error in your SQL syntax; check the manual for the right syntax to use near 'at line 9' at line 3";
    assert_eq!(line_in(message), 3);
    assert_eq!(line_in("Unknown column 'a' in 'field list'"), 1);
}

#[test]
fn a_counter_is_no_part_of_a_definition() {
    let table = |counter| format!("CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB{counter} DEFAULT CHARSET=latin1");
    assert_eq!(without_counter(&table(" AUTO_INCREMENT=123")), table(""));
    assert_eq!(without_counter(&table("")), table(""));
}

#[test]
fn our_table_is_locked_with_the_scripts() {
    assert_eq!(locking("LOCK TABLES `t` WRITE", "`d`.`j`"), "LOCK TABLES `d`.`j` WRITE, `t` WRITE");
    assert_eq!(locking("/*!40000 lock table t READ WAIT 5 */", "j"), "/*!40000 lock table j WRITE, t READ WAIT 5 */");
}

#[test]
fn engines_without_transactions_are_told_by_their_names() {
    assert!(names_lasting_engine("CREATE TABLE t (a int) ENGINE=myisam"));
    assert!(!names_lasting_engine("CREATE TABLE memory_of (a int) ENGINE=InnoDB"));
}
