//! The scripts of a release: found, named, hashed.
//!
//! Owns where scripts are looked for and what is taken for one. Never runs or changes anything. Invariant: the same folder
//! gives the same list in the same order, and whatever cannot be read is an error that names it: an upgrade must not silently
//! apply less than the release holds. A script is a regular file of the release, which no link leads out of (`trust`). Held by
//! `scan/tests.rs`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checksum;
use super::companion::Companion;
use super::encoding::Encoding;
use super::error::MigrateError;
use super::kept;
use super::naming::{self, Kind, Name};
use super::version::MigrationVersion;
use crate::config::Migrations;
use crate::trust::{self, Base, Refused};

/// The largest script read, in bytes. One script is held in memory at a time, and a statement of this size takes seven times as much on
/// its way to SQLite; data of this size belongs into a loader.
pub(super) const MAX_SCRIPT_BYTES: u64 = 100 * 1024 * 1024;
/// How many files and directories may lie in one directory below a location; more is no folder of scripts.
const MAX_NAMES: usize = 100_000;
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
    /// What its companion says.
    pub companion: Companion,
    /// What its bytes are read as.
    encoding: Encoding,
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
    /// The directory out of which no link to it may lead: the release, or a location that lies elsewhere.
    #[serde(skip)]
    base: PathBuf,
    /// BLAKE3 of its bytes, hex.
    pub digest: String,
    /// Its size.
    pub bytes: u64,
}

/// SQL that runs at an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The event.
    pub event: &'static str,
    /// The script; it has no version.
    pub script: Script,
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
    /// What takes migrations back.
    pub undo: Vec<Script>,
    /// Callbacks, in the order in which those of one event run.
    pub callbacks: Vec<Callback>,
    /// Companions of the above.
    pub companions: Vec<FoundFile>,
    /// The rest.
    pub left_alone: Vec<LeftAlone>,
}

/// Lists and hashes the scripts of a release. `flavour` is the engine's name for `{engine}` (`postgresql`); `root` is the
/// release's directory or a folder that [`super::keep::lay_out`] made.
///
/// # Errors
/// When a location does not exist, or a script cannot be read, is not text in its encoding, or has a name that is almost a
/// migration's.
pub fn scripts(settings: &Migrations, flavour: &str, root: &Path) -> Result<Scripts, MigrateError> {
    let mut found = Scripts::default();
    let kept = kept::laid_out(root)?;
    for configured in &settings.locations {
        let location = configured.replace("{engine}", flavour);
        let path = match &kept {
            Some(kept) => kept.place(&location).map(|name| root.join(name)).unwrap_or_else(|| root.join(&location)),
            None => root.join(plain(&location)?),
        };
        if location.contains(['*', '?']) {
            found.locations.extend(match &kept {
                Some(kept) => {
                    let like = kept.places_like(root, |known| matches(location.as_bytes(), known.as_bytes()));
                    like.into_iter().map(|(location, path)| Place { location, path }).collect()
                }
                None => wild(&location, root, &path)?,
            });
            continue;
        }
        if !path.is_dir() {
            return Err(MigrateError::NoLocation { location, path });
        }
        found.locations.push(Place { location, path });
    }
    for index in 0..found.locations.len() {
        let top = found.locations.get(index).map(|place| place.path.clone()).unwrap_or_default();
        let base = base_of(root, &top)?;
        let files = walk(&base, &top)?.1;
        let conf = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "conf");
        // Companions first: they say how their scripts are read.
        for path in files.iter().filter(|path| conf(path)).chain(files.iter().filter(|path| !conf(path))) {
            take(&mut found, settings, (index, &top), &base, path.clone())?;
        }
    }
    found.left_alone.sort_by(|a, b| a.script.cmp(&b.script));
    found.callbacks.sort_by(|a, b| a.script.description.encode_utf16().cmp(b.script.description.encode_utf16()));
    Ok(found)
}

