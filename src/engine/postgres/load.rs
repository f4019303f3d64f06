//! Loading an archive into an empty database, over several connections, and proving that it arrived.
//!
//! Owns the order of a load: schema, rows, sequences and large objects, indexes and constraints, comparison, views. Returns
//! `Ok` only when every table's rows and checksum are the manifest's.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::super::{EngineError, LoadMode, Loaded};
use super::catalog::{self, Relation};
use super::connect::{Place, Session};
use super::crew::{Stop, StopOnDrop, hire, join_all};
use super::split::{Chunk, Splitter};
use super::{compare, in_place, rows, schema, swap, worker};
use crate::archive::manifest::{Frame, FrameKind, Manifest, Table};
use crate::archive::{Archive, ArchiveError};
use crate::fault;
use crate::progress::Progress;

/// Pieces of a frame that may wait for the server: enough that decompressing and sending overlap.
const WAITING: usize = 4;
/// Memory for building one index. Two or three are built at once; a server that has less to give pages.
const INDEX_MEMORY: &str = "256MB";

/// Loads.
pub(super) async fn load(
    place: &Place,
    archive: &Archive,
    mode: LoadMode,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    // Workers outlive a dropped caller by a moment, so they share an archive of their own.
    let path = archive.path().to_owned();
    let opened = tokio::task::spawn_blocking(move || Archive::open(&path)).await;
    let archive = Arc::new(opened.map_err(|_| EngineError::Worker("opening the archive".to_owned()))??);
    let manifest = archive.manifest();
    if manifest.server.flavour != "postgresql" {
        return Err(EngineError::Unfit(format!("it holds a {} database", manifest.server.flavour)));
    }
    if manifest.data_only && mode != LoadMode::DataOnly {
        return Err(EngineError::Unfit("it has no schema; it loads only into the shape its migrations make".to_owned()));
    }
    let jobs = jobs.max(1);
    match mode {
        LoadMode::Clean => clean(place, &archive, jobs, progress).await,
        LoadMode::DataOnly => in_place::load_data(place, &archive, progress).await,
        LoadMode::Replace => swap::replace(place, &archive, jobs, progress).await,
    }
}

async fn clean(place: &Place, archive: &Arc<Archive>, jobs: usize, progress: &Progress) -> Result<Loaded, EngineError> {
    let mut warnings = Vec::new();
    match place.connect_if_exists().await? {
        Some(session) => session.close().await,
        None => warnings = swap::create(place, &place.database, &archive.manifest().server).await?,
    }
    fault::point("pg.load.created");
    let mut loaded = fill(place, archive, jobs, progress).await?;
    loaded.warnings.splice(0..0, warnings);
    Ok(loaded)
}

/// Fills an empty database and compares.
pub(super) async fn fill(
    place: &Place,
    archive: &Arc<Archive>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let stop = StopOnDrop::default();
    let head = text(archive, FrameKind::Header).await?;
    let mut session = open(place, &head).await?;
    let mut named = Vec::new();
    progress.phase("loading the schema", 0);
    for index in frames_of(archive, FrameKind::PreData) {
        run_frame(&mut session, archive, index, &mut named).await?;
    }
    fault::point("pg.load.schema");
    let raw = archive.manifest().frames.iter().filter(|frame| frame.kind == FrameKind::Data).map(|frame| frame.raw).sum();
    progress.phase("loading", raw);
    load_rows(place, archive, &head, jobs, progress, &stop.0).await?;
    for index in frames_of(archive, FrameKind::Sequences) {
        run_frame(&mut session, archive, index, &mut named).await?;
    }
    fault::point("pg.load.rows");
    progress.phase("building indexes", 0);
    finish_schema(place, archive, &mut session, &head, jobs, &mut named, &stop.0).await?;
    fault::point("pg.load.loaded");
    let mut loaded = compare::compare(place, archive, jobs, progress, &stop.0).await?;
    progress.phase("refreshing views", 0);
    for index in frames_of(archive, FrameKind::Trailer) {
        run_frame(&mut session, archive, index, &mut named).await?;
    }
    // The first commit that waits for the disk takes everything before it along.
    session.run("collect statistics", "SET synchronous_commit = on; ANALYZE").await?;
    loaded.warnings = missing_roles(&mut session, &named).await?;
    session.close().await;
    fault::point("pg.load.compared");
    Ok(loaded)
}

/// A session that loads.
pub(super) async fn open(place: &Place, head: &str) -> Result<Session, EngineError> {
    let mut session = place.connect().await?;
    session.run("set up a session", head).await?;
    // A crash of the server may forget what was just committed; until the comparison nothing of it counts.
    let settings = format!(
        "SET synchronous_commit = off; SET maintenance_work_mem = '{INDEX_MEMORY}'; SET default_transaction_read_only = off"
    );
    session.run("set up a session", &settings).await?;
    if catalog::major(&mut session).await? >= 17 {
        session.run("set up a session", "SET transaction_timeout = 0").await?;
    }
    Ok(session)
}

