//! `upkeep accounts`: the roles or accounts that an archive's database needs, as SQL on standard output. Needs no database.

use super::source::Source;
use super::{Stop, World};
use crate::engine::accounts;
use crate::failure::{Class, Failure};

/// Print the roles or accounts that an archive's database needs, as SQL for a new server. No passwords: those are set by a person.
///
/// They are those of the moment of the archive: owners, whoever has privileges there, and what they are members of. On a new host run it
/// before the restore: `upkeep accounts notes | psql -d postgres`. What is there already stays as it is.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let archive = arguments.source.open(world).await?.archive;
    let manifest = archive.manifest();
    let label = &manifest.label;
    world.terminal.say(&format!("from {label}, taken {}", manifest.taken_at.format("%F %T UTC")));
    let sql = accounts::read(&archive).await?;
    if world.terminal.is_json() {
        return world.terminal.show(&serde_json::json!({ "label": label, "sql": sql }), |_| String::new());
    }
    match sql {
        Some(sql) => world.terminal.stream(sql.as_bytes()).map_err(|error| {
            Failure::new(Class::Io, format!("cannot write to standard output: {error}")).hint("nothing was changed").into()
        }),
        None if manifest.server.flavour == "sqlite" => {
            world
                .terminal
                .say("a database of SQLite has no accounts: the file's owner and mode are those of the file it replaces");
            Ok(())
        }
        None => {
            world.terminal.say(&format!(
                "{label} names none: it needs none, or is from an upkeep before these were kept (`upkeep inspect {label}`)"
            ));
            Ok(())
        }
    }
}
