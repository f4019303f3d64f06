//! The fence: what is to be replaced, alone with us, and held to what an archive has of it.
//!
//! Owns the exclusive lock on the old content. Under it nobody else reads or writes; only while it is archived again is it a lock that
//! lets readers in, for we read it then through connections of our own. What was archived is proved once more under the exclusive lock,
//! so no moment lies between the proof and the exchange. Held by `tests/it/replaced.rs`.

use std::path::Path;

use sqlx::sqlite::SqliteConnection;

use super::open::{self, because};
use super::{facts, rows, schema};
use crate::archive::Archive;
use crate::archive::manifest::Manifest;
use crate::config::{Database, Location};
use crate::engine::crew::aside;
use crate::engine::{EngineError, Standing};
use crate::fault;
use crate::ids::Label;
use crate::progress::Progress;

/// How often content that changes while it is archived is archived again: each time somebody came between two locks.
const ROUNDS: u32 = 5;

/// The old content, locked by us so that nobody can read or write it.
pub(super) struct Held {
    pub(super) connection: SqliteConnection,
    pub(super) was_wal: bool,
}

/// Leaves WAL mode, which folds the log into the file and needs everybody else gone, and takes the exclusive lock. The file
/// is then all there is, and closing our connection after the rename touches nothing by name.
pub(super) async fn quiet(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let (before,): (String,) = sqlx::query_as("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    if before == "wal" {
        sqlx::query("PRAGMA journal_mode = DELETE").fetch_one(&mut *connection).await?;
    }
    sqlx::query("BEGIN EXCLUSIVE").execute(connection).await?;
    Ok(before == "wal")
}

impl Held {
    /// Lets go. When the swap did not happen, the journal mode goes back to what it was.
    pub(super) async fn release(mut self, path: &Path, swapped: bool) -> Result<(), EngineError> {
        if !swapped {
            // The content is the same in either mode, and the error that stopped the swap is the one to report.
            self.open_up().await.ok();
        }
        open::close(self.connection, path).await
    }

    async fn open_up(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        if self.was_wal {
            sqlx::query("PRAGMA journal_mode = WAL").fetch_one(&mut self.connection).await?;
        }
        Ok(())
    }

    /// Archives the content again while nobody else writes to it, and takes it alone once more.
    async fn keep(&mut self, path: &Path, keep: &dyn crate::engine::Keep) -> Result<Archive, EngineError> {
        let lock = |error| because(path, "lock the database")(error);
        self.open_up().await.map_err(lock)?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await.map_err(lock)?;
        let there = Database::at(Location::Sqlite { path: path.to_owned() });
        let kept = keep.keep(&there).await;
        fault::point("sqlite.fence.kept");
        sqlx::query("COMMIT").execute(&mut self.connection).await.map_err(lock)?;
        let kept = kept.map_err(|source| EngineError::NotKept { location: open::location(path), source })?;
        quiet(&mut self.connection).await.map_err(lock)?;
        Ok(kept)
    }
}

/// Holds what is locked to what is said of it; where it is not, it is archived again, or let go. Gives the archive that was taken.
pub(super) async fn held_to(held: Held, path: &Path, standing: Standing<'_>) -> Result<(Held, Option<Label>), EngineError> {
    let mut held = held;
    let stands = match standing {
        Standing::Nobodys => Ok(None),
        Standing::Rowless => match facts::first_filled(&mut held.connection, path).await {
            Ok(None) => Ok(None),
            Ok(Some(table)) => Err(EngineError::Filled { location: open::location(path), table }),
            Err(error) => Err(error),
        },
        Standing::Kept { archive, keep } => {
            let (back, stands) = proved_or_kept(held, path, archive, keep).await?;
            held = back;
            stands
        }
    };
    match stands {
        Ok(kept) => Ok((held, kept)),
        Err(error) => {
            // The error at hand is the one to report.
            held.release(path, false).await.ok();
            Err(error)
        }
    }
}

async fn proved_or_kept(
    mut held: Held,
    path: &Path,
    archive: Option<&Archive>,
    keep: &dyn crate::engine::Keep,
) -> Result<(Held, Result<Option<Label>, EngineError>), EngineError> {
    let mut again: Option<Archive> = None;
    for _ in 0..ROUNDS {
        if let Some(manifest) = again.as_ref().or(archive).map(Archive::manifest) {
            let (back, proved) = prove(held, path, manifest).await?;
            held = back;
            match proved {
                Ok(true) => return Ok((held, Ok(again.map(|kept| kept.manifest().label.clone())))),
                Ok(false) => {}
                Err(error) => return Ok((held, Err(error))),
            }
        }
        match held.keep(path, keep).await {
            Ok(kept) => again = Some(kept),
            Err(error) => return Ok((held, Err(error))),
        }
    }
    Ok((held, Err(open::restless(path))))
}

/// Whether the content is what the archive has: every definition, every row, and what the file's header says. It is read once; on a
/// thread that gives way, with the connection that holds the lock.
async fn prove(held: Held, path: &Path, manifest: &Manifest) -> Result<(Held, Result<bool, EngineError>), EngineError> {
    let (path, manifest) = (path.to_owned(), manifest.clone());
    aside("comparing what is there with its archive", move || async move {
        let mut held = held;
        let proved = is(&mut held.connection, &path, &manifest).await;
        Ok((held, proved))
    })
    .await
}

async fn is(connection: &mut SqliteConnection, path: &Path, manifest: &Manifest) -> Result<bool, EngineError> {
    let shape = schema::shape(connection, path, &[]).await?;
    if shape.fingerprint != manifest.shape.fingerprint {
        return Ok(false);
    }
    for (key, query) in [("user_version", "PRAGMA user_version"), ("application_id", "PRAGMA application_id")] {
        let (now,): (i64,) =
            sqlx::query_as(query).fetch_one(&mut *connection).await.map_err(because(path, "read the settings"))?;
        if manifest.server.extra.get(key).is_some_and(|then| *then != now.to_string()) {
            return Ok(false);
        }
    }
    let found = rows::tally(connection, path, &Progress::default()).await?;
    Ok(rows::differing(&manifest.tables, &found).is_empty())
}
