//! Table `archive`: which archives there are and what is known of them.
//!
//! Owns the rows and their one typed form, [`Entry`]. An index, never the truth: it can be made again from the sealed files
//! and the pins beside them (`store::rebuild`). Never looks at a file. Invariant: what was inserted is what is found; held by
//! the tests beside this module.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{StateDb, StateError};
use crate::archive::manifest::{Kind, LeftOut, Manifest};
use crate::archive::writer::Sealed;
use crate::ids::{Label, TargetName};
use crate::retention::SKEW;
use crate::version::Version;

/// What the last look at an archive's bytes said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Sealed, and not read back yet.
    Unverified,
    /// Every byte was read back and is right.
    Whole,
    /// The end is missing.
    Torn,
    /// The bytes are not those that were sealed.
    Damaged,
    /// The file is gone.
    Missing,
}

impl Verdict {
    const ALL: [Self; 5] = [Self::Unverified, Self::Whole, Self::Torn, Self::Damaged, Self::Missing];

    /// The word in the table and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Whole => "whole",
            Self::Torn => "torn",
            Self::Damaged => "damaged",
            Self::Missing => "missing",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One archive as the catalogue knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The target.
    pub target: TargetName,
    /// The label.
    pub label: Label,
    /// The file.
    pub path: PathBuf,
    /// The file's length in bytes.
    pub size: u64,
    /// Why it was taken.
    pub kind: Kind,
    /// The moment of its snapshot.
    pub taken_at: DateTime<Utc>,
    /// From the start of the work to the seal, in milliseconds.
    pub duration_ms: u64,
    /// The version of the release that was installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Version>,
    /// The newest applied migration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Rows of all tables.
    pub rows: u64,
    /// Uncompressed bytes.
    pub raw_bytes: u64,
    /// What a person said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why retention must leave it alone, if it is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// When its bytes were last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<DateTime<Utc>>,
    /// What that look said.
    pub verdict: Verdict,
    /// Whether it holds rows and no schema: it goes only into a database of the same shape.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_only: bool,
    /// What of the database is not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

impl Entry {
    /// What a restore or a failed upgrade kept of a database it replaced: no state that anybody would go back to.
    #[must_use]
    pub fn set_aside(&self) -> bool {
        matches!(self.kind, Kind::PreRestore | Kind::FailedState)
    }

    /// Tables whose rows the configuration left out, by qualified name.
    pub fn without_rows(&self) -> impl Iterator<Item = &str> {
        self.left_out.iter().filter_map(LeftOut::table_without_rows)
    }

    /// Read back whole, and of a state that one would go back to.
    #[must_use]
    pub fn good(&self) -> bool {
        self.verdict == Verdict::Whole && !self.set_aside()
    }

    /// Whether it claims a moment that has not come: the clock was wrong when it was taken, or is now. Then it is nobody's newest.
    #[must_use]
    pub fn from_the_future(&self, now: DateTime<Utc>) -> bool {
        self.taken_at > now + SKEW
    }

