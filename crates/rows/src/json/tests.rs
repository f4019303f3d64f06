use super::*;
use proptest::prelude::*;

fn written(text: &str) -> String {
    let mut into = Vec::new();
    json_into(&mut into, text.as_bytes());
    String::from_utf8(into).unwrap()
}

#[test]
fn what_reads_back_the_same_is_text() {
    for text in [
        r#"{"a": [1, 2.5, "0.10"], "b": null}"#,
        "[0.0001, 0.00000000015, 100000000000000.0, 1e15, 1.2345678901234568e17, 100.0, -0.0, 3.141592653589793, 0.30000000000000004]",
        "[18446744073709551615, -9223372036854775808, true, false]",
        r#""a \" 0.10 string""#,
        "[]",
    ] {
        assert!(is_stable(text.as_bytes()), "{text}");
        assert!(written(text).starts_with('\''), "{text}");
    }
}

#[test]
fn a_decimal_is_made_by_the_functions_that_make_one() {
    for (text, expected) in [
        ("0.10", "CAST(0.10 AS JSON)"),
        ("[0.000000000000000021]", "JSON_ARRAY(0.000000000000000021)"),
        ("[0.10, 1]", "JSON_ARRAY(0.10,CAST('1' AS JSON))"),
        (
            r#"{"a": 12345678901234567890123.5, "it's \"b\"": {"c": [1.50, "x"]}}"#,
            r#"JSON_OBJECT('a',12345678901234567890123.5,'it\'s "b"',JSON_OBJECT('c',JSON_ARRAY(1.50,CAST('"x"' AS JSON))))"#,
        ),
        ("[18446744073709551616]", "JSON_ARRAY(18446744073709551616)"),
        ("[3.14159265358979323846, [], {}]", "JSON_ARRAY(3.14159265358979323846,CAST('[]' AS JSON),CAST('{}' AS JSON))"),
    ] {
        assert_eq!(written(text), expected);
    }
}

#[test]
fn what_is_no_json_stays_what_it_is() {
    for text in ["[0.10", r#"{"a" 0.10}"#, "0.10]"] {
        assert_eq!(written(text).trim_matches('\''), text.trim_matches('\''), "{text}");
    }
}

proptest! {
    /// What looks stable is; and what is not, is seen wherever it stands.
    #[test]
    fn the_quick_look_is_never_too_kind(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "0.10", "1.5", "-0.0", "1e15", "12345678901234567890", "18446744073709551616", "-9223372036854775809", "9", "0.30000000000000004",
            "\"0.10\"", "\"a.b1.2\"", "\"82d37e57\"", "\"\\\"0.10\"", "{}", "null",
        ]), 0..30),
        blank in "[ ]{0,20}",
    ) {
        let text = format!("[{blank}{}]", pieces.join(", "));
        prop_assert!(!looks_stable(text.as_bytes()) || has_stable_numbers(text.as_bytes()), "{}", text);
    }
}
