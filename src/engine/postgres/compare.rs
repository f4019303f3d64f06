//! Proving that what was loaded is what was dumped: every row read back the way the dump read it, every sequence.
//!
//! Reads with fresh sessions, not those that wrote; or inside the one transaction that is about to be committed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::super::crew::Stop;
use super::super::frames::text;
use super::super::tally::{Nowhere, Tally, differing, verdict};
use super::super::{EngineError, Loaded, Mismatch};
use super::catalog::{self, Relation};
use super::computed;
use super::connect::{LOCK_WAIT, Place, Session};
use super::large_objects;
use super::rows::{self, Task, Tasks};
use super::split::statements_of;
use super::worker::share;
use crate::archive::Archive;
use crate::archive::manifest::{FrameKind, Manifest, Table};
use crate::progress::Progress;

/// A session that compares, while others still load other tables.
#[derive(Debug)]
pub(super) struct Reader {
    session: Session,
    major: u32,
}

impl Reader {
    /// Connects.
    pub(super) async fn open(place: &Place) -> Result<Self, EngineError> {
        Self::over(place.connect().await?).await
    }

    async fn over(mut session: Session) -> Result<Self, EngineError> {
        let major = prepare(&mut session).await?;
        Ok(Self { session, major })
    }

    /// Looks how large a table is here and cuts it into tasks. None when there is no such table.
    pub(super) async fn measure(&mut self, table: &Table) -> Result<Option<(Relation, Vec<Task>)>, EngineError> {
        let found = catalog::relation(&mut self.session, &table.schema, &table.name).await?;
        Ok(found.map(|relation| {
            let relation = Relation { columns: table.columns.clone(), ..relation };
            let tasks = rows::cut(0, &relation, self.major);
            (relation, tasks)
        }))
    }

    /// Sums up one task's rows. After an error the session is good for nothing.
    pub(super) async fn sum(
        &mut self,
        relation: &Relation,
        task: Task,
        progress: &Progress,
        stop: &Stop,
    ) -> Result<Tally, EngineError> {
        rows::read(&mut self.session, relation, task, &mut Nowhere, progress, stop).await
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        self.session.close().await;
    }
}

/// Compares what was summed up, by the tables' places in the manifest, and all that is not in tables.
pub(super) async fn conclude(
    place: &Place,
    archive: &Arc<Archive>,
    tallies: Vec<(usize, Tally)>,
    progress: &Progress,
    stop: &Stop,
) -> Result<Loaded, EngineError> {
    let mut reader = Reader::open(place).await?;
    let tables = &archive.manifest().tables;
    let name = |table: usize| tables.get(table).map(|table| (table.schema.clone(), table.name.clone()));
    let tallies = tallies.into_iter().filter_map(|(table, tally)| Some((name(table)?, tally))).collect();
    let sequences = catalog::own_sequence_lines(&mut reader.session).await?;
    let loaded = judge(&mut reader.session, archive, tallies, sequences, progress, stop).await?;
    reader.close().await;
    Ok(loaded)
}

/// Compares on one session, inside whatever transaction it is in.
pub(super) async fn compare_within(
    session: &mut Session,
    archive: &Arc<Archive>,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let manifest = archive.manifest();
    progress.phase("comparing", manifest.tables.iter().map(|table| table.bytes).sum());
    let major = prepare(session).await?;
    let relations = expected(session, manifest).await?;
    let (tasks, stop) = (Tasks::of(&relations, major), Stop::default());
    let tallies = sum(session, &relations, &tasks, progress, &stop).await?;
    let sequences = catalog::own_sequence_lines(session).await?;
    judge(session, archive, tallies, sequences, progress, &stop).await
}

