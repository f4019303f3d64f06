//! The one-time token by which the daemon's own start of the server passes the gate.
//!
//! Owns `STATE_DIR/gate/TARGET`. Written before a start, removed after it, or when a restored server is healthy. It names the process
//! that wrote it, and is worth nothing once that has ended, so that one left by a crash lets nobody pass; held by
//! `tests/it/promise.rs`. Without it, gate and daemon would wait for each other.

use std::path::{Path, PathBuf};

use crate::durable::{self, DurableError};
use crate::ids::TargetName;
use crate::process::Identity;
use crate::trust;

/// A token longer than this is none.
const TOKEN_BYTES: u64 = 4096;

/// Where the token of a target is.
#[must_use]
pub fn path(state_dir: &Path, target: &TargetName) -> PathBuf {
    state_dir.join("gate").join(target.as_str())
}

/// Lets the next start pass.
///
/// # Errors
/// When it cannot be written.
pub fn grant(state_dir: &Path, target: &TargetName) -> Result<(), DurableError> {
    let path = path(state_dir, target);
    if let Some(dir) = path.parent() {
        durable::make_dir(dir)?;
    }
    // Where the host does not say who we are, nobody could tell later whether we live: then no start passes, and says why.
    let identity = Identity::ours().and_then(|ours| serde_json::to_vec(&ours).ok()).unwrap_or_default();
    durable::write(&path, &identity)
}

/// Takes the permission back. Not there is fine.
///
/// # Errors
/// When it cannot be removed.
pub fn revoke(state_dir: &Path, target: &TargetName) -> Result<(), DurableError> {
    let path = path(state_dir, target);
    // Looked at first: without the directory there never was a token, and nothing to sync.
    if path.exists() { durable::remove(&path) } else { Ok(()) }
}

/// Whether the next start may pass.
#[must_use]
pub fn granted(state_dir: &Path, target: &TargetName) -> bool {
    let read = trust::read_own(&path(state_dir, target), TOKEN_BYTES).ok();
    read.and_then(|bytes| serde_json::from_slice::<Identity>(&bytes).ok()).is_some_and(|granter| granter.lives())
}
