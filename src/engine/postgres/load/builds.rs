//! The schema after the data: which statement builds what on which table.
//!
//! Pure. Knows a statement by the way `pg_dump` writes it; what it does not know is left to be run as it stands, in the
//! archive's order. Held by `tests.rs`.

use std::collections::HashMap;

use super::super::grammar::Statement;
use super::super::guard::sets_tablespace;
use super::super::split::statements_of;
use crate::archive::manifest::Table;

/// What is said before the first tablespace is named.
const DEFAULT_TABLESPACE: &str = "SET default_tablespace = '';";

/// What the plan may build when it likes, and what must wait until all of that is there. Tables are named by their place in the
/// manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Builds {
    /// Primary keys, unique and exclusion constraints: whoever builds one locks out everybody else.
    pub(super) keys: Vec<(usize, String)>,
    /// Indexes.
    pub(super) indexes: Vec<(usize, String)>,
    /// Indexes of what somebody's function computes, perhaps from other tables: they wait for all rows.
    pub(super) computed: Vec<(usize, String)>,
    /// Foreign keys, with the table that refers and the one referred to.
    pub(super) foreign: Vec<(usize, usize, String)>,
    /// All the rest, in the archive's order.
    pub(super) rest: Vec<String>,
}

impl Builds {
    /// Sorts the statements. `see` is shown each.
    pub(super) fn of(text: &str, tables: &[Table], mut see: impl FnMut(&str)) -> Self {
        let statements: Vec<String> = statements_of(text).into_iter().inspect(|sql| see(sql)).collect();
        let spelled =
            tables.iter().enumerate().flat_map(|(place, table)| spellings(table).into_iter().map(move |name| (name, place)));
        let places: HashMap<String, usize> = spelled.collect();
        let place = |name: &str| places.get(name).copied();
        // A foreign key needs the key it refers to: if one is built who knows when, they all wait for the end.
        let all_known = statements.iter().all(|sql| {
            let statement = Statement::of(sql);
            !statement.may_be_referred_to() || statement.indexed_table().and_then(place).is_some()
        });
        let mut builds = Self::default();
        // Which tablespace a statement is for is said by another one before it, which the worker that builds it does not see.
        let placed = statements.iter().any(|sql| sets_tablespace(sql).is_some_and(|name| !name.is_empty()));
        let mut tablespace = DEFAULT_TABLESPACE.to_owned();
        for sql in statements {
            let statement = Statement::of(&sql);
            let here = |sql: &str| if placed { format!("{tablespace}\n{sql}") } else { sql.to_owned() };
            let is_index = statement.has(0, &["CREATE"]);
            if let Some(table) = statement.indexed_table().and_then(place).filter(|_| is_index || !statement.calls()) {
                let of_its_kind = match (is_index, statement.calls()) {
                    (false, _) => &mut builds.keys,
                    (true, false) => &mut builds.indexes,
                    (true, true) => &mut builds.computed,
                };
                of_its_kind.push((table, here(&sql)));
                continue;
            }
            let ends = statement.foreign_tables().filter(|_| all_known);
            if let Some((from, to)) = ends.and_then(|(from, to)| place(from).zip(place(to))) {
                builds.foreign.push((from, to, sql));
                continue;
            }
            if sets_tablespace(&sql).is_some() {
                tablespace.clone_from(&sql);
            }
            builds.rest.push(sql);
        }
        builds
    }

    /// Whether statistics can be collected table by table before the rest is run: it makes none that have to be filled.
    pub(super) fn leave_statistics_alone(&self) -> bool {
        !self.rest.iter().any(|sql| Statement::of(sql).has(0, &["CREATE", "STATISTICS"]))
    }
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
