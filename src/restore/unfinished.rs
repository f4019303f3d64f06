//! The mark that a restore has begun and not ended: one small file per target and destination in the state directory.
//!
//! Written before the first change and removed after the last comparison, so that whoever looks in between, or after a
//! crash, sees it.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::config::Location;
use crate::durable::{self, At, DurableError};
use crate::engine::LoadMode;
use crate::ids::{Label, TargetName};
use crate::text;
use crate::trust;

/// A mark longer than this is none.
const MARK_BYTES: u64 = 1024 * 1024;

/// A restore that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The archive.
    pub label: Label,
    /// Where it goes.
    pub location: String,
    /// The target that the archive is of, where it is another than the one whose database it goes into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<TargetName>,
    /// How.
    pub mode: LoadMode,
    /// When it began to change the destination.
    pub begun_at: DateTime<Utc>,
    /// The archive taken of the destination before.
    pub safety: Option<Label>,
}

impl Unfinished {
    /// Whether the destination may be neither what it was nor what was to come: a replacing load is done or undone as a
    /// whole, any other leaves what it had loaded.
    #[must_use]
    pub fn half_way(&self) -> bool {
        self.mode != LoadMode::Replace
    }

    /// The command that ends it, for people.
    #[must_use]
    pub fn command(&self, into: &TargetName) -> String {
        match &self.of {
            None => format!("upkeep restore {into} {}", self.label),
            Some(of) => text::shell(&["upkeep", "restore", of.as_str(), self.label.as_str(), "--into", self.location.as_str()]),
        }
    }
}

/// Where a restore goes.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// The target's own database.
    Own,
    /// Another one.
    Other {
        /// Its address.
        location: &'a Location,
        /// What it is, whatever its address, where it could be asked.
        identity: Option<&'a str>,
    },
}

/// No target's name holds an `@`.
fn path(state_dir: &Path, target: &TargetName, place: Place<'_>) -> PathBuf {
    match place {
        Place::Own => state_dir.join(format!("restore-{target}.json")),
        Place::Other { location, identity } => {
            let key = identity.map_or_else(|| location.to_string(), str::to_owned);
            let digest = blake3::hash(key.as_bytes()).to_hex();
            state_dir.join(format!("restore-{target}@{}.json", &digest[..16]))
        }
    }
}

/// The restore into a target's own database that has not ended, if there is one.
///
/// # Errors
/// When there is a mark and it cannot be read.
pub fn unfinished(state_dir: &Path, target: &TargetName) -> Result<Option<Unfinished>, DurableError> {
    unfinished_in(state_dir, target, Place::Own)
}

/// The same for any place.
///
/// # Errors
/// When there is a mark and it cannot be read.
pub fn unfinished_in(state_dir: &Path, target: &TargetName, place: Place<'_>) -> Result<Option<Unfinished>, DurableError> {
    let Some(mut mark) = read(&path(state_dir, target, place))? else {
        // An earlier release, or one that could not ask, went by the address.
        return match place {
            Place::Other { location, identity: Some(_) } => {
                read(&path(state_dir, target, Place::Other { location, identity: None }))
            }
            _ => Ok(None),
        };
    };
    if let Place::Other { location, identity: Some(_) } = place {
        // The same database, whatever it was called then.
        mark.location = location.to_string();
    }
    Ok(Some(mark))
}

fn read(path: &Path) -> Result<Option<Unfinished>, DurableError> {
    match trust::read_own(path, MARK_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => {
            let mark = serde_json::from_slice(&read.at("read", path)?).map_err(io::Error::from);
            Ok(Some(mark.at("understand", path)?))
        }
    }
}

pub(super) fn mark(state_dir: &Path, target: &TargetName, place: Place<'_>, mark: &Unfinished) -> Result<(), DurableError> {
    let path = path(state_dir, target, place);
    let json = serde_json::to_vec_pretty(mark).map_err(io::Error::from).at("write", &path)?;
    durable::write(&path, &json)
}

pub(crate) fn clear(state_dir: &Path, target: &TargetName, place: Place<'_>) -> Result<(), DurableError> {
    durable::remove(&path(state_dir, target, place))?;
    match place {
        Place::Other { location, identity: Some(_) } => {
            durable::remove(&path(state_dir, target, Place::Other { location, identity: None }))
        }
        _ => Ok(()),
    }
}
