//! What is loaded, built and compared in which order.
//!
//! Pure. Whole tables first, largest first; then keys, indexes and foreign keys of tables whose rows are all there; the
//! comparison and the statistics keep the remaining connections busy until the last of that is done.
//! Invariant: nothing is handed out that would wait for a lock of something handed out before; held by `tests.rs`.

mod open;

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::super::super::memory;
use super::super::catalog::Relation;
use super::super::large_objects;
use super::super::rows::Task;
use super::builds::Builds;
use super::relation_of;
use crate::archive::manifest::{FrameKind, Manifest};
use open::{Kind, Open};

/// A table whose rows are no more than this is loaded together with others: for it the messages are what takes the time.
const SMALL_BYTES: u64 = 64 * 1024;
/// How many of them at once: few messages, and little that others wait for.
const FEW: usize = 32;

/// What one worker does at a time. A number is a table's place in the manifest.
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
    /// A foreign key from one table to another: neither may change meanwhile.
    Foreign(usize, usize, String),
    /// How large a table is, for its comparison to be cut.
    Measure(usize),
    /// Rows read back and summed up.
    Compare(Arc<Relation>, Task),
    /// A table's statistics.
    Analyze(usize),
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

/// How far a table's comparison is.
#[derive(Debug, Default)]
enum Proof {
    #[default]
    Nothing,
    /// Too large to be read at once for all we know.
    Unmeasured,
    Measuring,
    Left(VecDeque<(Arc<Relation>, Task)>),
}

impl Proof {
    fn steps(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Unmeasured | Self::Measuring => 1,
            Self::Left(tasks) => tasks.len(),
        }
    }
}

/// One table's work, and what of it was handed out and is not yet done.
#[derive(Debug, Default)]
struct Work {
    bytes: u64,
    loads: VecDeque<Step>,
    keys: VecDeque<String>,
    indexes: VecDeque<String>,
    /// Indexes that wait for the rows of all tables.
    computed: VecDeque<String>,
    /// Whether its rows wait for their turn.
    in_turn: bool,
    proof: Proof,
    analyze: bool,
    loading: usize,
    indexing: usize,
    reading: usize,
    /// A key, a foreign key or statistics: of these only one at a time.
    changing: bool,
    /// Whether that is a key.
    locked: bool,
}

/// The work of all tables.
#[derive(Debug)]
pub(super) struct Plan {
    tables: Vec<Work>,
    /// Places in `tables`, largest first.
    order: Vec<usize>,
    /// Which of them have something left.
    open: Open,
    /// How many whose turn has come are not loaded.
    unloaded: usize,
    foreign: VecDeque<(usize, usize, String)>,
    /// Tables that are loaded after all others and one after the other.
    turns: VecDeque<usize>,
}

impl Plan {
    /// Plans for `jobs` workers. A table that is more than its share is loaded by all of them, frame by frame; and so are those
    /// of `kept` (schema and name), into which an extension has put rows. Those in `turns` come last and in this order. With `analyze`, statistics are collected as well.
    pub(super) fn of(
        manifest: &Manifest,
        jobs: usize,
        kept: &[(String, String)],
        turns: &[usize],
        builds: Builds,
        analyze: bool,
    ) -> Self {
        let mut frames: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut tables: Vec<Work> = manifest.tables.iter().map(|_| Work::default()).collect();
        for (index, frame) in manifest.frames.iter().enumerate().filter(|(_, frame)| frame.kind == FrameKind::Data) {
            let Some(table) = frame.table.map(|table| table as usize).filter(|table| *table < tables.len()) else { continue };
            tables[table].bytes += frame.raw;
            frames.entry(table).or_default().push(index);
        }
        // Twice a worker's fair part, for the indexes come on top: the others build theirs while the largest table loads.
        let share = tables.iter().map(|work| work.bytes).sum::<u64>() * 2 / (jobs as u64 + 1);
        for (place, (work, table)) in tables.iter_mut().zip(&manifest.tables).enumerate() {
            let frames = frames.remove(&place).unwrap_or_default();
            let is_kept = kept.iter().any(|(schema, name)| *schema == table.schema && *name == table.name);
            if !large_objects::is_it(&table.schema, &table.name) {
                work.analyze = analyze;
                // A table of one frame is read at once, but for a large row, which the server is asked for; and only the server knows
                // which rows of an extension's table count.
                let is_large = |index: &usize| memory::large_row_of(&manifest.frames[*index]).is_some();
                work.proof = if frames.len() > 1 || is_kept || frames.iter().any(is_large) {
                    Proof::Unmeasured
                } else {
                    let whole = Task { table: place, pages: None, bytes: table.bytes };
                    Proof::Left(VecDeque::from([(Arc::new(relation_of(table)), whole)]))
                };
            }
            work.in_turn = turns.contains(&place);
            if is_kept || work.bytes > share && !work.in_turn {
                work.loads = frames.into_iter().map(|frame| Step::Part(place, frame)).collect();
            } else if !frames.is_empty() {
                work.loads.push_back(Step::Whole(place, frames));
            }
        }
        let mut order: Vec<usize> = (0..tables.len()).collect();
        order.sort_by_key(|table| (Reverse(tables[*table].bytes), *table));
        let unloaded = tables.iter().filter(|work| !work.in_turn && !work.is_loaded()).count();
        let (open, turns) = (Open::of(&order), turns.iter().copied().collect());
        let mut plan = Self { tables, order, open, unloaded, foreign: builds.foreign.into(), turns };
        for (place, sql) in builds.keys {
            plan.tables[place].keys.push_back(sql);
        }
        for (place, sql) in builds.indexes {
            plan.tables[place].indexes.push_back(sql);
        }
        for (place, sql) in builds.computed {
            plan.tables[place].computed.push_back(sql);
        }
        (0..plan.tables.len()).for_each(|place| plan.note(place));
        plan.release();
        plan
    }

