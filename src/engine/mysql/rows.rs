//! Reading tables as `INSERT` text: the statement that reads a part of a table, the rows as tuples, and the sums over them.
//!
//! Shared by the dump, which stores the rows, and by the comparison after a load, which only sums them: both read the same
//! statements and write the same literals, so equal sums mean equal rows. Invariant: a statement never outgrows what the server
//! that sent the rows would itself accept; held by `tests/it/mysql_traps.rs`.

mod large;
pub(super) mod timeless;

use std::ops::ControlFlow;

use sqlx::mysql::MySqlRow;
use sqlx::{Connection as _, Row};
use upkeep_rows::literal::Encoding;
use upkeep_rows::tuple_into;

use super::super::EngineError;
use super::super::crew::Stop;
use super::super::memory::{self, LARGE, SQL_TENTHS};
use super::super::tally::{TakeRows, Tally};
use super::connect::{Session, quote};
use super::ranges::Task;
use super::relation::{KeyPart, Relation};
use crate::progress::Progress;

/// Rows of one statement, in bytes: enough that a statement costs nothing beside its rows, and small beside any
/// `max_allowed_packet` that is not set by hand.
pub(super) const STATEMENT_BYTES: usize = 512 * 1024;

/// Prepares a session for [`read`]: strings come as they are stored, unconverted.
pub(super) async fn prepare(session: &mut Session) -> Result<(), EngineError> {
    session.run("set up a session", "SET SESSION character_set_results = NULL").await
}

/// The statement that reads a part of a table, in the order of its key where it is stored in that order; of its rows those that meet
/// `only`.
pub(super) fn select(relation: &Relation, range: Option<&str>, only: Option<&str>) -> String {
    let mut columns: Vec<&str> = relation.columns.iter().map(|column| column.expression.as_str()).collect();
    if is_led(relation) {
        columns.insert(0, "1");
    }
    let mut sql = format!("SELECT {}{}", columns.join(", "), from(relation, range, only));
    if !relation.key.is_empty() {
        let order = |part: &KeyPart| quote(&part.name) + if part.descending { " DESC" } else { "" };
        sql.push_str(&format!(" ORDER BY {}", relation.key.iter().map(order).collect::<Vec<_>>().join(", ")));
    }
    sql
}

/// What such a statement reads from, with the conditions.
fn from(relation: &Relation, range: Option<&str>, only: Option<&str>) -> String {
    let mut sql = format!(" FROM {}", relation.quoted());
    if relation.history {
        sql.push_str(" FOR SYSTEM_TIME ALL");
    }
    if !relation.key.is_empty() {
        sql.push_str(" FORCE INDEX (PRIMARY)");
    }
    let lasted = relation.period.as_ref().map(timeless::lasted);
    let only = only.map(|only| format!("({only})"));
    let conditions: Vec<String> = range.map(str::to_owned).into_iter().chain(lasted).chain(only).collect();
    if !conditions.is_empty() {
        sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    sql
}

/// Whether a number stands before the columns: a row that begins with a value of 16 MiB begins with the same byte as the end of
/// the rows, and sqlx takes it for that. A table whose columns are all generated has nothing else to select.
fn is_led(relation: &Relation) -> bool {
    relation.columns.first().is_none_or(|first| first.is_long)
}

/// What stands before the tuples of every statement of a table.
pub(super) fn insert_head(relation: &Relation) -> String {
    let columns = relation.columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {} ({columns}) VALUES\n", relation.quoted())
}

/// Reads one task to its end, its large rows last, on a session that was [`prepare`]d. After an error the session may be in the middle
/// of an answer.
pub(super) async fn read(
    session: &mut Session,
    relation: &Relation,
    task: &Task,
    into: &mut (dyn TakeRows + Send),
    progress: &Progress,
    stop: &Stop,
) -> Result<Tally, EngineError> {
    let range = task.range.as_deref();
    let Some(size) = large::size(relation, session.max_packet) else {
        return read_by(session, relation, select(relation, range, None), into, progress, stop).await;
    };
    large::begin(session).await?;
    let others = select(relation, range, Some(&large::others(&size)));
    let mut tally = read_by(session, relation, others, into, progress, stop).await?;
    if large::are_left(session).await? {
        let turn = large::turn(session, relation, task, &size, progress).await?;
        let these = select(relation, range, Some(&large::these(&size)));
        tally.merge(&read_by(session, relation, these, into, progress, stop).await?);
        // What the driver holds of them is let go with the next answer, and then others have their turn.
        session.connection.shrink_buffers();
        session.run("let go of large rows", "DO 0").await?;
        drop(turn);
    }
    Ok(tally)
}

/// Reads what a statement selects.
async fn read_by(
    session: &mut Session,
    relation: &Relation,
    sql: String,
    into: &mut (dyn TakeRows + Send),
    progress: &Progress,
    stop: &Stop,
) -> Result<Tally, EngineError> {
    let (place, max_packet) = (session.place().clone(), session.max_packet);
    let failed = |source| place.sort(&format!("read table {}", relation.name), source);
    let mut statement = Statement::new(relation, max_packet);
    let (mut tally, mut broken) = (Tally::default(), None);
    let mut take = |row: &MySqlRow| -> Result<(), EngineError> {
        statement.add(row, &mut tally).map_err(failed)?;
        if statement.is_too_large() {
            return Err(too_large(relation, row, max_packet));
        }
        // What is escaped in it is known now, and a restore would hold it as it is written.
        let written = statement.last_length();
        if written > LARGE {
            let short = memory::demand(memory::needed_in_frame(written, SQL_TENTHS));
            short.map_err(|short| short.of(format!("a row of table {} ({})", relation.name, which(relation, row))))?;
        }
        if statement.is_full() {
            statement.spare_the_last(into, progress)?;
            if stop.asked() {
                return Err(EngineError::Worker("another worker had failed".to_owned()));
            }
            statement.hand_over(into, progress)?;
        }
        Ok(())
    };
    let mut each = |row: &MySqlRow| match take(row) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            broken = Some(error);
            ControlFlow::Break(())
        }
    };
    upkeep_rows::read(&mut session.connection, sql, &mut each).await.map_err(failed)?;
    if let Some(error) = broken {
        return Err(error);
    }
    statement.hand_over(into, progress)?;
    Ok(tally)
}

