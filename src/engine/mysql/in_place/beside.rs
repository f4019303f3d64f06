//! Views, routines and events of a database that is replaced in its place: dropped while its tables are locked, before the first table goes.
//!
//! Whoever locks a table locks what its triggers call and read as well: views, and on MariaDB routines. What our own locks hold is tried, so
//! that a missing right is known while all is there, and is dropped once the tables are gone. Held by `tests/it/mysql_kinds.rs`.

use std::slice::from_ref;

use super::super::super::EngineError;
use super::super::connect::{Place, Session, quote};
use super::super::here::{HERE, by};
use super::super::load::objects;

/// How long what our own locks may hold is tried, in seconds.
const TRY_WITHIN: u32 = 1;

/// How much is there of what could not be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    All,
    Part,
}

/// Drops them on a session of its own, for one with locks may not; triggers go with their tables. What has to wait for the tables to go is
/// answered: statements for [`objects::drop_by`]. `used` is what [`used_by_triggers`] said.
pub(super) async fn drop_all(place: &Place, used: &[String]) -> Result<Vec<String>, (EngineError, Left)> {
    let nothing = |error| (error, Left::All);
    let mut session = place.connect().await.map_err(nothing)?;
    let drops = drops(&mut session).await.map_err(nothing)?;
    let dropped = match drop_each(&mut session, &drops, used).await {
        Ok(put_off) => Ok(put_off),
        Err(error) if self::drops(&mut session).await.is_ok_and(|left| left == drops) => Err((error, Left::All)),
        Err(error) => Err((error, Left::Part)),
    };
    session.close().await;
    dropped
}

/// Statements that drop them.
async fn drops(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let drops = objects::drops(session).await?;
    Ok(drops.into_iter().filter(|drop| !drop.starts_with("DROP TRIGGER ")).collect())
}

async fn drop_each(session: &mut Session, drops: &[String], used: &[String]) -> Result<Vec<String>, EngineError> {
    let usual = session.number("ask how long locks are waited for", "SELECT @@SESSION.lock_wait_timeout").await?;
    let mut put_off = Vec::new();
    for drop in drops {
        let is_used = used.iter().any(|name| drop.ends_with(&format!(" IF EXISTS {}", quote(name))));
        let within = if is_used { u64::from(TRY_WITHIN) } else { usual };
        session.run("set up a session", &format!("SET SESSION lock_wait_timeout = {within}")).await?;
        match objects::drop_by(session, from_ref(drop)).await {
            Err(EngineError::InUse { .. }) if is_used => put_off.push(drop.clone()),
            other => other?,
        }
    }
    Ok(put_off)
}

/// Names of views and routines that triggers use, at first hand or through one another. Asked before there are locks: MariaDB shows no text of
/// a view whose tables it has to wait for.
pub(super) async fn used_by_triggers(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let doing = "look for what triggers use";
    let sql = format!("SELECT '', ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE {}", by("TRIGGER_SCHEMA"));
    let mut texts: Vec<String> = pairs(session, doing, &sql).await?.into_iter().map(|(_, text)| text).collect();
    let sql = format!("SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE {HERE}");
    let mut others = pairs(session, doing, &sql).await?;
    let sql =
        format!("SELECT ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE {}", by("ROUTINE_SCHEMA"));
    others.extend(pairs(session, doing, &sql).await?);
    let mut used = Vec::new();
    while let Some(text) = texts.pop() {
        let (found, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(|(name, _)| mentions(&text, name));
        others = rest;
        for (name, text) in found {
            // A view whose text this account is not shown may stand on any other.
            let (more, rest) = if text.is_empty() { (others, Vec::new()) } else { (Vec::new(), others) };
            others = rest;
            used.push(name);
            texts.push(text);
            used.extend(more.into_iter().map(|(name, _)| name));
        }
    }
    Ok(used)
}

async fn pairs(session: &mut Session, doing: &str, sql: &str) -> Result<Vec<(String, String)>, EngineError> {
    let rows = session.texts(doing, sql).await?;
    let pair = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    };
    Ok(rows.into_iter().map(pair).collect())
}

/// Whether a text has a name in it as a word, in whatever case and quotes. One in a string or comment counts as well: it may be tried.
fn mentions(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let text = text.to_lowercase();
    let found = |name: &str| {
        text.match_indices(name).any(|(at, found)| {
            let (before, behind) = (text[..at].chars().next_back(), text[at + found.len()..].chars().next());
            !(before.is_some_and(is_word) && name.starts_with(is_word)
                || behind.is_some_and(is_word) && name.ends_with(is_word))
        })
    };
    let name = name.to_lowercase();
    !name.is_empty() && ['`', '"'].iter().any(|mark| found(&name.replace(*mark, &format!("{mark}{mark}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_word_in_every_spelling() {
        for (text, name) in [
            ("CALL Pr()", "pr"),
            ("INSERT INTO `v``1` VALUES (1)", "v`1"),
            ("SET NEW.a = \"f\"\"1\"(2)", "f\"1"),
            ("SET NEW.a=f(1)", "F"),
            ("SELECT `it's; ä`()", "it's; Ä"),
        ] {
            assert!(mentions(text, name), "{text} {name}");
        }
        for (text, name) in [("CALL prefix()", "pr"), ("SET NEW.a_f = 1", "f"), ("SET NEW.a = 1", ""), ("SET @f1 = 1", "f")] {
            assert!(!mentions(text, name), "{text} {name}");
        }
    }
}
