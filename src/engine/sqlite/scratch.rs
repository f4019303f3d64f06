//! An archive's page image, unpacked in a directory of ours, looked through and removed: it never has a name that anybody opens. What a crash
//! leaves of it is a temporary file, which goes when the directory is opened again.

use std::path::Path;

use super::image::Image;
use super::load;
use crate::archive::Archive;
use crate::engine::{EngineError, Loaded};
use crate::fault;
use crate::progress::Progress;

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
