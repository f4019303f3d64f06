//! `upkeep daemon`: run in the foreground; what the unit starts.

use super::{Stop, World};

/// Run the daemon in the foreground. The systemd unit starts this.
///
/// Stops at the next step boundary on TERM or INT; reads its configuration again on HUP.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(_arguments: Arguments, world: &World) -> Result<(), Stop> {
    crate::telemetry::start();
    Ok(Box::pin(crate::daemon::run(&world.config, &world.environment, world.clock.clone())).await?)
}
