use rstest::rstest;

use super::*;
use crate::failure::Explain;

#[rstest]
#[case::plain("CREATE VIEW `l` AS select 'é日𝄞'")]
#[case::the_character_that_stands_for_none("CREATE VIEW `l` AS select '\u{fffd}?'")]
fn a_definition_is_what_the_server_sent(#[case] sql: &str) {
    assert_eq!(definition(Kind::View, "l", sql.as_bytes()).unwrap(), sql);
}

#[rstest]
#[case(Kind::Table, b"CREATE TABLE `t` (`b` varbinary(8) DEFAULT '\xff')", "UNHEX('ff')")]
#[case(Kind::View, b"CREATE VIEW `t` AS select _latin1'\xe9' AS `l`", "CONVERT(UNHEX('e9') USING latin1)")]
#[case(Kind::PackageBody, b"CREATE PACKAGE BODY `t` AS '\xe9'", "SET NAMES utf8mb4")]
fn bytes_that_are_no_text_are_refused_with_a_way_out(#[case] kind: Kind, #[case] sql: &[u8], #[case] way: &str) {
    let error = definition(kind, "t", sql).unwrap_err();
    assert!(error.to_string().contains(&format!("definition of {} t holds", kind.word().to_lowercase())), "{error}");
    assert!(error.hints().iter().any(|hint| hint.contains(way)), "{:?}", error.hints());
}
