//! Loading into a database that stays where it is: rows into the shape their migrations made, or a replacement where the
//! account may not create databases.
//!
//! Rows alone are one transaction as far as the tables' engines know any. A replacement cannot be: every change of a schema
//! commits. It relies on its caller, who has archived what is there or knows that nobody needs it, and leaves a table that says
//! that the content is not whole until it is; dumps refuse it, surveys tell of it, and the same load begins anew
//! (`docs/decisions/`).

mod beside;

use std::sync::Arc;

use super::super::crew::Stop;
use super::super::frames::frames_of;
use super::super::memory::{self, SQL_TENTHS};
use super::super::{EngineError, Loaded, Standing};
use super::catalog;
use super::compare;
use super::connect::{Place, Session, literal, quote};
use super::encryption;
use super::fence::{Held, written};
use super::load::aside::{self, Kept, Put};
use super::load::{self, objects, run_one};
use super::locks::Locks;
use super::notes::Notes;
use super::ours::UNFINISHED_LOAD;
use super::relation::Relation;
use super::routine_grants;
use crate::archive::Archive;
use crate::archive::manifest::{FrameKind, Table};
use crate::fault;
use crate::progress::Progress;
use beside::Left;

/// The content is not whole.
const HALF: &str = "half";
/// A statement that gives a grant on a routine that was dropped.
const GRANT: &str = "grant";
/// A trigger that was set aside while rows arrived.
const TRIGGER: &str = "trigger";

fn notes(place: &Place) -> Notes {
    Notes::at(&place.database, UNFINISHED_LOAD)
}

/// Loads the rows into tables that are there, in place of whatever rows they hold.
pub(super) async fn load_data(
    place: &Place,
    archive: &Arc<Archive>,
    standing: Standing<'_>,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let mut session = load::open(place, archive).await?;
    let kept = set_aside(&mut session).await?;
    fault::point("my.load.cleared");
    let held = Held::new(standing);
    let loaded = match locked_exchange(&mut session, archive, &held, progress).await {
        Ok(loaded) => {
            fault::point("my.load.compared");
            session.run("commit the load", "COMMIT").await.map(|()| loaded)
        }
        Err(error) => {
            // Where the session is gone the server has undone it by itself.
            session.run("undo the load", "ROLLBACK").await.ok();
            Err(error)
        }
    };
    fault::point("my.load.committed");
    let loaded = match loaded {
        Ok(loaded) => settle_rows(&mut session, archive, loaded).await,
        Err(error) => Err(error),
    };
    session.close().await;
    if kept.is_empty() {
        return loaded;
    }
    let put = put_back(place).await?;
    loaded.map(|mut loaded| {
        loaded.warnings.extend(put.into_iter().flat_map(|put| put.changed));
        loaded
    })
}

/// What comes after the rows are there for good: counters, and a look for rows without parents, which names tables twice and so would need
/// locks of its own.
async fn settle_rows(
    session: &mut Session,
    archive: &Arc<Archive>,
    (mut loaded, locks): (Loaded, Locks),
) -> Result<Loaded, EngineError> {
    locks.let_go(session).await?;
    session.run("set up a session", "SET SESSION autocommit = ON").await?;
    move_counters(session, archive).await?;
    loaded.warnings.extend(compare::orphans(session).await?);
    Ok(loaded)
}

/// Locks the tables, sees that nobody has written to them since they were looked at, and exchanges the rows.
///
/// A statement that begins a transaction would let the locks go, so the session is one that never ends one by itself.
async fn locked_exchange(
    session: &mut Session,
    archive: &Arc<Archive>,
    held: &Held<'_>,
    progress: &Progress,
) -> Result<(Loaded, Locks), EngineError> {
    session.run("begin the load", "SET SESSION autocommit = OFF").await?;
    let mut locks = Locks::take(session, archive, None).await?;
    if !held.may_go_as_locked(session, &mut locks, progress).await? {
        return Err(written(session.place(), "it is not what the archive has that was taken of it"));
    }
    let loaded = exchange_rows(session, &mut locks, archive, progress).await?;
    Ok((loaded, locks))
}

/// Brings counters and sequences to where the archive has them.
async fn move_counters(session: &mut Session, archive: &Arc<Archive>) -> Result<(), EngineError> {
    for statement in load::statements(archive, FrameKind::Sequences).await? {
        run_one(session, &statement).await?;
    }
    Ok(())
}

