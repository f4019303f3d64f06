//! A page image from an archive into the place of a database file.
//!
//! Order: write the image under a name of its own, sync, compare; only then lock the old file, fold its WAL into it, and
//! rename over it while the lock is held. If we die before the rename, the old content stands (though perhaps no longer in
//! WAL mode) and [`settle`] removes the image; after it, the new content stands whole.

use std::path::Path;
use std::time::Duration;

use sqlx::Connection;

use super::fence::{self, Held, quiet};
use super::open::{self, because};
use super::stage::{self, Over, Place, Stage};
use super::{Sqlite, around, facts, image, rows, sessions};
use crate::archive::Archive;
use crate::archive::manifest::{FrameKind, Manifest, Table};
use crate::engine::crew::aside;
use crate::engine::{EngineError, LoadMode, Loaded, Standing};
use crate::fault;
use crate::ids::Label;
use crate::progress::Progress;

/// The files SQLite may have left beside a database; one that belongs to another database would corrupt it.
const SIDECARS: [&str; 3] = ["-wal", "-journal", "-shm"];

/// What is kept of a file that cannot be read, and of logs without their database: nothing is deleted on a guess.
const ASIDE: &str = ".upkeep-aside";

/// Loads, compares, swaps.
pub(super) async fn load(
    database: &Sqlite,
    archive: &Archive,
    mode: LoadMode,
    standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    fits(archive.manifest())?;
    if mode == LoadMode::Clean {
        clean(database).await?;
    }
    // What will be needed at the end is tried before anything that takes long: the file and its owner, the directory, the lock.
    let place = Place::of(&database.path)?;
    if place.path.exists() {
        open::may_write(&place.path)?;
    }
    let mut warnings = Vec::new();
    progress.phase("loading", archive.manifest().raw_bytes);
    let stage = fill(&place, archive, jobs, progress).await?;
    fault::point("sqlite.staged");
    progress.phase("comparing", 0);
    let loaded = compare(&stage.path, archive.manifest(), progress, &mut warnings).await?;
    fault::point("sqlite.compared");
    progress.phase("swapping", 0);
    let kept = swap(stage, &place, database, standing, &mut warnings).await?;
    Ok(Loaded { warnings, kept, ..loaded })
}

pub(super) fn fits(manifest: &Manifest) -> Result<(), EngineError> {
    if manifest.server.flavour != "sqlite" {
        return Err(EngineError::Unfit(format!(
            "archive {} is of a {} database, and this is a SQLite file",
            manifest.label, manifest.server.flavour
        )));
    }
    if !manifest.frames.iter().any(|frame| frame.kind == FrameKind::Image) {
        return Err(EngineError::Unfit(format!("archive {} holds no page image", manifest.label)));
    }
    Ok(())
}

async fn clean(database: &Sqlite) -> Result<(), EngineError> {
    let survey = facts::survey(database, &[]).await?;
    match survey.tables.first() {
        None => Ok(()),
        Some((table, _)) => Err(EngineError::Unfit(format!(
            "{} is not empty: it has {} tables, the first is {table}",
            database.path.display(),
            survey.tables.len()
        ))),
    }
}

/// Writes the image into a file beside the database that is already like the one it is to replace.
async fn fill(place: &Place, archive: &Archive, jobs: usize, progress: &Progress) -> Result<Stage, EngineError> {
    let stage = Stage::make(place)?;
    let (archive, to, shown) = (archive.shared(), stage.path.clone(), progress.clone());
    let write = move || -> Result<Stage, EngineError> {
        image::unpack(&archive, &stage.file, &stage.path, jobs, &shown)?;
        Ok(stage)
    };
    let written = tokio::task::spawn_blocking(write).await;
    written.map_err(|_| EngineError::Worker(format!("writing {}", to.display())))?
}

pub(super) async fn compare(
    stage: &Path,
    manifest: &Manifest,
    progress: &Progress,
    warnings: &mut Vec<String>,
) -> Result<Loaded, EngineError> {
    let (sound, found) = tokio::join!(
        rows::check(stage, format!("the content of archive {}", manifest.label), progress),
        tally(stage, progress)
    );
    warnings.extend(sound?.map(|orphans| format!("{}: {}", orphans.what, orphans.why)));
    let found = found?;
    let differing = rows::differing(&manifest.tables, &found);
    if differing.is_empty() {
        Ok(Loaded { tables: found.len() as u64, rows: manifest.rows(), ..Loaded::default() })
    } else {
        Err(EngineError::Differs(differing))
    }
}

async fn tally(stage: &Path, progress: &Progress) -> Result<Vec<Table>, EngineError> {
    let (stage, progress) = (stage.to_owned(), progress.clone());
    let tally = move || async move {
        let mut connection = open::image(&stage).await?;
        let found = rows::tally(&mut connection, &stage, &progress).await?;
        open::close(connection, &stage).await?;
        Ok(found)
    };
    aside("counting rows", tally).await
}

