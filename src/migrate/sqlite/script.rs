//! One script on SQLite, in a transaction with its row or outside one.

use std::time::Instant;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection};

use super::{SqliteHost, insert, last_rank};
use crate::fault;
use crate::migrate::error::{Left, MigrateError, ServerSaid};
use crate::migrate::host::{Doing, NewRow, Ran, millis};
use crate::migrate::prepare::{Prepared, Transaction};
use crate::migrate::split::{Dialect, lines_before};

impl SqliteHost {
    /// Statements and row in one transaction: all of it or nothing.
    pub(super) async fn run_in_transaction(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        let table = self.quoted_table();
        let mut connection = self.connect().await?;
        self.begin(&mut connection).await?;
        let doing = || format!("record {}", script.name);
        // Only now is the history ours: another run may have got here first.
        if last_rank(&mut connection, &table).await.doing(doing)?.is_some_and(|last| last >= i64::from(row.rank)) {
            connection.close().await.doing(doing)?;
            return Ok(Ran::Overtaken);
        }
        let begun = Instant::now();
        if let Err(error) = statements(&mut connection, script, Left::Nothing).await {
            // Closing rolls back; the error at hand is the one to report.
            connection.close().await.ok();
            return Err(error);
        }
        let execution_ms = millis(begun);
        let row = NewRow { execution_ms, success: true, ..row.clone() };
        insert(&mut connection, &table, &row).await.doing(doing)?;
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.doing(|| format!("commit {}", script.name))?;
        connection.close().await.doing(doing)?;
        Ok(Ran::Applied { execution_ms })
    }

    /// A script without a row, in a transaction of its own or outside one.
    pub(super) async fn run_aside(&mut self, script: &Prepared) -> Result<(), MigrateError> {
        let mut connection = self.connect().await?;
        let doing = || format!("run {}", script.name);
        let ours = script.transaction == Transaction::Ours;
        if ours {
            self.begin(&mut connection).await?;
        }
        let ran = statements(&mut connection, script, if ours { Left::Nothing } else { Left::Part }).await;
        if ran.is_ok() && ours {
            sqlx::raw_sql("COMMIT").execute(&mut connection).await.doing(doing)?;
        }
        // Closing rolls back what failed; that error is the one to report.
        connection.close().await.ok();
        ran
    }

    /// Statements one by one without a transaction of ours. The row is there first, as failed: it keeps other runs away, and
    /// if we die on the way the history says so.
    pub(super) async fn run_outside(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        let table = self.quoted_table();
        let doing = || format!("record {}", script.name);
        let mut recorder = self.connect().await?;
        self.begin(&mut recorder).await?;
        if last_rank(&mut recorder, &table).await.doing(doing)?.is_some_and(|last| last >= i64::from(row.rank)) {
            recorder.close().await.doing(doing)?;
            return Ok(Ran::Overtaken);
        }
        let failed = NewRow { execution_ms: 0, success: false, ..row.clone() };
        insert(&mut recorder, &table, &failed).await.doing(doing)?;
        sqlx::raw_sql("COMMIT").execute(&mut recorder).await.doing(doing)?;
        // It must not hold the file while the script may want it alone (journal_mode).
        recorder.close().await.doing(doing)?;
        fault::point("migrate.outside.begun");
        let begun = Instant::now();
        let mut connection = self.connect().await?;
        if let Err(error) = statements(&mut connection, script, Left::Part).await {
            // The error at hand is the one to report.
            connection.close().await.ok();
            return Err(error);
        }
        // Only a transaction the script left open can be rolled back.
        let open = sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.is_ok();
        connection.close().await.doing(doing)?;
        if open {
            return Err(MigrateError::LeftOpen { script: script.name.clone() });
        }
        fault::point("migrate.outside.ran");
        let execution_ms = millis(begun);
        self.succeed(&NewRow { execution_ms, success: true, ..row.clone() }).await?;
        Ok(Ran::Applied { execution_ms })
    }

    /// Turns the row that says "failed" to success; one that somebody removed meanwhile is written again.
    async fn succeed(&self, row: &NewRow) -> Result<(), MigrateError> {
        let table = self.quoted_table();
        let doing = || format!("record {}", row.script);
        let mut recorder = self.connect().await?;
        self.begin(&mut recorder).await?;
        let sql = format!(
            r#"UPDATE {table} SET "success" = 1, "execution_time" = {} WHERE "installed_rank" = {}"#,
            row.execution_ms, row.rank
        );
        let updated = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut recorder).await.doing(doing)?;
        if updated.rows_affected() == 0 {
            insert(&mut recorder, &table, row).await.doing(doing)?;
        }
        sqlx::raw_sql("COMMIT").execute(&mut recorder).await.doing(doing)?;
        recorder.close().await.doing(doing)
    }
}

async fn statements(connection: &mut SqliteConnection, script: &Prepared, left: Left) -> Result<(), MigrateError> {
    for script in script.parts() {
        for (index, piece) in script.pieces.iter().enumerate() {
            let sql = script.sql(piece).to_owned();
            let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await else { continue };
            let (name, number) = (script.name.clone(), index + 1);
            return Err(match ServerSaid::of(&error) {
                Some(said) => {
                    let within = named(&said.message).and_then(|name| lines_before(script.sql(piece), Dialect::Sqlite, name));
                    let line = piece.line + within.unwrap_or(0);
                    MigrateError::Statement { script: name, line, number, left, source: Box::new(said) }
                }
                None => MigrateError::Lost { script: name, line: piece.line, number, left, source: error },
            });
        }
    }
    Ok(())
}

/// What SQLite's message is about: it says no place, but a name or token.
fn named(message: &str) -> Option<&str> {
    if let Some((_, rest)) = message.split_once("near \"").or_else(|| message.split_once("unrecognized token: \"")) {
        return rest.rsplit_once('"').map(|(token, _)| token);
    }
    let (what, name) = message.split_once(": ")?;
    let missing = matches!(what, "no such table" | "no such column" | "no such function");
    missing.then(|| name.rsplit('.').next().unwrap_or(name))
}

#[cfg(test)]
mod tests;
