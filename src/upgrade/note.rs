//! The note for the day the daemon itself cannot start: what was going on, and the exact way back by hand.
//!
//! Owns `RECOVERY-TARGET.txt` beside the archives, written once the pre-upgrade archive is sealed and removed when the upgrade
//! ends. Advisory: all that the program ever reads of it is which upgrade it names (`evidence`). What it says is made in [`words`], from what is gathered here. Its commands run, as
//! printed and in their order, in `tests/it/recovery_note.rs`.

mod words;

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::UpgradeError;
use super::plan::{Back, Plan};
use crate::archive::Archive;
use crate::config::{Location, ServiceControl, Target};
use crate::context::Context;
use crate::durable::{self, At, DurableError};
use crate::failure::Chain;
use crate::ids::{Label, UpgradeId};
use crate::state_db::catalogue;
use words::{Facts, Server};

pub(super) fn path(target: &Target) -> PathBuf {
    target.backup.directory.join(format!("RECOVERY-{}.txt", target.name))
}

/// Writes the note.
///
/// # Errors
/// When the catalogue or the archive cannot be read or the file cannot be written.
pub(super) async fn leave(
    ctx: &Context,
    target: &Target,
    id: &UpgradeId,
    plan: &Plan,
    archive: &Label,
) -> Result<(), UpgradeError> {
    let file = catalogue::find(&ctx.state, archive).await?.map(|entry| entry.path);
    let file = file.unwrap_or_else(|| target.backup.directory.join(archive.as_str()));
    let read = file.clone();
    let gathered = tokio::task::spawn_blocking(move || (Archive::open(&read).ok(), digest(&read))).await;
    let (opened, digest) = gathered.map_err(io::Error::other).at("read", &file)?;
    let facts = Facts {
        what: plan.headline(),
        rollback: matches!(plan.purpose, super::plan::Purpose::Rollback { .. }),
        id: id.to_string(),
        target: target.name.to_string(),
        archive: file,
        // A note without the digest is better than none.
        sha256: digest.ok(),
        manifest: opened.as_ref().map(Archive::manifest),
        location: place(&target.database.location),
        tls: target.database.tls.clone(),
        client_bindir: &target.database.client_bindir,
        asks_password: target.database.password.is_some(),
        server: target.service.as_ref().map_or(Server::Unknown, |service| match &service.control {
            ServiceControl::Unit(unit) => Server::Unit(unit.clone()),
            ServiceControl::Commands { start, stop, .. } => Server::Commands { start: start.clone(), stop: stop.clone() },
        }),
        release: release(target, plan),
    };
    Ok(durable::write(&path(target), words::text(&facts).as_bytes())?)
}

/// The file itself where the configuration names a link: the link stays, and the file is what is moved away and put back.
fn place(location: &Location) -> Location {
    match location {
        Location::Sqlite { path } => Location::Sqlite { path: std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()) },
        other => other.clone(),
    }
}

/// How the earlier release comes back, as the plan knows it.
fn release(target: &Target, plan: &Plan) -> words::Release {
    let Some(earlier) = plan.earlier() else { return words::Release::Unknown };
    let revert = target.release.as_ref().and_then(|release| release.revert.as_ref());
    match (plan.back, revert) {
        (Back::Symlink, _) => words::Release::Link { link: plan.release_path.clone(), to: earlier.path.clone() },
        (Back::Command, Some(argv)) => {
            words::Release::Command(argv.iter().map(|word| word.replace("{version}", earlier.version.as_str())).collect())
        }
        _ => words::Release::ByHand(earlier.version.to_string()),
    }
}

/// As `sha256sum` prints it. Reads the whole file once more, which the disk's cache still has.
fn digest(path: &Path) -> Result<String, DurableError> {
    let mut file = crate::trust::open(path).at("read", path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match io::Read::read(&mut file, &mut chunk).at("read", path)? {
            0 => break,
            length => hasher.update(chunk.get(..length).unwrap_or_default()),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Removes the note. One that stays is an annoyance and is logged.
pub(super) fn remove(target: &Target) {
    let path = path(target);
    if let Some(error) = path.exists().then(|| durable::remove(&path)).and_then(Result::err) {
        tracing::warn!(target = %target.name, reason = %Chain(&error), "the recovery note could not be removed");
    }
}
