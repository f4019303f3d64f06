use super::*;

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
    let error = place.options(None).unwrap_err().to_string();
    assert!(error.contains("ssl-mode REQUIRED") && error.contains("Unix socket"), "{error}");
}

#[test]
fn names_and_texts_are_quoted() {
    assert_eq!(quote("a`b"), "`a``b`");
    assert_eq!(literal("it's \\"), "'it\\'s \\\\'");
}