/// Puts the image in the place of the database; gives the archive that was taken under the fence, where one was.
async fn swap(
    stage: Stage,
    place: &Place,
    database: &Sqlite,
    standing: Standing<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Label>, EngineError> {
    let path = &place.path;
    if !sessions::sees_everybody() {
        warnings.push("not running as root: other users' processes that have the database open cannot be seen".to_owned());
    }
    let (held, kept) = match hold(database).await? {
        Old::Held(held) => {
            let (held, kept) = fence::held_to(held, path, standing).await?;
            (Some(held), kept)
        }
        Old::Unreadable => {
            set_aside(place, "", warnings)?;
            (None, None)
        }
        Old::Absent => (None, None),
    };
    fault::point("sqlite.fenced");
    let old = match &held {
        Some(_) => match place.old() {
            Ok(old) => Some(old),
            Err(error) => {
                if let Some(held) = held {
                    held.release(path, false).await?;
                }
                return Err(error);
            }
        },
        None => None,
    };
    let replaced = exchange(&stage, place, held.is_some(), warnings);
    fault::point("sqlite.replaced");
    match (held, replaced) {
        // The new content has the place: nothing that fails from here on makes it otherwise.
        (Some(held), Ok(())) => {
            // Before the lock goes: what is in it is archived, and who waited for the lock shall not write where nobody will look.
            if let Some(Err(error)) = old.as_ref().map(stage::empty_nameless) {
                warnings.push(format!("{} was replaced, and its old file could not be emptied: {error}", path.display()));
            }
            if let Err(error) = held.release(path, true).await {
                warnings.push(format!("{} was replaced, and its old content was not closed well: {error}", path.display()));
            }
            drop(old);
            Ok(kept)
        }
        (Some(held), Err(error)) => {
            held.release(path, false).await?;
            Err(error)
        }
        (None, replaced) => replaced.map(|()| kept),
    }
}

/// The last steps, under the lock where there is something to lock.
fn exchange(stage: &Stage, place: &Place, held: bool, warnings: &mut Vec<String>) -> Result<(), EngineError> {
    // Again: somebody may have given the file another owner or mode meanwhile.
    if held {
        stage.liken(place)?;
    }
    for suffix in SIDECARS {
        match held {
            // Everything in it is in the database by now, and nobody else can be writing to it.
            true => place.remove(suffix)?,
            false => set_aside(place, suffix, warnings)?,
        }
    }
    fault::point("sqlite.quiet");
    stage.publish(place, if held { Over::TheOld } else { Over::Nothing })
}

/// What stands where the image is to go.
enum Old {
    /// A database, locked by us so that nobody can read or write it.
    Held(Held),
    /// Something that SQLite cannot read.
    Unreadable,
    /// Nothing.
    Absent,
}

async fn hold(database: &Sqlite) -> Result<Old, EngineError> {
    let path = &database.path;
    if !path.exists() {
        return Ok(Old::Absent);
    }
    open::must_be_file(path)?;
    alone(path, BEFORE_THE_LOCK).await?;
    let unreadable = |error: &sqlx::Error| matches!(open::result_code(error), Some(open::CORRUPT | open::NOT_A_DATABASE));
    let mut connection = match open::changing(database).await {
        Ok(connection) => connection,
        Err(EngineError::Unreadable { .. }) => return Ok(Old::Unreadable),
        Err(error) => return Err(error),
    };
    match quiet(&mut connection).await {
        Ok(was_wal) => {
            // Again, now that we have the lock: an idle connection of the rollback-journal mode holds none.
            if let Err(error) = alone(path, UNDER_THE_LOCK).await {
                Held { connection, was_wal }.release(path, false).await?;
                return Err(error);
            }
            Ok(Old::Held(Held { connection, was_wal }))
        }
        Err(error) => {
            // The error at hand is the one to report.
            connection.close().await.ok();
            if unreadable(&error) { Ok(Old::Unreadable) } else { Err(because(path, "lock the database")(error)) }
        }
    }
}

/// How often it is looked whether nobody else has the file open, and how many times. Whoever comes, is kept out and comes again has it open
/// nearly always: only many looks find the moment in between. Who stays is a server that runs, and is told soon.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const BEFORE_THE_LOCK: u32 = 25;
const UNDER_THE_LOCK: u32 = 150;

/// Waits for a moment in which nobody else has the file open. Who opens it behind that moment, under our lock, waits for the lock, and is
/// told that his write failed: the file is emptied before the lock goes.
async fn alone(path: &Path, looks: u32) -> Result<(), EngineError> {
    let mut sessions = sessions::others(path);
    for _ in 1..looks {
        if sessions.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
        sessions = sessions::others(path);
    }
    if sessions.is_empty() { Ok(()) } else { Err(EngineError::InUse { location: open::location(path), sessions }) }
}

/// Moves a file out of the way, and says so; one that is not there is success.
fn set_aside(place: &Place, suffix: &str, warnings: &mut Vec<String>) -> Result<(), EngineError> {
    if let Some(aside) = place.set_aside(suffix, ASIDE)? {
        warnings.push(format!(
            "{} did not belong to a readable {}: kept as {}",
            around::beside(&place.path, suffix).display(),
            place.path.display(),
            aside.display()
        ));
    }
    Ok(())
}

/// Removes what a crashed load left beside the database, and ends what a crash of its application left in it, where that may be done.
pub(super) async fn settle(database: &Sqlite) -> Result<Vec<String>, EngineError> {
    let path = &database.path;
    if !path.parent().is_some_and(Path::exists) {
        return Ok(Vec::new());
    }
    let mut lines = Place::of(path)?.sweep()?;
    // What may not be ended is told by whatever needs the database next.
    if open::recover(database).await.unwrap_or(false) {
        lines.push(format!("{}: the transaction that a crash of its application left open was rolled back", path.display()));
    }
    Ok(lines)
}

/// Why an archive could not take this database's place; what will be needed is asked, and nothing is changed.
pub(super) fn may_replace(path: &Path) -> Result<(), EngineError> {
    let place = Place::of(path)?;
    if place.path.exists() {
        open::may_write(&place.path)?;
    }
    place.objection()?.map_or(Ok(()), Err)
}
