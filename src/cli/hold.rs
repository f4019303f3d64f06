//! `upkeep hold` and `upkeep release-hold`: no upgrades for now, and upgrades again.

use super::{Stop, World, moments, session};
use crate::ids::TargetName;
use crate::wire::{Action, Hold, ReleaseHold};

/// Put a target's upgrades on hold. Backups go on.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// Until this moment (2026-11-25T08:00:00Z) or for this long (3d); until released when not given.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why; shown in the status.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Allow a target's upgrades again: lifts every hold on it, including those the daemon set after a failed upgrade.
#[derive(Debug, clap::Args)]
pub(super) struct ReleaseArguments {
    /// The target.
    target: TargetName,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let until = arguments.until.as_deref().map(|text| moments::parse(text, moments::Toward::Future, world.clock.now()));
    let hold = Hold { target: arguments.target, until: until.transpose()?, reason: arguments.reason, who: None };
    session::perform(world, Action::Hold(hold)).await
}

pub(super) async fn release(arguments: ReleaseArguments, world: &World) -> Result<(), Stop> {
    session::perform(world, Action::ReleaseHold(ReleaseHold { target: arguments.target })).await
}
