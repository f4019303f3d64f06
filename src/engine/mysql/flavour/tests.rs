use super::*;

fn version(version: &str, comment: &str) -> Version {
    Version::of(version, comment).unwrap()
}

#[test]
fn the_server_says_which_it_is() {
    for (text, comment, name, short) in [
        ("8.0.39", "MySQL Community Server - GPL", "mysql", "8.0.39"),
        ("8.0.36-28", "Percona Server (GPL), Release 28", "mysql", "8.0.36"),
        ("9.7.4-2", "(Debian)", "mysql", "9.7.4"),
        ("10.11.19-MariaDB-0+deb12u1-log", "Debian 12", "mariadb", "10.11.19"),
        ("5.5.5-10.6.12-MariaDB", "", "mariadb", "10.6.12"),
        ("11.8.9", "mariadb.org binary distribution", "mariadb", "11.8.9"),
    ] {
        let found = version(text, comment);
        assert_eq!((found.name(), found.text.as_str()), (name, short), "{text}");
        assert_eq!(found.demand_supported(), Ok(()), "{text}");
    }
    assert_eq!(Version::of("unknown", ""), None);
}

#[test]
fn old_releases_are_named_with_the_oldest_that_will_do() {
    assert_eq!(version("5.7.44", "MySQL").demand_supported(), Err("8.0".to_owned()));
    assert_eq!(version("10.5.25-MariaDB", "").demand_supported(), Err("10.6".to_owned()));
}

#[test]
fn what_the_servers_call_the_binary_log() {
    assert_eq!(version("8.0.39", "").binlog_status(), "SHOW MASTER STATUS");
    assert_eq!(version("8.4.0", "").binlog_status(), "SHOW BINARY LOG STATUS");
    assert_eq!(version("9.7.4", "").binlog_status(), "SHOW BINARY LOG STATUS");
    assert_eq!(version("11.8.9-MariaDB", "").binlog_status(), "SHOW BINLOG STATUS");
}

#[test]
fn libraries_and_literal_grants_are_where_the_release_has_them() {
    for (text, libraries, literal) in [
        ("8.0.13", false, false),
        ("8.0.16", false, true),
        ("9.1.0", false, true),
        ("9.2.0", true, true),
        ("11.8.9-MariaDB", false, false),
    ] {
        let found = version(text, "");
        assert_eq!((found.libraries().is_some(), found.takes_grants_literally().is_some()), (libraries, literal), "{text}");
    }
}
