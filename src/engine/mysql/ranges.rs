//! Cutting tables into tasks, as the work goes on: whoever is free takes the next range of a large table's primary key.
//!
//! A range ends where the server says that enough rows lie behind the last one, so nothing depends on statistics, on how keys are
//! spread or on what a collation calls smaller; and the pages walked over to find the end are those read next. Ranges are
//! half-open by the server's own comparison. Invariant: every row is in exactly one range; held by `tests/it/mysql_traps.rs`.

use std::cmp::Reverse;
use std::sync::Arc;

use sqlx::Row;
use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};

use super::super::EngineError;
use super::columns::Column;
use super::connect::{Session, quote};
use super::relation::Relation;

/// A table larger than this is read in ranges of about this size, so that one huge table uses every connection. Small enough
/// that the last range is over soon after the others, large enough that a range is worth its two statements.
const RANGE_BYTES: u64 = 24 * 1024 * 1024;

/// A part of a table.
#[derive(Debug)]
pub(super) struct Task {
    /// Index of the table.
    pub(super) table: usize,
    /// Which rows, as a condition on the primary key; none for the whole table.
    pub(super) range: Option<String>,
    /// Held by whoever reads a range while there are whole tables to be read.
    _early: Option<OwnedSemaphorePermit>,
}

/// What is still to be read; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Tasks {
    /// Tables read in one go, the largest first.
    whole: Arc<Vec<Cutter>>,
    /// Tables read in ranges, the largest first.
    cut: Arc<Vec<Cutter>>,
    /// One permit.
    early: Arc<Semaphore>,
}

#[derive(Debug)]
struct Cutter {
    table: usize,
    name: String,
    /// For a table that is read in ranges.
    key: Option<CuttingKey>,
    edge: Mutex<Edge>,
}

/// How far a table was handed out.
#[derive(Debug)]
enum Edge {
    Start,
    /// Up to and including this value, as a literal.
    Behind(String),
    End,
}

impl Tasks {
    /// The tables, for so many connections.
    pub(super) fn of(relations: &[Relation], connections: usize) -> Self {
        let cutter =
            |table: usize, key| Cutter { table, name: relations[table].name.clone(), key, edge: Mutex::new(Edge::Start) };
        let (whole, cut) = divide(relations, connections);
        Self {
            whole: Arc::new(whole.into_iter().map(|table| cutter(table, None)).collect()),
            cut: Arc::new(cut.into_iter().map(|(table, key)| cutter(table, Some(key))).collect()),
            early: Arc::new(Semaphore::new(1)),
        }
    }

    /// The next one. The session sees the same rows as every other that asks.
    pub(super) async fn next(&self, session: &mut Session) -> Result<Option<Task>, EngineError> {
        let early = Arc::clone(&self.early).try_acquire_owned().ok();
        let [first, then] = if early.is_some() { [&self.cut, &self.whole] } else { [&self.whole, &self.cut] };
        let mut busy = Vec::new();
        for cutter in first.iter().chain(then.iter()) {
            // A table that another worker is just cutting is left to it as long as there are others.
            match cutter.edge.try_lock() {
                Ok(edge) => {
                    if let Some(task) = cutter.take(edge, session).await? {
                        return Ok(Some(Task { _early: early, ..task }));
                    }
                }
                Err(_) => busy.push(cutter),
            }
        }
        for cutter in busy {
            if let Some(task) = cutter.take(cutter.edge.lock().await, session).await? {
                return Ok(Some(task));
            }
        }
        Ok(None)
    }
}

impl Cutter {
    async fn take(&self, mut edge: MutexGuard<'_, Edge>, session: &mut Session) -> Result<Option<Task>, EngineError> {
        let task = |range| Ok(Some(Task { table: self.table, range, _early: None }));
        let Some((column, rows)) = &self.key else {
            return match std::mem::replace(&mut *edge, Edge::End) {
                Edge::End => Ok(None),
                Edge::Start | Edge::Behind(_) => task(None),
            };
        };
        let key = quote(&column.name);
        let behind = match &*edge {
            Edge::End => return Ok(None),
            Edge::Start => None,
            Edge::Behind(value) => Some(format!("{key} > {value}")),
        };
        let condition = behind.as_ref().map(|behind| format!(" WHERE {behind}")).unwrap_or_default();
        let sql = format!(
            "SELECT 1, {} FROM {} FORCE INDEX (PRIMARY){condition} ORDER BY {key} LIMIT 1 OFFSET {rows}",
            column.expression,
            quote(&self.name)
        );
        let doing = format!("cut table {} into ranges", self.name);
        let found = session.rows(&doing, &sql).await?;
        let Some(row) = found.first() else {
            *edge = Edge::End;
            return task(behind);
        };
        let mut value = Vec::new();
        let last: Option<&[u8]> = row.try_get_unchecked(1).map_err(|source| session.place().sort(&doing, source))?;
        column.encoding.write(last, &mut value);
        let value = String::from_utf8_lossy(&value).into_owned();
        let range = behind.into_iter().chain([format!("{key} <= {value}")]).collect::<Vec<_>>().join(" AND ");
        *edge = Edge::Behind(value);
        task(Some(range))
    }
}

/// A key's first column, and how many rows make a range.
type CuttingKey = (Column, u64);

/// Which tables are read in one go and which in ranges, the largest first in both.
///
/// Finding a range's end is not free where rows are short, so no more are cut than level the connections. All but one of
/// them read whole tables first, while that one reads ranges: large values are waited for, page by page, beside rows that keep
/// the processor busy. Then all read ranges until the end.
fn divide(relations: &[Relation], connections: usize) -> (Vec<usize>, Vec<(usize, CuttingKey)>) {
    let bytes = |table: &usize| u128::from(relations[*table].bytes);
    let mut whole: Vec<usize> = (0..relations.len()).collect();
    whole.sort_by_key(|table| Reverse(bytes(table)));
    let mut cut = Vec::new();
    let total: u128 = whole.iter().map(bytes).sum();
    let mut sum = total;
    while !ends_evenly(sum, whole.first().map_or(0, bytes), total, connections as u128) {
        let found = whole.iter().enumerate().find_map(|(place, table)| Some((place, cutting_key(&relations[*table])?)));
        let Some((place, key)) = found else { break };
        let table = whole.remove(place);
        sum -= bytes(&table);
        cut.push((table, key));
    }
    (whole, cut)
}

/// Whether all but one of the connections have read whole tables of `sum` bytes before that one has read its share of the
/// `total`. Handed out the largest first, they take at the most an equal part of the sum each and what is left of the `largest`
/// when the others are done (R. L. Graham, "Bounds on Multiprocessing Timing Anomalies", 1969). One connection has nobody to
/// wait for.
fn ends_evenly(sum: u128, largest: u128, total: u128, connections: u128) -> bool {
    match connections.saturating_sub(1) {
        0 => true,
        others => (sum + (others - 1) * largest) * connections <= total * others,
    }
}

/// The column to cut by, if the table is worth it and can be, and how many rows make a range.
fn cutting_key(relation: &Relation) -> Option<CuttingKey> {
    let first = relation.key.first()?;
    if relation.bytes < 2 * RANGE_BYTES || relation.history {
        return None;
    }
    let column = first.cut_by.clone()?;
    let rows = u128::from(relation.rows) * u128::from(RANGE_BYTES) / u128::from(relation.bytes.max(1));
    Some((column, u64::try_from(rows).unwrap_or(u64::MAX).max(1)))
}

#[cfg(test)]
mod tests;
