//! An archive's page image, unpacked in a directory of ours, looked through and removed: it never has a name that anybody opens. What a crash
//! leaves of it is a temporary file, which goes when the directory is opened again.
//!
//! Where something is to be tried in it, it is unpacked once more into a directory that is named after the drill, and goes with that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::mark::Removed;
use super::image::{self, Image};
use super::load;
use crate::archive::Archive;
use crate::durable::{self, At as _};
use crate::engine::{EngineError, Loaded};
use crate::fault;
use crate::ids::DrillId;
use crate::progress::Progress;

/// The file in a scratch's own directory.
const FILE: &str = "scratch.sqlite";

/// Unpacks it, compares, and lets it go.
pub(in super::super) async fn try_out(
    directory: &Path,
    archive: &Archive,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    load::fits(archive.manifest())?;
    progress.phase("loading", archive.manifest().raw_bytes);
    let (shared, to, shown, thread) = (archive.shared(), directory.to_owned(), progress.clone(), progress.thread());
    let unpack = move || {
        let _at_work = thread;
        Image::unpacked(&shared, &to, jobs.max(1), &shown)
    };
    let unpacked = tokio::task::spawn_blocking(unpack).await;
    let image = unpacked.map_err(|_| EngineError::Worker(format!("unpacking into {}", directory.display())))??;
    fault::point("sqlite.scratch.made");
    progress.phase("comparing", 0);
    let mut warnings = Vec::new();
    let loaded = load::compare(image.path(), archive.manifest(), progress, &mut warnings).await?;
    fault::point("sqlite.scratch.compared");
    drop(image);
    fault::point("sqlite.scratch.dropped");
    Ok(Loaded { warnings, ..loaded })
}

/// The directory of a scratch that something is tried in.
fn home(directory: &Path, id: &DrillId) -> PathBuf {
    directory.join(format!("scratch-{id}"))
}

/// The file that something is tried in.
pub(in super::super) fn file(directory: &Path, id: &DrillId) -> PathBuf {
    home(directory, id).join(FILE)
}

/// Unpacks it into a file that others may open by its name.
pub(in super::super) async fn open(
    directory: &Path,
    id: &DrillId,
    archive: &Archive,
    jobs: usize,
    progress: &Progress,
) -> Result<PathBuf, EngineError> {
    let path = file(directory, id);
    progress.phase("unpacking the scratch", archive.manifest().raw_bytes);
    durable::make_dir(&home(directory, id))?;
    fault::point("sqlite.scratch.home");
    let (shared, to, shown, thread) = (archive.shared(), path.clone(), progress.clone(), progress.thread());
    let unpack = move || -> Result<(), EngineError> {
        let _at_work = thread;
        let file = durable::create_temporary(&to)?;
        image::unpack(&shared, &file, &durable::temporary(&to), jobs.max(1), &shown)?;
        Ok(durable::publish(&file, &to)?)
    };
    let unpacked = tokio::task::spawn_blocking(unpack).await;
    unpacked.map_err(|_| EngineError::Worker(format!("unpacking into {}", path.display())))??;
    fault::point("sqlite.scratch.open");
    Ok(path)
}

/// The same with nothing in it: an empty file is a database without tables.
pub(in super::super) fn empty(directory: &Path, id: &DrillId) -> Result<(), EngineError> {
    durable::make_dir(&home(directory, id))?;
    durable::write(&file(directory, id), b"")?;
    fault::point("sqlite.scratch.empty");
    Ok(())
}

/// Removes such a directory: nobody else makes one of that name there.
pub(in super::super) fn remove(directory: &Path, id: &DrillId) -> Result<Removed, EngineError> {
    let home = home(directory, id);
    match fs::remove_dir_all(&home) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Removed::WasNotThere),
        removed => removed.at("remove the directory", &home)?,
    }
    durable::sync_dir(directory)?;
    fault::point("sqlite.scratch.removed");
    Ok(Removed::Dropped)
}
