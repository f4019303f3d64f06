//! `upkeep verify`: every byte of archives read back and checked.

use super::{Stop, World, session};
use crate::ids::{Label, TargetName};
use crate::wire::{Action, Verify};

/// Read archives back, every byte, and check them against their seals.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(super) struct Arguments {
    /// Only this archive.
    #[arg(group = "which")]
    label: Option<Label>,
    /// Every archive of every target.
    #[arg(long, group = "which")]
    all: bool,
    /// Every archive of this target.
    #[arg(long, group = "which", value_name = "TARGET")]
    target: Option<TargetName>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    session::perform(world, Action::Verify(Verify { label: arguments.label, target: arguments.target })).await
}