/// Frames of a kind, in the order of the file.
pub(super) fn frames_of(archive: &Archive, kind: FrameKind) -> Vec<usize> {
    let frames = archive.manifest().frames.iter().enumerate();
    frames.filter(|(_, frame)| frame.kind == kind).map(|(index, _)| index).collect()
}

/// The whole text of all frames of a kind. For what is small: header, sequences.
pub(super) async fn text(archive: &Arc<Archive>, kind: FrameKind) -> Result<String, EngineError> {
    let archive = Arc::clone(archive);
    let read = move || -> Result<Vec<u8>, ArchiveError> {
        let mut text = Vec::new();
        for index in frames_of(&archive, kind) {
            archive.read_frame(index, &mut |piece| {
                text.extend_from_slice(piece);
                Ok(())
            })?;
        }
        Ok(text)
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(|_| EngineError::Worker("reading the archive".to_owned()))?;
    Ok(String::from_utf8_lossy(&read?).into_owned())
}

/// A frame's content as it is decompressed on a thread of its own.
fn pieces(
    archive: &Arc<Archive>,
    index: usize,
) -> (mpsc::Receiver<Vec<u8>>, tokio::task::JoinHandle<Result<(), ArchiveError>>) {
    let (send, receive) = mpsc::channel(WAITING);
    let archive = Arc::clone(archive);
    let reading = tokio::task::spawn_blocking(move || {
        archive.read_frame(index, &mut |piece| {
            let gone = |_| std::io::Error::other("the load stopped");
            send.blocking_send(piece.to_vec()).map_err(gone)
        })
    });
    (receive, reading)
}

/// Runs the statements of a frame one by one. Roles they name are added to `named`.
pub(super) async fn run_frame(
    session: &mut Session,
    archive: &Arc<Archive>,
    index: usize,
    named: &mut Vec<String>,
) -> Result<(), EngineError> {
    let (mut pieces, reading) = pieces(archive, index);
    let mut splitter = Splitter::new();
    while let Some(piece) = pieces.recv().await {
        run_all(session, splitter.push(&piece), named).await?;
    }
    joined(reading.await)?;
    run_all(session, splitter.finish(), named).await
}

async fn run_all(session: &mut Session, chunks: Vec<Chunk>, named: &mut Vec<String>) -> Result<(), EngineError> {
    for chunk in chunks {
        if let Chunk::Statement { sql, .. } = chunk {
            note_roles(&sql, named);
            run_one(session, &sql).await?;
        }
    }
    Ok(())
}

async fn run_one(session: &mut Session, sql: &str) -> Result<(), EngineError> {
    // The second line of a guarded statement is the one that says what it is.
    let line = if sql.starts_with("DO $upkeep") { sql.lines().nth(1) } else { sql.lines().next() };
    let doing = format!("run `{}`", line.unwrap_or_default().chars().take(120).collect::<String>());
    session.run(&doing, sql).await
}

fn note_roles(sql: &str, named: &mut Vec<String>) {
    for role in schema::roles_in(sql) {
        if !named.contains(&role) {
            named.push(role);
        }
    }
}

fn joined(read: Result<Result<(), ArchiveError>, tokio::task::JoinError>) -> Result<(), EngineError> {
    read.map_err(|_| EngineError::Worker("reading the archive".to_owned()))?.map_err(EngineError::Archive)
}

/// What to say of roles the archive names and this server lacks.
pub(super) async fn missing_roles(session: &mut Session, named: &[String]) -> Result<Vec<String>, EngineError> {
    let mut warnings = Vec::new();
    for role in named {
        let asked = format!("SELECT pg_catalog.to_regrole({}) IS NULL", super::connect::literal(role));
        if session.truth("look for a role", &asked).await? {
            let user = session.place().user();
            warnings
                .push(format!("role {role} does not exist here: its objects belong to {user}, its privileges are left out"));
        }
    }
    Ok(warnings)
}

/// A table of the manifest, as statements about it need it.
pub(super) fn relation_of(table: &Table) -> Relation {
    Relation {
        schema: table.schema.clone(),
        name: table.name.clone(),
        columns: table.columns.clone(),
        ..super::large_objects::relation()
    }
}

/// What one worker takes at a time.
#[derive(Debug, PartialEq, Eq)]
struct Unit {
    /// Whether it is a whole table, and so can be loaded frozen.
    whole: bool,
    frames: Vec<usize>,
}

/// Whole tables, largest first; but a table that is more than one worker's share is shared out frame by frame. Tables of
/// extensions are never whole: their extension has put rows into them.
fn units(archive: &Archive, jobs: usize, kept: &[(String, String)]) -> Vec<Unit> {
    let manifest = archive.manifest();
    let mut tables: HashMap<u32, (u64, Vec<usize>)> = HashMap::new();
    for index in frames_of(archive, FrameKind::Data) {
        let frame = &manifest.frames[index];
        let (raw, frames) = tables.entry(frame.table.unwrap_or(u32::MAX)).or_default();
        *raw += frame.raw;
        frames.push(index);
    }
    let total: u64 = tables.values().map(|(raw, _)| raw).sum();
    let share = total / jobs as u64;
    let mut tables: Vec<(u32, (u64, Vec<usize>))> = tables.into_iter().collect();
    tables.sort_by_key(|(table, (raw, _))| (std::cmp::Reverse(*raw), *table));
    let is_kept = |table: u32| {
        let table = manifest.tables.get(table as usize);
        table.is_none_or(|table| kept.contains(&(table.schema.clone(), table.name.clone())))
    };
    let cut = |(table, (raw, frames)): (u32, (u64, Vec<usize>))| {
        if is_kept(table) || (jobs > 1 && raw > share) {
            frames.into_iter().map(|frame| Unit { whole: false, frames: vec![frame] }).collect()
        } else {
            vec![Unit { whole: true, frames }]
        }
    };
    tables.into_iter().flat_map(cut).collect()
}

/// Loads a unit. A whole table is loaded in one transaction that truncates it first: its rows then arrive frozen, so that
/// neither the indexes, nor the comparison, nor the server's first vacuum have to write every page again; and where
/// `wal_level` is `minimal` they need no write-ahead log.
async fn load_unit(
    session: &mut Session,
    archive: &Arc<Archive>,
    unit: &Unit,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    if !unit.whole {
        for index in &unit.frames {
            load_frame(session, archive, *index, "", progress, stop).await?;
        }
        return Ok(());
    }
    let Some(first) = unit.frames.first() else { return Ok(()) };
    let (_, table) = frame_and_table(archive.manifest(), *first)?;
    let name = relation_of(table).quoted();
    session.run(&format!("begin to load table {}", table.qualified()), &format!("BEGIN; TRUNCATE ONLY {name}")).await?;
    for index in &unit.frames {
        load_frame(session, archive, *index, " WITH (FREEZE)", progress, stop).await?;
    }
    session.run(&format!("commit table {}", table.qualified()), "COMMIT").await
}

/// Loads all rows over several connections, and the large objects over one of their own.
async fn load_rows(
    place: &Place,
    archive: &Arc<Archive>,
    head: &str,
    jobs: usize,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    let mut session = place.connect().await?;
    let kept = catalog::extension_tables(&mut session).await?;
    session.close().await;
    let units = Arc::new(units(archive, jobs, &kept));
    let next = Arc::new(AtomicUsize::new(0));
    let mut hands = Vec::new();
    for _ in 0..jobs.min(units.len()) {
        let (place, archive, head, progress, own) =
            (place.clone(), Arc::clone(archive), head.to_owned(), progress.clone(), stop.clone());
        let (units, next) = (Arc::clone(&units), Arc::clone(&next));
        hands.push(hire("loading rows", stop, move || async move {
            let mut session = open(&place, &head).await?;
            while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = load_unit(&mut session, &archive, unit, &progress, &own).await {
                    session.abandon().await;
                    return Err(error);
                }
            }
            session.close().await;
            Ok(())
        })?);
    }
    let objects = frames_of(archive, FrameKind::LargeObjects);
    if !objects.is_empty() {
        let (place, archive, head) = (place.clone(), Arc::clone(archive), head.to_owned());
        hands.push(hire("loading large objects", stop, move || async move {
            let mut session = open(&place, &head).await?;
            for index in objects {
                run_frame(&mut session, &archive, index, &mut Vec::new()).await?;
            }
            session.close().await;
            Ok(())
        })?);
    }
    join_all(hands).await.map(drop)
}