impl FoundFile {
    /// Its bytes as they are now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn content(&self) -> Result<Vec<u8>, MigrateError> {
        content(&opened(&self.base)?, &self.path)
    }
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
        let base = opened(&self.file.base)?;
        let (text, digest, _) = read(&base, &self.file.path, self.encoding)?;
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
    Ok(path)
}

/// The directory that a location's files may not lead out of: the release, or the location itself where it lies elsewhere.
fn base_of(root: &Path, top: &Path) -> Result<Base, MigrateError> {
    let inside = top.strip_prefix(root).is_ok_and(|rest| !rest.components().any(|part| part.as_os_str() == ".."));
    opened(if inside { root } else { top })
}

fn opened(path: &Path) -> Result<Base, MigrateError> {
    Base::open(path).map_err(|source| MigrateError::Read { path: path.to_owned(), source })
}

/// Every directory and every file below a directory, each sorted by path. Hidden directories are skipped (Kubernetes keeps old versions in
/// `..data`), hidden files are not. Follows links that stay in the base: a location may be made of them.
fn walk(base: &Base, top: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), MigrateError> {
    let (mut files, mut found) = (Vec::new(), Vec::new());
    let mut directories = vec![(top.to_owned(), 0)];
    while let Some((directory, depth)) = directories.pop() {
        let failed = |path: &Path, source| MigrateError::Read { path: path.to_owned(), source };
        if depth > MAX_DEPTH {
            let why = "directories nest too deep: a symbolic link points upwards".to_owned();
            return Err(MigrateError::BadScript { path: directory, why });
        }
        let names = base.names(below(base, &directory), MAX_NAMES).map_err(|source| failed(&directory, source))?;
        if files.len() + found.len() + names.len() > MAX_NAMES {
            return Err(failed(top, Refused::TooMany(MAX_NAMES).into()));
        }
        for name in names {
            let path = directory.join(&name);
            let hidden = name.as_encoded_bytes().starts_with(b".");
            let kind = base.kind(below(base, &path)).map_err(|source| failed(&path, source))?;
            match (kind.is_dir(), hidden) {
                (true, false) => directories.push((path, depth + 1)),
                (true, true) => {}
                (false, _) => files.push(path),
            }
        }
        found.push(directory);
    }
    files.sort();
    found.sort();
    Ok((found, files))
}

/// A path as the base knows it.
fn below<'a>(base: &Base, path: &'a Path) -> &'a Path {
    path.strip_prefix(base.path()).unwrap_or(path)
}

fn take(
    found: &mut Scripts,
    settings: &Migrations,
    (location, top): (usize, &Path),
    base: &Base,
    path: PathBuf,
) -> Result<(), MigrateError> {
    let bad = |why: String| MigrateError::BadScript { path: path.clone(), why };
    let relative = path.strip_prefix(top).ok().and_then(Path::to_str);
    let script = relative.ok_or_else(|| bad("its name is not UTF-8".to_owned()))?.to_owned();
    let name = script.rsplit('/').next().unwrap_or(&script);
    let name = naming::parse(name, settings).map_err(|error| bad(error.to_string()))?;
    if let Name::Other { why } = name {
        found.left_alone.push(LeftAlone { script, why: why.to_owned() });
        return Ok(());
    }
    let all = found.scripts.iter().chain(&found.undo).chain(found.callbacks.iter().map(|callback| &callback.script));
    if all.map(|script| &script.file).chain(&found.companions).any(|known| known.path == path) {
        // One location lies within another: the file was taken already.
        return Ok(());
    }
    let companion_of = |file: &Path| -> Result<Companion, MigrateError> {
        let mut name = file.as_os_str().to_owned();
        name.push(".conf");
        match found.companions.iter().find(|companion| companion.path.as_os_str() == name) {
            Some(companion) => Companion::read(&read(base, &companion.path, Encoding::Utf8)?.0)
                .map_err(|why| MigrateError::BadScript { path: companion.path.clone(), why }),
            None => Ok(Companion::default()),
        }
    };
    let companion = companion_of(&path)?;
    let encoding = match companion.encoding {
        _ if name == Name::Companion => Encoding::Utf8,
        Some(encoding) => encoding,
        None => Encoding::named(&settings.encoding).map_err(bad)?,
    };
    let (text, digest, bytes) = read(base, &path, encoding)?;
    let file = FoundFile { location, script, path, base: base.path().to_owned(), digest, bytes };
    let script = |kind, version, description, file| Script {
        kind,
        version,
        description,
        file,
        checksum: checksum::of(&text),
        companion,
        encoding,
    };
    match name {
        Name::Migration { kind, version, description } => found.scripts.push(script(kind, version, description, file)),
        Name::Undo { version, description } => {
            found.undo.push(script(Kind::Versioned, Some(version), description, file));
        }
        Name::Callback { event, description } => {
            found.callbacks.push(Callback { event, script: script(Kind::Repeatable, None, description, file) });
        }
        Name::Companion => {
            Companion::read(&text).map_err(|why| MigrateError::BadScript { path: file.path.clone(), why })?;
            found.companions.push(file);
        }
        Name::Other { .. } => {}
    }
    Ok(())
}

