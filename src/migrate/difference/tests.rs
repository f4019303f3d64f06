use super::*;
use crate::migrate::tests::put;

#[test]
fn what_careless_tools_do_to_a_text_is_known_without_the_old_one() {
    let now = "CREATE TABLE a (\n    id int\n);";
    let cases = [
        ("CREATE TABLE a (  \n    id int\t\n);", None),
        ("\u{feff}\u{feff}CREATE TABLE a (\n    id int\n);", Some(Difference::ByteOrderMark)),
        (
            "CREATE TABLE a (\n\tid int\n);",
            Some(Difference::Whitespace { what: "tabs stood where there are four blanks".to_owned() }),
        ),
        ("CREATE TABLE b (\n    id int\n);", None),
    ];
    for (then, expected) in cases {
        assert_eq!(explain(now, checksum::of(then), None), expected, "{then:?}");
    }
    // Blanks that are there now and were not then.
    let trailing = Difference::Whitespace { what: "at the ends of lines".to_owned() };
    assert_eq!(explain("SELECT 1;  \n", checksum::of("SELECT 1;\n"), None), Some(trailing));
}

#[test]
fn a_real_edit_is_shown_when_the_old_script_was_kept() {
    let store = tempfile::tempdir().unwrap();
    let old = "CREATE TABLE a (\n  id int,\n  body text\n);\nSELECT 1;\n";
    put(store.path(), "somedigest", old);
    let new = "CREATE TABLE a (\n  id bigint,\n  body text\n);\nSELECT 1;\n";
    let difference = explain(new, checksum::of(old), Some(store.path())).unwrap();
    assert_eq!(difference.to_string(), "it was edited from line 2: -  id int, +  id bigint,");
    let longer = old.replace("SELECT 1;", "SELECT\n 1;");
    assert_eq!(
        explain(&longer, checksum::of(old), Some(store.path())),
        Some(Difference::Whitespace { what: "as the kept script shows".to_owned() })
    );
    let many = (0..20).map(|n| format!("line {n}\n")).collect::<String>();
    let Some(Difference::Edited { line: 1, lines }) = explain(&many, checksum::of(old), Some(store.path())) else { panic!() };
    assert_eq!((lines.len(), lines[lines.len() - 1].as_str()), (5 + 7, "+… 14 more"));
    assert_eq!(explain(new, 12345, Some(store.path())), None);
}
