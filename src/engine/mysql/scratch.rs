//! A database made to try an archive in, and removed whatever happens.
//!
//! The mark is a table whose comment names the drill, the first that is made in it and the last that goes. Between the two moments in which the server makes
//! the database and the table there is nothing in it: then its name, which nobody can guess, says whose it is. Nothing in it acts by itself: events are made
//! disabled, as the last of all. Held by `tests/it/drill.rs`.

use super::super::frames::shared;
use super::super::mark::Removed;
use super::super::replace::names::scratch_of;
use super::super::{EngineError, LoadMode, Loaded};
use super::connect::{Place, Session, literal, quote};
use super::load::{self, objects};
use super::ours::SCRATCH;
use super::swap::LONGEST_NAME;
use super::{names, writable};
use crate::archive::Archive;
use crate::archive::manifest::Server;
use crate::config::Database;
use crate::fault;
use crate::ids::DrillId;
use crate::progress::Progress;

/// How long a session that is at work in a scratch is waited for, in seconds, once it was told to end.
const ENDS_WITHIN: u32 = 60;

/// The scratch beside a database.
pub(in super::super) fn beside(database: &Database, id: &DrillId) -> Result<Database, EngineError> {
    let place = Place::of(database)?;
    Ok(place.beside(&scratch_of(&place.database, id, LONGEST_NAME)).configured())
}

/// Why none could be made, as far as that can be known before.
pub(in super::super) async fn objections(database: &Database, archive: &Archive) -> Result<Vec<String>, EngineError> {
    let archive = shared(archive, LoadMode::DataOnly)?;
    let mut session = Place::of(database)?.connect_to_server().await?;
    let mut found = names::objections(&mut session, &archive).await?;
    found.extend(writable::objection(&mut session).await?);
    let definitions = objects::tables_before(&archive).await?.into_iter().chain(objects::indexes(&archive).await?);
    found.extend(definitions.filter(|sql| refers_elsewhere(sql)).take(1).map(|_| {
        "a foreign key of a table refers to another database, where rows could not be deleted while the scratch is there: name another \
         server as `scratch` in `[targets.T.drill]`"
            .to_owned()
    }));
    found.extend(
        is_replica(&mut session)
            .await
            .then(|| "the server is a replica: name another as `scratch` in `[targets.T.drill]`".to_owned()),
    );
    session.close().await;
    Ok(found)
}

/// Whether a table's definition, or what is added to it, has a foreign key to another database's table.
fn refers_elsewhere(sql: &str) -> bool {
    sql.split(" REFERENCES `").skip(1).any(|behind| {
        let behind = behind.replace("``", "");
        behind.split_once('`').is_some_and(|(_, rest)| rest.starts_with('.'))
    })
}

/// Whether it applies another's changes, where this account is told.
async fn is_replica(session: &mut Session) -> bool {
    let sql = if session.version.is_mariadb() { "SHOW ALL SLAVES STATUS" } else { "SHOW REPLICA STATUS" };
    session.rows("ask whether the server is a replica", sql).await.is_ok_and(|rows| !rows.is_empty())
}

/// Makes it, loads the archive and compares.
pub(in super::super) async fn try_out(
    database: &Database,
    id: &DrillId,
    archive: &Archive,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let (archive, place, jobs) = (shared(archive, LoadMode::Clean)?, &Place::of(database)?, jobs.max(1));
    make(place, id, &archive.manifest().server).await?;
    let mut loaded = load::fill(place, &archive, jobs, progress).await?;
    progress.phase("finishing the schema", 0);
    let mut session = load::open(place, &archive).await?;
    loaded.warnings.extend(objects::try_out(&mut session, &objects::of(&archive).await?).await?);
    session.close().await;
    fault::point("my.scratch.loaded");
    Ok(loaded)
}

async fn make(place: &Place, id: &DrillId, like: &Server) -> Result<(), EngineError> {
    let made = load::create(place, &place.database, like).await;
    made.map_err(|error| for_every_name(place, id, error))?;
    fault::point("my.scratch.made");
    let mut session = place.connect().await?;
    let mark = format!("CREATE TABLE {} (id CHAR(16) PRIMARY KEY) COMMENT = {}", quote(SCRATCH), literal(id.as_str()));
    session.run("mark the scratch", &mark).await?;
    session.close().await;
    fault::point("my.scratch.marked");
    Ok(())
}

