//! Whether a database holds rows of somebody's.

use super::super::EngineError;
use super::catalog;
use super::connect::Session;
use super::relation::Relation;
use crate::history;

/// The first table with a row that is no history of migrations, under whatever name.
pub(super) async fn first_filled(session: &mut Session) -> Result<Option<String>, EngineError> {
    for relation in catalog::relations(session).await? {
        if has_rows(session, &relation).await? {
            return Ok(Some(relation.name));
        }
    }
    Ok(None)
}

/// Whether a table that is no history of migrations, under whatever name, has a row.
pub(super) async fn has_rows(session: &mut Session, relation: &Relation) -> Result<bool, EngineError> {
    let columns: Vec<&str> = relation.columns.iter().map(|column| column.name.as_str()).collect();
    if history::recognise(&relation.name, &columns).is_some() {
        return Ok(false);
    }
    let doing = format!("look for rows in table {}", relation.name);
    Ok(!session.rows(&doing, &format!("SELECT 1 FROM {} LIMIT 1", relation.quoted())).await?.is_empty())
}
