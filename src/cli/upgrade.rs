//! `upkeep upgrade` and `upkeep rollback`.

use super::{Stop, World, session};
use crate::ids::TargetName;
use crate::wire::{Action, Rollback, Settle, Upgrade};

/// Upgrade to the installed release now, or settle an upgrade that is stuck.
///
/// Backs up, applies the pending migrations, starts the server, checks its health; puts everything back when a step
/// fails. `upkeep plan TARGET` says beforehand what would happen.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("settle"))]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// Of a stuck upgrade: try again the step that failed.
    #[arg(long, group = "settle")]
    resume: bool,
    /// Of a stuck upgrade: give it up and put everything back.
    #[arg(long, group = "settle")]
    abort: bool,
    /// Of a stuck upgrade that you have fixed by hand: record the present state as known-good.
    #[arg(long, group = "settle")]
    accept: bool,
}

/// Go back to the version and the data before the last upgrade.
///
/// What is there now is archived first, so nothing anyone wrote is lost.
#[derive(Debug, clap::Args)]
pub(super) struct RollbackArguments {
    /// The target.
    target: TargetName,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let settle = match (arguments.resume, arguments.abort, arguments.accept) {
        (true, _, _) => Some(Settle::Resume),
        (_, true, _) => Some(Settle::Abort),
        (_, _, true) => Some(Settle::Accept),
        _ => None,
    };
    session::perform(world, Action::Upgrade(Upgrade { target: arguments.target, settle })).await
}

pub(super) async fn rollback(arguments: RollbackArguments, world: &World) -> Result<(), Stop> {
    session::perform(world, Action::Rollback(Rollback { target: arguments.target })).await
}
