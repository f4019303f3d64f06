//! Loading an archive into an empty database, over several connections, and proving that it arrived.
//!
//! Owns the order of a load: tables, rows (`data`), indexes, counters, comparison, then what acts by itself: views, routines,
//! triggers and at last events (`objects`). Returns `Ok` only when every table's rows and checksum are the manifest's; held by
//! `tests/it/mysql_restore.rs`.

pub(super) mod aside;
mod data;
pub(super) mod heads;
mod making;
pub(super) mod objects;
mod places;

use std::sync::Arc;

use super::super::crew::StopOnDrop;
use super::super::frames::{frames_of, joined, pieces};
use super::super::{EngineError, Loaded};
use super::connect::{Place, Session, literal, quote};
use super::errors::{NO_SUCH_DATABASE, number_of_error};
use super::split::Splitter;
use super::{catalog, compare, encryption};
use crate::archive::Archive;
use crate::archive::manifest::{FrameKind, Server};
use crate::failure::Chain;
use crate::fault;
use crate::progress::Progress;
pub(super) use data::load_frame;
pub(super) use heads::named;

/// What every loading session has beyond the archive's own header. Two workers in one table wait for each other at its
/// beginning only, but that long: MariaDB's first rows of an empty table lock all of it.
const SETTINGS: &str = "SET SESSION foreign_key_checks = 0, SESSION unique_checks = 0, SESSION innodb_lock_wait_timeout = 3600, \
    SESSION lock_wait_timeout = 3600";

/// Loads into a database that is empty or not there.
pub(super) async fn clean(
    place: &Place,
    archive: &Arc<Archive>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    match place.connect_if_exists().await? {
        Some(mut session) => {
            // Empty, but perhaps not of the archive's character set: procedures and later tables go by the database's.
            alter(&mut session, &place.database, &archive.manifest().server).await?;
            session.close().await;
        }
        None => create(place, &place.database, &archive.manifest().server).await?,
    }
    fault::point("my.load.created");
    let mut loaded = fill(place, archive, jobs, progress).await?;
    fault::point("my.load.compared");
    progress.phase("finishing the schema", 0);
    let mut session = open(place, archive).await?;
    loaded.warnings.extend(objects::make(&mut session, &objects::of(archive).await?).await?);
    loaded.warnings.extend(encryption::restore(&mut session, &archive.manifest().server).await?);
    session.close().await;
    fault::point("my.load.finished");
    Ok(loaded)
}

/// Creates an empty database of the archive's character set and collation.
pub(super) async fn create(place: &Place, name: &str, like: &Server) -> Result<(), EngineError> {
    let mut session = place.connect_to_server().await?;
    session.wait_for_backups().await?;
    let (doing, sql) = (format!("create database {name}"), format!("CREATE DATABASE {}{}", quote(name), charset(like)));
    let created = session.run(&doing, &sql).await.map_err(|error| match error {
        EngineError::Privilege { user, what, .. } => {
            let grant = format!("GRANT ALL ON {}.* TO {};", quote(name), place.grantee());
            EngineError::Privilege { user, what, grant }
        }
        other => other,
    });
    session.close().await;
    created
}

/// Drops the tables, sequences and views of a database that are meant, without a look at foreign keys: the session has them off.
pub(super) async fn drop_tables(
    session: &mut Session,
    database: &str,
    meant: impl Fn(&str) -> bool,
) -> Result<(), EngineError> {
    let sql = format!("SHOW FULL TABLES FROM {}", quote(database));
    for row in session.texts(&format!("list the tables of database {database}"), &sql).await? {
        let [Some(name), Some(kind)] = row.as_slice() else { continue };
        if meant(name) {
            let kind = match kind.as_str() {
                "SEQUENCE" => "SEQUENCE",
                kind if kind.ends_with("VIEW") => "VIEW",
                _ => "TABLE",
            };
            run_one(session, &format!("DROP {kind} IF EXISTS {}.{}", quote(database), quote(name))).await?;
        }
    }
    Ok(())
}

/// Gives a database the archive's character set and collation, if it has not got them.
pub(super) async fn alter(session: &mut Session, name: &str, like: &Server) -> Result<(), EngineError> {
    let clause = charset(like);
    let asked = "SELECT @@collation_database";
    let has = session.text("read the database's collation", asked).await?.unwrap_or_default();
    let comment = catalog::comment(session).await?;
    if clause.is_empty() || (has == like.collation && comment_of(like).is_none_or(|wanted| wanted == comment)) {
        return Ok(());
    }
    let doing = format!("set the character set of database {name}");
    session.run(&doing, &format!("ALTER DATABASE {}{clause}", quote(name))).await
}

fn charset(like: &Server) -> String {
    if like.charset.is_empty() || like.collation.is_empty() {
        return String::new();
    }
    let comment = comment_of(like).map(|comment| format!(" COMMENT {}", literal(comment))).unwrap_or_default();
    format!(" CHARACTER SET {} COLLATE {}{comment}", quote(&like.charset), quote(&like.collation))
}

/// What MariaDB was told to say of a database; none of what has no comments, and in archives that do not tell.
fn comment_of(like: &Server) -> Option<&str> {
    like.extra.get("comment").map(String::as_str)
}

/// Fills an empty database with tables and rows, and compares. Nothing in it acts by itself yet.
pub(super) async fn fill(
    place: &Place,
    archive: &Arc<Archive>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let moved = make_tables(place, archive, progress).await?;
    let mut loaded = fill_tables(place, archive, jobs, progress).await?;
    loaded.warnings.splice(0..0, moved);
    Ok(loaded)
}

