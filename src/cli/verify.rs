//! `upkeep verify`: every byte of archives read back and checked.

use std::path::PathBuf;

use super::{Stop, World, identity, session};
use crate::failure::{Class, Failure};
use crate::ids::{Label, PlaceName, TargetName};
use crate::wire::{Action, Verify, VerifyCopies};

/// Read archives back, every byte, and check them against their seals.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(super) struct Arguments {
    /// Only this archive; or every archive of the target of this name.
    #[arg(group = "which", value_name = "LABEL|TARGET")]
    what: Option<String>,
    /// Every archive of every target.
    #[arg(long, group = "which")]
    all: bool,
    /// Every archive of this target.
    #[arg(long, group = "which", value_name = "TARGET")]
    target: Option<TargetName>,
    /// The copies at this place away from the host instead of the archives here.
    #[arg(long, value_name = "PLACE")]
    at: Option<PlaceName>,
    /// The file with the secret half of a key: the content of encrypted copies is then read as well. It has lines AGE-SECRET-KEY-1…, or an ssh-ed25519 key.
    #[arg(long, value_name = "FILE", requires = "at")]
    identity: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let (label, target) = match arguments.what {
        Some(what) => named(&what, world).await?,
        None => (None, arguments.target),
    };
    if let Some(place) = arguments.at {
        let identity = identity::given(arguments.identity.as_deref(), world)?;
        let world = &identity::with(world, identity.as_ref());
        return session::perform(world, Action::VerifyCopies(VerifyCopies { place, label, of: target, identity })).await;
    }
    session::perform(world, Action::Verify(Verify { label, target })).await
}

/// A target, where one has this name; else it is an archive's label.
pub(super) async fn named(what: &str, world: &World) -> Result<(Option<Label>, Option<TargetName>), Stop> {
    let target = TargetName::parse(what).ok();
    if let Some(target) = target
        && session::is_target(&session::asked(world).await?, &target).await?
    {
        return Ok((None, Some(target)));
    }
    let label = Label::parse(what).map_err(|error| Failure::new(Class::Usage, error.to_string()))?;
    Ok((Some(label), None))
}
