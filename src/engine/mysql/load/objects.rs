//! What acts by itself or stands for something else: views, routines, triggers, events. Made after the rows are there.
//!
//! Owns which statement of an archive is run when, and who owns what cannot be given to its owner here: an account that may not
//! set a DEFINER becomes it, and says so; a view that reads what is not there is named and left out. Events come last, so that none fires into a half-made schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::super::EngineError;
use super::super::connect::{Place, Session, literal, quote};
use super::super::definer::{by_rule, quoted_length, without_definer};
use super::super::errors::number_of_error;
use super::super::unqualify::{self, call_packages_of};
use super::{first_line, run_one, statements};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::failure::Chain;

/// `ER_NO_SUCH_USER`: a definer that does not exist here.
const NO_SUCH_DEFINER: u16 = 1449;
/// What a view reads is not there: `ER_BAD_DB_ERROR`, `ER_BAD_FIELD_ERROR`, `ER_NO_SUCH_TABLE`, `ER_SP_DOES_NOT_EXIST`,
/// `ER_VIEW_INVALID`.
const REFERS_TO_NOTHING: [u16; 5] = [1049, 1054, 1146, 1305, 1356];

/// Statements that make the tables. The database itself got its character set when it was made.
pub(in super::super) async fn tables_before(archive: &Arc<Archive>) -> Result<Vec<String>, EngineError> {
    let mut all = statements(archive, FrameKind::PreData).await?;
    all.retain(|sql| !sql.starts_with("ALTER DATABASE "));
    Ok(all)
}

/// Statements that build the indexes left out before, each of a table of its own.
pub(in super::super) async fn indexes(archive: &Arc<Archive>) -> Result<Vec<String>, EngineError> {
    let mut all = statements(archive, FrameKind::PostData).await?;
    all.truncate(of_tables(&all));
    Ok(all)
}

/// Statements that make everything else.
pub(in super::super) async fn of(archive: &Arc<Archive>) -> Result<Vec<String>, EngineError> {
    let mut all = statements(archive, FrameKind::PostData).await?;
    all.drain(..of_tables(&all));
    all.extend(statements(archive, FrameKind::Trailer).await?);
    let own = quote(&archive.manifest().server.database);
    for sql in all.iter_mut().filter(|sql| is_view(sql)) {
        *sql = call_packages_of(sql, unqualify::HERE, |name| name == own);
    }
    Ok(all)
}

/// As every server shows one.
fn is_view(sql: &str) -> bool {
    sql.starts_with("CREATE ALGORITHM=")
}

/// A statement for the session's database, by the configuration's rule of definers.
fn for_place(place: &Place, sql: &str) -> String {
    let sql = by_rule(place.definers(), sql);
    let here = quote(unqualify::HERE);
    if is_view(&sql) { call_packages_of(&sql, &place.database, |name| name == here) } else { sql }
}

/// How many statements of the schema after the data are about tables: they come first.
fn of_tables(after: &[String]) -> usize {
    after.iter().rposition(|sql| sql.starts_with("ALTER TABLE ")).map_or(0, |last| last + 1)
}

/// What came of objects that are not as they were, for people.
#[derive(Debug, Default)]
struct Made {
    /// Objects that are ours now, by the definer they had.
    changed: BTreeMap<String, Vec<String>>,
    /// How many objects fail when they are used, by a definer who is not here.
    missing: BTreeMap<String, u64>,
    /// Views that are not there.
    broken: Vec<String>,
}

/// Makes them on a loading session, whose the configuration says; says what is not what it was.
pub(in super::super) async fn make(session: &mut Session, statements: &[String]) -> Result<Vec<String>, EngineError> {
    let mut made = Made::default();
    let place = session.place().clone();
    for sql in statements.iter().map(|sql| for_place(&place, sql)) {
        match make_one(session, &sql, &mut made).await {
            // Its source was broken the same way: it cannot be made, and must not keep everything else from being there.
            Err(error)
                if is_view(&sql) && number_of_error(&error).is_some_and(|number| REFERS_TO_NOTHING.contains(&number)) =>
            {
                made.broken.push(format!("`{}` cannot be made: {}", first_line(&sql), Chain(&error)));
            }
            other => other?,
        }
    }
    Ok(made.told(place.user()))
}

