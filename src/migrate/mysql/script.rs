//! One script on MySQL: in a transaction with its row, or statement by statement with a journal.

use std::time::Instant;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row as _};

use super::connect::{Ours, code, connect, text};
use super::course::{Course, Trouble, run, words};
use super::journal::{Journal, Unfinished};
use super::objects::{Object, object};
use super::resume::{self, Mark, Resume, Statement, Stop, statements};
use super::{LOCK_WAIT_S, MySqlHost, insert};
use crate::fault;
use crate::migrate::error::{Left, MigrateError, ServerSaid};
use crate::migrate::host::{Doing, Host as _, NewRow, Ran, millis};
use crate::migrate::plan::Problem;
use crate::migrate::prepare::{Prepared, Sort, Transaction};
use crate::migrate::split::{Dialect, lines_before};

/// What the server answers for an object that is not there: of a table, view, routine, trigger, event, database, sequence.
const ABSENT: [u16; 6] = [1146, 1305, 1360, 1539, 1049, 4091];
/// Ours for what follows the script: its own settings must not reach our statements.
const OWN: &str = "SET NAMES utf8mb4, SESSION sql_mode = ''";

impl MySqlHost<'_> {
    /// Statements and row in one transaction on a fresh connection: all of it or nothing.
    pub(super) async fn run_in_transaction(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        let table = self.quoted_table();
        let (mut connection, _own) = self.script_connection().await?;
        if self.overtaken(row.rank).await? {
            connection.close().await.ok();
            return Ok(Ran::Overtaken);
        }
        let begun = Instant::now();
        for statement in &statements(script) {
            let ran = run(&mut connection, statement.sql).await;
            if let Err(error) = ran.map_err(|error| failed(statement, Left::Nothing, error)) {
                // Ends the session and with it the transaction; the error at hand is the one to report.
                connection.close().await.ok();
                return Err(error);
            }
        }
        let doing = || format!("record {}", script.name);
        sqlx::raw_sql(OWN).execute(&mut connection).await.doing(doing)?;
        let execution_ms = millis(begun);
        let row = NewRow { execution_ms, success: true, ..row.clone() };
        insert(&mut connection, &table, &row).await.doing(doing)?;
        fault::point("migrate.script.commit");
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.doing(|| format!("commit {}", script.name))?;
        fault::point("migrate.script.committed");
        connection.close().await.ok();
        Ok(Ran::Applied { execution_ms })
    }

    /// A script without a row of its own: one transaction when it changes rows alone, else as the server commits it.
    pub(super) async fn run_aside(&mut self, script: &Prepared) -> Result<(), MigrateError> {
        let (mut connection, _own) = self.script_connection().await?;
        let left = || if script.transaction == Transaction::Ours { Left::Nothing } else { Left::Part };
        let mut ran = Ok(());
        for statement in &statements(script) {
            ran = run(&mut connection, statement.sql).await.map_err(|error| failed(statement, left(), error));
            if ran.is_err() {
                break;
            }
        }
        if ran.is_ok() {
            let committed = sqlx::raw_sql("COMMIT").execute(&mut connection).await;
            ran = committed.map(drop).doing(|| format!("commit {}", script.name));
        }
        // Ends the session and with it what is not committed; the error at hand is the one to report.
        connection.close().await.ok();
        ran
    }

    /// Statement by statement, from the first or from where an earlier run stopped.
    pub(super) async fn run_outside(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        let journal = self.journal();
        let (mut connection, _own) = self.script_connection().await?;
        let unfinished = journal.unfinished(self.main().await?).await?;
        if unfinished.is_none() && self.overtaken(row.rank).await? {
            connection.close().await.ok();
            return Ok(Ran::Overtaken);
        }
        let all = statements(script);
        let begun = Instant::now();
        let lasting = self.lasting;
        let ran = match unfinished {
            Some(unfinished) => {
                let rank = unfinished.rank;
                let refused = |stop: Stop| {
                    MigrateError::Refused(vec![Problem::CannotGoOn { script: stop.script, line: stop.line, why: stop.why }])
                };
                let (next, again) = self.resumed(&journal, &unfinished, &all).await?.map_err(refused)?;
                let mut course = Course { journal, rank, all: &all, own: false, lasting, pending: None };
                self.continued(&mut course, &mut connection, next, &again).await.map(|()| course)
            }
            None => {
                let intent = NewRow { execution_ms: 0, success: false, ..row.clone() };
                journal.begin(self.main().await?, &intent).await?;
                let rank = i64::from(row.rank);
                let mut course = Course { journal, rank, all: &all, own: false, lasting, pending: None };
                self.continued(&mut course, &mut connection, 0, &[]).await.map(|()| course)
            }
        };
        // A transaction left open ends here, as it does with Flyway; the locks go with the session.
        let ended = match &ran {
            Ok(_) => sqlx::raw_sql("COMMIT; UNLOCK TABLES")
                .execute(&mut connection)
                .await
                .map(drop)
                .doing(|| format!("commit {}", script.name)),
            Err(_) => Ok(()),
        };
        connection.close().await.ok();
        let course = ran?;
        ended?;
        let execution_ms = millis(begun);
        let row = NewRow { execution_ms, success: true, ..row.clone() };
        course.journal.end(self.main().await?, course.rank, Some(&row)).await?;
        Ok(Ran::Applied { execution_ms })
    }

    /// Where a begun script goes on; the server is asked about a statement whose outcome is not known.
    async fn resumed(
        &mut self,
        journal: &Journal,
        unfinished: &Unfinished,
        all: &[Statement<'_>],
    ) -> Result<Result<(usize, Vec<usize>), Stop>, MigrateError> {
        let resume = match resume::judge(&unfinished.marks, all) {
            Ok(Resume::Ask { begun, seen }) => {
                let now = self.seen(all, begun).await?;
                match (now, all.get(begun)) {
                    (Some(now), _) if now == seen => resume::from(begun, all),
                    (Some(_), Some(statement)) => {
                        let mark = Mark { number: begun + 1, digest: statement.digest.clone(), done: true, seen: None };
                        let doing = || format!("record statement {}", begun + 1);
                        self.execute_main(journal.mark(unfinished.rank, &mark), doing).await?;
                        fault::point("migrate.statement.found");
                        resume::from(begun + 1, all)
                    }
                    _ => Err(resume::unknown(begun, all)),
                }
            }
            other => other,
        };
        Ok(resume.and_then(|resume| match resume {
            Resume::From { next, again } => Ok((next, again)),
            Resume::Ask { begun, .. } => Err(resume::unknown(begun, all)),
        }))
    }

    /// Runs the statements that are left; after a failure, takes back what is known not to have happened.
    async fn continued(
        &mut self,
        course: &mut Course<'_>,
        connection: &mut MySqlConnection,
        next: usize,
        again: &[usize],
    ) -> Result<(), MigrateError> {
        let all = course.all;
        let rest = again.iter().copied().chain(next..all.len());
        for index in rest {
            let Some(statement) = all.get(index) else { continue };
            let seen = match statement.sort {
                Sort::Definition => self.seen(all, index).await?,
                _ => None,
            };
            let Err(error) = course.step(connection, index, statement, seen.clone()).await else { continue };
            let error = match error {
                Trouble::Script(error) => error,
                Trouble::Own(error) => return Err(error),
            };
            let left = match ServerSaid::of(&error) {
                // What cannot be taken back now is judged by the next run.
                Some(_) => self.after_failure(course, connection, index, seen).await.unwrap_or(Left::Journaled),
                None => Left::Journaled,
            };
            return Err(failed(statement, left, error));
        }
        course.write_down(connection).await
    }

    /// The server refused a statement: what is left, and what is known of it.
    async fn after_failure(
        &mut self,
        course: &Course<'_>,
        connection: &mut MySqlConnection,
        index: usize,
        seen: Option<String>,
    ) -> Result<Left, MigrateError> {
        let doing = || "record a failure".to_owned();
        // Marks that were not committed were about statements that are undone with them.
        sqlx::raw_sql("ROLLBACK; UNLOCK TABLES").execute(connection).await.doing(doing)?;
        let nothing = match course.all.get(index) {
            Some(statement) => match statement.sort {
                // MariaDB drops one table after the other.
                Sort::Definition if seen.is_none() => !(self.mariadb && statement.sql.contains(',')),
                Sort::Definition => self.seen(course.all, index).await? == seen,
                Sort::Execute => is_whole(course.all, index, course.lasting),
                Sort::Call => false,
                _ => !course.lasting,
            },
            None => false,
        };
        if nothing {
            self.execute_main(course.journal.unmark(course.rank, index + 1), doing).await?;
        }
        let left = course.journal.unfinished(self.main().await?).await?;
        if left.is_some_and(|left| left.marks.is_empty()) {
            course.journal.end(self.main().await?, course.rank, None).await?;
            return Ok(Left::Nothing);
        }
        Ok(Left::Journaled)
    }

    /// Digest of what a definition (from 0) is about, as the server shows it now; none when it cannot be told.
    async fn seen(&mut self, all: &[Statement<'_>], index: usize) -> Result<Option<String>, MigrateError> {
        let Some(object) = shown(all, index) else { return Ok(None) };
        let sql = format!("SHOW CREATE {} {}", object.kind, object.name);
        let said = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(self.main().await?).await {
            Ok(row) => (0..row.len()).filter_map(|column| text(&row, column)).collect::<Vec<_>>().join("\0"),
            Err(error) if code(&error).is_some_and(|code| ABSENT.contains(&code)) => "absent".to_owned(),
            Err(sqlx::Error::Database(_)) => return Ok(None),
            Err(source) => return Err(MigrateError::Sql { doing: format!("look at {}", object.name), source }),
        };
        Ok(Some(blake3::hash(without_counter(&said).as_bytes()).to_hex().to_string()))
    }

    /// A fresh session as Flyway's driver makes it, holding the lock of scripts.
    async fn script_connection(&self) -> Result<(MySqlConnection, Ours), MigrateError> {
        let (mut connection, own) = connect(self.database, &self.pulse).await?;
        let doing = || "set up a session for a script".to_owned();
        let sql = format!("SELECT GET_LOCK('{}', {LOCK_WAIT_S})", self.script_lock());
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await.doing(doing)?;
        if text(&row, 0).as_deref() != Some("1") {
            return Err(MigrateError::Busy { table: self.table(), waited_s: LOCK_WAIT_S });
        }
        sqlx::raw_sql("SET autocommit = 0").execute(&mut connection).await.doing(doing)?;
        Ok((connection, own))
    }

    async fn overtaken(&mut self, rank: i32) -> Result<bool, MigrateError> {
        let (sql, shown) = (format!("SELECT MAX(`installed_rank`) FROM {}", self.quoted_table()), self.table());
        let last = self.ask(sql, || format!("read history table {shown}")).await?;
        Ok(last.is_some_and(|last| last >= i64::from(rank)))
    }
}

/// The object whose definition our own session can be shown. It stays in the database it began in; a script may have left that.
fn shown(all: &[Statement<'_>], index: usize) -> Option<Object> {
    let (before, rest) = all.split_at(index.min(all.len()));
    let object = object(rest.first()?.sql)?;
    let is_elsewhere = !object.is_qualified() && before.iter().any(|statement| statement.head.begins("USE"));
    (!is_elsewhere).then_some(object)
}

/// Whether what an `EXECUTE` (from 0) ran took effect as a whole or not at all: no procedure can be in it, nor rows that no
/// transaction takes back. Its text is somewhere before it, or in it.
fn is_whole(all: &[Statement<'_>], index: usize, lasting: bool) -> bool {
    const CHANGES: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"];
    let doubtful = |word: &str| {
        word.eq_ignore_ascii_case("CALL") || (lasting && CHANGES.iter().any(|change| change.eq_ignore_ascii_case(word)))
    };
    !all.iter().take(index + 1).any(|statement| words(statement.sql).any(doubtful))
}

fn failed(statement: &Statement<'_>, left: Left, error: sqlx::Error) -> MigrateError {
    let (name, number) = (statement.script.to_owned(), statement.number);
    match ServerSaid::of(&error) {
        Some(said) => {
            let named = || lines_before(statement.sql, Dialect::MySql, missing(&said.message)?);
            let within = line_in(&said.message).map(|line| line.saturating_sub(1)).or_else(named);
            let line = statement.line + within.unwrap_or(0);
            MigrateError::Statement { script: name, line, number, left, source: Box::new(said) }
        }
        None => MigrateError::Lost { script: name, line: statement.line, number, left, source: error },
    }
}

/// The line of a statement that the server points to at the end of its message (`… near 'x' at line 3`), from 1.
fn line_in(message: &str) -> Option<usize> {
    message.rsplit_once(" at line ").and_then(|(_, line)| line.trim().parse().ok())
}

/// What the server says is not there (`Unknown column 'x' in 'field list'`, `Table 'd.t' doesn't exist`): it says no place then.
fn missing(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("Unknown column '").or_else(|| message.strip_prefix("Table '"))?;
    let (name, _) = rest.split_once('\'')?;
    Some(name.rsplit('.').next().unwrap_or(name))
}

/// A table's definition without its counter, which changes without anybody's definition.
fn without_counter(definition: &str) -> String {
    let Some((before, after)) = definition.split_once(" AUTO_INCREMENT=") else { return definition.to_owned() };
    format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
