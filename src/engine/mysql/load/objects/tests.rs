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

#[test]
fn what_finishes_tables_comes_before_what_uses_them() {
    let after = ["SET a", "ALTER TABLE t ADD KEY", "ALTER TABLE u ADD KEY", "SET b", "CREATE VIEW v"].map(str::to_owned);
    assert_eq!(of_tables(&after), 3);
    assert_eq!(of_tables(&after[3..]), 0);
}
