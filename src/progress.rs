//! How far a piece of work has come: written by the work, read by whoever shows it. And whether anybody still waits for it: said by
//! whoever asked for it, heard by its threads.
//!
//! A cheap shared cell without history. Never blocks the work and never fails it. Invariant: work whose future was dropped is over when no
//! thread of it is left ([`Progress::threads_ended`]), and not before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The writer's and the readers' handle; clones share one cell.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Cell>);

#[derive(Debug, Default)]
struct Cell {
    phase: Mutex<String>,
    said: Mutex<String>,
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
    done_rows: AtomicU64,
    given_up: CancellationToken,
    threads: TaskTracker,
}

/// Held by a thread of a piece of work for as long as it goes on: dropping the future that waits for it does not end it.
#[derive(Debug, Clone)]
pub struct Thread(#[expect(dead_code, reason = "it counts by being there")] TaskTrackerToken);

/// One look at a [`Progress`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// What is being done now, a few words (`dumping`, `comparing`).
    pub phase: String,
    /// Uncompressed bytes done in this phase.
    pub done_bytes: u64,
    /// Uncompressed bytes expected in this phase; 0 when not known. An estimate: `done` may pass it.
    pub total_bytes: u64,
    /// Rows done in this phase.
    pub done_rows: u64,
    /// The last line that a vendor's tool printed in this phase, or what is waited for; empty when there is neither.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
}

/// It guards a copy, which a panic elsewhere cannot leave half-written.
fn lock(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// Begins a phase: its name is shown and the counters start again.
    pub fn phase(&self, name: &str, total_bytes: u64) {
        name.clone_into(&mut lock(&self.0.phase));
        lock(&self.0.said).clear();
        self.0.done_bytes.store(0, Ordering::Relaxed);
        self.0.done_rows.store(0, Ordering::Relaxed);
        self.0.total_bytes.store(total_bytes, Ordering::Relaxed);
    }

    /// Counts work done.
    pub fn add(&self, bytes: u64, rows: u64) {
        self.0.done_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.done_rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Shows the last line that a tool printed, or what is waited for.
    pub fn say(&self, line: &str) {
        line.clone_into(&mut lock(&self.0.said));
    }

    /// Nobody waits for the outcome any more: what goes on in threads ends at its next step, and what it made is worth nothing.
    pub fn give_up(&self) {
        self.0.given_up.cancel();
    }

    /// Whether nobody waits for the outcome any more.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.0.given_up.is_cancelled()
    }

    /// Waits until that is so.
    pub async fn given_up(&self) {
        self.0.given_up.cancelled().await;
    }

    /// Whether both are of the same work.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// For a thread of the work.
    #[must_use]
    pub fn thread(&self) -> Thread {
        Thread(self.0.threads.token())
    }

    /// Waits until no thread of the work goes on.
    pub async fn threads_ended(&self) {
        self.0.threads.close();
        self.0.threads.wait().await;
    }

    /// The state now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            phase: lock(&self.0.phase).clone(),
            said: lock(&self.0.said).clone(),
            done_bytes: self.0.done_bytes.load(Ordering::Relaxed),
            total_bytes: self.0.total_bytes.load(Ordering::Relaxed),
            done_rows: self.0.done_rows.load(Ordering::Relaxed),
        }
    }
}
