//! Locks: how long somebody else's is waited for, who holds it, and whether the server has room for those that one transaction takes.
//!
//! Not only statements wait for locks. What measures a table or prints a definition (`pg_table_size`, `pg_get_viewdef`, `pg_get_ruledef`,
//! `pg_get_functiondef`, and `pg_get_expr` since 17) takes one on what it is about, and would stand behind a `VACUUM FULL` or a forgotten
//! transaction for as long as that lasts. So whoever only looks or reads has a session that waits for nobody long; held by
//! `tests/it/postgres_traps.rs`. The room is one for all sessions, and fixed when the server starts.

use super::super::EngineError;
use super::catalog;
use super::connect::{LOCK_WAIT, Place, Session};
use super::said::is_about_a_kept_lock;

/// Who is not there any more when it is asked who it was.
const UNSEEN: &str = "somebody who kept a lock for longer than it is waited for, and cannot be named now";

/// Names who is in the way, if it was a lock: asked on a connection of its own, while what we hold keeps him there.
pub(super) async fn blame(place: &Place, error: EngineError) -> EngineError {
    let kept = is_about_a_kept_lock(&error);
    if !kept && !matches!(error, EngineError::Process(_)) {
        return error;
    }
    let mut sessions = Vec::new();
    // It must not wait itself: the lock may be on the catalogue.
    if let Ok(mut asking) = place.connect_to_look().await {
        sessions = catalog::lock_holders(&mut asking).await.unwrap_or_default();
        asking.close().await;
    }
    match (sessions.is_empty(), kept) {
        (true, false) => error,
        // Between the wait and the question he may have let go, or the question may have waited for him as well.
        (true, true) => EngineError::InUse { location: place.location(), sessions: vec![UNSEEN.to_owned()] },
        (false, _) => EngineError::InUse { location: place.location(), sessions },
    }
}

/// Does `work`, a program of ours that nobody can tell how long to wait for a lock, until it has waited for one as long as we do ourselves,
/// or twice that.
///
/// # Errors
/// Who keeps the lock; then the program has been ended.
pub(super) async fn unless_kept<T>(place: &Place, work: impl Future<Output = T>) -> Result<T, EngineError> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        holders = kept_from_us(place) => Err(EngineError::InUse { location: place.location(), sessions: holders }),
    }
}

/// Who keeps a lock for which something of ours waits at two looks.
async fn kept_from_us(place: &Place) -> Vec<String> {
    let mut before = Vec::new();
    loop {
        tokio::time::sleep(LOCK_WAIT).await;
        // Whatever keeps us from looking does not end the work: it has a bound of its own.
        let Ok(mut asking) = place.connect_to_look().await else { continue };
        let waiting = catalog::waiting_locks(&mut asking).await.unwrap_or_default();
        if waiting.iter().any(|one| before.contains(one)) {
            let holders = catalog::lock_holders(&mut asking).await.unwrap_or_default();
            asking.close().await;
            return if holders.is_empty() { vec![UNSEEN.to_owned()] } else { holders };
        }
        before = waiting;
        asking.close().await;
    }
}

/// How large it is.
struct Room {
    each: u64,
    /// As many as the setting is counted for, as the server's manual says.
    sessions: u64,
    /// Others that have room as well, and may not use it.
    helpers: u64,
}

impl Room {
    async fn of(session: &mut Session) -> Result<Self, EngineError> {
        let doing = "ask how many locks the server has room for";
        let sql = "SELECT pg_catalog.current_setting('max_locks_per_transaction')::bigint, \
            pg_catalog.current_setting('max_connections')::bigint + pg_catalog.current_setting('max_prepared_transactions')::bigint, \
            pg_catalog.current_setting('autovacuum_max_workers')::bigint + pg_catalog.current_setting('max_worker_processes')::bigint \
            + pg_catalog.current_setting('max_wal_senders')::bigint + 1";
        let rows = session.rows(doing, sql).await?;
        let row = rows.first().ok_or_else(|| EngineError::Worker(doing.to_owned()))?;
        let number = |column| session.cell::<i64>(doing, row, column).map(|number| u64::try_from(number).unwrap_or(0).max(1));
        Ok(Self { each: number(0)?, sessions: number(1)?, helpers: number(2)? })
    }

    /// More than this never fits: a tenth is what the server keeps in reserve.
    fn most(&self) -> u64 {
        let all = self.each * (self.sessions + self.helpers);
        all + all / 10
    }

    /// What the setting must be for so many locks: with half as much again for everybody else, a multiple of 64.
    fn wanted(&self, locks: u64) -> u64 {
        (locks + locks / 2).div_ceil(self.sessions).max(self.each + 1).next_multiple_of(64)
    }
}

/// Refuses what needs more locks in one transaction than there ever is room for.
pub(super) async fn demand_room(session: &mut Session, doing: &str, locks: u64) -> Result<(), EngineError> {
    let room = Room::of(session).await?;
    if locks <= room.most() {
        return Ok(());
    }
    Err(EngineError::NoLocks { doing: doing.to_owned(), is: Some(room.each), wanted: Some(room.wanted(locks)) })
}

/// An error with what the setting is and should be, where it is about a lack of room for so many locks.
pub(super) async fn told(place: &Place, error: EngineError, locks: u64) -> EngineError {
    let EngineError::NoLocks { doing, .. } = error else { return error };
    let room = match place.connect().await {
        Ok(mut session) => Room::of(&mut session).await.ok(),
        Err(_) => None,
    };
    let wanted = room.as_ref().map(|room| room.wanted(locks));
    EngineError::NoLocks { doing, is: room.map(|room| room.each), wanted }
}
