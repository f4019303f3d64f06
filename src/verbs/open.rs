//! What must not be done while an upgrade of its target is open: only what is asked to carry an upgrade on does.
//!
//! With a daemon nobody meets this, for the daemon carries an upgrade on before anything else is done in its target's lane.

use super::{Effect, Subject, spec};
use crate::context::Context;
use crate::failure::{Class, Failure};
use crate::ids::TargetName;
use crate::upgrade::{self, Phase};
use crate::wire::Action;

/// Whether a verb carries on what is open itself. What it does is in the journal, which the gate reads.
pub(super) fn is_journaled(action: &Action) -> bool {
    matches!(action, Action::Upgrade(_) | Action::Rollback(_))
}

/// Lets an action through that no open upgrade of its target is in the way of.
///
/// # Errors
/// When one is, with what a person does about it.
pub(super) async fn admit(ctx: &Context, action: &Action) -> Result<(), Failure> {
    let spec = spec(action);
    match (spec.subject, spec.effect) {
        (Subject::Target(target), Effect::Archives | Effect::Changes) if !is_journaled(action) => refuse(ctx, target).await,
        _ => Ok(()),
    }
}

/// Refuses while an upgrade of the target is open. One that waits for a person is no objection: the person may need this very thing.
///
/// # Errors
/// When one is open.
pub(super) async fn refuse(ctx: &Context, target: &TargetName) -> Result<(), Failure> {
    upgrade::end_adoption(ctx, target).await?;
    let Some(open) = upgrade::current(&ctx.state, target).await? else { return Ok(()) };
    if open.phase.terminal() || open.phase == Phase::Stuck {
        return Ok(());
    }
    let is_rollback = upgrade::is_going_back(&ctx.state, target).await?;
    let what = if is_rollback { "rollback" } else { "upgrade" };
    let step = open.step.as_deref().map(|step| format!(", at step {step}")).unwrap_or_default();
    let message = format!("the {what} of `{target}` to {} has not ended: it is {}{step}", open.to, open.phase);
    let failure = Failure::new(Class::TempFail, message).on(target);
    let failure = failure.safe("nothing was done; archives, database and server are as they were");
    let failure = if is_rollback {
        failure.hint(format!("finish it: `upkeep rollback {target}`"))
    } else {
        let failure = failure.hint(format!("carry it on: `upkeep upgrade {target}`"));
        failure.hint(format!("or put everything back: `upkeep rollback {target}`"))
    };
    Err(failure.hint("or start the daemon, which carries it on by itself: `systemctl start upkeepd`"))
}
