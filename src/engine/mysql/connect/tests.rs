use super::*;

#[test]
fn names_and_texts_are_quoted() {
    assert_eq!(quote("a`b"), "`a``b`");
    assert_eq!(literal("it's \\"), "'it\\'s \\\\'");
}
