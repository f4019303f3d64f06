//! The journal's rows: upgrades with their plans, and events that are only ever added.
//!
//! Owns the tables `upgrade` and `upgrade_event`. Knows nothing of what the events mean: `upgrade::record` folds them.
//! Invariants: an event and the cache `ended` change in one transaction; sequence numbers have no gaps; a row is never
//! changed (the triggers refuse); held by the tests beside `upgrade::record`.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{StateDb, StateError};
use crate::fault;
use crate::ids::{TargetName, UpgradeId};

/// The journal format written now. A newer one is refused, for its events may mean what we do not know. Since 2 there is the
/// event `spawned`.
pub const FORMAT: u32 = 2;

/// One upgrade, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeRow {
    /// Its identity.
    pub id: UpgradeId,
    /// Of which target.
    pub target: TargetName,
    /// The format of plan and events.
    pub format: u32,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// The plan.
    pub plan_json: String,
    /// BLAKE3 of the plan, hex.
    pub plan_digest: String,
}

/// One event, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// From 1, without gaps.
    pub seq: u32,
    /// When.
    pub at: DateTime<Utc>,
    /// The kind.
    pub kind: String,
    /// The step, if any.
    pub step: Option<String>,
    /// The attempt, if any.
    pub attempt: Option<u32>,
    /// The whole event.
    pub body_json: String,
}

/// Whether an event ends its upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// More may follow.
    No,
    /// It is the last one.
    Yes,
}

impl StateDb {
    /// Writes a new upgrade and its first event, in one transaction.
    ///
    /// # Errors
    /// When the target has an open upgrade already, or the database refuses.
    pub async fn open_upgrade(&self, row: &UpgradeRow, first: &EventRow, ends: Ends) -> Result<(), StateError> {
        let doing = "begin an upgrade";
        fault::point("journal.before.planned");
        let mut transaction = self.pool().begin().await.map_err(StateError::doing(doing))?;
        sqlx::query("INSERT INTO upgrade (id, target, format, created_at, plan_json, plan_digest) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(row.id.as_str())
            .bind(row.target.as_str())
            .bind(row.format)
            .bind(row.created_at.to_rfc3339())
            .bind(&row.plan_json)
            .bind(&row.plan_digest)
            .execute(&mut *transaction)
            .await
            .map_err(StateError::doing(doing))?;
        insert(&mut transaction, &row.id, first, ends).await?;
        transaction.commit().await.map_err(StateError::doing(doing))?;
        fault::point("journal.after.planned");
        Ok(())
    }

    /// Adds an event. Its `seq` must be the next one: two writers of one upgrade cannot both succeed.
    ///
    /// # Errors
    /// When the sequence number is taken or leaves a gap, or the database refuses.
    pub async fn append_event(&self, id: &UpgradeId, event: &EventRow, ends: Ends) -> Result<(), StateError> {
        let doing = "append to the journal";
        let place = format!("{}{}", event.kind, event.step.as_ref().map(|step| format!(".{step}")).unwrap_or_default());
        fault::point(&format!("journal.before.{place}"));
        let mut transaction = self.pool().begin().await.map_err(StateError::doing(doing))?;
        insert(&mut transaction, id, event, ends).await?;
        transaction.commit().await.map_err(StateError::doing(doing))?;
        fault::point(&format!("journal.after.{place}"));
        Ok(())
    }

    /// The upgrades of a target, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn upgrades(&self, target: &TargetName, limit: u32) -> Result<Vec<UpgradeRow>, StateError> {
        let rows = sqlx::query("SELECT * FROM upgrade WHERE target = ? ORDER BY rowid DESC LIMIT ?")
            .bind(target.as_str())
            .bind(limit)
            .fetch_all(self.pool())
            .await
            .map_err(StateError::doing("list upgrades"))?;
        rows.iter().map(upgrade_row).collect()
    }

    /// The targets with an open upgrade.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn targets_with_open_upgrade(&self) -> Result<Vec<TargetName>, StateError> {
        let rows = sqlx::query("SELECT target FROM upgrade WHERE ended = 0 ORDER BY target")
            .fetch_all(self.pool())
            .await
            .map_err(StateError::doing("list open upgrades"))?;
        rows.iter().map(|row| parse(row, "target", "upgrade", TargetName::parse)).collect()
    }

    /// The events of an upgrade, in order.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn upgrade_events(&self, id: &UpgradeId) -> Result<Vec<EventRow>, StateError> {
        let rows = sqlx::query("SELECT * FROM upgrade_event WHERE upgrade_id = ? ORDER BY seq")
            .bind(id.as_str())
            .fetch_all(self.pool())
            .await
            .map_err(StateError::doing("read the journal"))?;
        rows.iter().map(event_row).collect()
    }
}

async fn insert(
    transaction: &mut sqlx::SqliteConnection,
    id: &UpgradeId,
    event: &EventRow,
    ends: Ends,
) -> Result<(), StateError> {
    let doing = "append to the journal";
    // The subselect makes a gap impossible: a row goes in only directly behind the newest one.
    let inserted = sqlx::query(
        "INSERT INTO upgrade_event (upgrade_id, seq, at, kind, step, attempt, body_json) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ?2 = \
         (SELECT coalesce(max(seq), 0) + 1 FROM upgrade_event WHERE upgrade_id = ?1)",
    )
    .bind(id.as_str())
    .bind(event.seq)
    .bind(event.at.to_rfc3339())
    .bind(&event.kind)
    .bind(&event.step)
    .bind(event.attempt)
    .bind(&event.body_json)
    .execute(&mut *transaction)
    .await
    .map_err(StateError::doing(doing))?;
    if inserted.rows_affected() != 1 {
        return Err(StateError::Unreadable {
            what: format!("journal of upgrade {id}"),
            why: format!("event {} does not follow the newest one: another writer was here", event.seq),
        });
    }
    if ends == Ends::Yes {
        sqlx::query("UPDATE upgrade SET ended = 1 WHERE id = ?")
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(StateError::doing(doing))?;
    }
    Ok(())
}

fn upgrade_row(row: &SqliteRow) -> Result<UpgradeRow, StateError> {
    Ok(UpgradeRow {
        id: parse(row, "id", "upgrade", UpgradeId::parse)?,
        target: parse(row, "target", "upgrade", TargetName::parse)?,
        format: row.try_get("format").map_err(StateError::doing("read an upgrade"))?,
        created_at: parse(row, "created_at", "upgrade", moment)?,
        plan_json: row.try_get("plan_json").map_err(StateError::doing("read an upgrade"))?,
        plan_digest: row.try_get("plan_digest").map_err(StateError::doing("read an upgrade"))?,
    })
}

fn event_row(row: &SqliteRow) -> Result<EventRow, StateError> {
    let doing = || StateError::doing("read the journal");
    Ok(EventRow {
        seq: row.try_get("seq").map_err(doing())?,
        at: parse(row, "at", "journal event", moment)?,
        kind: row.try_get("kind").map_err(doing())?,
        step: row.try_get("step").map_err(doing())?,
        attempt: row.try_get("attempt").map_err(doing())?,
        body_json: row.try_get("body_json").map_err(doing())?,
    })
}

/// A moment as the state database writes it.
pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, chrono::ParseError> {
    DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc))
}

/// A text column, parsed.
pub(super) fn parse<T, E: std::fmt::Display>(
    row: &SqliteRow,
    column: &'static str,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, StateError> {
    let text: String = row.try_get(column).map_err(StateError::doing("read a row"))?;
    parse(&text).map_err(|why| StateError::Unreadable { what: what.to_owned(), why: format!("{column}: {why}") })
}