/// Drops the triggers, which would fire for every row that arrives, and notes them for whoever puts them back.
async fn set_aside(session: &mut Session) -> Result<Vec<Kept>, EngineError> {
    let kept = aside::triggers(session).await?;
    if kept.is_empty() {
        return Ok(kept);
    }
    let notes = notes(session.place());
    notes.create(session).await?;
    for trigger in &kept {
        notes.write(session, TRIGGER, &trigger.note()?).await?;
    }
    fault::point("my.load.noted");
    aside::drop_all(session, &kept).await?;
    Ok(kept)
}

/// The tables without transactions first, as they are, then all others in one.
async fn exchange_rows(
    session: &mut Session,
    locks: &mut Locks,
    archive: &Arc<Archive>,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let relations = catalog::relations(session).await?;
    let manifest = archive.manifest();
    let relation = |name: &str| relations.iter().find(|relation| relation.name == name);
    let (inside, outside): (Vec<&Table>, Vec<&Table>) =
        manifest.tables.iter().partition(|table| relation(&table.name).is_none_or(Relation::in_snapshot));
    let mut warnings = Vec::new();
    let all = manifest.frames.iter().filter(|frame| frame.kind == FrameKind::Data);
    progress.phase("loading", all.map(|frame| frame.raw).sum());
    exchange_some(locks.outside(session), archive, &relations, &outside, progress).await?;
    exchange_some(session, archive, &relations, &inside, progress).await?;
    for table in outside {
        let why = "its storage engine has no transactions, so it alone could not have been undone";
        warnings.push(format!("table {}: {why}", table.name));
    }
    fault::point("my.load.loaded");
    let mut loaded = locks.compare(session, manifest, progress).await?;
    loaded.warnings.extend(warnings);
    Ok(loaded)
}

/// The rows of some tables, by a session that has their locks.
async fn exchange_some(
    session: &mut Session,
    archive: &Arc<Archive>,
    relations: &[Relation],
    tables: &[&Table],
    progress: &Progress,
) -> Result<(), EngineError> {
    let manifest = archive.manifest();
    for table in tables {
        let has_history = relations.iter().any(|relation| relation.name == table.name && relation.history);
        clear(session, table, has_history).await?;
    }
    for index in frames_of(archive, FrameKind::Data) {
        let table = manifest.frames[index].table.and_then(|table| manifest.tables.get(table as usize));
        if table.is_some_and(|table| tables.contains(&table)) {
            let _turn = memory::turn_of_frame(archive, index, SQL_TENTHS, progress).await?;
            load::load_frame(session, archive, index, progress, &Stop::default()).await?;
        }
    }
    Ok(())
}

async fn clear(session: &mut Session, table: &Table, history: bool) -> Result<(), EngineError> {
    let (doing, name) = (format!("clear table {}", table.name), quote(&table.name));
    session.run(&doing, &format!("DELETE FROM {name}")).await?;
    if history {
        session.run(&doing, &format!("DELETE HISTORY FROM {name}")).await?;
    }
    Ok(())
}

/// Takes everything out and puts the archive in.
pub(super) async fn replace(
    place: &Place,
    archive: &Arc<Archive>,
    held: &mut Held<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let mut session = load::open(place, archive).await?;
    let notes = notes(place);
    progress.phase("clearing", 0);
    if is_half(&mut session).await? {
        objects::drop_all(&mut session).await?;
        load::drop_tables(&mut session, &place.database, |name| name != UNFINISHED_LOAD).await?;
    } else {
        // A table that somebody makes after that is nobody's to drop.
        Box::pin(give_up_tables(&mut session, archive, held, progress)).await?;
        let elsewhere: Vec<String> = catalog::elsewhere(&mut session).await?.into_iter().map(|(name, _)| name).collect();
        load::drop_tables(&mut session, &place.database, |name| elsewhere.iter().any(|elsewhere| elsewhere == name)).await?;
    }
    fault::point("my.load.cleared");
    let altered = load::alter(&mut session, &place.database, &archive.manifest().server).await;
    session.close().await;
    let mut loaded = load::fill(place, archive, jobs, progress).await?;
    progress.phase("finishing the schema", 0);
    let mut session = load::open(place, archive).await?;
    loaded.warnings.extend(objects::make(&mut session, &objects::of(archive).await?).await?);
    loaded.warnings.extend(encryption::restore(&mut session, &archive.manifest().server).await?);
    let grants = notes.read(&mut session, GRANT).await?;
    loaded.warnings.extend(routine_grants::give(&mut session, &grants).await?);
    notes.remove(&mut session).await?;
    fault::point("my.load.finished");
    session.close().await;
    loaded.kept = held.kept();
    match altered {
        Err(EngineError::Privilege { .. }) => {
            let server = &archive.manifest().server;
            loaded.warnings.push(format!(
                "the database keeps its own character set: it may not be set to {} {} by user {}",
                server.charset,
                server.collation,
                place.user()
            ));
        }
        other => other?,
    }
    Ok(loaded)
}

