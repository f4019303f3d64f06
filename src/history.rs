//! Which migrations a database says it has, whatever tool applied them.
//!
//! Owns the names under which history tables are known, how to recognise one by its columns, and the mapping from its rows to
//! [`crate::shape::History`]; the engines read the rows as text. Each tool is one small file with one [`Reader`]. Pure: never connects.
//! Invariant: a table is taken for a history only when it has that tool's columns, whatever the letter case of its name and
//! theirs; held by `history/tests.rs` and `history/flyway/tests.rs`.

mod alembic;
mod django;
pub mod flyway;
mod golang_migrate;
mod goose;
mod knex;
mod liquibase;
mod openmetadata;
mod prisma;
mod rails;
mod refinery;
mod sqlx;

use crate::shape::{Applied, History, Shape};
use crate::version::Version;
use flyway::{NotARow, Texts};

/// The tool a history table belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Flyway, and our own engine, which keeps the same table.
    Flyway,
    /// OpenMetadata's own migrations, which took over from Flyway.
    OpenMetadata,
    /// The statements OpenMetadata's migrations ran.
    OpenMetadataStatements,
    /// Liquibase.
    Liquibase,
    /// sqlx.
    Sqlx,
    /// golang-migrate.
    GolangMigrate,
    /// Alembic.
    Alembic,
    /// Rails, and what keeps its versions as Rails does.
    Rails,
    /// Prisma.
    Prisma,
    /// goose.
    Goose,
    /// Django.
    Django,
    /// Knex.
    Knex,
    /// refinery.
    Refinery,
}

impl Tool {
    /// As [`crate::shape::History::tool`] has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flyway => "flyway",
            Self::OpenMetadata => "openmetadata",
            Self::OpenMetadataStatements => "openmetadata-statements",
            Self::Liquibase => "liquibase",
            Self::Sqlx => "sqlx",
            Self::GolangMigrate => "golang-migrate",
            Self::Alembic => "alembic",
            Self::Rails => "rails",
            Self::Prisma => "prisma",
            Self::Goose => "goose",
            Self::Django => "django",
            Self::Knex => "knex",
            Self::Refinery => "refinery",
        }
    }
}

/// The one contract of a tool's file.
struct Reader {
    tool: Tool,
    /// The names of its table; letter case does not count, for an unquoted name has lost it.
    tables: &'static [&'static str],
    /// The columns without which a table is not the tool's, lower-cased.
    columns: &'static [&'static str],
    /// Its rows in the order of application.
    read: fn(&[Texts]) -> Result<Vec<Applied>, NotARow>,
}

/// More particular tables first: golang-migrate's and Rails's have one name.
const READERS: [&Reader; 13] = [
    &flyway::READER,
    &openmetadata::CHANGES,
    &openmetadata::STATEMENTS,
    &liquibase::READER,
    &sqlx::READER,
    &golang_migrate::READER,
    &alembic::READER,
    &rails::READER,
    &prisma::READER,
    &goose::READER,
    &django::READER,
    &knex::READER,
    &refinery::READER,
];

/// Every name under which a history table is commonly found; the configured name comes in addition.
#[must_use]
pub fn names() -> Vec<&'static str> {
    READERS.iter().flat_map(|reader| reader.tables).copied().collect()
}

/// Whether a table of this (unqualified) name may be a history: a well-known one or one of `more`.
#[must_use]
pub fn may_be_history(table: &str, more: &[String]) -> bool {
    let is = |name: &str| name.eq_ignore_ascii_case(table);
    names().iter().any(|name| is(name)) || more.iter().any(|name| is(name))
}

/// Which tool's history has this name and these columns; none for any other table. Flyway's columns are enough: its table
/// bears the name its configuration gives.
#[must_use]
pub fn recognise<S: AsRef<str>>(table: &str, columns: &[S]) -> Option<Tool> {
    let has = |wanted: &&str| columns.iter().any(|column| column.as_ref().eq_ignore_ascii_case(wanted));
    let named = |reader: &Reader| reader.tables.iter().any(|name| name.eq_ignore_ascii_case(table));
    let fits = |reader: &&&Reader| (reader.tool == Tool::Flyway || named(reader)) && reader.columns.iter().all(has);
    READERS.iter().find(fits).map(|reader| reader.tool)
}

