//! Which way an archive takes into a database.

use super::super::frames::shared;
use super::super::{EngineError, LoadMode, Loaded, Standing};
use super::connect::Place;
use super::{cluster, in_place, load, names, swap};
use crate::archive::Archive;
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
    let archive = shared(archive, mode)?;
    let manifest = archive.manifest();
    let mut session = place.connect_to_server().await?;
    let flavour = session.version.name();
    if manifest.server.flavour != flavour {
        let what = format!("it is of a {} database and {} is {flavour}", manifest.server.flavour, place.location());
        return Err(EngineError::Unfit(what));
    }
    let objections = names::objections(&mut session, &archive).await?;
    if mode == LoadMode::Replace {
        // Again, for a node may have joined since this was planned.
        cluster::demand_alone(&mut session).await?;
    }
    session.close().await;
    if !objections.is_empty() {
        return Err(EngineError::Unfit(objections.join("; ")));
    }
    let jobs = jobs.max(1);
    // What a crash left may be where this is to go: old content that gets its place back, or new content that is finished. Neither is what
    // whoever asks took for nobody's.
    let standing = match standing {
        _ if swap::settle(place).await?.is_empty() => standing,
        Standing::Nobodys => Standing::Rowless,
        standing => standing,
    };
    match mode {
        LoadMode::Clean => load::clean(place, &archive, jobs, progress).await,
        LoadMode::DataOnly => in_place::load_data(place, &archive, standing, progress).await,
        LoadMode::Replace => swap::replace(place, &archive, standing, jobs, progress).await,
    }
}
