use super::super::{Tool, may_be_history, read, recognise};
use super::*;

fn texts(pairs: &[(&str, Option<&str>)]) -> Texts {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
}

fn row(rank: &str, version: Option<&str>, checksum: Option<&str>, success: &str) -> Texts {
    texts(&[
        ("installed_rank", Some(rank)),
        ("version", version),
        ("description", Some("add column")),
        ("type", Some("SQL")),
        ("script", Some("V1__add_column.sql")),
        ("checksum", checksum),
        ("installed_by", Some("app")),
        ("installed_on", Some("2026-11-22 18:00:00")),
        ("execution_time", Some("12")),
        ("success", Some(success)),
        ("state", Some("a column of somebody's own")),
    ])
}

#[test]
fn rows_of_either_engine_become_a_history_by_rank() {
    let rows = [row("2", None, None, "t"), row("1", Some("001"), Some("-12"), "1"), row("10", Some("2"), None, "f")];
    let history = read(Tool::Flyway, "public.flyway_schema_history", &rows).unwrap();
    let shown: Vec<_> =
        history.applied.iter().map(|row| (row.rank, row.version.as_deref(), row.checksum.as_deref(), row.success)).collect();
    assert_eq!(shown, [(1, Some("001"), Some("-12"), true), (2, None, None, true), (10, Some("2"), None, false)]);
    assert_eq!((history.tool.as_str(), history.head()), ("flyway", Some("001")));
}

#[test]
fn what_no_row_holds_is_refused_by_column() {
    for (column, value) in
        [("success", Some("perhaps")), ("installed_rank", Some("x")), ("checksum", Some("4294967296")), ("type", None)]
    {
        let mut texts = row("1", Some("1"), Some("1"), "1");
        texts.insert(column.to_owned(), value.map(str::to_owned));
        assert_eq!(Row::read(&texts).unwrap_err().column, column);
    }
}

#[test]
fn a_history_is_known_by_name_and_recognised_by_columns() {
    assert!(may_be_history("database_change_log", &[]) && may_be_history("Mine", &["mine".to_owned()]));
    assert!(!may_be_history("mine", &[]));
    let upper: Vec<String> = COLUMNS.iter().map(|column| column.to_uppercase()).collect();
    assert_eq!(recognise("by_any_name", &upper), Some(Tool::Flyway));
    assert_eq!(recognise("mine", &["version", "dirty"]), None);
}
