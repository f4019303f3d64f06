//! Memory for rows that are too large to be many: one of them at a time in the whole process, and none that does not fit.
//!
//! A driver holds a row whole, and an allocation that fails ends the process with all that it is at. So whoever is about to read or
//! write such a row asks here first, with what it takes at the most as it was measured (docs/host.md). Knows nothing of engines.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

use super::EngineError;
use crate::archive::Archive;
use crate::archive::manifest::{Frame, FrameKind};
use crate::archive::writer::encoder::GATHER_BYTES;
use crate::process::memory::{Room, room, whole_room};
use crate::progress::Progress;

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

/// What whoever waits shows meanwhile.
const WAITS: &str = "waiting for memory for a large row";

static TURN: Mutex<()> = Mutex::const_new(());
/// The work that has the turn, by its progress, and how often one was given: by both others see whether it moves.
static HOLDER: std::sync::Mutex<Option<Progress>> = std::sync::Mutex::new(None);
static GIVEN: AtomicU64 = AtomicU64::new(0);

/// The right to one large row; the next one waits for its end.
#[derive(Debug)]
pub(super) struct Turn {
    _held: MutexGuard<'static, ()>,
}

impl Turn {
    fn given(held: MutexGuard<'static, ()>, to: &Progress) -> Self {
        *HOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(to.clone());
        GIVEN.fetch_add(1, Ordering::Relaxed);
        Self { _held: held }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *HOLDER.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// There is no room for it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Short {
    /// Nor would there be if nothing else took any.
    Ever { needed: u64, room: Room },
    /// Others have it: so much is left, or none is said where another large row does not end.
    Now { needed: u64, room: Option<Room> },
}

impl Short {
    /// The error that names the row.
    pub(super) fn of(self, row: String) -> EngineError {
        match self {
            Self::Ever { needed, room } => EngineError::NoMemory { row, needed, room },
            Self::Now { needed, room } => EngineError::NoMemoryNow { row, needed, room },
        }
    }
}

/// What a row of so many bytes takes.
pub(super) fn needed(bytes: u64, tenths: u64) -> u64 {
    bytes.saturating_mul(tenths) / 10
}

/// What a row of so many bytes takes that an archive has or will have: a frame may hold others before it, and they count with it.
pub(super) fn needed_in_frame(bytes: u64, tenths: u64) -> u64 {
    needed(bytes.saturating_add(GATHER_BYTES as u64), tenths)
}

/// Whether there is room for so many bytes now.
pub(super) fn fits(needed: u64) -> bool {
    room().is_none_or(|room| needed <= room.bytes)
}

/// Waits until no other large row is in memory, and gives the right to one that takes so many bytes, if there is room.
pub(super) async fn turn(needed: u64, progress: &Progress) -> Result<Turn, Short> {
    demand(needed)?;
    wait(needed, progress, PATIENCE).await
}

async fn wait(needed: u64, progress: &Progress, patience: Duration) -> Result<Turn, Short> {
    let told = Told(progress);
    let turn = Turn::given(queue(progress, patience).await.ok_or(Short::Now { needed, room: None })?, progress);
    let end = Instant::now() + patience;
    loop {
        match room() {
            Some(room) if needed > room.bytes && Instant::now() >= end => {
                return Err(Short::Now { needed, room: Some(room) });
            }
            Some(room) if needed > room.bytes => {
                told.0.say(WAITS);
                tokio::time::sleep(LOOK_EVERY).await;
            }
            _ => return Ok(turn),
        }
    }
}

/// Takes back what is shown of the wait, however it ends.
struct Told<'a>(&'a Progress);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if self.0.snapshot().said == WAITS {
            self.0.say("");
        }
    }
}

/// Waits in the order of arrival; none when the row whose turn it is belongs to other work that has not moved for so long. With the
/// same work it is no help to give up: what ends the one ends the other.
async fn queue(progress: &Progress, patience: Duration) -> Option<MutexGuard<'static, ()>> {
    let mut turn = std::pin::pin!(TURN.lock());
    let (mut seen, mut since) = (None, Instant::now());
    loop {
        // The place in the queue is kept.
        if let Ok(held) = tokio::time::timeout(LOOK_EVERY, &mut turn).await {
            return Some(held);
        }
        progress.say(WAITS);
        let now = movement_beside(progress);
        if now.is_none() || now != seen {
            (seen, since) = (now, Instant::now());
        } else if since.elapsed() >= patience {
            return None;
        }
    }
}