/// What stands between tuples, and what ends a statement instead.
const SEPARATOR: &[u8; 2] = b",\n";
const END: &[u8; 2] = b";\n";

/// A statement under construction.
struct Statement {
    encodings: Vec<Encoding>,
    led: usize,
    head: usize,
    full: usize,
    max_packet: usize,
    text: Vec<u8>,
    /// Where the last tuple begins.
    last: usize,
    rows: u64,
}

impl Statement {
    fn new(relation: &Relation, max_packet: u64) -> Self {
        let head = insert_head(relation).into_bytes();
        let max_packet = usize::try_from(max_packet).unwrap_or(usize::MAX);
        let full = STATEMENT_BYTES.min(max_packet / 2);
        let led = usize::from(is_led(relation));
        let mut text = Vec::with_capacity(full + full / 4);
        text.extend_from_slice(&head);
        let encodings = relation.columns.iter().map(|column| column.encoding.clone()).collect();
        Self { encodings, led, head: head.len(), full, max_packet, last: text.len(), text, rows: 0 }
    }

    /// Adds a row and counts it.
    fn add(&mut self, row: &MySqlRow, tally: &mut Tally) -> Result<(), sqlx::Error> {
        if self.rows > 0 {
            self.text.extend_from_slice(SEPARATOR);
        }
        self.last = self.text.len();
        tuple_into(&mut self.text, row, self.led, &self.encodings)?;
        self.rows += 1;
        let tuple = &self.text[self.last..];
        tally.add(tuple, tuple.len());
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.text.len() >= self.full
    }

    fn last_length(&self) -> u64 {
        (self.text.len() - self.last) as u64
    }

    /// Whether no statement could hold the last row.
    fn is_too_large(&self) -> bool {
        self.head + self.text.len() - self.last + 2 > self.max_packet
    }

    /// Hands over what stands before a row that is a statement's worth by itself, so that it gets one of its own.
    fn spare_the_last(&mut self, into: &mut (dyn TakeRows + Send), progress: &Progress) -> Result<(), EngineError> {
        if self.rows > 1 && self.text.len() - self.last > self.full {
            // In place, for a copy would take its memory twice: what separated it from the others ends their statement.
            self.text[self.last - SEPARATOR.len()..self.last].copy_from_slice(END);
            into.take(&self.text[..self.last], self.rows - 1)?;
            progress.add(self.last as u64, self.rows - 1);
            self.text.drain(self.head..self.last);
            self.last = self.head;
            self.rows = 1;
        }
        Ok(())
    }

    fn hand_over(&mut self, into: &mut (dyn TakeRows + Send), progress: &Progress) -> Result<(), EngineError> {
        if self.rows > 0 {
            self.text.extend_from_slice(END);
            into.take(&self.text, self.rows)?;
            progress.add(self.text.len() as u64, self.rows);
            self.text.truncate(self.head);
            self.rows = 0;
            // One huge row must not hold its memory until the table's end.
            self.text.shrink_to(self.full * 4);
        }
        Ok(())
    }
}

/// Names a row, by its primary key.
fn which(relation: &Relation, row: &MySqlRow) -> String {
    let led = usize::from(is_led(relation));
    let value = |name: &str| {
        let place = relation.columns.iter().position(|column| column.name == name)?;
        let mut text = Vec::new();
        relation.columns[place].encoding.write(row.try_get_unchecked(place + led).ok()?, &mut text);
        Some(format!("{name} = {}", String::from_utf8_lossy(&text).chars().take(80).collect::<String>()))
    };
    let key = relation.key.iter().filter_map(|part| value(&part.name)).collect::<Vec<_>>().join(", ");
    if key.is_empty() { "one without a primary key".to_owned() } else { key }
}

/// Names the row that no statement can hold.
fn too_large(relation: &Relation, row: &MySqlRow, max_packet: u64) -> EngineError {
    EngineError::Inexact {
        what: format!(
            "a row of table {} ({}) is longer, written as SQL, than max_allowed_packet of this server, {max_packet} bytes: \
             no statement could restore it",
            relation.name,
            which(relation, row)
        ),
        hint: "raise it: SET GLOBAL max_allowed_packet = 1073741824; and the same in the server's configuration".to_owned(),
    }
}

#[cfg(test)]
mod tests;
