//! A database made to try an archive in, and removed whatever happens.
//!
//! The server makes database and mark in one statement: the mark is its limit of connections, a number between one and two thousand millions that
//! no server reaches and that comes of the drill's id. What has the name without the number is somebody else's and is left alone. Nothing in it acts by
//! itself: subscriptions stay off, views are not refreshed, and nobody but us and the owner may connect. Held by `tests/it/drill.rs`.

use std::path::PathBuf;

use super::super::frames::shared;
use super::super::mark::{Removed, number_of};
use super::super::replace::names::scratch_of;
use super::super::{EngineError, LoadMode, Loaded};
use super::connect::{Place, Session, literal, quote};
use super::create::create_as_archived;
use super::marks::LONGEST_NAME;
use super::subscriptions::{self, Which};
use super::{load, standby};
use crate::archive::Archive;
use crate::archive::manifest::{FrameKind, Server};
use crate::config::Database;
use crate::fault;
use crate::ids::DrillId;
use crate::progress::Progress;

/// What the limit of connections is while the server drops a database, and stays where it died doing so: nothing is left in one to be used.
const HALF_DROPPED: i32 = -2;

/// How long a server that was told to end may go on making a database: it copies files, and looks up between two of them.
const ENDS_WITHIN_SECONDS: u32 = 60;

/// The scratch beside a database.
pub(in super::super) fn beside(database: &Database, id: &DrillId) -> Result<Database, EngineError> {
    let place = Place::of(database)?;
    Ok(place.beside(&scratch_of(&place.database, id, LONGEST_NAME)).as_database())
}

/// Why none could be made, as far as that can be known before.
pub(in super::super) async fn objection(database: &Database) -> Result<Option<String>, EngineError> {
    let mut session = Place::of(database)?.connect_to_maintenance().await?;
    let refused = match standby::demand_primary(&mut session).await {
        Err(EngineError::Inexact { .. }) => Some(
            "the server is a standby, and nothing is made there: name another as `scratch` in `[targets.T.drill]`".to_owned(),
        ),
        other => {
            other?;
            let may = "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER";
            let may = session.truth("ask who may make databases", may).await?;
            let user = quote(session.place().user());
            (!may).then(|| format!("role {user} may not make a database: as a superuser: ALTER ROLE {user} CREATEDB;"))
        }
    };
    session.close().await;
    Ok(refused)
}

/// The directory of the server's data, where it says so.
pub(in super::super) async fn data_directory(database: &Database) -> Option<PathBuf> {
    let mut session = Place::of(database).ok()?.connect_to_maintenance().await.ok()?;
    // Not everybody is told.
    let told = session.text("ask for the data directory", "SHOW data_directory").await.ok().flatten();
    session.close().await;
    told.map(PathBuf::from)
}

/// Makes it, loads the archive and compares.
pub(in super::super) async fn try_out(
    database: &Database,
    id: &DrillId,
    archive: &Archive,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let archive = shared(archive, LoadMode::Clean)?;
    let place = &Place::of(database)?.for_archive(&archive.manifest().server).await;
    let mut warnings = make(place, id, &archive.manifest().server).await?;
    let mut loaded = load::fill(place, &archive, load::Views::Leave, jobs.max(1), progress).await?;
    if load::text(&archive, FrameKind::Trailer).await?.contains("REFRESH MATERIALIZED VIEW") {
        warnings.push("materialized views were made and not refreshed: their rows are in no archive".to_owned());
    }
    loaded.warnings.splice(0..0, warnings);
    Ok(loaded)
}

async fn make(place: &Place, id: &DrillId, like: &Server) -> Result<Vec<String>, EngineError> {
    let warnings = create_as_archived(place, like, Some(number_of(id))).await?;
    fault::point("pg.scratch.made");
    close_to_others(place).await?;
    fault::point("pg.scratch.closed");
    Ok(warnings)
}

