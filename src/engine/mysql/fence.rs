//! What an exchange asks before it gives old content up: nobody can write to it, and it is what an archive keeps.
//!
//! Owns the proof and what is done without it. A proof reads everything once, where the content stands fenced; counters, positions of logs
//! and times of updates all say "unchanged" of content that is not. Held by `tests/it/mysql_fence.rs`.

use super::super::crew::StopOnDrop;
use super::super::frames::{shared, text};
use super::super::{EngineError, LoadMode, NotKept, Standing};
use super::connect::{Place, Session};
use super::locks::Locks;
use super::rowless::first_filled;
use super::schema::{Locked, Schema};
use super::{compare, script, sequences, shape};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::ids::Label;
use crate::progress::Progress;

/// Old content under its fence, and the newest archive of it.
#[derive(Debug)]
pub(super) struct Held<'a> {
    standing: Standing<'a>,
    /// Kept under the fence, where the first archive was not enough.
    again: Option<Archive>,
}

impl<'a> Held<'a> {
    pub(super) fn new(standing: Standing<'a>) -> Self {
        Self { standing, again: None }
    }

    /// Makes sure that what can be read at `place`, where nobody writes, may go. After `Ok` an archive has it, or it is nobody's.
    pub(super) async fn may_go(&mut self, place: &Place, jobs: usize, progress: &Progress) -> Result<(), EngineError> {
        let (archive, keep) = match self.standing {
            Standing::Nobodys => return Ok(()),
            Standing::Rowless => return demand_rowless(place).await,
            Standing::Kept { archive, keep } => (self.again.as_ref().or(archive), keep),
        };
        let changed = match archive {
            Some(archive) => changed(place, archive, jobs, progress).await?,
            None => Some("it was in no archive yet".to_owned()),
        };
        if let Some(why) = changed {
            tracing::info!(database = %place.location(), why, "archived again before it is replaced");
            progress.phase("archiving what is there", 0);
            // Exact by itself: a dump of what nobody writes to, read back before it answers.
            self.again = Some(kept(place, keep.keep(&place.configured()).await)?);
        }
        Ok(())
    }

    /// The archive that was taken meanwhile.
    pub(super) fn kept(&self) -> Option<Label> {
        self.again.as_ref().map(|archive| archive.manifest().label.clone())
    }

    /// The same, where the content stays in its place under the session's own locks, which no dump can read through: whether it may go.
    pub(super) async fn may_go_as_locked(
        &self,
        session: &mut Session,
        locks: &mut Locks,
        progress: &Progress,
    ) -> Result<bool, EngineError> {
        let place = session.place().clone();
        match self.standing {
            Standing::Nobodys => Ok(true),
            Standing::Rowless => match locks.rowless(session).await? {
                None => Ok(true),
                Some(table) => Err(EngineError::Filled { location: place.location(), table }),
            },
            Standing::Kept { archive, .. } => match self.again.as_ref().or(archive) {
                None => Ok(false),
                // Definitions are read beside: a session with locks may not look at a view.
                Some(archive) if other_schema(&place, archive, Locked::ByUs).await?.is_some() => Ok(false),
                Some(archive) => match locks.compare(session, archive.manifest(), progress).await {
                    Ok(_) => Ok(true),
                    Err(EngineError::Differs(_)) => Ok(false),
                    Err(error) => Err(error),
                },
            },
        }
    }

    /// Archives content that nothing keeps from being written to.
    pub(super) async fn keep_unlocked(&mut self, place: &Place, progress: &Progress) -> Result<(), EngineError> {
        if let Standing::Kept { keep, .. } = self.standing {
            progress.phase("archiving what is there", 0);
            self.again = Some(kept(place, keep.keep(&place.configured()).await)?);
        }
        Ok(())
    }
}

fn kept(place: &Place, kept: Result<Archive, NotKept>) -> Result<Archive, EngineError> {
    kept.map_err(|source| EngineError::NotKept { location: place.location(), source })
}

/// What differs between fenced content and the archive that keeps it; `None` where nothing does.
async fn changed(place: &Place, archive: &Archive, jobs: usize, progress: &Progress) -> Result<Option<String>, EngineError> {
    // First, because it is cheap, and because only tables that have the same columns can be compared.
    if let Some(what) = other_schema(place, archive, Locked::Not).await? {
        return Ok(Some(what));
    }
    let stop = StopOnDrop::default();
    match compare::compare(place, archive.manifest(), jobs, progress, &stop.0).await {
        Ok(_) => Ok(None),
        Err(EngineError::Differs(tables)) => {
            Ok(Some(tables.first().map_or_else(String::new, |first| format!("table {} has other rows", first.table))))
        }
        Err(error) => Err(error),
    }
}

/// What of the definitions, counters and sequences differs from the archive's.
async fn other_schema(place: &Place, archive: &Archive, locked: Locked) -> Result<Option<String>, EngineError> {
    // No archive that lacks rows on purpose keeps a database.
    if archive.manifest().without_rows().next().is_some() {
        return Ok(Some("it was archived without the rows of some tables".to_owned()));
    }
    let mut session = place.connect().await?;
    let schema = Schema::read_locked(&mut session, locked).await?;
    let fingerprint = shape::fingerprint(&schema);
    let differs = if archive.manifest().shape.fingerprint.as_ref() != Some(&fingerprint) {
        Some("it has other definitions".to_owned())
    } else {
        let sequences = sequences::read(&mut session, &schema).await?;
        let counters = script::counters(&schema, &sequences);
        let kept = text(&shared(archive, LoadMode::DataOnly)?, FrameKind::Sequences).await?;
        (kept.trim() != counters.trim()).then(|| "its counters stand elsewhere".to_owned())
    };
    session.close().await;
    Ok(differs)
}

/// Refuses content that holds a row, in whatever table that is no history of migrations.
async fn demand_rowless(place: &Place) -> Result<(), EngineError> {
    let mut session = place.connect().await?;
    let found = first_filled(&mut session).await?;
    session.close().await;
    match found {
        None => Ok(()),
        Some(table) => Err(EngineError::Filled { location: place.location(), table }),
    }
}

/// What is said where somebody wrote to what was looked at.
pub(super) fn written(place: &Place, what: &str) -> EngineError {
    EngineError::InUse { location: place.location(), sessions: vec![format!("somebody who writes to it: {what}")] }
}
