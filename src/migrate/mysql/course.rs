//! A script under way outside a transaction of ours: one statement after the other, each with its marks.

use sqlx::{AssertSqlSafe, MySqlConnection};

use super::connect::code;
use super::journal::Journal;
use super::reads::asks_back;
use super::resume::{Mark, Statement};
use crate::fault;
use crate::migrate::error::MigrateError;
use crate::migrate::host::Doing;
use crate::migrate::prepare::Sort;

/// A statement that holds nothing for this server (`/*!99999 … */`).
const EMPTY: u16 = 1065;

/// A script under way, outside a transaction of ours.
pub(super) struct Course<'a> {
    pub(super) journal: Journal,
    pub(super) rank: i64,
    pub(super) all: &'a [Statement<'a>],
    /// The script began a transaction and has not ended it.
    pub(super) own: bool,
    /// There are tables whose changes no transaction takes back.
    pub(super) lasting: bool,
    /// What is done and not written down yet, in the same transaction as what it is about: written at once it would be what the
    /// next statement is told of when it asks about the one before it.
    pub(super) pending: Option<Mark>,
}

/// Whose statement failed.
pub(super) enum Trouble {
    Script(sqlx::Error),
    Own(MigrateError),
}

impl Course<'_> {
    /// One statement with its marks. A mark is in the transaction of what it is about wherever there is one; a definition
    /// commits what was before it, its own intent included.
    pub(super) async fn step(
        &mut self,
        connection: &mut MySqlConnection,
        index: usize,
        statement: &Statement<'_>,
        seen: Option<String>,
    ) -> Result<(), Trouble> {
        let mark = |done| Mark { number: index + 1, digest: statement.digest.clone(), done, seen: seen.clone() };
        let announced = match statement.sort {
            Sort::Definition | Sort::Call | Sort::Execute => true,
            Sort::Rows => self.lasting,
            _ => false,
        };
        if self.pending.is_some() && (announced || !may_wait_for(statement)) {
            self.write_down(connection).await.map_err(Trouble::Own)?;
        }
        if announced {
            self.announce(connection, statement.sort, &mark(false)).await?;
        }
        let sql = match statement.sort {
            Sort::Lock | Sort::Call if statement.head.begins("LOCK") => locking(statement.sql, &self.journal.table),
            _ => statement.sql.to_owned(),
        };
        run(connection, &sql).await.map_err(Trouble::Script)?;
        self.ran(connection, statement, announced, mark(true)).await
    }

    /// What follows from a statement that ran.
    async fn ran(
        &mut self,
        connection: &mut MySqlConnection,
        statement: &Statement<'_>,
        announced: bool,
        done: Mark,
    ) -> Result<(), Trouble> {
        self.lasting |= match statement.sort {
            Sort::Definition => names_lasting_engine(statement.sql),
            Sort::Session => makes_lasting_engine_usual(statement.sql),
            _ => false,
        };
        match statement.sort {
            Sort::Rows if !announced => {
                self.pending = Some(done);
                fault::point("migrate.statement.done");
            }
            Sort::Rows | Sort::Definition | Sort::Call | Sort::Execute => {
                fault::point("migrate.statement.ran");
                self.own &= statement.sort != Sort::Definition;
                if statement.several {
                    self.end_own(connection).await?;
                }
                self.note(connection, &done).await.map_err(Trouble::Own)?;
                self.commit(connection).await?;
                fault::point("migrate.statement.done");
            }
            // Where a transaction takes nothing back, each statement is one of its own.
            Sort::Control => {
                self.own = !self.lasting && (statement.head.begins("BEGIN") || statement.head.begins("START"));
            }
            Sort::Lock => self.own = false,
            // Statement and mark belong together whatever the script says; what it committed by itself is one of ours now.
            Sort::Session if statement.head.holds("AUTOCOMMIT") => {
                self.end_own(connection).await?;
            }
            // Run again it would ask about another statement.
            Sort::Session | Sort::Temporary if self.pending.is_some() => self.pending = Some(done),
            Sort::Session | Sort::Temporary => {}
        }
        Ok(())
    }

    /// Writes the intent of a statement that a transaction does not take back, or that cannot be seen.
    async fn announce(&self, connection: &mut MySqlConnection, sort: Sort, mark: &Mark) -> Result<(), Trouble> {
        // What a routine or a prepared statement does may be undone with its mark; the rest cannot be.
        let together = matches!(sort, Sort::Call | Sort::Execute) && !self.lasting;
        if together {
            self.commit(connection).await?;
        }
        self.note(connection, mark).await.map_err(Trouble::Own)?;
        if !together {
            self.commit(connection).await?;
        }
        fault::point("migrate.statement.begun");
        Ok(())
    }

    /// What a script says of transactions ends: what comes is in one of ours.
    async fn end_own(&mut self, connection: &mut MySqlConnection) -> Result<(), Trouble> {
        let set = sqlx::raw_sql("SET autocommit = 0").execute(connection).await;
        set.doing(|| "set up a session for a script".to_owned()).map_err(Trouble::Own)?;
        self.own = false;
        Ok(())
    }

    /// Writes what is done and not written down yet: before anything commits it.
    pub(super) async fn write_down(&mut self, connection: &mut MySqlConnection) -> Result<(), MigrateError> {
        match self.pending.take() {
            Some(mark) => self.note(connection, &mark).await,
            None => Ok(()),
        }
    }

    async fn note(&self, connection: &mut MySqlConnection, mark: &Mark) -> Result<(), MigrateError> {
        let sql = self.journal.mark(self.rank, mark);
        let noted = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
        noted.map(drop).doing(|| format!("record statement {}", mark.number))
    }

    /// Commits what is ours to commit: not a transaction that the script itself began.
    async fn commit(&self, connection: &mut MySqlConnection) -> Result<(), Trouble> {
        if self.own {
            return Ok(());
        }
        let committed = sqlx::raw_sql("COMMIT").execute(connection).await;
        committed.map(drop).doing(|| "commit a part of a script".to_owned()).map_err(Trouble::Own)
    }
}

