use rstest::rstest;

use super::*;

fn grants(lines: &[&str]) -> Grants {
    on(lines, "shop_db", Choice::FirstWildcard)
}

fn on(lines: &[&str], database: &str, choice: Choice) -> Grants {
    Grants::of(lines.iter().map(|line| (*line).to_owned()), database, choice)
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

#[rstest]
#[case::first_by_its_name(Choice::FirstWildcard, "g1", false, &[
    "GRANT USAGE ON *.* TO `u`@`%`",
    "GRANT SELECT, SHOW VIEW ON `g1`.* TO `u`@`%`",
    "GRANT SELECT, LOCK TABLES, SHOW VIEW, EVENT, TRIGGER ON `g%`.* TO `u`@`%`",
])]
#[case::first_by_its_escaped_name(Choice::FirstWildcard, "s_1", false, &[
    "GRANT SELECT, TRIGGER ON `s%`.* TO `e1`@`%`",
    r"GRANT SELECT ON `s\_1`.* TO `e1`@`%`",
])]
#[case::not_escaped_is_a_pattern(Choice::FirstWildcard, "s_1", true, &[
    r"GRANT SELECT, TRIGGER ON `s\_1`.* TO `e2`@`%`",
    "GRANT SELECT ON `s_1`.* TO `e2`@`%`",
])]
#[case::patterns_alike_give_what_both_do(Choice::FirstWildcard, "g1", false, &[
    "GRANT SELECT, TRIGGER ON `g%`.* TO `u`@`%`",
    "GRANT ALL PRIVILEGES ON `g_`.* TO `u`@`%`",
    "GRANT SELECT ON `g%1`.* TO `u`@`%`",
])]
#[case::a_role_makes_the_name_first(Choice::Together, "g1", false, &[
    "GRANT SELECT ON `g1`.* TO `e3`@`%`",
    "GRANT SELECT, TRIGGER ON `g%`.* TO `e3`@`%`",
    "GRANT `q1`@`%` TO `e3`@`%`",
])]
#[case::a_role_adds_up_patterns(Choice::Together, "s_1", true, &[
    "GRANT SELECT, TRIGGER ON `s%`.* TO `e5`@`%`",
    "GRANT SELECT ON `s_1`.* TO `e5`@`%`",
    r"GRANT SELECT ON `s\_1`.* TO `e5`@`%`",
    "GRANT `q3`@`%` TO `e5`@`%`",
])]
#[case::no_patterns(Choice::Names, "g_1", true, &[
    "GRANT SELECT, TRIGGER ON `g_1`.* TO `p2`@`%`",
    "GRANT SELECT ON `g__`.* TO `p2`@`%`",
])]
#[case::no_patterns_and_no_name(Choice::Names, "g_1", false, &[
    "GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `g%`.* TO `p1`@`%`",
    r"GRANT SELECT, TRIGGER ON `g\_1`.* TO `p1`@`%`",
])]
#[case::mariadb_by_its_name(Choice::FewestNames, "g1", false, &[
    "GRANT SELECT, SHOW VIEW ON `g1`.* TO `u`@`%`",
    "GRANT SELECT, LOCK TABLES, SHOW VIEW, EVENT, TRIGGER ON `g%`.* TO `u`@`%`",
    "GRANT TRIGGER ON `g2`.* TO PUBLIC",
])]
#[case::mariadb_more_specific_patterns(Choice::FewestNames, "g1", true, &[
    "GRANT SELECT, TRIGGER ON `g%`.* TO `u`@`%`",
    "GRANT SELECT ON `%`.* TO `u`@`%`",
])]
#[case::mariadb_orders_that_differ(Choice::FewestNames, "s_1abc", false, &[
    "GRANT SELECT, TRIGGER ON `s%1abc`.* TO `e1`@`%`",
    r"GRANT SELECT ON `s\_1%`.* TO `e1`@`%`",
])]
#[case::mariadb_adds_a_role(Choice::FewestNames, "g1", true, &[
    "GRANT `q1` TO `e3`@`%`",
    "GRANT SELECT ON `g1`.* TO `e3`@`%`",
    "GRANT USAGE ON *.* TO `q1`",
    "GRANT SELECT, TRIGGER ON `g%`.* TO `q1`",
    "SET DEFAULT ROLE `q1` FOR `e3`@`%`",
])]
#[case::mariadb_roles_of_roles_are_one(Choice::FewestNames, "g1", false, &[
    "GRANT SELECT, TRIGGER ON `g%`.* TO `r1`",
    "GRANT USAGE ON *.* TO `r2`",
    "GRANT SELECT ON `g1`.* TO `r2`",
])]
#[case::mariadb_everybody(Choice::FewestNames, "g2", true, &[
    "GRANT SELECT ON `g2`.* TO `e6`@`%`",
    "GRANT TRIGGER ON `g2`.* TO PUBLIC",
])]
fn one_pattern_counts(#[case] choice: Choice, #[case] database: &str, #[case] sees_triggers: bool, #[case] lines: &[&str]) {
    assert_eq!(on(lines, database, choice).allow("TRIGGER"), sees_triggers, "{lines:?}");
}

#[rstest]
#[case("`shop_db`.* TO `a`@`b`", Some(("shop_db", Holder::Account)))]
#[case(r"`shop\_db`.* TO `a@b`@`%` WITH GRANT OPTION", Some((r"shop\_db", Holder::Account)))]
#[case("`a``b`.* TO ``@`%`", Some(("a`b", Holder::Account)))]
#[case("`%`.* TO `a@b`", Some(("%", Holder::Role)))]
#[case("`shop`.* TO PUBLIC", Some(("shop", Holder::Everybody)))]
#[case("`shop`.* FROM `a`@`b`", Some(("shop", Holder::Account)))]
#[case("`shop_db`.`t` TO `a`@`b`", None)]
#[case("*.* TO `a`@`b`", None)]
#[case("PROCEDURE `shop`.`p` TO `a`@`b`", None)]
fn a_grant_says_what_it_is_on_and_whose_it_is(#[case] object: &str, #[case] expected: Option<(&str, Holder)>) {
    assert_eq!(pattern_of(object), expected.map(|(pattern, holder)| (pattern.to_owned(), holder)));
}
