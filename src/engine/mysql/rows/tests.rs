use super::super::columns::Column;
use super::*;
use upkeep_rows::literal::Encoding;

fn column(name: &str, encoding: Encoding, is_long: bool) -> Column {
    Column { name: name.to_owned(), expression: quote(name), encoding, is_long }
}

fn relation(columns: Vec<Column>, key: &[&str]) -> Relation {
    let part = |name: &&str| KeyPart { name: (*name).to_owned(), descending: *name == "down", cut_by: None };
    Relation {
        name: "t".to_owned(),
        engine: "InnoDB".to_owned(),
        columns,
        key: key.iter().map(part).collect(),
        bytes: 0,
        rows: 0,
        history: false,
        period: None,
        computed: Vec::new(),
    }
}

#[test]
fn rows_are_read_by_name_and_in_the_order_of_the_key() {
    let table = relation(vec![column("id", Encoding::Plain, false), column("b", Encoding::Hex, true)], &["id", "down"]);
    assert_eq!(
        select(&table, Some("`id` <= 7"), None),
        "SELECT `id`, `b` FROM `t` FORCE INDEX (PRIMARY) WHERE `id` <= 7 ORDER BY `id`, `down` DESC"
    );
    assert_eq!(insert_head(&table), "INSERT INTO `t` (`id`, `b`) VALUES\n");
}

#[test]
fn a_row_that_may_begin_with_a_long_value_is_led_by_a_number() {
    let text = relation(vec![column("b", Encoding::Hex, true), column("id", Encoding::Plain, false)], &[]);
    assert_eq!(select(&text, None, None), "SELECT 1, `b`, `id` FROM `t`");
    let empty = relation(Vec::new(), &[]);
    assert_eq!(select(&empty, None, None), "SELECT 1 FROM `t`");
    assert_eq!(insert_head(&empty), "INSERT INTO `t` () VALUES\n");
}

#[test]
fn history_is_read_as_a_whole() {
    let mut table = relation(vec![column("id", Encoding::Plain, false)], &["id"]);
    table.history = true;
    table.period = Some(["row_start", "e`d"].map(str::to_owned));
    assert_eq!(
        select(&table, None, None),
        "SELECT `id` FROM `t` FOR SYSTEM_TIME ALL FORCE INDEX (PRIMARY) WHERE `row_start` < `e``d` ORDER BY `id`"
    );
}
