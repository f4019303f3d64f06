use super::*;

#[test]
fn layout_does_not_count_and_quoted_text_does() {
    assert_eq!(normalised("CREATE  TABLE t\n(\n\ta TEXT )"), normalised(" CREATE TABLE t ( a TEXT ) "));
    assert_ne!(normalised("CREATE TABLE t(a DEFAULT 'x  y')"), normalised("CREATE TABLE t(a DEFAULT 'x y')"));
    assert_ne!(normalised("CREATE TABLE [a  b](c)"), normalised("CREATE TABLE [a b](c)"));
    assert_eq!(normalised("CREATE TABLE t(a DEFAULT 'it''s  so')"), "CREATE TABLE t(a DEFAULT 'it''s  so')");
}

#[test]
fn the_rowid_is_read_by_a_name_that_no_column_has() {
    let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(free_rowid_name(&columns(&["a"])), Some("rowid"));
    assert_eq!(free_rowid_name(&columns(&["RowId", "a"])), Some("_rowid_"));
    assert_eq!(free_rowid_name(&columns(&["rowid", "_rowid_"])), Some("oid"));
    assert_eq!(free_rowid_name(&columns(&["rowid", "_rowid_", "OID"])), None);
}

#[test]
fn a_history_is_known_by_its_columns() {
    let table = |name: &str, columns: &str| TableDef {
        name: name.to_owned(),
        form: Form::Plain,
        columns: columns.split(' ').map(str::to_owned).collect(),
        rowid: None,
    };
    let essential = "installed_rank version description type script checksum success";
    let whole = format!("{essential} installed_by installed_on execution_time");
    let named = ["main.changes".to_owned()];
    assert_eq!(tool_of(&table("flyway_schema_history", &whole), &[]), Some(Tool::Flyway));
    assert_eq!(tool_of(&table("renamed", &whole), &[]), Some(Tool::Flyway));
    assert_eq!(tool_of(&table("changes", essential), &named), Some(Tool::Flyway));
    assert_eq!(tool_of(&table("other", essential), &named), None);
    assert_eq!(tool_of(&table("changes", "a b"), &named), None);
    assert_eq!(tool_of(&table("_sqlx_migrations", "version description checksum success"), &[]), Some(Tool::Sqlx));
}