/// Makes an archive's tables; says which are not where they were.
pub(super) async fn make_tables(
    place: &Place,
    archive: &Arc<Archive>,
    progress: &Progress,
) -> Result<Vec<String>, EngineError> {
    let mut session = open(place, archive).await?;
    progress.phase("loading the schema", 0);
    let mut moved = Vec::new();
    for statement in objects::tables_before(archive).await? {
        moved.extend(make_table(&mut session, &statement).await?);
    }
    session.close().await;
    fault::point("my.load.schema");
    Ok(moved)
}

/// Fills the tables that were made, and compares.
pub(super) async fn fill_tables(
    place: &Place,
    archive: &Arc<Archive>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let stop = StopOnDrop::default();
    let raw = archive.manifest().frames.iter().filter(|frame| frame.kind == FrameKind::Data).map(|frame| frame.raw).sum();
    progress.phase("loading", raw);
    data::fill(place, archive, jobs, progress, &stop.0).await?;
    fault::point("my.load.rows");
    progress.phase("building indexes", 0);
    data::run_all(place, archive, objects::indexes(archive).await?, jobs, &stop.0).await?;
    let mut session = open(place, archive).await?;
    for statement in statements(archive, FrameKind::Sequences).await? {
        run_one(&mut session, &statement).await?;
    }
    session.close().await;
    fault::point("my.load.loaded");
    let mut loaded = compare::compare(place, archive.manifest(), jobs, progress, &stop.0).await?;
    let mut session = place.connect().await?;
    loaded.warnings.extend(compare::orphans(&mut session).await?);
    session.close().await;
    Ok(loaded)
}

/// Makes everything else of an archive's schema over the tables that were made, to see that it can be made.
pub(super) async fn try_out(place: &Place, archive: &Arc<Archive>, jobs: usize) -> Result<(), EngineError> {
    let stop = StopOnDrop::default();
    data::run_all(place, archive, objects::indexes(archive).await?, jobs, &stop.0).await?;
    let mut session = open(place, archive).await?;
    objects::try_out(&mut session, &objects::of(archive).await?).await?;
    session.close().await;
    Ok(())
}

/// Makes a table. One whose own directory or tablespace cannot be had is made where the server keeps the others, which is said.
async fn make_table(session: &mut Session, sql: &str) -> Result<Option<String>, EngineError> {
    let error = match run_one(session, sql).await {
        Err(error @ EngineError::Sql { .. }) => error,
        other => return other.map(|()| None),
    };
    let Some((without, places)) = places::without_places(sql) else { return Err(error) };
    if run_one(session, &without).await.is_err() {
        return Err(error);
    }
    let (table, places) = (places::table_of(sql), places.join(", "));
    Ok(Some(format!(
        "table {table} was put where the server keeps its tables, because {places} is not available: {}",
        Chain(&error)
    )))
}

/// A session that loads: the archive's own header, and no checks of what is checked afterwards.
pub(super) async fn open(place: &Place, archive: &Arc<Archive>) -> Result<Session, EngineError> {
    let mut session = place.connect().await?;
    prepare(&mut session, archive).await?;
    Ok(session)
}

/// Makes a session one that loads.
pub(super) async fn prepare(session: &mut Session, archive: &Arc<Archive>) -> Result<(), EngineError> {
    prepare_by(session, &statements(archive, FrameKind::Header).await?).await
}

/// The same from the header's statements.
pub(super) async fn prepare_by(session: &mut Session, head: &[String]) -> Result<(), EngineError> {
    for statement in head {
        session.run("set up a session", statement).await?;
    }
    session.be_lenient().await?;
    session.run("set up a session", SETTINGS).await
}

/// The statements of all frames of a kind. For schema, which is small beside rows.
pub(super) async fn statements(archive: &Arc<Archive>, kind: FrameKind) -> Result<Vec<String>, EngineError> {
    let mut statements = Vec::new();
    for index in frames_of(archive, kind) {
        let (mut pieces, reading) = pieces(archive, index);
        let mut splitter = Splitter::new();
        while let Some(piece) = pieces.recv().await {
            statements.extend(splitter.push(&piece));
        }
        joined(reading.await)?;
        statements.extend(splitter.finish());
    }
    statements.into_iter().map(into_text).collect()
}

fn into_text(statement: Vec<u8>) -> Result<String, EngineError> {
    String::from_utf8(statement).map_err(|error| {
        let begin = String::from_utf8_lossy(error.as_bytes()).chars().take(80).collect::<String>();
        EngineError::Unfit(format!("a statement is not UTF-8: `{begin}`"))
    })
}

/// Runs one statement and names it when it fails.
pub(super) async fn run_one(session: &mut Session, sql: &str) -> Result<(), EngineError> {
    session.run(&format!("run `{}`", first_line(sql)), sql).await
}

/// What a message shows of a statement.
pub(super) fn first_line(sql: &str) -> String {
    sql.lines().next().unwrap_or_default().chars().take(120).collect()
}

/// Whether there is a database of this name.
pub(super) async fn exists(session: &mut Session, name: &str) -> Result<bool, EngineError> {
    let sql = format!("SHOW TABLES FROM {} LIKE {}", quote(name), literal("upkeep\\_%"));
    match session.rows(&format!("look for database {name}"), &sql).await {
        Ok(_) => Ok(true),
        Err(error) if number_of_error(&error) == Some(NO_SUCH_DATABASE) => Ok(false),
        // Who may not look into it has none of ours.
        Err(EngineError::Privilege { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
