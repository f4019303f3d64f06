use super::*;
use crate::config::{Database, Location};
use crate::failure::Explain as _;

#[test]
fn tls_is_refused_in_words() {
    let location = Location::MySql {
        host: "db".to_owned(),
        port: 3306,
        user: "app".to_owned(),
        database: "shop".to_owned(),
        ssl_mode: "REQUIRED".to_owned(),
    };
    let place = Place::of(&Database::at(location)).unwrap();
    let error = place.options(None).unwrap_err();
    assert!(error.to_string().contains("ssl-mode REQUIRED") && error.class() == Class::Config, "{error}");
    assert!(error.hints()[0].contains("Unix socket"), "{:?}", error.hints());
}

#[test]
fn names_and_texts_are_quoted() {
    assert_eq!(quote("a`b"), "`a``b`");
    assert_eq!(literal("it's \\"), "'it\\'s \\\\'");
}
