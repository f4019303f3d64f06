//! Dumping: one snapshot, everybody's locks first, then the rows.
//!
//! Owns the order of a dump. One session locks every table before the snapshot is taken and until the last row is read, and nobody waits
//! for a lock once the first row is read, so a schema change that queues up meanwhile waits for us and we never for it; held by
//! `tests/it/postgres_traps.rs`. Never writes to the database.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::super::accounts::remarks;
use super::super::crew::{Hand, Stop, StopOnDrop, hire, join_all};
use super::super::cutter::{append, append_text};
use super::super::tally::Tally;
use super::super::without::Without;
use super::super::{DumpRequest, Dumped, EngineError, moment};
use super::catalog::{self, Relation};
use super::client::{Client, Reading};
use super::connect::{LOCK_WAIT, Place, Session, sqlstate};
use super::rows::{self, Task, Tasks};
use super::said::NOT_AVAILABLE;
use super::schema::{Cleaner, head, restriction};
use super::worker::{Go, Left, Setup, lock_all, read_in_turn, work};
use super::{accounts, computed, create, large_objects, left_out, likeness, locks, order, printed, shape, standby, without};
use crate::archive::manifest::{Consistency, FrameKind, LeftOut, Server, Table};
use crate::archive::writer::{EncodedFrame, FrameSink};
use crate::archive::{FrameEncoder, PendingArchive};
use crate::fault;
use crate::progress::Progress;
use crate::shape::Shape;

/// How long `pg_dump` waits for locks that we hold already: only a schema change that queued up behind us can be
/// in the way, it waits for us, and everybody who wants the table waits for it. So not long, then we make way.
pub(super) const FOLLOW_WAIT: Duration = Duration::from_millis(500);
/// SQLSTATEs of a table and a schema that went away between two looks.
const GONE: [&str; 2] = ["42P01", "3F000"];
/// The same, and of a lock not granted.
const PASSING: [&str; 3] = [NOT_AVAILABLE, GONE[0], GONE[1]];

/// Everything locked, in one snapshot.
struct Held {
    /// The session that holds the locks, until it reads itself.
    session: Option<Session>,
    hands: Vec<Worker>,
    server: Server,
    /// The roles it needs, as remarks for the head of the archive.
    accounts: Vec<String>,
    major: u32,
    shape: Shape,
    relations: Vec<Relation>,
    /// Tables that come after all others, in this order.
    in_turn: Vec<(String, String)>,
    snapshot: String,
    position: Option<String>,
    taken_at: chrono::DateTime<chrono::Utc>,
    since: Instant,
    sections: Option<Sections>,
    left_out: Vec<LeftOut>,
    /// Stops the workers when we go, whichever way.
    stop: StopOnDrop,
}

struct Worker {
    hand: Hand<Vec<(usize, Tally)>>,
    go: oneshot::Sender<Go>,
}

/// The schema, compressed as it came.
struct Sections {
    before: EncodedFrame,
    after: EncodedFrame,
}

/// Dumps the database at `place`.
pub(super) async fn dump(
    place: &Place,
    request: &DumpRequest,
    pending: &PendingArchive,
    progress: &Progress,
) -> Result<Dumped, EngineError> {
    progress.phase("locking", 0);
    let passes = |error: &EngineError| sqlstate(error).is_some_and(|code| PASSING.contains(&code.as_str()));
    let mut made = 0;
    let held = loop {
        made += 1;
        if let Some(ended) = moment::ended(made, hold(place, request, progress).await, passes).await {
            break ended?;
        }
    };
    let bytes = held.relations.iter().map(|relation| relation.bytes).sum();
    progress.phase("dumping", bytes);
    write(held, request, &pending.sink(), progress).await
}

/// The locks that a backup of so many tables holds at once: its own, and those of `pg_dump`.
fn needed(tables: usize) -> u64 {
    2 * tables as u64
}

/// What a backup locks.
///
/// # Errors
/// Where the server never has room for so many locks, with what the setting should be.
pub(super) async fn demand_room(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let locked = catalog::lockable(session).await?;
    // The server's room is one entry a table, and twice as many for who holds them: of each there is room for `pg_dump` beside us.
    locks::demand_room(session, "lock every table for a backup", locked.len() as u64).await?;
    Ok(locked)
}

