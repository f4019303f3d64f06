//! What `repair` changes in a history: pure.

use super::facts::{Facts, Role};
use super::{Amendment, Ignore, NewRow, Repaired, Resolved, abbreviated_description, problem, same_checksum, type_of};
use crate::history::flyway::Row;

/// As Flyway: failed rows go; what the release lacks although it has newer is noted as deleted; type, description and
/// checksum of the rest follow the scripts. A row newer than the release is left alone, so that a repair with an older
/// release deletes nothing.
pub(in crate::migrate) fn repair(rows: &[Row], scripts: &[Resolved], ignore: &Ignore) -> (Vec<Amendment>, Repaired) {
    let (mut amendments, mut repaired) = (Vec::new(), Repaired::default());
    for row in rows.iter().filter(|row| !row.success) {
        amendments.push(Amendment::Remove(row.rank));
        repaired.removed.push(row.script.clone());
    }
    let standing: Vec<Row> = rows.iter().filter(|row| row.success).cloned().collect();
    let mut rank = rows.iter().map(|row| row.rank).max().unwrap_or(0);
    let facts = Facts::read(&standing, &mut Vec::new());
    let newest_known = scripts.iter().filter_map(|script| script.version.as_ref()).max();
    for fact in facts.rows.iter().filter(|fact| fact.role == Role::Script && fact.gone.is_none() && !fact.superseded) {
        let Some(script) = scripts.iter().find(|script| fact.is_of(script)) else {
            let future = fact.version.as_ref().is_some_and(|version| newest_known.is_none_or(|known| version > known));
            if !future && !ignore.covers(fact.version.is_some(), "missing") {
                rank += 1;
                amendments.push(Amendment::Add(deletion(fact.row, rank)));
                repaired.deleted.push(problem::named(fact.row));
            }
            continue;
        };
        if fact.version.is_some() && Some(&fact.version) <= Some(&facts.baseline) && !fact.row.kind.ends_with("_BASELINE") {
            continue;
        }
        // A repeatable script that changed is to run again, not to be taken as it is.
        let edited = script.version.is_none() && !same_checksum(script, fact.row);
        let description = abbreviated_description(&script.description);
        let agrees = fact.row.checksum == Some(script.checksum)
            && fact.row.kind == type_of(script.kind)
            && fact.row.description == description;
        if !agrees && !edited {
            let (rank, kind, checksum) = (fact.row.rank, type_of(script.kind), script.checksum);
            amendments.push(Amendment::Align { rank, description, kind, checksum });
            repaired.aligned.push(script.script.clone());
        }
    }
    (amendments, repaired)
}

/// Flyway's note that a migration is gone: the same row again, of type `DELETE`.
fn deletion(row: &Row, rank: i64) -> NewRow {
    NewRow {
        rank: i32::try_from(rank).unwrap_or(i32::MAX),
        version: row.version.clone(),
        description: row.description.clone(),
        kind: "DELETE",
        script: row.script.clone(),
        checksum: row.checksum,
        execution_ms: 0,
        success: true,
    }
}
