//! What release a target's database belongs to, and which shapes are known of which release.
//!
//! Owns the tables `belongs` and `known_shape`. Knows nothing of what an upgrade's events mean: whether an upgrade that ended later
//! overrules a row is told by `upgrade::record`. Invariant: a row is written before the event or the load it speaks of counts, so that
//! what is read back never claims more than happened; held by the tests beside `upgrade::record`.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::journal::{moment, parse};
use super::{StateDb, StateError};
use crate::fault;
use crate::ids::{TargetName, UpgradeId};
use crate::shape::Shape;
use crate::version::Version;

/// What says which release a database belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The end of an upgrade: the row counts once that upgrade has ended.
    Upgrade,
    /// Anything else (a restore, a look): it counts at once.
    Itself,
}

/// What a database belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belongs {
    /// The newest upgrade when this was written; filled in on writing.
    pub upgrade: Option<UpgradeId>,
    /// What says so.
    pub by: By,
    /// The release; none when it is known that nobody knows.
    pub version: Option<Version>,
    /// Where that release is; empty when that is not known.
    pub path: PathBuf,
    /// The shape that this release left; none when it was not looked at.
    pub shape: Option<Shape>,
    /// Program and database server that read the shape: a fingerprint by another one may differ and mean nothing.
    pub made_by: String,
    /// Where this is from, in words (`restore of LABEL`).
    pub source: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl StateDb {
    /// Writes down what a target's database belongs to, and that its shape is that release's.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_belongs(&self, target: &TargetName, row: &Belongs) -> Result<(), StateError> {
        // What is overwritten is worth knowing: a database that comes back to it is that release's again.
        if let Some(Belongs { version: Some(version), shape: Some(shape), .. }) = self.belongs(target).await? {
            self.remember_shape(target, &shape, &version).await?;
        }
        let shape_json = row.shape.as_ref().map(serde_json::to_string).transpose();
        let shape_json =
            shape_json.map_err(|error| StateError::Unreadable { what: "shape".to_owned(), why: error.to_string() })?;
        sqlx::query(
            "INSERT OR REPLACE INTO belongs (target, upgrade, by_upgrade, version, path, shape_json, made_by, source, at) \
             VALUES (?1, (SELECT id FROM upgrade WHERE target = ?1 ORDER BY rowid DESC LIMIT 1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(target.as_str())
        .bind(row.by == By::Upgrade)
        .bind(row.version.as_ref().map(Version::as_str))
        .bind(row.path.to_string_lossy().into_owned())
        .bind(shape_json)
        .bind(&row.made_by)
        .bind(&row.source)
        .bind(row.at.to_rfc3339())
        .execute(self.pool())
        .await
        .map_err(StateError::doing("write down what release the database belongs to"))?;
        fault::point("belongs.recorded");
        match (&row.version, &row.shape) {
            // An upgrade that has not ended yet has proved nothing.
            (Some(version), Some(shape)) if row.by == By::Itself => self.remember_shape(target, shape, version).await,
            _ => Ok(()),
        }
    }

    /// What was last written down of a target's database.
    ///
    /// # Errors
    /// When the database refuses, or the row cannot be read.
    pub async fn belongs(&self, target: &TargetName) -> Result<Option<Belongs>, StateError> {
        let doing = || StateError::doing("look what release the database belongs to");
        let row = sqlx::query("SELECT * FROM belongs WHERE target = ?").bind(target.as_str());
        let Some(row) = row.fetch_optional(self.pool()).await.map_err(doing())? else { return Ok(None) };
        let unreadable = |why: String| StateError::Unreadable { what: "row of belongs".to_owned(), why };
        let text = |column: &str| row.try_get::<Option<String>, _>(column).map_err(doing());
        let version = text("version")?.map(|text| Version::parse(&text)).transpose();
        let upgrade = text("upgrade")?.map(|text| UpgradeId::parse(&text)).transpose();
        let shape = text("shape_json")?.map(|json| serde_json::from_str(&json)).transpose();
        let by_upgrade: bool = row.try_get("by_upgrade").map_err(doing())?;
        Ok(Some(Belongs {
            upgrade: upgrade.map_err(|error| unreadable(error.to_string()))?,
            by: if by_upgrade { By::Upgrade } else { By::Itself },
            version: version.map_err(|error| unreadable(error.to_string()))?,
            path: row.try_get::<String, _>("path").map_err(doing())?.into(),
            shape: shape.map_err(|error| unreadable(error.to_string()))?,
            made_by: row.try_get("made_by").map_err(doing())?,
            source: row.try_get("source").map_err(doing())?,
            at: parse(&row, "at", "row of belongs", moment)?,
        }))
    }

    /// Remembers that a shape is a release's. Safe to repeat.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remember_shape(&self, target: &TargetName, shape: &Shape, version: &Version) -> Result<(), StateError> {
        // Without a fingerprint nothing is told apart.
        let Some(digest) = shape.digest() else { return Ok(()) };
        sqlx::query("INSERT OR IGNORE INTO known_shape (target, digest, version) VALUES (?, ?, ?)")
            .bind(target.as_str())
            .bind(digest)
            .bind(version.as_str())
            .execute(self.pool())
            .await
            .map_err(StateError::doing("remember a shape"))?;
        Ok(())
    }

    /// The releases that this very shape is known to be of, oldest version first.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn releases_of_shape(&self, target: &TargetName, shape: &Shape) -> Result<Vec<Version>, StateError> {
        let Some(digest) = shape.digest() else { return Ok(Vec::new()) };
        let rows = sqlx::query("SELECT version FROM known_shape WHERE target = ? AND digest = ?");
        let rows = rows.bind(target.as_str()).bind(digest).fetch_all(self.pool()).await;
        let rows = rows.map_err(StateError::doing("look whose a shape is"))?;
        let read = |row| parse(row, "version", "known shape", Version::parse);
        let mut versions = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        versions.sort();
        Ok(versions)
    }

    /// The release that a database of this shape belongs to, as far as was written down: the one on record when the shape is what it
    /// left, else the newest that ever left this very shape; none when nobody knows.
    ///
    /// # Errors
    /// As [`StateDb::belongs`] and [`StateDb::releases_of_shape`].
    pub async fn release_of_shape(&self, target: &TargetName, shape: &Shape) -> Result<Option<Version>, StateError> {
        let known = self.releases_of_shape(target, shape).await?;
        let on_record = self.belongs(target).await?;
        let left = |row: &Belongs| row.shape.as_ref().is_some_and(|left| left.still(shape));
        let still = on_record.filter(|row| left(row) || row.version.as_ref().is_some_and(|version| known.contains(version)));
        Ok(still.and_then(|row| row.version).or_else(|| known.last().cloned()))
    }
}
