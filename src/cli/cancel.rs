//! `upkeep cancel`: a job that waits is let go, and a backup or verification that runs is ended.

use super::session::{self, Reach};
use super::{Stop, World};
use crate::config::load::Secrets;
use crate::failure::{Class, Failure};
use crate::ids::{JobId, TargetName};
use crate::wire::{Job, JobState};

/// End a backup or verification that runs, or let any job go that has not begun.
///
/// Nothing of a backup that is ended is left behind. An upgrade, a rollback, a restore and a migration are never cut off in the middle.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The job, as `upkeep backup` and `upkeep status --json` name it; or a target, of which what can be ended is.
    #[arg(value_name = "JOB|TARGET")]
    what: String,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let config = session::config(world, Secrets::Leave)?;
    let Reach::Daemon(client) = session::reach(&config).await? else {
        let failure = Failure::new(Class::Unavailable, "no daemon runs, and so no job waits or runs in it");
        return Err(failure.hint("a command that works without one is ended with Ctrl-C where it runs").into());
    };
    let named = TargetName::parse(&arguments.what).ok().filter(|name| config.targets.contains_key(name));
    let ids: Vec<JobId> = match named {
        Some(target) => of_target(client.jobs().await?, &target)?,
        None => vec![JobId::parse(&arguments.what).map_err(|error| Failure::new(Class::Usage, error.to_string()))?],
    };
    let mut ended = Vec::with_capacity(ids.len());
    for id in ids {
        let job = client.cancel(&id).await?;
        // One that ran is at its end when the daemon says so, and not before.
        ended.push(client.follow(job, |_| {}).await?);
    }
    world.terminal.show(&serde_json::json!({ "cancelled": ended }), |_| {
        let line = |job: &Job| {
            let target = job.action.target().map(|target| format!(" of {target}")).unwrap_or_default();
            match job.state {
                JobState::Ok => format!("the {}{target} had ended already", job.action.name()),
                _ => format!("the {}{target} is cancelled", job.action.name()),
            }
        };
        ended.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// What waits for a target, and what runs of it and may be ended.
fn of_target(jobs: Vec<Job>, target: &TargetName) -> Result<Vec<JobId>, Failure> {
    let living = |job: &&Job| match job.state {
        JobState::Queued => true,
        JobState::Running => job.action.may_be_cut_off(),
        JobState::Ok | JobState::Failed | JobState::Interrupted => false,
    };
    let ids: Vec<JobId> =
        jobs.iter().filter(|job| job.action.target() == Some(target)).filter(living).map(|job| job.id.clone()).collect();
    if ids.is_empty() {
        let failure = Failure::new(Class::NoInput, format!("nothing of `{target}` waits or runs that can be cancelled"));
        return Err(
            failure.hint("see what runs: `upkeep status`; upgrades, rollbacks, restores and migrations go on to their end")
        );
    }
    Ok(ids)
}
