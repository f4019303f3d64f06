//! `upkeep pin` and `upkeep unpin`: keep an archive from retention, and let it have it again.

use super::{Stop, World, session};
use crate::ids::Label;
use crate::wire::{Action, Pin, Unpin};

/// Pin an archive: retention never deletes it until it is unpinned.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The archive.
    label: Label,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Unpin an archive: retention may delete it again.
#[derive(Debug, clap::Args)]
pub(super) struct UnpinArguments {
    /// The archive.
    label: Label,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    session::perform(world, Action::Pin(Pin { label: arguments.label, reason: arguments.reason })).await
}

pub(super) async fn unpin(arguments: UnpinArguments, world: &World) -> Result<(), Stop> {
    session::perform(world, Action::Unpin(Unpin { label: arguments.label })).await
}
