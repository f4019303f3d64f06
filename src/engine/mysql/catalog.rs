//! What the data dictionary says: the server, the tables with their columns and keys, how each column is read.
//!
//! Only reads. Values come as text, names as the server spells them. A column whose type is not known is an error and never a
//! guess.

use std::collections::{BTreeMap, HashMap};

use super::super::EngineError;
use super::connect::{Session, quote};
use super::flavour::Version;
use super::literal::Encoding;
use super::schema::{Kind, Schema};
use crate::archive::manifest::Server;

/// Tables that a load or a migration leaves for a moment, and that are never part of a dump or a shape.
pub(super) const OWN_TABLES: [&str; 4] = [UNFINISHED_LOAD, "upkeep_swap", "upkeep_migration_progress", "upkeep_new_history"];
/// The one that says that the content is not whole.
pub(super) const UNFINISHED_LOAD: &str = "upkeep_unfinished_load";

/// Restricts a query of `information_schema` to the chosen database, by its exact name: the dictionary's own comparison may
/// not tell two databases apart that differ in case.
pub(super) const HERE: &str = "TABLE_SCHEMA = DATABASE() AND CAST(TABLE_SCHEMA AS BINARY) = CAST(DATABASE() AS BINARY)";

/// A column whose values are dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// The name, unquoted.
    pub(super) name: String,
    /// What is selected to read it.
    pub(super) expression: String,
    /// How its values are written.
    pub(super) encoding: Encoding,
}

/// A column of the primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPart {
    /// The name, unquoted.
    pub(super) name: String,
    /// Whether it counts downwards.
    pub(super) descending: bool,
    /// How it is read and compared, if ranges of it can be.
    pub(super) cut_by: Option<Column>,
}

/// A table whose rows are dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    /// The name, unquoted.
    pub(super) name: String,
    /// The storage engine.
    pub(super) engine: String,
    /// Every column that is not generated, in the table's order.
    pub(super) columns: Vec<Column>,
    /// The primary key; empty where there is none, or one that rows cannot be read in the order of.
    pub(super) key: Vec<KeyPart>,
    /// About how many bytes its rows take.
    pub(super) bytes: u64,
    /// About how many rows it has.
    pub(super) rows: u64,
    /// Whether the rows of the past are read as well (MariaDB's system versioning).
    pub(super) history: bool,
}

impl Relation {
    /// The name, quoted.
    pub(super) fn quoted(&self) -> String {
        quote(&self.name)
    }

    /// Whether its rows are part of a transaction's snapshot.
    pub(super) fn in_snapshot(&self) -> bool {
        is_transactional(&self.engine)
    }
}

/// Whether a storage engine keeps old versions of rows for those who began to read before.
pub(super) fn is_transactional(engine: &str) -> bool {
    ["InnoDB", "ROCKSDB", "TokuDB"].iter().any(|name| engine.eq_ignore_ascii_case(name))
}

/// Who the server is.
pub(super) async fn identify(session: &mut Session) -> Result<Server, EngineError> {
    let doing = "read the server's identity";
    let sql = "SELECT DATABASE(), @@character_set_database, @@collation_database, @@GLOBAL.time_zone, @@system_time_zone, \
               @@GLOBAL.sql_mode, @@lower_case_table_names, @@version_comment, @@GLOBAL.default_storage_engine";
    let rows = session.texts(doing, sql).await?;
    let mut cells = rows.into_iter().next().unwrap_or_default().into_iter().map(Option::unwrap_or_default);
    let mut next = || cells.next().unwrap_or_default();
    let (database, charset, collation, zone, system_zone) = (next(), next(), next(), next(), next());
    let extra = ["sql_mode", "lower_case_table_names", "version_comment", "default_storage_engine"];
    let extra: BTreeMap<String, String> = extra.iter().map(|name| ((*name).to_owned(), next())).collect();
    Ok(Server {
        flavour: session.version.name().to_owned(),
        version: session.version.text.clone(),
        database,
        charset,
        collation,
        time_zone: if zone == "SYSTEM" { system_zone } else { zone },
        extra,
    })
}

/// The tables whose rows are dumped, by name.
pub(super) async fn relations(session: &mut Session) -> Result<Vec<Relation>, EngineError> {
    let mut keys = keys(session).await?;
    let mut columns = columns(session).await?;
    let doing = "list the tables";
    let own = OWN_TABLES.map(|name| format!("'{name}'")).join(", ");
    let sql = format!(
        "SELECT TABLE_NAME, COALESCE(ENGINE, ''), COALESCE(DATA_LENGTH, 0), COALESCE(TABLE_ROWS, 0), TABLE_TYPE, \
         COALESCE(TABLE_COMMENT, '') FROM information_schema.TABLES \
         WHERE {HERE} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_NAME NOT IN ({own}) \
         AND COALESCE(UPPER(ENGINE), '') NOT IN ({ELSEWHERE}) ORDER BY CAST(TABLE_NAME AS BINARY)"
    );
    let mut relations = Vec::new();
    for row in session.texts(doing, &sql).await? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (name, engine, bytes, rows, kind, comment) = (next(), next(), next(), next(), next(), next());
        if engine.is_empty() {
            // The server lists what it cannot open with the reason in place of the comment.
            return Err(EngineError::Inexact {
                what: format!("table {name} cannot be opened by the server: {comment}"),
                hint: format!("repair or drop it: CHECK TABLE {};", quote(&name)),
            });
        }
        let history = kind == "SYSTEM VERSIONED" && session.version.inserts_history();
        let raw = columns.remove(&name).unwrap_or_default();
        let key = keys.remove(&name).unwrap_or_default();
        relations.push(Relation {
            key: if is_transactional(&engine) { usable_key(key, &raw, &session.version) } else { Vec::new() },
            columns: dumped_columns(&name, raw, history, &session.version)?,
            name,
            engine,
            bytes: bytes.parse().unwrap_or(0),
            rows: rows.parse().unwrap_or(0),
            history,
        });
    }
    Ok(relations)
}