    /// How many steps are known and not handed out.
    pub(super) fn steps(&self) -> usize {
        self.tables.iter().map(Work::steps).sum::<usize>() + self.foreign.len()
    }

    /// Hands out a step.
    pub(super) fn next(&mut self) -> Next {
        const ANY: u64 = u64::MAX;
        let step = self.next_measure().or_else(|| self.next_load(ANY)).or_else(|| self.next_key(ANY));
        let step = step.or_else(|| self.next_index(ANY)).or_else(|| self.next_foreign(ANY));
        match step.or_else(|| self.next_compare()).or_else(|| self.next_analyze(ANY)) {
            Some(step) => Next::Take(step),
            None if self.steps() > 0 => Next::Wait,
            None => Next::Done,
        }
    }

    /// A step that was handed out, and others that are handed out and done together with it.
    pub(super) fn with_company(&mut self, first: Step) -> Vec<Step> {
        let is_small = |place: &usize| self.tables[*place].bytes <= SMALL_BYTES;
        let next = match &first {
            Step::Whole(place, _) if is_small(place) => Self::next_load,
            Step::Key(place, _) if is_small(place) => Self::next_key,
            Step::Index(place, _) if is_small(place) => Self::next_index,
            Step::Foreign(from, to, _) if is_small(from) && is_small(to) => Self::next_foreign,
            Step::Analyze(place) if is_small(place) => Self::next_analyze,
            _ => |_: &mut Self, _: u64| None,
        };
        let others = std::iter::from_fn(|| next(self, SMALL_BYTES)).take(FEW - 1);
        std::iter::once(first).chain(others).collect()
    }

    /// Takes note that a step is done.
    pub(super) fn done(&mut self, step: &Step) {
        match step {
            Step::Whole(place, _) | Step::Part(place, _) => {
                self.tables[*place].loading -= 1;
                if self.tables[*place].is_loaded() {
                    self.unloaded -= 1;
                    self.release();
                }
            }
            Step::Key(place, _) => (self.tables[*place].changing, self.tables[*place].locked) = (false, false),
            Step::Index(place, _) => self.tables[*place].indexing -= 1,
            Step::Foreign(from, to, _) => (self.tables[*from].changing, self.tables[*to].changing) = (false, false),
            Step::Measure(place) => self.tables[*place].reading -= 1,
            Step::Compare(_, task) => self.tables[task.table].reading -= 1,
            Step::Analyze(place) => self.tables[*place].changing = false,
        }
    }

    /// Takes note of the tasks a table's comparison was cut into.
    pub(super) fn measured(&mut self, place: usize, relation: &Arc<Relation>, tasks: Vec<Task>) {
        let tasks = tasks.into_iter().map(|task| (Arc::clone(relation), Task { table: place, ..task }));
        self.tables[place].proof = Proof::Left(tasks.collect());
        self.note(place);
    }

    /// Keeps in mind what a table has left: whatever adds to that or takes from it calls this.
    fn note(&mut self, place: usize) {
        let work = &self.tables[place];
        self.open.note(place, |kind| work.has(kind));
    }

    /// Hands out something of this kind, of the largest table that `fits`.
    fn hand_out(
        &mut self,
        kind: Kind,
        fits: impl Fn(&Work) -> bool,
        take: impl FnOnce(usize, &mut Work) -> Option<Step>,
    ) -> Option<Step> {
        let place = self.open.of_kind(kind).map(|rank| self.order[rank]).find(|place| fits(&self.tables[*place]))?;
        let step = take(place, &mut self.tables[place]);
        self.note(place);
        step
    }

