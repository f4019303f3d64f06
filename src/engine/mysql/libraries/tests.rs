use rstest::rstest;

use super::*;

#[rstest]
#[case::one(
    "CREATE DEFINER=`root`@`localhost` FUNCTION `fl`(n int) RETURNS int\n    DETERMINISTIC\n    LANGUAGE JAVASCRIPT\n    USING (`g1`.`lib` AS `l`)\nAS $$ return l.f(n) $$",
    "CREATE DEFINER=`root`@`localhost` FUNCTION `fl`(n int) RETURNS int\n    DETERMINISTIC\n    LANGUAGE JAVASCRIPT\n    USING (`lib` AS `l`)\nAS $$ return l.f(n) $$"
)]
#[case::another_database_and_ansi_quotes(
    "CREATE PROCEDURE \"p\"(n int)\n    LANGUAGE JAVASCRIPT\n    USING (\"g1\".\"a)\" AS \"a\", \"other\".\"g1\", \"g1\".\"ü\")\nAS $$ x $$",
    "CREATE PROCEDURE \"p\"(n int)\n    LANGUAGE JAVASCRIPT\n    USING (\"a)\" AS \"a\", \"other\".\"g1\", \"ü\")\nAS $$ x $$"
)]
#[case::what_looks_like_it(
    "CREATE FUNCTION `f`(n int /*\n    USING (`g1`.`l`)\nAS $$ */ ) RETURNS int\n    LANGUAGE JAVASCRIPT\n    USING (`g1`.`l`)\n    COMMENT '\n    USING (`g1`.`l`)'\nAS $JAVASCRIPT$\n    USING (`g1`.`l`)$JAVASCRIPT$",
    "CREATE FUNCTION `f`(n int /*\n    USING (`g1`.`l`)\nAS $$ */ ) RETURNS int\n    LANGUAGE JAVASCRIPT\n    USING (`l`)\n    COMMENT '\n    USING (`g1`.`l`)'\nAS $JAVASCRIPT$\n    USING (`g1`.`l`)$JAVASCRIPT$"
)]
fn only_its_libraries_lose_the_database(#[case] sql: &str, #[case] expected: &str) {
    assert_eq!(unqualify_libraries(sql, "g1"), expected);
}

#[rstest]
#[case::sql("CREATE FUNCTION `f`() RETURNS int\nRETURN (SELECT count(*) FROM a JOIN b\n    USING (`g1`))")]
#[case::none("CREATE FUNCTION `f`() RETURNS int\n    LANGUAGE JAVASCRIPT\nAS $$\n    USING (`g1`.`l`) $$")]
fn without_libraries_nothing_changes(#[case] sql: &str) {
    assert_eq!(unqualify_libraries(sql, "g1"), sql);
}
