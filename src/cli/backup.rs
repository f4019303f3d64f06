//! `upkeep backup`: take an archive now.

use super::{Stop, World, session};
use crate::ids::TargetName;
use crate::wire::{Action, Backup};

/// Take an archive now; it counts once it is verified.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// A note about it, stored in the archive.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Pin it: retention never deletes it.
    #[arg(long)]
    pin: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let pin = arguments.pin.then(|| arguments.note.clone().unwrap_or_else(|| "pinned when taken".to_owned()));
    let action = Action::Backup(Backup { target: arguments.target, note: arguments.note, pin, scheduled_for: None });
    session::perform(world, action).await
}
