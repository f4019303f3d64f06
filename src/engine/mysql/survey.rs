//! A glance at a database: is it there, what is in it, who else is using it. Works with as few privileges as it can.

use super::super::passing::Patience;
use super::super::{EngineError, Survey};
use super::catalog::OWN_TABLES;
use super::connect::{Place, Session, quote};
use super::here::{self, HERE};
use super::privileges::Grants;
use super::shape::history_tables;
use super::{in_place, swap};

/// Looks.
pub(super) async fn survey(place: &Place, histories: &[String]) -> Result<Survey, EngineError> {
    let Some(mut session) = place.connect_if_exists().await? else { return Ok(Survey::default()) };
    swap::demand_in_place(&mut session).await?;
    let doing = "list the tables with their sizes";
    let own = OWN_TABLES.map(|name| format!("'{name}'")).join(", ");
    let sql = format!(
        "SELECT TABLE_NAME, COALESCE(DATA_LENGTH + INDEX_LENGTH, 0) FROM information_schema.TABLES \
         WHERE {HERE} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_NAME NOT IN ({own}) \
         ORDER BY CAST(TABLE_NAME AS BINARY)"
    );
    let rows = session.texts(doing, &sql).await?;
    let cells = rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default));
    let tables: Vec<(String, u64)> = cells
        .map(|mut cells| (cells.next().unwrap_or_default(), cells.next().and_then(|text| text.parse().ok()).unwrap_or(0)))
        .collect();
    let histories: Vec<String> = history_tables(&mut session, histories).await?.into_iter().map(|(name, _)| name).collect();
    let mut holds_rows = false;
    for (name, _) in tables.iter().filter(|(name, _)| !histories.contains(name)) {
        if any_row(&mut session, name).await? {
            holds_rows = true;
            break;
        }
    }
    let others = others(&mut session).await?;
    let half_loaded = in_place::is_half(&mut session).await? || swap::is_unfinished(&mut session).await?;
    let sessions = sessions(&mut session).await?;
    let unseen = Grants::read(&mut session).await?.blind_to_sessions(&session);
    session.close().await;
    let bytes = tables.iter().map(|(_, bytes)| bytes).sum();
    Ok(Survey { exists: true, tables, others, bytes, holds_rows, sessions, unseen, half_loaded })
}

async fn others(session: &mut Session) -> Result<u64, EngineError> {
    let count =
        |table: &str, schema: &str| format!("(SELECT COUNT(*) FROM information_schema.{table} WHERE {})", here::by(schema));
    let (views, routines) = (count("VIEWS", "TABLE_SCHEMA"), count("ROUTINES", "ROUTINE_SCHEMA"));
    let sql = format!("SELECT {views} + {routines} + {}", count("EVENTS", "EVENT_SCHEMA"));
    session.number("count views, routines and events", &sql).await
}

/// What we may not look into counts as filled: better one refusal too many than rows lost.
async fn any_row(session: &mut Session, table: &str) -> Result<bool, EngineError> {
    let doing = format!("look for rows in table {table}");
    match session.rows(&doing, &format!("SELECT 1 FROM {} LIMIT 1", quote(table))).await {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(EngineError::Privilege { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A session as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its number.
    pub(super) id: u64,
    /// Who, from where.
    pub(super) user: String,
    /// From where.
    pub(super) host: String,
    /// Which database it has chosen.
    pub(super) database: String,
    /// `Query`, `Sleep`, `Binlog Dump`, `Daemon`, …
    pub(super) command: String,
    /// For how long it has been at it, in seconds.
    pub(super) seconds: u64,
    /// What it is doing (`Sending data`, `Waiting for backup lock`).
    pub(super) state: String,
    /// What it says, if anything.
    pub(super) statement: String,
}

impl Listed {
    /// One line for people.
    pub(super) fn line(&self) -> String {
        let host = if self.host.is_empty() { String::new() } else { format!(", from {}", self.host) };
        format!("connection {}, user {}{host}", self.id, self.user)
    }
}

/// Every session on the server, as far as we may see them.
pub(super) async fn everybody(session: &mut Session) -> Result<Vec<Listed>, EngineError> {
    // SHOW and not a table, for the table is in another place on each server.
    let rows = session.texts("list the sessions", "SHOW FULL PROCESSLIST").await?;
    let read = |row: Vec<Option<String>>| {
        let cell = |place: usize| row.get(place).cloned().flatten().unwrap_or_default();
        let (user, host, database, command) = (cell(1), cell(2), cell(3), cell(4));
        let (id, seconds) = (cell(0).parse().unwrap_or(0), cell(5).parse().unwrap_or(0));
        Listed { id, user, host, database, command, seconds, state: cell(6), statement: cell(7) }
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Other people's sessions on the session's database that do not end within a moment.
pub(super) async fn lasting_sessions(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let mut patience = Patience::default();
    loop {
        let there = sessions(session).await?;
        if there.is_empty() || !patience.lasts().await {
            return Ok(there);
        }
    }
}

/// Other people's sessions on the session's database.
pub(super) async fn sessions(session: &mut Session) -> Result<Vec<String>, EngineError> {
    // By the server's own spelling: it may keep names in lower case.
    let database = session.text("ask which database it is", "SELECT DATABASE()").await?.unwrap_or_default();
    let is_there = |listed: &Listed| listed.database == database && listed.command != "Daemon";
    let all = everybody(session).await?;
    let at_its_tables = at_tables(session).await?;
    let uses = |listed: &&Listed| is_there(listed) || at_its_tables.contains(&listed.id);
    let others = all.iter().filter(uses).filter(|listed| !session.place().is_own(listed.id));
    Ok(others.map(Listed::line).collect())
}

/// Sessions that hold or wait for a lock of one of the database's tables, as whoever is in a transaction with it does, whichever database
/// they chose. MariaDB tells nobody, and MySQL who may read its `performance_schema`: others are kept out by the fence alone.
async fn at_tables(session: &mut Session) -> Result<Vec<u64>, EngineError> {
    if session.version.is_mariadb() {
        return Ok(Vec::new());
    }
    let sql = "SELECT DISTINCT t.PROCESSLIST_ID FROM performance_schema.metadata_locks m \
        JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID \
        WHERE m.OBJECT_TYPE = 'TABLE' AND m.OBJECT_SCHEMA = DATABASE() AND t.PROCESSLIST_ID <> CONNECTION_ID()";
    match session.texts("look who is at the tables", sql).await {
        Ok(rows) => Ok(rows.into_iter().filter_map(|row| row.into_iter().next()??.parse().ok()).collect()),
        Err(EngineError::Privilege { .. } | EngineError::Sql { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
