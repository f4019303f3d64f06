//! `upkeep drill`: an archive restored into a scratch and compared.

use std::path::PathBuf;

use super::{Stop, World, identity, session};
use crate::ids::{Label, PlaceName, TargetName};
use crate::wire::{Action, Drill};

/// Restore an archive into a scratch database, compare every row, and remove the scratch again.
///
/// Without LABEL the newest verified archive is tried. The scratch is beside the target's database on the same server, under a name that
/// nobody else uses; of a SQLite file it is in upkeep's state directory. The database itself is not touched, and nothing waits for a drill.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// This archive.
    label: Option<Label>,
    /// The copy at this place away from the host, instead of the archive here.
    #[arg(long, value_name = "PLACE")]
    at: Option<PlaceName>,
    /// The file with the secret half of a key, for a copy that is encrypted: lines AGE-SECRET-KEY-1…, or an ssh-ed25519 key.
    #[arg(long, value_name = "FILE", requires = "at")]
    identity: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let identity = identity::given(arguments.identity.as_deref(), world)?;
    let world = &identity::with(world, identity.as_ref());
    let action = Action::Drill(Drill {
        target: arguments.target,
        label: arguments.label,
        place: arguments.at,
        identity,
        scheduled_for: None,
    });
    session::perform(world, action).await
}
