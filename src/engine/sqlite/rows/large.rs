//! Rows too large to be copied whole: their values are read one by one, and a large one piece by piece.
//!
//! The driver copies each row, and reads some ahead, so a few huge values would take several times their size of memory. SQLite itself
//! holds a value whole while a piece of it is read; nothing else here holds more than a piece. A row without a rowid is not found again at
//! once, and is read like all others.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};
use xxhash_rust::xxh3::Xxh3;

use super::super::schema::{self, TableDef};
use super::{BLOB, INTEGER, TEXT, Unread, encode_value};
use crate::archive::format::RowSum;
use crate::engine::memory::{self, COPIED_TENTHS, PIECEWISE_TENTHS, Turn};
use crate::progress::Progress;

/// A row of more bytes than this in its texts and blobs is one of these.
pub(super) const LARGE: i64 = 1 << 20;
/// Pieces a value is read in: SQLite reads all of it for each of them, so there are few.
const PIECES: i64 = 16;

/// The name of the rowid, where the table may have such rows that are found by it. Costs a look at the head of each of its pages, and no row is read.
pub(super) async fn may_be_in(connection: &mut SqliteConnection, table: &TableDef) -> Option<&'static str> {
    let rowid = table.rowid?;
    are_in(connection, table, LARGE).await.then_some(rowid)
}

/// Whether the table may have rows of more bytes than that.
async fn are_in(connection: &mut SqliteConnection, table: &TableDef, bytes: i64) -> bool {
    let asked = "SELECT coalesce(max(mx_payload), 0) > ?1 FROM dbstat WHERE name = ?2 AND aggregate = TRUE";
    let asked = sqlx::query_scalar(asked).bind(bytes).bind(&table.name).fetch_one(connection).await;
    // A table of that name in the database hides the one that knows; then each row is asked for its size.
    asked.unwrap_or(true)
}

/// Waits for the turn of a table whose rows are copied whole, where one of them is huge, and refuses it where there is no room.
pub(super) async fn turn_of_copied(
    connection: &mut SqliteConnection,
    table: &TableDef,
    progress: &Progress,
) -> Result<Option<Turn>, Unread> {
    let huge = i64::try_from(memory::LARGE).unwrap_or(i64::MAX);
    if table.columns.is_empty() || !are_in(connection, table, huge).await {
        return Ok(None);
    }
    let (name, size) = (schema::quoted(&table.name), size(&table.columns));
    let asked = AssertSqlSafe(format!("SELECT coalesce(max({size}), 0) FROM main.{name}"));
    let longest: i64 = sqlx::query_scalar(asked).persistent(false).fetch_one(&mut *connection).await?;
    turn_of(longest, COPIED_TENTHS, None, progress).await
}

/// Waits for the turn of a row of so many bytes, if it is huge.
async fn turn_of(bytes: i64, tenths: u64, rowid: Option<i64>, progress: &Progress) -> Result<Option<Turn>, Unread> {
    let bytes = u64::try_from(bytes).unwrap_or(0);
    if bytes <= memory::LARGE {
        return Ok(None);
    }
    memory::turn(memory::needed(bytes, tenths), progress).await.map(Some).map_err(|short| Unread::Short(short, rowid))
}

/// The bytes of a row's texts and blobs, as an expression: in halves, for SQLite bounds how deep one is.
pub(super) fn size(columns: &[String]) -> String {
    match columns {
        [] => "0".to_owned(),
        [column] => {
            let column = schema::quoted(column);
            // Of what is stored beside the row SQLite knows the length without reading it.
            format!("iif(typeof({column}) IN ('text', 'blob'), octet_length({column}), 0)")
        }
        columns => {
            let (left, right) = columns.split_at(columns.len() / 2);
            format!("({} + {})", size(left), size(right))
        }
    }
}

/// Adds up the table's large rows: how many, and their bytes.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    table: &TableDef,
    rowid: &str,
    sum: &mut RowSum,
    progress: &Progress,
) -> Result<(u64, u64), Unread> {
    let utf8: bool = sqlx::query_scalar("SELECT encoding = 'UTF-8' FROM pragma_encoding").fetch_one(&mut *connection).await?;
    let (name, size) = (schema::quoted(&table.name), size(&table.columns));
    let asked = AssertSqlSafe(format!("SELECT {rowid}, {size} FROM main.{name} WHERE {size} > {LARGE}"));
    let rowids: Vec<(i64, i64)> = sqlx::query_as(asked).persistent(false).fetch_all(&mut *connection).await?;
    let (rows, mut bytes) = (rowids.len() as u64, 0);
    // A text whose bytes in the file are not those that are summed is copied whole.
    let tenths = if utf8 { PIECEWISE_TENTHS } else { COPIED_TENTHS };
    for (id, size) in rowids {
        let _turn = turn_of(size, tenths, Some(id), progress).await?;
        let mut row = Hashed { hash: Xxh3::new(), bytes: 0 };
        row.push(&[INTEGER]);
        row.push(&id.to_le_bytes());
        let from = format!("main.{name} WHERE {rowid} = {id}");
        for column in &table.columns {
            add_value(connection, &schema::quoted(column), &from, utf8, &mut row).await?;
        }
        sum.add_hashed(&row.hash);
        bytes += row.bytes;
        progress.add(0, 1);
    }
    Ok((rows, bytes))
}

/// A row as it is summed, in as many pieces as it takes.
struct Hashed {
    hash: Xxh3,
    bytes: u64,
}

impl Hashed {
    fn push(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
    }
}

async fn add_value(
    connection: &mut SqliteConnection,
    column: &str,
    from: &str,
    utf8: bool,
    row: &mut Hashed,
) -> Result<(), sqlx::Error> {
    let asked = AssertSqlSafe(format!("SELECT typeof({column}), coalesce(octet_length({column}), 0) FROM {from}"));
    let (class, length): (String, i64) = sqlx::query_as(asked).persistent(false).fetch_one(&mut *connection).await?;
    let class = match class.as_str() {
        "blob" if length > LARGE => BLOB,
        "text" if length > LARGE && utf8 => TEXT,
        // Small, or a text whose bytes in the file are not those that are summed.
        _ => {
            let asked = AssertSqlSafe(format!("SELECT +{column} FROM {from}"));
            let found = sqlx::query(asked).persistent(false).fetch_one(connection).await?;
            let mut encoded = Vec::new();
            encode_value(found.try_get_raw(0)?, &mut encoded).map_err(sqlx::Error::Decode)?;
            row.push(&encoded);
            return Ok(());
        }
    };
    row.push(&[class]);
    row.push(&length.to_le_bytes());
    let piece = LARGE.max(length / PIECES + 1);
    let mut at = 1;
    while at <= length {
        let asked = AssertSqlSafe(format!("SELECT substr(CAST({column} AS BLOB), {at}, {piece}) FROM {from}"));
        let found = sqlx::query(asked).persistent(false).fetch_one(&mut *connection).await?;
        row.push(found.try_get(0)?);
        at += piece;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