    /// What an archive says of itself, not verified and not pinned.
    #[must_use]
    pub fn of(manifest: &Manifest, path: PathBuf, size: u64) -> Self {
        Self {
            target: manifest.target.clone(),
            label: manifest.label.clone(),
            path,
            size,
            kind: manifest.kind,
            taken_at: manifest.taken_at,
            duration_ms: manifest.duration_ms,
            release: manifest.release.as_ref().map(|release| release.version.clone()),
            head: manifest.shape.head().map(str::to_owned),
            rows: manifest.rows(),
            raw_bytes: manifest.database_bytes(),
            note: manifest.note.clone(),
            pinned: None,
            verified_at: None,
            verdict: Verdict::Unverified,
            data_only: manifest.data_only,
            left_out: manifest.left_out.clone(),
        }
    }
}

/// The newest good archive as of `now`: what a restore takes when nobody names one, what status calls the last good one, and
/// what the next archive is measured against.
#[must_use]
pub fn newest_good(entries: &[Entry], now: DateTime<Utc>) -> Option<&Entry> {
    entries.iter().filter(|entry| entry.good() && !entry.from_the_future(now)).max_by_key(|entry| entry.taken_at)
}

/// Enters a sealed archive under `target`; entering it twice is entering it once.
///
/// # Errors
/// When the row cannot be written.
pub async fn record(db: &StateDb, target: &TargetName, sealed: &Sealed) -> Result<Entry, StateError> {
    let mut entry = Entry::of(&sealed.manifest, sealed.path.clone(), sealed.size);
    entry.target = target.clone();
    insert(db, &entry).await?;
    Ok(entry)
}

/// Writes an entry, in place of the target's own of the same label if there is one.
///
/// # Errors
/// When the row cannot be written.
pub async fn insert(db: &StateDb, entry: &Entry) -> Result<(), StateError> {
    insert_into(db.pool(), entry).await
}

/// Every archive, newest first; of one target when given. A row that cannot be read hides no other: it is logged, and the file it was
/// about is listed again by whoever looks at the directory.
///
/// # Errors
/// When the rows cannot be read.
pub async fn list(db: &StateDb, target: Option<&TargetName>) -> Result<Vec<Entry>, StateError> {
    let query = "SELECT * FROM archive WHERE ?1 IS NULL OR target = ?1 ORDER BY taken_at DESC, label DESC";
    let rows = sqlx::query(query).bind(target.map(TargetName::as_str)).fetch_all(db.pool()).await;
    let rows = rows.map_err(StateError::doing("list archives"))?;
    let readable = |row: &SqliteRow| read(row).map_err(|error| tracing::warn!(error = %error, "an archive is not listed")).ok();
    Ok(rows.iter().filter_map(readable).collect())
}

/// The archive of a label.
///
/// # Errors
/// When the row cannot be read.
pub async fn find(db: &StateDb, label: &Label) -> Result<Option<Entry>, StateError> {
    let row = sqlx::query("SELECT * FROM archive WHERE label = ?1").bind(label.as_str()).fetch_optional(db.pool()).await;
    row.map_err(StateError::doing("find an archive"))?.as_ref().map(read).transpose()
}

/// Notes what a look at the archive said, and when. [`Verdict::Unverified`] forgets when.
///
/// # Errors
/// When the row cannot be written.
pub async fn verdict(db: &StateDb, label: &Label, verdict: Verdict, at: DateTime<Utc>) -> Result<(), StateError> {
    let at = (verdict != Verdict::Unverified).then(|| text(at));
    let query = sqlx::query("UPDATE archive SET verdict = ?2, verified_at = ?3 WHERE label = ?1");
    let done = query.bind(label.as_str()).bind(verdict.as_str()).bind(at).execute(db.pool()).await;
    done.map(drop).map_err(StateError::doing("note a verdict"))
}

/// Notes a pin, or that there is none. The pin itself is the file beside the archive (`store::pin`).
///
/// # Errors
/// When the row cannot be written.
pub async fn pinned(db: &StateDb, label: &Label, reason: Option<&str>) -> Result<(), StateError> {
    let query = sqlx::query("UPDATE archive SET pinned = ?2 WHERE label = ?1");
    let done = query.bind(label.as_str()).bind(reason).execute(db.pool()).await;
    done.map(drop).map_err(StateError::doing("note a pin"))
}

/// Takes an archive's row out; one that is not there is success.
///
/// # Errors
/// When the row cannot be taken out.
pub async fn delete(db: &StateDb, label: &Label) -> Result<(), StateError> {
    let done = sqlx::query("DELETE FROM archive WHERE label = ?1").bind(label.as_str()).execute(db.pool()).await;
    done.map(drop).map_err(StateError::doing("take an archive out of the catalogue"))
}

/// Puts `entries` in the place of the whole catalogue, in one transaction.
///
/// # Errors
/// When it cannot be written; then the old catalogue stands.
pub async fn replace(db: &StateDb, entries: &[Entry]) -> Result<(), StateError> {
    let doing = || StateError::doing("replace the catalogue");
    let mut transaction = db.pool().begin().await.map_err(doing())?;
    sqlx::query("DELETE FROM archive").execute(&mut *transaction).await.map_err(doing())?;
    for entry in entries {
        insert_into(&mut *transaction, entry).await?;
    }
    transaction.commit().await.map_err(doing())
}

async fn insert_into<'e>(to: impl sqlx::SqliteExecutor<'e>, entry: &Entry) -> Result<(), StateError> {
    let query = sqlx::query(
        "INSERT INTO archive (target, label, path, size, kind, taken_at, duration_ms, release, head, rows, raw_bytes,
         note, pinned, verified_at, verdict, data_only, left_out_json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
         ON CONFLICT (target, label) DO UPDATE SET path = excluded.path, size = excluded.size, kind = excluded.kind,
         taken_at = excluded.taken_at, duration_ms = excluded.duration_ms, release = excluded.release, head = excluded.head,
         rows = excluded.rows, raw_bytes = excluded.raw_bytes, note = excluded.note, pinned = excluded.pinned,
         verified_at = excluded.verified_at, verdict = excluded.verdict, data_only = excluded.data_only,
         left_out_json = excluded.left_out_json",
    );
    let left_out = serde_json::to_string(&entry.left_out).map_err(|source| StateError::Unreadable {
        what: format!("what is left out of archive {}", entry.label),
        why: source.to_string(),
    })?;
    let query = query
        .bind(entry.target.as_str())
        .bind(entry.label.as_str())
        .bind(entry.path.to_string_lossy().into_owned())
        .bind(number(entry.size))
        .bind(entry.kind.to_string())
        .bind(text(entry.taken_at))
        .bind(number(entry.duration_ms))
        .bind(entry.release.as_ref().map(Version::as_str))
        .bind(entry.head.as_deref())
        .bind(number(entry.rows))
        .bind(number(entry.raw_bytes))
        .bind(entry.note.as_deref())
        .bind(entry.pinned.as_deref())
        .bind(entry.verified_at.map(text))
        .bind(entry.verdict.as_str())
        .bind(entry.data_only)
        .bind(left_out);
    query.execute(to).await.map(drop).map_err(StateError::doing("enter an archive"))
}

