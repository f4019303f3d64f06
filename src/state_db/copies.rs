//! Tables `place`, `copy` and `proven`: places away from the host, what was last seen of the copies there, and which keys opened one.
//!
//! Owns the rows. An index: what is owed is what should be there without a row that says it is, and rows are made again from the sidecars
//! at the place (`offsite`). Never looks at a place. Held by the tests of `offsite`.

use std::fmt;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::journal::{moment, parse};
use super::{StateDb, StateError};
use crate::ids::{Label, PlaceName, TargetName};

/// A place as this host knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The id in its marker; empty while it is being set up for the first time.
    pub marker: String,
    /// Who we are there.
    pub host: String,
    /// When it was last reached.
    pub reached_at: Option<DateTime<Utc>>,
    /// Why it could not be reached since, and since when.
    pub error: Option<(String, DateTime<Utc>)>,
}

/// What was last seen of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyState {
    /// It is there, sealed by its sidecar.
    Copied,
    /// It was there, and is not any more.
    Missing,
    /// Its bytes are not those that were sent.
    Damaged,
    /// Something else has its name.
    Foreign,
    /// It could not be made, and is tried again.
    Failed,
    /// Its archive was deleted before it could be made.
    Lost,
}

impl CopyState {
    const ALL: [Self; 6] = [Self::Copied, Self::Missing, Self::Damaged, Self::Foreign, Self::Failed, Self::Lost];

    /// The word in the table and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Foreign => "foreign",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for CopyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One copy as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where.
    pub place: PlaceName,
    /// Of this archive.
    pub label: Label,
    /// Of this target.
    pub target: TargetName,
    /// The moment of the archive's snapshot.
    pub taken_at: DateTime<Utc>,
    /// Its length in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes, as its sidecar says; empty where nothing says it.
    pub digest: String,
    /// What it was found to be.
    pub state: CopyState,
    /// Why, where it is not well.
    pub why: Option<String>,
    /// When that was found.
    pub at: DateTime<Utc>,
    /// When every byte of it was last read back and found right.
    pub verified_at: Option<DateTime<Utc>>,
}

impl Copy {
    /// Whether it is there, as far as was last seen.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.state == CopyState::Copied
    }
}

impl Known {
    /// Whether it was set up to the end.
    #[must_use]
    pub fn is_set_up(&self) -> bool {
        !self.marker.is_empty()
    }
}

