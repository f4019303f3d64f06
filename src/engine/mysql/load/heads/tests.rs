use rstest::rstest;

use super::*;

#[rstest]
#[case::every(
    "CREATE DEFINER=`a`@`b` EVENT `ON COMPLETION PRESERVE ENABLE` ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' ON COMPLETION PRESERVE ENABLE COMMENT 'ENABLE' DO SELECT 1",
    Some(
        "CREATE DEFINER=`a`@`b` EVENT `ON COMPLETION PRESERVE ENABLE` ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' ON COMPLETION PRESERVE DISABLE COMMENT 'ENABLE' DO SELECT 1"
    )
)]
#[case::once(
    "CREATE EVENT e ON SCHEDULE AT '2030-01-01' ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1",
    Some("CREATE EVENT e ON SCHEDULE AT '2030-01-01' ON COMPLETION NOT PRESERVE DISABLE DO SELECT 1")
)]
#[case::disabled(
    "CREATE EVENT e ON SCHEDULE AT '2030-01-01' ON COMPLETION NOT PRESERVE DISABLE DO SELECT 'ON COMPLETION PRESERVE ENABLE'",
    None
)]
#[case::no_event("CREATE TRIGGER `EVENT ` BEFORE INSERT ON t FOR EACH ROW SET @a = 1", None)]
fn disables_events_and_nothing_else(#[case] sql: &str, #[case] expected: Option<&str>) {
    assert_eq!(disabled(sql).as_deref(), expected);
}

#[rstest]
#[case::view("CREATE ALGORITHM=UNDEFINED DEFINER=`a VIEW b`@`%` SQL SECURITY DEFINER VIEW `v``w` AS select 1", Some((Kind::View, "`v``w`")))]
#[case::function("CREATE DEFINER=`a`@`b` AGGREGATE FUNCTION `f`(x int) RETURNS int BEGIN END", Some((Kind::Function, "`f`")))]
#[case::package("CREATE DEFINER=\"a\"@\"b\" PACKAGE BODY \"p q\" AS\nEND", Some((Kind::PackageBody, "\"p q\"")))]
#[case::trigger("CREATE DEFINER=`a`@`b` TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @x = 'VIEW v'", Some((Kind::Trigger, "tr")))]
#[case::settings("SET NAMES utf8mb4", None)]
#[case::table("CREATE TABLE `t` (\n  `a VIEW b` int)", None)]
fn a_head_says_what_is_made(#[case] sql: &str, #[case] expected: Option<(Kind, &str)>) {
    assert_eq!(made_by(sql), expected);
}

#[test]
fn what_is_there_is_made_again() {
    assert_eq!(
        again("CREATE DEFINER=`a`@`b` FUNCTION `f`() RETURN 1", false).unwrap(),
        ["DROP FUNCTION IF EXISTS `f`", "CREATE DEFINER=`a`@`b` FUNCTION `f`() RETURN 1"]
    );
    assert_eq!(
        again("CREATE DEFINER=`a`@`b` FUNCTION `f`() RETURN 1", true).unwrap(),
        ["CREATE OR REPLACE DEFINER=`a`@`b` FUNCTION `f`() RETURN 1"]
    );
    assert_eq!(named("CREATE DEFINER=`a`@`b` FUNCTION `f g`() RETURN 1"), "function f g");
}
