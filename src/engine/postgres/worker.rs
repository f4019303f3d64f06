//! One dump worker: shares the snapshot, waits for the word, then reads tasks and hands frames to the archive.
//!
//! A worker locks what it reads and lets go of it soon: the server's room for locks is small, and the session that exported the snapshot
//! holds a lock on every table. A lock that is not there at once is not waited for: a schema change stands in line for it, and waits for
//! that session. So the task is left to that session, which needs no new lock.
//! Every frame is SQL that stands on its own: `COPY … FROM stdin;`, rows, `\.`.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::super::EngineError;
use super::super::crew::Stop;
use super::super::cutter::{Cutter, full, place};
use super::super::tally::{TakeRows, Tally};
use super::catalog::{BATCH, Relation};
use super::connect::{Place, Session};
use super::large_objects;
use super::rows::{self, PIECE_BYTES, Task, Tasks};
use super::said::is_about_a_kept_lock;
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
    /// The reading session's settings.
    pub(super) settings: String,
    /// Stops everybody.
    pub(super) stop: Stop,
}

/// What a worker is told once all share the snapshot.
#[derive(Debug)]
pub(super) struct Go {
    /// The tables.
    pub(super) relations: Arc<Vec<Relation>>,
    /// What the workers could not lock.
    pub(super) left: Left,
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

/// Tasks that are left to the session which holds the locks.
#[derive(Debug, Clone, Default)]
pub(super) struct Left(Arc<Mutex<Vec<Task>>>);

impl Left {
    fn push(&self, task: Task) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// All of them.
    pub(super) fn take(&self) -> Vec<Task> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Locks every table against changes of its definition.
pub(super) async fn lock_all(session: &mut Session, locked: &[String]) -> Result<(), EngineError> {
    for batch in locked.chunks(BATCH) {
        let names = batch.iter().map(|name| format!("ONLY {name}")).collect::<Vec<_>>().join(", ");
        session.run("lock the tables against schema changes", &format!("LOCK TABLE {names} IN ACCESS SHARE MODE")).await?;
    }
    Ok(())
}

/// A worker's life. It tells `ready` when it shares the snapshot, and ends quietly when no word comes.
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
    match read_all(&mut session, &go, &mut frames, &setup).await {
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
    session.run("share the snapshot", &share(&setup.snapshot)).await?;
    Ok(session)
}

/// Begins a transaction in an exported snapshot.
pub(super) fn share(snapshot: &str) -> String {
    let snapshot = super::connect::literal(snapshot);
    format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {snapshot}")
}

async fn read_all(
    session: &mut Session,
    go: &Go,
    frames: &mut Cutter<'_>,
    setup: &Setup,
) -> Result<Vec<(usize, Tally)>, EngineError> {
    let mut tallies = Vec::new();
    if go.objects {
        let index = go.relations.len();
        let mut objects = ObjectFrames { index, go, encoder: object_frame(index, go.level)? };
        tallies.push((index, large_objects::read(session, &mut objects, &go.progress, &setup.stop).await?));
        go.sink.append(objects.encoder.finish()?)?;
    }
    loop {
        let few = go.tasks.next_few();
        if few.is_empty() {
            return Ok(tallies);
        }
        // A condition may ask other tables, and would wait for their locks.
        let (conditional, few): (Vec<Task>, Vec<Task>) =
            few.into_iter().partition(|task| !go.relations[task.table].filter.is_empty());
        conditional.into_iter().for_each(|task| go.left.push(task));
        if few.is_empty() {
            continue;
        }
        if lock(session, go, setup, &few).await? {
            read_few(session, go, frames, &setup.stop, &few, &mut tallies).await?;
            continue;
        }
        for task in few {
            if lock(session, go, setup, &[task]).await? {
                read_few(session, go, frames, &setup.stop, &[task], &mut tallies).await?;
            } else {
                go.left.push(task);
            }
        }
    }
}

/// Locks what is read next, in a transaction of its own in the snapshot. False where somebody else stands in line for one of them.
async fn lock(session: &mut Session, go: &Go, setup: &Setup, tasks: &[Task]) -> Result<bool, EngineError> {
    let names = tasks.iter().map(|task| format!("ONLY {}", go.relations[task.table].quoted())).collect::<Vec<_>>().join(", ");
    let sql = format!("ROLLBACK; {}; LOCK TABLE {names} IN ACCESS SHARE MODE NOWAIT", share(&setup.snapshot));
    match session.run("lock what is read next", &sql).await {
        Ok(()) => Ok(true),
        Err(error) if is_about_a_kept_lock(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads tasks whose tables are locked, and adds what was found to `tallies`.
pub(super) async fn read_few(
    session: &mut Session,
    go: &Go,
    frames: &mut Cutter<'_>,
    stop: &Stop,
    tasks: &[Task],
    tallies: &mut Vec<(usize, Tally)>,
) -> Result<(), EngineError> {
    for task in tasks {
        if stop.asked() {
            return Err(EngineError::Worker("another worker had failed".to_owned()));
        }
        frames.turn_to(task.table)?;
        let tally = rows::read(session, &go.relations[task.table], *task, frames, &go.progress, stop).await?;
        tallies.push((task.table, tally));
    }
    Ok(())
}

/// Reads these in this order, in the session that holds every lock, and gives the session back.
pub(super) async fn read_in_turn(
    mut session: Session,
    go: Go,
    tasks: Vec<Task>,
    stop: Stop,
) -> Result<(Session, Vec<(usize, Tally)>), EngineError> {
    let head = |table: usize| format!("{};\n", rows::copy_in(&go.relations[table]));
    let mut frames = Cutter::new(&go.sink, go.level, PIECE_BYTES, &head, END_OF_ROWS);
    let mut tallies = Vec::new();
    let done = read_few(&mut session, &go, &mut frames, &stop, &tasks, &mut tallies).await;
    match done.and_then(|()| frames.end()) {
        Ok(()) => Ok((session, tallies)),
        Err(error) => {
            session.abandon().await;
            Err(error)
        }
    }
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
