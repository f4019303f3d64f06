//! What a release of OpenMetadata has on the disk: its directories of migrations and its scripts for Flyway.
//!
//! Owns reading names, never contents: what the statements do is the vendor's tool's business. Paths are walked by handle below the
//! release, as whoever owns it decides what lies there.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use rustix::fs::FileType;

use super::conf;
use crate::trust::Base;

/// Where the migrations are when the configuration does not say otherwise.
const NATIVE: &str = "bootstrap/sql/migrations/native";

/// Where Flyway's scripts are, below which each driver has a directory: until 1.0, and since.
const FLYWAY: [&str; 2] = ["bootstrap/sql", "bootstrap/sql/migrations/flyway"];

/// The two drivers' directories.
const DRIVERS: [&str; 2] = ["com.mysql.cj.jdbc.Driver", "org.postgresql.Driver"];

/// More names than any release has.
const NAMES: usize = 10_000;

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// Where the migrations were looked for, below the release.
    pub native_path: String,
    /// Their versions.
    pub native: BTreeSet<String>,
    /// The versions of an extension's migrations, if one is configured.
    pub extension: BTreeSet<String>,
    /// The versions of Flyway's scripts.
    pub flyway: BTreeSet<String>,
    /// Directories among the migrations that are no versions.
    pub strange: Vec<String>,
}

/// Reads them.
///
/// # Errors
/// When a directory is there and cannot be read; in words.
pub fn read(root: &Path) -> Result<Files, String> {
    let paths = conf::migration_paths(root);
    let mut files = Files { native_path: paths.native.unwrap_or_else(|| NATIVE.to_owned()), ..Files::default() };
    (files.native, files.strange) = versions(&root.join(&files.native_path))?;
    if let Some(path) = paths.extension {
        let (extension, strange) = versions(&root.join(&path))?;
        if extension.is_empty() {
            return Err(format!(
                "`extensionPath` in conf/openmetadata.yaml names {path}, and there are no migrations: correct it"
            ));
        }
        files.extension = extension;
        files.strange.extend(strange);
    }
    for dir in FLYWAY.iter().flat_map(|dir| DRIVERS.iter().map(move |driver| root.join(dir).join(driver))) {
        let scripts = names(&dir)?.map(|(_, names)| names).unwrap_or_default();
        files.flyway.extend(scripts.iter().filter_map(|name| script(name)));
    }
    Ok(files)
}

/// Whether a release of OpenMetadata lies there.
#[must_use]
pub fn is_release(root: &Path) -> bool {
    let libs = names(&root.join("libs")).ok().flatten().map(|(_, names)| names).unwrap_or_default();
    libs.iter().any(|name| name.starts_with("openmetadata-service-") && name.ends_with(".jar"))
}

/// The directories below `path` that are versions, and those that are none.
fn versions(path: &Path) -> Result<(BTreeSet<String>, Vec<String>), String> {
    let (mut versions, mut strange) = (BTreeSet::new(), Vec::new());
    let Some((base, names)) = names(path)? else { return Ok((versions, strange)) };
    for name in names {
        let kind = base.kind(Path::new(&name));
        let kind = kind.map_err(|error| format!("cannot look at {}: {error}", path.join(&name).display()))?;
        // A file beside them is a note for people.
        if kind == FileType::Directory && is_version(&name) {
            versions.insert(name);
        } else if kind == FileType::Directory && !name.starts_with('.') {
            strange.push(path.join(&name).display().to_string());
        }
    }
    Ok((versions, strange))
}

/// The names in a directory, sorted; none where it is not there.
fn names(path: &Path) -> Result<Option<(Base, Vec<String>)>, String> {
    let listed = Base::open(path).and_then(|base| {
        let names = base.names(Path::new("."), NAMES)?;
        Ok((base, names))
    });
    match listed {
        Ok((base, names)) => {
            let mut names: Vec<String> = names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
            names.sort();
            Ok(Some((base, names)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot look into {}: {error}", path.display())),
    }
}

/// Three numbers or more, and what may stand behind a dash (`1.2.0`, `1.10.1-collate`).
fn is_version(name: &str) -> bool {
    let numbers: Vec<&str> = name.split('-').next().unwrap_or_default().split('.').collect();
    numbers.len() >= 3 && numbers.iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()))
}

/// The version of a Flyway script (`v016__add.sql`).
fn script(name: &str) -> Option<String> {
    let version = name.strip_prefix('v').or_else(|| name.strip_prefix('V'))?.strip_suffix(".sql")?.split_once("__")?.0;
    (!version.is_empty() && version.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '_')).then(|| version.to_owned())
}
