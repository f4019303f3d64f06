use super::*;

fn place() -> Place {
    let location = Location::MySql {
        host: "/run/mysqld/mysqld.sock".to_owned(),
        port: 3306,
        user: "app".to_owned(),
        database: "shop".to_owned(),
        ssl_mode: "PREFERRED".to_owned(),
    };
    Place::of(&Database { location, password: None, client_bindir: Vec::new() }).unwrap()
}

#[test]
fn complaints_become_grants() {
    for (message, grant) in [
        ("SELECT command denied to user 'app'@'localhost' for table 'orders'", "GRANT SELECT ON `shop`.`orders` TO 'app'@'%';"),
        (
            "SELECT, LOCK TABLES command denied to user 'app'@'localhost' for table `shop`.`orders`",
            "GRANT SELECT, LOCK TABLES ON `shop`.`orders` TO 'app'@'%';",
        ),
        ("SHOW VIEW command denied to user 'app'@'localhost' for table 'v'", "GRANT SHOW VIEW ON `shop`.`v` TO 'app'@'%';"),
        (
            "Access denied; you need (at least one of) the RELOAD or FLUSH_TABLES privilege(s) for this operation",
            "GRANT RELOAD ON *.* TO 'app'@'%';",
        ),
        (
            "Access denied; you need (at least one of) the SUPER, BINLOG MONITOR privilege(s) for this operation",
            "GRANT SUPER ON *.* TO 'app'@'%';",
        ),
    ] {
        assert_eq!(place().grant_for(message).as_deref(), Some(grant), "{message}");
    }
    assert_eq!(place().grant_for("something else"), None);
}

#[test]
fn tls_is_refused_in_words() {
    let location = Location::MySql {
        host: "db".to_owned(),
        port: 3306,
        user: "app".to_owned(),
        database: "shop".to_owned(),
        ssl_mode: "REQUIRED".to_owned(),
    };
    let place = Place::of(&Database { location, password: None, client_bindir: Vec::new() }).unwrap();
    let error = place.options(None).unwrap_err().to_string();
    assert!(error.contains("ssl-mode REQUIRED") && error.contains("Unix socket"), "{error}");
}

#[test]
fn names_and_texts_are_quoted() {
    assert_eq!(quote("a`b"), "`a``b`");
    assert_eq!(literal("it's \\"), "'it\\'s \\\\'");
}