/// Makes one with nothing in it.
pub(in super::super) async fn empty(database: &Database, id: &DrillId, like: &Server) -> Result<(), EngineError> {
    let place = &Place::of(database)?.for_archive(like).await;
    make(place, id, like).await.map(drop)
}

/// Makes extensions in one with nothing in it, those that may be made: what a migration misses of them it says itself.
pub(in super::super) async fn extend(database: &Database, names: &[&str]) -> Result<(), EngineError> {
    let mut session = Place::of(database)?.connect().await?;
    for name in names {
        session.run("make an extension", &format!("CREATE EXTENSION IF NOT EXISTS {}", quote(name))).await.ok();
    }
    session.close().await;
    Ok(())
}

/// Who may connect to the database that was archived may not be everybody, as he may to a new one.
async fn close_to_others(place: &Place) -> Result<(), EngineError> {
    let mut session = place.connect_to_maintenance().await?;
    let (name, user) = (quote(&place.database), quote(place.user()));
    let comment = literal("a scratch of upkeep: it tries an archive in it and drops it by itself");
    for sql in [
        format!("GRANT CONNECT ON DATABASE {name} TO {user}"),
        format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"),
        format!("COMMENT ON DATABASE {name} IS {comment}"),
    ] {
        session.run("close the scratch to others", &sql).await?;
    }
    session.close().await;
    Ok(())
}

/// Drops it, if it is there and ours.
pub(in super::super) async fn remove(database: &Database, id: &DrillId) -> Result<Removed, EngineError> {
    let place = Place::of(database)?;
    let mut session = place.connect_to_maintenance().await?;
    let removed = remove_by(&mut session, &place, id).await;
    session.close().await;
    removed
}

/// Who was dropped while the server made the database is answered by nobody, and the server goes on: what it makes is seen when it is done.
async fn end_making(session: &mut Session, name: &str, doing: &str) -> Result<(), EngineError> {
    let statement =
        literal(&format!("CREATE DATABASE {}%", quote(name).replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")));
    let at_it = format!(
        "FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND query LIKE {statement} AND pid <> pg_catalog.pg_backend_pid()"
    );
    session.rows(doing, &format!("SELECT pg_catalog.pg_terminate_backend(pid) {at_it}")).await?;
    for _ in 0..ENDS_WITHIN_SECONDS * 5 {
        if session.rows(doing, &format!("SELECT pid {at_it}")).await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    // Not taken for gone: whoever sweeps next looks again.
    Err(EngineError::InUse {
        location: session.place().location(),
        sessions: vec![format!("the server, which still makes database {name}")],
    })
}

async fn remove_by(session: &mut Session, place: &Place, id: &DrillId) -> Result<Removed, EngineError> {
    let (name, doing) = (&place.database, format!("drop scratch {}", place.database));
    end_making(session, name, &doing).await?;
    let sql = format!("SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname = {}", literal(name));
    let rows = session.rows(&doing, &sql).await?;
    let Some(row) = rows.first() else { return Ok(Removed::WasNotThere) };
    let limit: i32 = session.cell(&doing, row, 0)?;
    if limit != HALF_DROPPED {
        if u32::try_from(limit) != Ok(number_of(id)) {
            return Ok(Removed::NotOurs(format!(
                "database {name} lacks the mark of this drill (CONNECTION LIMIT {})",
                number_of(id)
            )));
        }
        subscriptions::drop_from(session, place, Which::All).await?;
    }
    fault::point("pg.scratch.dropping");
    // Nobody's session there is of use to anybody: what the load began may still run.
    let force = session.truth(&doing, "SELECT pg_catalog.current_setting('server_version_num')::int >= 130000").await?;
    let force = if force { " WITH (FORCE)" } else { "" };
    session.run(&doing, &format!("DROP DATABASE {}{force}", quote(name))).await?;
    fault::point("pg.scratch.dropped");
    Ok(Removed::Dropped)
}
