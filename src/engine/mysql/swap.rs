//! Taking a database's place: a scratch database beside it is filled and compared, then its tables and the old ones change
//! places in one statement.
//!
//! Owns the databases `DB__upkeep_new` and `DB__upkeep_old`, and a table of notes in them that moves from the one to the other
//! in that same statement: where it is says whether the old content or the new has the place, and what it says is all that
//! [`settle`] needs. Before it comes the fence: the old tables move out first, in a statement of their own, for neither server has a
//! lock that several connections could read under and that lasts through a `RENAME TABLE` (MariaDB refuses one under `LOCK TABLES`). Where
//! they are then nobody looks for them, and there they are proved to be what an archive keeps. Invariant: until the exchange the old content
//! can be as it was, after it the new content can be finished; held by `tests/it/mysql_restore.rs` and `tests/it/mysql_fence.rs`.

mod defaults;
mod exchange;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::replace::names::{Longest, Names};
use super::super::replace::states::Left;
use super::super::{EngineError, Loaded, Standing};
use super::connect::{Place, Session, literal, quote};
use super::errors::number_of_error;
use super::fence::{Held, written};
use super::foreign::{self, Dangling};
use super::load::{self, aside, objects};
use super::{catalog, in_place, others};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::failure::Chain;
use crate::fault;
use crate::progress::Progress;
use exchange::Exchange;

/// How long a database's name may be.
pub(super) const LONGEST_NAME: Longest = Longest::Characters(64);
/// How long an exchange that is under way is waited for, in seconds: the server ends it, or its session, well before.
const LOCK_WITHIN: u32 = 120;

fn names_of(database: &str) -> Names {
    Names::of(database, LONGEST_NAME)
}

/// Which database an archive is loaded into before it takes another's place.
pub(super) fn beside_of(database: &str) -> String {
    names_of(database).new
}

/// How often the fence is raised anew where somebody makes views, routines or events meanwhile, or tables of names that are needed.
const ATTEMPTS: u32 = 5;
/// `ER_TABLE_EXISTS_ERROR`.
const TABLE_EXISTS: u16 = 1050;

