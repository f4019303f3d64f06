//! One dump worker: locks, waits for the word, then reads tasks and hands frames to the archive.
//!
//! Every frame is SQL that stands on its own: `COPY … FROM stdin;`, rows, `\.`.

use std::time::Duration;

use tokio::sync::oneshot;

use super::super::EngineError;
use super::super::crew::Stop;
use super::super::cutter::{Cutter, full, place};
use super::super::tally::{TakeRows, Tally};
use super::catalog::{BATCH, Relation};
use super::connect::{Place, Session};
use super::large_objects;
use super::rows::{self, PIECE_BYTES, Task, Tasks};
use crate::archive::FrameEncoder;
use crate::archive::manifest::FrameKind;
use crate::archive::writer::FrameSink;
use crate::progress::Progress;

/// What ends a table's rows for `psql`.
pub(super) const END_OF_ROWS: &[u8] = b"\\.\n\n";

/// What every worker of a dump needs.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// Where to connect.
    pub(super) place: Place,
    /// The exported snapshot.
    pub(super) snapshot: String,
    /// Quoted names of all tables to lock.
    pub(super) locked: Vec<String>,
    /// The longest wait for one of these locks.
    pub(super) lock_wait: Duration,
    /// The reading session's settings.
    pub(super) settings: String,
    /// Stops everybody.
    pub(super) stop: Stop,
}

/// What a worker is told once all hold their locks.
#[derive(Debug)]
pub(super) struct Go {
    /// The tables.
    pub(super) relations: std::sync::Arc<Vec<Relation>>,
    /// What to read.
    pub(super) tasks: Tasks,
    /// Whether this one reads the large objects.
    pub(super) objects: bool,
    /// Where frames go.
    pub(super) sink: FrameSink,
    /// zstd level.
    pub(super) level: i32,
    /// Counts.
    pub(super) progress: Progress,
}

/// Locks every table against changes of its definition. Nothing waits longer than the bound.
pub(super) async fn lock_all(session: &mut Session, locked: &[String], wait: Duration) -> Result<(), EngineError> {
    session.run("bound the wait for locks", &format!("SET LOCAL lock_timeout = {}", wait.as_millis())).await?;
    for batch in locked.chunks(BATCH) {
        let names = batch.iter().map(|name| format!("ONLY {name}")).collect::<Vec<_>>().join(", ");
        session.run("lock the tables against schema changes", &format!("LOCK TABLE {names} IN ACCESS SHARE MODE")).await?;
    }
    session.run("release the bound", "SET LOCAL lock_timeout = 0").await
}

/// A worker's life. It tells `ready` when it holds its locks in the snapshot, and ends quietly when no word comes.
pub(super) async fn work(
    setup: Setup,
    ready: oneshot::Sender<Result<(), EngineError>>,
    go: oneshot::Receiver<Go>,
) -> Result<Vec<(usize, Tally)>, EngineError> {
    let mut session = match enter(&setup).await {
        Ok(session) => {
            // The one who waits for this may be gone; then no word comes either.
            ready.send(Ok(())).ok();
            session
        }
        Err(error) => {
            ready.send(Err(error)).ok();
            return Ok(Vec::new());
        }
    };
    let Ok(go) = go.await else {
        session.close().await;
        return Ok(Vec::new());
    };
    let head = |table: usize| format!("{};\n", rows::copy_in(&go.relations[table]));
    let mut frames = Cutter::new(&go.sink, go.level, PIECE_BYTES, &head, END_OF_ROWS);
    match read_all(&mut session, &go, &mut frames, &setup.stop).await {
        Ok(tallies) => {
            frames.end()?;
            session.close().await;
            Ok(tallies)
        }
        Err(error) => {
            // In the middle of a COPY the wire is good for nothing else.
            session.abandon().await;
            Err(error)
        }
    }
}

async fn enter(setup: &Setup) -> Result<Session, EngineError> {
    let mut session = setup.place.connect().await?;
    session.run("set up a session", &setup.settings).await?;
    let snapshot = super::connect::literal(&setup.snapshot);
    let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {snapshot}");
    session.run("share the snapshot", &begin).await?;
    lock_all(&mut session, &setup.locked, setup.lock_wait).await?;
    Ok(session)
}

async fn read_all(
    session: &mut Session,
    go: &Go,
    frames: &mut Cutter<'_>,
    stop: &Stop,
) -> Result<Vec<(usize, Tally)>, EngineError> {
    let mut tallies = Vec::new();
    if go.objects {
        let index = go.relations.len();
        let mut objects = ObjectFrames { index, go, encoder: object_frame(index, go.level)? };
        tallies.push((index, large_objects::read(session, &mut objects, &go.progress, stop).await?));
        go.sink.append(objects.encoder.finish()?)?;
    }
    while let Some(task) = go.tasks.next() {
        if stop.asked() {
            return Err(EngineError::Worker("another worker had failed".to_owned()));
        }
        frames.turn_to(task.table)?;
        let tally = rows::read(session, &go.relations[task.table], task, frames, &go.progress, stop).await?;
        tallies.push((task.table, tally));
    }
    Ok(tallies)
}

/// Reads these tables whole, one after the other in this order, into frames that come after all others.
pub(super) async fn read_in_turn(
    session: &mut Session,
    relations: &[Relation],
    places: &[usize],
    sink: &FrameSink,
    level: i32,
    progress: &Progress,
) -> Result<Vec<(usize, Tally)>, EngineError> {
    let head = |table: usize| format!("{};\n", rows::copy_in(&relations[table]));
    let mut frames = Cutter::new(sink, level, PIECE_BYTES, &head, END_OF_ROWS);
    let mut tallies = Vec::with_capacity(places.len());
    for place in places {
        frames.turn_to(*place)?;
        let task = Task { table: *place, pages: None, bytes: relations[*place].bytes };
        tallies.push((*place, rows::read(session, &relations[*place], task, &mut frames, progress, &Stop::default()).await?));
    }
    frames.end()?;
    Ok(tallies)
}

/// Cuts large objects into frames, whole statements each.
struct ObjectFrames<'a> {
    index: usize,
    go: &'a Go,
    encoder: FrameEncoder,
}

impl TakeRows for ObjectFrames<'_> {
    fn take(&mut self, piece: &[u8], rows: u64) -> Result<(), EngineError> {
        self.encoder.write(piece, rows)?;
        if self.encoder.raw() >= full(PIECE_BYTES) {
            let next = object_frame(self.index, self.go.level)?;
            self.go.sink.append(std::mem::replace(&mut self.encoder, next).finish()?)?;
        }
        Ok(())
    }
}

fn object_frame(index: usize, level: i32) -> Result<FrameEncoder, EngineError> {
    Ok(FrameEncoder::new(FrameKind::LargeObjects, Some(place(index)?), level)?)
}
