//! What is loaded and built in which order.
//!
//! Pure. Whole tables first, largest first, then indexes of tables whose rows are all there: so the largest table begins at
//! once, and the indexes of the others keep the remaining connections busy until it is done.
//! Invariant: nothing is handed out that would wait for a lock of something handed out before; held by `tests.rs`.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use super::super::split::{Chunk, Splitter};
use crate::archive::manifest::{FrameKind, Manifest, Table};

/// What one worker does at a time. The number is the table's place in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// All rows of a table, frozen.
    Whole(usize, Vec<usize>),
    /// One frame of a table that several workers load.
    Part(usize, usize),
    /// A key: nobody else may have the table meanwhile.
    Key(usize, String),
    /// An index: others may be built on the table meanwhile.
    Index(usize, String),
}

/// What a worker is to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This.
    Take(Step),
    /// Nothing until another worker is done with something.
    Wait,
    /// Nothing any more.
    Done,
}

/// One table's work.
#[derive(Debug, Default)]
struct Work {
    bytes: u64,
    loads: VecDeque<Step>,
    keys: VecDeque<String>,
    indexes: VecDeque<String>,
    /// Loads handed out and not yet done.
    loading: usize,
    /// Keys and indexes handed out and not yet done.
    building: usize,
    /// Whether what is being built is a key.
    key_running: bool,
}

/// The work of all tables, largest table first.
#[derive(Debug)]
pub(super) struct Plan {
    tables: Vec<Work>,
}

impl Plan {
    /// Plans for `jobs` workers. A table that is more than its share is loaded by all of them, frame by frame; and so are those
    /// of `kept` (schema and name), into which an extension has put rows. `builds` names tables by their place in the manifest.
    pub(super) fn of(manifest: &Manifest, jobs: usize, kept: &[(String, String)], builds: Vec<(usize, String)>) -> Self {
        let mut frames: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut total = 0;
        let mut tables: Vec<Work> = manifest.tables.iter().map(|_| Work::default()).collect();
        for (index, frame) in manifest.frames.iter().enumerate().filter(|(_, frame)| frame.kind == FrameKind::Data) {
            let Some(table) = frame.table.map(|table| table as usize).filter(|table| *table < tables.len()) else { continue };
            tables[table].bytes += frame.raw;
            total += frame.raw;
            frames.entry(table).or_default().push(index);
        }
        for (table, sql) in builds {
            let Some(work) = tables.get_mut(table) else { continue };
            if is_key(&sql) { work.keys.push_back(sql) } else { work.indexes.push_back(sql) }
        }
        // Twice a worker's fair part, for the indexes come on top: the others build theirs while the largest table loads.
        let share = total * 2 / (jobs as u64 + 1);
        let mut order: Vec<usize> = (0..tables.len()).collect();
        order.sort_by_key(|table| (Reverse(tables[*table].bytes), *table));
        let tables = order.iter().enumerate().map(|(place, table)| {
            let mut work = std::mem::take(&mut tables[*table]);
            let frames = frames.remove(table).unwrap_or_default();
            let name = &manifest.tables[*table];
            let is_kept = kept.iter().any(|(schema, table)| *schema == name.schema && *table == name.name);
            work.loads = if frames.is_empty() {
                VecDeque::new()
            } else if is_kept || work.bytes > share {
                frames.into_iter().map(|frame| Step::Part(place, frame)).collect()
            } else {
                VecDeque::from([Step::Whole(place, frames)])
            };
            work
        });
        Self { tables: tables.collect() }
    }

    /// How many steps there are.
    pub(super) fn steps(&self) -> usize {
        self.tables.iter().map(|work| work.loads.len() + work.keys.len() + work.indexes.len()).sum()
    }

    /// Hands out a step.
    pub(super) fn next(&mut self) -> Next {
        let step = self.next_load().or_else(|| self.next_key()).or_else(|| self.next_index());
        match step {
            Some(step) => Next::Take(step),
            None if self.steps() > 0 => Next::Wait,
            None => Next::Done,
        }
    }

