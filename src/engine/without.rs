//! Tables whose rows the configuration leaves out of an archive (`without_rows`): their definitions stay.
//!
//! Owns which those are and what is refused: rows without which the kept ones could not be restored, or nobody could tell what the database is at.
//! Held by `tests/it/without_rows.rs`.

use super::EngineError;
use crate::archive::manifest::LeftOut;
use crate::config::TablePattern;
use crate::shape::Shape;

/// What is asked to be left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Without<'a>(pub(super) &'a [TablePattern]);

impl Without<'_> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is this table.
    pub(super) fn means(self, schema: &str, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.fits(schema, name))
    }
}

/// Takes the tables that are meant out of those whose rows are read, and says so of each by its qualified name.
pub(super) fn leave_out<R>(
    relations: &mut Vec<R>,
    is_meant: impl Fn(&R) -> bool,
    name: impl Fn(&R) -> String,
    shape: &Shape,
) -> Result<Vec<LeftOut>, EngineError> {
    let meant: Vec<String> = relations.iter().filter(|relation| is_meant(relation)).map(name).collect();
    let is_history = |name: &&String| {
        let plain = name.rsplit_once('.').map_or(name.as_str(), |(_, plain)| plain);
        shape.histories.iter().any(|history| history.table == **name || history.table == plain)
    };
    if let Some(history) = meant.iter().find(is_history) {
        return Err(refused(
            format!("`without_rows` names {history}, whose rows say which migrations the database has"),
            "take it out of `without_rows`; a longer pattern may spare it",
        ));
    }
    relations.retain(|relation| !is_meant(relation));
    Ok(meant.iter().map(|name| LeftOut::chosen(name)).collect())
}

/// Refuses kept rows that refer to rows that are left out; each pair names who refers and to whom.
pub(super) fn demand_unreferenced(keys: &[(String, String)], is_meant: impl Fn(&str) -> bool) -> Result<(), EngineError> {
    match keys.iter().find(|(from, to)| is_meant(to) && !is_meant(from)) {
        None => Ok(()),
        Some((from, to)) => Err(refused(
            format!("`without_rows` names {to}, and a foreign key of {from} refers to it: its rows could not be restored"),
            &format!("name {from} there as well, or take {to} out of it"),
        )),
    }
}

/// A refusal of what no archive could keep.
pub(super) fn refused(what: String, hint: &str) -> EngineError {
    EngineError::Inexact { what, hint: hint.to_owned() }
}
