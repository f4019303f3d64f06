//! Loading into a database that stays where it is, in one transaction over one connection: all of it or nothing.
//!
//! For data into the shape its migrations made, and for replacing where the role may not create databases. Slower than a
//! parallel load, and safe to cut off at any point: the server itself undoes it. The fence is locks in that same transaction (`locks`).

mod drops;
mod locks;
mod objects;

use std::sync::Arc;

use super::super::crew::Stop;
use super::super::passing::Patience;
use super::super::{EngineError, Loaded, Standing};
use super::catalog::{BATCH, USER_SCHEMA};
use super::connect::{Place, Session, quote};
use super::{compare, large_objects, load, members, proof, schema, standby, subscriptions, survey};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::failure::Chain;
use crate::fault;
use crate::ids::Label;
use crate::progress::Progress;
use drops::drop_statements;
use locks::Locked;
use objects::Emptied;

/// How often what somebody else changes outside of the locks (a function, a large object) is archived before that is an error.
const ROUNDS: u32 = 3;

/// Loads the rows into tables that are there, in place of whatever rows they hold: none, for all that `standing` says.
pub(super) async fn load_data(
    place: &Place,
    archive: &Arc<Archive>,
    standing: Standing<'_>,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let mut session = begin(place, archive).await?;
    let done = async {
        demand_room(&mut session, "load the rows in one transaction", false).await?;
        let (_, kept) = fence(&mut session, archive, standing, 1, progress).await?;
        let loaded = exchange_rows(&mut session, archive, progress).await?;
        Ok(Loaded { kept, ..loaded })
    };
    match done.await {
        Ok(loaded) => commit(session, loaded).await,
        Err(error) => {
            session.abandon().await;
            Err(error)
        }
    }
}

/// Takes everything out and puts the archive in.
pub(super) async fn replace(
    place: &Place,
    archive: &Arc<Archive>,
    standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let mut session = begin(place, archive).await?;
    let done = async {
        demand_room(&mut session, REPLACING, true).await?;
        let (locked, kept) = fence(&mut session, archive, standing, jobs, progress).await?;
        let loaded = exchange_all(&mut session, archive, &locked, progress).await?;
        Ok(Loaded { kept, ..loaded })
    };
    match done.await {
        Ok(loaded) => commit(session, loaded).await,
        Err(error) => {
            session.abandon().await;
            Err(error)
        }
    }
}

/// Refuses when the one transaction would need more locks than the server has room for; `whole` where everything is dropped and made anew.
pub(super) async fn demand_room(session: &mut Session, doing: &str, whole: bool) -> Result<(), EngineError> {
    let relations = "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE oid >= 16384 AND relkind <> 'c')";
    // What is dropped is locked piece by piece, and what is made is a relation again.
    let others = if whole {
        "(SELECT pg_catalog.count(*) FROM (SELECT DISTINCT classid, objid FROM pg_catalog.pg_depend WHERE objid >= 16384) d)"
    } else {
        "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_constraint WHERE oid >= 16384 AND contype = 'f')"
    };
    let sql = format!("SELECT ({relations} + {others} + ({}))::text", objects::to_drop());
    let needed = session.text("count what is locked", &sql).await?.and_then(|number| number.parse().ok()).unwrap_or(0);
    super::locks::demand_room(session, doing, needed).await
}

/// What a replacement in one transaction does, completing "cannot …".
pub(super) const REPLACING: &str = "replace what the database holds in one transaction";

async fn begin(place: &Place, archive: &Arc<Archive>) -> Result<Session, EngineError> {
    let head = schema::for_server(&load::text(archive, FrameKind::Header).await?);
    let mut session = load::open(place, &head).await?;
    standby::demand_primary(&mut session).await?;
    // This commit is the one that publishes, so it must survive a crash of the server.
    session.run("begin", "SET synchronous_commit = on; BEGIN").await?;
    Ok(session)
}