/// Puts an archive in the place of a database.
pub(super) async fn replace(
    place: &Place,
    archive: &Arc<Archive>,
    standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let Some(mut session) = place.connect_if_exists().await? else {
        return load::clean(place, archive, jobs, progress).await;
    };
    let users = others::lasting_sessions(&mut session).await?;
    let outside = references_from_outside(&mut session).await?;
    let own = catalog::identify(&mut session).await?;
    let stays = foreign::immovable(&mut session).await?.is_some();
    // What says itself that it is a part of an archive is nobody's, whoever asks: nor would an archive be made of it.
    let standing = if in_place::is_half(&mut session).await? { Standing::Nobodys } else { standing };
    session.close().await;
    if !users.is_empty() {
        return Err(EngineError::InUse { location: place.location(), sessions: users });
    }
    if let Some(outside) = outside {
        return Err(EngineError::Inexact {
            what: format!("{outside} refers to a table of database {}, which is to be replaced", place.database),
            hint: "drop that foreign key for the time of the restore, and make it again afterwards".to_owned(),
        });
    }
    let names = names_of(&place.database);
    let mut held = Held::new(standing);
    // Who may make the one and not the other may not exchange. The second holds the old content for a while, and is like its own.
    for (name, like) in [(&names.new, &archive.manifest().server), (&names.old, &own)] {
        match load::create(place, name, like).await {
            Err(EngineError::Privilege { .. }) => {
                settle(place).await?;
                return in_place::replace(place, archive, &mut held, jobs, progress).await;
            }
            other => other?,
        }
    }
    fault::point("my.load.created");
    let replaced = match try_schema(place, &names, archive, stays, jobs, progress).await {
        Ok(Some(moved)) => beside(place, &names, archive, moved, &mut held, jobs, progress).await.map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    match replaced {
        Ok(Some(loaded)) => Ok(loaded),
        Ok(None) => {
            settle(place).await?;
            in_place::replace(place, archive, &mut held, jobs, progress).await
        }
        Err(error) => {
            // The error at hand is the one to report; what cannot be undone now, `settle` undoes or finishes later.
            if let Err(why) = settle(place).await {
                let aside = &names.old;
                tracing::error!(database = %place.database, error = %why, "not put back yet: what cannot be found in it stands in {aside}");
            }
            Err(error)
        }
    }
}

/// Makes the tables in the scratch database; says which are not where they were. `None` where the server would not move what is in either
/// database: then the whole schema was tried, for the other way drops first.
async fn try_schema(
    place: &Place,
    names: &Names,
    archive: &Arc<Archive>,
    stays: bool,
    jobs: usize,
    progress: &Progress,
) -> Result<Option<Vec<String>>, EngineError> {
    let scratch = place.beside(&names.new);
    let moved = load::make_tables(&scratch, archive, progress).await?;
    let mut session = scratch.connect().await?;
    let stays = stays || foreign::immovable(&mut session).await?.is_some();
    session.close().await;
    if stays {
        load::try_out(&scratch, archive, jobs).await?;
        return Ok(None);
    }
    Ok(Some(moved))
}

/// Fills the scratch database, tries everything that comes after the exchange, and exchanges.
async fn beside(
    place: &Place,
    names: &Names,
    archive: &Arc<Archive>,
    moved: Vec<String>,
    held: &mut Held<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let scratch = place.beside(&names.new);
    let mut loaded = load::fill_tables(&scratch, archive, jobs, progress).await?;
    loaded.warnings.splice(0..0, moved);
    progress.phase("trying the schema", 0);
    let all = objects::of(archive).await?;
    let mut session = load::open(&scratch, archive).await?;
    objects::try_out(&mut session, &all).await?;
    objects::drop_all(&mut session).await?;
    let dangling = Dangling::take_out(&mut session).await?;
    session.close().await;
    fault::point("my.load.tried");
    let head = load::statements(archive, FrameKind::Header).await?;
    let mut session = place.connect().await?;
    lock(&mut session).await?;
    let exchange = Exchange::new(names.clone());
    let mut attempt = 1;
    let beside = loop {
        exchange.note(&mut session, &archive.manifest().server, &head, &all, &dangling).await?;
        match fenced_exchange(&mut session, &exchange, held, jobs, progress).await? {
            Some(beside) => break beside,
            None if attempt < ATTEMPTS => attempt += 1,
            None => return Err(written(place, "it makes views, routines or events again and again")),
        }
    };
    session.close().await;
    fault::point("my.swap.renamed");
    loaded.kept = held.kept();
    let late = |table| format!("table {table} was made while the archive took its place, and was left beside it");
    loaded.warnings.extend(beside.into_iter().map(late));
    // From here on the new content has the place: whatever happens, it is finished and not undone.
    let finished = match finish(place, &exchange).await {
        Err(EngineError::Lost { .. }) => finish(place, &exchange).await,
        other => other,
    };
    // Nor is it a failure any more: the archive's rows have the place, and `settle` makes what is missing.
    loaded.warnings.extend(finished.unwrap_or_else(|error| {
        let what = "the archive's content has the place, and views, routines, triggers or events may be missing";
        vec![format!("{what}: {}; the next command of upkeep goes on with them", Chain(&error))]
    }));
    Ok(loaded)
}

/// Raises the fence, sees to it that what is behind it may go, and exchanges; tables that were made meanwhile and stay. `None` where
/// something else was made that no archive has: then all is as it was.
async fn fenced_exchange(
    session: &mut Session,
    exchange: &Exchange,
    held: &mut Held<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Option<BTreeSet<String>>, EngineError> {
    let place = session.place().clone();
    let kept = exchange.kept(session).await?;
    aside::drop_all(session, &kept).await?;
    fault::point("my.swap.cleared");
    // Who came since the load began, or an event of the old content that still runs, would write into the new.
    let users = others::lasting_sessions(session).await?;
    if !users.is_empty() {
        return Err(EngineError::InUse { location: place.location(), sessions: users });
    }
    let old = place.beside(&exchange.names().old);
    for _ in 0..ATTEMPTS {
        // What was made since the last time goes after the others, and is in the proof with them.
        exchange.move_out(session).await?;
        fault::point("my.swap.fenced");
        progress.phase("looking for what was written meanwhile", 0);
        held.may_go(&old, jobs, progress).await?;
        fault::point("my.swap.proved");
        if exchange.has_other_objects(session).await? {
            undo(session, exchange).await?;
            return Ok(None);
        }
        progress.phase("swapping", 0);
        match exchange.rename(session).await {
            Ok(()) => return exchange.left_beside(session).await.map(Some),
            Err(error) if number_of_error(&error) == Some(TABLE_EXISTS) => {}
            // The server may have done it all the same, and then the answer is yes.
            Err(EngineError::Lost { .. }) if is_exchanged(&place, exchange).await => return Ok(Some(BTreeSet::new())),
            Err(error) => return Err(error),
        }
    }
    Err(written(&place, "it makes tables again and again that are about to be replaced"))
}

/// Whether an exchange whose answer was lost was done. Waits for the session that asked for it.
async fn is_exchanged(place: &Place, exchange: &Exchange) -> bool {
    let look = async {
        let mut session = place.connect().await?;
        lock(&mut session).await?;
        let state = exchange.state(&mut session).await;
        session.close().await;
        state
    };
    look.await.is_ok_and(|state| state == Left::Exchanged)
}

/// Puts the old content back as it was before its fence.
async fn undo(session: &mut Session, exchange: &Exchange) -> Result<Vec<String>, EngineError> {
    let mut done = exchange.move_back(session).await?;
    fault::point("my.settle.moved");
    let kept = exchange.kept(session).await?;
    let put = aside::put_back(session, &kept).await?;
    let own = &exchange.names().own;
    done.extend(put.told().map(|many| format!("database {own}: the old content has its {many} again")));
    done.extend(put.changed);
    fault::point("my.settle.undone");
    Ok(done)
}

/// Refuses to look at a database whose content stands out of reach: it would look empty.
pub(super) async fn demand_in_place(session: &mut Session) -> Result<(), EngineError> {
    let names = names_of(&session.place().database);
    let old = names.old.clone();
    if !load::exists(session, &old).await? || !exchange::holds_tables(session, &old).await? {
        return Ok(());
    }
    let state = Exchange::new(names).state(session).await?;
    if !matches!(state, Left::Fenced | Left::Begun) {
        return Ok(());
    }
    let sessions = vec![format!(
        "a restore, which keeps the tables in database {old} meanwhile; where it was cut short, the next puts them back"
    )];
    Err(EngineError::InUse { location: session.place().location(), sessions })
}

async fn finish(place: &Place, exchange: &Exchange) -> Result<Vec<String>, EngineError> {
    let mut session = place.connect().await?;
    lock(&mut session).await?;
    let warnings = exchange.finish(&mut session).await?;
    session.close().await;
    Ok(warnings)
}

/// One exchange of a database at a time; the lock goes with the session, which outlives a killed client until its statement is
/// done.
async fn lock(session: &mut Session) -> Result<(), EngineError> {
    session.wait_for_backups().await?;
    let name = format!("upkeep.{}", &blake3::hash(session.place().database.as_bytes()).to_hex()[..16]);
    let sql = format!("SELECT GET_LOCK({}, {LOCK_WITHIN})", literal(&name));
    if session.number("lock the exchange of databases", &sql).await? == 1 {
        return Ok(());
    }
    let sessions = vec![format!("an exchange that is under way (lock {name})")];
    Err(EngineError::InUse { location: session.place().location(), sessions })
}

/// A foreign key of another database to a table of this one: after an exchange it would hold on to the old table.
async fn references_from_outside(session: &mut Session) -> Result<Option<String>, EngineError> {
    let sql = "SELECT CONCAT('foreign key ', CONSTRAINT_NAME, ' of table ', TABLE_SCHEMA, '.', TABLE_NAME) \
        FROM information_schema.KEY_COLUMN_USAGE WHERE CAST(REFERENCED_TABLE_SCHEMA AS BINARY) = CAST(DATABASE() AS BINARY) \
        AND CAST(TABLE_SCHEMA AS BINARY) <> CAST(DATABASE() AS BINARY) LIMIT 1";
    session.text("look for foreign keys of other databases", sql).await
}

/// Whether the new content has the place of the session's database and is not finished: views, routines, triggers and events may be
/// missing.
pub(super) async fn is_unfinished(session: &mut Session) -> Result<bool, EngineError> {
    let names = names_of(&session.place().database);
    Exchange::new(names).is_unfinished(session).await
}

/// Finishes or undoes what a crash left; says what it did.
pub(super) async fn settle(place: &Place) -> Result<Vec<String>, EngineError> {
    let names = names_of(&place.database);
    let mut session = place.connect_to_server().await?;
    let (new, old) = (load::exists(&mut session, &names.new).await?, load::exists(&mut session, &names.old).await?);
    let own = load::exists(&mut session, &names.own).await?;
    session.close().await;
    let mut done = Vec::new();
    if own && (new || old) {
        let mut session = place.connect().await?;
        lock(&mut session).await?;
        done = settle_exchange(&mut session, &Exchange::new(names)).await?;
        session.close().await;
    } else if new || old {
        let mut session = place.connect_to_server().await?;
        for name in [(new, &names.new), (old, &names.old)].into_iter().filter(|(is_there, _)| *is_there).map(|(_, name)| name) {
            // Whoever dropped the database itself in the middle of an exchange may want what it was.
            done.push(match name == &names.old && exchange::holds_tables(&mut session, name).await? {
                true => format!("database {name}: what {0} was before, left alone, because {0} itself is gone", names.own),
                false => drop_unfinished(&mut session, name).await?,
            });
        }
        session.close().await;
    }
    if own {
        done.extend(in_place::settle(place).await?);
    }
    Ok(done)
}

async fn settle_exchange(session: &mut Session, exchange: &Exchange) -> Result<Vec<String>, EngineError> {
    let Names { own, new, old } = exchange.names();
    let state = exchange.state(session).await?;
    let mut done = Vec::new();
    match state {
        Left::Exchanged | Left::Begun => {
            if state == Left::Begun {
                exchange.rename(session).await?;
                fault::point("my.settle.renamed");
            }
            done = exchange.finish(session).await?;
            done.insert(0, format!("database {own}: finished putting the compared archive's content in place"));
        }
        Left::Fenced | Left::Loading | Left::Nothing => {
            if state == Left::Fenced {
                if exchange::holds_tables(session, old).await? {
                    done.push(format!("database {own}: the old content is back in place"));
                }
                done.extend(undo(session, exchange).await?);
            }
            for name in [old, new] {
                if load::exists(session, name).await? {
                    done.push(drop_unfinished(session, name).await?);
                }
            }
        }
        Left::Foreign => done.push(format!(
            "database {old} beside {own}: upkeep did not leave these databases like this; \
                    check them and drop them by hand"
        )),
    }
    Ok(done)
}

async fn drop_unfinished(session: &mut Session, name: &str) -> Result<String, EngineError> {
    drop_database(session, name).await?;
    Ok(format!("database {name}: dropped; it was an unfinished load"))
}

async fn drop_database(session: &mut Session, name: &str) -> Result<(), EngineError> {
    let doing = format!("drop database {name}");
    session.wait_for_backups().await?;
    session.run(&doing, "SET SESSION foreign_key_checks = 0").await?;
    session.run(&doing, &format!("DROP DATABASE IF EXISTS {}", quote(name))).await
}
