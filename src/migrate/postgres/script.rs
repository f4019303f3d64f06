//! One script on PostgreSQL, in a transaction with its row or outside one.

use std::time::Instant;

use futures_util::StreamExt;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row as _};

use super::{PostgresHost, connect, insert, insert_text};
use crate::engine::postgres::literal;
use crate::fault;
use crate::migrate::error::{Left, MigrateError, ServerSaid};
use crate::migrate::host::{Doing, NewRow, Ran, millis, quoted};
use crate::migrate::prepare::{Prepared, Transaction};
use crate::migrate::pulse::Beat;
use crate::migrate::split::Piece;

/// The session that scripts run in, one after the other.
#[derive(Debug)]
pub(super) struct Session {
    connection: PgConnection,
    _beat: Beat,
    /// What makes it what a script expects, after `DISCARD ALL` made it what the server gives.
    settings: String,
}

impl Session {
    pub(super) async fn close(self) {
        // The server ends a session whose socket is gone.
        self.connection.close().await.ok();
    }
}

/// How much of a `COPY`'s rows is sent at once, in bytes.
const COPY_CHUNK: usize = 256 * 1024;

impl PostgresHost<'_> {
    /// Statements and row in one transaction of a session as good as fresh: all of it or nothing.
    pub(super) async fn run_in_transaction(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        let mut session = self.session().await?;
        let begun = Instant::now();
        // The lock keeps other runs away; this catches what does not take it, before anything is done.
        if self.begin(&mut session, script, row.rank).await? {
            session.close().await;
            return Ok(Ran::Overtaken);
        }
        if let Err(error) = statements(&mut session.connection, script, Left::Nothing).await {
            // Ends the session and with it the transaction; the error at hand is the one to report.
            session.close().await;
            return Err(error);
        }
        let execution_ms = millis(begun);
        let row = NewRow { execution_ms, success: true, ..row.clone() };
        self.record(&mut session, script, &row).await?;
        self.session = Some(session);
        Ok(Ran::Applied { execution_ms })
    }

    /// Makes the session what a fresh one is and begins the script's transaction, in one round trip. Whether the history has a
    /// row of this rank by now.
    async fn begin(&self, session: &mut Session, script: &Prepared, rank: i32) -> Result<bool, MigrateError> {
        let sql =
            format!(r#"BEGIN; {}; SELECT max("installed_rank") FROM {}; COMMIT; BEGIN"#, session.settings, self.quoted_table());
        let doing = || format!("begin a transaction for {}", script.name);
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut session.connection).await.doing(doing)?;
        let last = rows.last().map(|row| row.try_get::<Option<i32>, _>(0)).transpose().doing(doing)?.flatten();
        Ok(last.is_some_and(|last| last >= rank))
    }

    /// The script's row and the end of its transaction, in one round trip. A script may have taken another role; the row is
    /// written as who we are.
    async fn record(&self, session: &mut Session, script: &Prepared, row: &NewRow) -> Result<(), MigrateError> {
        const BEFORE_COMMIT: usize = 3;
        let insert = insert_text(&self.quoted_table(), &self.user, row);
        let sql = format!("RESET SESSION AUTHORIZATION; RESET ROLE; {insert}; COMMIT");
        let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).execute_many(&mut session.connection);
        let mut done = 0;
        while let Some(result) = results.next().await {
            let verb = if done < BEFORE_COMMIT { "record" } else { "commit" };
            result.doing(|| format!("{verb} {}", script.name))?;
            done += 1;
        }
        Ok(())
    }

    /// Statements one by one without a transaction of ours. The row is there first, as failed: if we die on the way, the
    /// history says so.
    pub(super) async fn run_outside(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        let (table, user) = (self.quoted_table(), self.user.clone());
        if self.overtaken(row.rank).await? {
            return Ok(Ran::Overtaken);
        }
        let (mut connection, _beat) = self.script_connection().await?;
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
        self.succeed(&NewRow { execution_ms, success: true, ..row.clone() }).await?;
        Ok(Ran::Applied { execution_ms })
    }

    /// Turns the row that says "failed" to success; one that somebody removed meanwhile is written again.
    async fn succeed(&mut self, row: &NewRow) -> Result<(), MigrateError> {
        let (table, user) = (self.quoted_table(), self.user.clone());
        let doing = || format!("record {}", row.script);
        let sql = format!(
            r#"UPDATE {table} SET "success" = true, "execution_time" = {} WHERE "installed_rank" = {}"#,
            row.execution_ms, row.rank
        );
        let main = self.main().await?;
        let updated = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *main).await.doing(doing)?;
        if updated.rows_affected() == 0 {
            insert(main, &table, &user, row).await.doing(doing)?;
        }
        Ok(())
    }

    /// A script without a row, in a transaction of its own or outside one.
    pub(super) async fn run_aside(&mut self, script: &Prepared) -> Result<(), MigrateError> {
        let (mut connection, _beat) = self.script_connection().await?;
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

    /// A session for a script in a transaction: that of the script before with everything discarded, or a fresh one. A session
    /// that died between two scripts took nothing with it, as long as the lock's is alive.
    async fn session(&mut self) -> Result<Session, MigrateError> {
        if let Some(mut session) = self.session.take() {
            if sqlx::raw_sql("DISCARD ALL").execute(&mut session.connection).await.is_ok() {
                return Ok(session);
            }
            let table = super::Host::table(self);
            self.execute_main("SELECT 1".to_owned(), || format!("see whether the lock of {table} is still held")).await?;
        }
        let (mut connection, beat) = self.script_connection().await?;
        let asked = "SELECT current_setting('TimeZone'), current_setting('DateStyle'), current_setting('search_path')";
        let asked = sqlx::raw_sql(asked).fetch_one(&mut connection).await;
        let doing = || "read a session's settings".to_owned();
        let row = asked.doing(doing)?;
        let mut set = Vec::new();
        for (index, name) in ["TimeZone", "DateStyle", "search_path"].into_iter().enumerate() {
            let value: String = row.try_get(index).doing(doing)?;
            set.push(format!("pg_catalog.set_config('{name}', {}, false)", literal(&value)));
        }
        Ok(Session { connection, _beat: beat, settings: format!("RESET ROLE; SELECT {}", set.join(", ")) })
    }

    /// A fresh session with the search path Flyway gives: the schema of the history first, then what it was.
    async fn script_connection(&self) -> Result<(PgConnection, Beat), MigrateError> {
        let (mut connection, beat) = connect::connect(self.database, &self.pulse).await?;
        let set = sqlx::query(
            "SELECT pg_catalog.set_config('search_path', concat_ws(', ', $1, nullif(pg_catalog.current_setting('search_path'), '')), false)",
        );
        let set = set.persistent(false).bind(quoted(&self.schema)).execute(&mut connection).await;
        set.doing(|| format!("set the search path to schema {}", self.schema))?;
        Ok((connection, beat))
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
