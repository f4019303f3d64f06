//! One script on PostgreSQL, in a transaction with its row or outside one.

use std::time::Instant;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row as _};

use super::{PostgresHost, connect, insert};
use crate::fault;
use crate::migrate::error::{Left, MigrateError, ServerSaid};
use crate::migrate::host::{Doing, NewRow, Ran, millis, quoted};
use crate::migrate::prepare::{Prepared, Transaction};
use crate::migrate::split::Piece;

/// How much of a `COPY`'s rows is sent at once, in bytes.
const COPY_CHUNK: usize = 256 * 1024;

impl PostgresHost<'_> {
    /// Statements and row in one transaction on a fresh connection: all of it or nothing.
    pub(super) async fn run_in_transaction(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        let table = self.quoted_table();
        let mut connection = self.script_connection().await?;
        let begun = Instant::now();
        let doing = || format!("begin a transaction for {}", script.name);
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.doing(doing)?;
        // The lock keeps other runs away; this catches what does not take it, before anything is done.
        if self.overtaken(row.rank).await? {
            connection.close().await.ok();
            return Ok(Ran::Overtaken);
        }
        if let Err(error) = statements(&mut connection, script, Left::Nothing).await {
            // Ends the session and with it the transaction; the error at hand is the one to report.
            connection.close().await.ok();
            return Err(error);
        }
        // A script may have taken another role; the row is written as who we are.
        let restore = "RESET SESSION AUTHORIZATION; RESET ROLE";
        let doing = || format!("record {}", script.name);
        sqlx::raw_sql(restore).execute(&mut connection).await.doing(doing)?;
        let execution_ms = millis(begun);
        let row = NewRow { execution_ms, success: true, ..row.clone() };
        insert(&mut connection, &table, &self.user, &row).await.doing(doing)?;
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.doing(|| format!("commit {}", script.name))?;
        connection.close().await.ok();
        Ok(Ran::Applied { execution_ms })
    }

    /// Statements one by one without a transaction of ours. The row is there first, as failed: if we die on the way, the
    /// history says so.
    pub(super) async fn run_outside(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        let (table, user) = (self.quoted_table(), self.user.clone());
        if self.overtaken(row.rank).await? {
            return Ok(Ran::Overtaken);
        }
        let mut connection = self.script_connection().await?;
        let doing = || format!("record {}", script.name);
        let failed = NewRow { execution_ms: 0, success: false, ..row.clone() };
        insert(self.main().await?, &table, &user, &failed).await.doing(doing)?;
        fault::point("migrate.outside.begun");
        let begun = Instant::now();
        let ran = statements(&mut connection, script, Left::Part).await;
        let open = match &ran {
            Ok(()) => in_transaction(&mut connection).await.doing(doing),
            Err(_) => Ok(false),
        };
        connection.close().await.ok();
        ran?;
        if open? {
            return Err(MigrateError::LeftOpen { script: script.name.clone() });
        }
        fault::point("migrate.outside.ran");
        let execution_ms = millis(begun);
        let sql = format!(
            r#"UPDATE {table} SET "success" = true, "execution_time" = {execution_ms} WHERE "installed_rank" = {}"#,
            row.rank
        );
        self.execute_main(sql, doing).await?;
        Ok(Ran::Applied { execution_ms })
    }

    /// A script without a row, in a transaction of its own or outside one.
    pub(super) async fn run_aside(&mut self, script: &Prepared) -> Result<(), MigrateError> {
        let mut connection = self.script_connection().await?;
        let ours = script.transaction == Transaction::Ours;
        let doing = || format!("run {}", script.name);
        if ours {
            sqlx::raw_sql("BEGIN").execute(&mut connection).await.doing(doing)?;
        }
        let ran = statements(&mut connection, script, if ours { Left::Nothing } else { Left::Part }).await;
        let ended = match (&ran, ours) {
            (Ok(()), true) => sqlx::raw_sql("COMMIT").execute(&mut connection).await.map(drop).doing(doing),
            _ => Ok(()),
        };
        connection.close().await.ok();
        ran.and(ended)
    }

    /// A fresh session with the search path Flyway gives: the schema of the history first, then what it was.
    async fn script_connection(&self) -> Result<PgConnection, MigrateError> {
        let mut connection = connect::connect(self.database).await?;
        let set = sqlx::query(
            "SELECT pg_catalog.set_config('search_path', concat_ws(', ', $1, nullif(pg_catalog.current_setting('search_path'), '')), false)",
        );
        let set = set.persistent(false).bind(quoted(&self.schema)).execute(&mut connection).await;
        set.doing(|| format!("set the search path to schema {}", self.schema))?;
        Ok(connection)
    }

    async fn overtaken(&mut self, rank: i32) -> Result<bool, MigrateError> {
        let (sql, shown) =
            (format!(r#"SELECT max("installed_rank")::int4 FROM {}"#, self.quoted_table()), super::Host::table(self));
        let asked = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(self.main().await?).await;
        let last: Option<i32> = asked.and_then(|row| row.try_get(0)).doing(|| format!("read history table {shown}"))?;
        Ok(last.is_some_and(|last| last >= rank))
    }
}

async fn statements(connection: &mut PgConnection, script: &Prepared, left: Left) -> Result<(), MigrateError> {
    for script in script.parts() {
        for (index, piece) in script.pieces.iter().enumerate() {
            let sql = script.sql(piece);
            let result = match script.rows(piece) {
                Some(rows) => copy(connection, sql, rows).await,
                None => sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *connection).await.map(drop),
            };
            result.map_err(|error| failed(script, piece, index + 1, left, error))?;
        }
    }
    Ok(())
}

async fn copy(connection: &mut PgConnection, sql: &str, rows: &str) -> Result<(), sqlx::Error> {
    let mut copy = connection.copy_in_raw(sql).await?;
    for chunk in rows.as_bytes().chunks(COPY_CHUNK) {
        copy.send(chunk).await?;
    }
    copy.finish().await?;
    Ok(())
}

fn failed(script: &Prepared, piece: &Piece, number: usize, left: Left, error: sqlx::Error) -> MigrateError {
    let name = script.name.clone();
    match ServerSaid::of(&error) {
        Some(said) => {
            let line = script.line_at(piece, said.position);
            MigrateError::Statement { script: name, line, number, left, source: Box::new(said) }
        }
        None => MigrateError::Lost { script: name, line: piece.line, number, left, source: error },
    }
}

/// Outside a transaction a statement's time is its transaction's time. By the simple protocol: the extended one takes the
/// statement's time anew after the transaction began.
async fn in_transaction(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let asked = sqlx::raw_sql("SELECT now() <> statement_timestamp()").fetch_one(connection).await;
    match asked {
        Ok(row) => row.try_get(0),
        // The script left a failed transaction behind.
        Err(error) if error.as_database_error().and_then(|said| said.code()).as_deref() == Some("25P02") => Ok(true),
        Err(error) => Err(error),
    }
}
