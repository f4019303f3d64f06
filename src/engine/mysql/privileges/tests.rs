use super::*;

fn grants(lines: &[&str]) -> Grants {
    Grants::of(lines.iter().map(|line| (*line).to_owned()), "shop_db")
}

#[test]
fn a_managed_account_is_read_line_by_line() {
    let grants = grants(&[
        "GRANT USAGE ON *.* TO `app`@`%`",
        "GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `shop\\_db`.* TO `app`@`%`",
        "GRANT LOCK TABLES ON `other`.* TO `app`@`%`",
        "GRANT INSERT ON `shop_db`.`orders` TO `app`@`%`",
        "GRANT `reader`@`%` TO `app`@`%`",
    ]);
    for (privilege, allowed) in
        [("SELECT", true), ("SHOW VIEW", true), ("TRIGGER", true), ("LOCK TABLES", false), ("INSERT", false), ("RELOAD", false)]
    {
        assert_eq!(grants.allow(privilege), allowed, "{privilege}");
    }
}

#[test]
fn what_was_revoked_for_the_database_is_not_given() {
    let grants = grants(&["GRANT SELECT, RELOAD ON *.* TO `app`@`%`", "REVOKE SELECT ON `shop_db`.* FROM `app`@`%`"]);
    assert!(!grants.allow("SELECT"));
    assert!(grants.allow("RELOAD") && grants.allow_everywhere("RELOAD"));
}

#[test]
fn everything_is_everything() {
    assert!(grants(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]).allow("BACKUP_ADMIN"));
    let here = grants(&["GRANT ALL PRIVILEGES ON `shop%`.* TO `app`@`%`"]);
    assert!(here.allow("LOCK TABLES") && !here.allow_everywhere("SELECT"));
}

#[test]
fn names_match_as_patterns_do() {
    for (object, is_here) in [
        ("`shop_db`.* TO `a`@`b`", true),
        ("`shop\\_db`.* TO `a`@`b`", true),
        ("`shop-db`.* TO `a`@`b`", false),
        ("`%`.* TO `a`@`b`", true),
        ("`shop`.* TO `a`@`b`", false),
        ("`shop_db`.`t` TO `a`@`b`", false),
    ] {
        assert_eq!(is_on(object, "shop_db"), is_here, "{object}");
    }
}