async fn make_one(session: &mut Session, sql: &str, made: &mut Made) -> Result<(), EngineError> {
    let Some((definer, own)) = without_definer(sql) else { return run_one(session, sql).await };
    match run_one(session, sql).await {
        Ok(()) => {
            let warned = session.texts("read the server's warnings", "SHOW WARNINGS").await?;
            let number = NO_SUCH_DEFINER.to_string();
            if warned.iter().any(|row| row.get(1).is_some_and(|code| code.as_deref() == Some(number.as_str()))) {
                *made.missing.entry(definer).or_default() += 1;
            }
        }
        Err(error) if may_not_define(&error) => {
            run_one(session, &own).await?;
            made.changed.entry(definer).or_default().push(first_line(&own));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

impl Made {
    fn told(self, user: &str) -> Vec<String> {
        let changed = self.changed.into_iter().map(|(definer, objects)| {
            let (many, first) = (objects.len(), objects.first().cloned().unwrap_or_default());
            format!("definer {definer} cannot be set by user {user}: {many} objects are {user}'s now, the first is `{first}`")
        });
        let missing = self
            .missing
            .into_iter()
            .map(|(definer, many)| format!("definer {definer} does not exist here: {many} objects fail when they are used"));
        changed.chain(missing).chain(self.broken).collect()
    }
}

pub(super) fn may_not_define(error: &EngineError) -> bool {
    matches!(error, EngineError::Privilege { .. }) || number_of_error(error) == Some(NO_SUCH_DEFINER)
}

/// Makes all of them in a place where nothing may act, to see that they can be made: events are made disabled.
pub(in super::super) async fn try_out(session: &mut Session, statements: &[String]) -> Result<(), EngineError> {
    let disabled: Vec<String> = statements.iter().map(|sql| disabled(sql).unwrap_or_else(|| sql.clone())).collect();
    make(session, &disabled).await.map(drop)
}

/// An event's statement with the event disabled; `None` for every other.
fn disabled(sql: &str) -> Option<String> {
    if !sql.starts_with("CREATE ") {
        return None;
    }
    // Between the words are only names, numbers and strings, which are passed over.
    let (mut at, mut is_event) = (0, false);
    while at < sql.len() {
        let rest = &sql[at..];
        if let Some(length) = quoted_length(rest) {
            at += length;
            continue;
        }
        is_event |= rest.starts_with("EVENT ");
        for preserve in ["ON COMPLETION PRESERVE ENABLE", "ON COMPLETION NOT PRESERVE ENABLE"] {
            if is_event && rest.starts_with(preserve) {
                let end = at + preserve.len();
                let kept = &sql[..end - "ENABLE".len()];
                return Some(format!("{kept}DISABLE{}", &sql[end..]));
            }
        }
        if [" DO ", " TRIGGER ", " FUNCTION ", " PROCEDURE ", " VIEW ", " PACKAGE "].iter().any(|word| rest.starts_with(word)) {
            return None;
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// Drops every view, trigger, event, routine and package of the session's database.
pub(in super::super) async fn drop_all(session: &mut Session) -> Result<(), EngineError> {
    let drops = drops(session).await?;
    drop_by(session, &drops).await
}

/// Runs what [`drops`] gave.
pub(in super::super) async fn drop_by(session: &mut Session, drops: &[String]) -> Result<(), EngineError> {
    let mode = session.text("read the session's modes", "SELECT @@SESSION.sql_mode").await?.unwrap_or_default();
    for sql in drops {
        // MariaDB knows the word in this mode only, before 11.4.
        let mode = if sql.starts_with("DROP PACKAGE ") { "ORACLE" } else { mode.as_str() };
        session.run("set up a session", &format!("SET SESSION sql_mode = {}", literal(mode))).await?;
        run_one(session, sql).await?;
    }
    session.run("set up a session", &format!("SET SESSION sql_mode = {}", literal(&mode))).await
}

/// Statements that drop every view, trigger, event, routine and package of the session's database.
pub(in super::super) async fn drops(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let doing = "list views, triggers, events and routines";
    let database = quote(&session.place().database.clone());
    let mut drops = Vec::new();
    for row in session.texts(doing, &format!("SHOW FULL TABLES FROM {database}")).await? {
        if let [Some(name), Some(kind)] = row.as_slice()
            && kind.ends_with("VIEW")
        {
            drops.push(format!("DROP VIEW IF EXISTS {}", quote(name)));
        }
    }
    for (what, of) in [("TRIGGER", "TRIGGERS"), ("EVENT", "EVENTS")] {
        let place = if what == "EVENT" { 1 } else { 0 };
        for row in session.texts(doing, &format!("SHOW {of} FROM {database}")).await? {
            let name = row.get(place).cloned().flatten().unwrap_or_default();
            drops.push(format!("DROP {what} IF EXISTS {}", quote(&name)));
        }
    }
    let routines = "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES \
        WHERE CAST(ROUTINE_SCHEMA AS BINARY) = CAST(DATABASE() AS BINARY) AND ROUTINE_TYPE <> 'PACKAGE BODY'";
    for row in session.texts(doing, routines).await? {
        if let [Some(kind), Some(name)] = row.as_slice() {
            drops.push(format!("DROP {kind} IF EXISTS {}", quote(name)));
        }
    }
    if let Some(libraries) = session.version.libraries() {
        let names = session.texts(doing, libraries).await?.into_iter().filter_map(|row| row.into_iter().nth(1).flatten());
        drops.extend(names.map(|name| format!("DROP LIBRARY IF EXISTS {}", quote(&name))));
    }
    Ok(drops)
}

#[cfg(test)]
mod tests;
