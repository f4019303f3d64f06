//! Whether what stands behind the fence is what an archive has; and where it is not, archiving it again.
//!
//! Everything is read as the dump read it: the words of `pg_dump` for the schema, every row's sum, every sequence, the large objects with
//! what belongs to them. Counters and snapshots would be cheaper and can lie. Any doubt counts as a change: then there is one archive
//! more than needed. Only reads.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::crew::{StopOnDrop, hire, join_all};
use super::super::frames::{frames_of, joined, pieces, text};
use super::super::tally::{Nowhere, TakeRows, Tally, differing};
use super::super::{EngineError, Standing};
use super::catalog::{self, Relation};
use super::client::{Client, Reading};
use super::compare::prepare;
use super::connect::{LOCK_WAIT, Place, Session};
use super::rows::{self, Tasks};
use super::schema::{self, Cleaner};
use super::{dump, large_objects, survey};
use crate::archive::manifest::{FrameKind, Table};
use crate::archive::{Archive, Manifest};
use crate::failure::Chain;
use crate::ids::Label;
use crate::progress::Progress;

/// Holds what is at `place`, behind the fence, to what the load was told of it; `histories` are tables whose rows are nobody's. The
/// label of the archive that was taken, where one had to be. `told` is what the place is called outside.
pub(super) async fn hold_to(
    place: &Place,
    told: &Place,
    standing: Standing<'_>,
    histories: &[String],
    jobs: usize,
    progress: &Progress,
) -> Result<Option<Label>, EngineError> {
    let (archive, keep) = match standing {
        Standing::Nobodys => return Ok(None),
        Standing::Rowless => {
            let mut session = place.connect().await?;
            let filled = survey::first_filled(&mut session, histories).await?;
            session.close().await;
            let location = || told.location();
            return filled.map_or(Ok(None), |table| Err(EngineError::Filled { location: location(), table }));
        }
        Standing::Kept { archive, keep } => (archive, keep),
    };
    if let Some(archive) = archive
        && is_as_in(place, archive, jobs, progress).await?
    {
        return Ok(None);
    }
    progress.phase("archiving what changed", 0);
    let kept = keep.keep(&place.as_database()).await;
    let kept = kept.map_err(|source| EngineError::NotKept { location: told.location(), source })?;
    Ok(Some(kept.manifest().label.clone()))
}

/// Whether a database is what an archive has, in everything that an archive of it would have.
pub(super) async fn is_as_in(place: &Place, archive: &Archive, jobs: usize, progress: &Progress) -> Result<bool, EngineError> {
    let archive = Arc::new(archive.shared());
    match differs(&place.as_usual(), &archive, jobs, progress).await {
        Ok(None) => Ok(true),
        Ok(Some(what)) => {
            let label = &archive.manifest().label;
            tracing::info!(database = %place.database, %label, what, "what is to be replaced has changed since it was archived");
            Ok(false)
        }
        // Nothing can be archived either.
        Err(error @ (EngineError::Lost { .. } | EngineError::Connect { .. })) => Err(error),
        Err(error) => {
            tracing::info!(database = %place.database, reason = %Chain(&error), "what is to be replaced could not be compared with its archive");
            Ok(false)
        }
    }
}

