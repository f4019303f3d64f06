//! The order of tables of which each comes after those it reads.
//!
//! Pure. A text does not say which of many schemas it means, so a table waits for every other one of a name that it reads. They are counted
//! by name, and each name is looked at when the last of it goes: no table looks through all others. Held by `order/tests.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::Name;

/// A table that is not in the order yet.
#[derive(Debug)]
struct Waiting<'a> {
    /// Its name in lower case, as texts are searched.
    called: String,
    reads: BTreeSet<&'a str>,
    /// Of how many names that it reads another table is left.
    held_by: usize,
}

/// Those that are not in the order yet.
#[derive(Debug)]
struct Queue<'a> {
    waiting: BTreeMap<&'a Name, Waiting<'a>>,
    /// How many of them have a name.
    count: BTreeMap<String, usize>,
    readers: BTreeMap<&'a str, Vec<&'a Name>>,
    /// Those that nobody holds.
    ready: BTreeSet<&'a Name>,
    /// Those that only others of their own name hold.
    among_their_own: BTreeSet<&'a Name>,
}

/// These tables, with the lower-case names that each reads.
pub(super) fn in_order<'a>(tables: impl Iterator<Item = (&'a Name, BTreeSet<&'a str>)>) -> Vec<Name> {
    let mut queue = Queue::of(tables);
    let mut order = Vec::with_capacity(queue.waiting.len());
    while let Some(next) = queue.next() {
        order.push(next.clone());
    }
    order
}

impl<'a> Queue<'a> {
    fn of(tables: impl Iterator<Item = (&'a Name, BTreeSet<&'a str>)>) -> Self {
        let wait =
            |(name, reads): (&'a Name, BTreeSet<&'a str>)| (name, Waiting { called: name.1.to_lowercase(), reads, held_by: 0 });
        let waiting: BTreeMap<&Name, Waiting<'_>> = tables.map(wait).collect();
        let (mut count, mut readers) = (BTreeMap::<String, usize>::new(), BTreeMap::<&str, Vec<&Name>>::new());
        for (name, table) in &waiting {
            *count.entry(table.called.clone()).or_default() += 1;
            for read in &table.reads {
                readers.entry(*read).or_default().push(*name);
            }
        }
        let mut queue = Self { waiting, count, readers, ready: BTreeSet::new(), among_their_own: BTreeSet::new() };
        for table in queue.waiting.values_mut() {
            let left = |read: &str| queue.count.get(read).copied().unwrap_or(0);
            table.held_by = table.reads.iter().filter(|read| table.is_held_by(read, left(read))).count();
        }
        for name in queue.waiting.keys().copied().collect::<Vec<_>>() {
            queue.sort_in(name);
        }
        queue
    }

    /// Takes out the next. In a circle nothing is right: then it is the order of names, as `pg_dump` has it; first of those that wait
    /// for their like in other schemas alone, who may well mean themselves.
    fn next(&mut self) -> Option<&'a Name> {
        let next =
            self.ready.first().or_else(|| self.among_their_own.first()).or_else(|| self.waiting.keys().next()).copied()?;
        let table = self.waiting.remove(next)?;
        self.ready.remove(next);
        self.among_their_own.remove(next);
        let before = self.count.get(&table.called).copied().unwrap_or_default();
        self.count.insert(table.called.clone(), before.saturating_sub(1));
        // Only the last two that go let anybody go: nobody is left of the name, or who reads it alone.
        if before <= 2 {
            for reader in self.readers.get(table.called.as_str()).cloned().unwrap_or_default() {
                let Some(waiting) = self.waiting.get_mut(reader) else { continue };
                if waiting.is_held_by(&table.called, before) && !waiting.is_held_by(&table.called, before - 1) {
                    waiting.held_by -= 1;
                    self.sort_in(reader);
                }
            }
        }
        Some(next)
    }

    fn sort_in(&mut self, name: &'a Name) {
        let Some(table) = self.waiting.get(name) else { return };
        let own = table.reads.contains(table.called.as_str());
        let own = own && table.is_held_by(&table.called, self.count.get(&table.called).copied().unwrap_or(0));
        match table.held_by {
            0 => self.ready.insert(name),
            1 if own => self.among_their_own.insert(name),
            _ => false,
        };
        if table.held_by == 0 {
            self.among_their_own.remove(name);
        }
    }
}

impl Waiting<'_> {
    /// Whether another of this name is left, where so many are.
    fn is_held_by(&self, read: &str, left: usize) -> bool {
        left > usize::from(self.called == read)
    }
}
