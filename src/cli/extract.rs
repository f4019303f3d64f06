//! `upkeep extract`: tables of an archive, alone, as SQL on standard output.
//!
//! Owns what stands on which stream: SQL alone on standard output, everything said on standard error. Needs no database.

use std::io;

use super::source::{Opened, Source};
use super::{Stop, World};
use crate::engine::extract::{Part, Wish, extract};
use crate::failure::{Class, Failure};
use crate::files;

/// Print tables of an archive as SQL for psql, mysql or sqlite3: their definitions and their rows.
///
/// Run what is printed in another database and take from there what is needed: `upkeep extract notes --table note | psql scratch`. The
/// tables come whole or not at all: the client stops at the first error (do not give `mysql` its `--force`). What needs more than the tables
/// printed (triggers, foreign keys to others, …) is left out by name.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// This table, with its schema where several have one of its name. May be given several times.
    #[arg(long, value_name = "TABLE", required_unless_present = "files")]
    table: Vec<String>,
    /// The files that went along with the archive instead, as a tar: `upkeep extract notes --files | tar -x -C DIR`.
    #[arg(long, conflicts_with_all = ["table", "data_only"])]
    files: bool,
    /// Only the rows, for a table that is there.
    #[arg(long)]
    data_only: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    if world.terminal.is_json() {
        let failure = Failure::new(Class::Usage, "what `upkeep extract` prints is SQL and no JSON");
        return Err(failure.hint("leave `--json` away; rows as JSON come from the database that it is run in").into());
    }
    let Opened { archive, scratch } = arguments.source.open(world).await?;
    let manifest = archive.manifest();
    world.terminal.say(&format!("from {}, taken {}", manifest.label, manifest.taken_at.format("%F %T UTC")));
    if arguments.files {
        return files::stream(&archive, &mut |piece| world.terminal.stream(piece)).map_err(Stop::from);
    }
    let part = if arguments.data_only { Part::Rows } else { Part::Whole };
    let wish = Wish { tables: arguments.table, part, scratch: scratch.directory().to_owned() };
    let mut unprinted = None;
    let mut take = |piece: &[u8]| {
        world.terminal.stream(piece).map_err(|error| {
            let kind = error.kind();
            unprinted.get_or_insert(error);
            io::Error::from(kind)
        })
    };
    match extract(&archive, &wish, &mut take).await {
        Ok(notes) => {
            notes.iter().for_each(|note| world.terminal.say(note));
            Ok(())
        }
        Err(error) => Err(match unprinted {
            // Whoever asks for half a table has not got one, and is not to think so.
            Some(error) => Failure::new(Class::Io, format!("cannot write to standard output: {error}"))
                .safe("what was printed makes no table: its end is missing")
                .hint("look at what the client said that was to read it, and extract again")
                .into(),
            None => error.into(),
        }),
    }
}
