//! Copies of a release's scripts, kept because the package will delete them.
//!
//! Owns the store of scripts by content and laying a folder out from it, which [`super::scan::scripts`] reads like the release it came
//! from. Never removes.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::error::MigrateError;
use super::kept::{FORM, KeptFile, KeptManifest, MARK};
use super::scan::{FoundFile, MAX_SCRIPT_BYTES, Scripts};
use crate::{durable, fault, trust};

/// One at a time: a look and an upgrade of the same target, or two targets with a script alike, would write one file under one temporary
/// name, and the second would find it published already. Another process is kept out by the lock on the state.
static KEEPING: Mutex<()> = Mutex::new(());

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
        // Not held while a release is read, which may hang.
        let _alone = KEEPING.lock().unwrap_or_else(PoisonError::into_inner);
        if !path.exists() {
            durable::write(&path, &content)?;
        }
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
