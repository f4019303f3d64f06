//! `upkeep extract`: tables of an archive, alone, as SQL on standard output.
//!
//! Owns what stands on which stream: SQL alone on standard output, everything said on standard error. Needs no database.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Stop, World, identity, inspect, offsite, owner, session};
use crate::archive::Archive;
use crate::cipher::Identity;
use crate::config::load::Secrets;
use crate::engine::extract::{Part, Wish, extract};
use crate::failure::{Class, Failure};
use crate::ids::{Label, OwnerName, PlaceName, TargetName};
use crate::state_db::catalogue::{self, Entry};

/// Print tables of an archive as SQL for psql, mysql or sqlite3: their definitions and their rows.
///
/// Run what is printed in another database and take from there what is needed: `upkeep extract notes --table note | psql scratch`. The
/// tables come whole or not at all. What needs more than the tables printed (triggers, foreign keys to others, …) is left out by name.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An archive's file or label; or a target, for its newest verified archive.
    #[arg(value_name = "FILE|LABEL|TARGET")]
    what: String,
    /// This table, with its schema where several have one of its name. May be given several times.
    #[arg(long, value_name = "TABLE", required = true)]
    table: Vec<String>,
    /// Only the rows, for a table that is there.
    #[arg(long)]
    data_only: bool,
    /// From the copy at this place away from the host.
    #[arg(long, value_name = "PLACE")]
    at: Option<PlaceName>,
    /// The one that another host wrote there under this name.
    #[arg(long, value_name = "OWNER", requires = "at")]
    owner: Option<OwnerName>,
    /// The file with the secret half of a key, for a copy that is encrypted: lines AGE-SECRET-KEY-1…, or an ssh-ed25519 key.
    #[arg(long, value_name = "FILE", requires = "at")]
    identity: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    if world.terminal.is_json() {
        let failure = Failure::new(Class::Usage, "what `upkeep extract` prints is SQL and no JSON");
        return Err(failure.hint("leave `--json` away; rows as JSON come from the database that it is run in").into());
    }
    let (archive, scratch) = match &arguments.at {
        None => here(&arguments.what, world).await?,
        Some(place) => there(place, &arguments, world).await?,
    };
    let manifest = archive.manifest();
    world.terminal.say(&format!("from {}, taken {}", manifest.label, manifest.taken_at.format("%F %T UTC")));
    let part = if arguments.data_only { Part::Rows } else { Part::Whole };
    let wish = Wish { tables: arguments.table, part, scratch };
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

/// An archive of this host, and where its image may be unpacked: beside it, which is where archives are made.
async fn here(what: &str, world: &World) -> Result<(Archive, PathBuf), Stop> {
    let target = TargetName::parse(what).ok().filter(|_| !std::path::Path::new(what).is_file());
    let path = match target {
        Some(target) if is_configured(&target, world) => newest(&target, world).await?.path,
        _ => inspect::find(what, world).await?,
    };
    let scratch = path.parent().map(PathBuf::from).filter(|parent| !parent.as_os_str().is_empty());
    Ok((Archive::open(&path)?, scratch.unwrap_or_else(|| PathBuf::from("."))))
}

fn is_configured(target: &TargetName, world: &World) -> bool {
    session::config(world, Secrets::Leave).is_ok_and(|config| config.targets.contains_key(target))
}

/// The newest verified archive of a target.
async fn newest(target: &TargetName, world: &World) -> Result<Entry, Stop> {
    let config = session::config(world, Secrets::Leave)?;
    owner::hand_over(&config, world).await?;
    let state = session::state(&config).await?;
    let entries = catalogue::list(&state, Some(target)).await;
    state.close().await;
    chosen(&entries?, target, world)
}

fn chosen(entries: &[Entry], target: &TargetName, world: &World) -> Result<Entry, Stop> {
    let newest = catalogue::newest_good(entries, world.clock.now()).cloned();
    newest.ok_or_else(|| {
        let failure = Failure::new(Class::NoInput, format!("there is no verified archive of {target}"));
        failure.hint(format!("see what there is, and name it by its label: `upkeep list {target}`")).into()
    })
}

/// A copy at a place, and where its image may be unpacked.
async fn there(place: &PlaceName, arguments: &Arguments, world: &World) -> Result<(Archive, PathBuf), Stop> {
    let given = identity::given(arguments.identity.as_deref(), world)?;
    let world = &identity::with(world, given.as_ref());
    let there = offsite::there(world, place, arguments.owner.as_ref()).await?;
    let config = session::config(world, Secrets::Leave)?;
    let identity = given.and_then(|given| Identity::parse(given.reveal()).ok()).map(Arc::new);
    let target = TargetName::parse(&arguments.what).ok();
    let label = match target {
        Some(target) if config.targets.contains_key(&target) => {
            let entries = crate::offsite::choices(&there.state, place, &there.place, &target).await?;
            chosen(&entries, &target, world)?.label
        }
        _ => Label::parse(&arguments.what).map_err(|error| Failure::new(Class::Usage, error.to_string()))?,
    };
    // What this host noted of its own copy says nothing of another host's.
    let known = match arguments.owner {
        None => there.state.copy(place, &label).await?,
        Some(_) => None,
    };
    let opened = crate::offsite::open(&there.place, &label, known, identity.as_ref()).await;
    there.state.close().await;
    Ok((opened?, config.daemon.state_dir))
}
