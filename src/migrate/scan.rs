//! The scripts of a release: found, named, hashed.
//!
//! Owns where scripts are looked for and what is taken for one. Never runs or changes anything. Invariant: the same folder
//! gives the same list in the same order, and whatever cannot be read is an error that names it: an upgrade must not silently
//! apply less than the release holds. Held by `scan/tests.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checksum;
use super::error::MigrateError;
use super::keep;
use super::naming::{self, Kind, Name};
use super::version::MigrationVersion;
use crate::config::Migrations;

/// The largest script read, in bytes. One script is held in memory at a time; data of this size belongs into a loader.
const MAX_SCRIPT_BYTES: u64 = 64 * 1024 * 1024;
/// How deep below a location scripts may lie; deeper is a loop of symbolic links.
const MAX_DEPTH: usize = 32;

/// One migration script of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its kind.
    pub kind: Kind,
    /// Its version; none exactly for repeatable ones.
    pub version: Option<MigrationVersion>,
    /// Its description.
    pub description: String,
    /// The file, and which location it is of.
    pub file: FoundFile,
    /// Flyway's checksum of the text as it is.
    pub checksum: i32,
}

/// A file found below a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundFile {
    /// Index into [`Scripts::locations`].
    pub location: usize,
    /// Its path relative to the location, with `/`: what the history table's `script` column says.
    pub script: String,
    /// Its path.
    pub path: PathBuf,
    /// BLAKE3 of its bytes, hex.
    pub digest: String,
    /// Its size.
    pub bytes: u64,
}

/// A file that is no migration but is Flyway's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The file.
    pub file: FoundFile,
    /// What it is.
    pub what: AsideKind,
}

/// What a file beside the migrations is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsideKind {
    /// A callback for this event.
    Callback(&'static str),
    /// A script's companion.
    Companion,
}

/// A file in a location that nothing is done with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftAlone {
    /// Its path relative to the location.
    pub script: String,
    /// Why, as a clause.
    pub why: String,
}

/// A place scripts were looked for in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// As configured, with the engine's name put in.
    pub location: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Everything found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scripts {
    /// Where was looked.
    pub locations: Vec<Place>,
    /// The migrations, in the order of their paths.
    pub scripts: Vec<Script>,
    /// Callbacks and companions.
    pub asides: Vec<Aside>,
    /// The rest.
    pub left_alone: Vec<LeftAlone>,
}

/// Lists and hashes the scripts of a release. `flavour` is the engine's name for `{engine}` (`postgresql`); `root` is the
/// release's directory or a folder that [`keep::lay_out`] made.
///
/// # Errors
/// When a location does not exist, or a script cannot be read, is not UTF-8, or has a name that is almost a migration's.
pub fn scripts(settings: &Migrations, flavour: &str, root: &Path) -> Result<Scripts, MigrateError> {
    let mut found = Scripts::default();
    let kept = keep::laid_out(root)?;
    for configured in &settings.locations {
        let location = configured.replace("{engine}", flavour);
        let path = match &kept {
            Some(kept) => kept.place(&location).map(|name| root.join(name)).unwrap_or_else(|| root.join(&location)),
            None => root.join(plain(&location)?),
        };
        if !path.is_dir() {
            return Err(MigrateError::NoLocation { location, path });
        }
        found.locations.push(Place { location, path });
    }
    for index in 0..found.locations.len() {
        let top = found.locations.get(index).map(|place| place.path.clone()).unwrap_or_default();
        for path in files_below(&top)? {
            take(&mut found, settings, index, &top, path)?;
        }
    }
    Ok(found)
}

impl Script {
    /// The script's text, without its byte order mark, as it was when it was listed.
    ///
    /// # Errors
    /// When it cannot be read or is not what it was.
    pub fn text(&self) -> Result<String, MigrateError> {
        let text = self.raw_text()?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }

    /// The same with its byte order mark.
    pub(super) fn raw_text(&self) -> Result<String, MigrateError> {
        let (text, digest) = read(&self.file.path)?;
        if digest != self.file.digest {
            let why = "it changed while migrations were being prepared".to_owned();
            return Err(MigrateError::BadScript { path: self.file.path.clone(), why });
        }
        Ok(text)
    }

