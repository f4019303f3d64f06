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

/// Whoever has locked nothing keeps nobody waiting, and may wait for others as long as they take.
#[tokio::test]
async fn only_a_lock_has_a_bound() {
    assert_eq!(within(Some(Duration::ZERO), std::future::pending::<()>()).await, None);
    assert_eq!(within(None, tokio::task::yield_now()).await, Some(()));
    assert_eq!(within(Some(Duration::from_secs(600)), tokio::task::yield_now()).await, Some(()));
}