    /// Lets the next table in turn be loaded when all rows before it are there, and the indexes that wait for all rows be built.
    fn release(&mut self) {
        while self.unloaded == 0 {
            let Some(next) = self.turns.pop_front() else { break };
            self.tables[next].in_turn = false;
            self.unloaded += usize::from(!self.tables[next].is_loaded());
        }
        if self.unloaded > 0 {
            return;
        }
        for place in 0..self.tables.len() {
            let work = &mut self.tables[place];
            work.indexes.append(&mut work.computed);
            self.note(place);
        }
    }

    fn next_load(&mut self, most_bytes: u64) -> Option<Step> {
        // A part is a worker's alone.
        let may_have_company = |work: &Work| matches!(work.loads.front(), Some(Step::Whole(..))) && work.bytes <= most_bytes;
        let fits = |work: &Work| !work.in_turn && (most_bytes == u64::MAX || may_have_company(work));
        self.hand_out(Kind::Load, fits, |_, work| {
            work.loading += 1;
            work.loads.pop_front()
        })
    }

    /// `ALTER TABLE … ADD CONSTRAINT` locks out everybody, and would wait for everybody.
    fn next_key(&mut self, most_bytes: u64) -> Option<Step> {
        let fits = |work: &Work| work.bytes <= most_bytes && work.is_loaded() && work.is_idle();
        self.hand_out(Kind::Key, fits, |place, work| {
            (work.changing, work.locked) = (true, true);
            work.keys.pop_front().map(|sql| Step::Key(place, sql))
        })
    }

    /// Indexes of one table may be built side by side, once its keys are there.
    fn next_index(&mut self, most_bytes: u64) -> Option<Step> {
        let fits = |work: &Work| work.bytes <= most_bytes && work.has_keys() && !work.changing;
        self.hand_out(Kind::Index, fits, |place, work| {
            work.indexing += 1;
            work.indexes.pop_front().map(|sql| Step::Index(place, sql))
        })
    }

    /// Both tables are read meanwhile, and the one referred to must have its unique index.
    fn next_foreign(&mut self, most_bytes: u64) -> Option<Step> {
        let ready = |place: &usize| {
            let work = &self.tables[*place];
            work.bytes <= most_bytes && work.is_indexed() && !work.changing
        };
        let at = self.foreign.iter().position(|(from, to, _)| ready(from) && ready(to))?;
        let (from, to, sql) = self.foreign.remove(at)?;
        (self.tables[from].changing, self.tables[to].changing) = (true, true);
        Some(Step::Foreign(from, to, sql))
    }

    fn next_measure(&mut self) -> Option<Step> {
        self.hand_out(Kind::Measure, Work::has_keys, |place, work| {
            work.proof = Proof::Measuring;
            work.reading += 1;
            Some(Step::Measure(place))
        })
    }

    /// Reading disturbs nobody but who builds a key.
    fn next_compare(&mut self) -> Option<Step> {
        self.hand_out(Kind::Compare, Work::has_keys, |_, work| {
            let Proof::Left(tasks) = &mut work.proof else { return None };
            work.reading += 1;
            tasks.pop_front().map(|(relation, task)| Step::Compare(relation, task))
        })
    }

    /// Last, for there are statistics of what indexes compute too.
    fn next_analyze(&mut self, most_bytes: u64) -> Option<Step> {
        let fits = |work: &Work| work.bytes <= most_bytes && work.is_indexed() && !work.changing;
        self.hand_out(Kind::Analyze, fits, |place, work| {
            (work.analyze, work.changing) = (false, true);
            Some(Step::Analyze(place))
        })
    }
}

impl Work {
    fn steps(&self) -> usize {
        self.loads.len()
            + self.keys.len()
            + self.indexes.len()
            + self.computed.len()
            + self.proof.steps()
            + usize::from(self.analyze)
    }

    fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Load => !self.loads.is_empty(),
            Kind::Key => !self.keys.is_empty(),
            Kind::Index => !self.indexes.is_empty(),
            Kind::Measure => matches!(self.proof, Proof::Unmeasured),
            Kind::Compare => matches!(&self.proof, Proof::Left(tasks) if !tasks.is_empty()),
            Kind::Analyze => self.analyze,
        }
    }

    fn is_loaded(&self) -> bool {
        self.loads.is_empty() && self.loading == 0
    }

    fn is_idle(&self) -> bool {
        self.indexing == 0 && self.reading == 0 && !self.changing
    }

    fn has_keys(&self) -> bool {
        self.is_loaded() && self.keys.is_empty() && !self.locked
    }

    fn is_indexed(&self) -> bool {
        self.has_keys() && self.indexes.is_empty() && self.computed.is_empty() && self.indexing == 0
    }
}

#[cfg(test)]
mod tests;
