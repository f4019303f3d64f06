//! The archive that a command reads: a file, a label, a target's newest, or the copy of one of these at a place away from the host.
//!
//! Owns how what was typed becomes an opened archive. Only reads.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::elsewhere::Elsewhere;
use super::{Stop, World, inspect, owner, session};
use crate::archive::Archive;
use crate::config::load::Secrets;
use crate::failure::{Class, Failure};
use crate::ids::{Label, PlaceName, TargetName};
use crate::state_db::catalogue::{self, Entry};

/// Which archive.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// An archive's file or label; or a target, for its newest verified archive.
    #[arg(value_name = "FILE|LABEL|TARGET")]
    what: String,
    #[command(flatten)]
    elsewhere: Elsewhere,
}

/// An archive, and where what is in it may be unpacked.
pub(super) struct Opened {
    pub(super) archive: Archive,
    pub(super) scratch: Scratch,
}

/// Where a page image may be unpacked.
pub(super) struct Scratch {
    directory: PathBuf,
    /// It was made for this, and goes with it.
    is_own: bool,
}

impl Scratch {
    /// A directory where upkeep makes such files, and sweeps what a crash left.
    fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), is_own: false }
    }

    /// One that nobody else can enter, for a file that somebody has somewhere: who owns that place could put another file in the image's
    /// place, and it may be one that nothing can be written to.
    fn own(world: &World) -> Result<Self, Stop> {
        let temporary = world.environment.get("TMPDIR").filter(|name| !name.is_empty()).map_or("/var/tmp", String::as_str);
        let directory = Path::new(temporary).join(format!("upkeep-extract-{}", uuid::Uuid::new_v4().simple()));
        std::fs::DirBuilder::new().mode(0o700).create(&directory).map_err(|error| {
            Failure::new(Class::CannotCreate, format!("cannot make the directory {}: {error}", directory.display()))
                .hint("name a directory with `TMPDIR=…` in front of the command")
        })?;
        Ok(Self { directory, is_own: true })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.is_own {
            // What is in it goes before it; what cannot is told by nobody else, and hurts nobody.
            std::fs::remove_dir(&self.directory).ok();
        }
    }
}

impl Source {
    pub(super) fn new(what: String, elsewhere: Elsewhere) -> Self {
        Self { what, elsewhere }
    }

    pub(super) async fn open(&self, world: &World) -> Result<Opened, Stop> {
        match &self.elsewhere.at {
            None => here(&self.what, world).await,
            Some(at) => {
                let (place, world) = &at.known(self.elsewhere.owner.as_ref(), None, world).await?;
                self.there(place, world).await
            }
        }
    }

    /// A copy at a place.
    async fn there(&self, place: &PlaceName, world: &World) -> Result<Opened, Stop> {
        let (there, identity) = self.elsewhere.reach(place, world).await?;
        let config = session::config(world, Secrets::Leave)?;
        let of_target = match TargetName::parse(&self.what).ok() {
            // Without a configuration there is a target where there are copies of it.
            Some(target) if world.stand_in.is_some() || config.targets.contains_key(&target) => {
                let entries = crate::offsite::choices(&there.state, place, &there.place, &target).await?;
                Some((target, entries)).filter(|(_, entries)| world.stand_in.is_none() || !entries.is_empty())
            }
            _ => None,
        };
        let label = match of_target {
            Some((target, entries)) => chosen(&entries, &target, world)?.label,
            None => Label::parse(&self.what).map_err(|error| Failure::new(Class::Usage, error.to_string()))?,
        };
        // What this host noted of its own copy says nothing of another host's.
        let known = match self.elsewhere.owner {
            None => there.state.copy(place, &label).await?,
            Some(_) => None,
        };
        let opened = crate::offsite::open(&there.place, &label, known, identity.as_ref()).await;
        there.state.close().await;
        let scratch = match world.stand_in {
            Some(_) => Scratch::own(world)?,
            None => Scratch::at(&config.daemon.state_dir),
        };
        Ok(Opened { archive: opened?, scratch })
    }
}

/// An archive of this host. Beside it is where archives are made; a file that was named may be anywhere.
async fn here(what: &str, world: &World) -> Result<Opened, Stop> {
    if Path::new(what).is_file() {
        let archive = Archive::open(Path::new(what))?;
        // Of the others nothing is unpacked.
        let is_image = archive.manifest().server.flavour == "sqlite";
        let scratch = if is_image { Scratch::own(world)? } else { Scratch::at(Path::new(".")) };
        return Ok(Opened { archive, scratch });
    }
    let path = match TargetName::parse(what).ok() {
        Some(target) if is_configured(&target, world) => newest(&target, world).await?.path,
        _ => inspect::find(what, world).await?,
    };
    let beside = path.parent().unwrap_or(Path::new("."));
    Ok(Opened { archive: Archive::open(&path)?, scratch: Scratch::at(beside) })
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