/// Locks what is there, and holds it to what the load was told of it.
async fn fence(
    session: &mut Session,
    archive: &Arc<Archive>,
    standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<(Locked, Option<Label>), EngineError> {
    progress.phase("fencing what is replaced", 0);
    let place = session.place().clone();
    let mut locked = locks::take(session).await?;
    fault::point("pg.load.locked");
    let (known, keep) = match standing {
        Standing::Nobodys => return Ok((locked, None)),
        Standing::Rowless => {
            let histories: Vec<String> = archive.manifest().shape.histories.iter().map(|one| one.table.clone()).collect();
            return match survey::first_filled(session, &histories).await? {
                None => Ok((locked, None)),
                Some(table) => Err(EngineError::Filled { location: place.location(), table }),
            };
        }
        Standing::Kept { archive, keep } => (archive, keep),
    };
    if let Some(known) = known
        && proof::is_as_in(&place, known, jobs, progress).await?
    {
        return Ok((locked, None));
    }
    for _ in 0..ROUNDS {
        progress.phase("archiving what changed", 0);
        let kept = keep.keep(&place.as_database()).await;
        let kept = kept.map_err(|source| EngineError::NotKept { location: place.location(), source })?;
        // What the locks do not hold may have changed while it was archived, and a table been made.
        locked = locks::take(session).await?;
        if proof::is_as_in(&place, &kept, jobs, progress).await? {
            fault::point("pg.load.proved");
            return Ok((locked, Some(kept.manifest().label.clone())));
        }
    }
    Err(locks::moved(session))
}

/// Publishes. After it nothing is an error any more.
async fn commit(mut session: Session, mut loaded: Loaded) -> Result<Loaded, EngineError> {
    fault::point("pg.load.compared");
    let doing = "commit the load";
    let transaction = session.text(doing, "SELECT pg_catalog.pg_current_xact_id()::text").await?.unwrap_or_default();
    if let Err(error) = session.run(doing, "COMMIT").await {
        // A connection that broke says nothing of the commit; the server knows.
        let EngineError::Lost { .. } = error else { return Err(error) };
        if !was_committed(session.place(), &transaction).await? {
            return Err(error);
        }
        loaded
            .warnings
            .push("the connection broke at the commit, which was made; statistics are not collected: run ANALYZE".to_owned());
        return Ok(loaded);
    }
    fault::point("pg.load.committed");
    if let Err(error) = session.run("collect statistics", super::ANALYZE).await {
        loaded.warnings.push(format!("statistics could not be collected, run ANALYZE: {}", Chain(&error)));
    }
    session.close().await;
    Ok(loaded)
}

/// Asks the server what became of a transaction, as long as it takes to connect again and the server to make up its mind.
async fn was_committed(place: &Place, transaction: &str) -> Result<bool, EngineError> {
    let doing = "look what became of the load's transaction";
    let sql = format!("SELECT pg_catalog.pg_xact_status('{transaction}'::pg_catalog.xid8)");
    let mut patience = Patience::default();
    loop {
        let said = match place.connect().await {
            Ok(mut session) => session.text(doing, &sql).await,
            Err(error) => Err(error),
        };
        match said {
            Ok(Some(said)) if said != "in progress" => return Ok(said == "committed"),
            Err(error) if !patience.lasts().await => return Err(error),
            Ok(_) if !patience.lasts().await => return Err(EngineError::Worker(doing.to_owned())),
            _ => {}
        }
    }
}

async fn load_all_rows(
    session: &mut Session,
    archive: &Arc<Archive>,
    emptied: Emptied,
    progress: &Progress,
) -> Result<(), EngineError> {
    let frames = load::frames_in_turn(session, archive).await?;
    progress.phase("loading", frames.iter().map(|index| archive.manifest().frames[*index].raw).sum());
    for index in frames {
        load::load_frame(session, archive, index, "", progress, &Stop::default()).await?;
    }
    for index in load::frames_of(archive, FrameKind::Sequences) {
        load::run_frame(session, archive, index, &mut Vec::new()).await?;
    }
    objects::load(session, archive, emptied).await?;
    fault::point("pg.load.rows");
    Ok(())
}

async fn exchange_rows(session: &mut Session, archive: &Arc<Archive>, progress: &Progress) -> Result<Loaded, EngineError> {
    progress.phase("clearing", 0);
    let tables = archive.manifest().tables.iter().filter(|table| !large_objects::is_it(&table.schema, &table.name));
    let names: Vec<String> = tables.map(|table| load::relation_of(table).quoted()).collect();
    let awake = wake_up_statements(session).await?;
    for statement in &awake.sleep {
        session.run("set triggers and foreign keys aside", statement).await?;
    }
    for batch in names.chunks(BATCH) {
        let all = batch.iter().map(|name| format!("ONLY {name}")).collect::<Vec<_>>().join(", ");
        session.run("clear the tables", &format!("TRUNCATE TABLE {all}")).await?;
    }
    let emptied = objects::clear(session).await?;
    fault::point("pg.load.cleared");
    load_all_rows(session, archive, emptied, progress).await?;
    for statement in &awake.wake {
        session.run("put triggers and foreign keys back", statement).await?;
    }
    fault::point("pg.load.loaded");
    let loaded = compare::compare_within(session, archive, progress).await?;
    for index in load::frames_of(archive, FrameKind::Trailer) {
        load::run_frame(session, archive, index, &mut Vec::new()).await?;
    }
    Ok(loaded)
}

/// Statements that put aside what would fire or refuse while rows arrive table by table, and that bring it back as it was.
#[derive(Debug, Default)]
struct Asleep {
    sleep: Vec<String>,
    wake: Vec<String>,
}

/// Foreign keys may be circular and `DISABLE TRIGGER ALL` needs a superuser, so keys are dropped and made anew, which also
/// checks them; triggers are disabled and enabled as they were. All of it inside the transaction.
async fn wake_up_statements(session: &mut Session) -> Result<Asleep, EngineError> {
    let mut asleep = Asleep::default();
    let table = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)";
    let keys = format!(
        "SELECT {table}, pg_catalog.quote_ident(k.conname), pg_catalog.pg_get_constraintdef(k.oid), \
           pg_catalog.quote_literal(pg_catalog.obj_description(k.oid, 'pg_constraint')) \
         FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {USER_SCHEMA} AND k.contype = 'f' AND k.conparentid = 0 ORDER BY 1, 2"
    );
    let doing = "list the foreign keys";
    for row in session.rows(doing, &keys).await? {
        let (table, name, definition): (String, String, String) =
            (session.cell(doing, &row, 0)?, session.cell(doing, &row, 1)?, session.cell(doing, &row, 2)?);
        asleep.sleep.push(format!("ALTER TABLE {table} DROP CONSTRAINT {name}"));
        asleep.wake.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"));
        if let Some(comment) = session.cell::<Option<String>>(doing, &row, 3)? {
            asleep.wake.push(format!("COMMENT ON CONSTRAINT {name} ON {table} IS {comment}"));
        }
    }
    let doing = "list the triggers";
    let triggers = format!(
        "SELECT {table}, pg_catalog.quote_ident(t.tgname), CASE t.tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END \
         FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {USER_SCHEMA} AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND c.relkind IN ('r', 'p') ORDER BY 1, 2"
    );
    for row in session.rows(doing, &triggers).await? {
        let (table, name, how): (String, String, String) =
            (session.cell(doing, &row, 0)?, session.cell(doing, &row, 1)?, session.cell(doing, &row, 2)?);
        asleep.sleep.push(format!("ALTER TABLE ONLY {table} DISABLE TRIGGER {name}"));
        asleep.wake.push(format!("ALTER TABLE ONLY {table} ENABLE {how}TRIGGER {name}"));
    }
    Ok(asleep)
}

