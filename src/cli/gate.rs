//! `upkeep gate`: may the managed server start on this database?

use super::{Stop, World, session};
use crate::actions::Action;
use crate::config::load::Secrets;
use crate::ids::TargetName;
use crate::upgrade::token;

/// Say whether the server may start on its database; for `ExecStartPre=` of the server's own unit.
///
/// In step: returns at once with 0. Migrations pending: backs up and migrates first, and waits. Database ahead of the
/// release, or an upgrade stuck: refuses with the reason.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let target = arguments.target;
    let config = session::config(world, Secrets::Leave)?;
    // Before socket and lock: whoever granted the token waits for this very start, and may hold both.
    if token::granted(&config.daemon.state_dir, &target) {
        let answer = serde_json::json!({ "gate": "pass", "why": "upkeep itself starts the server" });
        return world.terminal.show(&answer, |_| format!("{target}: the server may start; upkeep itself starts it"));
    }
    session::perform(world, Action::Gate { target }).await
}
