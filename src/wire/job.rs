//! Jobs and events: `GET /v1/jobs`, `GET /v1/events`, and the answer to every action.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Action;
use crate::failure::Failure;
use crate::ids::{JobId, RequestId, TargetName};
use crate::progress::Snapshot;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Waits for another job of the same target.
    Queued,
    /// Runs.
    Running,
    /// Ended well.
    Ok,
    /// Ended with a failure.
    Failed,
    /// The daemon died before it ended.
    Interrupted,
}

/// A piece of work; `GET /v1/jobs/{id}`, and the answer to every action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// The client's identity of the request that asked for it.
    #[serde(default)]
    pub request: Option<RequestId>,
    /// What it does.
    pub action: Action,
    /// How far it is.
    pub state: JobState,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<DateTime<Utc>>,
    /// How far the work has come.
    #[serde(default)]
    pub progress: Snapshot,
    /// What came of it, when it ended well: an object that depends on the action.
    #[serde(default)]
    pub result: Option<serde_json::Value>,
    /// What went wrong, when it failed.
    #[serde(default)]
    pub failure: Option<Failure>,
}

/// One event; `GET /v1/events` sends them as server-sent events with `id` as the event id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Rising number.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// The target concerned.
    #[serde(default)]
    pub target: Option<TargetName>,
    /// What kind, dotted (`backup.ok`, `upgrade.step`, `daemon.started`).
    pub kind: String,
    /// One sentence.
    pub message: String,
    /// More, depending on the kind.
    #[serde(default)]
    pub body: serde_json::Value,
}
