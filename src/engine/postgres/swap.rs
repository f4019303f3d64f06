//! Taking a database's place: a scratch database beside it is filled and compared, then names are exchanged.
//!
//! Order: fill and compare the new content, which may take hours and keeps nobody away; **fence** the old content by taking its name
//! away, which the server does only when nobody is in it; prove that it is kept, or archive it; mark the new content; give it the name. A
//! crash before the mark leaves the old content to get its name back, one after it leaves the new content to be given the name
//! (`settle`). Invariant: nobody writes to the old content between its proof and its end; held by `tests/it/replaced.rs` and
//! `tests/it/postgres_restore.rs`.

use std::sync::Arc;

use super::super::passing::Patience;
use super::super::replace::names::Names;
use super::super::{EngineError, Loaded, Standing};
use super::connect::{Place, Session};
use super::create::create;
use super::marks::{look, mark, names_of, rename, unmark};
use super::settle::{settle, tidy};
use super::{catalog, likeness, load, members, proof, survey};
use crate::archive::Archive;
use crate::failure::Chain;
use crate::fault;
use crate::progress::Progress;

/// How often the old content's name is taken away in vain before that is an error. The server itself waits five seconds each time for
/// those who are leaving, so this is half a minute of somebody new each time.
const FENCES: u32 = 6;

/// Puts an archive in the place of a database that is there.
pub(super) async fn replace(
    place: &Place,
    archive: &Arc<Archive>,
    standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let names = names_of(place);
    demand_free(place, &names).await?;
    match beside(place, &names, archive, standing, jobs, progress).await {
        Ok(loaded) => Ok(loaded),
        Err(error) => {
            // The error at hand is the one to report; what cannot be undone now, the next `settle` undoes.
            settle(place).await.ok();
            Err(error)
        }
    }
}

/// What an earlier exchange left and could not drop is in the way of this one, and better known now than after the load.
async fn demand_free(place: &Place, names: &Names) -> Result<(), EngineError> {
    let mut session = place.connect_to_maintenance().await?;
    for name in [&names.new, &names.old] {
        if look(&mut session, name).await?.is_there {
            return Err(EngineError::Inexact {
                what: format!("database {name} is in the way of replacing what database {} holds", names.own),
                hint: format!(
                    "it is what {} was before it was replaced, or the beginning of a load: look what is in it, then drop it",
                    names.own
                ),
            });
        }
    }
    session.close().await;
    Ok(())
}

async fn beside(
    place: &Place,
    names: &Names,
    archive: &Arc<Archive>,
    standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let warnings = make_scratch(place, names).await?;
    fault::point("pg.load.created");
    let mut loaded = load::fill(&place.beside(&names.new), archive, load::Views::Refresh, jobs, progress).await?;
    loaded.warnings.splice(0..0, warnings);
    progress.phase("fencing what is replaced", 0);
    let old = place.beside(&names.old);
    fence(place, names).await?;
    fault::point("pg.swap.fenced");
    if !matches!(standing, Standing::Nobodys) {
        members::demand_same(&old, &place.beside(&names.new), place).await?;
    }
    let histories: Vec<String> = archive.manifest().shape.histories.iter().map(|history| history.table.clone()).collect();
    loaded.kept = proof::hold_to(&old, place, standing, &histories, jobs, progress).await?;
    fault::point("pg.swap.proved");
    progress.phase("swapping", 0);
    let mut session = place.connect_to_maintenance().await?;
    let other = "try again: an archive is loaded inside a database that has a slot, and the slot stays; or, ";
    likeness::demand_no_slot(&mut session, &names.old, other).await?;
    // Under the fence, for whoever changed a setting while the archive was loaded was not kept away either.
    for statement in likeness::statements(&mut session, &names.new, &names.old).await? {
        session.run("give the new database the old one's settings", &statement).await?;
    }
    mark(&mut session, &names.new, &names.old, archive.manifest().label.as_str()).await?;
    session.close().await;
    fault::point("pg.swap.marked");
    let told = match publish(place, names).await {
        Ok(told) => told,
        // Perhaps it happened, or can be made up for: the mark and the names say so.
        Err(error) => match settle(place).await {
            Ok(settled) if settled.finished => settled.lines,
            _ => return Err(error),
        },
    };
    loaded.warnings.extend(told);
    Ok(loaded)
}

/// Makes the scratch database, and sees that it can be given all that the old one has.
async fn make_scratch(place: &Place, names: &Names) -> Result<Vec<String>, EngineError> {
    let mut session = place.connect().await?;
    let like = catalog::identify(&mut session).await?;
    let tablespace = likeness::tablespace(&mut session).await?;
    session.close().await;
    let warnings = create(place, &names.new, &like, tablespace.as_deref(), None).await?;
    let mut session = place.connect_to_maintenance().await?;
    let statements = likeness::statements(&mut session, &names.new, &names.own).await?;
    likeness::try_out(&mut session, &statements).await?;
    session.close().await;
    Ok(warnings)
}

/// Takes the old content's name away: from here on nobody finds it.
async fn fence(place: &Place, names: &Names) -> Result<(), EngineError> {
    let mut session = place.connect_to_maintenance().await?;
    let mut refused = None;
    for _ in 0..FENCES {
        let said = match rename(&mut session, &names.own, &names.old).await {
            Err(EngineError::InUse { sessions, .. }) => sessions,
            other => {
                session.close().await;
                return other;
            }
        };
        let users = survey::lasting_sessions(&mut session, &names.own).await?;
        if !users.is_empty() {
            return Err(EngineError::InUse { location: place.location(), sessions: users });
        }
        // Nobody who stays: those who passed have gone by now, or others pass.
        refused = Some(said);
    }
    Err(EngineError::InUse { location: place.location(), sessions: refused.unwrap_or_default() })
}

/// Gives the marked content the name. After it nothing is an error any more; what is left to do is told, and done by the next `settle`.
async fn publish(place: &Place, names: &Names) -> Result<Vec<String>, EngineError> {
    let mut session = place.connect_to_maintenance().await?;
    if let Err(error) = rename(&mut session, &names.new, &names.own).await {
        // An answer is an answer: it did not happen. Without one the names are asked.
        if let EngineError::Lost { .. } = error {
            session = reconnect(place).await?;
        }
        if !look(&mut session, &names.own).await?.is_marked {
            // What is told as failed must not be finished behind our back.
            unmark(&mut session, &names.new).await?;
            return Err(error);
        }
    }
    fault::point("pg.swap.published");
    let told = match tidy(place, &mut session).await {
        Ok(told) => told,
        Err(error) => Some(format!(
            "database {}: what was replaced is still there as {}, and goes at the next start: {}",
            names.own,
            names.old,
            Chain(&error)
        )),
    };
    fault::point("pg.swap.unmarked");
    session.close().await;
    Ok(told.into_iter().collect())
}

async fn reconnect(place: &Place) -> Result<Session, EngineError> {
    let mut patience = Patience::default();
    loop {
        match place.connect_to_maintenance().await {
            Err(_) if patience.lasts().await => {}
            other => return other,
        }
    }
}
