//! Dumping: everybody at one moment, every table's definition held, then the rows.
//!
//! Owns the order of a dump. Nobody needs a new lock once the first row is read, so a schema change that queues up meanwhile
//! waits for us and we never for it; and only one of a table that is being dumped has to wait. What no lock holds (routines, views)
//! is read before and after that moment and must be the same. Never writes to the database.

use std::sync::Arc;

use super::super::accounts::remarks;
use super::super::crew::join_all;
use super::super::cutter::append_text;
use super::super::tally::Tally;
use super::super::without::Without;
use super::super::{DumpRequest, Dumped, EngineError, moment};
use super::catalog;
use super::connect::{Place, Session};
use super::definition::Kind;
use super::errors::{NO_SUCH_TABLE, number_of_error};
use super::foreign::Making;
use super::here::HERE;
use super::instance_lock::InstanceLock;
use super::privileges::Grants;
use super::ranges::Tasks;
use super::relation::Relation;
use super::schema::Schema;
use super::script::Needs;
use super::snapshot::{self, Ask, Opened, Worker};
use super::worker::{Go, Left};
use super::{accounts, definer, fenced, obstacles, ours, rows, script, sequences, shape, statistics, swap, wide, without};
use crate::archive::PendingArchive;
use crate::archive::manifest::{Consistency, FrameKind, LeftOut, Server, Table};
use crate::archive::writer::FrameSink;
use crate::fault;
use crate::progress::Progress;
use crate::shape::Shape;

/// Everything held at one moment.
struct Held {
    /// In no transaction, and without a lock any more.
    leader: Session,
    opened: Opened,
    server: Server,
    /// The accounts it needs, as remarks for the head of the archive.
    accounts: Vec<String>,
    schema: Schema,
    shape: Shape,
    relations: Vec<Relation>,
    making: Making,
    statistics: Vec<String>,
    locks: Vec<String>,
    left_out: Vec<LeftOut>,
}

/// Dumps the database at `place`.
pub(super) async fn dump(
    place: &Place,
    request: &DumpRequest,
    pending: &PendingArchive,
    progress: &Progress,
) -> Result<Dumped, EngineError> {
    progress.phase("locking", 0);
    let passes = |error: &EngineError| number_of_error(error) == Some(NO_SUCH_TABLE);
    let mut made = 0;
    let held = loop {
        made += 1;
        if let Some(ended) = moment::ended(made, attempt_hold(place, request, progress).await, passes).await {
            break ended?;
        }
    };
    let bytes = held.relations.iter().map(|relation| relation.bytes).sum();
    progress.phase("dumping", bytes);
    write(held, request, &pending.sink(), progress).await
}

/// One attempt; `None` when the schema moved under it.
async fn attempt_hold(place: &Place, request: &DumpRequest, progress: &Progress) -> Result<Option<Held>, EngineError> {
    let mut leader = place.connect().await?;
    let grants = Grants::read(&mut leader).await?;
    grants.demand_sight(&leader)?;
    demand_whole(&mut leader).await?;
    swap::demand_in_place(&mut leader).await?;
    let mut server = catalog::identify(&mut leader).await?;
    if let Some(noted) = fenced::read(&mut leader).await? {
        server.database = noted.name;
    }
    let relations = catalog::relations(&mut leader).await?;
    let earlier = Schema::read_beside_tables(&mut leader).await?;
    let mut definitions = InstanceLock::of(&leader, &grants);
    let (history_tables, jobs) = (request.history_tables.as_slice(), request.jobs);
    let ask = Ask { grants: &grants, relations: &relations, history_tables, jobs, progress };
    let opened = snapshot::open(&mut leader, &mut definitions, &ask).await?;
    fault::point("my.dump.opened");
    // From here on no table changes. What changed before its definition was held shows in one of these, and what is never held
    // shows in what it was before the moment of the snapshots.
    let mut schema = Schema::read(&mut leader).await?;
    let fresh = catalog::relations(&mut leader).await?;
    let is_still = schema.is_beside_tables(&earlier) && schema.is_but_for_counters(&Schema::read(&mut leader).await?);
    if !same_tables(&relations, &fresh) || !is_still {
        leader.close().await;
        return Ok(None);
    }
    let shape = Shape { histories: opened.seen.histories.clone(), fingerprint: Some(shape::fingerprint(&schema)) };
    request.demand_expected(&shape)?;
    let mut left_out = left_out(&mut leader, &grants, &schema).await?;
    let mut relations = relations;
    left_out.extend(without::leave_out(&mut leader, &mut relations, Without(&request.without_rows), &shape).await?);
    let definers = script::definers(&schema);
    let accounts = remarks(&accounts::read(&mut leader, &definers).await?);
    if let Some(said) = definer::said(place.definers(), &definers) {
        server.extra.insert("definers".to_owned(), said);
    }
    let making = Making::of(&mut leader).await?;
    let statistics = statistics::read(&mut leader).await?;
    schema.follow(place.definers());
    let mut locks: Vec<String> = definitions.give_back(&mut leader).await?.into_iter().collect();
    locks.extend(opened.locks.iter().cloned());
    fault::point("my.dump.held");
    Ok(Some(Held { leader, opened, server, accounts, schema, shape, relations, making, statistics, locks, left_out }))
}

