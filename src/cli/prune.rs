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
    /// Say that you have looked at an archive that suddenly holds less than those before it: deletion, which is paused
    /// until then, goes on.
    #[arg(long, conflicts_with = "dry_run")]
    looked: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let Arguments { target, dry_run, looked } = arguments;
    session::perform(world, Action::Prune(Prune { target, dry_run, looked })).await
}
