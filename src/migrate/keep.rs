//! Copies of a release's scripts, kept because the package will delete them.
//!
//! Owns the store of scripts by content and the folder laid out from it, which [`super::scan::scripts`] reads like the
//! release it came from. Never removes. Invariant: a folder that says it is laid out holds exactly what was kept; it says so last.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::MigrateError;
use super::scan::{FoundFile, MAX_SCRIPT_BYTES, Place, Scripts};
use crate::{durable, fault, trust};

/// The file in a laid-out folder that says what it holds.
const MARK: &str = ".upkeep-kept.json";
/// The longest such file.
const MARK_BYTES: u64 = 64 * 1024 * 1024;
/// The form of [`KeptManifest`] written now.
const FORM: u32 = 1;

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

    /// The directories of all locations that are like this.
    pub(super) fn places_like(&self, root: &Path, like: impl Fn(&str) -> bool) -> Vec<Place> {
        let places = self.locations.iter().enumerate().filter(|(_, location)| like(location));
        places
            .map(|(index, location)| Place { location: location.clone(), path: root.join(format!("location-{index}")) })
            .collect()
    }
}

/// Copies every script, callback and companion into the store `into`, by content. What is there already is not written
/// again, so keeping the same release twice costs a look.
///
/// # Errors
/// When a file cannot be read or written, or changed since it was listed.
pub fn keep(scripts: &Scripts, into: &Path) -> Result<KeptManifest, MigrateError> {
    let files: Vec<&FoundFile> = scripts
        .scripts
        .iter()
        .chain(&scripts.undo)
        .chain(scripts.callbacks.iter().map(|callback| &callback.script))
        .map(|script| &script.file)
        .chain(&scripts.companions)
        .collect();
    durable::make_dir(into)?;
    for file in &files {
        let path = into.join(&file.digest);
        if path.exists() {
            continue;
        }
        let content = file.content()?;
        if blake3::hash(&content).to_hex().as_str() != file.digest {
            let why = "it changed while it was being kept".to_owned();
            return Err(MigrateError::BadScript { path: file.path.clone(), why });
        }
        durable::write(&path, &content)?;
    }
    fault::point("migrate.kept");
    let kept =
        |file: &&FoundFile| KeptFile { location: file.location, script: file.script.clone(), digest: file.digest.clone() };
    Ok(KeptManifest {
        form: FORM,
        locations: scripts.locations.iter().map(|place| place.location.clone()).collect(),
        files: files.iter().map(kept).collect(),
    })
}

/// Lays the kept scripts out in the new folder `dir`, which then serves as a scripts root. Safe to repeat.
///
/// # Errors
/// When a kept file is missing or damaged, or a file cannot be written.
pub fn lay_out(kept: &KeptManifest, store: &Path, dir: &Path) -> Result<(), MigrateError> {
    for index in 0..kept.locations.len() {
        durable::make_dir(&dir.join(format!("location-{index}")))?;
    }
    for file in &kept.files {
        let stored = store.join(&file.digest);
        let content =
            trust::read_own(&stored, MAX_SCRIPT_BYTES).map_err(|source| MigrateError::Read { path: stored.clone(), source })?;
        if blake3::hash(&content).to_hex().as_str() != file.digest {
            return Err(MigrateError::Kept { path: stored, why: "its content is not what its name says".to_owned() });
        }
        let path = dir.join(format!("location-{}", file.location)).join(inside(&file.script)?);
        if let Some(parent) = path.parent() {
            durable::make_dir(parent)?;
        }
        durable::write(&path, &content)?;
    }
    let mark = dir.join(MARK);
    let text =
        serde_json::to_vec_pretty(kept).map_err(|error| MigrateError::Kept { path: mark.clone(), why: error.to_string() })?;
    // Last: until the mark is there the folder is no scripts root.
    durable::write(&mark, &text)?;
    fault::point("migrate.laid-out");
    Ok(())
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

/// A kept path, when it leads nowhere but into the folder.
fn inside(script: &str) -> Result<&Path, MigrateError> {
    let path = Path::new(script);
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if plain {
        Ok(path)
    } else {
        Err(MigrateError::Kept { path: path.to_owned(), why: "it leads out of its folder".to_owned() })
    }
}
