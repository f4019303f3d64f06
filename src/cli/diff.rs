//! `upkeep diff`: which tables grew, shrank or changed between two archives, and how their shapes differ.

use serde::Serialize;

use super::table::{Side, Table};
use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, inspect};
use crate::archive::{Archive, Manifest};
use crate::shape::Difference;

/// Compare two archives, table by table. Reads their manifests only, so it is instant.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The earlier archive, by label or file.
    #[arg(value_name = "LABEL")]
    from: String,
    /// The later archive, by label or file.
    #[arg(value_name = "LABEL")]
    to: String,
}

/// What became of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    Added,
    Removed,
    Grew,
    Shrank,
    /// As many rows, other content.
    Changed,
    /// The same content, to the checksum.
    Same,
}

/// One table in both archives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct TableChange {
    table: String,
    change: Change,
    rows_before: u64,
    rows_after: u64,
    bytes_before: u64,
    bytes_after: u64,
}

/// Everything that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Comparison {
    from: String,
    to: String,
    /// Migrations only the first has.
    migrations_gone: Vec<String>,
    /// Migrations only the second has.
    migrations_new: Vec<String>,
    /// Whether the schemas themselves are the same.
    same_schema: bool,
    tables: Vec<TableChange>,
}

pub(super) fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let from = Archive::open(&inspect::find(&arguments.from, world)?)?;
    let to = Archive::open(&inspect::find(&arguments.to, world)?)?;
    world.terminal.show(&compare(from.manifest(), to.manifest()), |comparison| text(comparison, world.terminal))
}

fn compare(from: &Manifest, to: &Manifest) -> Comparison {
    let mut tables: Vec<TableChange> = to
        .tables
        .iter()
        .map(|after| {
            let before = from.tables.iter().find(|before| before.qualified() == after.qualified());
            let (rows_before, bytes_before) = before.map_or((0, 0), |before| (before.rows, before.bytes));
            let change = match before {
                None => Change::Added,
                Some(before) if after.rows > before.rows => Change::Grew,
                Some(before) if after.rows < before.rows => Change::Shrank,
                Some(before) if after.checksum == before.checksum && after.columns == before.columns => Change::Same,
                Some(_) => Change::Changed,
            };
            let (rows_after, bytes_after) = (after.rows, after.bytes);
            TableChange { table: after.qualified(), change, rows_before, rows_after, bytes_before, bytes_after }
        })
        .collect();
    let gone = from.tables.iter().filter(|before| !to.tables.iter().any(|after| after.qualified() == before.qualified()));
    tables.extend(gone.map(|before| TableChange {
        table: before.qualified(),
        change: Change::Removed,
        rows_before: before.rows,
        rows_after: 0,
        bytes_before: before.bytes,
        bytes_after: 0,
    }));
    let difference = from.shape.difference(&to.shape);
    let gone = difference.iter().filter_map(|one| if let Difference::OnlyLeft(key) = one { Some(key.to_string()) } else { None });
    let new = difference.iter().filter_map(|one| if let Difference::OnlyRight(key) = one { Some(key.to_string()) } else { None });
    Comparison {
        from: from.label.to_string(),
        to: to.label.to_string(),
        migrations_gone: gone.collect(),
        migrations_new: new.collect(),
        same_schema: from.shape.fingerprint.is_some() && from.shape.fingerprint == to.shape.fingerprint,
        tables,
    }
}

fn text(comparison: &Comparison, terminal: Terminal) -> String {
    let mut out = format!("from  {}\nto    {}\n\n", comparison.from, comparison.to);
    out.push_str(if comparison.same_schema { "schema  the same\n" } else { "schema  differs\n" });
    comparison.migrations_gone.iter().for_each(|key| out.push_str(&format!("  - {key}\n")));
    comparison.migrations_new.iter().for_each(|key| out.push_str(&format!("  + {key}\n")));
    let (same, changed): (Vec<_>, Vec<_>) = comparison.tables.iter().partition(|table| table.change == Change::Same);
    if !changed.is_empty() {
        let columns = [("table", Side::Left), ("", Side::Left), ("rows", Side::Right), ("difference", Side::Right), ("size", Side::Right)];
        let mut rows = Table::new(&columns);
        for table in changed {
            rows.row(vec![
                (table.table.clone(), Tone::Plain),
                word(table.change),
                (human::count(table.rows_after), Tone::Plain),
                (signed(table.rows_before, table.rows_after), Tone::Plain),
                (human::size(table.bytes_after), Tone::Plain),
            ]);
        }
        out.push_str(&format!("\n{}", rows.render(terminal)));
    }
    out.push_str(&format!("\n{} the same\n", human::many(same.len() as u64, "table")));
    out
}

fn word(change: Change) -> (String, Tone) {
    let (word, tone) = match change {
        Change::Added => ("added", Tone::Good),
        Change::Removed => ("removed", Tone::Bad),
        Change::Grew => ("grew", Tone::Good),
        Change::Shrank => ("shrank", Tone::Warn),
        Change::Changed => ("changed", Tone::Warn),
        Change::Same => ("same", Tone::Quiet),
    };
    (word.to_owned(), tone)
}

fn signed(before: u64, after: u64) -> String {
    if after >= before { format!("+{}", human::count(after - before)) } else { format!("-{}", human::count(before - after)) }
}
