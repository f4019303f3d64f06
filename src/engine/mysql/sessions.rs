//! Which of a server's sessions are this process's own.
//!
//! The protocol as sqlx speaks it carries no name of ours, so that we remember who we are. Whoever opens a session, the engine or a
//! migration, says so here; then nobody takes it for a stranger that is in the way of a restore.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sessions of this process by server and number, with the moment they were closed: a closed one may show for a moment yet.
static OWN: Mutex<BTreeMap<(String, u64), Option<Instant>>> = Mutex::new(BTreeMap::new());

/// How long a closed session may still be listed by its server. After that its number is nobody's, or another's after a
/// restart of the server.
const LINGERS: Duration = Duration::from_secs(10);

/// Keeps a session known as ours until it is dropped.
#[derive(Debug)]
pub struct Own((String, u64));

fn key(host: &str, port: u16, id: u64) -> (String, u64) {
    (format!("{host}:{port}"), id)
}

impl Own {
    /// The session of this `CONNECTION_ID()` on a server is ours. A host that is a path is a socket.
    #[must_use]
    pub fn begin(host: &str, port: u16, id: u64) -> Self {
        let key = key(host, port, id);
        let mut sessions = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, closed| closed.is_none_or(|at| at.elapsed() < LINGERS));
        sessions.insert(key.clone(), None);
        Self(key)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut sessions = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(self.0.clone(), Some(Instant::now()));
    }
}

/// Whether a session listed by the server is one of this process.
pub(super) fn is_own(host: &str, port: u16, id: u64) -> bool {
    let sessions = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    sessions.get(&key(host, port, id)).is_some_and(|closed| closed.is_none_or(|at| at.elapsed() < LINGERS))
}

#[cfg(test)]
mod tests;
