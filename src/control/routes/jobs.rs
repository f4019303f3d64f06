//! `GET /v1/jobs`, `GET /v1/jobs/{id}` and `POST /v1/jobs/{id}/cancel`.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{Response, StatusCode};
use serde::Deserialize;

use super::{Answer, Shared, answer, json};
use crate::control::convert;
use crate::control::peers::Peer;
use crate::failure::{Class, Failure};
use crate::ids::JobId;
use crate::wire::{Job, JobState};

/// How many ended jobs the list shows.
const LISTED: u32 = 100;

/// The living jobs and the newest ended ones, newest first.
pub(super) async fn list(state: Shared) -> Answer {
    let mut jobs = state.board.living();
    jobs.reverse();
    for run in state.board.state().runs(LISTED).await? {
        // Read after the living ones: a job that ended in between is in both, and its end is told.
        let job = convert::job(run)?;
        match jobs.iter_mut().find(|living| living.id == job.id) {
            Some(living) if job.ended_at.is_some() => *living = job,
            Some(_) => {}
            None if job.ended_at.is_some() => jobs.push(job),
            None => {}
        }
    }
    Ok(ok(&jobs))
}

#[derive(Debug, Deserialize)]
pub(super) struct Patience {
    /// Seconds to wait for the job's end.
    #[serde(default)]
    wait: f64,
}

/// One job; with `?wait=` not before it has ended or that time has passed.
pub(super) async fn one(
    state: Shared,
    Path(id): Path<String>,
    patience: Result<Query<Patience>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let id = JobId::parse(&id).map_err(|error| Failure::new(Class::Usage, error.to_string()))?;
    let Query(patience) = patience.map_err(|error| Failure::new(Class::Usage, error.body_text()))?;
    // What is not a length of time is no time.
    let wait = Duration::try_from_secs_f64(patience.wait).unwrap_or_default().min(state.limits.wait);
    let mut changes = state.board.changes();
    let ended = async {
        loop {
            let job = state.board.job(&id).await?;
            if !matches!(job.state, JobState::Queued | JobState::Running) {
                return Ok::<Job, Failure>(job);
            }
            // Only fails when the board is gone, and then so are we.
            changes.changed().await.ok();
        }
    };
    // Both arms are cancel-safe: they only read.
    let ended = tokio::select! {
        ended = tokio::time::timeout(wait, ended) => ended.ok(),
        () = state.stop.cancelled() => None,
    };
    let job = match ended {
        Some(job) => job?,
        None => state.board.job(&id).await?,
    };
    Ok(ok(&job))
}

/// Lets a queued job go, or ends one that runs and may be cut off. The answer is the job as it is then.
pub(super) async fn cancel(state: Shared, peer: Extension<Peer>, Path(id): Path<String>) -> Answer {
    let id = JobId::parse(&id).map_err(|error| Failure::new(Class::Usage, error.to_string()))?;
    state.board.cancel(&id, &peer.name).await?;
    Ok(ok(&state.board.job(&id).await?))
}

fn ok(value: &impl serde::Serialize) -> Response<Body> {
    answer(StatusCode::OK, "application/json", json(value))
}
