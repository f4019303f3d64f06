//! `upkeep prune`: retention now.

use super::{Stop, World, session};
use crate::ids::TargetName;
use crate::wire::{Action, Prune};

/// Delete the archives that no rule keeps. Each decision comes with its reasons.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
    /// Deletion stops when an archive suddenly holds much less than those before it. This says that you have looked at it, and lets
    /// deletion go on.
    #[arg(long, conflicts_with = "dry_run")]
    looked: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let Arguments { target, dry_run, looked } = arguments;
    session::perform(world, Action::Prune(Prune { target, dry_run, looked })).await
}
