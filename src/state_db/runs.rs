//! Runs: what was asked for, when, and what came of it; and how far each schedule has been served.
//!
//! Owns the tables `run` and `schedule_mark`. Knows an action only by its name and its JSON. Invariants: one request id is
//! one run, also after a restart (the table's `UNIQUE`); a run without an end at start-up was interrupted; held by the tests
//! beside this file.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row as _, Sqlite};

use super::{StateDb, StateError};
use crate::ids::{JobId, RequestId, TargetName};

/// How many ended runs are kept: years of nightly backups of a few targets, some megabytes.
pub const KEPT_RUNS: u32 = 5_000;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Ok,
    /// With a failure.
    Failed,
    /// The process died before its end.
    Interrupted,
}

impl Outcome {
    /// The word in the table and on the socket.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Failed, Self::Interrupted].into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// How and when a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// When.
    pub at: DateTime<Utc>,
    /// How.
    pub outcome: Outcome,
    /// The result, or the failure.
    pub result: serde_json::Value,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The job.
    pub id: JobId,
    /// The client's id of the request.
    pub request: Option<RequestId>,
    /// The target concerned.
    pub target: Option<TargetName>,
    /// The action's name.
    pub action: String,
    /// The action, whole.
    pub body: serde_json::Value,
    /// The moment it was due, when a schedule asked.
    pub scheduled_for: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub started_at: DateTime<Utc>,
    /// Its end, if it has ended.
    pub end: Option<End>,
}

/// How often an action on a target ended in which way, and how long the newest good one took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The target, if the action has one.
    pub target: Option<TargetName>,
    /// The action's name.
    pub action: String,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub count: u64,
    /// How long the newest of them took, in milliseconds.
    pub last_ms: u64,
}

/// A scheduled run that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedRun {
    /// The moment it was due.
    pub scheduled_for: DateTime<Utc>,
    /// How often it was tried.
    pub times: u32,
    /// When it last failed.
    pub last: DateTime<Utc>,
    /// The failure.
    pub result: serde_json::Value,
}

impl StateDb {
    /// Writes down that a run was asked for.
    ///
    /// # Errors
    /// When the request id is taken, or the database refuses.
    pub async fn begin_run(&self, run: &Run) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO run (id, request, target, action, body_json, scheduled_for, started_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(run.id.as_str())
        .bind(run.request.as_ref().map(RequestId::as_str))
        .bind(run.target.as_ref().map(TargetName::as_str))
        .bind(&run.action)
        .bind(run.body.to_string())
        .bind(run.scheduled_for.map(|at| at.to_rfc3339()))
        .bind(run.started_at.to_rfc3339())
        .execute(self.pool())
        .await
        .map_err(StateError::doing("begin a run"))?;
        Ok(())
    }