/// Makes one with nothing in it but its mark.
pub(in super::super) async fn empty(database: &Database, id: &DrillId, like: &Server) -> Result<(), EngineError> {
    make(&Place::of(database)?, id, like).await
}

/// A privilege on this one name would be of no use to the next drill.
fn for_every_name(place: &Place, id: &DrillId, error: EngineError) -> EngineError {
    let EngineError::Privilege { user, what, .. } = error else { return error };
    let begin = place.database.trim_end_matches(id.as_str()).trim_end_matches("drill_");
    let pattern = format!("{}%", begin.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%"));
    EngineError::Privilege { user, what, grant: format!("GRANT ALL ON {}.* TO {};", quote(&pattern), place.grantee()) }
}

/// Drops it, if it is there and ours.
pub(in super::super) async fn remove(database: &Database, id: &DrillId) -> Result<Removed, EngineError> {
    let place = Place::of(database)?;
    let mut session = place.connect_to_server().await?;
    // As the server keeps it, where it keeps names in lower case.
    let name = match session.number("ask how names are kept", "SELECT @@lower_case_table_names").await? {
        0 => place.database.clone(),
        _ => place.database.to_lowercase(),
    };
    let removed = remove_by(&mut session, &name, id).await;
    session.close().await;
    removed
}

async fn remove_by(session: &mut Session, name: &str, id: &DrillId) -> Result<Removed, EngineError> {
    let doing = format!("drop scratch {name}");
    let here = |column: &str| format!("{column} = {0} AND CAST({column} AS BINARY) = CAST({0} AS BINARY)", literal(name));
    let there = format!("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE {}", here("SCHEMA_NAME"));
    if session.number(&doing, &there).await? == 0 {
        return Ok(Removed::WasNotThere);
    }
    let mark = format!(
        "SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE {} AND TABLE_NAME = {}",
        here("TABLE_SCHEMA"),
        literal(SCRATCH)
    );
    if session.text(&doing, &mark).await?.as_deref() != Some(id.as_str()) && holds_anything(session, &doing, here).await? {
        return Ok(Removed::NotOurs(format!("database {name} lacks the mark of this drill (table {SCRATCH})")));
    }
    fault::point("my.scratch.dropping");
    session.wait_for_backups().await?;
    let settings = format!("SET SESSION foreign_key_checks = 0, SESSION lock_wait_timeout = {ENDS_WITHIN}");
    session.run(&doing, &settings).await?;
    end_sessions(session, &doing, name).await?;
    // A server that dies in the middle leaves what has its mark.
    load::drop_tables(session, name, |table| table != SCRATCH).await?;
    fault::point("my.scratch.emptied");
    session.run(&doing, &format!("DROP DATABASE {}", quote(name))).await?;
    fault::point("my.scratch.dropped");
    Ok(Removed::Dropped)
}

async fn holds_anything(session: &mut Session, doing: &str, here: impl Fn(&str) -> String) -> Result<bool, EngineError> {
    let count = |table: &str, column: &str| format!("(SELECT COUNT(*) FROM information_schema.{table} WHERE {})", here(column));
    let (tables, routines) = (count("TABLES", "TABLE_SCHEMA"), count("ROUTINES", "ROUTINE_SCHEMA"));
    let sql = format!("SELECT {tables} + {routines} + {}", count("EVENTS", "EVENT_SCHEMA"));
    Ok(session.number(doing, &sql).await? > 0)
}

/// What a load that was cut off began may still run, for hours where it builds an index; nobody waits for it.
async fn end_sessions(session: &mut Session, doing: &str, name: &str) -> Result<(), EngineError> {
    for row in session.texts(doing, "SHOW PROCESSLIST").await? {
        // `Id`, `User`, `Host`, `db`.
        let [Some(number), _, _, Some(database), ..] = row.as_slice() else { continue };
        if database != name {
            continue;
        }
        // It has ended meanwhile, or is another account's: the server says no, and the drop says why it waits.
        session.run(doing, &format!("KILL {number}")).await.ok();
    }
    Ok(())
}
