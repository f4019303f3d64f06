//! Which way an archive takes into a database. Above the files that know one way each; none of them imports this one.

use std::sync::Arc;

use super::super::frames::shared;
use super::super::{EngineError, LoadMode, Loaded, MayRestore, Standing};
use super::connect::{Place, Session, quote};
use super::create::create_as_archived;
use super::marks::names_of;
use super::settle::settle;
use super::{in_place, likeness, load, standby, survey, swap};
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
    let archive = shared(archive, mode)?;
    let manifest = archive.manifest();
    if manifest.server.flavour != "postgresql" {
        return Err(EngineError::Unfit(format!("it holds a {} database", manifest.server.flavour)));
    }
    let (place, jobs) = (&place.for_archive(&manifest.server).await, jobs.max(1));
    match mode {
        LoadMode::Clean => clean(place, &archive, jobs, progress).await,
        LoadMode::DataOnly => in_place::load_data(place, &archive, standing, progress).await,
        LoadMode::Replace => replace(place, &archive, standing, jobs, progress).await,
    }
}

async fn clean(place: &Place, archive: &Arc<Archive>, jobs: usize, progress: &Progress) -> Result<Loaded, EngineError> {
    let mut warnings = Vec::new();
    match place.connect_if_exists().await? {
        Some(mut session) => {
            standby::demand_primary(&mut session).await?;
            session.close().await;
        }
        None => warnings = create_as_archived(place, &archive.manifest().server, None).await?,
    }
    fault::point("pg.load.created");
    let mut loaded = load::fill(place, archive, load::Views::Refresh, jobs, progress).await?;
    loaded.warnings.splice(0..0, warnings);
    Ok(loaded)
}

async fn replace(
    place: &Place,
    archive: &Arc<Archive>,
    standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    settle(place).await?;
    let Some(mut session) = place.connect_if_exists().await? else { return clean(place, archive, jobs, progress).await };
    let may = may_restore(&mut session).await?;
    let users = survey::lasting_sessions(&mut session, &place.database).await?;
    session.close().await;
    if !users.is_empty() {
        return Err(EngineError::InUse { location: place.location(), sessions: users });
    }
    match may {
        MayRestore::Beside => swap::replace(place, archive, standing, jobs, progress).await,
        MayRestore::InPlace(_) => in_place::replace(place, archive, standing, jobs, progress).await,
        MayRestore::Not(grant) => Err(may_not(place, grant)),
    }
}

/// What a replacement of what is there would meet, known before anything is begun: how it would be made where that is not the usual way.
///
/// # Errors
/// Why it could not be made at all.
pub(super) async fn may_replace(place: &Place) -> Result<Option<String>, EngineError> {
    let Some(mut session) = place.connect_if_exists().await? else { return Ok(None) };
    let may = may_restore(&mut session).await?;
    session.close().await;
    match may {
        MayRestore::Beside => Ok(None),
        MayRestore::InPlace(grant) => Ok(Some(format!(
            "it is loaded inside the database, over one connection and so slower; to load it beside and exchange the two: {grant}"
        ))),
        MayRestore::Not(grant) => Err(may_not(place, grant)),
    }
}

/// Which way a restore may go.
///
/// # Errors
/// What keeps every restore from replacing what is in the session's database, with the way out.
pub(super) async fn may_restore(session: &mut Session) -> Result<MayRestore, EngineError> {
    standby::demand_primary(session).await?;
    let names = names_of(session.place());
    let may = likeness::may_restore(session, &names).await?;
    if let MayRestore::InPlace(_) = may {
        in_place::demand_room(session, in_place::REPLACING, true).await?;
    }
    Ok(may)
}

fn may_not(place: &Place, grant: String) -> EngineError {
    let what = format!("replace what database {} holds", quote(&place.database));
    EngineError::Privilege { user: place.user().to_owned(), what, grant }
}
