//! Rows counted and summed, and a database checked, in an image nobody else writes to.
//!
//! A row's bytes are its rowid and its stored values, each with its storage class, so that `1`, `1.0`, `'1'` and `x'31'`
//! differ. Text is summed as UTF-8 whatever the database's encoding.

mod large;

use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnection, SqliteRow, SqliteValueRef};
use sqlx::{Decode, Row, TypeInfo, ValueRef};

use super::open::{self, because};
use super::schema::{self, Form, TableDef};
use crate::archive::manifest::{LeftOut, Table};
use crate::engine::crew::{Stop, hire};
use crate::engine::memory::Short;
use crate::engine::tally::Tally;
use crate::engine::{EngineError, Mismatch};
use crate::progress::Progress;

/// Every table that stores rows, counted and summed.
pub(super) async fn tally(
    connection: &mut SqliteConnection,
    path: &Path,
    progress: &Progress,
) -> Result<Vec<Table>, EngineError> {
    let tables = schema::tables(connection, path).await?;
    let mut tallied = Vec::new();
    for table in tables.iter().filter(|table| table.form != Form::Virtual) {
        let counted = tally_table(connection, table, progress).await;
        let named = |unread: Unread| unread.explained(table, path);
        tallied.push(counted.map_err(named)?);
    }
    Ok(tallied)
}

/// The storage classes as they are summed.
const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

/// Why a table's rows were not read.
#[derive(Debug)]
enum Unread {
    Failed(sqlx::Error),
    /// A row does not fit into memory; its rowid, where it has one.
    Short(Short, Option<i64>),
}

impl From<sqlx::Error> for Unread {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

impl Unread {
    fn explained(self, table: &TableDef, path: &Path) -> EngineError {
        match self {
            Self::Failed(error) => because(path, format!("read the rows of table {}", table.name))(error),
            Self::Short(short, rowid) => {
                let which = rowid.map_or(String::new(), |rowid| format!(" (rowid = {rowid})"));
                short.of(format!("a row of table {}{which}", table.name))
            }
        }
    }
}

async fn tally_table(connection: &mut SqliteConnection, table: &TableDef, progress: &Progress) -> Result<Table, Unread> {
    let _turn = match table.rowid {
        Some(_) => None,
        None => large::turn_of_copied(connection, table, progress).await?,
    };
    let large = large::may_be_in(connection, table).await;
    let others = large.map_or(String::new(), |_| format!(" WHERE {} <= {}", large::size(&table.columns), large::LARGE));
    let mut found = scan(connection, table, &others, progress).await?;
    if let Some(rowid) = large {
        let (rows, bytes) = large::add(connection, table, rowid, &mut found.sum, progress).await?;
        (found.rows, found.bytes) = (found.rows + rows, found.bytes + bytes);
    }
    Ok(Table {
        schema: String::new(),
        name: table.name.clone(),
        columns: table.columns.clone(),
        rows: found.rows,
        bytes: found.bytes,
        checksum: found.sum.hex(),
        computed: None,
    })
}

/// Sums up the rows that are meant, as they come.
async fn scan(
    connection: &mut SqliteConnection,
    table: &TableDef,
    meant: &str,
    progress: &Progress,
) -> Result<Tally, sqlx::Error> {
    // `+` takes the declared type away, so that what comes back is the value as it is stored.
    let values = table.columns.iter().map(|column| format!("+{}", schema::quoted(column)));
    let selected = table.rowid.map(str::to_owned).into_iter().chain(values).collect::<Vec<_>>().join(", ");
    let query = format!("SELECT {selected} FROM main.{}{meant}", schema::quoted(&table.name));
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(query)).persistent(false).fetch(connection);
    let (mut found, mut encoded) = (Tally::default(), Vec::new());
    while let Some(row) = rows.try_next().await? {
        encode(&row, &mut encoded)?;
        found.add(&encoded, encoded.len());
        progress.add(0, 1);
    }
    Ok(found)
}

fn encode(row: &SqliteRow, into: &mut Vec<u8>) -> Result<(), sqlx::Error> {
    into.clear();
    for index in 0..row.len() {
        encode_value(row.try_get_raw(index)?, into).map_err(sqlx::Error::Decode)?;
    }
    Ok(())
}

