use super::super::privileges::Choice;
use super::*;

fn grants(privileges: &str) -> Grants {
    let lines = [format!("GRANT {privileges} ON *.* TO `app`@`%`")];
    Grants::of(lines.into_iter(), "shop", Choice::FirstWildcard)
}

#[test]
fn the_strongest_way_that_is_allowed_comes_first() {
    use Way::{Global, Single, Stages, Tables};
    for (privileges, mariadb, mysql) in [
        ("ALL PRIVILEGES", vec![Stages, Tables, Single], vec![Global, Tables, Single]),
        ("SELECT, LOCK TABLES", vec![Tables, Single], vec![Tables, Single]),
        ("SELECT, FLUSH_TABLES, PROCESS", vec![Single], vec![Global, Single]),
        ("SELECT, RELOAD, LOCK TABLES", vec![Stages, Tables, Single], vec![Tables, Single]),
        ("SELECT", vec![Single], vec![Single]),
    ] {
        assert_eq!(ways(&grants(privileges), true), mariadb, "{privileges}");
        assert_eq!(ways(&grants(privileges), false), mysql, "{privileges}");
    }
}