/// Whether a statement asks about the one before it, and commits nothing: a mark may come after it as well.
fn may_wait_for(statement: &Statement<'_>) -> bool {
    let within = match statement.sort {
        Sort::Rows | Sort::Temporary => true,
        Sort::Session => !statement.sql.to_ascii_uppercase().contains("AUTOCOMMIT"),
        Sort::Control | Sort::Lock | Sort::Call | Sort::Execute | Sort::Definition => false,
    };
    within && asks_back(statement.sql, statement.head)
}

/// Runs a statement; nothing for this server is nothing done.
pub(super) async fn run(connection: &mut MySqlConnection, sql: &str) -> Result<(), sqlx::Error> {
    match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await {
        Err(error) if code(&error) == Some(EMPTY) => Ok(()),
        done => done.map(drop),
    }
}

/// A `LOCK TABLES` that locks our table too, for a session with locks can use no other.
fn locking(sql: &str, table: &str) -> String {
    let upper = sql.to_ascii_uppercase();
    let Some(at) = upper.find("TABLE").map(|at| at + "TABLE".len()) else { return sql.to_owned() };
    let at = at + usize::from(upper.get(at..).is_some_and(|rest| rest.starts_with('S')));
    let (lock, tables) = sql.split_at(at);
    format!("{lock} {table} WRITE,{tables}")
}

/// Whether a definition names an engine without transactions.
fn names_lasting_engine(sql: &str) -> bool {
    words(sql).any(|word| {
        ["MyISAM", "Aria", "MEMORY", "CSV", "ARCHIVE", "MERGE"].iter().any(|engine| engine.eq_ignore_ascii_case(word))
    })
}

/// Whether a session's statement makes such an engine that of the tables to come, or prepares the definition of one.
fn makes_lasting_engine_usual(sql: &str) -> bool {
    names_lasting_engine(sql) && words(sql).any(|word| word.to_ascii_uppercase().ends_with("ENGINE"))
}

/// The words of a text, those in quotes as well.
pub(super) fn words(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

#[cfg(test)]
mod tests;
