//! A page image from an archive into the place of a database file.
//!
//! Order: write the image under a name of its own, sync, compare; only then lock the old file, fold its WAL into it, and
//! rename over it while the lock is held. If we die before the rename, the old content stands (though perhaps no longer in
//! WAL mode) and [`settle`] removes the image; after it, the new content stands whole.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::open::{self, Access, because};
use super::{Sqlite, facts, image, rows, sessions};
use crate::archive::Archive;
use crate::archive::manifest::{FrameKind, Manifest, Table};
use crate::durable::{self, At};
use crate::engine::crew::aside;
use crate::engine::{EngineError, LoadMode, Loaded, Mismatch, Standing};
use crate::fault;
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
    _standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let path = &database.path;
    fits(archive.manifest())?;
    if mode == LoadMode::Clean {
        clean(database).await?;
    }
    let mut warnings = Vec::new();
    progress.phase("loading", archive.manifest().raw_bytes);
    let stage = Stage::write(path, archive, jobs, progress).await?;
    fault::point("sqlite.staged");
    progress.phase("comparing", 0);
    let loaded = compare(&stage.path, archive.manifest(), progress, &mut warnings).await?;
    fault::point("sqlite.compared");
    own(&stage.path, path, &mut warnings)?;
    swap(stage, database, &mut warnings).await?;
    Ok(Loaded { warnings, ..loaded })
}

