//! Which indexes serve a foreign key.
//!
//! MariaDB makes a key where whole columns of the referring table and of the table that is referred to are the first ones of an ordinary
//! index, in the key's order; and lets either index be dropped afterwards.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::super::EngineError;
use super::super::connect::Session;
use super::super::here::HERE;
use super::Key;

/// The columns of each index that may serve a key, by table.
#[derive(Debug, Default)]
pub(super) struct Indexes(HashMap<String, Vec<Vec<String>>>);

impl Indexes {
    /// Those of the session's database.
    pub(super) async fn read(session: &mut Session) -> Result<Self, EngineError> {
        let sql = format!(
            "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART IS NULL FROM information_schema.STATISTICS \
             WHERE {HERE} AND INDEX_TYPE = 'BTREE' ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
        );
        let parts = session.texts("list the indexes", &sql).await?.into_iter().map(|row| {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || cells.next().unwrap_or_default();
            Part { table: next(), index: next(), column: next(), is_whole: next() == "1" }
        });
        Ok(Self::of(parts))
    }

    /// From the parts of all indexes, those of each in their order.
    fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut named: BTreeMap<(String, String), (Vec<String>, bool)> = BTreeMap::new();
        for Part { table, index, column, is_whole } in parts {
            let (columns, goes_on) = named.entry((table, index)).or_insert_with(|| (Vec::new(), true));
            *goes_on &= is_whole;
            if *goes_on {
                columns.push(column);
            }
        }
        let primary: HashMap<String, Vec<String>> = named
            .iter()
            .filter(|((_, index), _)| index == "PRIMARY")
            .map(|((table, _), (columns, _))| (table.clone(), columns.clone()))
            .collect();
        let mut all: HashMap<String, Vec<Vec<String>>> = HashMap::new();
        for ((table, _), (mut columns, is_whole)) in named {
            // The server has the primary key behind the columns of every index.
            let behind = primary.get(&table).into_iter().flatten().filter(|_| is_whole);
            let behind: Vec<String> = behind.filter(|column| !columns.contains(column)).cloned().collect();
            columns.extend(behind);
            all.entry(table).or_default().push(columns);
        }
        Self(all)
    }

    /// Whether a table has an index that begins with these columns.
    fn serve(&self, table: &str, columns: &[String]) -> bool {
        let begins = |index: &Vec<String>| {
            index.len() >= columns.len()
                && index.iter().zip(columns).all(|(one, other)| one.to_lowercase() == other.to_lowercase())
        };
        self.0.get(table).is_some_and(|indexes| indexes.iter().any(begins))
    }

    /// Whether the table that a key of this database refers to has one.
    pub(super) fn serve_parent(&self, key: &Key) -> bool {
        self.serve(&key.parent.1, &key.parent_columns)
    }

    /// The columns that have none and need one for a key to be made, by table.
    pub(super) fn missing(&self, keys: &[Key], here: &str) -> BTreeMap<String, BTreeSet<Vec<String>>> {
        let mut missing: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
        let ends = |key: &Key| {
            let parent = (key.parent.0 == here).then(|| (key.parent.1.clone(), key.parent_columns.clone()));
            std::iter::once((key.table.clone(), key.columns.clone())).chain(parent)
        };
        for (table, columns) in keys.iter().flat_map(ends).filter(|(table, columns)| !self.serve(table, columns)) {
            missing.entry(table).or_default().insert(columns);
        }
        missing
    }
}

/// A column of an index.
#[derive(Debug, Clone)]
struct Part {
    table: String,
    index: String,
    column: String,
    /// Whether all of it is in the index.
    is_whole: bool,
}

#[cfg(test)]
mod tests;