    /// Takes note that a step is done. Whether it was the last of all rows.
    pub(super) fn done(&mut self, step: &Step) -> bool {
        let (Step::Whole(place, _) | Step::Part(place, _) | Step::Key(place, _) | Step::Index(place, _)) = step;
        let Some(work) = self.tables.get_mut(*place) else { return false };
        match step {
            Step::Whole(..) | Step::Part(..) => work.loading -= 1,
            Step::Key(..) => (work.building, work.key_running) = (work.building - 1, false),
            Step::Index(..) => work.building -= 1,
        }
        matches!(step, Step::Whole(..) | Step::Part(..)) && self.tables.iter().all(Work::is_loaded)
    }

    fn next_load(&mut self) -> Option<Step> {
        let work = self.tables.iter_mut().find(|work| !work.loads.is_empty())?;
        work.loading += 1;
        work.loads.pop_front()
    }

    /// `ALTER TABLE … ADD CONSTRAINT` locks out everybody, and would wait for everybody.
    fn next_key(&mut self) -> Option<Step> {
        let free = |work: &Work| work.is_loaded() && work.building == 0;
        let (place, work) = self.tables.iter_mut().enumerate().find(|(_, work)| free(work) && !work.keys.is_empty())?;
        (work.building, work.key_running) = (work.building + 1, true);
        work.keys.pop_front().map(|sql| Step::Key(place, sql))
    }

    /// Indexes of one table may be built side by side, once its keys are there.
    fn next_index(&mut self) -> Option<Step> {
        let free = |work: &Work| work.is_loaded() && work.keys.is_empty() && !work.key_running;
        let (place, work) = self.tables.iter_mut().enumerate().find(|(_, work)| free(work) && !work.indexes.is_empty())?;
        work.building += 1;
        work.indexes.pop_front().map(|sql| Step::Index(place, sql))
    }
}

impl Work {
    fn is_loaded(&self) -> bool {
        self.loads.is_empty() && self.loading == 0
    }
}

/// The schema after the data: what builds an index or a key, with the table's place in the manifest, and all the rest in the
/// archive's order.
pub(super) fn sort(text: &str, tables: &[Table], mut see: impl FnMut(&str)) -> (Vec<(usize, String)>, Vec<String>) {
    let mut splitter = Splitter::new();
    let mut chunks = splitter.push(text.as_bytes());
    chunks.extend(splitter.finish());
    let spelled =
        tables.iter().enumerate().flat_map(|(place, table)| spellings(table).into_iter().map(move |name| (name, place)));
    let places: HashMap<String, usize> = spelled.collect();
    let (mut builds, mut rest) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let Chunk::Statement { sql, .. } = chunk else { continue };
        see(&sql);
        match indexed_table(&sql).and_then(|name| places.get(name)) {
            Some(place) => builds.push((*place, sql)),
            None => rest.push(sql),
        }
    }
    (builds, rest)
}

/// Whether a statement that builds is one that locks the whole table.
fn is_key(sql: &str) -> bool {
    sql.starts_with("ALTER TABLE ")
}

/// The table an index or a key is built on, as the statement spells it; `None` for every other statement.
fn indexed_table(sql: &str) -> Option<&str> {
    if sql.starts_with("CREATE INDEX ") || sql.starts_with("CREATE UNIQUE INDEX ") {
        let (_, rest) = sql.split_once(" ON ")?;
        return rest.split_once(" USING ").map(|(table, _)| table);
    }
    let (table, rest) = sql.strip_prefix("ALTER TABLE ONLY ")?.split_once("\n    ADD CONSTRAINT ")?;
    let key = [" PRIMARY KEY ", " UNIQUE ", " EXCLUDE "].iter().any(|word| rest.contains(word));
    (key && !rest.contains(" FOREIGN KEY ") && !rest.contains(" CHECK ")).then_some(table)
}

/// The ways `pg_dump` may spell a table: each part plain or quoted.
fn spellings(table: &Table) -> Vec<String> {
    let quote = super::super::connect::quote;
    let (schemas, names) = ([table.schema.clone(), quote(&table.schema)], [table.name.clone(), quote(&table.name)]);
    schemas.iter().flat_map(|schema| names.iter().map(move |name| format!("{schema}.{name}"))).collect()
}

#[cfg(test)]
mod tests;