/// Loads one frame of rows, with `how` behind the `COPY`. After an error the session is good for nothing.
pub(super) async fn load_frame(
    session: &mut Session,
    archive: &Arc<Archive>,
    index: usize,
    how: &str,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    let (frame, table) = frame_and_table(archive.manifest(), index)?;
    let relation = relation_of(table);
    let statement = rows::copy_in(&relation);
    let begin = format!("{statement};\n");
    let unlike = || EngineError::Unfit(format!("frame {index} does not begin with `{statement}`"));
    let place = session.place().clone();
    let failed = |source| place.sort(&format!("load table {}", table.qualified()), source);
    let (mut pieces, reading) = pieces(archive, index);
    let mut copy = session.connection.copy_in_raw(&format!("{statement}{how}")).await.map_err(failed)?;
    // The first bytes must be the statement; the last four end the rows for psql and are not rows.
    let (mut held, mut begun) = (Vec::new(), false);
    while let Some(piece) = pieces.recv().await {
        if stop.asked() {
            return Err(EngineError::Worker("another worker had failed".to_owned()));
        }
        held.extend_from_slice(&piece);
        if !begun {
            if held.len() < begin.len() {
                continue;
            }
            if !held.starts_with(begin.as_bytes()) {
                return Err(unlike());
            }
            held.drain(..begin.len());
            begun = true;
        }
        let ready = held.len().saturating_sub(worker::END_OF_ROWS.len());
        if ready > 0 {
            copy.send(&held[..ready]).await.map_err(failed)?;
            progress.add(ready as u64, 0);
            held.drain(..ready);
        }
    }
    joined(reading.await)?;
    if !begun || held != worker::END_OF_ROWS {
        return Err(unlike());
    }
    let rows = copy.finish().await.map_err(failed)?;
    progress.add(0, rows);
    if rows == frame.rows {
        return Ok(());
    }
    Err(EngineError::Unfit(format!(
        "frame {index} holds {} rows of table {}, the server took {rows}",
        frame.rows,
        table.qualified()
    )))
}