    /// The file's name without directories, for `${flyway:filename}`.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.file.script.rsplit('/').next().unwrap_or(&self.file.script)
    }
}

/// A location as a path. Flyway's `filesystem:` is what all ours are; its other schemes are not ours to read.
fn plain(location: &str) -> Result<&str, MigrateError> {
    let bad = |why| Err(MigrateError::BadLocation { location: location.to_owned(), why });
    let path = location.strip_prefix("filesystem:").unwrap_or(location);
    if path.starts_with("classpath:") || path.starts_with("s3:") || path.starts_with("gcs:") {
        return bad("only directories of the file system hold scripts we can read");
    }
    if path.contains(['*', '?']) {
        return bad("name each directory; wildcards are not resolved");
    }
    Ok(path)
}

/// Every file below a directory, sorted by path. Hidden directories are skipped (Kubernetes keeps old versions in `..data`),
/// hidden files are not.
fn files_below(top: &Path) -> Result<Vec<PathBuf>, MigrateError> {
    let mut files = Vec::new();
    let mut directories = vec![(top.to_owned(), 0)];
    while let Some((directory, depth)) = directories.pop() {
        let failed = |source| MigrateError::Read { path: directory.clone(), source };
        if depth > MAX_DEPTH {
            let why = "directories nest too deep: a symbolic link points upwards".to_owned();
            return Err(MigrateError::BadScript { path: directory, why });
        }
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            // Follows symbolic links: a location may be made of them.
            let kind = fs::metadata(&path).map_err(|source| MigrateError::Read { path: path.clone(), source })?;
            match (kind.is_dir(), hidden) {
                (true, false) => directories.push((path, depth + 1)),
                (true, true) => {}
                (false, _) => files.push(path),
            }
        }
    }
    files.sort();
    Ok(files)
}

fn take(found: &mut Scripts, settings: &Migrations, location: usize, top: &Path, path: PathBuf) -> Result<(), MigrateError> {
    let bad = |path: &Path, why: &str| MigrateError::BadScript { path: path.to_owned(), why: why.to_owned() };
    let relative = path.strip_prefix(top).ok().and_then(Path::to_str);
    let script = relative.ok_or_else(|| bad(&path, "its name is not UTF-8"))?.to_owned();
    let name = script.rsplit('/').next().unwrap_or(&script);
    let name = naming::parse(name, settings).map_err(|error| bad(&path, &error.to_string()))?;
    if let Name::Other { why } = name {
        found.left_alone.push(LeftAlone { script, why: why.to_owned() });
        return Ok(());
    }
    let (text, digest) = read(&path)?;
    let file = FoundFile { location, script, path, digest, bytes: text.len() as u64 };
    if found
        .scripts
        .iter()
        .map(|known| &known.file)
        .chain(found.asides.iter().map(|known| &known.file))
        .any(|known| known.path == file.path)
    {
        // One location lies within another: the file was taken already.
        return Ok(());
    }
    match name {
        Name::Migration { kind, version, description } => {
            let checksum = checksum::of(&text);
            found.scripts.push(Script { kind, version, description, file, checksum });
        }
        Name::Callback { event } => found.asides.push(Aside { file, what: AsideKind::Callback(event) }),
        Name::Companion => found.asides.push(Aside { file, what: AsideKind::Companion }),
        Name::Other { .. } => {}
    }
    Ok(())
}

/// A file's text and the digest of its bytes.
fn read(path: &Path) -> Result<(String, String), MigrateError> {
    let failed = |source| MigrateError::Read { path: path.to_owned(), source };
    let bad = |why: String| MigrateError::BadScript { path: path.to_owned(), why };
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > MAX_SCRIPT_BYTES {
        return Err(bad(format!("it has {bytes} bytes, more than the {MAX_SCRIPT_BYTES} a script may have")));
    }
    let content = fs::read(path).map_err(failed)?;
    let digest = blake3::hash(&content).to_hex().to_string();
    let text = String::from_utf8(content).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        bad(format!("line {} is not UTF-8", before.iter().filter(|&&byte| byte == b'\n').count() + 1))
    })?;
    Ok((text, digest))
}

#[cfg(test)]
mod tests;
