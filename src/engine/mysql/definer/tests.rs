use rstest::rstest;

use super::*;

#[rstest]
#[case::trigger("CREATE DEFINER=`a`@`%` TRIGGER t", Some(("`a`@`%`", "CREATE DEFINER=CURRENT_USER TRIGGER t")))]
#[case::view("CREATE ALGORITHM=MERGE DEFINER=`We``ird`@`local host` SQL SECURITY INVOKER VIEW `v` AS SELECT 1",
    Some(("`We``ird`@`local host`", "CREATE ALGORITHM=MERGE DEFINER=CURRENT_USER SQL SECURITY INVOKER VIEW `v` AS SELECT 1")))]
#[case::ansi("CREATE DEFINER=\"a\"@\"b\" PROCEDURE \"p\"()", Some(("\"a\"@\"b\"", "CREATE DEFINER=CURRENT_USER PROCEDURE \"p\"()")))]
#[case::role("CREATE DEFINER=`role` FUNCTION f", Some(("`role`", "CREATE DEFINER=CURRENT_USER FUNCTION f")))]
#[case::in_a_body("CREATE TRIGGER `t` BEFORE INSERT ON x FOR EACH ROW SET @a = 'DEFINER=`a`@`b`'", None)]
#[case::no_definer("SET sql_mode = ''", None)]
fn finds_the_definer(#[case] sql: &str, #[case] expected: Option<(&str, &str)>) {
    let expected = expected.map(|(definer, sql)| (definer.to_owned(), sql.to_owned()));
    assert_eq!(without_definer(sql), expected);
}

#[rstest]
#[case::view(
    "CREATE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS SELECT 1",
    "CREATE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW `v` AS SELECT 1",
    "CREATE ALGORITHM=MERGE DEFINER=`new``one`@`localhost` SQL SECURITY DEFINER VIEW `v` AS SELECT 1"
)]
#[case::role("CREATE DEFINER=`role` FUNCTION f", "CREATE FUNCTION f", "CREATE DEFINER=`new``one`@`localhost` FUNCTION f")]
#[case::none("CREATE TABLE t (a int)", "CREATE TABLE t (a int)", "CREATE TABLE t (a int)")]
fn follows_the_rule(#[case] sql: &str, #[case] stripped: &str, #[case] rewritten: &str) {
    let rewrite = Definers::Rewrite { user: "new`one".to_owned(), host: "localhost".to_owned() };
    assert_eq!(by_rule(&Definers::Keep, sql), sql);
    assert_eq!(by_rule(&Definers::Strip, sql), stripped);
    assert_eq!(by_rule(&rewrite, sql), rewritten);
    assert_eq!(by_rule(&rewrite, &by_rule(&rewrite, sql)), rewritten);
}
