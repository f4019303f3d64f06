//! Whether the server is still there, and still knows us, while a statement runs that may take hours.
//!
//! A statement of a migration has no bound of its own: building an index takes what it takes. What is bounded is silence. sqlx sets no
//! keepalive on its sockets, so that a connection which a firewall forgot, or whose host is gone, would be waited on for ever; so a second
//! connection looks now and then. Never ends a statement whose server answers and knows its session.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::error::MigrateError;
use crate::config::Database;

/// How long one attempt to connect may take, with what sets the session up: as long as the engines give it. A server that is up answers in
/// milliseconds; one that accepts and never answers must not hold a lane for ever.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks: nothing beside a statement of hours, and little beside a minute of downtime.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How many looks in a row may find no answer: with the attempts themselves nearly four minutes, in which a server that was stopped,
/// fails over or starts again is back. A broken connection that is noticed ends the work at once.
const SILENT_LOOKS: u32 = 5;
/// How many looks in a row may miss one of our sessions: between two of them it may just have been closed.
const MISSING_LOOKS: u32 = 2;

/// How long goodbyes may take.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Bounds an attempt to connect and set a session up.
pub(super) async fn within<T>(
    database: &Database,
    connecting: impl Future<Output = Result<T, MigrateError>>,
) -> Result<T, MigrateError> {
    let late = || sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut));
    let done = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
    done.unwrap_or_else(|_| Err(MigrateError::Connect { location: database.location.to_string(), source: late() }))
}

/// The sessions of one run, by the numbers that their server gave them.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulse(Arc<Mutex<BTreeSet<i64>>>);

/// Counts a session as one of the run's until it is dropped.
#[derive(Debug)]
pub(super) struct Beat(Pulse, i64);

impl Pulse {
    /// A session begins.
    pub(super) fn begin(&self, id: i64) -> Beat {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Beat(self.clone(), id)
    }

    fn sessions(&self) -> BTreeSet<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// Works, as long as the server shows signs of life, which `look` asks it for.
pub(super) async fn watched<'a, T>(
    database: &Database,
    pulse: &Pulse,
    look: impl FnMut() -> Looking<'a>,
    work: impl Future<Output = Result<T, MigrateError>>,
) -> Result<T, MigrateError> {
    let location = || database.location.to_string();
    tokio::select! {
        biased;
        done = work => done,
        // Dropping the work drops its connections, as our death would: what a server makes of that is what the next run finds.
        end = end(LOOK_EVERY, pulse, look) => Err(match end {
            End::Silent { source } => MigrateError::Silent { location: location(), source },
            End::Missing => MigrateError::Gone { location: location() },
        }),
    }
}

/// What a look finds: the sessions that the server knows.
pub(super) type Looking<'a> = Pin<Box<dyn Future<Output = Result<BTreeSet<i64>, MigrateError>> + Send + 'a>>;

/// Why waiting is over.
#[derive(Debug)]
enum End {
    /// The server does not answer.
    Silent { source: sqlx::Error },
    /// The server answers and does not know one of our sessions, which itself noticed nothing.
    Missing,
}

/// Looks until there is a reason to wait no longer.
async fn end<'a>(every: Duration, pulse: &Pulse, mut look: impl FnMut() -> Looking<'a>) -> End {
    let (mut silent, mut missing) = (0, 0);
    loop {
        tokio::time::sleep(every).await;
        let ours = pulse.sessions();
        match look().await {
            Ok(known) => {
                let is_missing = ours.intersection(&pulse.sessions()).any(|id| !known.contains(id));
                missing = if is_missing { missing + 1 } else { 0 };
                silent = 0;
            }
            Err(MigrateError::Connect { source, .. } | MigrateError::Sql { source, .. })
                if source.as_database_error().is_none() =>
            {
                silent += 1;
                if silent == SILENT_LOOKS {
                    return End::Silent { source };
                }
            }
            // A server that refuses one more connection is there.
            Err(_) => silent = 0,
        }
        if missing == MISSING_LOOKS {
            return End::Missing;
        }
    }
}

#[cfg(test)]
mod tests;
