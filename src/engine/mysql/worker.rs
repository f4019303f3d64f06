//! One dump worker: connects, opens its snapshot when told, then reads tasks and hands frames to the archive.
//!
//! Every frame is SQL that stands on its own: whole `INSERT` statements of one table. Once a worker is ready it holds a metadata
//! lock on every table, so that whoever changes one of them waits for us and we never for him.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::super::EngineError;
use super::super::crew::Stop;
use super::super::cutter::Cutter;
use super::super::tally::Tally;
use super::computed;
use super::connect::{Place, Session, quote};
use super::ranges::Tasks;
use super::relation::Relation;
use super::rows::{self, STATEMENT_BYTES, timeless};
use super::shape;
use crate::archive::writer::FrameSink;
use crate::progress::Progress;
use crate::shape::History;

/// Tables looked at in one round trip.
const BATCH: usize = 100;

/// What every worker of a dump needs.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// Where to connect.
    pub(super) place: Place,
    /// Every table there is.
    pub(super) tables: Vec<String>,
    /// Names of history tables beyond the well-known.
    pub(super) history_tables: Vec<String>,
    /// Stops everybody.
    pub(super) stop: Stop,
}

/// What a worker saw in its snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The server's clock, in microseconds.
    pub(super) micros: i64,
    /// The migration histories.
    pub(super) histories: Vec<History>,
}

/// Tables that nobody has taken yet; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Left(Arc<Mutex<Vec<usize>>>);

impl Left {
    /// The tables of which this is so.
    pub(super) fn of(relations: &[Relation], is_so: impl Fn(&Relation) -> bool) -> Self {
        Self(Arc::new(Mutex::new((0..relations.len()).filter(|table| is_so(&relations[*table])).collect())))
    }

    fn next(&self) -> Option<usize> {
        self.0.lock().ok().and_then(|mut tables| tables.pop())
    }
}

/// What a worker is told once all are ready.
#[derive(Debug, Clone)]
pub(super) struct Go {
    /// The tables.
    pub(super) relations: Arc<Vec<Relation>>,
    /// What to read.
    pub(super) tasks: Tasks,
    /// Tables with generated columns to be summed up.
    pub(super) computed: Left,
    /// Tables of whose histories some versions are passed over, to be counted.
    pub(super) histories: Left,
    /// Where frames go.
    pub(super) sink: FrameSink,
    /// zstd level.
    pub(super) level: i32,
    /// Counts.
    pub(super) progress: Progress,
}

/// What connects a worker with whoever hired it: each says its word once, in this order.
#[derive(Debug)]
pub(super) struct Words {
    /// It is connected.
    pub(super) connected: oneshot::Sender<Result<(), EngineError>>,
    /// It is to open its snapshot.
    pub(super) open: oneshot::Receiver<()>,
    /// It has, and has looked at every table: nothing need be locked for it any more.
    pub(super) ready: oneshot::Sender<Result<(), EngineError>>,
    /// What it saw.
    pub(super) seen: oneshot::Sender<Result<Seen, EngineError>>,
    /// It is to read.
    pub(super) go: oneshot::Receiver<Go>,
}

/// A worker's life. It ends quietly when a word does not come.
pub(super) async fn work(setup: Setup, words: Words) -> Result<Vec<(usize, Tally)>, EngineError> {
    let mut session = match setup.place.connect().await {
        Ok(session) => session,
        Err(error) => {
            // The one who waits for this may be gone; then no word comes either.
            words.connected.send(Err(error)).ok();
            return Ok(Vec::new());
        }
    };
    words.connected.send(Ok(())).ok();
    if words.open.await.is_err() {
        session.close().await;
        return Ok(Vec::new());
    }
    let opened = open(&mut session, &setup.tables).await;
    let is_open = opened.is_ok();
    words.ready.send(opened).ok();
    let seen = if is_open { look(&mut session, &setup.history_tables).await } else { Ok(Seen::default()) };
    let has_seen = is_open && seen.is_ok();
    words.seen.send(seen).ok();
    if !has_seen {
        session.close().await;
        return Ok(Vec::new());
    }
    let Ok(go) = words.go.await else {
        session.close().await;
        return Ok(Vec::new());
    };
    // A statement names its table itself.
    let mut frames = Cutter::new(&go.sink, go.level, STATEMENT_BYTES, &|_| String::new(), b"");
    match read_all(&mut session, &go, &mut frames, &setup.stop).await {
        Ok(tallies) => {
            frames.end()?;
            session.close().await;
            Ok(tallies)
        }
        Err(error) => {
            // In the middle of an answer the wire is good for nothing else.
            session.abandon().await;
            Err(error)
        }
    }
}

/// Opens the snapshot and touches every table in it, which locks the table's definition and proves that its rows can be seen
/// as of the snapshot. Others wait for this: it asks for nothing else.
async fn open(session: &mut Session, tables: &[String]) -> Result<(), EngineError> {
    let begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
    session.run("open a snapshot", begin).await?;
    for batch in tables.chunks(BATCH) {
        let looks = batch.iter().map(|name| format!("SELECT 1 FROM {} LIMIT 1", quote(name))).collect::<Vec<_>>().join("; ");
        session.run("look at every table", &looks).await?;
    }
    Ok(())
}

/// What the snapshot says of itself. The catalogue asks for grants, which wait for whoever changes accounts, who may be waiting for the
/// lock that the snapshot was opened under: so this comes when that is given back.
async fn look(session: &mut Session, history_tables: &[String]) -> Result<Seen, EngineError> {
    let clock = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)";
    let micros = i64::try_from(session.number("read the server's clock", clock).await?).unwrap_or(0);
    let histories = shape::histories(session, history_tables).await?;
    rows::prepare(session).await?;
    Ok(Seen { micros, histories })
}

async fn read_all(
    session: &mut Session,
    go: &Go,
    frames: &mut Cutter<'_>,
    stop: &Stop,
) -> Result<Vec<(usize, Tally)>, EngineError> {
    let mut tallies = Vec::new();
    while let Some(task) = go.tasks.next(session).await? {
        if stop.asked() {
            return Err(EngineError::Worker("another worker had failed".to_owned()));
        }
        frames.turn_to(task.table)?;
        let tally = rows::read(session, &go.relations[task.table], &task, frames, &go.progress, stop).await?;
        tallies.push((task.table, tally));
    }
    while let Some(table) = go.computed.next() {
        let computed = computed::sum(session, &go.relations[table]).await?;
        tallies.push((table, Tally { computed, ..Tally::default() }));
    }
    while let Some(table) = go.histories.next() {
        let passed_over = timeless::count(session, &go.relations[table]).await?;
        tallies.push((table, Tally { passed_over, ..Tally::default() }));
    }
    Ok(tallies)
}
