use super::*;
use crate::config::{Database, Location};

fn place() -> Place {
    let location = Location::MySql {
        host: "/run/mysqld/mysqld.sock".to_owned(),
        port: 3306,
        user: "app".to_owned(),
        database: "shop".to_owned(),
        ssl_mode: "PREFERRED".to_owned(),
    };
    Place::of(&Database::at(location)).unwrap()
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