/// What differs first.
async fn differs(
    place: &Place,
    archive: &Arc<Archive>,
    jobs: usize,
    progress: &Progress,
) -> Result<Option<String>, EngineError> {
    let manifest = archive.manifest();
    progress.phase("proving what is replaced", manifest.tables.iter().map(|table| table.bytes).sum());
    let mut session = place.connect_to_look().await?;
    let major = prepare(&mut session).await?;
    let server = catalog::identify(&mut session).await?;
    if (&server.flavour, &server.version) != (&manifest.server.flavour, &manifest.server.version) || manifest.data_only {
        return Ok(Some("another server's archive, or one without a schema".to_owned()));
    }
    session.run("begin", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    if !same_schema(place, &mut session, archive, (major, &server.charset)).await? {
        return Ok(Some("the schema".to_owned()));
    }
    let relations = catalog::relations(&mut session).await?;
    if let Some(other) = other_tables(manifest, &relations) {
        return Ok(Some(format!("table {other}")));
    }
    let sequences = format!("{}\n\n", catalog::sequence_lines(&mut session, LOCK_WAIT).await?.join("\n"));
    if sequences != text(archive, FrameKind::Sequences).await? {
        return Ok(Some("a sequence".to_owned()));
    }
    if large_objects_sum(&mut session, progress).await? != frames_sum(archive, FrameKind::LargeObjects).await? {
        return Ok(Some("a large object".to_owned()));
    }
    session.run("end", "COMMIT").await?;
    session.close().await;
    let sums = sum_all(place, relations, major, jobs, progress).await?;
    let found = |table: &Table| sums.get(&(table.schema.clone(), table.name.clone())).copied();
    // The large objects were compared above, with all that belongs to them.
    let objects = large_objects::relation();
    let objects = format!("{}.{}", objects.schema, objects.name);
    let of_rows = differing(manifest, found).into_iter().find(|found| found.table != objects);
    Ok(of_rows.map(|found| format!("the rows of table {}", found.table)))
}

/// A table that only one of the two has, or that has other columns.
fn other_tables(manifest: &Manifest, relations: &[Relation]) -> Option<String> {
    let theirs = manifest.tables.iter().filter(|table| !large_objects::is_it(&table.schema, &table.name));
    let mut theirs: Vec<(&str, &str, &[String])> =
        theirs.map(|table| (table.schema.as_str(), table.name.as_str(), table.columns.as_slice())).collect();
    for relation in relations {
        let this = (relation.schema.as_str(), relation.name.as_str(), relation.columns.as_slice());
        let Some(at) = theirs.iter().position(|one| *one == this) else { return Some(relation.quoted()) };
        theirs.remove(at);
    }
    theirs.first().map(|(schema, name, _)| format!("{schema}.{name}"))
}

async fn same_schema(
    place: &Place,
    session: &mut Session,
    archive: &Arc<Archive>,
    (major, charset): (u32, &str),
) -> Result<bool, EngineError> {
    let Some(client) = Client::find(major, place.client_bindir()).await else { return Ok(false) };
    let snapshot = session.text("export the snapshot", "SELECT pg_catalog.pg_export_snapshot()").await?.unwrap_or_default();
    let (mut before, mut after) = (Section::new(), Section::new());
    let reading = Reading { place, snapshot: &snapshot, encoding: rows::encoding(charset), lock_wait: dump::FOLLOW_WAIT };
    client.schema(reading, [&mut |piece| before.take(piece), &mut |piece| after.take(piece)]).await?;
    for (section, kind) in [(before, FrameKind::PreData), (after, FrameKind::PostData)] {
        if section.finish()? != frames_sum(archive, kind).await? {
            return Ok(false);
        }
    }
    let views = catalog::filled_views(session).await?;
    Ok(dump::trailer(&views) == schema::for_server(&text(archive, FrameKind::Trailer).await?))
}

/// Sums up a section of the schema as an archive would have it.
struct Section {
    cleaner: Cleaner,
    hasher: blake3::Hasher,
    failed: Option<EngineError>,
}

impl Section {
    fn new() -> Self {
        Self { cleaner: Cleaner::new(), hasher: blake3::Hasher::new(), failed: None }
    }

    fn take(&mut self, piece: &[u8]) {
        match self.cleaner.push(piece) {
            Ok(text) => {
                self.hasher.update(text.as_bytes());
            }
            Err(error) => self.failed = Some(error),
        }
    }

    fn finish(mut self) -> Result<blake3::Hash, EngineError> {
        self.failed.map_or(Ok(()), Err)?;
        self.hasher.update(self.cleaner.finish()?.as_bytes());
        Ok(self.hasher.finalize())
    }
}

/// A sum over what all frames of a kind hold together.
async fn frames_sum(archive: &Arc<Archive>, kind: FrameKind) -> Result<blake3::Hash, EngineError> {
    let mut hasher = blake3::Hasher::new();
    for index in frames_of(archive, kind) {
        let (mut pieces, reading) = pieces(archive, index);
        while let Some(piece) = pieces.recv().await {
            hasher.update(&piece);
        }
        joined(reading.await)?;
    }
    Ok(hasher.finalize())
}

/// Sums up the statements that an archive would have of the large objects.
struct Hashed(blake3::Hasher);

impl TakeRows for Hashed {
    fn take(&mut self, piece: &[u8], _rows: u64) -> Result<(), EngineError> {
        self.0.update(piece);
        Ok(())
    }
}

async fn large_objects_sum(session: &mut Session, progress: &Progress) -> Result<blake3::Hash, EngineError> {
    let (mut hashed, stop) = (Hashed(blake3::Hasher::new()), StopOnDrop::default());
    if large_objects::any(session).await? {
        large_objects::read(session, &mut hashed, progress, &stop.0).await?;
    }
    Ok(hashed.0.finalize())
}

/// Reads every row over several connections.
async fn sum_all(
    place: &Place,
    relations: Vec<Relation>,
    major: u32,
    jobs: usize,
    progress: &Progress,
) -> Result<HashMap<(String, String), Tally>, EngineError> {
    let (stop, relations) = (StopOnDrop::default(), Arc::new(relations));
    let tasks = Tasks::of(&relations, major);
    let mut hands = Vec::with_capacity(jobs);
    for _ in 0..jobs.min(relations.len()) {
        let (place, tasks, relations) = (place.clone(), tasks.clone(), Arc::clone(&relations));
        let (progress, own) = (progress.clone(), stop.0.clone());
        hands.push(hire("reading what is replaced", &stop.0, move || async move {
            let mut session = place.connect().await?;
            prepare(&mut session).await?;
            let mut sums = Vec::new();
            while let Some(task) = tasks.next() {
                let relation = &relations[task.table];
                sums.push((task.table, rows::read(&mut session, relation, task, &mut Nowhere, &progress, &own).await?));
            }
            session.close().await;
            Ok(sums)
        })?);
    }
    let mut sums = vec![Tally::default(); relations.len()];
    for (table, tally) in join_all(hands).await?.into_iter().flatten() {
        sums[table].merge(&tally);
    }
    Ok(relations.iter().map(|relation| (relation.schema.clone(), relation.name.clone())).zip(sums).collect())
}
