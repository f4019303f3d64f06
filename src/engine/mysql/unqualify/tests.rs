use super::*;

#[test]
fn a_database_is_taken_out_where_it_can_be_nothing_else() {
    for (sql, expected) in [
        ("`id` bigint DEFAULT nextval(`shop`.`s1`)", "`id` bigint DEFAULT nextval(`s1`)"),
        ("select `shop`.`f`(`a`.`id`) AS `y` from `shop`.`a`", "select `f`(`a`.`id`) AS `y` from `a`"),
        ("from (`shop`.`a` join `shop`.`b`)", "from (`a` join `b`)"),
        ("REFERENCES `shop`.`t` (`id`)", "REFERENCES `t` (`id`)"),
        ("select `shop`.`t`.`c` from `t`", "select `t`.`c` from `t`"),
        ("select 1 from (`shop`.`a` straight_join `shop`.`b`)", "select 1 from (`a` straight_join `b`)"),
        // A table of the same name.
        ("select `shop`.`id` AS `id` from `shop`", "select `shop`.`id` AS `id` from `shop`"),
        // Strings, and another database.
        ("COMMENT 'from `shop`.`a`', `other`.`f`(1)", "COMMENT 'from `shop`.`a`', `other`.`f`(1)"),
        ("'it\\'s `shop`.`f`(' , `shop`.`f`('x')", "'it\\'s `shop`.`f`(' , `f`('x')"),
    ] {
        assert_eq!(unqualify(sql, "shop"), expected, "{sql}");
    }
}

#[test]
fn a_triggers_body_is_left_alone() {
    assert_eq!(
        unqualify_head(
            "CREATE DEFINER=`root`@`localhost` trigger shop.tr before insert on `shop`.a\n  for each  row insert into shop.b values ('for each row')",
            "shop"
        ),
        "CREATE DEFINER=`root`@`localhost` trigger tr before insert on a\n  for each  row insert into shop.b values ('for each row')"
    );
}
