//! `upkeep daemon`: run in the foreground; what the unit starts.

use super::{Stop, World};

/// Run the daemon in the foreground. The systemd unit starts this.
///
/// TERM or INT stops it after the step that is running; HUP makes it read its configuration again.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(_arguments: Arguments, world: &World) -> Result<(), Stop> {
    crate::telemetry::start();
    Ok(Box::pin(crate::daemon::run(&world.config, &world.environment, world.clock.clone())).await?)
}
