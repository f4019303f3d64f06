//! One moment for all workers: the strongest way the account's privileges allow, and what it was.
//!
//! Owns every lock a dump takes. Nobody ever waits long behind a lock of ours: each is asked for with a bound of a few seconds,
//! and the global one only by who sees that no statement has been running for long. A way that fails makes room for the next weaker
//! one; the last, a single connection with a single snapshot, needs no lock and is exact by itself. Positions of the binary log before
//! and after are no way: a transaction is in the log before it is in the tables, and snapshots opened in between differ at the same
//! position (so do those that MariaDB reports as `binlog_snapshot_position`). Why so is in `docs/decisions/012-one-moment-on-mysql.md`.
//! Invariant: several workers see the same rows, by a lock; held by `tests/it/mysql_traps.rs`, and that nobody waits by
//! `tests/it/mysql_locks.rs`.

mod recruits;

use std::time::{Duration, Instant};

use super::super::EngineError;
use super::super::crew::{Stop, StopOnDrop};
use super::connect::{Place, Session, quote};
use super::instance_lock::{InstanceLock, LOCK_WAIT_SECONDS};
use super::long_statements::wait_for_long_statements;
use super::privileges::Grants;
use super::relation::Relation;
use super::worker::{Seen, Setup};
use crate::fault;
use crate::progress::Progress;
pub(super) use recruits::Worker;
use recruits::{Looking, Recruit};

/// A way to one moment, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// MariaDB's `BACKUP STAGE`, up to where commits wait.
    Stages,
    /// `FLUSH TABLES WITH READ LOCK`.
    Global,
    /// `LOCK TABLES … READ` on every table of the database.
    Tables,
    /// One connection, one snapshot.
    Single,
}

/// What may be tried, in this order.
///
/// `FLUSH TABLES WITH READ LOCK` is for those only who see what others are running (`PROCESS`). Its bound ends our own wait, and not
/// what it began: MySQL has declared every open table stale by then, and whoever uses one that a long `SELECT` holds open waits
/// until that has ended, however long ago the lock was given up on.
pub(super) fn ways(grants: &Grants, is_mariadb: bool) -> Vec<Way> {
    let reload = grants.allow_everywhere("RELOAD");
    let mut ways = Vec::new();
    if is_mariadb && reload {
        ways.push(Way::Stages);
    }
    let flushes = reload || grants.allow_everywhere("FLUSH_TABLES");
    if !is_mariadb && flushes && grants.allow_everywhere("PROCESS") {
        ways.push(Way::Global);
    }
    if grants.allow("LOCK TABLES") {
        ways.push(Way::Tables);
    }
    ways.push(Way::Single);
    ways
}

impl Way {
    /// As the manifest has it.
    pub(super) fn sentence(self, workers: usize) -> String {
        let several = match workers {
            1 => "one snapshot".to_owned(),
            _ => format!("{workers} snapshots, all opened"),
        };
        match self {
            Self::Stages => format!("{several} while BACKUP STAGE BLOCK_COMMIT held up commits"),
            Self::Global => format!("{several} under FLUSH TABLES WITH READ LOCK"),
            Self::Tables => format!("{several} while LOCK TABLES held every table of the database for reading"),
            Self::Single => "one snapshot on one connection, without a lock".to_owned(),
        }
    }

    fn lock(self, session: &Session, tables: &[String]) -> Option<(String, &'static str)> {
        match self {
            Self::Stages => Some((session.version.backup_stages()?.join("; "), "BACKUP STAGE END")),
            Self::Global => Some(("FLUSH TABLES WITH READ LOCK".to_owned(), "UNLOCK TABLES")),
            Self::Tables if tables.is_empty() => None,
            Self::Tables => Some((lock_tables(tables), "UNLOCK TABLES")),
            Self::Single => None,
        }
    }
}

fn lock_tables(tables: &[String]) -> String {
    let names = tables.iter().map(|name| format!("{} READ", quote(name))).collect::<Vec<_>>().join(", ");
    format!("LOCK TABLES {names}")
}

