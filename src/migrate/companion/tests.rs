use super::*;

#[test]
fn a_companion_is_read_key_by_key() {
    let text = "\u{feff}# a remark\n\nexecuteInTransaction = FALSE\nencoding=ISO-8859-1\r\nplaceholderReplacement:false\nshouldExecute=true";
    let expected = Companion {
        in_transaction: Some(false),
        encoding: Some(Encoding::Latin1),
        placeholders: Some(false),
        execute: Some(true),
    };
    assert_eq!(Companion::read(text), Ok(expected));
    assert_eq!(Companion::read(""), Ok(Companion::default()));
}

#[test]
fn what_it_does_not_know_is_an_error() {
    for (text, said) in [
        ("executeInTransaction=maybe", "line 1: `executeInTransaction` must be true or false, and is `maybe`"),
        ("\nshouldRun=true", "line 2: `shouldRun` is no setting of a script"),
        ("nonsense", "line 1: `nonsense` is no setting of a script"),
    ] {
        assert_eq!(Companion::read(text).unwrap_err(), said);
    }
    assert!(Companion::read("encoding=x").unwrap_err().starts_with("line 1: encoding `x` is not read here"));
}
