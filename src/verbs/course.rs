//! What upgrade and rollback share: driving what is open, and what its end means to whoever asked.

use super::Work;
use crate::config::{Service, Target};
use crate::context::Context;
use crate::failure::{Class, Failure};
use crate::gate::Standing;
use crate::ids::TargetName;
use crate::progress::Progress;
use crate::service::{self, ServiceError};
use crate::status;
use crate::upgrade::{self, Ended, token};
use crate::wire::{Undecided, Upgraded};

/// Carries what is open of a target on to its end.
pub(super) async fn drive(target: &Target, work: Work<'_>) -> Result<Ended, Failure> {
    Ok(Box::pin(upgrade::drive(work.ctx, target, work.progress, work.stop)).await?)
}

/// No upgrade was begun.
pub(super) fn undecided(outcome: &str, why: impl Into<String>) -> Upgraded {
    Upgraded::Undecided(Undecided { outcome: outcome.to_owned(), why: why.into() })
}

/// The upgrade that has just ended, with what was ended beside what was asked for.
pub(super) async fn summary(ctx: &Context, target: &Target, carried_on: Option<String>) -> Result<Upgraded, Failure> {
    Ok(match upgrade::current(&ctx.state, &target.name).await? {
        Some(summary) => {
            let upgrade = Box::new(status::upgrade_status(summary));
            Upgraded::Ended { outcome: upgrade.phase.clone(), carried_on, upgrade }
        }
        None => undecided("nothing", "no upgrade is known"),
    })
}

/// What the end of a drive means to whoever asked for an upgrade.
pub(super) async fn ended(ctx: &Context, target: &Target, ended: Ended) -> Result<Upgraded, Failure> {
    let failed = |class, message: String| Failure::new(class, message);
    let name = &target.name;
    Err(match ended {
        Ended::Committed | Ended::Accepted => return summary(ctx, target, None).await,
        Ended::NothingOpen => return Ok(undecided("nothing", "no upgrade is open")),
        Ended::RolledBack { why, next_steps } => rolled_back(name, why, next_steps),
        Ended::Refused { why, lasts } => {
            let mut failure = failed(Class::TempFail, format!("the upgrade of `{name}` was not begun"));
            (failure.causes, failure.lasting) = (vec![why], lasts);
            failure.safe("nothing was changed")
        }
        Ended::Stuck { why, next_steps } => {
            let mut failure = failed(Class::Unavailable, format!("the upgrade of `{name}` needs a person"));
            failure.causes = vec![why];
            failure.hints = next_steps;
            failure.safe("its pre-upgrade archive, if one was taken, is verified and pinned")
        }
        Ended::Waiting { why, next_steps, .. } => {
            let mut failure =
                failed(Class::TempFail, format!("the upgrade of `{name}` is being rolled back and cannot go on yet"));
            failure.causes = vec![why];
            failure.hints = next_steps;
            failure.safe("what was archived is pinned; the daemon tries again by itself, as does `upkeep upgrade` without one")
        }
        Ended::Paused => failed(Class::TempFail, format!("the upgrade of `{name}` stopped between two steps"))
            .safe("it continues from there")
            .hint("start the daemon: `systemctl start upkeepd`"),
    })
}

/// What a rolled back upgrade is to whoever asked for it.
pub(super) fn rolled_back(name: &TargetName, why: String, next_steps: Vec<String>) -> Failure {
    let mut failure = Failure::new(Class::Unavailable, format!("the upgrade of `{name}` was rolled back"));
    failure.causes = vec![why];
    failure.hints = next_steps;
    let hint = format!("once the cause is fixed: `upkeep release-hold {name}`, then `upkeep upgrade {name}`");
    failure.safe("the earlier version and its data are back").hint(hint)
}

/// Starts a server that a restore stopped, if it is in step with what was restored; says what became of it.
pub(super) async fn start_again(ctx: &Context, target: &Target, progress: &Progress) -> Result<String, Failure> {
    let Some(service) = &target.service else { return Ok("none is configured".to_owned()) };
    let seen = upgrade::observe(ctx, target).await?;
    if upgrade::standing(&seen) != Standing::InStep {
        return Ok(format!("stopped: release and database are not in step, see `upkeep plan {}`", target.name));
    }
    progress.phase("starting the server", 0);
    // With the token, for the gate would otherwise wait for the lane that we hold. Until it is healthy: its supervisor, or a person, may
    // start it once more meanwhile, and nothing of the restore is left to be done.
    let state_dir = &ctx.config.daemon.state_dir;
    token::grant(state_dir, &target.name)?;
    let healthy = healthy_again(service, progress).await;
    token::revoke(state_dir, &target.name)?;
    Ok(format!("started: {}", healthy?))
}

async fn healthy_again(service: &Service, progress: &Progress) -> Result<String, ServiceError> {
    service::start(service).await?;
    progress.phase("waiting until the server is healthy", 0);
    service::wait_healthy(service, std::time::Duration::ZERO).await.map(|healthy| healthy.said)
}

/// What came of it, in words; none where its end has no message of its own.
pub(super) fn tell(done: &Upgraded) -> Option<String> {
    match done {
        Upgraded::Undecided(undecided) => Some(undecided.why.clone()),
        Upgraded::Ended { carried_on: None, upgrade, .. } => upgrade.message.clone(),
        Upgraded::Ended { carried_on: Some(said), upgrade, .. } => {
            let next = upgrade.next_steps.iter().map(|step| format!("\n  next step: {step}"));
            Some(format!("{said}{}", next.collect::<String>()))
        }
    }
}
