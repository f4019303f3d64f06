//! Going back on request: the last committed upgrade, undone.
//!
//! Owns the plan of it; the driver carries it out like any other. What was written since the upgrade is archived first.

use super::plan::{AfterFailure, Applies, Back, FORMAT, Plan, Purpose};
use super::state::{Direction, ReleaseAt, Step};
use super::{UpgradeError, record};
use crate::config::Target;
use crate::context::Context;
use crate::failure::Chain;
use crate::ids::UpgradeId;
use crate::progress::Progress;
use crate::release::{self, WayBack};
use crate::state_db::catalogue;
use crate::verify;

/// Begins going back to before the last committed upgrade: its pre-upgrade archive is read back whole, then the plan is
/// written down. Call [`super::drive`] afterwards.
///
/// # Errors
/// When an upgrade is open, there is nothing to go back to, or its archive is gone or not whole.
pub async fn begin_rollback(ctx: &Context, target: &Target, progress: &Progress) -> Result<UpgradeId, UpgradeError> {
    let nothing = |why: String| UpgradeError::NothingToRollBack { target: target.name.clone(), why };
    if let Some(open) = record::open(&ctx.state, &target.name).await? {
        return Err(UpgradeError::Open { id: open.id, phase: open.state.phase });
    }
    let last = record::last_committed(&ctx.state, &target.name).await?;
    let (committed, archive) = last.ok_or_else(|| nothing("no upgrade completed since the last rollback".to_owned()))?;
    let to = committed.plan.from.clone();
    let to = to.ok_or_else(|| nothing("the release before the last upgrade is not known".to_owned()))?;
    if let Some(outside) = committed.plan.outside {
        return Err(UpgradeError::NotAsLeft { target: target.name.clone(), from: to.version, archive, last: outside.archive });
    }
    let (Some(settings), Some(server)) = (&target.release, &target.service) else {
        return Err(nothing("no release or no service is configured".to_owned()));
    };
    let entry = catalogue::find(&ctx.state, &archive).await?;
    let entry = entry.ok_or_else(|| nothing(format!("its pre-upgrade archive {archive} is gone")))?;
    verify::verify(ctx, &entry, progress)
        .await
        .map_err(|error| nothing(format!("its pre-upgrade archive is not whole: {}", Chain(&error))))?;
    let installed = release::read(settings).await.ok();
    let from = installed.map(|installed| ReleaseAt { version: installed.version, path: installed.path });
    let back = match release::way_back(settings, &to.path) {
        WayBack::Symlink => Back::Symlink,
        WayBack::Command => Back::Command,
        WayBack::Nothing => Back::Nothing,
    };
    let mut steps = vec![Step::StopNew, Step::KeepFailed, Step::Restore];
    if back != Back::Nothing {
        steps.extend([Step::PointBack, Step::StartOld, Step::HealthyOld]);
    }
    steps.push(Step::Hold);
    let plan = Plan {
        format: FORMAT,
        target: target.name.clone(),
        purpose: Purpose::Rollback { of: committed.id, archive },
        from: from.or(Some(committed.plan.to)),
        to,
        back,
        applies: Applies::Nobody,
        pending: Vec::new(),
        before: committed.plan.before,
        direction: Direction::Back,
        steps,
        after_failure: AfterFailure::AskPerson,
        attempts: target.upgrade.attempts.max(1),
        release_path: settings.path.clone(),
        service: crate::service::name(server),
        outside: None,
    };
    Ok(record::begin(&ctx.state, plan, ctx.clock.now()).await?.id)
}
