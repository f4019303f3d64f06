//! Rows too large to be read beside others: they are left out while the others are read, and then come one after another, with the
//! memory that the largest of them takes.
//!
//! The driver holds a row whole before anybody sees how long it is, so the server is asked, and tells that it left one out as the
//! session's last inserted number. Only a server that sends such rows at all, and tables with columns that could hold them, are asked.

use super::super::super::EngineError;
use super::super::super::memory::{self, LARGE, SQL_TENTHS, Turn};
use super::super::columns::Column;
use super::super::connect::{Session, quote};
use super::super::ranges::Task;
use super::super::relation::Relation;
use super::from;
use crate::progress::Progress;
use upkeep_rows::literal::Encoding;

/// Binary values that are longer are written in base 64, the others in hex.
const BASE64_FROM: u64 = 8 << 20;

/// The length of a table's rows as SQL, as an expression; none where no row is large.
pub(super) fn size(relation: &Relation, max_packet: u64) -> Option<String> {
    let long: Vec<String> = relation.columns.iter().filter(|column| column.is_long).map(length).collect();
    (max_packet > LARGE && !long.is_empty()).then(|| long.join(" + "))
}

/// A value's length as SQL, at the least: what is escaped in it is not counted before it is here.
fn length(column: &Column) -> String {
    let (name, bytes) = (&column.expression, format!("CAST(OCTET_LENGTH({}) AS SIGNED)", column.expression));
    let length = match column.encoding {
        Encoding::Hex => format!("IF({bytes} > {BASE64_FROM}, {bytes} DIV 3 * 4, {bytes} * 2)"),
        Encoding::Foreign(_) => format!("{bytes} * 2"),
        // It is printed for that, but only where it is long itself.
        Encoding::Json => format!("IF(JSON_STORAGE_SIZE({name}) * 8 > {LARGE}, {bytes}, 0)"),
        _ => bytes,
    };
    format!("COALESCE({length}, 0)")
}

/// What the rows meet that are not large; of another the session is told.
pub(super) fn others(size: &str) -> String {
    format!("IF({size} <= {LARGE}, 1, LAST_INSERT_ID(1) = 0)")
}

/// What the large ones meet.
pub(super) fn these(size: &str) -> String {
    format!("{size} > {LARGE}")
}

/// Forgets what was left out before.
pub(super) async fn begin(session: &mut Session) -> Result<(), EngineError> {
    session.run("begin to read a table with large values", "DO LAST_INSERT_ID(0)").await
}

/// Whether one was left out.
pub(super) async fn are_left(session: &mut Session) -> Result<bool, EngineError> {
    Ok(session.number("ask for large rows", "SELECT LAST_INSERT_ID()").await? != 0)
}

/// Waits for the turn of the large rows of a task, and refuses the largest where there is no room.
pub(super) async fn turn(
    session: &mut Session,
    relation: &Relation,
    task: &Task,
    size: &str,
    progress: &Progress,
) -> Result<Turn, EngineError> {
    let of = from(relation, task.range.as_deref(), Some(&these(size)));
    let longest =
        session.number(&format!("measure rows of table {}", relation.name), &format!("SELECT MAX({size}){of}")).await?;
    match memory::turn(memory::needed_in_frame(longest, SQL_TENTHS), progress).await {
        Ok(turn) => Ok(turn),
        Err(short) => {
            let key = key(session, relation, &format!("{of} AND {size} >= {longest} LIMIT 1")).await;
            Err(short.of(format!("a row of table {}{}", relation.name, key.map_or(String::new(), |key| format!(" ({key})")))))
        }
    }
}

/// The primary key of the row that is meant, where it has one and it can be asked for.
async fn key(session: &mut Session, relation: &Relation, of: &str) -> Option<String> {
    let names: Vec<&str> = relation.key.iter().map(|part| part.name.as_str()).collect();
    let columns = names.iter().map(|name| format!("LEFT({}, 80)", quote(name))).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        return None;
    }
    let row = session.texts("ask for a key", &format!("SELECT {columns}{of}")).await.ok()?.into_iter().next()?;
    let told = names.iter().zip(row).map(|(name, value)| format!("{name} = {}", value.unwrap_or_default()));
    Some(told.collect::<Vec<_>>().join(", "))
}
