use super::super::definition::Context;
use super::*;

fn schema(kind: Kind, sql: &str) -> Schema {
    let object = Definition { kind, name: "t".to_owned(), sql: sql.to_owned(), context: Context::default(), broken: None };
    Schema { charset: "utf8mb4".to_owned(), collation: "utf8mb4_bin".to_owned(), objects: vec![object], ..Schema::default() }
}

#[test]
fn counters_and_definers_are_not_the_schema() {
    let table =
        |options: &str| schema(Kind::Table, &format!("CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB{options} COMMENT='x'"));
    assert_eq!(fingerprint(&table("")), fingerprint(&table(" AUTO_INCREMENT=7")));
    assert_eq!(fingerprint(&table(" AUTO_INCREMENT=8")), fingerprint(&table(" AUTO_INCREMENT=7")));
    assert_ne!(fingerprint(&table("")), fingerprint(&table(" ROW_FORMAT=COMPACT")));
    // A comment that looks like one.
    let comment = |number| table(&format!(" AUTO_INCREMENT=7 COMMENT='x AUTO_INCREMENT={number} y'"));
    assert_ne!(fingerprint(&comment(7)), fingerprint(&comment(8)));
    let view = |definer: &str| {
        schema(Kind::View, &format!("CREATE ALGORITHM=MERGE {definer}SQL SECURITY DEFINER VIEW `t` AS select 1"))
    };
    // The one name that differs from database to database.
    let calling = |database: &str| schema(Kind::View, &format!("CREATE VIEW `t` AS select `{database}`.`p`.`f`() AS `a`"));
    assert_eq!(fingerprint(&calling("shop")), fingerprint(&calling("copy")));
    assert_eq!(fingerprint(&view("DEFINER=`a`@`%` ")), fingerprint(&view("DEFINER=`b`@`localhost` ")));
}

#[test]
fn everything_else_is() {
    let one = schema(Kind::Table, "CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB");
    let mut other = one.clone();
    other.collation = "utf8mb4_general_ci".to_owned();
    assert_ne!(fingerprint(&one), fingerprint(&other));
    let mut mode = one.clone();
    mode.objects[0].context.sql_mode = "ANSI_QUOTES".to_owned();
    assert_ne!(fingerprint(&one), fingerprint(&mode));
}
