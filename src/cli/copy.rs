//! `upkeep copy`: send what is owed to places away from the host, now.

use super::{Stop, World, session};
use crate::config::Config;
use crate::failure::{Class, Failure};
use crate::ids::{Label, PlaceName, TargetName};
use crate::wire::{Action, Copy};

/// Send archives to the places away from the host that they are owed to, and seal and read them back there.
///
/// The daemon does this by itself after each backup, and tries again where a place is not there. Without LABEL everything that is owed is
/// sent, the newest first.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this archive.
    label: Option<Label>,
    /// Only to this place.
    #[arg(long, value_name = "PLACE")]
    to: Option<PlaceName>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let (config, _) = session::asked(world).await?;
    let places = match (&arguments.to, &config) {
        (Some(place), _) => vec![place.clone()],
        (None, Some(config)) => used(config, arguments.label.as_ref()),
        (None, None) => {
            let failure = Failure::new(Class::Usage, "this user may not read the configuration, and so knows no places");
            return Err(failure.hint("name one: `upkeep copy --to PLACE`; `upkeep status` names them").into());
        }
    };
    if places.is_empty() {
        let failure = Failure::new(Class::NoInput, "no archives are copied anywhere");
        return Err(failure.hint("say where to: [offsite.NAME], and `to = [\"NAME\"]` in [targets.T.offsite]").into());
    }
    super::offsite::one_document(&places, world)?;
    let mut failed = None;
    for place in places {
        let action = Action::Copy(Copy { place: place.clone(), label: arguments.label.clone() });
        // One place that is not there keeps no other from its copies.
        match session::perform(world, action).await {
            Err(Stop::Failure(failure)) if failed.is_none() => failed = Some(Stop::Failure(failure)),
            Err(Stop::Failure(failure)) => world.terminal.say(&failure.message),
            done => done?,
        }
    }
    failed.map_or(Ok(()), Err)
}

/// The places that an archive goes to, by its target, which its label begins with; or that any goes to. A target's name may go on where
/// another's ends (`notes`, `notes-beta`): the longest that fits is meant.
fn used(config: &Config, label: Option<&Label>) -> Vec<PlaceName> {
    let fits = |name: &str, label: &Label| label.as_str().strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    let of = |label: &Label| {
        config.targets.keys().map(TargetName::as_str).filter(|name| fits(name, label)).max_by_key(|name| name.len())
    };
    let is_its = |name: &str| label.is_none_or(|label| of(label) == Some(name));
    let targets = config.targets.values().filter(|target| is_its(target.name.as_str()));
    let mut places: Vec<PlaceName> = targets.flat_map(|target| target.offsite.to.clone()).collect();
    places.sort();
    places.dedup();
    places
}