/// Nanoseconds always, so that the order of the texts is the order of the moments.
fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// SQLite has no unsigned numbers; a count above 2^63 does not occur.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn read(row: &SqliteRow) -> Result<Entry, StateError> {
    let label: String = row.try_get("label").map_err(StateError::doing("read an archive's row"))?;
    let entry = read_columns(row);
    entry.map_err(|why| StateError::Unreadable { what: format!("row of archive {label}"), why: why.to_string() })
}

fn read_columns(row: &SqliteRow) -> Result<Entry, Box<dyn std::error::Error + Send + Sync>> {
    let moment = |column: &str| -> Result<Option<DateTime<Utc>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(row.try_get::<Option<String>, _>(column)?.map(|at| at.parse()).transpose()?)
    };
    let count = |column: &str| -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        Ok(u64::try_from(row.try_get::<i64, _>(column)?)?)
    };
    let kind: String = row.try_get("kind")?;
    let verdict: String = row.try_get("verdict")?;
    Ok(Entry {
        target: TargetName::parse(row.try_get("target")?)?,
        label: Label::parse(row.try_get("label")?)?,
        path: PathBuf::from(row.try_get::<String, _>("path")?),
        size: count("size")?,
        kind: serde_json::from_value(serde_json::Value::String(kind))?,
        taken_at: moment("taken_at")?.ok_or("it was taken at no time")?,
        duration_ms: count("duration_ms")?,
        release: row.try_get::<Option<String>, _>("release")?.map(|version| Version::parse(&version)).transpose()?,
        head: row.try_get("head")?,
        rows: count("rows")?,
        raw_bytes: count("raw_bytes")?,
        note: row.try_get("note")?,
        pinned: row.try_get("pinned")?,
        verified_at: moment("verified_at")?,
        data_only: row.try_get("data_only")?,
        left_out: serde_json::from_str(row.try_get("left_out_json")?)?,
        verdict: Verdict::ALL.into_iter().find(|v| v.as_str() == verdict).ok_or("its verdict is no verdict")?,
    })
}

#[cfg(test)]
mod tests;
