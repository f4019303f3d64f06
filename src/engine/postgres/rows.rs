//! Reading tables as `COPY` text: how they are cut into tasks, and the sums over their rows.
//!
//! Shared by the dump, which stores the rows, and by the comparison after a load, which only sums them: both read the same
//! statements, so equal sums mean equal rows.

mod large;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt;
use sqlx::Connection as _;

use super::super::EngineError;
use super::super::crew::Stop;
use super::super::tally::{TakeRows, Tally};
use super::catalog::Relation;
use super::connect::{Session, quote};
use crate::progress::Progress;

/// A heap larger than this is read in ranges, so that one huge table uses every connection. Small enough that the last
/// range is over soon after the others, large enough that a range is worth its statement.
const RANGE_BYTES: u64 = 48 * 1024 * 1024;
/// The first major that reads a range of ctids without reading the whole table.
const RANGES_SINCE: u32 = 14;

/// How many small tables are read under locks of one transaction, and how many bytes they may have: the server's room for locks is small.
const FEW: usize = 50;
const FEW_BYTES: u64 = 4 * 1024 * 1024;

/// What a session that reads rows sets beside what every session begins with (`direct::SETTINGS`), so that every value is printed whole and
/// the same for everybody. With another `constraint_exclusion` whoever reads a partition takes a lock on its parent.
pub(super) fn reading_settings(charset: &str) -> String {
    let encoding = encoding(charset);
    format!(
        "SET client_encoding = '{encoding}'; SET DateStyle = ISO; SET TimeZone = 'UTC'; SET synchronize_seqscans = off; SET constraint_exclusion = partition"
    )
}

/// The encoding a database of this character set is read and written in: UTF-8, but for bytes that claim no encoding.
pub(super) fn encoding(charset: &str) -> &'static str {
    if charset == "SQL_ASCII" { "SQL_ASCII" } else { "UTF8" }
}

/// A part of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    /// Index of the table.
    pub(super) table: usize,
    /// Pages from (inclusive) and to (exclusive; none for the end, wherever it is); none for the whole table.
    pub(super) pages: Option<(u64, Option<u64>)>,
    /// About how many bytes it is.
    pub(super) bytes: u64,
}

/// What is still to be read, biggest first.
#[derive(Debug, Clone)]
pub(super) struct Tasks(Arc<Mutex<VecDeque<Task>>>);

impl Tasks {
    /// Cuts the tables.
    pub(super) fn of(relations: &[Relation], major: u32) -> Self {
        let mut tasks: Vec<Task> =
            relations.iter().enumerate().flat_map(|(table, relation)| cut(table, relation, major)).collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(relations[task.table].bytes));
        Self(Arc::new(Mutex::new(tasks.into())))
    }

    /// Those of all other tables.
    pub(super) fn without(self, tables: &[usize]) -> Self {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|task| !tables.contains(&task.table));
        self
    }

    /// The next ones, which one lock statement is worth: a large one, or several small ones.
    pub(super) fn next_few(&self) -> Vec<Task> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut few, mut bytes) = (Vec::new(), 0);
        while let Some(next) = all.front().filter(|next| few.is_empty() || (few.len() < FEW && bytes + next.bytes <= FEW_BYTES))
        {
            bytes += next.bytes;
            few.push(*next);
            all.pop_front();
        }
        few
    }

    /// The next one.
    pub(super) fn next(&self) -> Option<Task> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Cuts one table.
pub(super) fn cut(table: usize, relation: &Relation, major: u32) -> Vec<Task> {
    let ranges = relation.bytes.div_ceil(RANGE_BYTES).clamp(1, relation.pages.max(1));
    if ranges == 1 || major < RANGES_SINCE || !relation.by_place || !relation.filter.is_empty() {
        return vec![Task { table, pages: None, bytes: relation.bytes }];
    }
    let edge = |n: u64| relation.pages * n / ranges;
    // The last range has no end: rows on pages added since we asked for the size are in no snapshot of ours, but a
    // size that is too small must never cost a row.
    let range =
        |n: u64| Task { table, pages: Some((edge(n), (n + 1 < ranges).then(|| edge(n + 1)))), bytes: relation.bytes / ranges };
    (0..ranges).map(range).collect()
}