fn encode_value(value: SqliteValueRef<'_>, into: &mut Vec<u8>) -> Result<(), sqlx::error::BoxDynError> {
    if value.is_null() {
        into.push(NULL);
        return Ok(());
    }
    let class = value.type_info().name().to_owned();
    match class.as_str() {
        "INTEGER" => {
            into.push(INTEGER);
            into.extend_from_slice(&<i64 as Decode<sqlx::Sqlite>>::decode(value)?.to_le_bytes());
        }
        "REAL" => {
            into.push(REAL);
            into.extend_from_slice(&<f64 as Decode<sqlx::Sqlite>>::decode(value)?.to_bits().to_le_bytes());
        }
        class => {
            into.push(if class == "TEXT" { TEXT } else { BLOB });
            let bytes = <&[u8] as Decode<sqlx::Sqlite>>::decode(value)?;
            into.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            into.extend_from_slice(bytes);
        }
    }
    Ok(())
}

/// The tables that are not, row for row, what the manifest says; a table that only one side has differs too.
pub(super) fn differing(expected: &[Table], found: &[Table]) -> Vec<Mismatch> {
    let tally = |tables: &[Table], name: &str| {
        let table = tables.iter().find(|table| table.name == name);
        table.map_or((0, "no such table".to_owned()), |table| (table.rows, table.checksum.clone()))
    };
    let more = found.iter().filter(|table| !expected.iter().any(|known| known.name == table.name));
    let pairs = expected.iter().chain(more).map(|table| (tally(expected, &table.name), tally(found, &table.name), table));
    pairs
        .filter(|(expected, found, _)| expected != found)
        .map(|(expected, found, table)| Mismatch {
            table: table.name.clone(),
            rows: (expected.0, found.0),
            checksum: (expected.1, found.1),
        })
        .collect()
}

/// Checks an image: what is unsound is an error, what is missing is said. `of` names where it came from, for people.
pub(super) async fn check(image: &Path, of: String, progress: &Progress) -> Result<Option<LeftOut>, EngineError> {
    let (image, watched) = (image.to_owned(), progress.clone());
    let check = move || async move {
        let mut connection = open::image(&image).await?;
        open::heed(&mut connection, &image, &watched).await?;
        integrity(&mut connection, &image, &of).await?;
        let orphans = orphans(&mut connection).await;
        open::close(connection, &image).await?;
        Ok(orphans)
    };
    hire("checking an image", &Stop::of(progress), check)?.join().await
}

/// Fails on the first thing `integrity_check` finds: pages, order and indexes must be sound, or an archive is worth nothing.
async fn integrity(connection: &mut SqliteConnection, path: &Path, of: &str) -> Result<(), EngineError> {
    let found: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check(1)")
        .fetch_all(connection)
        .await
        .map_err(because(path, "check the integrity"))?;
    match found.first() {
        Some((line,)) if line == "ok" => Ok(()),
        first => Err(EngineError::Inexact {
            what: format!("{of} fails its integrity check: {}", first.map_or("no answer", |line| line.0.as_str())),
            hint: "ask SQLite for all of it: `sqlite3 FILE 'PRAGMA integrity_check'`; an index alone is fixed by `REINDEX`"
                .to_owned(),
        }),
    }
}

/// Rows that refer to rows which do not exist. They are in the archive as they are in the source (a backup of what is there
/// beats none), and what they refer to is named as left out.
async fn orphans(connection: &mut SqliteConnection) -> Option<LeftOut> {
    let query = "SELECT count(*), min(\"table\" || ' refers to ' || parent) FROM pragma_foreign_key_check";
    let found: Result<(i64, Option<String>), sqlx::Error> = sqlx::query_as(query).fetch_one(connection).await;
    match found {
        Ok((0, _)) => None,
        Ok((count, first)) => Some(LeftOut {
            what: format!("rows that {count} foreign keys refer to (the first: {})", first.unwrap_or_default()),
            why: "they do not exist in the source either".to_owned(),
        }),
        // A key that refers to columns without a unique index cannot be checked; the schema is at fault, not the copy.
        Err(error) => Some(LeftOut {
            what: "a check of the foreign keys".to_owned(),
            why: error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned()),
        }),
    }
}
