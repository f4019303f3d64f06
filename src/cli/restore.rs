//! `upkeep restore`: an archive's content back into a database.

use super::{Stop, World, moments, session};
use crate::ids::{Label, TargetName};
use crate::wire::{Action, Address, Restore};

/// Put an archive's content into a database, and compare every row with the archive before it counts.
///
/// Without LABEL or --at the newest verified archive is taken. A database that holds rows is refused without --replace;
/// with it, a safety archive of what is there is taken and sealed first. The server must be stopped: --stop-server stops
/// it and starts it again after.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// This archive.
    #[arg(conflicts_with = "at")]
    label: Option<Label>,
    /// The newest verified archive from this moment or before (2026-11-22T02:30:00Z, "2026-11-22 02:30", 2h).
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Into this database instead of the target's own (postgres://…, mysql://…, sqlite:///…).
    #[arg(long, value_name = "URL")]
    into: Option<String>,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
    /// Replace the rows that the database holds; they go into a safety archive first.
    #[arg(long)]
    replace: bool,
    /// Stop the server first and start it again afterwards.
    #[arg(long)]
    stop_server: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let at = arguments.at.as_deref().map(|text| moments::parse(text, moments::Toward::Past, world.clock.now())).transpose()?;
    let action = Action::Restore(Restore {
        target: arguments.target,
        label: arguments.label,
        at,
        into: arguments.into.map(Address::new),
        replace: arguments.replace,
        dry_run: arguments.dry_run,
        stop_server: arguments.stop_server,
    });
    session::perform(world, action).await
}
