//! What the server computed when a row was written (stored generated columns) and computes anew when it is loaded.
//!
//! The two are the same unless the expression reads more than the row: the time zone, a language, how many digits a quotient
//! has. Only such columns are summed, in the dump's snapshot and after the load, for the others cost a reading of the table
//! and cannot differ. An archive cannot hold their values, since no server takes them, so a difference is told and no failure.

use std::fmt::Write as _;

use super::super::EngineError;
use super::columns::{RawColumn, is_generated};
use super::connect::{Session, quote};
use super::relation::Relation;
use crate::archive::manifest::{Manifest, Table};

/// What makes an expression depend on the session, by how the servers print it: `div_precision_increment`, `lc_time_names`,
/// `default_week_format`, `time_zone`, `sql_mode`.
const SESSION_WORDS: [&str; 11] = [
    "/",
    "format(",
    "dayname(",
    "monthname(",
    "week(",
    "from_unixtime(",
    "unix_timestamp(",
    "convert_tz(",
    "str_to_date(",
    " as date",
    " as time",
];

/// The stored columns of a table whose values a load may make differently.
pub(super) fn of(columns: &[RawColumn]) -> Vec<String> {
    let moments: Vec<String> =
        columns.iter().filter(|column| column.data_type == "timestamp").map(|column| quote(&column.name)).collect();
    let depends = |column: &&RawColumn| {
        let expression = column.generation.to_lowercase();
        SESSION_WORDS.iter().any(|word| expression.contains(word))
            || moments.iter().any(|moment| column.generation.contains(moment.as_str()))
    };
    let stored = |column: &&RawColumn| {
        let extra = column.extra.to_ascii_uppercase();
        is_generated(column) && (extra.contains("STORED GENERATED") || extra.contains("PERSISTENT"))
    };
    columns.iter().filter(stored).filter(depends).map(|column| column.name.clone()).collect()
}

/// The sum over the rows of a table of what the server computed in them: CRC-32 of each row's values, as the server has it.
pub(super) async fn sum(session: &mut Session, relation: &Relation) -> Result<u64, EngineError> {
    let mut values = String::new();
    for column in &relation.computed {
        write!(values, ", COALESCE(HEX(CAST({} AS BINARY)), '-')", quote(column)).ok();
    }
    let sql = format!("SELECT CAST(COALESCE(SUM(CRC32(CONCAT_WS(','{values}))), 0) AS CHAR) FROM {}", relation.quoted());
    session.number(&format!("sum up the generated columns of table {}", relation.name), &sql).await
}

/// Says which tables have other values than they had.
pub(super) async fn differing(
    session: &mut Session,
    manifest: &Manifest,
    relations: &[Relation],
) -> Result<Vec<String>, EngineError> {
    let mut told = Vec::new();
    for (table, relation) in manifest.tables.iter().filter_map(|table| Some((table, of_table(relations, table)?))) {
        if let Some(wanted) = table.computed
            && sum(session, relation).await? != wanted
        {
            told.push(format!(
                "table {}: its generated columns ({}) were computed anew and differ from what they were: they depend on the \
                 session that wrote them (time zone, language, modes)",
                relation.name,
                relation.computed.join(", ")
            ));
        }
    }
    Ok(told)
}

fn of_table<'a>(relations: &'a [Relation], table: &Table) -> Option<&'a Relation> {
    let is = |relation: &&Relation| relation.name == table.name || relation.name == table.name.to_lowercase();
    relations.iter().find(is).filter(|relation| !relation.computed.is_empty())
}

#[cfg(test)]
mod tests;