async fn exchange_all(
    session: &mut Session,
    archive: &Arc<Archive>,
    locked: &Locked,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    progress.phase("clearing", 0);
    let members = members::all(session).await?;
    for statement in drop_statements(session).await? {
        session.run(&format!("run `{statement}`"), &statement).await?;
    }
    locked.demand_nothing_else_dropped(session).await?;
    members::demand_still_there(session, &members).await?;
    let emptied = objects::clear(session).await?;
    fault::point("pg.load.cleared");
    let stays = drops::extensions(session).await?;
    let mut named = Vec::new();
    for index in load::frames_of(archive, FrameKind::PreData) {
        load::run_frame(session, archive, index, &mut named).await?;
    }
    fault::point("pg.load.schema");
    load_all_rows(session, archive, emptied, progress).await?;
    progress.phase("building indexes", 0);
    for index in load::frames_of(archive, FrameKind::PostData) {
        load::run_frame(session, archive, index, &mut named).await?;
    }
    let told = subscriptions::let_go_of_slots(session).await?;
    fault::point("pg.load.loaded");
    let mut loaded = compare::compare_within(session, archive, progress).await?;
    for index in load::frames_of(archive, FrameKind::Trailer) {
        load::run_frame(session, archive, index, &mut named).await?;
    }
    loaded.warnings.extend(load::missing(session, &named).await?);
    loaded.warnings.extend(told);
    let archived = drops::extensions_in(&load::text(archive, FrameKind::PreData).await?);
    let extra = stays.iter().filter(|name| !archived.contains(name));
    loaded.warnings.extend(extra.map(|name| {
        format!(
            "extension {name} was there, is not in the archive, and stays: to be without it: DROP EXTENSION {}",
            quote(name)
        )
    }));
    Ok(loaded)
}
