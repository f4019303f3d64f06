//! `upkeep prune`: retention now.

use super::{Stop, World, session};
use crate::ids::TargetName;
use crate::wire::{Action, Prune};

/// Let go of the archives that no rule keeps. Each verdict comes with its reasons.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    session::perform(world, Action::Prune(Prune { target: arguments.target, dry_run: arguments.dry_run })).await
}
