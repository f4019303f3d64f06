use rstest::rstest;

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
        // A packaged function, beside a column and a function.
        (
            "select `shop`.`p1`.`f`() AS `a`,`shop`.`t`.`c` AS `c`,`shop`.`g`(`shop`.`p1`.`g`(`t`.`a`)) AS `b` from `t`",
            "select `shop`.`p1`.`f`() AS `a`,`t`.`c` AS `c`,`g`(`shop`.`p1`.`g`(`t`.`a`)) AS `b` from `t`",
        ),
        // Strings, and another database.
        ("COMMENT 'from `shop`.`a`', `other`.`f`(1)", "COMMENT 'from `shop`.`a`', `other`.`f`(1)"),
        ("'it\\'s `shop`.`f`(' , `shop`.`f`('x')", "'it\\'s `shop`.`f`(' , `f`('x')"),
    ] {
        assert_eq!(unqualify(sql, "shop"), expected, "{sql}");
    }
}

#[rstest]
#[case::body(
    "CREATE DEFINER=`root`@`localhost` trigger shop.tr before insert on `shop`.a\n  for each  row insert into shop.b values ('for each row')",
    "CREATE DEFINER=`root`@`localhost` trigger tr before insert on a\n  for each  row insert into shop.b values ('for each row')"
)]
#[case::blanks(
    "CREATE DEFINER=`root`@`localhost` TRIGGER os . t1 BEFORE INSERT ON os . t FOR EACH ROW SET NEW.a=1",
    "CREATE DEFINER=`root`@`localhost` TRIGGER t1 BEFORE INSERT ON t FOR EACH ROW SET NEW.a=1"
)]
#[case::comments(
    "CREATE DEFINER=`root`@`localhost` TRIGGER os/*c*/ ./* d */ t2 BEFORE INSERT ON/**/ os/**/ ./**/ t FOR EACH/*x*/ ROW/**/ SET NEW.a=os.f()",
    "CREATE DEFINER=`root`@`localhost` TRIGGER t2 BEFORE INSERT ON/**/ t FOR EACH/*x*/ ROW/**/ SET NEW.a=os.f()"
)]
#[case::comments_to_the_end_of_a_line(
    "CREATE DEFINER=`root`@`localhost` TRIGGER os.t10 -- it's\nBEFORE INSERT # it's os.\nON os.t FOR EACH\n ROW SET NEW.a=1",
    "CREATE DEFINER=`root`@`localhost` TRIGGER t10 -- it's\nBEFORE INSERT # it's os.\nON t FOR EACH\n ROW SET NEW.a=1"
)]
#[case::names_like_words(
    "CREATE DEFINER=`root`@`localhost` TRIGGER `for each row` BEFORE INSERT ON os.`for each row` for each row set NEW.a=1",
    "CREATE DEFINER=`root`@`localhost` TRIGGER `for each row` BEFORE INSERT ON `for each row` for each row set NEW.a=1"
)]
#[case::if_not_there(
    "CREATE DEFINER=`root`@`localhost` TRIGGER IF NOT EXISTS os.t3 BEFORE INSERT ON os.t FOR EACH ROW SET NEW.a=1",
    "CREATE DEFINER=`root`@`localhost` TRIGGER IF NOT EXISTS t3 BEFORE INSERT ON t FOR EACH ROW SET NEW.a=1"
)]
#[case::ansi(
    "CREATE DEFINER=\"root\"@\"localhost\" TRIGGER \"os\".\"t\"\"6\" BEFORE INSERT ON \"os\".\"t\\\" FOR EACH ROW SET NEW.\"a\"=1",
    "CREATE DEFINER=\"root\"@\"localhost\" TRIGGER \"t\"\"6\" BEFORE INSERT ON \"t\\\" FOR EACH ROW SET NEW.\"a\"=1"
)]
#[case::another_case(
    "CREATE DEFINER=`root`@`localhost` TRIGGER OS.t BEFORE INSERT ON Os.t FOR EACH ROW SET NEW.a=1",
    "CREATE DEFINER=`root`@`localhost` TRIGGER t BEFORE INSERT ON t FOR EACH ROW SET NEW.a=1"
)]
#[case::no_blank(
    "CREATE DEFINER=`root`@`localhost` TRIGGER`os`.t BEFORE INSERT ON`os`.t FOR EACH ROW SET NEW.a=1",
    "CREATE DEFINER=`root`@`localhost` TRIGGER t BEFORE INSERT ON t FOR EACH ROW SET NEW.a=1"
)]
#[case::not_ascii(
    "CREATE DEFINER=`root`@`localhost` TRIGGER pre€is.t BEFORE INSERT ON pre€is.日本 FOR EACH ROW SET NEW.a=1",
    "CREATE DEFINER=`root`@`localhost` TRIGGER t BEFORE INSERT ON 日本 FOR EACH ROW SET NEW.a=1"
)]
fn a_triggers_head_names_no_database_and_its_body_is_left_alone(#[case] sql: &str, #[case] expected: &str) {
    assert_eq!(unqualify_head(sql).as_deref(), Some(expected));
    assert_eq!(unqualify_head(expected).as_deref(), Some(expected));
}

#[test]
fn what_is_no_triggers_head_is_not_guessed_at() {
    assert_eq!(unqualify_head("CREATE TRIGGER os.t BEFORE INSERT ON os.t `for` each row /* for each row */"), None);
}

#[test]
fn a_packaged_function_is_called_where_the_view_is() {
    let sql = "CREATE VIEW `v` AS select `shop`.`p1`.`f`() AS `a`,`other`.`p1`.`f`() AS `b`,`shop`.`t`.`c` AS `c`,'`shop`.`p1`.`f`()'";
    let placeless = call_packages_of(sql, HERE, |name| name == "`shop`");
    assert_eq!(placeless, sql.replacen("`shop`", "` `", 1));
    assert_eq!(call_packages_of(&placeless, "co`py", |name| name == quote(HERE)), sql.replacen("`shop`", "`co``py`", 1));
}
