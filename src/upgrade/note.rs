//! The note for the day the daemon itself cannot start: what was going on, and the exact way back by hand.
//!
//! Owns `RECOVERY-TARGET.txt` beside the archives, written once the pre-upgrade archive is sealed and removed when the upgrade
//! ends. Advisory: the program never reads it.

use std::path::PathBuf;

use super::UpgradeError;
use super::plan::{Back, Plan, Purpose};
use crate::config::{Location, Target};
use crate::context::Context;
use crate::durable;
use crate::failure::Chain;
use crate::ids::{Label, UpgradeId};
use crate::state_db::catalogue;

fn path(target: &Target) -> PathBuf {
    target.backup.directory.join(format!("RECOVERY-{}.txt", target.name))
}

/// Writes the note.
///
/// # Errors
/// When the catalogue cannot be read or the file cannot be written.
pub(super) async fn leave(
    ctx: &Context,
    target: &Target,
    id: &UpgradeId,
    plan: &Plan,
    archive: &Label,
) -> Result<(), UpgradeError> {
    let file = catalogue::find(&ctx.state, archive).await?.map(|entry| entry.path);
    let file = file.unwrap_or_else(|| target.backup.directory.join(archive.as_str()));
    let by_hand = match &target.database.location {
        Location::Sqlite { path } => format!("zstd -dc {} > {}", file.display(), path.display()),
        Location::Postgres { host, port, user, .. } => {
            format!(
                "createdb -h {host} -p {port} -U {user} NEWDB && zstd -dc {} | psql -v ON_ERROR_STOP=1 -h {host} -p {port} -U {user} NEWDB",
                file.display()
            )
        }
        Location::MySql { host, port, user, .. } => {
            let place = if host.starts_with('/') { format!("-S {host}") } else { format!("-h {host} -P {port}") };
            let mysql = format!("mysql {place} -u {user} -p");
            format!("{mysql} -e 'CREATE DATABASE NEWDB' && zstd -dc {} | {mysql} NEWDB", file.display())
        }
    };
    let release = match (plan.earlier(), plan.back) {
        (Some(earlier), Back::Symlink) => format!("ln -sfn {} {}", earlier.path.display(), plan.release_path.display()),
        (Some(earlier), _) => format!("install version {}", earlier.version),
        (None, _) => "install the earlier version".to_owned(),
    };
    let what = match &plan.purpose {
        Purpose::Rollback { .. } => "a rollback",
        Purpose::Upgrade | Purpose::Adopt => "an upgrade",
    };
    let text = format!(
        "upkeep is in the middle of {what}: {}\n\
         upgrade {id}\n\
         before anything changed, the database was archived, and the archive was read back whole:\n  {}\n\n\
         Start upkeep: it goes on by itself from where it was. Only if it cannot start, the way back by hand is:\n  \
         1. stop the server ({})\n  \
         2. upkeep restore {} {archive} --replace\n     \
         or, without upkeep: {by_hand}\n  \
         3. {release}\n  \
         4. start the server\n\n\
         This note is removed when the upgrade ends. upkeep never reads it.\n",
        plan.headline(),
        file.display(),
        plan.service,
        target.name,
    );
    Ok(durable::write(&path(target), text.as_bytes())?)
}

/// Removes the note. One that stays is an annoyance and is logged.
pub(super) fn remove(target: &Target) {
    let path = path(target);
    if let Some(error) = path.exists().then(|| durable::remove(&path)).and_then(Result::err) {
        tracing::warn!(target = %target.name, reason = %Chain(&error), "the recovery note could not be removed");
    }
}
