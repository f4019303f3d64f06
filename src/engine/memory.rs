//! Memory for rows that are too large to be many: one of them at a time in the whole process, and none that does not fit.
//!
//! A driver holds a row whole, and an allocation that fails ends the process with all that it is at. So whoever is about to read or
//! write such a row asks here first, with what it takes at the most as it was measured (docs/host.md). Knows nothing of engines.

use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

use super::EngineError;
use crate::archive::Archive;
use crate::archive::manifest::{Frame, FrameKind};
use crate::archive::writer::encoder::GATHER_BYTES;
use crate::process::memory::{Room, room, whole_room};

/// A row of more bytes than this, as an archive has it, is one of these. As many smaller ones as there are connections do no harm.
pub(super) const LARGE: u64 = 16 << 20;

/// What a row of PostgreSQL's takes, in tenths of its length as `COPY` writes it.
pub(super) const COPY_TENTHS: u64 = 25;
/// What a row of MySQL's or MariaDB's takes, in tenths of its length as SQL.
pub(super) const SQL_TENTHS: u64 = 40;
/// What a value of SQLite's takes that is read piece by piece, in tenths of its length; and a row that is read like all others.
pub(super) const PIECEWISE_TENTHS: u64 = 15;
pub(super) const COPIED_TENTHS: u64 = 40;

/// How long memory is waited for that others have, or what waits for a slow disk; and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(250);

static TURN: Mutex<()> = Mutex::const_new(());

/// The right to one large row; the next one waits for its end.
#[derive(Debug)]
pub(super) struct Turn {
    _held: MutexGuard<'static, ()>,
}

/// There is no room for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    needed: u64,
    room: Room,
}

impl Short {
    /// The error that names the row.
    pub(super) fn of(self, row: String) -> EngineError {
        EngineError::NoMemory { row, needed: self.needed, room: self.room }
    }
}

/// What a row of so many bytes takes.
pub(super) fn needed(bytes: u64, tenths: u64) -> u64 {
    bytes.saturating_mul(tenths) / 10
}

/// Whether there is room for so many bytes now.
pub(super) fn fits(needed: u64) -> bool {
    room().is_none_or(|room| needed <= room.bytes)
}

/// Waits until no other large row is in memory, and gives the right to one that takes so many bytes, if there is room.
pub(super) async fn turn(needed: u64) -> Result<Turn, Short> {
    let held = TURN.lock().await;
    demand(needed)?;
    let end = Instant::now() + PATIENCE;
    loop {
        match room() {
            Some(room) if needed > room.bytes && Instant::now() >= end => return Err(Short { needed, room }),
            Some(room) if needed > room.bytes => tokio::time::sleep(LOOK_EVERY).await,
            _ => return Ok(Turn { _held: held }),
        }
    }
}

/// Whether there might be room for so many bytes.
pub(super) fn demand(needed: u64) -> Result<(), Short> {
    match whole_room() {
        Some(room) if needed > room.bytes => Err(Short { needed, room }),
        _ => Ok(()),
    }
}

/// The length of the row that makes a frame of rows longer than any other, if one does: whoever cuts frames ends them below
/// [`GATHER_BYTES`], but for one row.
pub(super) fn large_row_of(frame: &Frame) -> Option<u64> {
    let is_long = frame.kind == FrameKind::Data && frame.raw > LARGE + GATHER_BYTES as u64;
    is_long.then(|| frame.raw - GATHER_BYTES as u64)
}

/// Waits for the turn of a frame that holds a large row, if it does.
pub(super) async fn turn_of_frame(archive: &Archive, index: usize, tenths: u64) -> Result<Option<Turn>, EngineError> {
    let Some(frame) = archive.manifest().frames.get(index) else { return Ok(None) };
    let Some(bytes) = large_row_of(frame) else { return Ok(None) };
    turn(needed(bytes, tenths)).await.map(Some).map_err(|short| short.of(row_of(archive, frame)))
}

/// Refuses an archive with a row that would not fit into memory, before anything is done with it.
pub(super) fn demand_for(archive: &Archive, tenths: u64) -> Result<(), EngineError> {
    let large = archive.manifest().frames.iter().filter_map(|frame| Some((large_row_of(frame)?, frame)));
    let Some((bytes, frame)) = large.max_by_key(|(bytes, _)| *bytes) else { return Ok(()) };
    demand(needed(bytes, tenths)).map_err(|short| short.of(row_of(archive, frame)))
}

fn row_of(archive: &Archive, frame: &Frame) -> String {
    let manifest = archive.manifest();
    let table = frame.table.and_then(|table| manifest.tables.get(table as usize));
    let name = table.map_or_else(|| "that is not named".to_owned(), |table| table.qualified());
    format!("a row of table {name} in archive {}", manifest.label)
}
