//! A person who asks to go back while something is open means what is open.
//!
//! Owns what that turns an open upgrade into; the driver then carries it out like any other way back.

use super::plan::Purpose;
use super::state::{Event, Phase, Step};
use super::{UpgradeError, append, end_adoption, record, steps};
use crate::config::Target;
use crate::context::Context;
use crate::version::Version;

/// What somebody met who asks to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// Nothing is open.
    NothingOpen,
    /// An upgrade that had changed nothing yet, and that is now over.
    GivenUp {
        /// To this version.
        to: Version,
    },
    /// An upgrade, which is on its way back now. Call [`super::drive`].
    Back {
        /// It led to this version.
        to: Version,
    },
    /// A way back that somebody asked for before. Call [`super::drive`].
    GoingBack {
        /// To this version.
        to: Version,
    },
}

/// Turns back what is open of a target, on behalf of `who`.
///
/// # Errors
/// When it is stuck, for then a person must say what becomes of it; or the journal cannot be read or written.
pub async fn turn_back(ctx: &Context, target: &Target, who: &str) -> Result<Turned, UpgradeError> {
    end_adoption(ctx, &target.name).await?;
    let Some(record) = record::open(&ctx.state, &target.name).await? else { return Ok(Turned::NothingOpen) };
    let to = record.plan.to.version.clone();
    match (record.state.phase, &record.plan.purpose) {
        (Phase::Stuck, _) => Err(UpgradeError::Open { id: record.id, phase: Phase::Stuck }),
        (_, Purpose::Rollback { .. }) => Ok(Turned::GoingBack { to }),
        (Phase::Running, Purpose::Upgrade) => {
            let why = format!("{who} asked to go back before it had ended");
            if record.state.touched.iter().all(|step| *step == Step::Preflight) {
                append(ctx, &record, &Event::Refused { why }).await?;
                return Ok(Turned::GivenUp { to });
            }
            let steps = steps::way_back(&record.plan, &record.state);
            append(ctx, &record, &Event::TurnedBack { why, steps }).await?;
            Ok(Turned::Back { to })
        }
        // It is on its way back already.
        _ => Ok(Turned::Back { to }),
    }
}