impl Tool {
    /// Whether its history beside Flyway's means that Flyway's is of the past, or half of the whole.
    #[must_use]
    pub fn took_over_from_flyway(self) -> bool {
        self == Self::OpenMetadata
    }
}

/// The other tool whose history a script's statement makes, if it makes one: then what comes after it is that tool's to do. `text` is the
/// whole statement. Rails's table is told by nothing but a name that others use as well.
#[must_use]
pub fn handed_to(table: &str, text: &str) -> Option<Tool> {
    let lower = text.to_lowercase();
    let has = |column: &&str| lower.contains(*column);
    let named = |reader: &&&Reader| reader.tables.iter().any(|name| name.eq_ignore_ascii_case(table));
    let other = |reader: &&&Reader| !matches!(reader.tool, Tool::Flyway | Tool::OpenMetadataStatements | Tool::Rails);
    READERS.iter().filter(other).filter(named).find(|reader| reader.columns.iter().all(has)).map(|reader| reader.tool)
}

/// A table's rows as a part of a database's shape. `table` is qualified where the engine has schemas; values are text by
/// lower-cased column name, bytes in hexadecimal.
///
/// # Errors
/// When a row holds what no row of the tool's does.
pub fn read(tool: Tool, table: &str, rows: &[Texts]) -> Result<History, NotARow> {
    let reader = READERS.iter().find(|reader| reader.tool == tool).unwrap_or(&&flyway::READER);
    Ok(History { tool: tool.name().to_owned(), table: table.to_owned(), applied: (reader.read)(rows)? })
}

/// How a database stands to a release by its history alone, where a tool numbers its migrations as its releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// No history says anything about releases.
    Silent,
    /// It is of this release, or of one so near that it cannot be told apart.
    Same,
    /// It is of an older one; what is missing, in words.
    Older(String),
    /// It is of a newer one; what is too much, in words.
    Newer(String),
    /// It may be of this release or of an older one; why, in words.
    Unclear(String),
}

/// Asks the histories how they stand to a release.
#[must_use]
pub fn stands_to_release(shape: &Shape, release: &Version) -> Stands {
    openmetadata::stands(shape, release)
}

/// A column's text; empty for NULL and for a column that is not there.
fn text(row: &Texts, column: &str) -> String {
    row.get(column).cloned().flatten().unwrap_or_default()
}

/// A column's text, which is never NULL.
fn given(row: &Texts, column: &'static str) -> Result<String, NotARow> {
    row.get(column).cloned().flatten().ok_or_else(|| NotARow { column, value: "nothing".to_owned() })
}

/// A whole number; 0 for NULL and for a column that is not there.
fn number(row: &Texts, column: &'static str) -> Result<i64, NotARow> {
    match row.get(column).cloned().flatten() {
        None => Ok(0),
        Some(value) => value.trim().parse().map_err(|_| NotARow { column, value: value.chars().take(40).collect() }),
    }
}

/// A truth value as any engine writes it.
fn truth(row: &Texts, column: &'static str) -> Result<bool, NotARow> {
    let value = given(row, column)?;
    match value.to_ascii_lowercase().as_str() {
        // A bit of MySQL's comes as a byte.
        "t" | "true" | "1" | "\u{1}" => Ok(true),
        "f" | "false" | "0" | "\0" => Ok(false),
        _ => Err(NotARow { column, value: value.chars().take(40).collect() }),
    }
}

/// Rows that bear no rank of their own, in the order given.
fn ranked(rows: Vec<Applied>) -> Vec<Applied> {
    rows.into_iter().zip(1..).map(|(row, rank)| Applied { rank, ..row }).collect()
}

/// Digits compare as numbers, whatever their length.
fn by_number(version: &str) -> (usize, String) {
    let bare = version.trim_start_matches('0');
    (bare.len(), bare.to_owned())
}

#[cfg(test)]
mod tests;