/// The directories a location with wildcards names; there must be one. `*` and `?` stay within a name, `**` does not.
fn wild(location: &str, root: &Path, path: &Path) -> Result<Vec<Place>, MigrateError> {
    let text = path.to_string_lossy();
    let fixed: PathBuf =
        path.components().take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?'])).collect();
    let mut places = Vec::new();
    if fixed.is_dir() {
        for dir in walk(&base_of(root, &fixed)?, &fixed)?.0 {
            if matches(text.as_bytes(), dir.to_string_lossy().as_bytes()) {
                let shown = dir.strip_prefix(root).unwrap_or(&dir).display().to_string();
                places.push(Place { location: shown, path: dir });
            }
        }
    }
    if places.is_empty() {
        Err(MigrateError::NoLocation { location: location.to_owned(), path: path.to_owned() })
    } else {
        Ok(places)
    }
}

/// Whether a path fits a pattern. Tries each way once per position of the pattern: quadratic at worst.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    let mut rest = pattern;
    while let Some(&sign) = rest.first() {
        let deep = rest.starts_with(b"**");
        rest = rest.get(if deep { 2 } else { 1 }..).unwrap_or_default();
        let mut next = vec![false; path.len() + 1];
        let mut open = false;
        for (at, slot) in next.iter_mut().enumerate() {
            let before = at.checked_sub(1);
            let byte = before.and_then(|before| path.get(before)).copied();
            let here = reached.get(at).copied().unwrap_or(false);
            let stepped = before.and_then(|before| reached.get(before)).copied().unwrap_or(false);
            *slot = match sign {
                b'*' => {
                    open = here || (open && (deep || byte != Some(b'/')));
                    open
                }
                b'?' => stepped && byte != Some(b'/'),
                literal => stepped && byte == Some(literal),
            };
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

/// A file's text, the digest of its bytes, and how many they are.
fn read(base: &Base, path: &Path, encoding: Encoding) -> Result<(String, String, u64), MigrateError> {
    let content = content(base, path)?;
    let (digest, bytes) = (blake3::hash(&content).to_hex().to_string(), content.len() as u64);
    let text = encoding.decode(content).map_err(|why| MigrateError::BadScript { path: path.to_owned(), why })?;
    Ok((text, digest, bytes))
}

fn content(base: &Base, path: &Path) -> Result<Vec<u8>, MigrateError> {
    base.read(below(base, path), MAX_SCRIPT_BYTES).map_err(|source| match trust::refused(&source) {
        Some(why) => MigrateError::BadScript { path: path.to_owned(), why: why.to_string() },
        None => MigrateError::Read { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests;
