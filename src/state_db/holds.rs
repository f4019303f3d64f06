//! Holds: "no upgrades of this target for now", with a reason and perhaps an end.
//!
//! Owns the table `hold`. A hold on a version and a hold on everything stand side by side; setting one again replaces it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use super::journal::{moment, parse};
use super::{StateDb, StateError};
use crate::ids::TargetName;
use crate::version::Version;

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Only for this version; none for all.
    pub version: Option<Version>,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub who: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when; none for until it is released.
    pub until: Option<DateTime<Utc>>,
}

impl Hold {
    /// Whether it stands at `now`.
    #[must_use]
    pub fn active(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it is meant for this version.
    #[must_use]
    pub fn covers(&self, version: &Version) -> bool {
        self.version.as_ref().is_none_or(|held| held == version)
    }
}

impl StateDb {
    /// Sets a hold, replacing one on the same version.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_hold(&self, target: &TargetName, hold: &Hold) -> Result<(), StateError> {
        sqlx::query("INSERT OR REPLACE INTO hold (target, version, reason, who, since, until) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(target.as_str())
            .bind(hold.version.as_ref().map_or("", Version::as_str))
            .bind(&hold.reason)
            .bind(&hold.who)
            .bind(hold.since.to_rfc3339())
            .bind(hold.until.map(|until| until.to_rfc3339()))
            .execute(self.pool())
            .await
            .map_err(StateError::doing("set a hold"))?;
        Ok(())
    }

    /// Ends every hold of a target and says how many there were.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn release_holds(&self, target: &TargetName) -> Result<u64, StateError> {
        let released = sqlx::query("DELETE FROM hold WHERE target = ?").bind(target.as_str()).execute(self.pool()).await;
        Ok(released.map_err(StateError::doing("release holds"))?.rows_affected())
    }

    /// The holds of a target that stand at `now`, oldest first.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn active_holds(&self, target: &TargetName, now: DateTime<Utc>) -> Result<Vec<Hold>, StateError> {
        let doing = || StateError::doing("list holds");
        let rows = sqlx::query("SELECT * FROM hold WHERE target = ? ORDER BY since, version").bind(target.as_str());
        let rows = rows.fetch_all(self.pool()).await.map_err(doing())?;
        let mut holds = Vec::with_capacity(rows.len());
        for row in &rows {
            let until: Option<String> = row.try_get("until").map_err(doing())?;
            let until = until.map(|text| moment(&text)).transpose();
            holds.push(Hold {
                version: parse(row, "version", "hold", |text| {
                    if text.is_empty() { Ok(None) } else { Version::parse(text).map(Some) }
                })?,
                reason: row.try_get("reason").map_err(doing())?,
                who: row.try_get("who").map_err(doing())?,
                since: parse(row, "since", "hold", moment)?,
                until: until.map_err(|why| StateError::Unreadable { what: "hold".to_owned(), why: why.to_string() })?,
            });
        }
        holds.retain(|hold| hold.active(now));
        Ok(holds)
    }
}
