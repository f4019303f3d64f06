//! Finishing or undoing what a crash left of an exchange. Needs nothing but the names and the mark.
//!
//! What cannot be dropped yet is told and left for the next time: it is beside the database, and in nobody's way.

use super::super::EngineError;
use super::super::replace::names::Names;
use super::super::replace::states::{Left, Seen, by_names};
use super::connect::{Place, Session};
use super::marks::{drop_database, look, names_of, rename, unmark};
use super::subscriptions::Which;
use crate::failure::{Chain, Explain as _};
use crate::fault;

/// What settling did.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// For people.
    pub(super) lines: Vec<String>,
    /// Whether the new content was given the place.
    pub(super) finished: bool,
}

/// Finishes or undoes.
pub(super) async fn settle(place: &Place) -> Result<Settled, EngineError> {
    let names = names_of(place);
    let mut session = place.connect_to_maintenance().await?;
    let mut settled = Settled::default();
    // What is dropped beside a database that still has its mark leaves the mark to be taken off: one more look.
    for _ in 0..2 {
        if !step(place, &mut session, &names, &mut settled).await? {
            break;
        }
    }
    session.close().await;
    Ok(settled)
}

/// One state; whether it may have left another.
async fn step(place: &Place, session: &mut Session, names: &Names, settled: &mut Settled) -> Result<bool, EngineError> {
    let Names { own, new, old } = names;
    let [own_seen, new_seen, old_seen]: [Seen; 3] =
        [look(session, own).await?, look(session, new).await?, look(session, old).await?];
    let lines = &mut settled.lines;
    match by_names(own_seen, new_seen, old_seen) {
        Left::Nothing => Ok(false),
        Left::Begun => {
            rename(session, new, own).await?;
            settled.finished = true;
            fault::point("pg.settle.renamed");
            lines.push(format!("database {own}: finished putting the compared archive's content in place"));
            let told = tidy(place, session).await?;
            lines.extend(told.clone());
            Ok(told.is_none())
        }
        Left::Exchanged => {
            let told = tidy(place, session).await?;
            let tidied = told.is_none();
            lines.push(told.unwrap_or_else(|| format!("database {own}: tidied up after its content was replaced")));
            Ok(tidied)
        }
        Left::Fenced => {
            rename(session, old, own).await?;
            fault::point("pg.settle.renamed");
            lines.push(format!("database {own}: the old content has its name back"));
            lines.extend(dropped(session, &place.beside(new), Which::All).await?.err());
            Ok(false)
        }
        Left::Loading => {
            let dropped = dropped(session, &place.beside(new), Which::All).await?;
            let gone = dropped.is_ok();
            lines.push(dropped.map_or_else(|why| why, |()| format!("database {new}: dropped; it was an unfinished load")));
            Ok(gone)
        }
        Left::Foreign => {
            let more = if new_seen.is_there { format!(" and {new}") } else { String::new() };
            lines.push(format!(
                "database {old}{more} beside {own}: upkeep did not leave these databases like this; \
                    check them and drop them by hand"
            ));
            Ok(false)
        }
    }
}

/// Drops what has been replaced, and then the mark, which says that it has been. Says what could not be done yet.
pub(super) async fn tidy(place: &Place, session: &mut Session) -> Result<Option<String>, EngineError> {
    let Names { own, old, .. } = names_of(place);
    let told = dropped(session, &place.beside(&old), Which::Idle).await?.err();
    fault::point("pg.settle.dropped");
    if told.is_none() {
        unmark(session, &own).await?;
    }
    Ok(told)
}

/// Drops a database; the inner error is what keeps it from being dropped now, for people.
async fn dropped(session: &mut Session, place: &Place, which: Which) -> Result<Result<(), String>, EngineError> {
    match drop_database(session, place, which).await {
        Ok(()) => Ok(Ok(())),
        Err(error @ (EngineError::Lost { .. } | EngineError::Connect { .. })) => Err(error),
        Err(error) => {
            let name = &place.database;
            let next = error.hints().into_iter().map(|hint| format!("; {hint}")).collect::<String>();
            Ok(Err(format!("database {name}: is no longer needed but could not be dropped yet: {}{next}", Chain(&error))))
        }
    }
}
