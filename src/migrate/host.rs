//! What the run asks of an engine that keeps a history table.
//!
//! A further engine implements [`Host`] and nothing else changes.

use super::error::MigrateError;
use super::placeholders::Connected;
use super::plan::Existing;
pub(super) use super::plan::{Amendment, NewRow};
use super::prepare::Prepared;
use super::split::Dialect;
use crate::engine::postgres::readable;

/// How an attempt to run a script ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    /// It was applied, in so many milliseconds.
    Applied { execution_ms: i32 },
    /// Another run wrote to the history since we looked; nothing was done.
    Overtaken,
}

/// A database that keeps a history table. Connects when first asked.
pub(super) trait Host {
    /// Whose SQL it takes.
    const DIALECT: Dialect;

    /// The history table, qualified and unquoted, for people.
    fn table(&self) -> String;

    /// Who and where we are.
    async fn connected(&mut self) -> Result<Connected, MigrateError>;

    /// Takes the lock that a real Flyway takes, held until [`Host::close`].
    async fn lock(&mut self) -> Result<(), MigrateError>;

    /// Reads the history.
    async fn look(&mut self) -> Result<Existing, MigrateError>;

    /// The rank of a failed row whose script can go on where it stopped, as far as a journal of ours says.
    async fn unfinished(&mut self) -> Result<Option<i64>, MigrateError> {
        Ok(None)
    }

    /// Creates the history table, with the rows it begins with, all or nothing.
    async fn create_history(&mut self, first: &[NewRow]) -> Result<(), MigrateError>;

    /// Runs a script and records it. `row` is complete but for time and success; its rank is the next as far as we know.
    async fn run(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError>;

    /// Runs a script that has no row of its own: a callback.
    async fn aside(&mut self, script: &Prepared) -> Result<(), MigrateError>;

    /// Whether this account may change schema and history here, as far as can be tried without changing anything.
    async fn may_write(&mut self) -> Result<(), MigrateError>;

    /// Which of these tables there are beside the history, whatever their letter case, each with its columns.
    async fn tables_named(&mut self, names: &[&str]) -> Result<Vec<(String, Vec<String>)>, MigrateError>;

    /// Corrects the history, all or nothing.
    async fn amend(&mut self, amendments: &[Amendment]) -> Result<(), MigrateError>;

    /// Removes what a crash left beside the history and nobody needs; says what it did, one line each.
    async fn settle(&mut self) -> Result<Vec<String>, MigrateError> {
        Ok(Vec::new())
    }

    /// Lets go of everything.
    async fn close(self);
}

/// The history table's columns as an insert lists them; `installed_on` is left to its default, as Flyway does.
pub(super) const INSERT_COLUMNS: &str = r#"("installed_rank", "version", "description", "type", "script", "checksum", "installed_by", "execution_time", "success")"#;

/// A name in double quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Milliseconds as the history's column takes them.
pub(super) fn millis(since: std::time::Instant) -> i32 {
    i32::try_from(since.elapsed().as_millis()).unwrap_or(i32::MAX)
}

/// A table that is tried and never committed.
pub(super) const TRIED: &str = "upkeep_may_write";

/// What the server said against a change that was only tried: of this account, or of the whole server.
pub(super) fn refused(location: String, error: sqlx::Error) -> MigrateError {
    match error.as_database_error() {
        Some(said) => MigrateError::MayNot { location, why: said.message().to_owned() },
        None => MigrateError::Sql { doing: format!("try whether {location} may be changed"), source: error },
    }
}

/// Names what was being done when a statement of our own fails.
pub(super) trait Doing<T> {
    /// `doing` is a verb with its nouns (`read history table public.x`).
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, MigrateError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, MigrateError> {
        self.map_err(|source| MigrateError::Sql { doing: doing(), source: readable(source) })
    }
}
