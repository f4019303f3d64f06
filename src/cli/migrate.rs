//! `upkeep migrate`: Flyway's verbs.

use clap::Subcommand;

use super::{Stop, World, session};
use crate::ids::TargetName;
use crate::wire::{Action, Migrate, MigrateAsk, MigrateVerb};

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
    /// Check that the scripts and the history in the database agree.
    Validate(Which),
    /// Apply what is pending, or part of it, after taking an archive.
    Apply(Apply),
    /// Write a baseline row into a database that has no history yet.
    Baseline(At),
    /// Remove rows of failed migrations and realign checksums.
    Repair(Which),
    /// Undo the newest version with its undo script, or every version newer than the given one.
    Undo(At),
}

#[derive(Debug, clap::Args)]
struct Apply {
    /// The target.
    target: TargetName,
    /// Only up to this version; also `current` and `next`.
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Only this version, or the repeatable script with this description; may be given several times.
    #[arg(long, value_name = "VERSION")]
    cherry_pick: Vec<String>,
    /// Change nothing: print what would run, statement by statement.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct At {
    /// The target.
    target: TargetName,
    /// The version.
    version: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The target.
    target: TargetName,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let plain = |verb, which: Which| (verb, which.target, MigrateAsk::default());
    let at = |verb, at: At| (verb, at.target, MigrateAsk { version: at.version, ..MigrateAsk::default() });
    let (verb, target, ask) = match arguments.verb {
        Verb::Info(which) => plain(MigrateVerb::Info, which),
        Verb::Validate(which) => plain(MigrateVerb::Validate, which),
        Verb::Apply(Apply { target, to: version, cherry_pick, dry_run }) => {
            (MigrateVerb::Apply, target, MigrateAsk { version, cherry_pick, dry_run })
        }
        Verb::Baseline(which) => at(MigrateVerb::Baseline, which),
        Verb::Repair(which) => plain(MigrateVerb::Repair, which),
        Verb::Undo(which) => at(MigrateVerb::Undo, which),
    };
    session::perform(world, Action::Migrate(Migrate { target, verb, ask })).await
}
