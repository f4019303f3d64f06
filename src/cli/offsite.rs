//! `upkeep offsite`: set places away from the host up, and look whether they can be used; and what is there, for the commands with `--at`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Stop, World, identity, owner, session};
use crate::config::load::Secrets;
use crate::config::{Config, Offsite};
use crate::failure::{Class, Failure};
use crate::ids::{Label, OwnerName, PlaceName};
use crate::offsite;
use crate::state_db::StateDb;
use crate::store::place::Place;
use crate::wire::{Action, OffsiteCheck, OffsiteInit, OffsiteProve};

/// Set up a place away from the host for copies, or check that it works.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Set up a place for this host, once; a directory must be mounted. Makes its marker and this host's own part.
    Init {
        /// The place.
        place: PlaceName,
        /// Take over the part of this host's name: after this host was set up anew or lost its state, or when another disk is mounted
        /// in the place of the one before.
        #[arg(long)]
        adopt: bool,
    },
    /// Write, read and rename there as copies do, from inside the daemon's sandbox. Leaves nothing behind.
    Check {
        /// The place; all of them when not given.
        place: Option<PlaceName>,
    },
    /// Decrypt one copy with the secret keys in a file, every byte of it, and record which public keys that proves.
    Prove {
        /// The place.
        place: PlaceName,
        /// This copy; the newest that is encrypted when not given.
        label: Option<Label>,
        /// The file with the secret halves: lines AGE-SECRET-KEY-1…, or an ssh-ed25519 key. Nobody keeps its content.
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
    },
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let places = match arguments.verb {
        Verb::Init { place, adopt } => {
            return session::perform(world, Action::OffsiteInit(OffsiteInit { place, adopt })).await;
        }
        Verb::Prove { place, label, identity } => return prove(place, label, &identity, world).await,
        Verb::Check { place: Some(place) } => vec![place],
        Verb::Check { place: None } => {
            let config = session::config(world, Secrets::Leave)?;
            if config.offsite.is_empty() {
                let failure = Failure::new(Class::NoInput, "no place is configured");
                return Err(failure.hint("places are tables of the configuration: [offsite.NAME]").into());
            }
            config.offsite.keys().cloned().collect()
        }
    };
    one_document(&places, world)?;
    let mut failed = None;
    for place in places {
        match session::perform(world, Action::OffsiteCheck(OffsiteCheck { place })).await {
            Err(Stop::Failure(failure)) if failed.is_none() => failed = Some(Stop::Failure(failure)),
            Err(Stop::Failure(failure)) => world.terminal.say(&failure.message),
            done => done?,
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn prove(place: PlaceName, label: Option<Label>, path: &Path, world: &World) -> Result<(), Stop> {
    let Some(identity) = identity::given(Some(path), world)? else { return Ok(()) };
    let world = identity::with(world, Some(&identity));
    session::perform(&world, Action::OffsiteProve(OffsiteProve { place, label, identity })).await
}

/// With `--json` exactly one document is printed, and so one place is asked.
pub(super) fn one_document(places: &[PlaceName], world: &World) -> Result<(), Stop> {
    if !world.terminal.is_json() || places.len() < 2 {
        return Ok(());
    }
    let names: Vec<&str> = places.iter().map(PlaceName::as_str).collect();
    let failure = Failure::new(Class::Usage, "with `--json` one place is asked at a time");
    Err(failure.hint(format!("name one of them: {}", names.join(", "))).into())
}

/// A place that somebody reads, and what this host noted of it.
pub(super) struct There {
    pub(super) state: StateDb,
    pub(super) place: Arc<dyn Place>,
}

/// Opens a place for reading, as the daemon's user, beside whoever works: nothing is changed there or here.
pub(super) async fn there(world: &World, name: &PlaceName, owner: Option<&OwnerName>) -> Result<There, Stop> {
    let config = session::config(world, Secrets::Leave)?;
    let offsite = configured(&config, name)?;
    owner::hand_over(&config, world).await?;
    let state = session::state(&config).await?;
    let place = offsite::reading(&state, &offsite, owner).await?;
    Ok(There { state, place })
}

fn configured(config: &Config, name: &PlaceName) -> Result<Offsite, Stop> {
    Ok(offsite::place(config, name)?.clone())
}
