//! `upkeep cancel`: a job that waits is let go, and a backup or verification that runs is ended.

use super::session::{self, Reach};
use super::{Stop, World};
use crate::failure::{Class, Failure};
use crate::ids::{JobId, TargetName};
use crate::wire::{Action, Job, JobState};

/// Stop a running backup or verification, or drop any job that has not started.
///
/// A stopped backup leaves nothing behind. Upgrades, rollbacks, restores and migrations are never stopped half-way.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The job, by its id (`upkeep status --json` has it); or a target, to stop every job of it that can be stopped.
    #[arg(value_name = "JOB|TARGET")]
    job: String,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let asked = session::asked(world).await?;
    let Reach::Daemon(client) = &asked.1 else {
        let failure = Failure::new(Class::Unavailable, "no daemon is running, so there is no job to cancel");
        return Err(failure.hint("a command that runs without the daemon is stopped with Ctrl-C in its own terminal").into());
    };
    let named = match TargetName::parse(&arguments.job) {
        Ok(name) => session::is_target(&asked, &name).await?.then_some(name),
        Err(_) => None,
    };
    let ids: Vec<JobId> = match named {
        Some(target) => of_target(client.jobs().await?, &target)?,
        None => vec![JobId::parse(&arguments.job).map_err(|error| Failure::new(Class::Usage, error.to_string()))?],
    };
    let (mut ended, mut failed) = (Vec::with_capacity(ids.len()), None);
    for id in ids {
        // One that cannot be ended, for it has just ended or begun, keeps no other from it.
        match client.cancel(&id).await {
            // One that ran is at its end when the daemon says so, and not before.
            Ok(job) => ended.push(client.follow(job, |_| {}).await?),
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    if ended.is_empty()
        && let Some(failure) = failed
    {
        return Err(failure.into());
    }
    if let Some(failure) = failed {
        world.terminal.say(&failure.message);
    }
    world.terminal.show(&serde_json::json!({ "cancelled": ended }), |_| {
        let line = |job: &Job| {
            let target = job.action.target().map(|target| format!(" of {target}")).unwrap_or_default();
            match job.state {
                JobState::Ok => format!("the {}{target} has already ended", job.action.name()),
                _ => format!("the {}{target} is cancelled", job.action.name()),
            }
        };
        ended.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// What a person who names a target means: its backups and verifications, running or waiting. Only where there is none, whatever else of it
/// waits; but not the upgrade that its server waits for at the gate, whose installation would be broken off with it.
fn of_target(jobs: Vec<Job>, target: &TargetName) -> Result<Vec<JobId>, Failure> {
    let living = |state: JobState| matches!(state, JobState::Queued | JobState::Running);
    let its: Vec<Job> = jobs.into_iter().filter(|job| job.action.target() == Some(target) && living(job.state)).collect();
    let at_the_gate = its.iter().any(|job| matches!(job.action, Action::Gate(_)));
    let awaited = |action: &Action| match action {
        Action::Gate(_) => true,
        Action::Upgrade(_) => at_the_gate,
        _ => false,
    };
    let first: Vec<&Job> = its.iter().filter(|job| job.action.may_be_cut_off()).collect();
    let chosen = match first.is_empty() {
        true => its.iter().filter(|job| job.state == JobState::Queued && !awaited(&job.action)).collect(),
        false => first,
    };
    if chosen.is_empty() {
        let failure =
            Failure::new(Class::NoInput, format!("nothing of `{target}` is waiting or running that can be cancelled"));
        let failure = failure
            .hint("see what is running: `upkeep status`; upgrades, rollbacks, restores and migrations always run to their end");
        let waits = its.iter().find(|job| job.state == JobState::Queued && awaited(&job.action));
        return Err(match waits {
            Some(job) => failure.hint(format!(
                "its server is waiting at the gate for the {}; to refuse that start: `upkeep cancel {}`",
                job.action.name(),
                job.id
            )),
            None => failure,
        });
    }
    Ok(chosen.into_iter().map(|job| job.id.clone()).collect())
}

#[cfg(test)]
mod tests;
