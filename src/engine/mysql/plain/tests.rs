use rstest::rstest;

use super::*;

#[rstest]
#[case::name("`a``'b` int", "_______ int")]
#[case::comment(r"COMMENT='it''s\n) AUTO_INCREMENT=9 \\' x", "COMMENT=______________________________ x")]
#[case::backslash(r"check (`a` <> 'it\'s') x", "check (___ <> _______) x")]
#[case::backslash_in_a_name(r"`\` int", "___ int")]
#[case::backslash_in_an_ansi_name(r#""\" int"#, "___ int")]
#[case::wide("`ü` int", "____ int")]
#[case::open("a 'b", "a __")]
fn what_is_in_quotes_is_blanked_out(#[case] sql: &str, #[case] expected: &str) {
    assert_eq!(without_quoted(sql), expected);
    assert_eq!(sql.len(), expected.len());
}
