//! `upkeep plan`: what an upgrade would do now, or why it would refuse.

use super::{Stop, World, session};
use crate::ids::TargetName;
use crate::wire::{Action, Plan};

/// Say what an upgrade would do now, step by step, or why it would refuse. Changes nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    session::perform(world, Action::Plan(Plan { target: arguments.target })).await
}
