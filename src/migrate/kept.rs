//! What was kept of a release's scripts, and the folder laid out from it.
//!
//! Invariant: a folder that says it is laid out holds exactly what was kept; it says so last.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::MigrateError;
use crate::trust;

/// The file in a laid-out folder that says what it holds.
pub(super) const MARK: &str = ".upkeep-kept.json";
/// The longest such file.
const MARK_BYTES: u64 = 64 * 1024 * 1024;
/// The form of [`KeptManifest`] written now.
pub(super) const FORM: u32 = 1;

/// What was kept of one release: enough to lay the same folder out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptManifest {
    /// The form of this document.
    pub form: u32,
    /// The locations, as configured with the engine's name put in.
    pub locations: Vec<String>,
    /// The files.
    pub files: Vec<KeptFile>,
}

/// One kept file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Index into the locations.
    pub location: usize,
    /// Path relative to the location.
    pub script: String,
    /// BLAKE3 of the content, hex: its name in the store.
    pub digest: String,
}

impl KeptManifest {
    /// The directory a location has in a laid-out folder.
    pub(super) fn place(&self, location: &str) -> Option<String> {
        self.locations.iter().position(|known| known == location).map(|index| format!("location-{index}"))
    }

    /// All locations that are like this, with their directories.
    pub(super) fn places_like(&self, root: &Path, like: impl Fn(&str) -> bool) -> Vec<(String, PathBuf)> {
        let places = self.locations.iter().enumerate().filter(|(_, location)| like(location));
        places.map(|(index, location)| (location.clone(), root.join(format!("location-{index}")))).collect()
    }
}

/// What a folder was laid out from; none for a release's own directory.
pub(super) fn laid_out(root: &Path) -> Result<Option<KeptManifest>, MigrateError> {
    let mark = root.join(MARK);
    let text = match trust::read(&mark, MARK_BYTES) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(MigrateError::Read { path: mark, source }),
    };
    let kept: KeptManifest =
        serde_json::from_slice(&text).map_err(|error| MigrateError::Kept { path: mark.clone(), why: error.to_string() })?;
    if kept.form != FORM {
        return Err(MigrateError::Kept { path: mark, why: format!("form {} is not known here", kept.form) });
    }
    let named: BTreeSet<PathBuf> =
        kept.files.iter().map(|file| root.join(format!("location-{}", file.location)).join(&file.script)).collect();
    match named.iter().find(|path| !path.is_file()) {
        Some(path) => Err(MigrateError::Kept { path: path.clone(), why: "it is missing".to_owned() }),
        None => Ok(Some(kept)),
    }
}
