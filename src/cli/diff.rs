//! `upkeep diff`: which tables grew, shrank or changed between two archives, and how their shapes differ.

use super::table::{Side, Table};
use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, inspect};
use crate::archive::Archive;
use crate::diff::{ArchiveDiff, Change, diff};
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

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let from = Archive::open(&inspect::find(&arguments.from, world).await?)?;
    let to = Archive::open(&inspect::find(&arguments.to, world).await?)?;
    world.terminal.show(&diff(from.manifest(), to.manifest()), |found| text(found, world.terminal))
}

fn text(found: &ArchiveDiff, terminal: Terminal) -> String {
    let mut out = format!("from    {}\nto      {}\n", found.before, found.after);
    out.push_str(if found.schema_differs { "schema  differs\n" } else { "schema  the same\n" });
    for one in &found.shape {
        out.push_str(&match one {
            Difference::OnlyLeft(key) => terminal.paint(Tone::Bad, &format!("  - {key}\n")),
            Difference::OnlyRight(key) => terminal.paint(Tone::Good, &format!("  + {key}\n")),
        });
    }
    if !found.tables.is_empty() {
        let columns = [
            ("table", Side::Left),
            ("", Side::Left),
            ("rows", Side::Right),
            ("difference", Side::Right),
            ("bytes", Side::Right),
        ];
        let mut rows = Table::new(&columns);
        for table in &found.tables {
            let (before, after) = (table.rows_before.unwrap_or(0), table.rows_after.unwrap_or(0));
            rows.row(vec![
                (table.table.clone(), Tone::Plain),
                word(table.change),
                (human::count(after), Tone::Plain),
                (signed(i128::from(after) - i128::from(before), human::count), Tone::Plain),
                (signed(table.bytes_delta, human::size), Tone::Plain),
            ]);
        }
        out.push_str(&format!("\n{}", rows.render(terminal)));
    }
    out.push_str(&format!("\n{} the same\n", human::many(found.same_tables, "table")));
    out
}

fn word(change: Change) -> (String, Tone) {
    let (word, tone) = match change {
        Change::Added => ("added", Tone::Good),
        Change::Removed => ("removed", Tone::Bad),
        Change::LeftOut => ("rows left out", Tone::Plain),
        Change::Reshaped => ("other columns", Tone::Warn),
        Change::Grew => ("grew", Tone::Good),
        Change::Shrank => ("shrank", Tone::Warn),
        Change::Changed => ("changed", Tone::Warn),
    };
    (word.to_owned(), tone)
}

fn signed(difference: i128, shown: impl FnOnce(u64) -> String) -> String {
    let size = shown(u64::try_from(difference.unsigned_abs()).unwrap_or(u64::MAX));
    if difference < 0 { format!("-{size}") } else { format!("+{size}") }
}