/// How far the other work is that has the turn; none where no other has.
fn movement_beside(own: &Progress) -> Option<(u64, u64, u64)> {
    let holder = HOLDER.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
    let now = holder.snapshot();
    (!holder.is_same_as(own)).then(|| (GIVEN.load(Ordering::Relaxed), now.done_bytes, now.done_rows))
}

/// Whether there might be room for so many bytes.
pub(super) fn demand(needed: u64) -> Result<(), Short> {
    match whole_room() {
        Some(room) if needed > room.bytes => Err(Short::Ever { needed, room }),
        _ => Ok(()),
    }
}

/// What the longest row of a frame of rows has at the most, if that is much: whoever cuts frames ends them below [`GATHER_BYTES`], but
/// for one row. What stands before it in the frame is in memory with it.
pub(super) fn large_row_of(frame: &Frame) -> Option<u64> {
    (frame.kind == FrameKind::Data && frame.raw > LARGE).then_some(frame.raw)
}

/// Waits for the turn of a frame that holds a large row, if it does.
pub(super) async fn turn_of_frame(
    archive: &Archive,
    index: usize,
    tenths: u64,
    progress: &Progress,
) -> Result<Option<Turn>, EngineError> {
    let Some(frame) = archive.manifest().frames.get(index) else { return Ok(None) };
    let Some(bytes) = large_row_of(frame) else { return Ok(None) };
    turn(needed(bytes, tenths), progress).await.map(Some).map_err(|short| short.of(row_of(archive, frame)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Class, Explain};
    use crate::process::memory::Bound;
    use crate::schedule::may_pass;

    #[test]
    fn a_row_is_as_long_as_its_frame_at_the_most() {
        let frame = |kind, raw| Frame { kind, table: Some(0), offset: 0, stored: 1, raw, rows: 1, digest: String::new() };
        assert_eq!(large_row_of(&frame(FrameKind::Data, LARGE)), None);
        assert_eq!(large_row_of(&frame(FrameKind::Data, LARGE + 1)), Some(LARGE + 1));
        assert_eq!(large_row_of(&frame(FrameKind::LargeObjects, LARGE + 1)), None);
        let row = 34 << 20;
        assert!(
            needed_in_frame(row, SQL_TENTHS) >= needed(row + GATHER_BYTES as u64, SQL_TENTHS),
            "what is dumped can be restored"
        );
    }

    #[test]
    fn what_lasts_is_not_tried_again() {
        let room = Room { bytes: 1, bound: Bound::Group };
        let lasting = Short::Ever { needed: 2, room }.of("a row of table t".to_owned());
        assert_eq!((lasting.class(), lasting.transient(), may_pass(lasting.class())), (Class::Data, false, false));
        for room in [Some(room), None] {
            let passing = Short::Now { needed: 2, room }.of("a row of table t".to_owned());
            assert_eq!((passing.class(), passing.transient(), may_pass(passing.class())), (Class::OsError, true, true));
            assert!(!passing.hints().is_empty());
        }
    }

    #[tokio::test]
    async fn a_turn_is_waited_for_in_sight() {
        let (own, other) = (Progress::default(), Progress::default());
        let held = turn(0, &own).await.unwrap();
        let stuck = wait(0, &other, Duration::ZERO).await.unwrap_err();
        assert!(matches!(stuck, Short::Now { room: None, .. }), "{stuck:?}");
        assert_eq!(other.snapshot().said, "");
        // The same work waits however long it takes, and says so.
        assert!(tokio::time::timeout(LOOK_EVERY * 4, wait(0, &own, Duration::ZERO)).await.is_err());
        let mut next = Box::pin(wait(0, &own, PATIENCE));
        while own.snapshot().said != WAITS {
            assert!(tokio::time::timeout(LOOK_EVERY, &mut next).await.is_err());
        }
        drop(held);
        drop(next.await.unwrap());
        assert_eq!(own.snapshot().said, "");
    }
}
