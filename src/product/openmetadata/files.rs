//! What a release of OpenMetadata has on the disk: its directories of migrations and its scripts for Flyway.
//!
//! Owns reading names, never contents: what the statements do is the vendor's tool's business. Paths are walked by handle below the
//! release, as whoever owns it decides what lies there, and no link leads out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use rustix::fs::FileType;

use super::conf;
use crate::text;
use crate::trust::Base;

/// Where the migrations are when the configuration does not say otherwise.
const NATIVE: &str = "bootstrap/sql/migrations/native";

/// Where Flyway's scripts are, below which each driver has a directory: until 1.0, and since.
const FLYWAY: [&str; 2] = ["bootstrap/sql", "bootstrap/sql/migrations/flyway"];

/// The two drivers' directories.
const DRIVERS: [&str; 2] = ["com.mysql.cj.jdbc.Driver", "org.postgresql.Driver"];

/// The engines' directories of a migration.
const ENGINES: [&str; 2] = ["mysql", "postgres"];

/// The tool since 1.3.
const NEWER_TOOL: &str = "bootstrap/openmetadata-ops.sh";

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

/// Reads them; `variables` is what the tool gets.
///
/// # Errors
/// When a directory is there and cannot be read, or what says where they are; in words.
pub fn read(root: &Path, variables: &BTreeMap<String, String>) -> Result<Files, String> {
    let mut paths = conf::migration_paths(root, variables)?;
    if !root.join(NEWER_TOOL).exists() {
        // The older tool does not go by the configuration.
        paths.native = None;
    }
    let native_path = paths.native.unwrap_or_else(|| NATIVE.to_owned());
    let mut files = Files { native_path: text::line(&native_path).into_owned(), ..Files::default() };
    (files.native, files.strange) = versions(root, &native_path)?;
    if let Some(path) = paths.extension {
        let (extension, strange) = versions(root, &path)?;
        if extension.is_empty() {
            let path = text::line(&path);
            return Err(format!(
                "`extensionPath` in conf/openmetadata.yaml names {path}, and there are no migrations: correct it"
            ));
        }
        files.extension = extension;
        files.strange.extend(strange);
    }
    for dir in FLYWAY.iter().flat_map(|dir| DRIVERS.iter().map(move |driver| format!("{dir}/{driver}"))) {
        let scripts = names(root, &dir)?.map(|(_, names)| names).unwrap_or_default();
        files.flyway.extend(scripts.iter().filter_map(|name| script(name)));
    }
    Ok(files)
}

/// The directories below `path` that are versions, and those that are none and hold an engine's migrations all the same.
fn versions(root: &Path, path: &str) -> Result<(BTreeSet<String>, Vec<String>), String> {
    let (mut versions, mut strange) = (BTreeSet::new(), Vec::new());
    let Some((base, names)) = names(root, path)? else { return Ok((versions, strange)) };
    for name in names {
        let of = |below: &str| base.kind(&Path::new(path).join(&name).join(below));
        let kind = of("").map_err(|error| format!("cannot look at {}: {error}", shown(root, &format!("{path}/{name}"))))?;
        if kind != FileType::Directory {
            // A file beside them is a note for people.
            continue;
        }
        if is_version(&name) {
            versions.insert(name);
        } else if ENGINES.iter().any(|engine| of(engine).is_ok_and(|kind| kind == FileType::Directory)) {
            strange.push(text::line(&format!("{path}/{name}")).into_owned());
        }
    }
    Ok((versions, strange))
}

/// The names in a directory, sorted, and the release that it is below; none where it is not there. A whole path that the configuration
/// names is where the server's user says, and no link leads out of it.
fn names(root: &Path, path: &str) -> Result<Option<(Base, Vec<String>)>, String> {
    let from = if Path::new(path).is_absolute() { Path::new(path) } else { root };
    let listed = Base::open(from).and_then(|base| {
        let names = base.names(Path::new(path), NAMES)?;
        Ok((base, names))
    });
    match listed {
        Ok((base, names)) => {
            let mut names: Vec<String> = names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
            names.sort();
            Ok(Some((base, names)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot look into {}: {error}", shown(root, path))),
    }
}

/// A path for people.
fn shown(root: &Path, path: &str) -> String {
    text::line(&root.join(path).display().to_string()).into_owned()
}

/// Whether a release of OpenMetadata lies there.
#[must_use]
pub fn is_release(root: &Path) -> bool {
    let libs = names(root, "libs").ok().flatten().map(|(_, names)| names).unwrap_or_default();
    libs.iter().any(|name| name.starts_with("openmetadata-service-") && name.ends_with(".jar"))
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
