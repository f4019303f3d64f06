//! Taking a database's place: a scratch database beside it is filled and compared, then its tables and the old ones change
//! places in one statement.
//!
//! Owns the databases `DB__upkeep_new` and `DB__upkeep_old`, and a table of notes in them that moves from the one to the other
//! in that same statement: where it is says whether the old content or the new has the place, and what it says is all that
//! [`settle`] needs. Invariant: until the exchange the old content can be as it was, after it the new content can be finished;
//! held by `tests/it/mysql_restore.rs`.

mod exchange;

use std::sync::Arc;

use super::super::replace::names::{Longest, Names};
use super::super::replace::states::Left;
use super::super::{EngineError, Loaded};
use super::connect::{Place, Session, literal, quote};
use super::load::{self, aside, objects};
use super::{in_place, survey};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::fault;
use crate::progress::Progress;
use exchange::Exchange;

/// How long a database's name may be.
const LONGEST_NAME: Longest = Longest::Characters(64);
/// How long an exchange that is under way is waited for, in seconds: the server ends it, or its session, well before.
const LOCK_WITHIN: u32 = 120;

fn names_of(database: &str) -> Names {
    Names::of(database, LONGEST_NAME)
}

/// Which database an archive is loaded into before it takes another's place.
pub(super) fn beside_of(database: &str) -> String {
    names_of(database).new
}

/// Puts an archive in the place of a database.
pub(super) async fn replace(
    place: &Place,
    archive: &Arc<Archive>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    settle(place).await?;
    let Some(mut session) = place.connect_if_exists().await? else {
        return load::clean(place, archive, jobs, progress).await;
    };
    let users = survey::lasting_sessions(&mut session).await?;
    let outside = references_from_outside(&mut session).await?;
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
    // Who may make the one and not the other may not exchange.
    for name in [&names.new, &names.old] {
        match load::create(place, name, &archive.manifest().server).await {
            Err(EngineError::Privilege { .. }) => {
                settle(place).await?;
                return in_place::replace(place, archive, jobs, progress).await;
            }
            other => other?,
        }
    }
    fault::point("my.load.created");
    match beside(place, &names, archive, jobs, progress).await {
        Ok(loaded) => Ok(loaded),
        Err(error) => {
            // The error at hand is the one to report; what cannot be undone now, `settle` undoes or finishes later.
            settle(place).await.ok();
            Err(error)
        }
    }
}

/// Fills the scratch database, tries everything that comes after the exchange, and exchanges.
async fn beside(
    place: &Place,
    names: &Names,
    archive: &Arc<Archive>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let scratch = place.beside(&names.new);
    let mut loaded = load::fill(&scratch, archive, jobs, progress).await?;
    progress.phase("trying the schema", 0);
    let all = objects::of(archive).await?;
    let mut session = load::open(&scratch, archive).await?;
    objects::try_out(&mut session, &all).await?;
    objects::drop_all(&mut session).await?;
    session.close().await;
    fault::point("my.load.tried");
    progress.phase("swapping", 0);
    let head = load::statements(archive, FrameKind::Header).await?;
    let mut session = place.connect().await?;
    lock(&mut session).await?;
    let exchange = Exchange::new(names.clone());
    exchange.note(&mut session, &archive.manifest().server, &head, &all).await?;
    let kept = exchange.kept(&mut session).await?;
    aside::drop_all(&mut session, &kept).await?;
    fault::point("my.swap.cleared");
    // Who came since the load began, or an event of the old content that still runs, would write into the new.
    let users = survey::lasting_sessions(&mut session).await?;
    if !users.is_empty() {
        return Err(EngineError::InUse { location: place.location(), sessions: users });
    }
    exchange.rename(&mut session).await?;
    session.close().await;
    fault::point("my.swap.renamed");
    // From here on the new content has the place: whatever happens, it is finished and not undone.
    let finished = match finish(place, &exchange).await {
        Err(EngineError::Lost { .. }) => finish(place, &exchange).await,
        other => other,
    };
    loaded.warnings.extend(finished?);
    Ok(loaded)
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
                true => format!("database {name}: what {0} was before, left alone, for {0} itself is gone", names.own),
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
            done.insert(0, format!("database {own}: finished taking the compared archive's content in"));
        }
        Left::Fenced | Left::Loading | Left::Nothing => {
            if state == Left::Fenced {
                let kept = exchange.kept(session).await?;
                let put = aside::put_back(session, &kept).await?;
                done.extend(put.told().map(|many| format!("database {own}: the old content has its {many} again")));
                done.extend(put.changed);
                fault::point("my.settle.undone");
            }
            for name in [old, new] {
                if load::exists(session, name).await? {
                    done.push(drop_unfinished(session, name).await?);
                }
            }
        }
        Left::Foreign => done.push(format!("database {old} beside {own}: not of our making in this order, left alone")),
    }
    Ok(done)
}

async fn drop_unfinished(session: &mut Session, name: &str) -> Result<String, EngineError> {
    drop_database(session, name).await?;
    Ok(format!("database {name}: dropped, an unfinished load"))
}

async fn drop_database(session: &mut Session, name: &str) -> Result<(), EngineError> {
    let doing = format!("drop database {name}");
    session.wait_for_backups().await?;
    session.run(&doing, "SET SESSION foreign_key_checks = 0").await?;
    session.run(&doing, &format!("DROP DATABASE IF EXISTS {}", quote(name))).await
}
