//! The fence of a database that stays where it is: locks, in the one transaction that replaces what is in it.
//!
//! Every table is locked against whoever writes and open to whoever reads, an archive of it among them; every sequence against who would
//! take the next value. A table that is made after that is in nobody's archive: where one is dropped with the rest, the whole is undone.

use super::super::super::EngineError;
use super::super::catalog::{self, BATCH, WITH_ROWS, texts};
use super::super::connect::{Session, sqlstate};
use super::super::survey;

/// How long a lock is waited for, in milliseconds: longer than an ordinary transaction takes.
const WAIT_MS: u32 = 5000;
/// How often it is begun anew, because somebody held a lock too long or made a table meanwhile.
const ATTEMPTS: u32 = 4;
/// SQLSTATEs of a lock not granted in time, of a deadlock, and of a table that went away between two looks.
const PASSING: [&str; 4] = ["55P03", "40P01", "42P01", "3F000"];

/// What was locked.
#[derive(Debug)]
pub(super) struct Locked {
    /// Every relation there was, by number: an array literal.
    known: String,
}

/// Locks, at the beginning of the session's transaction.
pub(super) async fn take(session: &mut Session) -> Result<Locked, EngineError> {
    let mut last = moved(session);
    for _ in 0..ATTEMPTS {
        match attempt(session).await {
            Ok(Some(locked)) => return Ok(locked),
            Ok(None) => {}
            Err(error) if sqlstate(&error).is_some_and(|code| PASSING.contains(&code.as_str())) => {
                // Nothing was done in it yet.
                session.run("begin anew", "ROLLBACK; BEGIN").await?;
                let database = session.place().database.clone();
                let sessions = survey::lasting_sessions(session, &database).await?;
                if !sessions.is_empty() {
                    return Err(EngineError::InUse { location: session.place().location(), sessions });
                }
                last = error;
            }
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// One attempt; `None` when a table was made or dropped meanwhile. The locks stay.
async fn attempt(session: &mut Session) -> Result<Option<Locked>, EngineError> {
    let doing = "lock what is replaced";
    let known = texts(session, doing, "SELECT oid::text FROM pg_catalog.pg_class").await?.join(",");
    let tables = catalog::lockable(session).await?;
    session.run("bound the wait for locks", &format!("SET LOCAL lock_timeout = {WAIT_MS}")).await?;
    for batch in tables.chunks(BATCH) {
        let names = batch.iter().map(|name| format!("ONLY {name}")).collect::<Vec<_>>().join(", ");
        session.run(doing, &format!("LOCK TABLE {names} IN EXCLUSIVE MODE")).await?;
    }
    // There is no statement that locks a sequence; one that changes nothing of it does.
    let sequences = format!(
        "SELECT pg_catalog.format('ALTER SEQUENCE %I.%I CACHE %s', n.nspname, c.relname, \
           (SELECT s.seqcache FROM pg_catalog.pg_sequence s WHERE s.seqrelid = c.oid)) {WITH_ROWS} AND c.relkind = 'S' ORDER BY c.oid"
    );
    for batch in texts(session, "list the sequences", &sequences).await?.chunks(BATCH) {
        session.run(doing, &batch.join("; ")).await?;
    }
    session.run("release the bound", "SET LOCAL lock_timeout = 0").await?;
    let same = catalog::lockable(session).await? == tables;
    Ok(same.then_some(Locked { known: format!("'{{{known}}}'::pg_catalog.oid[]") }))
}

impl Locked {
    /// Refuses when anything was dropped in this transaction that was not there when it was locked: what is dropped is locked, too.
    pub(super) async fn demand_nothing_else_dropped(&self, session: &mut Session) -> Result<(), EngineError> {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' \
               AND l.mode = 'AccessExclusiveLock' AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d \
                 WHERE d.datname = pg_catalog.current_database()) AND l.relation <> ALL ({}))",
            self.known
        );
        match session.truth("look what was dropped", &sql).await? {
            true => Err(moved(session)),
            false => Ok(()),
        }
    }
}

/// Somebody changed what was about to be replaced.
pub(super) fn moved(session: &Session) -> EngineError {
    EngineError::Moved { doing: format!("replace what database {} holds", session.place().database) }
}
