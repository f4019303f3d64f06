//! What changed between two archives: which tables grew, shrank or changed, and the shapes' difference.
//!
//! A pure function of two manifests: nothing is read but what they say. Invariant: two archives differ in nothing exactly when
//! tables, rows, checksums and shapes agree; held by the tests beside this module.

use serde::Serialize;

use crate::archive::Manifest;
use crate::archive::manifest::Table;
use crate::ids::Label;
use crate::shape::Difference;

/// What became of one table from the first archive to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// One of them was not to hold its rows (`without_rows`), so that they cannot be compared.
    LeftOut,
    /// Its columns differ, so that rows cannot be compared.
    Reshaped,
    /// It has more rows.
    Grew,
    /// It has fewer rows.
    Shrank,
    /// It has as many rows, of other content.
    Changed,
}

/// One table that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableChange {
    /// Its name, qualified.
    pub table: String,
    /// What became of it.
    pub change: Change,
    /// Rows in the first; none when it is not there.
    pub rows_before: Option<u64>,
    /// Rows in the second; none when it is not there.
    pub rows_after: Option<u64>,
    /// Bytes of row data in the second less those in the first.
    pub bytes_delta: i128,
}

/// The difference of two archives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveDiff {
    /// The first.
    pub before: Label,
    /// The second.
    pub after: Label,
    /// Tables that are not the same, by name.
    pub tables: Vec<TableChange>,
    /// Tables that are the same.
    pub same_tables: u64,
    /// Migrations that only one of them has.
    pub shape: Vec<Difference>,
    /// Whether both have a schema fingerprint and those differ: the schema was changed, by migrations or beside them.
    pub schema_differs: bool,
}

impl ArchiveDiff {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.shape.is_empty() && !self.schema_differs
    }
}

/// Compares two archives, the older one first.
#[must_use]
pub fn diff(before: &Manifest, after: &Manifest) -> ArchiveDiff {
    let find = |tables: &'_ [Table], like: &Table| {
        tables.iter().position(|table| (&table.schema, &table.name) == (&like.schema, &like.name))
    };
    let old = before.tables.iter().map(|table| (Some(table), find(&after.tables, table).map(|at| &after.tables[at])));
    let new = after.tables.iter().filter(|table| find(&before.tables, table).is_none()).map(|table| (None, Some(table)));
    let is_left_out = |table: &Table| {
        let name = table.qualified();
        before.without_rows().chain(after.without_rows()).any(|left_out| left_out == name)
    };
    let mut tables = Vec::new();
    let mut same_tables = 0;
    for (old, new) in old.chain(new) {
        match compare(old, new) {
            Some(change) if old.or(new).is_some_and(is_left_out) => {
                tables.push(TableChange { change: Change::LeftOut, ..change })
            }
            Some(change) => tables.push(change),
            None => same_tables += 1,
        }
    }
    tables.sort_by(|a, b| a.table.cmp(&b.table));
    let fingerprints = (&before.shape.fingerprint, &after.shape.fingerprint);
    ArchiveDiff {
        before: before.label.clone(),
        after: after.label.clone(),
        tables,
        same_tables,
        shape: before.shape.difference(&after.shape),
        schema_differs: matches!(fingerprints, (Some(old), Some(new)) if old != new),
    }
}

fn compare(old: Option<&Table>, new: Option<&Table>) -> Option<TableChange> {
    let change = match (old, new) {
        (Some(old), Some(new)) if old.columns != new.columns => Change::Reshaped,
        (Some(old), Some(new)) if old.rows < new.rows => Change::Grew,
        (Some(old), Some(new)) if old.rows > new.rows => Change::Shrank,
        (Some(old), Some(new)) if old.checksum != new.checksum => Change::Changed,
        (Some(_), None) => Change::Removed,
        (None, Some(_)) => Change::Added,
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let bytes = |table: Option<&Table>| table.map_or(0, |table| i128::from(table.bytes));
    Some(TableChange {
        table: old.or(new)?.qualified(),
        change,
        rows_before: old.map(|table| table.rows),
        rows_after: new.map(|table| table.rows),
        bytes_delta: bytes(new) - bytes(old),
    })
}

#[cfg(test)]
mod tests;
