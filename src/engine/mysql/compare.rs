//! Proving that what was loaded is what was dumped: every row read back the way the dump read it.
//!
//! Reads with fresh sessions, not those that wrote; or inside the one transaction that is about to be committed.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::crew::{Stop, hire, join_all};
use super::super::tally::{Nowhere, Tally, differing, verdict};
use super::super::{EngineError, Loaded};
use super::catalog;
use super::computed;
use super::connect::{Place, Session, quote};
use super::errors::{NO_SUCH_COLUMN, number_of_error};
use super::foreign::{self, Key};
use super::ranges::Tasks;
use super::relation::Relation;
use super::rows;
use crate::archive::manifest::{Manifest, Table};
use crate::progress::Progress;

/// Compares over several connections.
pub(super) async fn compare(
    place: &Place,
    manifest: &Manifest,
    jobs: usize,
    progress: &Progress,
    stop: &Stop,
) -> Result<Loaded, EngineError> {
    progress.phase("comparing", manifest.tables.iter().map(|table| table.bytes).sum());
    let mut session = place.connect().await?;
    let relations = Arc::new(expected(&mut session, manifest).await?);
    session.close().await;
    let tasks = Tasks::of(&relations, jobs);
    let mut hands = Vec::new();
    for _ in 0..jobs {
        let (place, relations, tasks) = (place.clone(), Arc::clone(&relations), tasks.clone());
        let (progress, own) = (progress.clone(), stop.clone());
        hands.push(hire("comparing tables", stop, move || async move {
            let mut session = place.connect().await?;
            rows::prepare(&mut session).await?;
            let tallies = sum(&mut session, &relations, &tasks, &progress, &own).await?;
            session.close().await;
            Ok(tallies)
        })?);
    }
    let mut loaded = judge(manifest, &relations, join_all(hands).await?.into_iter().flatten())?;
    if manifest.tables.iter().any(|table| table.computed.is_some()) {
        let mut session = place.connect().await?;
        loaded.warnings.extend(computed::differing(&mut session, manifest, &relations).await?);
        session.close().await;
    }
    Ok(loaded)
}

/// Compares on one session, inside whatever transaction it is in.
pub(super) async fn compare_within(
    session: &mut Session,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    progress.phase("comparing", manifest.tables.iter().map(|table| table.bytes).sum());
    let relations = expected(session, manifest).await?;
    rows::prepare(session).await?;
    let tallies = sum(session, &relations, &Tasks::of(&relations, 1), progress, &Stop::default()).await;
    session.run("set up a session", "SET SESSION character_set_results = utf8mb4").await?;
    let mut loaded = judge(manifest, &relations, tallies?)?;
    loaded.warnings.extend(computed::differing(session, manifest, &relations).await?);
    Ok(loaded)
}

/// The manifest's tables as they are here, in the manifest's order. A table that is not here, or has other columns, is left
/// out, and so has no sum. A server that keeps names in lower case has them so here.
async fn expected(session: &mut Session, manifest: &Manifest) -> Result<Vec<Relation>, EngineError> {
    let folds = session.number("ask how names are kept", "SELECT @@lower_case_table_names").await? != 0;
    let key = |name: &str| if folds { name.to_lowercase() } else { name.to_owned() };
    let here: HashMap<String, Relation> =
        catalog::relations(session).await?.into_iter().map(|relation| (key(&relation.name), relation)).collect();
    let found = |table: &Table| {
        let relation = here.get(&key(&table.name))?;
        let columns = relation.columns.iter().map(|column| &column.name);
        columns.eq(&table.columns).then(|| Relation { bytes: table.bytes, rows: table.rows, ..relation.clone() })
    };
    Ok(manifest.tables.iter().filter_map(found).collect())
}

async fn sum(
    session: &mut Session,
    relations: &[Relation],
    tasks: &Tasks,
    progress: &Progress,
    stop: &Stop,
) -> Result<Vec<(usize, Tally)>, EngineError> {
    let mut tallies = Vec::new();
    while let Some(task) = tasks.next(session).await? {
        tallies.push((task.table, rows::read(session, &relations[task.table], &task, &mut Nowhere, progress, stop).await?));
    }
    Ok(tallies)
}

fn judge(
    manifest: &Manifest,
    relations: &[Relation],
    tallies: impl IntoIterator<Item = (usize, Tally)>,
) -> Result<Loaded, EngineError> {
    let mut sums: HashMap<String, Tally> = HashMap::new();
    for (table, tally) in tallies {
        sums.entry(relations[table].name.clone()).or_default().merge(&tally);
    }
    let found = |table: &Table| sums.get(&table.name).or_else(|| sums.get(&table.name.to_lowercase())).copied();
    verdict(manifest, differing(manifest, found))
}

/// Looks for rows whose foreign keys point nowhere, which the server does not: checks are off while rows arrive.
///
/// The comparison has shown that the rows are the archive's, so these were so when it was taken (checks were off there as
/// well) or their parents are in another database. Either way a refusal would leave nothing to go back to: they are named.
pub(super) async fn orphans(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let here = session.place().database.clone();
    let mut warnings = Vec::new();
    for key in foreign::keys(session).await? {
        let doing = format!("look for rows of table {} without their parents", key.table);
        match session.number(&doing, &anti_join(&key)).await {
            Ok(0) => {}
            Ok(rows) => warnings.push(format!(
                "table {}: {rows} rows refer by {} to rows that table {} does not have; so they are in the archive",
                key.table, key.name, key.parent.1
            )),
            Err(error @ EngineError::Sql { .. }) if number_of_error(&error) == Some(NO_SUCH_COLUMN) => warnings.push(format!(
                "table {}: foreign key {} refers to columns that {} does not have; so it is in the archive",
                key.table, key.name, key.parent.1
            )),
            Err(EngineError::Sql { .. }) if key.parent.0 == here => warnings.push(format!(
                "table {}: foreign key {} refers to table {}, which is not there; so it is in the archive",
                key.table, key.name, key.parent.1
            )),
            // A parent in a database that we may not read or that is not there.
            Err(EngineError::Privilege { .. } | EngineError::Sql { .. }) => warnings.push(format!(
                "table {}: whether every row has its parent in {}.{} cannot be seen from here",
                key.table, key.parent.0, key.parent.1
            )),
            Err(error) => return Err(error),
        }
    }
    Ok(warnings)
}

fn anti_join(key: &Key) -> String {
    let pairs = key.columns.iter().zip(&key.parent_columns);
    let on = pairs.map(|(column, parent)| format!("c.{} = p.{}", quote(column), quote(parent))).collect::<Vec<_>>();
    let given = key.columns.iter().map(|column| format!("c.{} IS NOT NULL", quote(column))).collect::<Vec<_>>();
    format!(
        "SELECT COUNT(*) FROM {} c WHERE {} AND NOT EXISTS (SELECT 1 FROM {}.{} p WHERE {})",
        quote(&key.table),
        given.join(" AND "),
        quote(&key.parent.0),
        quote(&key.parent.1),
        on.join(" AND ")
    )
}
