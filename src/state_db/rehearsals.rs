//! Rehearsals: which release's migrations were tried on which archive, and what came of it.
//!
//! Owns the table `rehearsal`. Invariants: a row is written when a rehearsal has ended, so that one that was cut off says nothing; the order of rehearsals
//! is that of their rows, whatever the clock said.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::journal::{moment, parse};
use super::{StateDb, StateError};
use crate::ids::{Label, TargetName};
use crate::version::Version;

/// How many of a target are kept: years of weekly ones.
const KEPT: u32 = 500;

/// How a rehearsal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The migrations ran, and the database was in step with the release.
    Passed,
    /// They failed, or left it not in step.
    Failed,
    /// They could not be tried: it says nothing of the release.
    NotTried,
}

impl Verdict {
    /// The word in the table, in status and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotTried => "not-tried",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Passed, Self::Failed, Self::NotTried].into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// Of this target.
    pub target: TargetName,
    /// The archive that was restored; empty digest where it did not come to that.
    pub label: Option<Label>,
    /// The digest of its manifest.
    pub digest: String,
    /// Where the scratch was.
    pub scratch: String,
    /// The release that the archive is of, where that is known.
    pub from: Option<Version>,
    /// The release whose migrations ran.
    pub to: Version,
    /// Where that release is, symlinks resolved.
    pub path: PathBuf,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// How.
    pub verdict: Verdict,
    /// Why it did not pass, in one sentence.
    pub said: Option<String>,
    /// How long restoring and comparing took, in milliseconds.
    pub restore_ms: u64,
    /// How long the migrations took.
    pub migrate_ms: u64,
    /// For how long an upgrade may be expected to keep the server from serving.
    pub downtime_ms: u64,
    /// What was defined in the migrated database, of that which the release makes of an empty one; none where nobody looked.
    pub expected: Option<Vec<String>>,
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl StateDb {
    /// Writes down what came of a rehearsal, and lets the oldest rows of the target go.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn end_rehearsal(&self, row: &Rehearsal) -> Result<(), StateError> {
        let doing = || StateError::doing("write down a rehearsal");
        sqlx::query(
            "INSERT INTO rehearsal (target, label, digest, scratch, from_release, to_release, path, at, outcome, said, restore_ms, migrate_ms, \
             downtime_ms, expected) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(row.target.as_str())
        .bind(row.label.as_ref().map_or("", Label::as_str))
        .bind(&row.digest)
        .bind(&row.scratch)
        .bind(row.from.as_ref().map(Version::as_str))
        .bind(row.to.as_str())
        .bind(row.path.to_string_lossy().into_owned())
        .bind(row.at.to_rfc3339())
        .bind(row.verdict.as_str())
        .bind(&row.said)
        .bind(number(row.restore_ms))
        .bind(number(row.migrate_ms))
        .bind(number(row.downtime_ms))
        .bind(row.expected.as_ref().and_then(|lines| serde_json::to_string(lines).ok()))
        .execute(self.pool())
        .await
        .map_err(doing())?;
        sqlx::query(
            "UPDATE rehearsal SET expected = NULL WHERE target = ?1 AND to_release = ?2 AND path = ?3 AND expected IS NOT NULL AND seq < \
             (SELECT max(seq) FROM rehearsal WHERE target = ?1 AND to_release = ?2 AND path = ?3 AND outcome <> 'not-tried')",
        )
        .bind(row.target.as_str())
        .bind(row.to.as_str())
        .bind(row.path.to_string_lossy().into_owned())
        .execute(self.pool())
        .await
        .map_err(doing())?;
        sqlx::query(
            "DELETE FROM rehearsal WHERE target = ?1 AND seq NOT IN (SELECT seq FROM rehearsal WHERE target = ?1 ORDER BY seq DESC LIMIT ?2)",
        )
        .bind(row.target.as_str())
        .bind(KEPT)
        .execute(self.pool())
        .await
        .map_err(doing())?;
        Ok(())
    }

    /// The newest rehearsal of a target, of any release; or of the one of this version that lies there: then the newest verdict, and one that could
    /// not be tried only where there is none.
    ///
    /// # Errors
    /// When the database refuses, or the row cannot be read.
    pub async fn last_rehearsal(
        &self,
        target: &TargetName,
        of: Option<(&Version, &Path)>,
    ) -> Result<Option<Rehearsal>, StateError> {
        let sql = "SELECT * FROM rehearsal WHERE target = ?1 AND (?2 IS NULL OR (to_release = ?2 AND path = ?3)) \
                   ORDER BY ?2 IS NOT NULL AND outcome = 'not-tried', seq DESC LIMIT 1";
        let row = sqlx::query(sql)
            .bind(target.as_str())
            .bind(of.map(|(version, _)| version.as_str()))
            .bind(of.map(|(_, path)| path.to_string_lossy().into_owned()))
            .fetch_optional(self.pool())
            .await
            .map_err(StateError::doing("read the last rehearsal"))?;
        row.as_ref().map(rehearsal).transpose()
    }
}

fn rehearsal(row: &SqliteRow) -> Result<Rehearsal, StateError> {
    let doing = || StateError::doing("read a rehearsal");
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs).map_err(doing());
    let unreadable = |why: String| StateError::Unreadable { what: "rehearsal".to_owned(), why };
    let outcome: String = row.try_get("outcome").map_err(doing())?;
    let label: String = row.try_get("label").map_err(doing())?;
    let expected: Option<String> = row.try_get("expected").map_err(doing())?;
    let from: Option<String> = row.try_get("from_release").map_err(doing())?;
    Ok(Rehearsal {
        target: parse(row, "target", "rehearsal", TargetName::parse)?,
        label: (!label.is_empty()).then(|| Label::parse(&label)).transpose().map_err(|why| unreadable(why.to_string()))?,
        digest: row.try_get("digest").map_err(doing())?,
        scratch: row.try_get("scratch").map_err(doing())?,
        from: from.map(|from| Version::parse(&from)).transpose().map_err(|why| unreadable(why.to_string()))?,
        to: parse(row, "to_release", "rehearsal", Version::parse)?,
        path: PathBuf::from(row.try_get::<String, _>("path").map_err(doing())?),
        at: parse(row, "at", "rehearsal", moment)?,
        verdict: Verdict::parse(&outcome).ok_or_else(|| unreadable(format!("outcome `{outcome}`")))?,
        said: row.try_get("said").map_err(doing())?,
        restore_ms: count("restore_ms")?,
        migrate_ms: count("migrate_ms")?,
        downtime_ms: count("downtime_ms")?,
        expected: expected.map(|text| serde_json::from_str(&text)).transpose().map_err(|why| unreadable(why.to_string()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(to: &str, verdict: Verdict, expected: Option<&str>) -> Rehearsal {
        Rehearsal {
            target: TargetName::parse("notes").unwrap(),
            label: None,
            digest: String::new(),
            scratch: String::new(),
            from: None,
            to: Version::parse(to).unwrap(),
            path: PathBuf::from("/srv/notes").join(to),
            at: "2026-12-01T02:30:00Z".parse().unwrap(),
            verdict,
            said: None,
            restore_ms: 0,
            migrate_ms: 0,
            downtime_ms: 0,
            expected: expected.map(|line| vec![line.to_owned()]),
        }
    }

    #[tokio::test]
    async fn what_could_not_be_tried_and_what_is_another_releases_take_no_verdict_away() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDb::open(dir.path()).await.unwrap();
        let rows = [
            row("1.1.0", Verdict::Passed, Some("old")),
            row("1.1.0", Verdict::Passed, Some("new")),
            row("1.2.0", Verdict::Failed, None),
            row("1.2.0", Verdict::NotTried, None),
            row("1.1.0", Verdict::NotTried, None),
        ];
        for row in &rows {
            state.end_rehearsal(row).await.unwrap();
        }
        for (to, wanted) in [("1.1.0", &rows[1]), ("1.2.0", &rows[2])] {
            let path = PathBuf::from("/srv/notes").join(to);
            let of = Version::parse(to).unwrap();
            let found = state.last_rehearsal(&wanted.target, Some((&of, &path))).await.unwrap();
            assert_eq!(found.as_ref(), Some(wanted), "{to}");
        }
        let newest = state.last_rehearsal(&rows[0].target, None).await.unwrap();
        assert_eq!(newest.as_ref(), Some(&rows[4]), "of any release the newest is told");
        let kept: Vec<Option<String>> =
            sqlx::query_scalar("SELECT expected FROM rehearsal ORDER BY seq").fetch_all(state.pool()).await.unwrap();
        assert_eq!(kept.iter().filter(|expected| expected.is_some()).count(), 1, "{kept:?}");
    }
}
