//! Loading an archive into an empty database, over several connections, and proving that it arrived.
//!
//! Owns the order of a load: schema, rows with their indexes and their comparison (`tables`, `plan`, `builds`, `copy`),
//! sequences, what is left of the schema, verdict, views. Returns `Ok` only when every table's rows and checksum are the manifest's; held by
//! `tests/it/postgres_restore.rs`.

mod builds;
mod copy;
mod owners;
mod plan;
mod tables;
mod together;

use std::sync::Arc;

use super::super::crew::StopOnDrop;
pub(super) use super::super::frames::{frames_of, joined, pieces, text};
use super::super::{EngineError, Loaded};
use super::catalog::Relation;
use super::connect::{Place, Session, literal};
use super::create::usable_tablespace;
use super::guard::{self, Need};
use super::split::{Chunk, Splitter};
use super::{compare, order, schema, subscriptions};
use crate::archive::Archive;
use crate::archive::manifest::{FrameKind, Table};
use crate::fault;
use crate::progress::Progress;
pub(super) use copy::load_frame;
use owners::Owners;

/// Memory for checking a foreign key, in MiB: the keys of one side, hashed. A server that has less to give pages.
const CHECK_MEMORY: u32 = 256;

/// Whether the server can compress large values with lz4 and nobody said how it should: `docs/decisions/007-lz4-for-large-values.md`.
const LZ4_IS_FREE_TO_USE: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'default_toast_compression' \
    AND source = 'default' AND 'lz4' = ANY (enumvals))";

/// What becomes of materialized views, whose rows are in no archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Views {
    /// Their queries are run.
    Refresh,
    /// They are made and stay empty: a query may call what acts outside of its database.
    Leave,
}

/// Fills an empty database and compares.
pub(super) async fn fill(
    place: &Place,
    archive: &Arc<Archive>,
    views: Views,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let stop = StopOnDrop::default();
    let head = schema::for_server(&text(archive, FrameKind::Header).await?);
    let mut session = open(place, &head).await?;
    let mut named = Vec::new();
    progress.phase("loading the schema", 0);
    for index in frames_of(archive, FrameKind::PreData) {
        together::run_frame(&mut session, archive, index, &mut named).await?;
    }
    fault::point("pg.load.schema");
    let manifest = archive.manifest();
    let raw: u64 = manifest.frames.iter().filter(|frame| frame.kind == FrameKind::Data).map(|frame| frame.raw).sum();
    progress.phase("loading and comparing", raw + manifest.tables.iter().map(|table| table.bytes).sum::<u64>());
    let filled = tables::fill(place, archive, &head, jobs, progress, &mut named, &stop.0).await?;
    for index in frames_of(archive, FrameKind::Sequences) {
        together::run_frame(&mut session, archive, index, &mut named).await?;
    }
    fault::point("pg.load.rows");
    progress.phase("finishing the schema", 0);
    together::run_all(&mut session, &filled.rest).await?;
    fault::point("pg.load.loaded");
    let told = subscriptions::let_go_of_slots(&mut session).await?;
    let mut loaded = compare::conclude(place, archive, filled.tallies, progress, &stop.0).await?;
    if views == Views::Refresh {
        progress.phase("refreshing views", 0);
        for index in frames_of(archive, FrameKind::Trailer) {
            run_frame(&mut session, archive, index, &mut named).await?;
        }
    }
    if !filled.analyzed {
        session.run("collect statistics", super::ANALYZE).await?;
    }
    // The first commit that waits for the disk takes everything before it along; a message of nothing is one.
    let flush = "SET synchronous_commit = on; SELECT pg_catalog.pg_logical_emit_message(true, 'upkeep', '')";
    session.run("wait for the disk", flush).await?;
    loaded.warnings.extend(missing(&mut session, &named).await?);
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
    let settings = format!("SET synchronous_commit = off; SET maintenance_work_mem = '{CHECK_MEMORY}MB'");
    session.run("set up a session", &settings).await?;
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
    named: &mut Vec<Need>,
) -> Result<(), EngineError> {
    let note = |sql: &str| {
        note_needs(sql, named);
        true
    };
    run_frame_where(session, archive, index, note).await
}

/// Runs those statements of a frame that are `wanted`, one by one.
pub(super) async fn run_frame_where(
    session: &mut Session,
    archive: &Arc<Archive>,
    index: usize,
    mut wanted: impl FnMut(&str) -> bool,
) -> Result<(), EngineError> {
    let (mut pieces, reading) = pieces(archive, index);
    let (mut splitter, mut owners) = (Splitter::new(), Owners::default());
    while let Some(piece) = pieces.recv().await {
        run_where(session, archive, splitter.push(&piece), &mut owners, &mut wanted).await?;
    }
    joined(reading.await)?;
    run_where(session, archive, splitter.finish(), &mut owners, &mut wanted).await
}

