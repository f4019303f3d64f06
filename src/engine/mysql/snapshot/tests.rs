use super::*;

fn grants(privileges: &str) -> Grants {
    let lines = [format!("GRANT {privileges} ON *.* TO `app`@`%`")];
    Grants::of(lines.into_iter(), "shop")
}

#[test]
fn the_strongest_way_that_is_allowed_comes_first() {
    use Way::{Global, Positions, Single, Stages, Tables};
    for (privileges, mariadb, mysql) in [
        ("ALL PRIVILEGES", vec![Stages, Tables, Positions, Single], vec![Global, Tables, Single]),
        ("SELECT, LOCK TABLES", vec![Tables, Positions, Single], vec![Tables, Single]),
        ("SELECT, FLUSH_TABLES", vec![Positions, Single], vec![Global, Single]),
        ("SELECT", vec![Positions, Single], vec![Single]),
    ] {
        assert_eq!(ways(&grants(privileges), true, 2), mariadb, "{privileges}");
        assert_eq!(ways(&grants(privileges), false, 2), mysql, "{privileges}");
    }
    assert_eq!(ways(&grants("SELECT"), true, 1), [Single]);
}

#[test]
fn snapshots_are_one_only_by_the_servers_word() {
    let at = |position: Option<&str>| Seen { position: position.map(str::to_owned), ..Seen::default() };
    assert!(is_one_moment(&[at(Some("bin.1:4")), at(Some("bin.1:4"))]));
    assert!(!is_one_moment(&[at(Some("bin.1:4")), at(Some("bin.1:5"))]));
    assert!(!is_one_moment(&[at(None), at(None)]));
}
