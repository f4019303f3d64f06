//! Loading into a database that stays where it is, in one transaction over one connection: all of it or nothing.
//!
//! For data into the shape its migrations made, and for replacing where the role may not create databases. Slower than a
//! parallel load, and safe to cut off at any point: the server itself undoes it.

use std::sync::Arc;

use super::super::crew::Stop;
use super::super::{EngineError, Loaded};
use super::catalog::{BATCH, USER_SCHEMA, texts};
use super::connect::{Place, Session, quote};
use super::{compare, large_objects, load};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::fault;
use crate::progress::Progress;

/// Loads the rows into tables that are there, in place of whatever rows they hold.
pub(super) async fn load_data(place: &Place, archive: &Arc<Archive>, progress: &Progress) -> Result<Loaded, EngineError> {
    let mut session = begin(place, archive).await?;
    match exchange_rows(&mut session, archive, progress).await {
        Ok(loaded) => commit(session, loaded).await,
        Err(error) => {
            session.abandon().await;
            Err(error)
        }
    }
}

/// Takes everything out and puts the archive in.
pub(super) async fn replace(place: &Place, archive: &Arc<Archive>, progress: &Progress) -> Result<Loaded, EngineError> {
    let mut session = begin(place, archive).await?;
    match exchange_all(&mut session, archive, progress).await {
        Ok(loaded) => commit(session, loaded).await,
        Err(error) => {
            session.abandon().await;
            Err(error)
        }
    }
}

async fn begin(place: &Place, archive: &Arc<Archive>) -> Result<Session, EngineError> {
    let head = load::text(archive, FrameKind::Header).await?;
    let mut session = load::open(place, &head).await?;
    // This commit is the one that publishes, so it must survive a crash of the server.
    session.run("begin", "SET synchronous_commit = on; BEGIN").await?;
    Ok(session)
}

async fn commit(mut session: Session, loaded: Loaded) -> Result<Loaded, EngineError> {
    fault::point("pg.load.compared");
    session.run("commit the load", "COMMIT").await?;
    fault::point("pg.load.committed");
    session.run("collect statistics", super::ANALYZE).await?;
    session.close().await;
    Ok(loaded)
}

async fn load_all_rows(session: &mut Session, archive: &Arc<Archive>, progress: &Progress) -> Result<(), EngineError> {
    let frames = load::frames_of(archive, FrameKind::Data);
    progress.phase("loading", frames.iter().map(|index| archive.manifest().frames[*index].raw).sum());
    for index in frames {
        load::load_frame(session, archive, index, "", progress, &Stop::default()).await?;
    }
    for kind in [FrameKind::Sequences, FrameKind::LargeObjects] {
        for index in load::frames_of(archive, kind) {
            load::run_frame(session, archive, index, &mut Vec::new()).await?;
        }
    }
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
    drop_large_objects(session).await?;
    fault::point("pg.load.cleared");
    load_all_rows(session, archive, progress).await?;
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

async fn drop_large_objects(session: &mut Session) -> Result<(), EngineError> {
    session.run("drop the large objects", "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata").await
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

async fn exchange_all(session: &mut Session, archive: &Arc<Archive>, progress: &Progress) -> Result<Loaded, EngineError> {
    progress.phase("clearing", 0);
    for statement in drop_statements(session).await? {
        session.run(&format!("run `{statement}`"), &statement).await?;
    }
    drop_large_objects(session).await?;
    fault::point("pg.load.cleared");
    let mut named = Vec::new();
    for index in load::frames_of(archive, FrameKind::PreData) {
        load::run_frame(session, archive, index, &mut named).await?;
    }
    fault::point("pg.load.schema");
    load_all_rows(session, archive, progress).await?;
    progress.phase("building indexes", 0);
    for index in load::frames_of(archive, FrameKind::PostData) {
        load::run_frame(session, archive, index, &mut named).await?;
    }
    fault::point("pg.load.loaded");
    let mut loaded = compare::compare_within(session, archive, progress).await?;
    for index in load::frames_of(archive, FrameKind::Trailer) {
        load::run_frame(session, archive, index, &mut named).await?;
    }
    loaded.warnings = load::missing_roles(session, &named).await?;
    Ok(loaded)
}

/// What empties a database of the user's objects. Kinds that are not listed stay; creating them a second time then fails,
/// and with it the whole exchange.
async fn drop_statements(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let doing = "list what to replace";
    let mut statements = Vec::new();
    for (keyword, sql) in [
        ("EVENT TRIGGER", "SELECT pg_catalog.quote_ident(evtname) FROM pg_catalog.pg_event_trigger ORDER BY 1"),
        ("PUBLICATION", "SELECT pg_catalog.quote_ident(pubname) FROM pg_catalog.pg_publication ORDER BY 1"),
    ] {
        let names = texts(session, doing, sql).await?;
        statements.extend(names.iter().map(|name| format!("DROP {keyword} IF EXISTS {name}")));
    }
    let schemas = format!(
        "SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE {USER_SCHEMA} AND n.nspname <> 'public' \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.objid = n.oid AND e.deptype = 'e') ORDER BY 1"
    );
    let schemas = texts(session, doing, &schemas).await?;
    statements.extend(schemas.iter().map(|name| format!("DROP SCHEMA {} CASCADE", quote(name))));
    let own =
        "n.nspname = 'public' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype IN ('e', 'i') AND e.objid =";
    let name = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident";
    let in_public = [
        format!(
            "SELECT CASE c.relkind WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW ' WHEN 'S' THEN 'SEQUENCE ' WHEN 'f' THEN 'FOREIGN TABLE ' \
               WHEN 'c' THEN 'TYPE ' ELSE 'TABLE ' END || 'IF EXISTS ' || {name}(c.relname) FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND {own} c.oid) \
             ORDER BY pg_catalog.strpos('prfvmSc', c.relkind::text), 1"
        ),
        format!(
            "SELECT 'ROUTINE IF EXISTS ' || p.oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc p \
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE {own} p.oid) ORDER BY 1"
        ),
        format!(
            "SELECT 'TYPE IF EXISTS ' || {name}(t.typname) FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
             WHERE t.typtype IN ('d', 'e', 'r') AND {own} t.oid) ORDER BY 1"
        ),
        format!(
            "SELECT 'COLLATION IF EXISTS ' || {name}(l.collname) FROM pg_catalog.pg_collation l \
             JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace WHERE {own} l.oid) ORDER BY 1"
        ),
    ];
    for sql in in_public {
        let names = texts(session, doing, &sql).await?;
        statements.extend(names.iter().map(|name| format!("DROP {name} CASCADE")));
    }
    Ok(statements)
}