fn fits(manifest: &Manifest) -> Result<(), EngineError> {
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

/// The image on its way in; removed when dropped before the swap.
struct Stage {
    path: PathBuf,
}

impl Stage {
    async fn write(path: &Path, archive: &Archive, jobs: usize, progress: &Progress) -> Result<Self, EngineError> {
        let named = staged_name(path);
        let stage = Self { path: durable::temporary(&named) };
        let (from, to, shown) = (archive.path().to_owned(), stage.path.clone(), progress.clone());
        let write = move || -> Result<(), EngineError> {
            let archive = Archive::open(&from)?;
            let file = durable::create_temporary(&named)?;
            image::unpack(&archive, &file, &to, jobs, &shown)
        };
        let written = tokio::task::spawn_blocking(write).await;
        written.map_err(|_| EngineError::Worker(format!("writing {}", stage.path.display())))??;
        Ok(stage)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // After the swap the name is gone. Before it, what cannot be removed now is removed by `settle`.
        fs::remove_file(&self.path).ok();
    }
}

fn staged_name(path: &Path) -> PathBuf {
    facts::beside(path, ".upkeep-new")
}

async fn compare(
    stage: &Path,
    manifest: &Manifest,
    progress: &Progress,
    warnings: &mut Vec<String>,
) -> Result<Loaded, EngineError> {
    let (sound, found) =
        tokio::join!(rows::check(stage, format!("the content of archive {}", manifest.label)), tally(stage, progress));
    warnings.extend(sound?.map(|orphans| format!("{}: {}", orphans.what, orphans.why)));
    let found = found?;
    let differing = differing(&manifest.tables, &found);
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

/// The tables that are not, row for row, what the manifest says; a table that only one side has differs too.
fn differing(expected: &[Table], found: &[Table]) -> Vec<Mismatch> {
    let tally = |tables: &[Table], name: &str| {
        let table = tables.iter().find(|table| table.name == name);
        table.map_or((0, "no such table".to_owned()), |table| (table.rows, table.checksum.clone()))
    };
    let more = found.iter().filter(|table| !expected.iter().any(|known| known.name == table.name));
    let pairs = expected.iter().chain(more).map(|table| (tally(expected, &table.name), tally(found, &table.name), table));
    pairs
        .filter(|(expected, found, _)| expected != found)
        .map(|(expected, found, table)| Mismatch {
            table: table.name.clone(),
            rows: (expected.0, found.0),
            checksum: (expected.1, found.1),
        })
        .collect()
}

/// Gives the image the owner and mode of what it replaces, or of the directory where there was nothing.
fn own(stage: &Path, path: &Path, warnings: &mut Vec<String>) -> Result<(), EngineError> {
    let old = fs::metadata(path).ok();
    let directory = parent(path);
    let like = match &old {
        Some(old) => old.clone(),
        None => fs::metadata(&directory).at("look at", &directory)?,
    };
    if let Some(old) = &old {
        fs::set_permissions(stage, fs::Permissions::from_mode(old.permissions().mode() & 0o7777))
            .at("set the mode of", stage)?;
    }
    let ours = fs::metadata(stage).at("look at", stage)?;
    if (ours.uid(), ours.gid()) != (like.uid(), like.gid())
        && std::os::unix::fs::chown(stage, Some(like.uid()), Some(like.gid())).is_err()
    {
        warnings.push(format!(
            "{} now belongs to user {} and group {}: we may not give it to {}:{}",
            path.display(),
            ours.uid(),
            ours.gid(),
            like.uid(),
            like.gid()
        ));
    }
    File::open(stage).and_then(|file| file.sync_all()).at("sync", stage)?;
    Ok(())
}

fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Puts the image in the place of the database.
async fn swap(stage: Stage, database: &Sqlite, warnings: &mut Vec<String>) -> Result<(), EngineError> {
    let path = &database.path;
    if !sessions::sees_everybody() {
        warnings.push("not running as root: other users' processes that have the database open cannot be seen".to_owned());
    }
    let held = match hold(database).await? {
        Old::Held(held) => Some(held),
        Old::Unreadable => {
            set_aside(path, path, warnings)?;
            None
        }
        Old::Absent => None,
    };
    for suffix in SIDECARS {
        let sidecar = facts::beside(path, suffix);
        match &held {
            // Everything in it is in the database by now, and nobody else can be writing to it.
            Some(_) => durable::remove(&sidecar)?,
            None => set_aside(&sidecar, path, warnings)?,
        }
    }
    fault::point("sqlite.quiet");
    let renamed = durable::rename(&stage.path, path);
    fault::point("sqlite.replaced");
    if let Some(held) = held {
        held.release(path, renamed.is_ok()).await?;
    }
    Ok(renamed?)
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

struct Held {
    connection: SqliteConnection,
    was_wal: bool,
}

async fn hold(database: &Sqlite) -> Result<Old, EngineError> {
    let path = &database.path;
    if !path.exists() {
        return Ok(Old::Absent);
    }
    open::must_be_file(path)?;
    alone(path)?;
    let unreadable = |error: &sqlx::Error| matches!(open::result_code(error), Some(open::CORRUPT | open::NOT_A_DATABASE));
    let mut connection = match open::live(database, Access::Work).await {
        Ok(connection) => connection,
        Err(EngineError::Inexact { .. }) => return Ok(Old::Unreadable),
        Err(error) => return Err(error),
    };
    match quiet(&mut connection).await {
        Ok(was_wal) => {
            // Again, now that we have the lock: an idle connection of the rollback-journal mode holds none.
            if let Err(error) = alone(path) {
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

/// Leaves WAL mode, which folds the log into the file and needs everybody else gone, and takes the exclusive lock. The file
/// is then all there is, and closing our connection after the rename touches nothing by name.
async fn quiet(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let (before,): (String,) = sqlx::query_as("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    if before == "wal" {
        sqlx::query("PRAGMA journal_mode = DELETE").fetch_one(&mut *connection).await?;
    }
    sqlx::query("BEGIN EXCLUSIVE").execute(connection).await?;
    Ok(before == "wal")
}

impl Held {
    /// Lets go. When the swap did not happen, the journal mode goes back to what it was.
    async fn release(mut self, path: &Path, swapped: bool) -> Result<(), EngineError> {
        if !swapped && self.was_wal {
            for statement in ["COMMIT", "PRAGMA journal_mode = WAL"] {
                // The content is the same in either mode, and the error that stopped the swap is the one to report.
                sqlx::query(statement).execute(&mut self.connection).await.ok();
            }
        }
        open::close(self.connection, path).await
    }
}

fn alone(path: &Path) -> Result<(), EngineError> {
    let sessions = sessions::others(path);
    if sessions.is_empty() { Ok(()) } else { Err(EngineError::InUse { location: open::location(path), sessions }) }
}

/// Moves a file out of the way, and says so; one that is not there is success.
fn set_aside(file: &Path, database: &Path, warnings: &mut Vec<String>) -> Result<(), EngineError> {
    if !file.exists() {
        return Ok(());
    }
    let aside = facts::beside(file, ASIDE);
    durable::rename(file, &aside)?;
    warnings.push(format!(
        "{} did not belong to a readable {}: kept as {}",
        file.display(),
        database.display(),
        aside.display()
    ));
    Ok(())
}

/// Removes what a crashed load left beside the database.
pub(super) fn settle(path: &Path) -> Result<Vec<String>, EngineError> {
    let leftover = durable::temporary(&staged_name(path));
    if !leftover.exists() {
        return Ok(Vec::new());
    }
    durable::remove(&leftover)?;
    Ok(vec![format!("removed {}, which an interrupted restore left", leftover.display())])
}
