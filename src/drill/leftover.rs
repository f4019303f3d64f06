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
    /// Those on servers that nothing leads to now: they are in the way of no new one.
    pub out_of_reach: Vec<String>,
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
        let Some(scratch) = again(ctx, Some(target), &row) else {
            swept.out_of_reach.push(out_of_reach(ctx, &row).await?);
            continue;
        };
        match remove(ctx, &row, &scratch).await? {
            Some(left) => swept.left.push(left),
            None => swept.done.push(format!("{}: what a drill that was cut off had left there is gone", row.scratch)),
        }
    }
    Ok(swept)
}

/// Removes what drills left of targets that the configuration has no more, where a server that it has leads there; says what is out of reach.
///
/// # Errors
/// When our own state cannot be read or written.
pub async fn sweep_strays(ctx: &Context) -> Result<Swept, StateError> {
    let mut swept = Swept::default();
    for row in ctx.state.drills_left_anywhere().await? {
        if ctx.config.targets.contains_key(&row.target) {
            continue;
        }
        let Some(scratch) = again(ctx, None, &row) else {
            swept.out_of_reach.push(out_of_reach(ctx, &row).await?);
            continue;
        };
        match remove(ctx, &row, &scratch).await? {
            Some(left) => swept.left.push(left),
            None => swept.done.push(format!("{}: what a drill of {} had left there is gone", row.scratch, row.target)),
        }
    }
    Ok(swept)
}

/// The way to a scratch: the target's own, or any whose server is the same one. What is dropped there is proved by its mark, whoever leads to it.
fn again(ctx: &Context, target: Option<&Target>, row: &Drill) -> Option<Scratch> {
    let directory = &ctx.config.daemon.state_dir;
    let file = Scratch::of_a_file(directory, &row.id);
    if file.location() == row.scratch {
        return Some(file);
    }
    let own = target.into_iter();
    let mut places = own
        .chain(ctx.config.targets.values())
        .flat_map(|target| [target.drill.scratch.as_ref(), Some(&target.database)])
        .flatten();
    places.find_map(|place| Scratch::again(&row.scratch, place, directory, &row.id))
}

/// Writes down that nothing leads to a scratch now.
async fn out_of_reach(ctx: &Context, row: &Drill) -> Result<String, StateError> {
    let why = format!(
        "the scratch of a drill of {} may still be at {}, a server that no target names now: drop it there by hand, or name that server as `scratch` in \
         `[targets.T.drill]` once and run `upkeep drill`",
        row.target, row.scratch
    );
    ctx.state.scratch_left(row, Some(&why)).await?;
    Ok(why)
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
