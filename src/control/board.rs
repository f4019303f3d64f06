//! What the socket serves from: kept fresh by the daemon, read by every request without waiting for anybody.
//!
//! Owns the ready snapshot, the list of living jobs, and the bounded way to the daemon's loop. Never does any work itself.
//! Invariants: a reader never waits for a job or a database server; a job is seen as living until its end is written down,
//! so that it is always found in one place or the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::{convert, metrics};
use crate::config::Config;
use crate::failure::{Class, Failure};
use crate::ids::{JobId, RequestId};
use crate::progress::Progress;
use crate::state_db::StateDb;
use crate::state_db::runs::Tally;
use crate::wire::{Action, Asker, Job, JobState, Status};

/// How many requests may wait for the daemon's loop, which takes each in a few milliseconds; more are told to come back.
pub const ASKS_WAITING: usize = 64;

/// What a client wants of the daemon's loop.
#[derive(Debug)]
pub enum Ask {
    /// Do something.
    Submit {
        /// What.
        action: Box<Action>,
        /// The client's id of the request.
        request: Option<RequestId>,
        /// Who asks.
        asker: Asker,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Job, Failure>>,
    },
    /// Let a job go, or end it.
    Cancel {
        /// Which.
        id: JobId,
        /// Who asks.
        who: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<(), Failure>>,
    },
    /// Read the configuration again.
    Reload {
        /// Where the answer goes.
        reply: oneshot::Sender<Result<(), Failure>>,
    },
}

/// One look at everything, ready to be sent.
#[derive(Debug)]
pub struct Snapshot {
    /// The status.
    pub status: Status,
    /// The same, as JSON.
    pub json: Bytes,
    /// The metrics page.
    pub metrics: Bytes,
}

/// A queued or running job.
#[derive(Debug, Clone)]
struct Living {
    job: Job,
    progress: Progress,
}

/// Shared by the daemon, which writes, and the server, which reads.
#[derive(Debug)]
pub struct Board {
    state: StateDb,
    config: Mutex<Arc<Config>>,
    snapshot: Mutex<Arc<Snapshot>>,
    jobs: Mutex<BTreeMap<JobId, Living>>,
    /// Rings whenever a job begins or ends.
    changed: watch::Sender<u64>,
    asks: mpsc::Sender<Ask>,
}

/// A std mutex is right here: it guards a swap or a copy, never an await, and a panic elsewhere cannot leave it half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// A board, and the receiving end of what clients ask for.
    #[must_use]
    pub fn new(state: StateDb, config: Arc<Config>, status: Status) -> (Arc<Self>, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(ASKS_WAITING);
        let board = Self {
            state,
            config: Mutex::new(config),
            snapshot: Mutex::new(Arc::new(ready(status, &[]))),
            jobs: Mutex::default(),
            changed: watch::Sender::new(0),
            asks,
        };
        (Arc::new(board), asked)
    }

    /// The state database.
    #[must_use]
    pub fn state(&self) -> &StateDb {
        &self.state
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        lock(&self.config).clone()
    }

    /// Puts another configuration in force for new connections and requests.
    pub fn set_config(&self, config: Arc<Config>) {
        *lock(&self.config) = config;
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        lock(&self.snapshot).clone()
    }

    /// Publishes a new snapshot.
    pub fn publish(&self, status: Status, tallies: &[Tally]) {
        let ready = Arc::new(ready(status, tallies));
        *lock(&self.snapshot) = ready;
    }

    /// The living jobs with their progress now, oldest first.
    #[must_use]
    pub fn living(&self) -> Vec<Job> {
        let mut jobs: Vec<Job> = lock(&self.jobs).values().map(Living::now).collect();
        jobs.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        jobs
    }

    /// Shows a queued job.
    pub fn queued(&self, job: Job, progress: Progress) {
        lock(&self.jobs).insert(job.id.clone(), Living { job, progress });
        self.ring();
    }

    /// Shows that a job runs now.
    pub fn running(&self, id: &JobId) {
        if let Some(living) = lock(&self.jobs).get_mut(id) {
            living.job.state = JobState::Running;
        }
        self.ring();
    }

    /// Lets a job go from the living; its end has been written down.
    pub fn ended(&self, id: &JobId) {
        lock(&self.jobs).remove(id);
        self.ring();
    }

    fn ring(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Rings whenever a job begins or ends.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A job, living or ended.
    ///
    /// # Errors
    /// When there is no such job, or the state database refuses.
    pub async fn job(&self, id: &JobId) -> Result<Job, Failure> {
        let living = lock(&self.jobs).get(id).map(Living::now);
        if let Some(job) = living {
            return Ok(job);
        }
        match self.state.run(id).await? {
            Some(run) => convert::job(run),
            None => Err(Failure::new(Class::NoInput, format!("there is no job `{id}`"))
                .hint("see the newest ones: GET /v1/jobs; the oldest are let go in time")),
        }
    }

    /// Asks the daemon's loop to do something.
    ///
    /// # Errors
    /// What the loop answers; temporary when too many wait or the daemon is stopping.
    pub async fn submit(&self, action: Action, request: Option<RequestId>, asker: Asker) -> Result<Job, Failure> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Submit { action: Box::new(action), request, asker, reply })?;
        answer.await.map_err(|_| stopping())?
    }

    /// Asks the daemon's loop to let a job go, or to end it.
    ///
    /// # Errors
    /// When there is no such job, it has ended, or it runs and may not be cut off.
    pub async fn cancel(&self, id: &JobId, who: &str) -> Result<(), Failure> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Cancel { id: id.clone(), who: who.to_owned(), reply })?;
        answer.await.map_err(|_| stopping())?
    }

    /// Asks the daemon's loop to read its configuration again.
    ///
    /// # Errors
    /// When the new configuration is invalid (the old one stays in force), or the daemon is stopping.
    pub async fn reload(&self) -> Result<(), Failure> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Reload { reply })?;
        answer.await.map_err(|_| stopping())?
    }

    fn ask(&self, ask: Ask) -> Result<(), Failure> {
        self.asks.try_send(ask).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Failure::new(Class::TempFail, "too many requests wait for the daemon").hint("try again in a moment")
            }
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })
    }
}

impl Living {
    fn now(&self) -> Job {
        Job { progress: self.progress.snapshot(), ..self.job.clone() }
    }
}

fn stopping() -> Failure {
    Failure::new(Class::TempFail, "the daemon is stopping").hint("try again when it runs: `systemctl status upkeepd`")
}

fn ready(status: Status, tallies: &[Tally]) -> Snapshot {
    let metrics = Bytes::from(metrics::page(&status, tallies));
    Snapshot { json: json(&status), metrics, status }
}

/// A value as the socket sends it: compact, with an end of line for people with `curl`.
pub(super) fn json(value: &impl serde::Serialize) -> Bytes {
    let mut text = serde_json::to_vec(value).unwrap_or_else(|error| {
        // Our wire types have no maps with odd keys; this would be a bug, told as one.
        let failure = Failure::new(Class::Software, format!("cannot write an answer: {error}"));
        format!("{{\"class\":\"software\",\"code\":{},\"message\":{:?}}}", failure.code, failure.message).into_bytes()
    });
    text.push(b'\n');
    Bytes::from(text)
}
