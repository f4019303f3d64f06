//! A server that repeats another's changes: what it cannot give, and that nothing can be put into it.
//!
//! A hot standby has the definition of an unlogged table or sequence, and no content: that is never sent to it.

use super::super::EngineError;
use super::catalog::{Relation, USER_SCHEMA, WITH_ROWS, texts};
use super::connect::Session;
use crate::archive::manifest::LeftOut;

/// Whether the session's server is one.
pub(super) async fn is_standby(session: &mut Session) -> Result<bool, EngineError> {
    session.truth("ask whether the server is a standby", "SELECT pg_catalog.pg_is_in_recovery()").await
}

/// The unlogged tables of a database on a standby.
pub(super) async fn missing(session: &mut Session) -> Result<Option<Vec<String>>, EngineError> {
    if !is_standby(session).await? {
        return Ok(None);
    }
    let tables =
        format!("SELECT n.nspname || '.' || c.relname {WITH_ROWS} AND c.relkind = 'r' AND c.relpersistence = 'u' ORDER BY 1");
    texts(session, "list the unlogged tables", &tables).await.map(Some)
}

/// Takes out of `relations` what has no rows here, and says so.
pub(super) async fn leave_out(session: &mut Session, relations: &mut Vec<Relation>) -> Result<Vec<LeftOut>, EngineError> {
    if !is_standby(session).await? {
        return Ok(Vec::new());
    }
    let why = "unlogged: a standby never has its content; the definition is in the archive. For the content, back up the primary server";
    let left_out = |what: String| LeftOut { what, why: why.to_owned() };
    let unlogged = relations.iter().filter(|relation| relation.unlogged);
    let mut told: Vec<LeftOut> =
        unlogged.map(|relation| left_out(format!("rows of table {}.{}", relation.schema, relation.name))).collect();
    relations.retain(|relation| !relation.unlogged);
    let sequences = format!(
        "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {USER_SCHEMA} AND c.relkind = 'S' AND c.relpersistence = 'u' ORDER BY 1"
    );
    let sequences = texts(session, "list the unlogged sequences", &sequences).await?;
    told.extend(sequences.into_iter().map(|name| left_out(format!("value of sequence {name}"))));
    Ok(told)
}

/// Refuses where the session's server takes nothing but its primary's changes.
pub(super) async fn demand_primary(session: &mut Session) -> Result<(), EngineError> {
    if !is_standby(session).await? {
        return Ok(());
    }
    let location = session.place().location();
    Err(EngineError::Inexact {
        what: format!("{location} is a standby: archives are taken of it, and nothing is restored, migrated or upgraded there"),
        hint: "to restore or upgrade, name the primary server in `[targets.T.database]`; a standby that was promoted is one"
            .to_owned(),
    })
}
