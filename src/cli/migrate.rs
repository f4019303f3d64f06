//! `upkeep migrate`: Flyway's verbs.

use clap::Subcommand;

use super::{Stop, World, session};
use crate::actions::{Action, MigrateVerb};
use crate::ids::TargetName;

/// Look at or apply a target's database migrations, without the rest of an upgrade.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The state of every migration: applied, pending, failed, missing.
    Info(Which),
    /// Whether the scripts and the history in the database agree.
    Validate(Which),
    /// Apply what is pending. No backup is taken: `upkeep upgrade` does all of it.
    Apply(Which),
    /// Write a baseline row into a database that has no history yet.
    Baseline(Which),
    /// Remove rows of failed migrations and realign checksums.
    Repair(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The target.
    target: TargetName,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let (verb, Which { target }) = match arguments.verb {
        Verb::Info(which) => (MigrateVerb::Info, which),
        Verb::Validate(which) => (MigrateVerb::Validate, which),
        Verb::Apply(which) => (MigrateVerb::Apply, which),
        Verb::Baseline(which) => (MigrateVerb::Baseline, which),
        Verb::Repair(which) => (MigrateVerb::Repair, which),
    };
    session::perform(world, Action::Migrate { target, verb }).await
}