/// Everybody at the same moment.
#[derive(Debug)]
pub(super) struct Opened {
    /// The workers.
    pub(super) workers: Vec<Worker>,
    /// How.
    pub(super) way: Way,
    /// What was locked, for the manifest.
    pub(super) locks: Vec<String>,
    /// For how long others waited for us, in milliseconds.
    pub(super) locked_ms: u64,
    /// Position of the binary log, and GTIDs.
    pub(super) position: Option<String>,
    /// What the first worker saw.
    pub(super) seen: Seen,
    /// Holds the tables that no snapshot covers, as long as it lives.
    pub(super) keeper: Option<Session>,
    /// Stops the workers when we go, whichever way.
    pub(super) _stop: StopOnDrop,
}

/// What is to be opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// What the account may do.
    pub(super) grants: &'a Grants,
    /// The tables.
    pub(super) relations: &'a [Relation],
    /// Names of history tables beyond the well-known.
    pub(super) history_tables: &'a [String],
    /// How many workers.
    pub(super) jobs: usize,
    /// The work that they are at.
    pub(super) progress: &'a Progress,
}

/// Goes the first way that works. Failures of one are another's turn, but for a server that is gone. The leader then holds the
/// definitions as they are, where it may.
pub(super) async fn open(leader: &mut Session, lock: &mut InstanceLock, ask: &Ask<'_>) -> Result<Opened, EngineError> {
    let mut last = EngineError::Worker("opening a snapshot".to_owned());
    let place = leader.place().clone();
    for way in ways(ask.grants, leader.version.is_mariadb()) {
        let attempt = Attempt { place: &place, way, ask };
        match attempt.run(leader, lock).await {
            Ok(opened) => return Ok(opened),
            Err(error @ (EngineError::Lost { .. } | EngineError::Connect { .. } | EngineError::Refused { .. })) => {
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(way = ?way, error = %error, "this way to a snapshot is closed");
                last = error;
            }
        }
    }
    Err(last)
}

struct Attempt<'a> {
    place: &'a Place,
    way: Way,
    ask: &'a Ask<'a>,
}

