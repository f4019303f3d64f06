//! Which tables' rows are left out of an archive.

use super::super::EngineError;
use super::super::without::{Without, demand_unreferenced, leave_out as taken};
use super::connect::Session;
use super::foreign;
use super::relation::Relation;
use crate::archive::manifest::LeftOut;
use crate::shape::Shape;

/// Takes them out of `relations`, and says so of each.
pub(super) async fn leave_out(
    session: &mut Session,
    relations: &mut Vec<Relation>,
    without: Without<'_>,
    shape: &Shape,
) -> Result<Vec<LeftOut>, EngineError> {
    if without.is_empty() {
        return Ok(Vec::new());
    }
    let here = session.place().database.clone();
    let keys = foreign::keys(session).await?.into_iter().filter(|key| key.parent.0.eq_ignore_ascii_case(&here));
    let keys: Vec<(String, String)> = keys.map(|key| (key.table, key.parent.1)).collect();
    demand_unreferenced(&keys, |name| without.means("", name))?;
    taken(relations, |relation| without.means("", &relation.name), |relation| relation.name.clone(), shape)
}
