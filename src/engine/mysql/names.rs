//! Names of tables and views that one server tells apart and another does not (`lower_case_table_names`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::EngineError;
use super::connect::Session;
use super::definer::{by_rule, quoted_length};
use super::load::statements;
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::config::Definers;

/// What keeps the session's server from taking an archive because of its names: nothing where it tells them apart as they were.
pub(super) async fn objections(session: &mut Session, archive: &Arc<Archive>) -> Result<Vec<String>, EngineError> {
    if session.number("ask how names are kept", "SELECT @@lower_case_table_names").await? == 0 {
        return Ok(Vec::new());
    }
    let mut all = statements(archive, FrameKind::PreData).await?;
    all.extend(statements(archive, FrameKind::PostData).await?);
    Ok(collisions(&all))
}

/// A line for each name that is two or more names in the statements and one in lower case.
fn collisions(statements: &[String]) -> Vec<String> {
    let mut kept: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in statements.iter().filter_map(|sql| made(sql)) {
        kept.entry(name.to_lowercase()).or_default().push(name);
    }
    let several = kept.into_values().filter(|names| names.len() > 1);
    let line = |names: Vec<String>| {
        format!("{} are one name where names are kept in lower case, as they are here", names.join(" and "))
    };
    several.map(line).collect()
}

/// The name of the table, sequence or view that a statement makes.
fn made(sql: &str) -> Option<String> {
    if !sql.starts_with("CREATE ") {
        return None;
    }
    let sql = by_rule(&Definers::Strip, sql);
    let at = sql.find('`')?;
    let words = sql[..at].trim_end();
    let is_one = ["CREATE TABLE", "CREATE SEQUENCE"].contains(&words) || words.ends_with(" VIEW");
    let quoted = &sql[at..][..quoted_length(&sql[at..])?];
    is_one.then(|| quoted.trim_matches('`').replace("``", "`"))
}

#[cfg(test)]
mod tests;
