//! Events: what happened, in one sentence each, for people and for whoever follows.
//!
//! Owns the table `event` and the bell that wakes its readers. Readers read the table by id and are only *woken* by the bell,
//! so that a slow one misses nothing that is still kept. Invariants: ids rise and are never used again; at most
//! [`KEPT_EVENTS`] are kept; held by the tests beside this file.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{StateDb, StateError};
use crate::ids::TargetName;

/// How many events are kept: a few months of a busy host, some megabytes.
pub const KEPT_EVENTS: i64 = 10_000;

/// How often, in events, the table is cut back: seldom enough to cost nothing, often enough to bound it.
const TRIM_EVERY: i64 = 256;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Rising number.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// The target concerned.
    pub target: Option<TargetName>,
    /// What kind, dotted.
    pub kind: String,
    /// One sentence.
    pub message: String,
    /// More, depending on the kind.
    pub body: serde_json::Value,
}

impl StateDb {
    /// Writes an event down and wakes whoever follows. Returns its id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_event(
        &self,
        at: DateTime<Utc>,
        target: Option<&TargetName>,
        kind: &str,
        message: &str,
        body: &serde_json::Value,
    ) -> Result<i64, StateError> {
        let id = sqlx::query("INSERT INTO event (at, target, kind, message, body_json) VALUES (?, ?, ?, ?, ?)")
            .bind(at.to_rfc3339())
            .bind(target.map(TargetName::as_str))
            .bind(kind)
            .bind(message)
            .bind(body.to_string())
            .execute(self.pool())
            .await
            .map_err(StateError::doing("write an event"))?
            .last_insert_rowid();
        if id % TRIM_EVERY == 0 {
            let trimmed = sqlx::query("DELETE FROM event WHERE id <= ?").bind(id - KEPT_EVENTS).execute(self.pool()).await;
            trimmed.map_err(StateError::doing("let old events go"))?;
        }
        self.bell().send_replace(id);
        Ok(id)
    }

    /// The events after an id, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn events_after(&self, id: i64, limit: u32) -> Result<Vec<EventRow>, StateError> {
        let rows = sqlx::query("SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?").bind(id).bind(limit);
        let rows = rows.fetch_all(self.pool()).await.map_err(StateError::doing("read events"))?;
        rows.iter().map(event).collect()
    }

    /// The id of the newest event; 0 when there was none yet.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn newest_event(&self) -> Result<i64, StateError> {
        let newest: (Option<i64>,) = sqlx::query_as("SELECT max(id) FROM event")
            .fetch_one(self.pool())
            .await
            .map_err(StateError::doing("read events"))?;
        Ok(newest.0.unwrap_or(0))
    }
}

fn event(row: &SqliteRow) -> Result<EventRow, StateError> {
    let unreadable = |why: String| StateError::Unreadable { what: "event".to_owned(), why };
    let text = |name: &str| row.try_get::<&str, _>(name).map_err(|error| unreadable(error.to_string()));
    let target: Option<&str> = row.try_get("target").map_err(|error| unreadable(error.to_string()))?;
    Ok(EventRow {
        id: row.try_get("id").map_err(|error| unreadable(error.to_string()))?,
        at: text("at")?.parse().map_err(|error: chrono::ParseError| unreadable(error.to_string()))?,
        target: target.map(TargetName::parse).transpose().map_err(|error| unreadable(error.to_string()))?,
        kind: text("kind")?.to_owned(),
        message: text("message")?.to_owned(),
        body: serde_json::from_str(text("body_json")?).map_err(|error| unreadable(error.to_string()))?,
    })
}

#[cfg(test)]
mod tests;
