//! The one-time token by which the daemon's own start of the server passes the gate.
//!
//! Owns `STATE_DIR/gate/TARGET`. Written before a start, removed after it; a crash in between leaves one token, which the
//! driver removes when it goes on. Without it, gate and daemon would wait for each other.

use std::path::{Path, PathBuf};

use crate::durable::{self, DurableError};
use crate::ids::TargetName;

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
    durable::write(&path, b"the daemon itself starts the server\n")
}

/// Takes the permission back. Not there is fine.
///
/// # Errors
/// When it cannot be removed.
pub fn revoke(state_dir: &Path, target: &TargetName) -> Result<(), DurableError> {
    // Looked at first: without the directory there never was a token, and nothing to sync.
    if granted(state_dir, target) { durable::remove(&path(state_dir, target)) } else { Ok(()) }
}

/// Whether the next start may pass.
#[must_use]
pub fn granted(state_dir: &Path, target: &TargetName) -> bool {
    path(state_dir, target).exists()
}
