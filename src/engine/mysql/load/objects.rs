//! What acts by itself or stands for something else: views, routines, triggers, events. Made after the rows are there.
//!
//! Owns which statement of an archive is run when; who owns what, `making` knows. Events come last, so that none fires into a half-made schema.

use std::sync::Arc;

use super::super::super::EngineError;
use super::super::connect::{Place, Session, literal, quote};
use super::super::definer::by_rule;
use super::super::unqualify::{self, call_packages_of};
use super::super::{here, statistics};
use super::heads::disabled;
use super::{making, run_one, statements};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;

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

/// Makes them on a loading session, whose the configuration says; says what is not what it was.
pub(in super::super) async fn make(session: &mut Session, statements: &[String]) -> Result<Vec<String>, EngineError> {
    let place = session.place().clone();
    making::make(session, statements.iter().map(|sql| for_place(&place, sql)).collect()).await
}

/// Makes all of them in a place where nothing may act, to see that they can be made: events are made disabled. Says what is not what it was.
pub(in super::super) async fn try_out(session: &mut Session, statements: &[String]) -> Result<Vec<String>, EngineError> {
    let statements = statements.iter().filter(|sql| !statistics::is_one(sql));
    let disabled: Vec<String> = statements.map(|sql| disabled(sql).unwrap_or_else(|| sql.clone())).collect();
    make(session, &disabled).await
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
    let routines = format!(
        "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE {} AND ROUTINE_TYPE <> 'PACKAGE BODY'",
        here::by("ROUTINE_SCHEMA")
    );
    for row in session.texts(doing, &routines).await? {
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
