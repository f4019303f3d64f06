use super::*;

#[test]
fn a_listed_view_is_spelled_as_a_shown_one() {
    let listed = Listed {
        opens: false,
        body: "select 1 AS `a`".to_owned(),
        check: "CASCADED".to_owned(),
        definer: "a@b`c@%".to_owned(),
        security: "INVOKER".to_owned(),
        algorithm: "MERGE".to_owned(),
        ..Listed::default()
    };
    assert_eq!(
        listed.statement("v`w", &["x y".to_owned(), "z".to_owned()]),
        "CREATE ALGORITHM=MERGE DEFINER=`a@b``c`@`%` SQL SECURITY INVOKER VIEW `v``w` (`x y`,`z`) AS select 1 AS `a` WITH CASCADED CHECK OPTION"
    );
    let listed = Listed { check: "NONE".to_owned(), definer: "role@".to_owned(), ..listed };
    assert!(
        listed
            .statement("v", &[])
            .starts_with("CREATE ALGORITHM=MERGE DEFINER=`role` SQL SECURITY INVOKER VIEW `v` AS select 1")
    );
    assert_eq!(listed.statement("v", &[]).matches("CHECK OPTION").count(), 0);
}

#[test]
fn a_warning_tells_that_a_view_is_broken() {
    assert!(broken_by(&["1356".to_owned()]).is_some());
    assert_eq!(broken_by(&["1681".to_owned()]), None);
}