impl StateDb {
    /// What is known of a place; none before `upkeep offsite init`.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub async fn place(&self, name: &PlaceName) -> Result<Option<Known>, StateError> {
        let row = sqlx::query("SELECT * FROM place WHERE name = ?").bind(name.as_str()).fetch_optional(self.pool()).await;
        row.map_err(StateError::doing("look a place up"))?.as_ref().map(known).transpose()
    }

    /// Writes down which place it is and who we are there.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub async fn set_place(&self, name: &PlaceName, marker: &str, host: &str) -> Result<(), StateError> {
        let query = sqlx::query(
            "INSERT INTO place (name, marker, host) VALUES (?1, ?2, ?3) \
             ON CONFLICT (name) DO UPDATE SET marker = excluded.marker, host = excluded.host, error = NULL, error_since = NULL",
        );
        let done = query.bind(name.as_str()).bind(marker).bind(host).execute(self.pool()).await;
        done.map(drop).map_err(StateError::doing("write a place down"))
    }

    /// Notes that a place was reached, or why it was not; since when that is so stays as it is while it lasts.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub async fn reached(&self, name: &PlaceName, error: Option<&str>, now: DateTime<Utc>) -> Result<(), StateError> {
        let query = match error {
            None => "UPDATE place SET reached_at = ?2, error = ?3, error_since = NULL WHERE name = ?1",
            Some(_) => "UPDATE place SET error = ?3, error_since = ifnull(error_since, ?2) WHERE name = ?1",
        };
        let query = sqlx::query(query).bind(name.as_str()).bind(now.to_rfc3339()).bind(error);
        query.execute(self.pool()).await.map(drop).map_err(StateError::doing("note what became of a place"))
    }

    /// The copies at a place, or those of a target at every place, newest first.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub async fn copies(&self, place: Option<&PlaceName>, target: Option<&TargetName>) -> Result<Vec<Copy>, StateError> {
        let query = "SELECT * FROM copy WHERE (?1 IS NULL OR place = ?1) AND (?2 IS NULL OR target = ?2) \
                     ORDER BY taken_at DESC, label DESC";
        let rows = sqlx::query(query).bind(place.map(PlaceName::as_str)).bind(target.map(TargetName::as_str));
        let rows = rows.fetch_all(self.pool()).await.map_err(StateError::doing("list copies"))?;
        rows.iter().map(copy).collect()
    }

    /// What was last seen of one copy; none where nothing was.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub async fn copy(&self, place: &PlaceName, label: &Label) -> Result<Option<Copy>, StateError> {
        let row = sqlx::query("SELECT * FROM copy WHERE place = ? AND label = ?").bind(place.as_str()).bind(label.as_str());
        let row = row.fetch_optional(self.pool()).await.map_err(StateError::doing("look a copy up"))?;
        row.as_ref().map(copy).transpose()
    }

    /// The public keys whose identity opened a copy at a place, and when one last did.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub async fn proven(&self, place: &PlaceName) -> Result<Vec<(String, DateTime<Utc>)>, StateError> {
        let query = sqlx::query("SELECT recipient, at FROM proven WHERE place = ? ORDER BY recipient").bind(place.as_str());
        let rows = query.fetch_all(self.pool()).await.map_err(StateError::doing("list proven keys"))?;
        let one = |row: &SqliteRow| {
            let recipient: String = row.try_get("recipient").map_err(StateError::doing("read a proven key"))?;
            Ok((recipient, parse(row, "at", "proven", moment)?))
        };
        rows.iter().map(one).collect()
    }

    /// Notes that the identity of a public key opened a copy.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub async fn prove(&self, place: &PlaceName, recipient: &str, label: &Label, at: DateTime<Utc>) -> Result<(), StateError> {
        let query = sqlx::query("INSERT OR REPLACE INTO proven (place, recipient, label, at) VALUES (?, ?, ?, ?)");
        let query = query.bind(place.as_str()).bind(recipient).bind(label.as_str()).bind(at.to_rfc3339());
        query.execute(self.pool()).await.map(drop).map_err(StateError::doing("note a proven key"))
    }

    /// Writes down what was seen of a copy, in place of what was seen before.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub async fn saw_copy(&self, copy: &Copy) -> Result<(), StateError> {
        let query = sqlx::query(
            "INSERT OR REPLACE INTO copy (place, label, target, taken_at, size, digest, state, why, at, verified_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let query = query
            .bind(copy.place.as_str())
            .bind(copy.label.as_str())
            .bind(copy.target.as_str())
            .bind(copy.taken_at.to_rfc3339())
            .bind(i64::try_from(copy.size).unwrap_or(i64::MAX))
            .bind(&copy.digest)
            .bind(copy.state.as_str())
            .bind(copy.why.as_deref())
            .bind(copy.at.to_rfc3339())
            .bind(copy.verified_at.map(|at| at.to_rfc3339()));
        query.execute(self.pool()).await.map(drop).map_err(StateError::doing("write a copy down"))
    }

    /// Forgets every copy at a place.
    ///
    /// # Errors
    /// When the rows cannot be taken out.
    pub async fn forget_copies(&self, place: &PlaceName) -> Result<(), StateError> {
        let query = sqlx::query("DELETE FROM copy WHERE place = ?").bind(place.as_str());
        query.execute(self.pool()).await.map(drop).map_err(StateError::doing("forget copies"))
    }

    /// Forgets a copy; one that is not known is success.
    ///
    /// # Errors
    /// When the row cannot be taken out.
    pub async fn forget_copy(&self, place: &PlaceName, label: &Label) -> Result<(), StateError> {
        let query = sqlx::query("DELETE FROM copy WHERE place = ? AND label = ?").bind(place.as_str()).bind(label.as_str());
        query.execute(self.pool()).await.map(drop).map_err(StateError::doing("forget a copy"))
    }
}

fn known(row: &SqliteRow) -> Result<Known, StateError> {
    let doing = || StateError::doing("read a place");
    let error: Option<String> = row.try_get("error").map_err(doing())?;
    let since = maybe(row, "error_since")?;
    Ok(Known {
        marker: row.try_get("marker").map_err(doing())?,
        host: row.try_get("host").map_err(doing())?,
        reached_at: maybe(row, "reached_at")?,
        error: error.zip(since),
    })
}

fn copy(row: &SqliteRow) -> Result<Copy, StateError> {
    let doing = || StateError::doing("read a copy");
    let size: i64 = row.try_get("size").map_err(doing())?;
    Ok(Copy {
        place: parse(row, "place", "copy", PlaceName::parse)?,
        label: parse(row, "label", "copy", Label::parse)?,
        target: parse(row, "target", "copy", TargetName::parse)?,
        taken_at: parse(row, "taken_at", "copy", moment)?,
        size: u64::try_from(size).unwrap_or_default(),
        digest: row.try_get("digest").map_err(doing())?,
        state: parse(row, "state", "copy", |text| {
            CopyState::ALL.into_iter().find(|state| state.as_str() == text).ok_or("its state is no state")
        })?,
        why: row.try_get("why").map_err(doing())?,
        at: parse(row, "at", "copy", moment)?,
        verified_at: maybe(row, "verified_at")?,
    })
}

/// A moment that may be missing.
fn maybe(row: &SqliteRow, column: &'static str) -> Result<Option<DateTime<Utc>>, StateError> {
    let text: Option<String> = row.try_get(column).map_err(StateError::doing("read a moment"))?;
    let read = text.map(|text| moment(&text)).transpose();
    read.map_err(|why| StateError::Unreadable { what: format!("moment `{column}`"), why: why.to_string() })
}
