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
use super::catalog::Relation;
use super::columns::Column;
use super::connect::{Session, quote};

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
    /// For a table that is read in ranges: its key's first column, and how many rows make a range.
    key: Option<(Column, u64)>,
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
    ///
    /// Finding a range's end is not free where rows are short, so no more tables are cut than level the connections, the
    /// largest before the others. While all but one of the connections read whole tables, the largest first, that one reads
    /// ranges: large values are waited for, page by page, beside rows that keep the processor busy. Then all read ranges, until
    /// everything is read. That ends evenly if the whole tables, so read, take no longer than everybody's share of it all;
    /// and however badly they fit, all but one connection read them in what they take together and part of the largest.
    pub(super) fn of(relations: &[Relation], connections: usize) -> Self {
        let bytes = |table: usize| u128::from(relations[table].bytes);
        let total: u128 = (0..relations.len()).map(bytes).sum();
        let mut tables: Vec<(usize, Option<(Column, u64)>)> =
            relations.iter().enumerate().map(|(table, relation)| (table, cutting_key(relation))).collect();
        tables.sort_by_key(|(table, _)| Reverse(bytes(*table)));
        let (connections, others) = (connections as u128, connections.saturating_sub(1) as u128);
        let (mut whole, mut cut) = (tables, Vec::new());
        loop {
            let sum: u128 = whole.iter().map(|(table, _)| bytes(*table)).sum();
            let largest = whole.first().map_or(0, |(table, _)| bytes(*table));
            let ends_evenly = (sum + others.saturating_sub(1) * largest) * connections <= total * others;
            match whole.iter().position(|(_, key)| key.is_some()) {
                Some(next) if !ends_evenly && others > 0 => cut.push(whole.remove(next)),
                _ => break,
            }
        }
        whole.iter_mut().for_each(|(_, key)| *key = None);
        let cutters = |tables: Vec<(usize, _)>| {
            let cutter =
                |(table, key)| Cutter { table, name: relations[table].name.clone(), key, edge: Mutex::new(Edge::Start) };
            Arc::new(tables.into_iter().map(cutter).collect())
        };
        Self { whole: cutters(whole), cut: cutters(cut), early: Arc::new(Semaphore::new(1)) }
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
        let found = session.rows(&format!("cut table {} into ranges", self.name), &sql).await?;
        let Some(row) = found.first() else {
            *edge = Edge::End;
            return task(behind);
        };
        let mut value = Vec::new();
        column.encoding.write(row.try_get_unchecked(1).unwrap_or_default(), &mut value);
        let value = String::from_utf8_lossy(&value).into_owned();
        let range = behind.into_iter().chain([format!("{key} <= {value}")]).collect::<Vec<_>>().join(" AND ");
        *edge = Edge::Behind(value);
        task(Some(range))
    }
}

/// The column to cut by, if the table is worth it and can be, and how many rows make a range.
fn cutting_key(relation: &Relation) -> Option<(Column, u64)> {
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
