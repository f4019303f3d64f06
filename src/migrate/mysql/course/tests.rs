use super::*;

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
