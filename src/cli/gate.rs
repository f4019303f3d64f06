//! `upkeep gate`: may the managed server start on this database?

use super::{Stop, World, session};
use crate::actions::Action;
use crate::ids::TargetName;

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
    session::perform(world, Action::Gate { target: arguments.target }).await
}
