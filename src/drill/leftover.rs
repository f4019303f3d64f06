//! What drills left that did not come to their end: scratches, by the rows that were written before they were made.
//!
//! Never drops what cannot be proved to be such a scratch. What cannot be removed now is told, and tried again; no new scratch is made beside it.

use crate::config::Target;
use crate::context::Context;
use crate::engine::EngineError;
use crate::engine::scratch::{Removed, Scratch};
use crate::failure::Chain;
use crate::fault;
use crate::state_db::StateError;
use crate::state_db::drills::{Drill, Ended, Outcome};

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// One line for each scratch that is gone, or that is not ours to drop.
    pub done: Vec<String>,
    /// Why others are still there.
    pub left: Vec<String>,
}

/// Removes what drills of a target left on the servers that are known now. For whoever holds the drills' lane, or works without a daemon.
///
/// # Errors
/// When our own state cannot be read or written.
pub async fn sweep(ctx: &Context, target: &Target) -> Result<Swept, StateError> {
    let mut swept = Swept::default();
    for row in ctx.state.drills_left(&target.name).await? {
        if row.ended.is_none() {
            let said = Some("the process that was at it ended before the archive was compared".to_owned());
            let ended = Ended { at: ctx.clock.now(), outcome: Outcome::CutOff, said, tables: 0, rows: 0 };
            ctx.state.end_drill(&row.id, &ended).await?;
        }
        let places = [Some(&target.database), target.drill.scratch.as_ref()].into_iter().flatten();
        let mut scratches = places.filter_map(|place| Scratch::beside(place, &ctx.config.daemon.state_dir, &row.id).ok());
        let Some(scratch) = scratches.find(|scratch| scratch.location() == row.scratch) else {
            let why = format!(
                "the scratch of a drill may still be at {}, which is no server of target {} now: look there, and drop it by hand",
                row.scratch, row.target
            );
            ctx.state.scratch_left(&row, Some(&why)).await?;
            swept.left.push(why);
            continue;
        };
        match remove(ctx, &row, &scratch).await? {
            Some(left) => swept.left.push(left),
            None => swept.done.push(format!("{}: what a drill that was cut off had left there is gone", row.scratch)),
        }
    }
    Ok(swept)
}

/// Removes a drill's scratch and writes down that it is gone; why not, where it is not.
pub(super) async fn remove(ctx: &Context, row: &Drill, scratch: &Scratch) -> Result<Option<String>, StateError> {
    let left = match scratch.remove().await {
        Ok(Removed::Dropped | Removed::WasNotThere) => None,
        Ok(Removed::NotOurs(why)) => Some(format!("{why}, so it is left alone: look what it is, and drop it by hand")),
        Err(error) => Some(still_there(row, &error)),
    };
    fault::point("drill.dropped");
    ctx.state.scratch_left(row, left.as_deref()).await?;
    Ok(left)
}

fn still_there(row: &Drill, error: &EngineError) -> String {
    format!("the scratch {} of a drill could not be dropped yet: {}", row.scratch, Chain(error))
}