/// Compares as of one moment, over a session that holds locks on a few tables at a time: the server's room for them is small.
pub(super) async fn compare_at_one_moment(
    place: &Place,
    archive: &Arc<Archive>,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    let manifest = archive.manifest();
    progress.phase("comparing", manifest.tables.iter().map(|table| table.bytes).sum());
    let mut holder = place.connect_to_look().await?;
    holder.run("begin", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let snapshot = holder.text("export the snapshot", "SELECT pg_catalog.pg_export_snapshot()").await?.unwrap_or_default();
    let (begin, doing) = (share(&snapshot), "share the snapshot");
    let relations = expected(&mut holder, manifest).await?;
    let Reader { mut session, major } = Reader::over(place.connect_to_look().await?).await?;
    let (tasks, stop, mut tallies) = (Tasks::of(&relations, major), Stop::default(), Vec::new());
    session.run(doing, &begin).await?;
    loop {
        let few = tasks.next_few();
        if few.is_empty() {
            break;
        }
        for task in few {
            let relation = &relations[task.table];
            let tally = rows::read(&mut session, relation, task, &mut Nowhere, progress, &stop).await?;
            tallies.push(((relation.schema.clone(), relation.name.clone()), tally));
        }
        session.run(doing, &format!("ROLLBACK; {begin}")).await?;
    }
    let sequences = catalog::sequence_lines(&mut holder, LOCK_WAIT).await?;
    let loaded = judge(&mut session, archive, tallies, sequences, progress, &stop).await?;
    holder.close().await;
    session.close().await;
    Ok(loaded)
}

pub(super) async fn prepare(session: &mut Session) -> Result<u32, EngineError> {
    let major = catalog::major(session).await?;
    let charset = catalog::identify(session).await?.charset;
    let settings = rows::reading_settings(&charset);
    session.run("set up a session", &settings).await?;
    Ok(major)
}

/// The manifest's tables with the sizes they have here, in the manifest's order. A table that is not here is left out, and
/// so has no sum.
async fn expected(session: &mut Session, manifest: &Manifest) -> Result<Vec<Relation>, EngineError> {
    let here = catalog::relations(session).await?;
    let here: HashMap<(String, String), Relation> =
        here.into_iter().map(|relation| ((relation.schema.clone(), relation.name.clone()), relation)).collect();
    let found = |table: &Table| {
        let relation = here.get(&(table.schema.clone(), table.name.clone()))?;
        Some(Relation { columns: table.columns.clone(), ..relation.clone() })
    };
    Ok(manifest.tables.iter().filter_map(found).collect())
}

async fn sum(
    session: &mut Session,
    relations: &[Relation],
    tasks: &Tasks,
    progress: &Progress,
    stop: &Stop,
) -> Result<Vec<((String, String), Tally)>, EngineError> {
    let mut tallies = Vec::new();
    while let Some(task) = tasks.next() {
        let relation = &relations[task.table];
        let tally = rows::read(session, relation, task, &mut Nowhere, progress, stop).await?;
        tallies.push(((relation.schema.clone(), relation.name.clone()), tally));
    }
    Ok(tallies)
}

async fn judge(
    session: &mut Session,
    archive: &Arc<Archive>,
    tallies: Vec<((String, String), Tally)>,
    sequences: Vec<String>,
    progress: &Progress,
    stop: &Stop,
) -> Result<Loaded, EngineError> {
    let mut sums: HashMap<(String, String), Tally> = HashMap::new();
    for (name, tally) in tallies {
        sums.entry(name).or_default().merge(&tally);
    }
    let manifest = archive.manifest();
    if manifest.tables.iter().any(|table| large_objects::is_it(&table.schema, &table.name)) {
        let objects = large_objects::relation();
        let tally = large_objects::read(session, &mut Nowhere, progress, stop).await?;
        sums.insert((objects.schema, objects.name), tally);
    }
    let found = |table: &Table| sums.get(&(table.schema.clone(), table.name.clone())).copied();
    let mut mismatches = differing(manifest, found);
    let here: BTreeSet<String> = sequences.into_iter().collect();
    let wanted = text(archive, FrameKind::Sequences).await?;
    // A name may hold a line end: a statement is not a line.
    for line in statements_of(&wanted).into_iter().filter(|statement| !here.contains(statement)) {
        mismatches.push(Mismatch {
            table: format!("sequence state `{line}`"),
            rows: (1, 0),
            checksum: (String::new(), String::new()),
        });
    }
    let mut loaded = verdict(manifest, mismatches)?;
    for table in manifest.tables.iter().filter(|table| table.computed.is_some()) {
        let sum = computed::sum(session, &table.schema, &table.name).await?;
        if sum.is_some() && sum != table.computed {
            loaded.warnings.push(format!(
                "table {}: its generated columns have other values here than when it was archived: a function that they call reads what \
                 has changed since they were written",
                table.qualified()
            ));
        }
    }
    Ok(loaded)
}