/// Storage engines whose rows are another table's, another server's or nobody's.
const ELSEWHERE: &str = "'MRG_MYISAM', 'FEDERATED', 'BLACKHOLE', 'CONNECT', 'SPIDER', 'SEQUENCE'";

/// Tables whose rows are elsewhere, with their engines.
pub(super) async fn elsewhere(session: &mut Session) -> Result<Vec<(String, String)>, EngineError> {
    let sql = format!(
        "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE {HERE} AND TABLE_TYPE = 'BASE TABLE' \
         AND UPPER(ENGINE) IN ({ELSEWHERE}) ORDER BY CAST(TABLE_NAME AS BINARY)"
    );
    let rows = session.texts("list the tables that keep their rows elsewhere", &sql).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        found.push((cells.next().unwrap_or_default(), cells.next().unwrap_or_default()));
    }
    Ok(found)
}

/// Where every sequence is, as the arguments of `SETVAL`.
///
/// Sequences stand outside snapshots: read after the rows, a value is never behind them.
pub(super) async fn sequence_values(session: &mut Session, schema: &Schema) -> Result<Vec<(String, String)>, EngineError> {
    let mut values = Vec::new();
    for sequence in schema.of(Kind::Sequence) {
        let sql = format!("SELECT next_not_cached_value, cycle_count FROM {}", quote(&sequence.name));
        let rows = session.texts(&format!("read sequence {}", sequence.name), &sql).await?;
        let mut cells = rows.into_iter().flatten().map(Option::unwrap_or_default);
        let (next, round) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        values.push((sequence.name.clone(), format!("{next}, 0, {round}")));
    }
    Ok(values)
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

async fn columns(session: &mut Session) -> Result<HashMap<String, Vec<RawColumn>>, EngineError> {
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

/// A column of a primary key as the dictionary has it: name, whether it counts downwards, whether only its beginning is
/// in the key.
type RawKeyPart = (String, bool, bool);

async fn keys(session: &mut Session) -> Result<HashMap<String, Vec<RawKeyPart>>, EngineError> {
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, COALESCE(COLLATION, ''), SUB_PART IS NOT NULL FROM information_schema.STATISTICS \
         WHERE {HERE} AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX"
    );
    let mut keys: HashMap<String, Vec<RawKeyPart>> = HashMap::new();
    for row in session.texts("list the primary keys", &sql).await? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        keys.entry(next()).or_default().push((next(), next() == "D", next() == "1"));
    }
    Ok(keys)
}

/// The key, if rows can be read in its order: not one of which only the beginning of a column is indexed.
fn usable_key(parts: Vec<RawKeyPart>, columns: &[RawColumn], version: &Version) -> Vec<KeyPart> {
    if parts.iter().any(|(_, _, is_prefix)| *is_prefix) {
        return Vec::new();
    }
    let cut_by = |name: &str| columns.iter().find(|column| column.name == name).and_then(|column| cut_by(column, version));
    parts.into_iter().map(|(name, descending, _)| KeyPart { cut_by: cut_by(&name), name, descending }).collect()
}

/// A key column whose values, written as literals, compare as the index has them; generated or not.
fn cut_by(column: &RawColumn, version: &Version) -> Option<Column> {
    let types = [
        "tinyint",
        "smallint",
        "mediumint",
        "int",
        "bigint",
        "decimal",
        "char",
        "varchar",
        "binary",
        "varbinary",
        "date",
        "datetime",
        "timestamp",
        "uuid",
    ];
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

/// The columns that are read and written. With `history` those that say since when and until when a row was valid are among
/// them, hidden though they may be.
fn dumped_columns(table: &str, raw: Vec<RawColumn>, history: bool, version: &Version) -> Result<Vec<Column>, EngineError> {
    let explicit = raw.iter().any(is_period);
    let implied = |name: &str| Column { name: name.to_owned(), expression: quote(name), encoding: Encoding::Quoted };
    let mut columns = Vec::with_capacity(raw.len());
    for column in raw.into_iter().filter(|column| !is_generated(column) || (history && is_period(column))) {
        columns.push(read_as(table, column, version)?);
    }
    if history && !explicit {
        columns.extend(["row_start", "row_end"].map(implied));
    }
    Ok(columns)
}

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
    Ok(Column { name: column.name, expression, encoding })
}

#[cfg(test)]
mod tests;
