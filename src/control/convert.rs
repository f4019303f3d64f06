//! Rows of the state database as wire types.

use crate::failure::{Class, Failure};
use crate::progress::Snapshot;
use crate::state_db::events::EventRow;
use crate::state_db::runs::{Outcome, Run};
use crate::wire::{Event, Job, JobState};

/// A run as a job.
///
/// # Errors
/// When the row holds an action or failure that this program does not know.
pub fn job(run: Run) -> Result<Job, Failure> {
    let unreadable = |what: &str, error: serde_json::Error| {
        Failure::new(Class::Data, format!("the {what} of job {} cannot be read: {error}", run.id))
            .hint("was a newer upkeep here before? install it again")
    };
    let action = serde_json::from_value(run.body).map_err(|error| unreadable("action", error))?;
    let mut job = Job {
        id: run.id.clone(),
        request: run.request,
        action,
        state: JobState::Queued,
        created_at: run.started_at,
        ended_at: None,
        progress: Snapshot::default(),
        result: None,
        failure: None,
    };
    if let Some(end) = run.end {
        job.ended_at = Some(end.at);
        match end.outcome {
            Outcome::Ok => (job.state, job.result) = (JobState::Ok, Some(end.result)),
            Outcome::Interrupted => job.state = JobState::Interrupted,
            Outcome::Failed => {
                job.state = JobState::Failed;
                job.failure = Some(serde_json::from_value(end.result).map_err(|error| unreadable("failure", error))?);
            }
        }
    }
    Ok(job)
}

/// An event's row as an event.
#[must_use]
pub fn event(row: EventRow) -> Event {
    Event { id: row.id, at: row.at, target: row.target, kind: row.kind, message: row.message, body: row.body }
}
