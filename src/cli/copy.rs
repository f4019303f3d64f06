//! `upkeep copy`: send what is owed to places away from the host, now.

use super::{Stop, World, session};
use crate::config::Config;
use crate::failure::{Class, Failure};
use crate::ids::{Label, PlaceName, TargetName};
use crate::wire::{Action, Copy};

/// Send archives to their places away from the host now, and read every copy back there.
///
/// The daemon does this by itself after each backup, and tries again when a place cannot be reached. What a place lacks is sent, the newest
/// first: of one target, or of all.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this archive; or only what is missing there of this target.
    #[arg(value_name = "LABEL|TARGET")]
    what: Option<String>,
    /// Only to this place.
    #[arg(long, value_name = "PLACE")]
    to: Option<PlaceName>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let (label, of) = match arguments.what {
        Some(what) => super::verify::named(&what, world).await?,
        None => (None, None),
    };
    let (config, _) = session::asked(world).await?;
    let places = match (&arguments.to, &config) {
        (Some(place), _) => vec![place.clone()],
        (None, Some(config)) => used(config, label.as_ref(), of.as_ref()),
        (None, None) => {
            let failure = Failure::new(Class::Usage, "this user may not read the configuration, and so knows no places");
            return Err(failure.hint("name one: `upkeep copy --to PLACE`; `upkeep status` names them").into());
        }
    };
    if places.is_empty() {
        let whose = of
            .as_ref()
            .map_or_else(|| "no archives are copied anywhere".to_owned(), |of| format!("archives of {of} are copied nowhere"));
        let failure = Failure::new(Class::NoInput, whose);
        return Err(failure.hint("say where to: [offsite.NAME], and `to = [\"NAME\"]` in [targets.T.offsite]").into());
    }
    super::offsite::one_document(&places, world)?;
    let mut failed = None;
    for place in places {
        let action = Action::Copy(Copy { place: place.clone(), label: label.clone(), of: of.clone() });
        // One place that is not there keeps no other from its copies.
        match session::perform(world, action).await {
            Err(Stop::Failure(failure)) if failed.is_none() => failed = Some(Stop::Failure(failure)),
            Err(Stop::Failure(failure)) => world.terminal.say(&failure.message),
            done => done?,
        }
    }
    failed.map_or(Ok(()), Err)
}

/// The places that an archive goes to, by its target, which its label begins with; those of a target; or that any goes to. A target's name may
/// go on where another's ends (`notes`, `notes-beta`): the longest that fits is meant. What is no target's label is looked for everywhere.
fn used(config: &Config, label: Option<&Label>, of: Option<&TargetName>) -> Vec<PlaceName> {
    let fits = |name: &str, label: &Label| label.as_str().strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    let by_label =
        |label: &Label| config.targets.keys().filter(|name| fits(name.as_str(), label)).max_by_key(|name| name.as_str().len());
    let its = of.or_else(|| label.and_then(by_label));
    let targets = config.targets.values().filter(|target| its.is_none_or(|its| target.name == *its));
    let mut places: Vec<PlaceName> = targets.flat_map(|target| target.offsite.to.clone()).collect();
    places.sort();
    places.dedup();
    places
}
