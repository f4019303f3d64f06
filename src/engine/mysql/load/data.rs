//! Filling the tables over several connections, one frame a transaction.
//!
//! Whoever is free takes the next frame, of the largest table first. A frame that the server ends for a deadlock is loaded
//! again: its transaction was undone whole.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::AssertSqlSafe;

use super::super::super::EngineError;
use super::super::super::crew::{Stop, hire, join_all};
use super::super::super::memory::{self, SQL_TENTHS};
use super::super::connect::{Place, Session};
use super::super::errors::number_of_error;
use super::super::split::Splitter;
use super::{into_text, joined, open, pieces, run_one};
use crate::archive::Archive;
use crate::archive::manifest::{Frame, FrameKind, Manifest, Table};
use crate::progress::Progress;

/// How often one frame may meet a deadlock. Two workers in one table seldom meet twice.
const ATTEMPTS: u32 = 5;
/// `ER_LOCK_DEADLOCK`.
const DEADLOCK: u16 = 1213;

/// Loads all rows.
pub(super) async fn fill(
    place: &Place,
    archive: &Arc<Archive>,
    jobs: usize,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    let order = order(archive.manifest());
    let workers = jobs.min(order.len());
    let order = Arc::new(Mutex::new(order));
    let mut hands = Vec::with_capacity(workers);
    for _ in 0..workers {
        let (place, archive, order) = (place.clone(), Arc::clone(archive), Arc::clone(&order));
        let (progress, own) = (progress.clone(), stop.clone());
        hands.push(hire("loading tables", stop, move || async move {
            let mut session = open(&place, &archive).await?;
            loop {
                let next = order.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(index) = next.filter(|_| !own.asked()) else { break };
                if let Err(error) = load_in_transaction(&mut session, &archive, index, &progress, &own).await {
                    session.abandon().await;
                    return Err(error);
                }
            }
            session.close().await;
            Ok(())
        })?);
    }
    join_all(hands).await.map(drop)
}

/// Runs statements over several connections, in whatever order.
pub(super) async fn run_all(
    place: &Place,
    archive: &Arc<Archive>,
    statements: Vec<String>,
    jobs: usize,
    stop: &Stop,
) -> Result<(), EngineError> {
    let workers = jobs.min(statements.len());
    let queue = Arc::new(Mutex::new(VecDeque::from(statements)));
    let mut hands = Vec::with_capacity(workers);
    for _ in 0..workers {
        let (place, archive, queue, own) = (place.clone(), Arc::clone(archive), Arc::clone(&queue), stop.clone());
        hands.push(hire("building indexes", stop, move || async move {
            let mut session = open(&place, &archive).await?;
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(statement) = next.filter(|_| !own.asked()) else { break };
                run_one(&mut session, &statement).await?;
            }
            session.close().await;
            Ok(())
        })?);
    }
    join_all(hands).await.map(drop)
}

/// Data frames, those of the largest table first.
fn order(manifest: &Manifest) -> VecDeque<usize> {
    let bytes = |table: Option<u32>| {
        let of_it = manifest.frames.iter().filter(|frame| frame.kind == FrameKind::Data && frame.table == table);
        of_it.map(|frame| frame.raw).sum::<u64>()
    };
    let sizes: Vec<u64> = (0..manifest.tables.len()).map(|table| bytes(u32::try_from(table).ok())).collect();
    let mut frames: Vec<usize> =
        (0..manifest.frames.len()).filter(|index| manifest.frames[*index].kind == FrameKind::Data).collect();
    let size = |index: &usize| manifest.frames[*index].table.and_then(|table| sizes.get(table as usize)).copied().unwrap_or(0);
    frames.sort_by_key(|index| (Reverse(size(index)), manifest.frames[*index].table, *index));
    frames.into()
}

async fn load_in_transaction(
    session: &mut Session,
    archive: &Arc<Archive>,
    index: usize,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    // Before the transaction, whose locks another may wait for who has the turn.
    let _turn = memory::turn_of_frame(archive, index, SQL_TENTHS, progress).await?;
    let mut attempt = 1;
    loop {
        session.run("begin a transaction", "START TRANSACTION").await?;
        let loaded = match load_frame(session, archive, index, progress, stop).await {
            Ok(()) => session.run("commit rows", "COMMIT").await,
            Err(error) => Err(error),
        };
        match loaded {
            Err(error) if number_of_error(&error) == Some(DEADLOCK) && attempt < ATTEMPTS => {
                session.run("undo a transaction", "ROLLBACK").await?;
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// Loads one frame of rows in whatever transaction the session is in, and counts them.
pub(in super::super) async fn load_frame(
    session: &mut Session,
    archive: &Arc<Archive>,
    index: usize,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    let (frame, table) = frame_and_table(archive.manifest(), index)?;
    let (mut pieces, reading) = pieces(archive, index);
    let mut splitter = Splitter::new();
    let mut rows = 0;
    while let Some(piece) = pieces.recv().await {
        if stop.asked() {
            return Err(EngineError::Worker("another worker had failed".to_owned()));
        }
        for statement in splitter.push(&piece) {
            rows += insert(session, table, statement, progress).await?;
        }
    }
    joined(reading.await)?;
    for statement in splitter.finish() {
        rows += insert(session, table, statement, progress).await?;
    }
    if rows == frame.rows {
        return Ok(());
    }
    let what = format!("frame {index} holds {} rows of table {}, the server took {rows}", frame.rows, table.qualified());
    Err(EngineError::Unfit(what))
}

async fn insert(session: &mut Session, table: &Table, statement: Vec<u8>, progress: &Progress) -> Result<u64, EngineError> {
    let length = statement.len() as u64;
    if length + 1 >= session.max_packet {
        return Err(EngineError::Inexact {
            what: format!(
                "a statement of table {} is {length} bytes long and max_allowed_packet of this server is {}",
                table.qualified(),
                session.max_packet
            ),
            hint: "raise it: SET GLOBAL max_allowed_packet = 1073741824; and the same in the server's configuration".to_owned(),
        });
    }
    let sql = into_text(statement)?;
    let place = session.place().clone();
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session.connection).await;
    let done = done.map_err(|source| place.sort(&format!("load table {}", table.qualified()), source))?;
    let rows = done.rows_affected();
    progress.add(length, rows);
    Ok(rows)
}

fn frame_and_table(manifest: &Manifest, index: usize) -> Result<(&Frame, &Table), EngineError> {
    let frame = manifest.frames.get(index);
    let table = frame.and_then(|frame| frame.table).and_then(|table| manifest.tables.get(table as usize));
    frame.zip(table).ok_or_else(|| EngineError::Unfit(format!("frame {index} names no table of the manifest")))
}