fn frame_and_table(manifest: &Manifest, index: usize) -> Result<(&Frame, &Table), EngineError> {
    let frame = manifest.frames.get(index);
    let table = frame.and_then(|frame| frame.table).and_then(|table| manifest.tables.get(table as usize));
    frame.zip(table).ok_or_else(|| EngineError::Unfit(format!("frame {index} names no table of the manifest")))
}

/// Indexes and keys in parallel, largest table first; then everything that may depend on them, in the archive's order.
async fn finish_schema(
    place: &Place,
    archive: &Arc<Archive>,
    session: &mut Session,
    head: &str,
    jobs: usize,
    named: &mut Vec<String>,
    stop: &Stop,
) -> Result<(), EngineError> {
    let text = text(archive, FrameKind::PostData).await?;
    let mut splitter = Splitter::new();
    let mut chunks = splitter.push(text.as_bytes());
    chunks.extend(splitter.finish());
    let sizes: HashMap<String, u64> = archive
        .manifest()
        .tables
        .iter()
        .flat_map(|table| spellings(table).into_iter().map(|name| (name, table.bytes)))
        .collect();
    let (mut builds, mut rest) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let Chunk::Statement { sql, .. } = chunk else { continue };
        note_roles(&sql, named);
        match indexed_table(&sql).and_then(|name| sizes.get(name)) {
            Some(bytes) => builds.push((*bytes, sql)),
            None => rest.push(sql),
        }
    }
    builds.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let builds = Arc::new(builds);
    let next = Arc::new(AtomicUsize::new(0));
    let mut hands = Vec::new();
    for _ in 0..jobs.min(builds.len()) {
        let (place, head, builds, next, own) =
            (place.clone(), head.to_owned(), Arc::clone(&builds), Arc::clone(&next), stop.clone());
        hands.push(hire("building indexes", stop, move || async move {
            let mut session = open(&place, &head).await?;
            while let Some((_, sql)) = builds.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !own.asked()) {
                run_one(&mut session, sql).await?;
            }
            session.close().await;
            Ok(())
        })?);
    }
    join_all(hands).await?;
    for sql in rest {
        run_one(session, &sql).await?;
    }
    Ok(())
}

/// The table an index or a key is built on, as the statement spells it; `None` for every other statement.
fn indexed_table(sql: &str) -> Option<&str> {
    if sql.starts_with("CREATE INDEX ") || sql.starts_with("CREATE UNIQUE INDEX ") {
        let (_, rest) = sql.split_once(" ON ")?;
        return rest.split_once(" USING ").map(|(table, _)| table);
    }
    let (table, rest) = sql.strip_prefix("ALTER TABLE ONLY ")?.split_once("\n    ADD CONSTRAINT ")?;
    let key = [" PRIMARY KEY ", " UNIQUE ", " EXCLUDE "].iter().any(|word| rest.contains(word));
    (key && !rest.contains(" FOREIGN KEY ") && !rest.contains(" CHECK ")).then_some(table)
}

/// The ways `pg_dump` may spell a table: each part plain or quoted.
fn spellings(table: &Table) -> Vec<String> {
    let quote = super::connect::quote;
    let (schemas, names) = ([table.schema.clone(), quote(&table.schema)], [table.name.clone(), quote(&table.name)]);
    schemas.iter().flat_map(|schema| names.iter().map(move |name| format!("{schema}.{name}"))).collect()
}

#[cfg(test)]
mod tests;
