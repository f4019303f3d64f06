//! Other people's sessions: who is connected, and who is at the tables of a database.

use super::super::EngineError;
use super::super::passing::Patience;
use super::connect::Session;

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