    /// Writes down how a run ended.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn end_run(&self, id: &JobId, end: &End) -> Result<(), StateError> {
        sqlx::query("UPDATE run SET ended_at = ?, outcome = ?, result_json = ? WHERE id = ? AND ended_at IS NULL")
            .bind(end.at.to_rfc3339())
            .bind(end.outcome.as_str())
            .bind(end.result.to_string())
            .bind(id.as_str())
            .execute(self.pool())
            .await
            .map_err(StateError::doing("end a run"))?;
        Ok(())
    }

    /// Marks every run that has no end as interrupted, and gives them back. For the holder of the state lock, at start:
    /// nobody else can be working on them.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn interrupt_runs(&self, now: DateTime<Utc>) -> Result<Vec<Run>, StateError> {
        let rows = sqlx::query(
            "UPDATE run SET ended_at = ?, outcome = 'interrupted', result_json = 'null' WHERE ended_at IS NULL RETURNING *",
        )
        .bind(now.to_rfc3339())
        .fetch_all(self.pool())
        .await
        .map_err(StateError::doing("mark interrupted runs"))?;
        rows.iter().map(run).collect()
    }

    /// A run by its id.
    ///
    /// # Errors
    /// When the database refuses, or the row cannot be read.
    pub async fn run(&self, id: &JobId) -> Result<Option<Run>, StateError> {
        let row = sqlx::query("SELECT * FROM run WHERE id = ?").bind(id.as_str()).fetch_optional(self.pool()).await;
        row.map_err(StateError::doing("read a run"))?.as_ref().map(run).transpose()
    }

    /// The run a request led to, whenever that was.
    ///
    /// # Errors
    /// When the database refuses, or the row cannot be read.
    pub async fn run_by_request(&self, request: &RequestId) -> Result<Option<Run>, StateError> {
        let row = sqlx::query("SELECT * FROM run WHERE request = ?").bind(request.as_str()).fetch_optional(self.pool()).await;
        row.map_err(StateError::doing("look for a request"))?.as_ref().map(run).transpose()
    }

    /// The newest runs, newest first.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn runs(&self, limit: u32) -> Result<Vec<Run>, StateError> {
        let rows = sqlx::query("SELECT * FROM run ORDER BY rowid DESC LIMIT ?").bind(limit);
        let rows = rows.fetch_all(self.pool()).await.map_err(StateError::doing("list runs"))?;
        rows.iter().map(run).collect()
    }

    /// The newest runs that have ended, newest first.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn ended_runs(&self, limit: u32) -> Result<Vec<Run>, StateError> {
        let rows = sqlx::query("SELECT * FROM run WHERE ended_at IS NOT NULL ORDER BY rowid DESC LIMIT ?").bind(limit);
        let rows = rows.fetch_all(self.pool()).await.map_err(StateError::doing("list runs"))?;
        rows.iter().map(run).collect()
    }

    /// The newest ended run of an action on a target.
    ///
    /// # Errors
    /// When the database refuses, or the row cannot be read.
    pub async fn last_run(&self, target: &TargetName, action: &str) -> Result<Option<Run>, StateError> {
        let row = sqlx::query(
            // By the order they were begun in: moments are as wrong as the clock was.
            "SELECT * FROM run WHERE target = ? AND action = ? AND ended_at IS NOT NULL ORDER BY rowid DESC LIMIT 1",
        )
        .bind(target.as_str())
        .bind(action)
        .fetch_optional(self.pool())
        .await;
        row.map_err(StateError::doing("read the last run"))?.as_ref().map(run).transpose()
    }

    /// How often a scheduled run was cut short.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn interruptions(
        &self,
        target: &TargetName,
        action: &str,
        scheduled_for: DateTime<Utc>,
    ) -> Result<u64, StateError> {
        let sql = "SELECT count(*) FROM run WHERE target = ? AND action = ? AND scheduled_for = ? AND outcome = 'interrupted'";
        let (times,): (i64,) = sqlx::query_as(sql)
            .bind(target.as_str())
            .bind(action)
            .bind(scheduled_for.to_rfc3339())
            .fetch_one(self.pool())
            .await
            .map_err(StateError::doing("count interrupted runs"))?;
        Ok(times.unsigned_abs())
    }

    /// Ended runs counted by target, action and outcome, for the metrics.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn tally_runs(&self) -> Result<Vec<Tally>, StateError> {
        // With max(), SQLite takes the bare columns from the row that has the maximum.
        let rows = sqlx::query(
            "SELECT target, action, outcome, count(*) AS runs, max(rowid), started_at, ended_at FROM run \
             WHERE ended_at IS NOT NULL GROUP BY target, action, outcome ORDER BY target, action, outcome",
        )
        .fetch_all(self.pool())
        .await
        .map_err(StateError::doing("count runs"))?;
        rows.iter().map(tally).collect()
    }

    /// Lets the oldest ended runs go, beyond [`KEPT_RUNS`].
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn trim_runs(&self) -> Result<(), StateError> {
        sqlx::query(
            "DELETE FROM run WHERE ended_at IS NOT NULL AND rowid <= (SELECT rowid FROM run ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
        )
        .bind(KEPT_RUNS)
        .execute(self.pool())
        .await
        .map_err(StateError::doing("let old runs go"))?;
        Ok(())
    }

    /// The moment the newest served run of a schedule was due.
    ///
    /// # Errors
    /// When the database refuses, or the row cannot be read.
    pub async fn schedule_mark(&self, target: &TargetName, job: &str) -> Result<Option<DateTime<Utc>>, StateError> {
        let row = sqlx::query("SELECT last_due FROM schedule_mark WHERE target = ? AND job = ?")
            .bind(target.as_str())
            .bind(job)
            .fetch_optional(self.pool())
            .await
            .map_err(StateError::doing("read a schedule's mark"))?;
        row.map(|row| moment(&row, "last_due")).transpose()
    }

    /// Every mark of a job's schedules.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn schedule_marks(&self, job: &str) -> Result<BTreeMap<TargetName, DateTime<Utc>>, StateError> {
        let rows =
            sqlx::query("SELECT target, last_due FROM schedule_mark WHERE job = ?").bind(job).fetch_all(self.pool()).await;
        let rows = rows.map_err(StateError::doing("read the schedules' marks"))?;
        rows.iter().map(|row| Ok((named(column(row, "target")?)?, moment(row, "last_due")?))).collect()
    }

    /// The newest scheduled run of an action on each target (or the one), where it failed: how often it was tried, and how it ended.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn failed_runs(
        &self,
        action: &str,
        target: Option<&TargetName>,
    ) -> Result<BTreeMap<TargetName, FailedRun>, StateError> {
        // With max(), SQLite takes the bare columns from the row that has the maximum.
        let rows = sqlx::query(
            "SELECT target, scheduled_for, outcome, ended_at, result_json, max(rowid), (SELECT count(*) FROM run AS other \
             WHERE other.target = run.target AND other.action = run.action AND other.scheduled_for = run.scheduled_for \
             AND other.outcome = 'failed') AS runs FROM run WHERE action = ?1 AND (?2 IS NULL OR target = ?2) \
             AND scheduled_for IS NOT NULL AND target IS NOT NULL AND outcome IN ('ok', 'failed') GROUP BY target",
        )
        .bind(action)
        .bind(target.map(TargetName::as_str))
        .fetch_all(self.pool())
        .await
        .map_err(StateError::doing("read failed runs"))?;
        let mut failed = BTreeMap::new();
        for row in &rows {
            if outcome(row)? == Outcome::Failed {
                let times = u32::try_from(column::<i64>(row, "runs")?).unwrap_or(u32::MAX);
                let (last, result) = (moment(row, "ended_at")?, json(column(row, "result_json")?)?);
                let run = FailedRun { scheduled_for: moment(row, "scheduled_for")?, times, last, result };
                failed.insert(named(column(row, "target")?)?, run);
            }
        }
        Ok(failed)
    }

    /// Remembers that a scheduled run was served.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn mark_schedule(&self, target: &TargetName, job: &str, due: DateTime<Utc>) -> Result<(), StateError> {
        mark(target, job, due).execute(self.pool()).await.map_err(StateError::doing(MARKING))?;
        Ok(())
    }

    /// The same of several targets, all or none: a transaction each would be a sync of the disk each.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn mark_schedules(&self, targets: &[TargetName], job: &str, due: DateTime<Utc>) -> Result<(), StateError> {
        let mut all = self.pool().begin().await.map_err(StateError::doing(MARKING))?;
        for target in targets {
            mark(target, job, due).execute(&mut *all).await.map_err(StateError::doing(MARKING))?;
        }
        all.commit().await.map_err(StateError::doing(MARKING))
    }
}

