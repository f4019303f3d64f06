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
        // The `from` of a function, around a query and within one.
        (
            "select (select trim(leading 'x' from `shop`.`name`) from `shop`.`other` `o` limit 1) AS `n` from `shop`",
            "select (select trim(leading 'x' from `shop`.`name`) from `other` `o` limit 1) AS `n` from `shop`",
        ),
        (
            "select trim(leading (select 'x' from `shop`.`other` limit 1) from `shop`.`name`) AS `n` from `shop`",
            "select trim(leading (select 'x' from `other` limit 1) from `shop`.`name`) AS `n` from `shop`",
        ),
        ("select extract(year from `shop`.`d`) AS `y` from `shop`", "select extract(year from `shop`.`d`) AS `y` from `shop`"),
        (
            "select extract(year from (`shop`.`d` + 1)) from (`shop`.`a`)",
            "select extract(year from (`shop`.`d` + 1)) from (`a`)",
        ),
        (
            "select extract(year from (select `shop`.`d` from `shop`.`t` limit 1)) AS `y`",
            "select extract(year from (select `shop`.`d` from `t` limit 1)) AS `y`",
        ),
        ("where `o`.`id` in (select `o`.`id` from `shop`.`o`)", "where `o`.`id` in (select `o`.`id` from `o`)"),
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
