//! Versions of rows that lasted no time, which MariaDB keeps in a history and takes back from nobody.
//!
//! A statement that writes a row twice (`REPLACE`, several tables in one `UPDATE`) leaves one: it ended when it began. No moment shows it, only
//! `FOR SYSTEM_TIME ALL` does. Reading passes them over, so that the archive restores; an archive and `check` say how many.

use super::super::super::EngineError;
use super::super::connect::{Session, quote};
use super::super::relation::Relation;
use crate::archive::manifest::LeftOut;
use crate::count::many;

/// How long a look for the first of them may take where nobody waits for an answer, in seconds.
const LOOK_WITHIN: u32 = 5;

/// What versions that can be restored have in common: a condition.
pub(super) fn lasted([start, end]: &[String; 2]) -> String {
    format!("{} < {}", quote(start), quote(end))
}

/// How many of them a table has, as the session sees it.
pub(in super::super) async fn count(session: &mut Session, relation: &Relation) -> Result<u64, EngineError> {
    let Some(period) = &relation.period else { return Ok(0) };
    let sql = format!("SELECT COUNT(*) {}", timeless_of(relation, period));
    session.number(&format!("look into the history of table {}", relation.name), &sql).await
}

/// What an archive leaves out of a table that has so many.
pub(in super::super) fn left_out(relation: &Relation, rows: u64) -> Option<LeftOut> {
    (rows > 0).then(|| told(&relation.name, &many(rows, "past version")))
}

/// The tables that have one, as far as that is found soon.
pub(in super::super) async fn seen(session: &mut Session, relations: &[Relation]) -> Vec<LeftOut> {
    let mut all = Vec::new();
    for (relation, period) in relations.iter().filter_map(|relation| Some((relation, relation.period.as_ref()?))) {
        let sql =
            format!("SET STATEMENT max_statement_time = {LOOK_WITHIN} FOR SELECT 1 {} LIMIT 1", timeless_of(relation, period));
        // What takes longer is for the archive to say.
        let found = session.number(&format!("look into the history of table {}", relation.name), &sql).await;
        if found.is_ok_and(|found| found > 0) {
            all.push(told(&relation.name, "past versions"));
        }
    }
    all
}

fn timeless_of(relation: &Relation, period: &[String; 2]) -> String {
    format!("FROM {} FOR SYSTEM_TIME ALL WHERE NOT {}", relation.quoted(), lasted(period))
}

fn told(table: &str, what: &str) -> LeftOut {
    LeftOut {
        what: format!("{what} of rows of table {table} that lasted no time"),
        why: "they ended in the moment in which they began (a statement wrote a row twice): the server takes no such back, and no question \
              AS OF a moment shows them; every version that lasted is in the archive"
            .to_owned(),
    }
}