const MARKING: &str = "mark a schedule";

fn mark<'a>(target: &'a TargetName, job: &'a str, due: DateTime<Utc>) -> Query<'a, Sqlite, SqliteArguments> {
    let insert = "INSERT INTO schedule_mark (target, job, last_due) VALUES (?, ?, ?) \
                  ON CONFLICT (target, job) DO UPDATE SET last_due = excluded.last_due";
    sqlx::query(insert).bind(target.as_str()).bind(job).bind(due.to_rfc3339())
}

fn unreadable(what: &str, why: impl std::fmt::Display) -> StateError {
    StateError::Unreadable { what: what.to_owned(), why: why.to_string() }
}

fn column<'a, T>(row: &'a SqliteRow, name: &'static str) -> Result<T, StateError>
where
    T: sqlx::Decode<'a, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(|error| unreadable("run", error))
}

fn moment(row: &SqliteRow, name: &'static str) -> Result<DateTime<Utc>, StateError> {
    column::<&str>(row, name)?.parse().map_err(|error| unreadable("run", format!("{name}: {error}")))
}

fn optional_moment(row: &SqliteRow, name: &'static str) -> Result<Option<DateTime<Utc>>, StateError> {
    column::<Option<&str>>(row, name)?.map(|_| moment(row, name)).transpose()
}

fn named<T: std::str::FromStr<Err = crate::ids::NotAName>>(text: &str) -> Result<T, StateError> {
    text.parse().map_err(|error| unreadable("run", error))
}

fn outcome(row: &SqliteRow) -> Result<Outcome, StateError> {
    let text: &str = column(row, "outcome")?;
    Outcome::parse(text).ok_or_else(|| unreadable("run", format!("outcome `{text}`")))
}

fn json(text: &str) -> Result<serde_json::Value, StateError> {
    serde_json::from_str(text).map_err(|error| unreadable("run", error))
}

fn run(row: &SqliteRow) -> Result<Run, StateError> {
    let end = match optional_moment(row, "ended_at")? {
        None => None,
        Some(at) => Some(End { at, outcome: outcome(row)?, result: json(column(row, "result_json")?)? }),
    };
    Ok(Run {
        id: named(column(row, "id")?)?,
        request: column::<Option<&str>>(row, "request")?.map(named).transpose()?,
        target: column::<Option<&str>>(row, "target")?.map(named).transpose()?,
        action: column(row, "action")?,
        body: json(column(row, "body_json")?)?,
        scheduled_for: optional_moment(row, "scheduled_for")?,
        started_at: moment(row, "started_at")?,
        end,
    })
}

fn tally(row: &SqliteRow) -> Result<Tally, StateError> {
    let took = (moment(row, "ended_at")? - moment(row, "started_at")?).num_milliseconds();
    Ok(Tally {
        target: column::<Option<&str>>(row, "target")?.map(named).transpose()?,
        action: column(row, "action")?,
        outcome: outcome(row)?,
        count: column::<i64>(row, "runs")?.unsigned_abs(),
        last_ms: u64::try_from(took).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests;
