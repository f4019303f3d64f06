//! Every release ever seen of a target, with the digests of its kept migration scripts.
//!
//! Owns the table `seen_release`. A release seen again under the same version replaces its row but keeps the first moment.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::journal::{moment, parse};
use super::{StateDb, StateError};
use crate::ids::TargetName;
use crate::version::Version;

/// A release that was installed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRelease {
    /// Its version.
    pub version: Version,
    /// Where it was, symlinks resolved.
    pub path: std::path::PathBuf,
    /// Which probe read it.
    pub probe: String,
    /// When it was first seen.
    pub first: DateTime<Utc>,
    /// Its kept scripts, as `migrate` writes them.
    pub scripts_json: String,
    /// Its package as apt takes it (`notes=2.4.0-1`), where it is one.
    pub package: Option<String>,
}

impl StateDb {
    /// Remembers a release.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remember_release(&self, target: &TargetName, seen: &SeenRelease) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO seen_release (target, version, path, probe, first, scripts_json, package) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (target, version) DO UPDATE SET path = excluded.path, probe = excluded.probe, \
             scripts_json = excluded.scripts_json, package = excluded.package",
        )
        .bind(target.as_str())
        .bind(seen.version.as_str())
        .bind(seen.path.to_string_lossy().into_owned())
        .bind(&seen.probe)
        .bind(seen.first.to_rfc3339())
        .bind(&seen.scripts_json)
        .bind(&seen.package)
        .execute(self.pool())
        .await
        .map_err(StateError::doing("remember a release"))?;
        Ok(())
    }

    /// The releases seen of a target, newest first.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn seen_releases(&self, target: &TargetName) -> Result<Vec<SeenRelease>, StateError> {
        let doing = || StateError::doing("list seen releases");
        let rows = sqlx::query("SELECT * FROM seen_release WHERE target = ? ORDER BY first DESC, rowid DESC")
            .bind(target.as_str())
            .fetch_all(self.pool())
            .await
            .map_err(doing())?;
        let read = |row| {
            let path: String = sqlx::Row::try_get(row, "path").map_err(doing())?;
            Ok(SeenRelease {
                version: parse(row, "version", "seen release", Version::parse)?,
                path: path.into(),
                probe: row.try_get("probe").map_err(doing())?,
                first: parse(row, "first", "seen release", moment)?,
                scripts_json: row.try_get("scripts_json").map_err(doing())?,
                package: row.try_get("package").map_err(doing())?,
            })
        };
        rows.iter().map(read).collect()
    }
}
