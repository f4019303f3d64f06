//! Which files an operator may have a restore written into.
//!
//! The daemon may write where its operators may not: a path that one of them names is one of a configured target, or lies below
//! `control.restore_into`. Root and the daemon's own user name what they like.

use std::path::Path;

use super::peers::Peer;
use crate::config::{Config, Location, load};
use crate::failure::{Class, Failure};
use crate::wire::Address;

/// Whether this peer may ask for a restore into `address`; what is no file is the database server's to judge.
///
/// # Errors
/// When it may not.
pub(super) fn allowed(config: &Config, peer: &Peer, address: &Address) -> Result<(), Failure> {
    let parsed = load::parse_url(address.reveal(), &load::Environment::new()).map(|database| database.location);
    // What cannot be read is refused by the work itself.
    let Ok(Location::Sqlite { path }) = parsed else { return Ok(()) };
    let configured = config.targets.values().any(|target| match &target.database.location {
        Location::Sqlite { path: own } => *own == path,
        Location::Postgres { .. } | Location::MySql { .. } => false,
    });
    let below = |dir: &Path| {
        let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
        let dir = dir.canonicalize().ok();
        parent.zip(dir).is_some_and(|(parent, dir)| parent.starts_with(dir))
    };
    // A link would lead the writer elsewhere than its directory says.
    let link = path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_symlink());
    if peer.own || configured || (!link && config.control.restore_into.iter().any(|dir| below(dir))) {
        return Ok(());
    }
    let message = format!("user `{}` may not have {} written", peer.name, path.display());
    let failure = Failure::new(Class::NoPermission, message).safe("nothing was read or written");
    Err(failure.hint(
        "as root: the same command; or name its directory in the configuration: `control.restore_into = [\"/srv/restores\"]`",
    ))
}
