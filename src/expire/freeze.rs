//! What retention remembers of a target: how far archives were compared, whether it waits for a person's word, and since when for copies.
//!
//! Owns `STATE_DIR/retention/TARGET.json`. Invariant: once nothing is deleted because an archive held suddenly less, nothing is until a
//! person says that he has looked, whatever comes, and across restarts. Where the file cannot be read nothing is deleted either.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::durable::{self, At, DurableError};
use crate::fault;
use crate::ids::{Label, TargetName};
use crate::retention::Compared;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    #[serde(flatten)]
    pub(super) compared: Compared,
    /// Why nothing is deleted.
    #[serde(default)]
    pub(super) frozen: Option<String>,
    /// Since when each archive that retention lets go waits for its copy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) waits: BTreeMap<Label, DateTime<Utc>>,
}

/// What retention remembers is a few lines.
const MEMORY_BYTES: u64 = 1024 * 1024;

fn path(state_dir: &Path, target: &TargetName) -> PathBuf {
    state_dir.join("retention").join(format!("{target}.json"))
}

pub(super) fn read(state_dir: &Path, target: &TargetName) -> Result<Memory, DurableError> {
    let path = path(state_dir, target);
    let text = match crate::trust::read_own(&path, MEMORY_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Memory::default()),
        text => text.at("read", &path)?,
    };
    Ok(serde_json::from_slice(&text).unwrap_or_else(|error| Memory {
        frozen: Some(format!("what retention remembers, {}, cannot be read ({error})", path.display())),
        ..Memory::default()
    }))
}

pub(super) fn write(state_dir: &Path, target: &TargetName, memory: &Memory) -> Result<(), DurableError> {
    let path = path(state_dir, target);
    if let Some(dir) = path.parent() {
        durable::make_dir(dir)?;
    }
    fault::point("prune.remembers");
    let text = serde_json::to_vec(memory).map_err(io::Error::other).at("write", &path)?;
    durable::write(&path, &text)
}

/// Why nothing is deleted and what ends that, in words.
pub(super) fn words(target: &TargetName, why: &str) -> String {
    format!("{why}: nothing is deleted until somebody has looked at this and says so: `upkeep prune {target} --looked`")
}
