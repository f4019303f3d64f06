//! Where MariaDB's sequences are.

use super::super::EngineError;
use super::connect::{Session, quote};
use super::definition::{Definition, Kind};
use super::schema::Schema;

/// Where a sequence is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    /// The name.
    pub(super) name: String,
    /// The value that comes next.
    pub(super) next: i128,
    /// Whether that is between its least and its greatest; behind them it has run out.
    pub(super) is_within: bool,
    /// How often it began anew.
    pub(super) round: i128,
    /// Whether it ever does.
    pub(super) cycles: bool,
}

/// Where every sequence is.
///
/// Sequences stand outside snapshots: read after the rows, a value is never behind them.
pub(super) async fn read(session: &mut Session, schema: &Schema) -> Result<Vec<Sequence>, EngineError> {
    let mut all = Vec::new();
    for Definition { name, .. } in schema.of(Kind::Sequence) {
        let sql = format!(
            "SELECT next_not_cached_value, minimum_value, maximum_value, cycle_count, cycle_option FROM {}",
            quote(name)
        );
        let doing = format!("read sequence {name}");
        let rows = session.texts(&doing, &sql).await?;
        let cells: Option<Vec<i128>> = rows.into_iter().flatten().map(|cell| cell?.parse().ok()).collect();
        let Some([next, least, greatest, round, cycles]) = cells.as_deref() else {
            return Err(EngineError::Worker(doing));
        };
        let is_within = (*least..=*greatest).contains(next);
        all.push(Sequence { name: name.clone(), next: *next, is_within, round: *round, cycles: *cycles != 0 });
    }
    Ok(all)
}
