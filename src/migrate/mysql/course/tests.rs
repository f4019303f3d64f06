use super::*;
use crate::migrate::mysql::resume::statements;
use crate::migrate::prepare::{How, prepare};
use crate::migrate::split::Dialect;

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

#[test]
fn a_session_may_make_such_an_engine_the_usual_one() {
    assert!(makes_lasting_engine_usual("SET default_storage_engine = MyISAM"));
    assert!(makes_lasting_engine_usual("SET @s = 'CREATE TABLE t (a int) ENGINE=Aria'"));
    assert!(!makes_lasting_engine_usual("SET default_storage_engine = InnoDB"));
    assert!(!makes_lasting_engine_usual("SET @where = 'memory'"));
}

#[test]
fn a_mark_waits_for_what_asks_and_commits_nothing() {
    let how = How { mixed: true, in_transaction: None };
    let waits = |sql: &str| {
        let script = prepare("V1__x.sql", sql.to_owned(), Dialect::MySql, how).unwrap();
        may_wait_for(&statements(&script)[0])
    };
    assert!(waits("SET @n = ROW_COUNT()") && waits("INSERT INTO audit VALUES (ROW_COUNT())"));
    assert!(waits("GET DIAGNOSTICS @n = ROW_COUNT"));
    assert!(!waits("INSERT INTO audit VALUES (1)") && !waits("SET @n = 1"));
    assert!(!waits("CALL p(ROW_COUNT())") && !waits("SET autocommit = ROW_COUNT()"));
}