/// Refuses a schema that no archive could keep, found by reading it as a backup does. Only a server without an encoding lets anybody write
/// what is none, so only there it is worth the reading.
pub(super) async fn demand_readable_schema(session: &mut Session) -> Result<(), EngineError> {
    let (place, major, server) = (session.place().clone(), catalog::major(session).await?, catalog::identify(session).await?);
    if rows::encoding(&server.charset) == rows::encoding("UTF8") {
        return Ok(());
    }
    session.run("begin", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let snapshot = session.text("export the snapshot", "SELECT pg_catalog.pg_export_snapshot()").await?.unwrap_or_default();
    let read = sections(&place, major, &snapshot, &server.charset, 1).await;
    session.run("end", "ROLLBACK").await?;
    match read {
        Err(error @ EngineError::Inexact { .. }) => Err(error),
        // Whoever changes a table at this moment is in the way of a look, and of no backup.
        _ => Ok(()),
    }
}

/// One attempt, which names who kept it waiting for a lock.
async fn hold(place: &Place, request: &DumpRequest, progress: &Progress) -> Result<Option<Held>, EngineError> {
    match attempt_hold(place, request, progress).await {
        Err(error) => Err(locks::blame(place, error).await),
        held => held,
    }
}

/// One attempt; `None` when the schema moved under it.
async fn attempt_hold(place: &Place, request: &DumpRequest, progress: &Progress) -> Result<Option<Held>, EngineError> {
    // It holds every table, so it waits for nobody long: who wants one of them waits for it, and everybody else for him.
    let mut session = place.connect_to_look().await?;
    let major = catalog::major(&mut session).await?;
    let mut server = catalog::identify(&mut session).await?;
    let settings = rows::reading_settings(&server.charset);
    session.run("set up a session", &settings).await?;
    server.extra.extend(likeness::tablespace(&mut session).await?.map(|name| (create::TABLESPACE.to_owned(), name)));
    catalog::demand_every_row(&mut session).await?;
    left_out::demand_restorable(&mut session).await?;
    let locked = demand_room(&mut session).await?;
    let needed = needed(locked.len());
    let since = Instant::now();
    // The locks come before the first query of the transaction and so before its snapshot: a TRUNCATE or a rewriting
    // ALTER TABLE between the two would show the snapshot an empty table.
    session.run("begin", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    if let Err(error) = lock_all(&mut session, &locked).await {
        return Err(locks::blame(place, locks::told(place, error, needed).await).await);
    }
    let snapshot = session.text("export the snapshot", "SELECT pg_catalog.pg_export_snapshot()").await?.unwrap_or_default();
    if catalog::lockable(&mut session).await? != locked {
        session.close().await;
        return Ok(None);
    }
    let stop = StopOnDrop(Stop::of(progress));
    let setup = Setup { place: place.clone(), snapshot: snapshot.clone(), settings, stop: stop.0.clone() };
    let hands = match enlist(&setup, request.jobs.max(1)).await {
        Ok(hands) => hands,
        Err(error) => return Err(locks::blame(place, error).await),
    };
    let (position, taken_at) = moment(&mut session).await?;
    let shape = shape::shape(&mut session, &request.history_tables).await?;
    request.demand_expected(&shape)?;
    let mut left_out = left_out::of(&mut session).await?;
    let accounts = remarks(&accounts::read(&mut session).await?);
    fault::aside("pg.dump.looked");
    let sections = match sections(place, major, &snapshot, &server.charset, request.level).await {
        Ok(sections) => sections.map(|(sections, told)| {
            left_out::add_what_is_told(&mut left_out, told);
            sections
        }),
        Err(error) => return Err(locks::blame(place, locks::told(place, error, needed).await).await),
    };
    // Functions and types are not locked by tables' locks: whoever changed one while we read gets a new attempt.
    let mut fresh = place.connect_to_look().await?;
    fresh.run("set up a session", &setup.settings).await?;
    let now = shape::fingerprint(&mut fresh).await?;
    fresh.close().await;
    if shape.fingerprint.as_ref() != Some(&now) {
        session.close().await;
        return Ok(None);
    }
    let mut relations = catalog::relations(&mut session).await?;
    left_out.extend(standby::leave_out(&mut session, &mut relations).await?);
    let in_turn = order::in_turn(&mut session).await?;
    let without = (Without(&request.without_rows), &*in_turn, &shape);
    left_out.extend(without::leave_out(&mut session, &mut relations, without).await?);
    Ok(Some(Held {
        session: Some(session),
        hands,
        server,
        accounts,
        major,
        shape,
        relations,
        in_turn,
        snapshot,
        position,
        taken_at,
        since,
        sections,
        left_out,
        stop,
    }))
}

/// What goes by a name that is not there any more was renamed or dropped while we read.
fn gone_is_moved(error: EngineError) -> EngineError {
    match sqlstate(&error) {
        Some(code) if GONE.contains(&code.as_str()) => {
            let reason = error.source().map(|source| format!(" ({source})")).unwrap_or_default();
            EngineError::Moved { doing: format!("read everything by the name it had{reason}") }
        }
        _ => error,
    }
}

/// Starts the workers and waits until each shares the snapshot.
async fn enlist(setup: &Setup, jobs: usize) -> Result<Vec<Worker>, EngineError> {
    let mut hands = Vec::with_capacity(jobs);
    let mut readies = Vec::with_capacity(jobs);
    for _ in 0..jobs {
        let ((ready, is_ready), (go, word)) = (oneshot::channel(), oneshot::channel());
        let own = setup.clone();
        let hand = hire("reading tables", &setup.stop, move || work(own, ready, word))?;
        hands.push(Worker { hand, go });
        readies.push(is_ready);
    }
    for ready in readies {
        ready.await.unwrap_or(Err(EngineError::Worker("sharing the snapshot".to_owned())))?;
    }
    Ok(hands)
}

/// Where in the write-ahead log we are, if we may know, and the server's clock.
async fn moment(session: &mut Session) -> Result<(Option<String>, chrono::DateTime<chrono::Utc>), EngineError> {
    let doing = "read the position in the write-ahead log";
    let sql = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()::text \
               ELSE pg_catalog.pg_current_wal_lsn()::text END, \
               (EXTRACT(epoch FROM pg_catalog.now()) * 1000000)::bigint";
    let rows = session.rows(doing, sql).await?;
    let row = rows.first().ok_or_else(|| EngineError::Worker(doing.to_owned()))?;
    let micros: i64 = session.cell(doing, row, 1)?;
    Ok((session.cell(doing, row, 0)?, chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default()))
}

/// Both schema sections and what `pg_dump` said of them, or none where there is no `pg_dump` of this major.
async fn sections(
    place: &Place,
    major: u32,
    snapshot: &str,
    charset: &str,
    level: i32,
) -> Result<Option<(Sections, Vec<String>)>, EngineError> {
    let Some(client) = Client::find(major, place.client_bindir()).await else { return Ok(None) };
    let (mut before, mut after) = (Section::new(FrameKind::PreData, level)?, Section::new(FrameKind::PostData, level)?);
    let reading = Reading { place, snapshot, encoding: rows::encoding(charset), lock_wait: FOLLOW_WAIT };
    let told = client.schema(reading, [&mut |piece| before.take(piece), &mut |piece| after.take(piece)]).await?;
    Ok(Some((Sections { before: before.finish()?, after: after.finish()? }, told)))
}

/// A section of the schema on its way into a frame.
struct Section {
    encoder: FrameEncoder,
    cleaner: Cleaner,
    failed: Option<EngineError>,
}

impl Section {
    fn new(kind: FrameKind, level: i32) -> Result<Self, EngineError> {
        Ok(Self { encoder: FrameEncoder::new(kind, None, level)?, cleaner: Cleaner::new(), failed: None })
    }

    fn take(&mut self, piece: &[u8]) {
        if self.failed.is_none() {
            let cleaned = self.cleaner.push(piece);
            self.failed = cleaned.and_then(|text| Ok(self.encoder.write(text.as_bytes(), 0)?)).err();
        }
    }

    fn finish(mut self) -> Result<EncodedFrame, EngineError> {
        self.failed.map_or(Ok(()), Err)?;
        self.encoder.write(self.cleaner.finish()?.as_bytes(), 0)?;
        Ok(self.encoder.finish()?)
    }
}

/// Writes the frames in the order a single `psql` needs, and says what was found.
async fn write(mut held: Held, request: &DumpRequest, sink: &FrameSink, progress: &Progress) -> Result<Dumped, EngineError> {
    let encoding = rows::encoding(&held.server.charset);
    let mut header = request.preamble.iter().chain(&held.accounts).map(|line| format!("-- {line}\n")).collect::<String>();
    // A key that nobody could have written into the database.
    let (restrict, unrestrict) = restriction(&uuid::Uuid::new_v4().simple().to_string());
    header.push_str(&format!("\n{restrict}\n{}\n", head(encoding)));
    append_text(sink, FrameKind::Header, request.level, header).await?;
    let data_only = held.sections.is_none();
    let after = match held.sections.take() {
        Some(Sections { before, after }) => {
            append(sink, before).await?;
            Some(after)
        }
        None => {
            held.left_out.push(LeftOut {
                what: "schema sections".to_owned(),
                why: format!("no pg_dump of major {} was found; restore into a database its migrations made", held.major),
            });
            None
        }
    };
    fault::aside("pg.dump.held");
    // Whoever rebuilds an index of a table is waited for, as the workers do: nobody waits behind that, and hours of reading stand here.
    if let Some(session) = &mut held.session {
        session.wait_at_most(Duration::ZERO).await?;
    }
    let (mut session, tables) = read_rows(&mut held, request, sink, progress).await.map_err(gone_is_moved)?;
    progress.phase("finishing", 0);
    session.wait_at_most(LOCK_WAIT).await?;
    let sequences = match catalog::sequence_lines(&mut session, LOCK_WAIT).await {
        Ok(lines) => lines.join("\n"),
        Err(error) => return Err(locks::blame(&session.place().clone(), gone_is_moved(error)).await),
    };
    printed::demand_as_in_snapshot(&mut session).await?;
    append_text(sink, FrameKind::Sequences, request.level, format!("{sequences}\n\n")).await?;
    let views = catalog::filled_views(&mut session).await?;
    session.close().await;
    let locked_ms = u64::try_from(held.since.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(after) = after {
        append(sink, after).await?;
    }
    append_text(sink, FrameKind::Trailer, request.level, format!("{}{unrestrict}", trailer(&views))).await?;
    let unlogged = held
        .relations
        .iter()
        .filter(|relation| relation.unlogged)
        .map(|relation| format!("{}.{}", relation.schema, relation.name));
    let unlogged = unlogged.collect::<Vec<_>>().join(", ");
    if !unlogged.is_empty() {
        held.server.extra.insert("unlogged".to_owned(), unlogged);
    }
    Ok(Dumped {
        server: held.server,
        shape: held.shape,
        tables,
        consistency: Consistency {
            technique: "one exported snapshot, taken under locks against schema changes and shared by all workers; sequences read after it"
                .to_owned(),
            snapshot: Some(held.snapshot),
            position: held.position,
            locks: vec!["ACCESS SHARE on every table".to_owned()],
            locked_ms,
            // Asked by `printed`: what tells in an archive is refused there.
            ddl_seen: false,
            outside_snapshot: Vec::new(),
        },
        left_out: held.left_out,
        data_only,
        taken_at: held.taken_at,
    })
}

/// What ends an archive: the views that are filled from what stands before.
pub(super) fn trailer(views: &[String]) -> String {
    let refresh = views.iter().map(|view| format!("REFRESH MATERIALIZED VIEW {view};\n")).collect::<String>();
    format!("{refresh}\n-- end of archive\n")
}

/// Lets the workers read, and adds up what they found. Gives back the session that holds the locks.
async fn read_rows(
    held: &mut Held,
    request: &DumpRequest,
    sink: &FrameSink,
    progress: &Progress,
) -> Result<(Session, Vec<Table>), EngineError> {
    let relations = Arc::new(held.relations.clone());
    let place_of = |(schema, name): &(String, String)| {
        relations.iter().position(|relation| relation.schema == *schema && relation.name == *name)
    };
    let in_turn: Vec<usize> = held.in_turn.iter().filter_map(place_of).collect();
    let tasks = Tasks::of(&relations, held.major).without(&in_turn);
    let left = Left::default();
    let Some(mut session) = held.session.take() else { return Err(EngineError::Worker("reading tables".to_owned())) };
    let objects = large_objects::any(&mut session).await?;
    let word = |objects: bool| Go {
        relations: Arc::clone(&relations),
        tasks: tasks.clone(),
        left: left.clone(),
        objects,
        sink: sink.clone(),
        level: request.level,
        progress: progress.clone(),
    };
    let mut hands = Vec::with_capacity(held.hands.len());
    for (at, Worker { hand, go }) in held.hands.drain(..).enumerate() {
        // A worker that is gone says why when it is joined. The large objects must stay in order, so one reads them all.
        go.send(word(objects && at == 0)).ok();
        hands.push(hand);
    }
    let mut sums = vec![Tally::default(); relations.len() + usize::from(objects)];
    let mut found: Vec<(usize, Tally)> = join_all(hands).await?.into_iter().flatten().collect();
    // What computes from other tables' rows comes when they are there, for whoever reads the archive from its beginning.
    let last = in_turn.iter().map(|table| Task { table: *table, pages: None, bytes: relations[*table].bytes });
    let rest: Vec<Task> = left.take().into_iter().chain(last).collect();
    if !rest.is_empty() {
        let (go, stop) = (word(false), held.stop.0.clone());
        let (again, tallies) =
            hire("reading tables", &stop.clone(), move || read_in_turn(session, go, rest, stop))?.join().await?;
        session = again;
        found.extend(tallies);
    }
    for (table, tally) in found {
        sums[table].merge(&tally);
    }
    let names = relations.iter().cloned().chain(objects.then(large_objects::relation));
    let mut tables: Vec<Table> = names.zip(&sums).map(|(relation, tally)| table(&relation, tally)).collect();
    for place in in_turn {
        let Table { schema, name, .. } = &tables[place];
        let sum = computed::sum(&mut session, schema, name).await?;
        tables[place].computed = sum;
    }
    Ok((session, tables))
}

/// A table as the manifest has it.
pub(super) fn table(relation: &Relation, tally: &Tally) -> Table {
    Table {
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        columns: relation.columns.clone(),
        rows: tally.rows,
        bytes: tally.bytes,
        checksum: tally.sum.hex(),
        computed: None,
    }
}
