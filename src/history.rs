//! Which migrations a database says it has.
//!
//! Owns the names under which history tables are known, how to recognise one by its columns, and the mapping from its rows to
//! [`crate::shape::History`]; the engines read the rows, each in its own SQL. Pure: never connects. Invariant: a table is taken for a
//! history only when it has that tool's columns, whatever its name; held by `history/flyway/tests.rs`.

pub mod flyway;

/// Names under which history tables are commonly found; the configured name comes in addition.
pub const WELL_KNOWN: &[&str] = &["flyway_schema_history", "schema_version", "DATABASE_CHANGE_LOG"];

/// The tool a history table belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Flyway, and our own engine, which keeps the same table.
    Flyway,
}

impl Tool {
    /// As [`crate::shape::History::tool`] has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flyway => "flyway",
        }
    }
}

/// Whether a table of this (unqualified) name may be a history: a well-known one or one of `more`. Case does not count, for
/// an unquoted name has lost it.
#[must_use]
pub fn may_be_history(table: &str, more: &[String]) -> bool {
    let is = |name: &str| name.eq_ignore_ascii_case(table);
    WELL_KNOWN.iter().any(|name| is(name)) || more.iter().any(|name| is(name))
}

/// Which tool's history has these columns; none for any other table.
#[must_use]
pub fn recognise<S: AsRef<str>>(columns: &[S]) -> Option<Tool> {
    let has = |wanted: &&str| columns.iter().any(|column| column.as_ref().eq_ignore_ascii_case(wanted));
    flyway::COLUMNS.iter().all(has).then_some(Tool::Flyway)
}