impl Attempt<'_> {
    async fn run(&self, leader: &mut Session, definitions: &mut InstanceLock) -> Result<Opened, EngineError> {
        let tables: Vec<String> = self.ask.relations.iter().map(|relation| relation.name.clone()).collect();
        let count = if self.way == Way::Single { 1 } else { self.ask.jobs.max(1) };
        let stop = StopOnDrop(Stop::of(self.ask.progress));
        let setup = Setup {
            place: self.place.clone(),
            tables: tables.clone(),
            history_tables: self.ask.history_tables.to_vec(),
            stop: stop.0.clone(),
        };
        let recruits = recruits::hire_all(count, &setup).await?;
        let mut locker = self.place.connect().await?;
        let keeper = self.keeper().await?;
        fault::point("my.dump.looking");
        match self.way {
            Way::Global => wait_for_long_statements(&mut locker).await?,
            _ => definitions.take(leader).await?,
        }
        let since = Instant::now();
        let lock = self.way.lock(&locker, &tables);
        if let Some((lock, _)) = &lock {
            let bound = format!("SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}; {lock}");
            locker.run("lock out writers for a moment", &bound).await?;
        }
        // Under the global lock nobody else has the other, nor waits for it.
        definitions.take(leader).await?;
        let opened = self.open_all(recruits, keeper.filter(|_| lock.is_some()));
        let bound = lock.as_ref().map(|_| held_at_most(tables.len()));
        let opened = within(bound, opened).await.unwrap_or_else(|| Err(self.held_up()));
        // Not by that bound, for a session whose question was given up on could not give the lock back. It waits for nobody.
        let position = if opened.is_ok() && lock.is_some() { self.position(&mut locker).await } else { Ok(None) };
        // Whether they are all open or not: nobody waits for us any longer.
        if let Some((_, unlock)) = &lock {
            locker.run("let writers go on", unlock).await?;
        }
        let (workers, looking, keeper) = opened?;
        let position = position?;
        let locked_ms = if lock.is_some() { u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX) } else { 0 };
        locker.close().await;
        let seen = recruits::first_of(looking).await?;
        let mut locks = Vec::new();
        if let Some((lock, _)) = lock {
            locks.push(if self.way == Way::Tables { "LOCK TABLES … READ on every table".to_owned() } else { lock });
        }
        if keeper.is_some() {
            locks.push("LOCK TABLES … READ on the tables outside transactions, until they were read".to_owned());
        }
        Ok(Opened { workers, way: self.way, locks, locked_ms, position, seen, keeper, _stop: stop })
    }

    /// Who is to lock the tables that are in no snapshot for as long as they are read, where that is allowed. Connected before anything
    /// is locked: who logs in waits for whoever changes accounts.
    async fn keeper(&self) -> Result<Option<Session>, EngineError> {
        let is_needed = !outside(self.ask.relations).is_empty() && self.ask.grants.allow("LOCK TABLES");
        if is_needed { self.place.connect().await.map(Some) } else { Ok(None) }
    }

    /// Everything that is done while others wait.
    async fn open_all(
        &self,
        recruits: Vec<Recruit>,
        mut keeper: Option<Session>,
    ) -> Result<(Vec<Worker>, Vec<Looking>, Option<Session>), EngineError> {
        if let Some(keeper) = &mut keeper {
            let tables = lock_tables(&outside(self.ask.relations));
            let bound = format!("SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}; {tables}");
            keeper.run("lock the tables that no snapshot covers", &bound).await?;
        }
        let (workers, looking) = recruits::begin(recruits).await?;
        Ok((workers, looking, keeper))
    }

    /// What somebody has who waits for our lock, and whom we wait for. The server does not see such a circle and would let both wait for
    /// as long as the other's bound is, a day on MariaDB.
    fn held_up(&self) -> EngineError {
        EngineError::InUse {
            location: self.place.location(),
            sessions: vec![format!(
                "somebody who waits for our lock and holds what we need, such as CREATE USER ({:?})",
                self.way
            )],
        }
    }

    /// Where the binary log stands while everything is locked: without a lock it would only be a guess.
    async fn position(&self, locker: &mut Session) -> Result<Option<String>, EngineError> {
        let doing = "read the position of the binary log";
        let mut parts = Vec::new();
        if self.ask.grants.allow_everywhere(locker.version.binlog_privilege()) || self.ask.grants.allow_everywhere("SUPER") {
            let status = locker.version.binlog_status();
            if let Some(row) = locker.texts(doing, status).await?.into_iter().next() {
                let cell = |place: usize| row.get(place).cloned().flatten().unwrap_or_default();
                parts.push(format!("{}:{}", cell(0), cell(1)));
            }
        }
        let gtids = format!("SELECT {}", locker.version.gtid_position());
        if let Some(gtids) = locker.text(doing, &gtids).await?.filter(|gtids| !gtids.is_empty()) {
            parts.push(format!("gtid {}", gtids.replace('\n', "")));
        }
        Ok((!parts.is_empty()).then(|| parts.join(", ")))
    }
}

/// Tables whose rows are in no snapshot.
pub(super) fn outside(relations: &[Relation]) -> Vec<String> {
    relations.iter().filter(|relation| !relation.in_snapshot()).map(|relation| relation.name.clone()).collect()
}

/// What is to be done, by a bound where there is one; `None` where that came first.
async fn within<T>(bound: Option<Duration>, done: impl Future<Output = T>) -> Option<T> {
    match bound {
        Some(bound) => tokio::time::timeout(bound, done).await.ok(),
        None => Some(done.await),
    }
}

/// How long a lock that stops others is held at most. A look at a table takes a fraction of a millisecond.
fn held_at_most(tables: usize) -> Duration {
    Duration::from_secs(u64::from(LOCK_WAIT_SECONDS)) + Duration::from_millis(u64::try_from(tables).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
