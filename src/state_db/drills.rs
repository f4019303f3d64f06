//! Drills: which archive was tried in which scratch, what came of it, and whether the scratch is gone.
//!
//! Owns the table `drill`. Invariants: a row is there before its scratch is; the order of drills is that of their rows, whatever the clock said.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::journal::{moment, parse};
use super::{StateDb, StateError};
use crate::ids::{DrillId, Label, PlaceName, TargetName};

/// How many ended drills of a target are kept whose scratch is gone: years of weekly ones.
const KEPT: u32 = 500;

/// How a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The archive was restored, and every row compared.
    Proven,
    /// It was not.
    Failed,
    /// It did not come to an end: cancelled, or the process died. It says nothing of the archive.
    CutOff,
}

impl Outcome {
    /// The word in the table, in status and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Failed => "failed",
            Self::CutOff => "cut-off",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Proven, Self::Failed, Self::CutOff].into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: DateTime<Utc>,
    /// How.
    pub outcome: Outcome,
    /// Why it failed, in one sentence.
    pub said: Option<String>,
    /// Tables compared.
    pub tables: u64,
    /// Rows compared.
    pub rows: u64,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// Also in the name and the mark of its scratch.
    pub id: DrillId,
    /// Of this target.
    pub target: TargetName,
    /// The archive.
    pub label: Label,
    /// The digest of its manifest, which tells it from every other.
    pub digest: String,
    /// Where its copy was read, where it was not the archive here.
    pub place: Option<PlaceName>,
    /// Where the scratch is, or was.
    pub scratch: String,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// Its end; none while it runs, and after a crash until somebody looks.
    pub ended: Option<Ended>,
    /// Why its scratch is still there, as far as it was tried to remove it.
    pub left: Option<String>,
}

impl StateDb {
    /// Writes down that a drill begins, before anything is made.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn begin_drill(&self, drill: &Drill) -> Result<(), StateError> {
        sqlx::query("INSERT INTO drill (id, target, label, digest, place, scratch, began_at) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(drill.id.as_str())
            .bind(drill.target.as_str())
            .bind(drill.label.as_str())
            .bind(&drill.digest)
            .bind(drill.place.as_ref().map(PlaceName::as_str))
            .bind(&drill.scratch)
            .bind(drill.began_at.to_rfc3339())
            .execute(self.pool())
            .await
            .map_err(StateError::doing("begin a drill"))?;
        Ok(())
    }

    /// Writes down how a drill ended. One that has its end keeps it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn end_drill(&self, id: &DrillId, ended: &Ended) -> Result<(), StateError> {
        sqlx::query(
            "UPDATE drill SET ended_at = ?, outcome = ?, said = ?, tables = ?, rows = ? WHERE id = ? AND ended_at IS NULL",
        )
        .bind(ended.at.to_rfc3339())
        .bind(ended.outcome.as_str())
        .bind(&ended.said)
        .bind(i64::try_from(ended.tables).unwrap_or(i64::MAX))
        .bind(i64::try_from(ended.rows).unwrap_or(i64::MAX))
        .bind(id.as_str())
        .execute(self.pool())
        .await
        .map_err(StateError::doing("end a drill"))?;
        Ok(())
    }

    /// Writes down that nothing of a drill's scratch is left (`None`), or why something is. Lets the oldest rows go that say nothing any more.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn scratch_left(&self, drill: &Drill, why: Option<&str>) -> Result<(), StateError> {
        let doing = || StateError::doing("write down what is left of a drill");
        sqlx::query("UPDATE drill SET removed = ?, left_why = ? WHERE id = ?")
            .bind(why.is_none())
            .bind(why)
            .bind(drill.id.as_str())
            .execute(self.pool())
            .await
            .map_err(doing())?;
        sqlx::query(
            "DELETE FROM drill WHERE target = ?1 AND removed AND seq NOT IN (SELECT seq FROM drill WHERE target = ?1 ORDER BY seq DESC LIMIT ?2) \
             AND seq NOT IN (SELECT coalesce(max(seq), 0) FROM drill WHERE target = ?1 AND outcome = 'proven')",
        )
        .bind(drill.target.as_str())
        .bind(KEPT)
        .execute(self.pool())
        .await
        .map_err(doing())?;
        Ok(())
    }

    /// Drills of a target whose scratch may still be there, the oldest first. One that runs is among them.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn drills_left(&self, target: &TargetName) -> Result<Vec<Drill>, StateError> {
        let rows = sqlx::query("SELECT * FROM drill WHERE target = ? AND NOT removed ORDER BY seq").bind(target.as_str());
        let rows = rows.fetch_all(self.pool()).await.map_err(StateError::doing("look what drills left"))?;
        rows.iter().map(drill).collect()
    }

    /// The same of every target, those included that the configuration has no more.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn drills_left_anywhere(&self) -> Result<Vec<Drill>, StateError> {
        let rows = sqlx::query("SELECT * FROM drill WHERE NOT removed ORDER BY seq").fetch_all(self.pool()).await;
        rows.map_err(StateError::doing("look what drills left"))?.iter().map(drill).collect()
    }

    /// The newest drill of a target that has ended, and the newest that proved an archive.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub async fn last_drills(&self, target: &TargetName) -> Result<(Option<Drill>, Option<Drill>), StateError> {
        let sql = "SELECT * FROM drill WHERE target = ?1 AND ended_at IS NOT NULL AND (?2 IS NULL OR outcome = ?2) ORDER BY seq DESC LIMIT 1";
        let mut found = Vec::new();
        for outcome in [None, Some(Outcome::Proven.as_str())] {
            let row = sqlx::query(sql).bind(target.as_str()).bind(outcome).fetch_optional(self.pool()).await;
            found.push(row.map_err(StateError::doing("read the last drill"))?.as_ref().map(drill).transpose()?);
        }
        let proven = found.pop().flatten();
        Ok((found.pop().flatten(), proven))
    }
}

fn drill(row: &SqliteRow) -> Result<Drill, StateError> {
    let doing = || StateError::doing("read a drill");
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs).map_err(doing());
    let outcome: Option<&str> = row.try_get("outcome").map_err(doing())?;
    let unreadable = |why: String| StateError::Unreadable { what: "drill".to_owned(), why };
    let ended = match outcome {
        None => None,
        Some(text) => Some(Ended {
            at: parse(row, "ended_at", "drill", moment)?,
            outcome: Outcome::parse(text).ok_or_else(|| unreadable(format!("outcome `{text}`")))?,
            said: row.try_get("said").map_err(doing())?,
            tables: count("tables")?,
            rows: count("rows")?,
        }),
    };
    let place: Option<&str> = row.try_get("place").map_err(doing())?;
    Ok(Drill {
        id: parse(row, "id", "drill", DrillId::parse)?,
        target: parse(row, "target", "drill", TargetName::parse)?,
        label: parse(row, "label", "drill", Label::parse)?,
        digest: row.try_get("digest").map_err(doing())?,
        place: place.map(PlaceName::parse).transpose().map_err(|why| unreadable(why.to_string()))?,
        scratch: row.try_get("scratch").map_err(doing())?,
        began_at: parse(row, "began_at", "drill", moment)?,
        ended,
        left: row.try_get("left_why").map_err(doing())?,
    })
}
