//! Columns: what the data dictionary says of each, and how its values are read.
//!
//! A column whose type is not known is an error and never a guess.

use std::collections::HashMap;

use super::super::EngineError;
use super::connect::{Session, quote};
use super::flavour::Version;
use super::here::HERE;
use upkeep_rows::literal::Encoding;

/// A column whose values are dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// The name, unquoted.
    pub(super) name: String,
    /// What is selected to read it.
    pub(super) expression: String,
    /// How its values are written.
    pub(super) encoding: Encoding,
    /// Whether a value can take 16 MiB.
    pub(super) is_long: bool,
}

/// A column as the dictionary has it.
#[derive(Debug, Clone, Default)]
pub(super) struct RawColumn {
    /// The name.
    pub(super) name: String,
    /// `varchar`.
    pub(super) data_type: String,
    /// `varchar(36)`.
    pub(super) column_type: String,
    /// The character set of a string; empty for everything else.
    pub(super) charset: String,
    /// `VIRTUAL GENERATED`, `DEFAULT_GENERATED on update CURRENT_TIMESTAMP`, `auto_increment`, …
    pub(super) extra: String,
    /// What generates it.
    pub(super) generation: String,
}

/// The columns of every table, in its order.
pub(super) async fn columns(session: &mut Session) -> Result<HashMap<String, Vec<RawColumn>>, EngineError> {
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, EXTRA, GENERATION_EXPRESSION \
         FROM information_schema.COLUMNS WHERE {HERE} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    );
    let mut columns: HashMap<String, Vec<RawColumn>> = HashMap::new();
    for row in session.texts("list the columns", &sql).await? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let table = next();
        let (name, data_type, column_type) = (next(), next().to_ascii_lowercase(), next());
        let (charset, extra, generation) = (next(), next(), next());
        columns.entry(table).or_default().push(RawColumn { name, data_type, column_type, charset, extra, generation });
    }
    Ok(columns)
}

/// A key column whose values, written as literals, compare as the index has them; generated or not. A moment may be one that
/// is none (`2020-02-31`), with which a server refuses to compare.
pub(super) fn cut_by(column: &RawColumn, version: &Version) -> Option<Column> {
    let types =
        ["tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "char", "varchar", "binary", "varbinary", "uuid"];
    let comparable = types.contains(&column.data_type.as_str());
    if comparable { read_as("", column.clone(), version).ok() } else { None }
}

/// Whether the server makes the values itself. `DEFAULT_GENERATED` only says that a default is an expression.
pub(super) fn is_generated(column: &RawColumn) -> bool {
    let extra = column.extra.to_ascii_uppercase();
    ["STORED GENERATED", "VIRTUAL GENERATED", "PERSISTENT"].iter().any(|word| extra.contains(word))
        || !column.generation.is_empty()
}

fn is_period(column: &RawColumn) -> bool {
    matches!(column.generation.as_str(), "ROW START" | "ROW END")
}

/// The columns of a table with a history that say since when and until when a row was valid.
pub(super) fn period(raw: &[RawColumn]) -> [String; 2] {
    let named = |generation: &str, implied: &str| {
        let column = raw.iter().find(|column| column.generation == generation);
        column.map_or_else(|| implied.to_owned(), |column| column.name.clone())
    };
    [named("ROW START", "row_start"), named("ROW END", "row_end")]
}

/// The columns that are read and written. With `history` those that say since when and until when a row was valid are among
/// them, hidden though they may be.
pub(super) fn dumped_columns(
    table: &str,
    raw: Vec<RawColumn>,
    history: bool,
    version: &Version,
) -> Result<Vec<Column>, EngineError> {
    if history && let Some(start) = raw.iter().find(|column| is_period(column) && column.data_type == "bigint") {
        return Err(by_transactions(table, &start.name));
    }
    let explicit = raw.iter().any(is_period);
    let implied =
        |name: &str| Column { name: name.to_owned(), expression: quote(name), encoding: Encoding::Quoted, is_long: false };
    let mut columns = Vec::with_capacity(raw.len());
    for column in raw.into_iter().filter(|column| !is_generated(column) || (history && is_period(column))) {
        columns.push(read_as(table, column, version)?);
    }
    if history && !explicit {
        columns.extend(["row_start", "row_end"].map(implied));
    }
    Ok(columns)
}

/// A history that counts transactions: the server numbers what is inserted anew, whatever it is told.
fn by_transactions(table: &str, column: &str) -> EngineError {
    EngineError::Inexact {
        what: format!(
            "table {table} keeps its history by the numbers of transactions (column {column}), which no restore can write again"
        ),
        hint: format!(
            "drop the history and let the table keep one by time: SET system_versioning_alter_history = KEEP; ALTER TABLE {0} \
             DROP COLUMN … (both of the period), DROP PERIOD FOR SYSTEM_TIME, DROP SYSTEM VERSIONING; ALTER TABLE {0} ADD SYSTEM VERSIONING;",
            quote(table)
        ),
    }
}

/// Types no value of which takes 16 MiB on the wire.
const SHORT_TYPES: [&str; 33] = [
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "integer",
    "bigint",
    "decimal",
    "numeric",
    "year",
    "bool",
    "float",
    "double",
    "real",
    "date",
    "datetime",
    "timestamp",
    "time",
    "uuid",
    "inet4",
    "inet6",
    "enum",
    "set",
    "bit",
    "binary",
    "varbinary",
    "tinyblob",
    "blob",
    "char",
    "varchar",
    "tinytext",
    "text",
    "point",
    "vector",
];

fn read_as(table: &str, column: RawColumn, version: &Version) -> Result<Column, EngineError> {
    let quoted = quote(&column.name);
    let is_scaled = column.column_type.contains(',');
    let has_empty_member = ["('',", ",'',", ",'')", "('')"].iter().any(|part| column.column_type.contains(part));
    let (expression, encoding) = match column.data_type.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "decimal" | "numeric" | "year" | "bool" => {
            (quoted, Encoding::Plain)
        }
        // The text protocol rounds a single to six digits, and what has a scale to that; a product of doubles keeps its bits.
        "float" => (format!("{quoted} * 1e0"), Encoding::Single),
        "double" | "real" if is_scaled => (format!("{quoted} * 1e0"), Encoding::Double),
        "double" | "real" => (quoted, Encoding::Double),
        "date" | "datetime" | "timestamp" | "time" | "uuid" | "inet4" | "inet6" => (quoted, Encoding::Quoted),
        // The empty text is also what an invalid value reads as: only the number tells them apart.
        "enum" | "set" if has_empty_member => (format!("CAST({quoted} AS UNSIGNED)"), Encoding::Plain),
        "json" => (quoted, Encoding::Json),
        "vector" => (version.vector_as_bytes(&quoted), Encoding::Hex),
        "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => (quoted, Encoding::Hex),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" | "geomcollection" => (quoted, Encoding::Hex),
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" if !column.charset.is_empty() => {
            (quoted, Encoding::of_charset(&column.charset))
        }
        other => {
            return Err(EngineError::Inexact {
                what: format!(
                    "column {} of table {table} has type {other}, which this upkeep cannot dump exactly",
                    column.name
                ),
                hint: "convert the column to a type that is known, or ask for support of this one".to_owned(),
            });
        }
    };
    let is_long = !SHORT_TYPES.contains(&column.data_type.as_str());
    Ok(Column { name: column.name, expression, encoding, is_long })
}

#[cfg(test)]
mod tests;
