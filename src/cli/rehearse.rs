//! `upkeep rehearse`: a release's migrations run in a scratch.

use super::{Stop, World, session};
use crate::failure::{Class, Failure};
use crate::ids::{Label, TargetName};
use crate::wire::{Action, Rehearse};

/// Run a release's migrations in a scratch of the newest archive, judge and time them, and remove the scratch again.
///
/// The server goes on serving meanwhile, and its database is not touched. Without --to it is the installed release; what an upgrade to it may be
/// expected to take is said at the end.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// A version, or the directory of a release beside the installed one.
    #[arg(long, value_name = "VERSION|DIR")]
    to: Option<String>,
    /// This archive in place of the newest verified one.
    #[arg(long, value_name = "LABEL")]
    from: Option<Label>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    // The daemon works in another directory.
    let whole = |to: String| match to.contains('/') || to == "." {
        true => std::path::absolute(&to).map(|path| path.display().to_string()),
        false => Ok(to),
    };
    let to = arguments.to.map(whole).transpose().map_err(|error| Failure::new(Class::NoInput, format!("`--to`: {error}")))?;
    let action = Action::Rehearse(Rehearse { target: arguments.target, from: arguments.from, to, scheduled_for: None });
    session::perform(world, action).await
}
