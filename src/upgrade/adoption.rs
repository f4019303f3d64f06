//! Adoptions: a release and a database that stand as they are to be, written down as the good ones.
//!
//! Owns the two events of an adoption. It has no step that could be in the middle of anything, so whoever finds one open ends it: a job
//! that is asked for in the gap between the two, and the next command after a crash. Invariant: of two who adopt or end at once one does
//! it and the other finds it done; held by the tests beside this file.

use chrono::{DateTime, Utc};

use super::plan::{Plan, Purpose};
use super::state::Event;
use super::{UpgradeError, append, left, record};
use crate::config::Target;
use crate::context::Context;
use crate::ids::TargetName;
use crate::shape::Shape;
use crate::state_db::belongs::By;

/// Takes the release of this plan for the good one, and this shape for what it left; none where the database cannot be looked at.
///
/// # Errors
/// When something of the target is open, or the journal cannot be written.
pub(super) async fn adopt(
    ctx: &Context,
    target: &Target,
    plan: Plan,
    shape: Option<Shape>,
    now: DateTime<Utc>,
) -> Result<(), UpgradeError> {
    let to = plan.to.clone();
    let record = record::begin(&ctx.state, plan, now).await?;
    // If we die between these, the open adoption has no steps left, and whoever comes next ends it.
    left::note(ctx, target, By::Upgrade, Some(&to), format!("adoption {}", record.id), shape).await?;
    end_adoption(ctx, &target.name).await
}

/// The same, by one of several who may see a release for the first time at once: a backup, and a look of the daemon beside it.
///
/// # Errors
/// When the journal cannot be read or written.
pub(super) async fn adopt_unless_known(
    ctx: &Context,
    target: &Target,
    plan: Plan,
    shape: Option<Shape>,
    now: DateTime<Utc>,
) -> Result<(), UpgradeError> {
    let to = plan.to.version.clone();
    let known = async || -> Result<bool, UpgradeError> {
        // In this order: what is no longer open has ended by then, and is the good one.
        let open = record::open(&ctx.state, &target.name).await?.is_some();
        Ok(open || record::good(&ctx.state, &target.name).await?.is_some_and(|good| good.version == to))
    };
    if known().await? {
        return Ok(());
    }
    match adopt(ctx, target, plan, shape, now).await {
        Err(_) if known().await? => Ok(()),
        adopted => adopted,
    }
}

/// Whether what is open is an adoption, which changes nothing that a server could be in the way of.
///
/// # Errors
/// When the journal cannot be read.
pub async fn adopting(ctx: &Context, target: &TargetName) -> Result<bool, UpgradeError> {
    Ok(record::open(&ctx.state, target).await?.is_some_and(|record| record.plan.purpose == Purpose::Adopt))
}

/// Ends an adoption that is between its two events, if there is one.
///
/// # Errors
/// When the journal cannot be read or written.
pub async fn end_adoption(ctx: &Context, target: &TargetName) -> Result<(), UpgradeError> {
    let open = async || -> Result<Option<record::Record>, UpgradeError> {
        Ok(record::open(&ctx.state, target).await?.filter(|record| record.plan.purpose == Purpose::Adopt))
    };
    let Some(record) = open().await? else { return Ok(()) };
    match append(ctx, &record, &Event::Committed).await {
        // The journal takes one of two who end it, and refuses the other.
        Err(_) if open().await?.is_none() => Ok(()),
        ended => ended,
    }
}

#[cfg(test)]
mod tests;
