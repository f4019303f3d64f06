//! Tables of a page image, alone, as SQL.
//!
//! An archive of SQLite holds pages and no rows, so the image is unpacked for the time it takes, where upkeep keeps such files, and read
//! as a database. Values are printed so that they are read back as they were stored; everything stands in one transaction.

mod definition;
mod values;

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use definition::Definition;

use super::image::Image;
use super::open::{self, because};
use super::schema::{self, Form, TableDef, quoted};
use crate::engine::EngineError;
use crate::engine::excerpt::{Name, Out, Part, Wish, find};
use crate::progress::Progress;

/// Threads that unpack the image.
const JOBS: usize = 2;

/// Prints them.
pub(in super::super) async fn extract(out: &mut Out<'_>, wish: &Wish) -> Result<(), EngineError> {
    let archive = out.archive.clone();
    let manifest = archive.manifest();
    let names: Vec<Name> = manifest.tables.iter().map(|table| (String::new(), table.name.clone())).collect();
    let mut chosen = wish
        .tables
        .iter()
        .map(|typed| Ok(names[find(&names, typed)?].1.clone()))
        .collect::<Result<Vec<String>, EngineError>>()?;
    chosen.sort();
    chosen.dedup();
    if chosen.iter().any(|name| name == COUNTERS) {
        return Err(EngineError::NoSuchTable {
            what: format!("`{COUNTERS}` is SQLite's own and cannot be made by a statement"),
            hint: "what it says of a table is printed with that table".to_owned(),
        });
    }
    let image = Image::unpacked(&archive, &wish.scratch, JOBS, &Progress::default())?;
    let mut connection = open::image(image.path()).await?;
    let printed = print(out, wish.part, &mut connection, &image, &chosen).await;
    open::close(connection, image.path()).await?;
    printed
}

/// Where SQLite keeps what `AUTOINCREMENT` promised.
const COUNTERS: &str = "sqlite_sequence";

async fn print(
    out: &mut Out<'_>,
    part: Part,
    connection: &mut SqliteConnection,
    image: &Image,
    chosen: &[String],
) -> Result<(), EngineError> {
    let tables = schema::tables(connection, image.path()).await?;
    let label = out.archive.manifest().label.clone();
    out.text(&format!("-- upkeep archive {label}, of it only: {}\n", crate::text::line(&chosen.join(", "))))?;
    // Without the first of these the shell goes on after an error, to the COMMIT.
    out.text(".bail on\nPRAGMA foreign_keys = OFF;\nBEGIN;\n")?;
    for name in chosen {
        let Some(table) = tables.iter().find(|table| table.name == *name && table.form != Form::Virtual) else {
            return Err(EngineError::Unfit(format!("its image has no table {name}, which its manifest names")));
        };
        let parts = parts(connection, image, name).await?;
        if part == Part::Whole {
            parts.iter().filter(|one| one.kind == "table").try_for_each(|one| define(out, one, name))?;
        }
        rows(out, part, connection, image, table).await?;
        if part == Part::Rows {
            continue;
        }
        counter(out, connection, image, &tables, name).await?;
        for one in parts.iter().filter(|one| one.kind != "table") {
            match one.kind.as_str() {
                "index" => define(out, one, name)?,
                kind => out.note(&format!("left out: {kind} {} of table {name}", one.name))?,
            }
        }
    }
    // Nothing counts before this.
    out.text("COMMIT;\n")
}

/// Prints a definition.
fn define(out: &mut Out<'_>, definition: &Definition, table: &str) -> Result<(), EngineError> {
    let written = definition.written();
    if written.loses_cr {
        let Definition { kind, name, .. } = definition;
        out.note(&format!(
            "the sqlite3 shell makes LF of CR LF in the definition of {kind} {name} of table {table}, where they stand in quotes"
        ))?;
    }
    out.text(&written.sql)
}

/// What belongs to a table. A trigger has the table's name as somebody typed it there.
async fn parts(connection: &mut SqliteConnection, image: &Image, table: &str) -> Result<Vec<Definition>, EngineError> {
    let query = "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL ORDER BY type = 'table' DESC, type, name";
    let rows: Result<Vec<(String, String, String)>, _> = sqlx::query_as(query).bind(table).fetch_all(connection).await;
    let rows = rows.map_err(because(image.path(), format!("read the definition of table {table}")))?;
    Ok(rows.into_iter().map(|(kind, name, sql)| Definition { kind, name, sql }).collect())
}

/// What `AUTOINCREMENT` promised of a table.
async fn counter(
    out: &mut Out<'_>,
    connection: &mut SqliteConnection,
    image: &Image,
    tables: &[TableDef],
    name: &str,
) -> Result<(), EngineError> {
    if !tables.iter().any(|table| table.name == COUNTERS) {
        return Ok(());
    }
    let query = "SELECT seq FROM sqlite_sequence WHERE name = ?1 AND typeof(seq) = 'integer'";
    let seq: Option<i64> = sqlx::query_scalar(query)
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(because(image.path(), format!("read the counter of table {name}")))?;
    let Some(seq) = seq else { return Ok(()) };
    let name = values::text(name.as_bytes());
    out.text(&format!(
        "DELETE FROM {COUNTERS} WHERE name = {name};\nINSERT INTO {COUNTERS} (name, seq) VALUES ({name}, {seq});\n"
    ))
}

/// Prints a table's rows, one statement each. A rowid that is in no column goes along with the table, and not into one that is there.
async fn rows(
    out: &mut Out<'_>,
    part: Part,
    connection: &mut SqliteConnection,
    image: &Image,
    table: &TableDef,
) -> Result<(), EngineError> {
    let rowid = table.rowid.filter(|_| part == Part::Whole).map(str::to_owned);
    let columns: Vec<String> = rowid.into_iter().chain(table.columns.iter().map(|column| quoted(column))).collect();
    let head = format!("INSERT INTO {} ({}) VALUES (", quoted(&table.name), columns.join(", "));
    // `+` takes the declared type away, so that what comes back is the value as it is stored.
    let values: Vec<String> = columns.iter().map(|column| format!("+{column}")).collect();
    let query = format!("SELECT {} FROM main.{}", values.join(", "), quoted(&table.name));
    let failed = || because(image.path(), format!("read the rows of table {}", table.name));
    let mut rows = sqlx::query(AssertSqlSafe(query)).persistent(false).fetch(connection);
    let mut line = String::new();
    while let Some(row) = rows.try_next().await.map_err(failed())? {
        line.clear();
        line.push_str(&head);
        values::of(&row, &mut line).map_err(failed())?;
        line.push_str(");\n");
        out.text(&line)?;
    }
    Ok(())
}
