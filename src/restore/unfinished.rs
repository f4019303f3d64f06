//! The mark that a restore has begun and not ended: one small file per target in the state directory.
//!
//! Written before the first change and removed after the last comparison, so that whoever looks in between, or after a
//! crash, sees it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::durable::{self, At, DurableError};
use crate::engine::LoadMode;
use crate::ids::{Label, TargetName};

/// A restore that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The archive.
    pub label: Label,
    /// Where it goes.
    pub location: String,
    /// How.
    pub mode: LoadMode,
    /// When it began to change the destination.
    pub begun_at: DateTime<Utc>,
    /// The archive taken of the destination before.
    pub safety: Option<Label>,
}

fn path(state_dir: &Path, target: &TargetName) -> PathBuf {
    state_dir.join(format!("restore-{target}.json"))
}

/// The restore of a target that has not ended, if there is one.
///
/// # Errors
/// When there is a mark and it cannot be read.
pub fn unfinished(state_dir: &Path, target: &TargetName) -> Result<Option<Unfinished>, DurableError> {
    let path = path(state_dir, target);
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => {
            let mark = serde_json::from_slice(&read.at("read", &path)?).map_err(io::Error::from);
            Ok(Some(mark.at("understand", &path)?))
        }
    }
}

pub(super) fn mark(state_dir: &Path, target: &TargetName, mark: &Unfinished) -> Result<(), DurableError> {
    let path = path(state_dir, target);
    let json = serde_json::to_vec_pretty(mark).map_err(io::Error::from).at("write", &path)?;
    durable::write(&path, &json)
}

pub(super) fn clear(state_dir: &Path, target: &TargetName) -> Result<(), DurableError> {
    durable::remove(&path(state_dir, target))
}