/// `(a, b)`, or nothing for a table without columns of its own.
fn column_list(relation: &Relation) -> String {
    let columns = relation.columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    if columns.is_empty() { columns } else { format!(" ({columns})") }
}

/// The statement that reads a task.
pub(super) fn copy_out(relation: &Relation, task: Task) -> String {
    let name = relation.quoted();
    if task.pages.is_none() && relation.filter.is_empty() {
        return format!("COPY {name}{} TO STDOUT", column_list(relation));
    }
    let columns = relation.columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    let condition = condition(task).map_or_else(|| relation.filter.clone(), |range| format!("WHERE {range}"));
    format!("COPY (SELECT {columns} FROM ONLY {name} {condition}) TO STDOUT")
}

/// What a task's rows meet, where it is not the whole table.
fn condition(task: Task) -> Option<String> {
    Some(match task.pages? {
        (from, Some(to)) => format!("ctid >= '({from},0)' AND ctid < '({to},0)'"),
        (from, None) => format!("ctid >= '({from},0)'"),
    })
}

/// The line that begins a table's rows in an archive; the loader sends the same statement.
pub(super) fn copy_in(relation: &Relation) -> String {
    format!("COPY {}{} FROM stdin", relation.quoted(), column_list(relation))
}

/// Rows are handed on in pieces of about this many bytes: one call of the compressor, not one a row.
pub(super) const PIECE_BYTES: usize = 128 * 1024;

/// Reads one task to its end, its large rows last.
pub(super) async fn read(
    session: &mut Session,
    relation: &Relation,
    task: Task,
    into: &mut (dyn TakeRows + Send),
    progress: &Progress,
    stop: &Stop,
) -> Result<Tally, EngineError> {
    if !large::may_be_in(relation) {
        return copy(session, relation, &copy_out(relation, task), into, progress, stop).await;
    }
    large::begin(session).await?;
    let mut tally = copy(session, relation, &large::copy_others(relation, task), into, progress, stop).await?;
    for place in large::left(session).await? {
        let turn = large::turn(session, relation, &place, progress).await?;
        tally.merge(&copy(session, relation, &large::copy_one(relation, &place), into, progress, stop).await?);
        // What the driver holds of it is let go with the next answer, and then the next one has its turn.
        session.connection.shrink_buffers();
        session.run("let go of a large row", "SELECT").await?;
        drop(turn);
    }
    Ok(tally)
}

/// Reads what a statement copies.
async fn copy(
    session: &mut Session,
    relation: &Relation,
    statement: &str,
    into: &mut (dyn TakeRows + Send),
    progress: &Progress,
    stop: &Stop,
) -> Result<Tally, EngineError> {
    let place = session.place().clone();
    let failed = |source| place.sort(&format!("read table {}.{}", relation.schema, relation.name), source);
    let mut stream = session.connection.copy_out_raw(statement).await.map_err(failed)?;
    let (mut tally, mut piece, mut rows) = (Tally::default(), Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4), 0);
    // The server sends one row a message, each with its line end.
    while let Some(row) = stream.try_next().await.map_err(failed)? {
        tally.add(row.strip_suffix(b"\n").unwrap_or(&row), row.len());
        if row.len() >= PIECE_BYTES {
            // It goes on as it came: a copy would take its memory twice.
            if rows > 0 {
                into.take(&piece, rows)?;
                progress.add(piece.len() as u64, rows);
                piece.clear();
                rows = 0;
            }
            into.take(&row, 1)?;
            progress.add(row.len() as u64, 1);
            continue;
        }
        piece.extend_from_slice(&row);
        rows += 1;
        if piece.len() >= PIECE_BYTES {
            if stop.asked() {
                return Err(EngineError::Worker("another worker had failed".to_owned()));
            }
            into.take(&piece, rows)?;
            progress.add(piece.len() as u64, rows);
            piece.clear();
            rows = 0;
        }
    }
    if rows > 0 {
        into.take(&piece, rows)?;
        progress.add(piece.len() as u64, rows);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests;
