//! Loading an archive into an empty database, over several connections, and proving that it arrived.
//!
//! Owns the order of a load: schema, rows with their indexes and their comparison (`tables`, `plan`, `builds`, `copy`),
//! sequences, what is left of the schema, verdict, views. Returns `Ok` only when every table's rows and checksum are the manifest's; held by
//! `tests/it/postgres_restore.rs`.

mod builds;
mod copy;
mod plan;
mod tables;

use std::sync::Arc;

use super::super::crew::StopOnDrop;
pub(super) use super::super::frames::{frames_of, joined, pieces, text};
use super::super::{EngineError, Loaded};
use super::catalog::{self, Relation};
use super::connect::{Place, Session};
use super::split::{Chunk, Splitter};
use super::{compare, schema, subscriptions};
use crate::archive::Archive;
use crate::archive::manifest::{FrameKind, Table};
use crate::fault;
use crate::progress::Progress;
pub(super) use copy::load_frame;

/// Memory for checking a foreign key, in MiB: the keys of one side, hashed. A server that has less to give pages.
const CHECK_MEMORY: u32 = 256;

/// Whether the server can compress large values with lz4 and nobody said how it should: `docs/decisions/007-lz4-for-large-values.md`.
const LZ4_IS_FREE_TO_USE: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'default_toast_compression' \
    AND source = 'default' AND 'lz4' = ANY (enumvals))";

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
    let manifest = archive.manifest();
    let raw: u64 = manifest.frames.iter().filter(|frame| frame.kind == FrameKind::Data).map(|frame| frame.raw).sum();
    progress.phase("loading and comparing", raw + manifest.tables.iter().map(|table| table.bytes).sum::<u64>());
    let filled = tables::fill(place, archive, &head, jobs, progress, &mut named, &stop.0).await?;
    for index in frames_of(archive, FrameKind::Sequences) {
        run_frame(&mut session, archive, index, &mut named).await?;
    }
    fault::point("pg.load.rows");
    progress.phase("finishing the schema", 0);
    for sql in filled.rest {
        run_one(&mut session, &sql).await?;
    }
    fault::point("pg.load.loaded");
    let told = subscriptions::let_go_of_slots(&mut session).await?;
    let mut loaded = compare::conclude(place, archive, filled.tallies, progress, &stop.0).await?;
    progress.phase("refreshing views", 0);
    for index in frames_of(archive, FrameKind::Trailer) {
        run_frame(&mut session, archive, index, &mut named).await?;
    }
    if !filled.analyzed {
        session.run("collect statistics", super::ANALYZE).await?;
    }
    // The first commit that waits for the disk takes everything before it along; a message of nothing is one.
    let flush = "SET synchronous_commit = on; SELECT pg_catalog.pg_logical_emit_message(true, 'upkeep', '')";
    session.run("wait for the disk", flush).await?;
    loaded.warnings = missing_roles(&mut session, &named).await?;
    loaded.warnings.extend(told);
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
        "SET synchronous_commit = off; SET maintenance_work_mem = '{CHECK_MEMORY}MB'; SET default_transaction_read_only = off"
    );
    session.run("set up a session", &settings).await?;
    if catalog::major(&mut session).await? >= 17 {
        session.run("set up a session", "SET transaction_timeout = 0").await?;
    }
    if session.truth("look how large values are compressed", LZ4_IS_FREE_TO_USE).await? {
        session.run("set up a session", "SET default_toast_compression = 'lz4'").await?;
    }
    Ok(session)
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
