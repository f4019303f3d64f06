//! Which way an archive takes into a database.

use std::sync::Arc;

use super::super::frames::shared;
use super::super::{EngineError, LoadMode, Loaded, Standing};
use super::connect::Place;
use super::{in_place, load, swap};
use crate::archive::Archive;
use crate::fault;
use crate::progress::Progress;

/// Loads.
pub(super) async fn load(
    place: &Place,
    archive: &Archive,
    mode: LoadMode,
    standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let archive = shared(archive, mode).await?;
    let manifest = archive.manifest();
    if manifest.server.flavour != "postgresql" {
        return Err(EngineError::Unfit(format!("it holds a {} database", manifest.server.flavour)));
    }
    let jobs = jobs.max(1);
    match mode {
        LoadMode::Clean => clean(place, &archive, jobs, progress).await,
        LoadMode::DataOnly => in_place::load_data(place, &archive, progress).await,
        LoadMode::Replace => swap::replace(place, &archive, standing, jobs, progress).await,
    }
}

async fn clean(place: &Place, archive: &Arc<Archive>, jobs: usize, progress: &Progress) -> Result<Loaded, EngineError> {
    let mut warnings = Vec::new();
    match place.connect_if_exists().await? {
        Some(session) => session.close().await,
        None => warnings = swap::create(place, &place.database, &archive.manifest().server).await?,
    }
    fault::point("pg.load.created");
    let mut loaded = load::fill(place, archive, jobs, progress).await?;
    loaded.warnings.splice(0..0, warnings);
    Ok(loaded)
}
