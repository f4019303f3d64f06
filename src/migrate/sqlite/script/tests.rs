use super::*;

#[test]
fn what_a_message_is_about_is_found_in_it() {
    for (message, name) in [
        ("no such table: main.nowhere", Some("nowhere")),
        ("no such column: nope", Some("nope")),
        ("near \"FORM\": syntax error", Some("FORM")),
        ("unrecognized token: \"@\"", Some("@")),
        ("UNIQUE constraint failed: t.a", None),
        ("incomplete input", None),
    ] {
        assert_eq!(named(message), name, "{message}");
    }
}
