//! What is defined in a SQLite database: its tables, its migration histories, its fingerprint.

use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::open::because;
use crate::engine::EngineError;
use crate::history::{self, Tool};
use crate::shape::{History, Shape};

/// What a name in the schema stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An ordinary table, with rows of its own.
    Plain,
    /// The storage of a virtual table.
    Shadow,
    /// Answers through a module; its rows are in its shadows, if anywhere.
    Virtual,
}

/// One table.
#[derive(Debug, Clone)]
pub(super) struct TableDef {
    /// Its name.
    pub(super) name: String,
    /// What it is.
    pub(super) form: Form,
    /// Columns whose values are stored, in order; generated ones are absent.
    pub(super) columns: Vec<String>,
    /// The name by which the rowid can be read, where it is not one of the columns and matters.
    pub(super) rowid: Option<&'static str>,
}

/// The tables in the order of their names. `sqlite_sequence` is one of them, for it holds what AUTOINCREMENT promised;
/// `sqlite_schema` and the planner's statistics are not.
pub(super) async fn tables(connection: &mut SqliteConnection, path: &Path) -> Result<Vec<TableDef>, EngineError> {
    let listed = "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND type <> 'view' ORDER BY name";
    let listed: Vec<(String, String, bool)> =
        sqlx::query_as(listed).fetch_all(&mut *connection).await.map_err(because(path, "list the tables"))?;
    let mut tables = Vec::new();
    for (name, form, without_rowid) in listed {
        if name.starts_with("sqlite_") && name != "sqlite_sequence" {
            continue;
        }
        let form = match form.as_str() {
            "shadow" => Form::Shadow,
            "virtual" => Form::Virtual,
            _ => Form::Plain,
        };
        if form == Form::Virtual {
            tables.push(TableDef { name, form, columns: Vec::new(), rowid: None });
            continue;
        }
        let columns = stored_columns(connection, path, &name).await?;
        let rowid = if without_rowid { None } else { free_rowid_name(&columns) };
        tables.push(TableDef { name, form, columns, rowid });
    }
    Ok(tables)
}

/// `hidden` is 2 or 3 for generated columns, whose values follow from the others.
async fn stored_columns(connection: &mut SqliteConnection, path: &Path, table: &str) -> Result<Vec<String>, EngineError> {
    let rows = sqlx::query("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden NOT IN (2, 3) ORDER BY cid").bind(table);
    let rows = rows.fetch_all(connection).await;
    let rows = rows.map_err(because(path, format!("list the columns of table {table}")))?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(because(path, "read column names"))
}

/// A table may have columns of the rowid's own names; all three taken means nobody can ask for it, us included.
fn free_rowid_name(columns: &[String]) -> Option<&'static str> {
    let taken = |name: &&str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name))
}

/// A name as SQL wants it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The shape, as of the connection's transaction.
pub(super) async fn shape(
    connection: &mut SqliteConnection,
    path: &Path,
    history_tables: &[String],
) -> Result<Shape, EngineError> {
    let tables = tables(connection, path).await?;
    let mut histories = Vec::new();
    for table in tables.iter().filter(|table| table.form == Form::Plain) {
        if let Some(tool) = tool_of(table, history_tables) {
            histories.extend(read_history(connection, path, table, tool).await?);
        }
    }
    let fingerprint = fingerprint(connection, path, &tables).await?;
    Ok(Shape { histories, fingerprint: Some(fingerprint) })
}

/// Whose history a table is, by its columns: a table renamed in the tool's settings is found all the same. Those named in
/// the configuration are taken for Flyway's when they have at least its essential columns.
pub(super) fn tool_of(table: &TableDef, history_tables: &[String]) -> Option<Tool> {
    let has = |wanted: &[&str]| wanted.iter().all(|name| table.columns.iter().any(|column| column.eq_ignore_ascii_case(name)));
    let named = history_tables.iter().any(|name| name.rsplit('.').next() == Some(&table.name));
    let flyway = ["installed_rank", "version", "description", "type", "script", "checksum", "success"];
    if has(&flyway) && (named || has(&["installed_by", "execution_time"])) {
        Some(Tool::Flyway)
    } else {
        history::recognise(&table.name, &table.columns)
    }
}

async fn read_history(
    connection: &mut SqliteConnection,
    path: &Path,
    table: &TableDef,
    tool: Tool,
) -> Result<Option<History>, EngineError> {
    // Columns hold whatever was put into them; bytes are shown in hexadecimal.
    let text = |column: &String| {
        let name = quoted(column);
        format!("CASE typeof({name}) WHEN 'blob' THEN lower(hex({name})) ELSE CAST({name} AS TEXT) END")
    };
    let columns = table.columns.iter().map(text).collect::<Vec<_>>().join(", ");
    let query = format!("SELECT {columns} FROM main.{}", quoted(&table.name));
    let read = || because(path, format!("read the migration history {}", table.name));
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(connection).await.map_err(read())?;
    let mut texts = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut named = history::flyway::Texts::new();
        for (index, column) in table.columns.iter().enumerate() {
            named.insert(column.to_lowercase(), row.try_get(index).map_err(read())?);
        }
        texts.push(named);
    }
    // Rows that no such tool writes: then it is a table of somebody's own under a common name.
    Ok(history::read(tool, &table.name, &texts).ok())
}

/// BLAKE3 of every definition, in the order of type and name. SQLite's own tables and the storage of virtual tables are not
/// part of it: they follow from the rest.
async fn fingerprint(connection: &mut SqliteConnection, path: &Path, tables: &[TableDef]) -> Result<String, EngineError> {
    let query = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name";
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as(query).fetch_all(connection).await.map_err(because(path, "read the schema"))?;
    let shadow = |name: &str| tables.iter().any(|table| table.form == Form::Shadow && table.name == name);
    let mut hasher = blake3::Hasher::new();
    for (kind, name, table, sql) in rows.iter().filter(|row| !row.1.starts_with("sqlite_") && !shadow(&row.2)) {
        for part in [kind.as_str(), name, table, &normalised(sql)] {
            hasher.update(part.as_bytes());
            hasher.update(b"\0");
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Every definition, sorted.
pub(super) async fn lines(connection: &mut SqliteConnection, path: &Path) -> Result<Vec<String>, EngineError> {
    let query = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name";
    let rows: Vec<(String, String, String)> =
        sqlx::query_as(query).fetch_all(connection).await.map_err(because(path, "read the schema"))?;
    let mut lines: Vec<String> =
        rows.into_iter().map(|(kind, name, sql)| format!("{kind} {name}\t{}", normalised(&sql))).collect();
    lines.sort_unstable();
    Ok(lines)
}

/// White space outside quotes made one blank, so that a definition's layout does not count.
fn normalised(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut quote: Option<char> = None;
    for c in sql.trim().chars() {
        match quote {
            Some(end) => {
                text.push(c);
                if c == end {
                    quote = None;
                }
            }
            None if c.is_whitespace() => {
                if !text.ends_with(' ') {
                    text.push(' ');
                }
            }
            None => {
                quote = match c {
                    '\'' | '"' | '`' => Some(c),
                    '[' => Some(']'),
                    _ => None,
                };
                text.push(c);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