/// How often content that is written to again and again is archived and looked at again.
const ATTEMPTS: u32 = 3;

/// Drops every table of content that an archive has, under locks that keep writers out from before the proof to the last drop. From the first
/// drop on the database says that it is half.
///
/// Nobody else can read under these locks, so content that no archive has yet is archived without them, and then looked at again.
async fn give_up_tables(
    session: &mut Session,
    archive: &Arc<Archive>,
    held: &mut Held<'_>,
    progress: &Progress,
) -> Result<(), EngineError> {
    let place = session.place().clone();
    let notes = notes(&place);
    for _ in 0..ATTEMPTS {
        notes.remove(session).await?;
        notes.create(session).await?;
        let grants = routine_grants::read(session).await?;
        let used = beside::used_by_triggers(session).await?;
        let mut locks = Locks::take(session, archive, Some(UNFINISHED_LOAD)).await?;
        fault::point("my.load.locked");
        let may_go = held.may_go_as_locked(session, &mut locks, progress).await;
        if let Ok(true) = may_go {
            for grant in &grants {
                notes.write(session, GRANT, grant).await?;
            }
            notes.write(session, HALF, archive.manifest().label.as_str()).await?;
            fault::point("my.load.noted");
            let put_off = match beside::drop_all(&place, &used).await {
                Ok(put_off) => put_off,
                Err((error, left)) => {
                    // Another's view may be his alone to drop. As long as all of them are there nothing is half, and nobody could write.
                    if left == Left::All {
                        notes.clear(session).await?;
                        locks.let_go(session).await?;
                        notes.remove(session).await?;
                    }
                    return Err(error);
                }
            };
            locks.drop_all(session).await?;
            locks.let_go(session).await?;
            return objects::drop_by(session, &put_off).await;
        }
        locks.let_go(session).await?;
        notes.remove(session).await?;
        may_go?;
        held.keep_unlocked(&place, progress).await?;
    }
    Err(written(&place, "each time it was archived there was something new in it"))
}

/// Whether the session's database holds what a load that did not end left of it.
pub(super) async fn is_half(session: &mut Session) -> Result<bool, EngineError> {
    Ok(is_noted(session).await? && !notes(session.place()).read(session, HALF).await?.is_empty())
}

/// The grants on routines that are noted by a replacement that was cut short.
pub(super) async fn noted_grants(session: &mut Session) -> Result<Vec<String>, EngineError> {
    if !is_half(session).await? {
        return Ok(Vec::new());
    }
    notes(session.place()).read(session, GRANT).await
}

async fn is_noted(session: &mut Session) -> Result<bool, EngineError> {
    let sql = format!("SHOW TABLES LIKE {}", literal(&UNFINISHED_LOAD.replace('_', "\\_")));
    Ok(!session.rows("look for an unfinished load", &sql).await?.is_empty())
}

/// Puts back what a load of rows alone had set aside. What a replacement left of a database stays as it is, and said to be so.
pub(super) async fn settle(place: &Place) -> Result<Vec<String>, EngineError> {
    let put = put_back(place).await?;
    Ok(put.map_or_else(Vec::new, |put| {
        let many = put.told().unwrap_or_else(|| "nothing".to_owned());
        let many = format!("database {}: {many} put back after an unfinished load", place.database);
        std::iter::once(many).chain(put.changed).collect()
    }))
}

/// Puts the triggers that were set aside back, if there are any.
async fn put_back(place: &Place) -> Result<Option<Put>, EngineError> {
    let mut session = place.connect().await?;
    let mut put = None;
    if is_noted(&mut session).await? && !is_half(&mut session).await? {
        session.wait_for_backups().await?;
        let notes = notes(place);
        let texts = notes.read(&mut session, TRIGGER).await?;
        let kept = texts.iter().map(|text| Kept::noted(text)).collect::<Result<Vec<_>, _>>()?;
        put = Some(aside::put_back(&mut session, &kept).await?);
        fault::point("my.settle.undone");
        notes.remove(&mut session).await?;
    }
    session.close().await;
    Ok(put)
}
