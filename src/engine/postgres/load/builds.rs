//! The schema after the data: which statement builds what on which table.
//!
//! Pure. Knows a statement by the way `pg_dump` writes it; what it does not know is left to be run as it stands, in the
//! archive's order. Held by `tests.rs`.

use std::collections::HashMap;

use super::super::split::{Chunk, Splitter};
use crate::archive::manifest::Table;

/// What the plan may build when it likes, and what must wait until all of that is there. Tables are named by their place in the
/// manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Builds {
    /// Primary keys, unique and exclusion constraints: whoever builds one locks out everybody else.
    pub(super) keys: Vec<(usize, String)>,
    /// Indexes.
    pub(super) indexes: Vec<(usize, String)>,
    /// Foreign keys, with the table that refers and the one referred to.
    pub(super) foreign: Vec<(usize, usize, String)>,
    /// All the rest, in the archive's order.
    pub(super) rest: Vec<String>,
}

impl Builds {
    /// Sorts the statements. `see` is shown each.
    pub(super) fn of(text: &str, tables: &[Table], mut see: impl FnMut(&str)) -> Self {
        let mut splitter = Splitter::new();
        let mut chunks = splitter.push(text.as_bytes());
        chunks.extend(splitter.finish());
        let statements = chunks.into_iter().filter_map(|chunk| match chunk {
            Chunk::Statement { sql, .. } => Some(sql),
            _ => None,
        });
        let statements: Vec<String> = statements.inspect(|sql| see(sql)).collect();
        let spelled =
            tables.iter().enumerate().flat_map(|(place, table)| spellings(table).into_iter().map(move |name| (name, place)));
        let places: HashMap<String, usize> = spelled.collect();
        let place = |name: &str| places.get(name).copied();
        // A foreign key needs the key it refers to: if one is built who knows when, they all wait for the end.
        let all_known = statements.iter().all(|sql| !may_be_referred_to(sql) || indexed_table(sql).and_then(place).is_some());
        let mut builds = Self::default();
        for sql in statements {
            if let Some(table) = indexed_table(&sql).and_then(place) {
                let of_its_kind = if sql.starts_with("ALTER TABLE ") { &mut builds.keys } else { &mut builds.indexes };
                of_its_kind.push((table, sql));
                continue;
            }
            let ends = foreign_tables(&sql).filter(|_| all_known);
            match ends.and_then(|(from, to)| place(from).zip(place(to))) {
                Some((from, to)) => builds.foreign.push((from, to, sql)),
                None => builds.rest.push(sql),
            }
        }
        builds
    }

    /// Whether statistics can be collected table by table before the rest is run: it makes none that have to be filled.
    pub(super) fn leave_statistics_alone(&self) -> bool {
        !self.rest.iter().any(|sql| sql.starts_with("CREATE STATISTICS "))
    }
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

/// The table that refers and the one referred to.
fn foreign_tables(sql: &str) -> Option<(&str, &str)> {
    let (table, rest) = sql.strip_prefix("ALTER TABLE ONLY ")?.split_once("\n    ADD CONSTRAINT ")?;
    let (_, rest) = rest.split_once(" FOREIGN KEY (")?;
    let (_, referred) = rest.split_once(") REFERENCES ")?;
    let (referred, _) = referred.split_once('(')?;
    Some((table, referred))
}

/// Whether a foreign key could refer to what this builds.
fn may_be_referred_to(sql: &str) -> bool {
    let key = sql.contains(" ADD CONSTRAINT ") && !sql.contains(" FOREIGN KEY ") && !sql.contains(" CHECK ");
    key || sql.starts_with("CREATE UNIQUE INDEX ") || sql.starts_with("ALTER INDEX ")
}

/// The ways `pg_dump` may spell a table: each part plain or quoted.
fn spellings(table: &Table) -> Vec<String> {
    let quote = super::super::connect::quote;
    let (schemas, names) = ([table.schema.clone(), quote(&table.schema)], [table.name.clone(), quote(&table.name)]);
    schemas.iter().flat_map(|schema| names.iter().map(move |name| format!("{schema}.{name}"))).collect()
}

/// How much memory to sort the rows of a table of so many bytes with, in MiB.
///
/// A sort that fits into the processor's cache and is merged afterwards takes half the time of one that fills memory. So as
/// little as will do with one merge, which is where it begins to cost: a merge of runs of 16 MiB is good for about 1 GiB, and
/// four times the memory for sixteen times that.
pub(super) fn sort_memory(bytes: u64) -> u32 {
    match bytes >> 30 {
        0 => 16,
        1..16 => 64,
        _ => 256,
    }
}

#[cfg(test)]
mod tests;