async fn run_where(
    session: &mut Session,
    archive: &Arc<Archive>,
    chunks: Vec<Chunk>,
    owners: &mut Owners,
    wanted: &mut impl FnMut(&str) -> bool,
) -> Result<(), EngineError> {
    for chunk in chunks {
        if let Some(sql) = statement(chunk)?.filter(|sql| wanted(sql)) {
            owners.run(session, archive, &sql).await?;
        }
    }
    Ok(())
}

/// The statement that a chunk of a frame is, if it is one.
fn statement(chunk: Chunk) -> Result<Option<String>, EngineError> {
    match chunk {
        Chunk::Statement { sql, .. } => Ok(Some(sql)),
        Chunk::Bytes(_) => Err(EngineError::Unfit("a statement in it is not UTF-8".to_owned())),
        Chunk::Meta(_) | Chunk::Rest(_) => Ok(None),
    }
}

pub(super) async fn run_one(session: &mut Session, sql: &str) -> Result<(), EngineError> {
    session.run(&format!("run `{}`", guard::first_line(sql)), sql).await
}

fn note_needs(sql: &str, named: &mut Vec<Need>) {
    for need in guard::needs(sql) {
        if !named.contains(&need) {
            named.push(need);
        }
    }
}

/// What to say of roles and tablespaces that the archive names and this server lacks.
pub(super) async fn missing(session: &mut Session, named: &[Need]) -> Result<Vec<String>, EngineError> {
    let mut warnings = Vec::new();
    let user = session.place().user().to_owned();
    for need in named {
        let (asked, warning) = match need {
            Need::Role(role) => (
                format!("SELECT pg_catalog.to_regrole({}) IS NULL", literal(role)),
                format!(
                    "role {role} does not exist here: its objects belong to {user}, its privileges are left out (`upkeep accounts LABEL` prints what makes it, to be run before a restore)"
                ),
            ),
            Need::Acting(role) => (
                format!("SELECT pg_catalog.to_regrole({}) IS NOT NULL AND NOT ({})", literal(role), guard::may_hand_over(role)),
                format!(
                    "role {role} is not one that {user} may act for: its objects belong to {user}, its default privileges are left out"
                ),
            ),
            Need::Labels(provider) => (
                format!("SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_seclabel WHERE provider = {})", literal(provider)),
                format!(
                    "security label provider {provider} is not loaded here: its labels are left out (to have them, load it with \
                     shared_preload_libraries, then restore again)"
                ),
            ),
            Need::Tablespace(name) => (
                format!("SELECT NOT {}", usable_tablespace(name)),
                format!(
                    "tablespace {name} does not exist here, or {user} may not use it: what was in it is in the database's own"
                ),
            ),
        };
        if session.truth("look for what the archive names", &asked).await? {
            warnings.push(warning);
        }
    }
    Ok(warnings)
}

/// Refuses where a policy that takes rows away would be missing for want of a role, before anything long is begun.
async fn demand_roles_of_policies(session: &mut Session, statements: &[(String, Vec<String>)]) -> Result<(), EngineError> {
    for (policy, roles) in statements {
        for role in roles {
            let asked = format!("SELECT pg_catalog.to_regrole({}) IS NULL", literal(role));
            if session.truth("look for the roles of policies", &asked).await? {
                return Err(EngineError::Inexact {
                    what: format!("policy {policy} takes rows away, and role {role}, which it names, does not exist here"),
                    hint: format!("create the role first: CREATE ROLE {role}; without the policy its rows would be shown"),
                });
            }
        }
    }
    Ok(())
}

/// Places of the tables, in the manifest, that come after all others, in this order; asked where their definition is.
async fn in_turn(session: &mut Session, archive: &Archive) -> Result<Vec<usize>, EngineError> {
    let tables = &archive.manifest().tables;
    let place = |(schema, name): (String, String)| tables.iter().position(|table| table.schema == schema && table.name == name);
    Ok(order::in_turn(session).await?.into_iter().filter_map(place).collect())
}

/// Frames of rows in the order in which one session may load them: what reads other tables after them.
pub(super) async fn frames_in_turn(session: &mut Session, archive: &Archive) -> Result<Vec<usize>, EngineError> {
    let turns = in_turn(session, archive).await?;
    let frames = &archive.manifest().frames;
    let turn = |frame: &usize| {
        let table = frames[*frame].table.map(|table| table as usize);
        table.and_then(|table| turns.iter().position(|turn| *turn == table)).map_or(0, |at| at + 1)
    };
    let mut found = frames_of(archive, FrameKind::Data);
    found.sort_by_key(turn);
    Ok(found)
}

/// A table of the manifest, as statements about it need it.
/// What is stored beside its rows is not asked: for tables without large rows, or that are not read by this.
pub(super) fn relation_of(table: &Table) -> Relation {
    Relation {
        schema: table.schema.clone(),
        name: table.name.clone(),
        columns: table.columns.clone(),
        ..super::large_objects::relation()
    }
}