/// Refuses a database that a load of ours has not finished.
async fn demand_whole(session: &mut Session) -> Result<(), EngineError> {
    let sql =
        format!("SELECT COUNT(*) FROM information_schema.TABLES WHERE {} AND TABLE_NAME = '{}'", HERE, ours::UNFINISHED_LOAD);
    if session.number("look for an unfinished load", &sql).await? == 0 {
        return Ok(());
    }
    Err(EngineError::Inexact {
        what: format!("database {} holds a load that was not finished", session.place().database),
        hint: "restore it again, then take the archive".to_owned(),
    })
}

/// Whether two looks at the tables saw the same, but for sizes.
fn same_tables(one: &[Relation], other: &[Relation]) -> bool {
    let same = |(one, other): (&Relation, &Relation)| {
        (&one.name, &one.engine, &one.columns, &one.key) == (&other.name, &other.engine, &other.columns, &other.key)
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// What an archive of this database cannot hold, but for what the workers pass over.
async fn left_out(leader: &mut Session, grants: &Grants, schema: &Schema) -> Result<Vec<LeftOut>, EngineError> {
    let mut left_out = schema.left_out.clone();
    if let Some(grant) = grants.blind_to_routines(leader) {
        let libraries = if leader.version.libraries().is_some() { " and libraries" } else { "" };
        left_out.push(LeftOut {
            what: format!("procedures and functions{libraries} of other accounts"),
            why: format!("this account may not see them: {grant}"),
        });
    }
    left_out.extend(obstacles::of(leader, schema).await?);
    for (name, engine) in catalog::elsewhere(leader).await? {
        left_out.push(LeftOut {
            what: format!("rows of table {name}"),
            why: format!("a {engine} table keeps its rows elsewhere; the definition is in the archive"),
        });
    }
    let versioned = schema.of(Kind::Table).filter(|table| table.sql.contains(" WITH SYSTEM VERSIONING"));
    if !leader.version.inserts_history() {
        left_out.extend(versioned.map(|table| LeftOut {
            what: format!("past rows of table {}", table.name),
            why: "this release of the server cannot be told to insert them".to_owned(),
        }));
    }
    Ok(left_out)
}

/// Writes the frames in the order a single `mysql` needs, and says what was found.
async fn write(mut held: Held, request: &DumpRequest, sink: &FrameSink, progress: &Progress) -> Result<Dumped, EngineError> {
    wide::demand_shown(&mut held.leader).await?;
    let any = |is: fn(&str) -> bool| held.schema.of(Kind::Table).any(|table| is(&table.sql));
    let needs = Needs {
        history: held.relations.iter().any(|relation| relation.history),
        keyless: any(|sql| !sql.contains("\n  PRIMARY KEY (")),
        checks: held.leader.version.is_mariadb() && any(|sql| sql.contains(" CHECK (")),
        foreign: !held.leader.version.is_mariadb() && any(|sql| sql.contains(" FOREIGN KEY (")),
    };
    let preamble: Vec<String> = request.preamble.iter().chain(&held.accounts).cloned().collect();
    let header = script::header(&preamble, needs);
    append_text(sink, FrameKind::Header, request.level, header).await?;
    let large = script::large(&held.relations);
    append_text(sink, FrameKind::PreData, request.level, script::before(&held.schema, &large, &held.making)?).await?;
    let kept = held.opened.keeper.is_some();
    let read = read_rows(&mut held, request, sink, progress).await?;
    held.left_out.extend(read.left_out);
    if let Some(mut keeper) = held.opened.keeper.take() {
        // The server frees the locks of a session that died: only its answer says that they held to the end.
        keeper.run("give the tables outside the snapshot free", "UNLOCK TABLES").await?;
        keeper.close().await;
    }
    progress.phase("finishing", 0);
    let sequences = sequences::read(&mut held.leader, &held.schema).await?;
    held.leader.close().await;
    append_text(sink, FrameKind::Sequences, request.level, script::counters(&held.schema, &sequences)).await?;
    append_text(sink, FrameKind::PostData, request.level, script::after(&held.schema, &large, &held.statistics)?).await?;
    append_text(sink, FrameKind::Trailer, request.level, script::trailer(&held.schema)?).await?;
    let outside = if kept { Vec::new() } else { snapshot::outside(&held.relations) };
    Ok(Dumped {
        server: held.server,
        shape: held.shape,
        tables: read.tables,
        consistency: Consistency {
            technique: held.opened.way.sentence(read.workers),
            snapshot: None,
            position: held.opened.position,
            locks: held.locks,
            locked_ms: held.opened.locked_ms,
            ddl_seen: false,
            outside_snapshot: outside,
        },
        left_out: held.left_out,
        data_only: false,
        taken_at: chrono::DateTime::from_timestamp_micros(held.opened.seen.micros).unwrap_or_default(),
    })
}

/// What the workers read.
struct Read {
    tables: Vec<Table>,
    left_out: Vec<LeftOut>,
    workers: usize,
}

/// Lets the workers read, and adds up what they found.
async fn read_rows(held: &mut Held, request: &DumpRequest, sink: &FrameSink, progress: &Progress) -> Result<Read, EngineError> {
    let relations = Arc::new(held.relations.clone());
    let go = Go {
        relations: Arc::clone(&relations),
        tasks: Tasks::of(&relations, held.opened.workers.len()),
        computed: Left::of(&relations, |relation| !relation.computed.is_empty()),
        histories: Left::of(&relations, |relation| relation.period.is_some()),
        sink: sink.clone(),
        level: request.level,
        progress: progress.clone(),
    };
    let mut hands = Vec::with_capacity(held.opened.workers.len());
    for Worker { hand, go: word } in held.opened.workers.drain(..) {
        // A worker that is gone says why when it is joined.
        word.send(go.clone()).ok();
        hands.push(hand);
    }
    drop(go);
    let workers = hands.len();
    let mut sums = vec![Tally::default(); relations.len()];
    for (table, tally) in join_all(hands).await?.into_iter().flatten() {
        sums[table].merge(&tally);
    }
    let all = || relations.iter().zip(&sums);
    let left_out = all().filter_map(|(relation, tally)| rows::timeless::left_out(relation, tally.passed_over)).collect();
    Ok(Read { tables: all().map(|(relation, tally)| table(relation, tally)).collect(), left_out, workers })
}

/// A table as the manifest has it.
pub(super) fn table(relation: &Relation, tally: &Tally) -> Table {
    Table {
        schema: String::new(),
        name: relation.name.clone(),
        columns: relation.columns.iter().map(|column| column.name.clone()).collect(),
        rows: tally.rows,
        bytes: tally.bytes,
        checksum: tally.sum.hex(),
        computed: (!relation.computed.is_empty()).then_some(tally.computed),
    }
}
